"""The effective tree to the typed policy. The tree has passed lint: what is required is there."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import date, timedelta

from medsnap.model.codec import canonical
from medsnap.model.decision import DeviceClass, LeakKind, PolicyRef, Verb
from medsnap.policy import sites
from medsnap.policy.effective import lines
from medsnap.policy.findings import LintFinding
from medsnap.policy.kinds import Duration
from medsnap.policy.nouns import (
    Compartment,
    Consent,
    Detection,
    DeviceRule,
    Devices,
    Export,
    FeatureRule,
    InForce,
    Label,
    Looks,
    Policy,
    Review,
    Rule,
    Seat,
    SoftwareRule,
    Vocabulary,
    WaiverLimits,
    When,
)
from medsnap.policy.scales import unlooked_unsaid
from medsnap.policy.table import DEFAULT_LABELS
from medsnap.policy.walk import Item, plain

_NOTHING = Item({}, "", 0)


def build(tree: Item, *, digest: str, baseline: int, warnings: tuple[LintFinding, ...] = ()) -> Policy:
    """Make the policy of an effective tree. `digest` is the SHA-256 of the file as it is."""
    places = lines(tree)
    compartments = tuple(_compartment(name, item) for name, item in _at(tree, "compartments").entries())
    vocabulary = _vocabulary(_at(tree, "vocabulary"), places)
    settings = plain(tree)
    return Policy(
        ref=PolicyRef(
            policy=_text(tree, "policy"),
            version=_whole(tree, "version", 1),
            digest=digest,
            effective=hashlib.sha256(canonical(settings)).hexdigest(),
            baseline=baseline,
        ),
        title=_text(tree, "title"),
        in_force=_in_force(_at(tree, "in_force")),
        compartments=compartments,
        ranks={compartment.name: place for place, compartment in enumerate(compartments)},
        departments=_departments(tree),
        vocabulary=vocabulary,
        devices=_devices(_at(tree, "devices")),
        sources={str(kind): _rule(str(kind), _at(tree, "sources", str(kind))) for kind in LeakKind},
        not_listed={str(c): _text(_at(tree, "sources", "not_listed"), str(c)) for c in DeviceClass},
        clinician_may_clear=frozenset(_at(tree, "manifest", "may_clear").texts()),
        detection=_detection(_at(tree, "detection")),
        features={name: _rule(name, item) for name, item in _at(tree, "features").entries()},
        rules=tuple(_case(item, vocabulary) for item in _at(tree, "rules").items()),
        review=_review(tree, compartments),
        consent={use: _consent(use, item) for use, item in _at(tree, "consent").entries()},
        exports=tuple(_export(name, item) for name, item in _at(tree, "exports").entries()),
        lines=places,
        settings=settings if isinstance(settings, dict) else {},
        warnings=warnings,
        tree=tree,
        software=_software(_at(tree, "software")),
        waiver_limits=_waivers(tree.get("waivers")),
        seats=_seats(tree),
        root=_text(tree, "extends").partition("@")[0] or _text(tree, "policy"),
    )


def _at(item: Item, *path: str) -> Item:
    for key in path:
        item = item.get(key) or _NOTHING
    return item


def _text(item: Item, key: str, default: str = "") -> str:
    found = item.get(key)
    return default if found is None else str(found.value)


def _texts(item: Item, key: str) -> tuple[str, ...]:
    return _at(item, key).texts()


def _whole(item: Item, key: str, default: int) -> int:
    found = item.get(key)
    return found.value if found is not None and isinstance(found.value, int) else default


def _share(item: Item, key: str, default: float) -> float:
    found = item.get(key)
    return found.value if found is not None and isinstance(found.value, float) else default


def _length(item: Item, key: str) -> timedelta | None:
    found = item.get(key)
    return found.value.length if found is not None and isinstance(found.value, Duration) else None


def _date(item: Item, key: str) -> date | None:
    found = item.get(key)
    return found.value if found is not None and isinstance(found.value, date) else None


def _where(item: Item, key: str) -> str:
    return (item.get(key) or item).where


def _verb(item: Item) -> Verb:
    found = item.get("do")
    # Unknown or absent never opens (M8); lint keeps it from happening.
    return found.value if found is not None and isinstance(found.value, Verb) else Verb.QUARANTINE


def _rule(name: str, item: Item) -> FeatureRule:
    return FeatureRule(
        name=name,
        verb=_verb(item),
        to=_text(item, "to") or None,
        reviewers=_whole(item, "reviewers", 1),
        where=item.where,
    )


def _departments(tree: Item) -> frozenset[str]:
    """Name whose photos it decides; what a department may do is no other department's leave."""
    listed = frozenset(name for name, _ in _at(tree, "departments").entries())
    return listed if tree.get("extends") is None else listed & {_text(tree, "department")}


def _seats(tree: Item) -> tuple[Seat, ...]:
    """List who signs: the seats of the root's body; for a department its own signer, and IT."""
    seats = [
        Seat(name=name, people=_texts(item, "people"), sign=_whole(item, "sign", 1), where=item.where)
        for name, item in _at(tree, "governance", "seats").entries()
    ]
    if tree.get("extends") is None:
        return tuple(seats)
    department = _text(tree, "department")
    people = _at(tree, "departments", department)
    signer = Seat(name=department, people=people.texts(), sign=1, where=people.where)
    return (signer, *(seat for seat in seats if seat.name == "it"))


def _waivers(item: Item | None) -> WaiverLimits | None:
    if item is None:
        return None
    return WaiverLimits(
        signed_by=_texts(item, "signed_by"),
        at_most=_length(item, "at_most") or timedelta(0),
        never_for=_texts(item, "never_for"),
    )


def _in_force(item: Item) -> InForce:
    # Dates that are not there make a policy that never was in force.
    return InForce(
        first=_date(item, "from") or date.max,
        last=_date(item, "until") or date.min,
        grace=_length(item, "grace") or timedelta(0),
        where=item.where,
    )


def _compartment(name: str, item: Item) -> Compartment:
    said = _text(item, "label")
    return Compartment(
        name=name,
        open_to=_texts(item, "open_to"),
        label=Label(said or DEFAULT_LABELS.get(name, Label.VERY_RESTRICTED)),
        where=item.where,
    )


def _vocabulary(item: Item, places: Mapping[str, str]) -> Vocabulary:
    required = _texts(item, "required")
    missing = _at(item, "when_missing")
    called = _at(item, "body_site", "also_called")
    local = {sites.normal(word): sites.normal(str(term.value)) for word, term in called.entries()}
    at_key = {
        key: places.get(f"vocabulary.when_missing.{key}") or places.get("vocabulary.required") or ""
        for key in required
    }
    return Vocabulary(
        required=required,
        quarantines=frozenset(key for key in required if _text(missing, key, "quarantine") != "send"),
        view=tuple(sites.normal(word) for word in _texts(item, "view")),
        reason=tuple(sites.normal(word) for word in _texts(item, "reason")),
        sites=sites.chosen(_texts(_at(item, "body_site"), "codes"), local),
        where=at_key,
    )


def _devices(item: Item) -> Devices:
    managed = _at(item, "managed")
    floors = {
        name: tuple(part for part in floor.value if isinstance(part, int))
        for name, floor in _at(managed, "os_at_least").entries()
        if isinstance(floor.value, tuple)
    }
    return Devices(
        managed=DeviceRule(
            rule=_rule("managed", managed),
            os_at_least=floors,
            seen_within=_length(managed, "seen_within"),
            where_os=_where(managed, "os_at_least"),
            where_seen=_where(managed, "seen_within"),
        ),
        personal=_rule("personal", _at(item, "personal")),
        unknown=_rule("unknown", _at(item, "unknown")),
        lost=_rule("lost", _at(item, "lost")),
        retired=_rule("retired", _at(item, "retired")),
        state=_text(item, "state", "in_use"),
        cloud_photos=_text(item, "cloud_photos", "off"),
        personal_account=_text(item, "personal_account", "none"),
        operator=_text(item, "operator", "unless_own"),
        inventory=_text(item, "inventory") or None,
        inventory_max_age=_length(item, "inventory_max_age"),
        where_age=_where(item, "inventory_max_age"),
    )


def _software(item: Item) -> SoftwareRule:
    oldest = item.get("at_least")
    found = oldest.value if oldest is not None and isinstance(oldest.value, tuple) else ()
    return SoftwareRule(
        not_older_than=_length(item, "not_older_than"),
        at_least=tuple(part for part in found if isinstance(part, int)) or None,
    )


def _detection(item: Item) -> Detection:
    views = _at(item, "cannot_appear_in")
    clear = _at(item, "may_clear")
    return Detection(
        certain_at=_share(item, "certain_at", 1.0),
        suspect_at=_share(item, "suspect_at", 0.0),
        person_looks=Looks(_text(item, "person_looks", Looks.EVERY_PHOTO)),
        cannot_appear_in={sites.normal(view): frozenset(names.texts()) for view, names in views.entries()},
        may_clear={feature: names.texts() for feature, names in clear.entries()},
        where_looks=_where(item, "person_looks"),
        where_suspect=_where(item, "suspect_at"),
    )


def _case(item: Item, vocabulary: Vocabulary) -> Rule:
    return Rule(
        id=_text(item, "id"),
        when=_when(_at(item, "when"), vocabulary),
        verb=_verb(item),
        to=_text(item, "to") or None,
        reviewers=_whole(item, "reviewers", 1),
        whole_study=bool((item.get("whole_study") or Item(False, "", 0)).value),
        because=_text(item, "because"),
        where=item.where,
    )


def _when(item: Item, vocabulary: Vocabulary) -> When:
    found = (vocabulary.sites.find(word) for word in _texts(item, "body_site"))
    age = item.get("patient_younger_than")
    return When(
        feature=_texts(item, "feature"),
        department=_texts(item, "department"),
        reason=tuple(sites.normal(word) for word in _texts(item, "reason")),
        view=tuple(sites.normal(word) for word in _texts(item, "view")),
        body_site=tuple(site.code for site in found if site),
        patient_younger_than=age.value if age is not None and isinstance(age.value, int) else None,
        device=_texts(item, "device"),
        source=_texts(item, "source"),
        purpose=_texts(item, "purpose"),
    )


def _review(tree: Item, compartments: tuple[Compartment, ...]) -> Review:
    item = _at(tree, "review")
    by = _texts(item, "by")
    return Review(
        by=by,
        within=_text(item, "within"),
        keep_in=_text(item, "keep_in") or _keep_in(by, compartments),
        where=item.where if item.line else "",
    )


def _keep_in(by: tuple[str, ...], compartments: tuple[Compartment, ...]) -> str:
    """Choose where a photo waits: the first locked group after the open one that a reviewer may open."""
    locked = compartments[1:] or compartments
    return next((c.name for c in locked if set(by) & set(c.open_to)), locked[0].name)


def _consent(use: str, item: Item) -> Consent:
    return Consent(
        use=use,
        need=_text(item, "need", "written"),
        show=_text(item, "show", "original" if use == "treatment" else "redacted"),
        reviewers=_whole(item, "reviewers", 1),
        where=item.where,
    )


def _export(name: str, item: Item) -> Export:
    return Export(
        name=name,
        forms=_texts(item, "as") or ("folder",),
        purpose=_text(item, "purpose", "care"),
        may_carry=_texts(item, "may_carry"),
        dates=_text(item, "dates", "keep"),
        patient_portal=_text(item, "patient_portal", "hold"),
        unlooked=_text(item, "unlooked", unlooked_unsaid(_texts(item, "as"))),
        labels_enforced=_date(_at(item, "labels_enforced"), "tested"),
        heic_as=_text(item, "heic_as", "jpeg-95"),
        where=item.where,
    )
