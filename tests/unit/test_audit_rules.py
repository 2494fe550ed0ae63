"""Each of the 41 rules of the audit, shown kept and shown violated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

import pytest

from medsnap import policy
from medsnap.errors import PolicyError
from medsnap.model.carrier import Carrier, CarrierAction, CarrierKind
from medsnap.model.decision import DeviceClass, DeviceEvidence, Evidence, LeakKind, LeakSign, Verb, Vote
from medsnap.model.finding import State
from medsnap.model.photo import Sha256
from medsnap.model.record import PhotoRow
from medsnap.model.study import Match, MatchState, Patient
from medsnap.policy.audit_rules import RULES, audit
from medsnap.policy.auditing import Answer, Audited, Case, Opened, Sent, Verdict, audited
from medsnap.policy.parents import beside
from medsnap.policy.waiver import Narrow, Waiver
from tests.builders.policy import HOSPITAL, MANAGED, NOW, described, edited, given, ordinary
from tests.unit.test_audit_report import milder, photo, sent

Change = Callable[[Case], Case]
VIOLATION, WARN = Verdict.VIOLATION, Verdict.WARN


def plain(row: PhotoRow | None = None, *targets: str, **changes: Any) -> Case:
    """A case of one photo; without a row an ordinary one that went to the record."""
    made = row or photo()
    receipts = [sent(made, name) for name in targets or (("ehr",) if row is None else ())]
    case = Case(policy=HOSPITAL, photos=(audited(HOSPITAL, made, receipts),), now=NOW, signed="signed by all")
    return replace(case, **changes)


def opened(case: Case, **found: Any) -> tuple[Opened, ...]:
    return tuple(Opened(object=p.object, **found) for p in case.photos)


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What shows a rule violated (or warned of), and what shows it kept."""

    bad: Callable[[], Case]
    good: Callable[[], Case] = field(default=plain)
    verdict: Verdict = VIOLATION


def decided(evidence: Evidence) -> Shown:
    """A rule that a decision keeps, and that somebody who opened the photo broke."""
    return Shown(bad=lambda: plain(milder(photo(evidence))), good=lambda: plain(photo(evidence)))


def sign(kind: LeakKind) -> Shown:
    return decided(ordinary(signs=(LeakSign(kind=kind, because="a sign"),)))


def feature(name: str, value: float | State = State.SEEN, **changes: Any) -> Shown:
    return decided(ordinary(**given({name: value}), **changes))


def device(**changes: Any) -> Shown:
    return decided(ordinary(device=replace(MANAGED, **changes)))


def matched(**changes: Any) -> PhotoRow:
    row = photo()
    return replace(row, match=replace(row.match, **changes))


def worded(**words: str) -> Callable[[], Case]:
    return lambda: plain(matched(description=described(**words)))


def seated(**seats: tuple[str, ...]) -> Case:
    others = [s for s in HOSPITAL.seats if s.name not in seats]
    changed = [replace(s, people=seats[s.name]) for s in HOSPITAL.seats if s.name in seats]
    return plain(policy=replace(HOSPITAL, seats=(*others, *changed)))


def weaker_child() -> Case:
    """A weaker department's policy does not load: there is nothing that could be audited."""
    file = policy.packaged("dermatology")
    text = file.read_text("utf-8").replace("  scar: ", "  text: ")
    with pytest.raises(PolicyError, match=r"E201 features\.text"):
        policy.load_text(text, str(file), parents=beside(file.parent))
    raise Refused


class Refused(Exception):
    """The rule cannot be broken: what would break it is refused before."""


WAIVER = Waiver(
    id="W-1", policy="northside", rule="devices.personal", narrow=Narrow(department="surgery"), first=None,
    until=NOW.date() - timedelta(days=30), because="repair", where="W-1.yaml:1", digest="0" * 64,
)  # fmt: skip


def waived(until: date) -> Case:
    """A photo whose decision rests on a waiver that ends on a day."""
    row = photo()
    told = Vote(verb=Verb.ACCEPT, path="waivers.W-1", where="W-1.yaml:1")
    row = replace(row, decision=replace(row.decision, votes=(*row.decision.votes, told)))
    return plain(row, waivers=(replace(WAIVER, until=until),))


def old(row: PhotoRow, **age: int) -> PhotoRow:
    return replace(row, at=(NOW - timedelta(**age)).isoformat())


def redacted() -> PhotoRow:
    return photo(ordinary(**given({"text": State.SEEN})))


def shallow(row: PhotoRow) -> PhotoRow:
    return replace(row, seal=replace(row.seal, compartment="general"))


def unsaid(row: PhotoRow) -> PhotoRow:
    kept = tuple(f for f in row.decision.features if f.feature != "tattoo")
    return replace(row, decision=replace(row.decision, features=kept))


FILED = old(photo(), days=2)
TEACHING = "teaching-library"
PLAIN_DATES = edited(("may_carry: [], dates: shift", "may_carry: [], dates: keep"))
LATE = replace(photo().match, captured_at="2026-11-01T10:00:00")

SHOWN: dict[str, Shown] = {
    "G1": Shown(bad=lambda: plain(refused="signatures are missing: it (0 of 1)")),
    "G2": Shown(bad=lambda: seated(it=("a.osei",), clinical=("a.osei",)), good=plain),
    "G3": Shown(bad=weaker_child, good=lambda: plain(policy=policy.load(policy.packaged("dermatology")))),
    "G4": Shown(bad=lambda: waived(WAIVER.until), good=lambda: waived(NOW.date() + timedelta(days=60))),
    "D1": decided(ordinary(device=DeviceEvidence(device_class=DeviceClass.PERSONAL))),
    "D2": device(os_version="16.0"),
    "D3": device(contradictions=("camera says make Apple, inventory says samsung",)),
    "D4": Shown(
        bad=lambda: plain(photo(device=replace(MANAGED, inventory_date=date(2026, 1, 1)))),
        good=lambda: plain(photo(device=MANAGED)),
        verdict=WARN,
    ),
    "L1": sign(LeakKind.MESSAGING_APP),
    "L2": sign(LeakKind.CLOUD_COPY),
    "L3": sign(LeakKind.SCREENSHOT),
    "L4": sign(LeakKind.NO_CAMERA_DATA),
    "L5": Shown(
        bad=lambda: plain(photo(match=LATE)),
        good=lambda: plain(photo(match=replace(LATE, captured_at="2026-11-24T08:00:00"))),
        verdict=WARN,
    ),
    "L6": Shown(
        bad=lambda: plain(FILED, dumped=frozenset({str(FILED.source_sha256)})),
        good=lambda: plain(FILED, dumped=frozenset({"f" * 64})),
    ),
    "S1": Shown(
        bad=lambda: plain(opened=opened(plain(), left=("place",))),
        good=lambda: plain(opened=opened(plain())),
    ),
    "S2": Shown(
        bad=lambda: plain(photo(pixels=Sha256("a" * 64)), opened=opened(plain(), pixels="b" * 64)),
        good=lambda: plain(photo(pixels=Sha256("a" * 64)), opened=opened(plain(), pixels="a" * 64)),
    ),
    "S3": Shown(
        bad=lambda: plain(matched(operator=None)),
        good=lambda: plain(matched(operator="r.lind", captured_at="2026-11-24T08:00:00")),
        verdict=WARN,
    ),
    "S4": Shown(
        bad=lambda: plain(photo(), TEACHING, policy=PLAIN_DATES), good=lambda: plain(photo(), TEACHING)
    ),
    "V1": decided(ordinary(description=described(body_site=None))),
    "V2": Shown(bad=worded(view="sideways"), good=worded(view="close-up"), verdict=WARN),
    "V3": Shown(bad=worded(body_site="forarm"), good=worded(body_site="forearm")),
    "V4": Shown(
        bad=worded(body_site="nose", laterality="left"), good=worded(laterality="left"), verdict=WARN
    ),
    "F1": Shown(bad=lambda: plain(unsaid(photo()))),
    "F2": feature("face", 0.93),
    "F3": feature("tattoo"),
    "F4": feature("text"),
    "F5": feature("fingerprint"),
    "F6": feature("other_person"),
    "F7": feature("place"),
    "F8": feature("face", 0.5),
    "F9": feature("intimate_region"),
    "F10": Shown(bad=lambda: plain(shallow(redacted())), good=lambda: plain(redacted())),
    "C1": decided(ordinary(purpose="teaching", consent=(("teaching", "verbal"),))),
    "C2": Shown(bad=lambda: plain(photo(ordinary(**given({"face": 0.93}))), TEACHING)),
    "C3": feature("intimate_region", patient_age=9),
    "A1": Shown(bad=lambda: plain(shallow(photo(ordinary(**given({"face": 0.93}))))), good=plain),
    "A2": Shown(bad=lambda: plain(log="entry 3 does not match")),
    "R1": Shown(bad=lambda: plain(missing=frozenset(p.object for p in plain().photos))),
    "E1": Shown(bad=lambda: plain(FILED), good=lambda: plain(FILED, "ehr")),
    "E2": Shown(bad=lambda: plain(photo(), TEACHING)),
    "E3": Shown(
        bad=lambda: plain(sent=(Sent(object=photo().seal.object, target="ehr", problems=("no label",)),)),
        good=lambda: plain(sent=(Sent(object=photo().seal.object, target="ehr"),)),
    ),
}


def answer(case: Case, rule: str) -> Answer:
    return next(found for known, found in audit(case) if known.id == rule)


@pytest.mark.parametrize("rule", [rule.id for rule in RULES])
def test_each_rule_is_seen_kept_and_seen_violated(rule: str) -> None:
    shown = SHOWN[rule]
    kept = answer(shown.good(), rule)
    assert (kept.verdict, kept.objects) == (Verdict.OK, ()), kept
    try:
        case = shown.bad()
    except Refused:
        assert rule == "G3"
        return
    found = answer(case, rule)
    assert found.verdict is shown.verdict, found
    assert found.todo or rule == "G1", "what to do about it"
    of_photos = rule not in ("G1", "G2", "A2")
    assert bool(found.objects) is of_photos


@pytest.mark.parametrize(("rule", "hint"), [("S2", "--sample"), ("L6", "--dump"), ("E3", "--sent")])
def test_what_was_not_looked_at_says_what_it_needs(rule: str, hint: str) -> None:
    found = answer(plain(), rule)
    assert found.verdict is Verdict.NOT_YET
    assert hint in found.todo


def test_nothing_else_is_left_open() -> None:
    looked = plain(opened=opened(plain()), dumped=frozenset(), sent=(Sent(object="x", target="ehr"),))
    assert [rule.id for rule, found in audit(looked) if found.verdict is Verdict.NOT_YET] == []


STORED = (
    ("", {"pixels": "b" * 64}, {"pixels": Sha256("a" * 64)}, "pixels"),
    ("", {"size": (10, 20)}, {"width": 20, "height": 10}, "size"),
    ("", {"orientation": 6}, {"orientation": 1}, "turned"),
    ("", {"profile": False}, {"carriers": (Carrier(kind=CarrierKind.ICC, where="APP2", offset=0, size=1,
                                                  action=CarrierAction.KEPT, reveals=()),)}, "profile"),
    ("it does not open", {}, {}, "open"),
)  # fmt: skip


@pytest.mark.parametrize(("problem", "found", "row", "said"), STORED)
def test_a_stored_photo_that_is_not_as_its_row_says(
    problem: str, found: dict[str, Any], row: dict[str, Any], said: str
) -> None:
    case = plain(photo(**row), opened=opened(plain(), problem=problem, **found))
    got = answer(case, "S2")
    assert got.verdict is VIOLATION
    assert said in got.found


def lasting(years: int, *, gone: bool, born: date | None = date(1970, 1, 1), **changes: Any) -> Answer:
    """A photo filed some years ago, lost or still there, under eight years and the 25th birthday."""
    patient = Patient(mrn="T1", issuer="2.999.1", birth_date=born)
    match = Match(state=MatchState.MATCHED, patient=patient, captured_at=f"{NOW.year - years}-01-02T10:00:00")
    row = photo(match=match)
    row = replace(row, decision=replace(row.decision, **changes))
    gone_ids = frozenset({str(row.seal.object)}) if gone else frozenset[str]()
    return answer(plain(row, missing=gone_ids), "R1")


@pytest.mark.parametrize(
    ("years", "gone", "changes", "verdict"),
    [
        (7, True, {}, VIOLATION),
        (9, True, {}, Verdict.OK),
        (9, False, {}, WARN),
        (9, True, {"verb": Verb.SAFEGUARD}, VIOLATION),  # safeguarded: never
        (9, True, {"born": date(2010, 1, 1)}, VIOLATION),  # 16 today: until the 25th birthday
        (9, True, {"born": None}, VIOLATION),  # the birthday is not known
    ],
)
def test_what_is_gone_before_its_time(
    years: int, gone: bool, changes: dict[str, Any], verdict: Verdict
) -> None:
    assert lasting(years, gone=gone, **changes).verdict is verdict


@pytest.mark.parametrize(("gone", "verdict"), [(False, Verdict.OK), (True, VIOLATION)])
def test_a_legal_hold_keeps_what_the_policy_would_let_go(gone: bool, verdict: Verdict) -> None:
    row = photo()
    old = replace(row, match=replace(row.match, captured_at=f"{NOW.year - 70}-01-02T10:00:00"))
    name = frozenset({str(row.seal.object)})
    got = answer(plain(old, missing=name if gone else frozenset(), on_hold=name, erased=3), "R1")
    assert got.verdict is verdict
    if not gone:
        assert got.found.endswith("; 1 on legal hold; 3 expired or erased, as the log says")


def test_where_a_policy_keeps_for_ever_nothing_may_be_gone() -> None:
    lasts = edited(("retention: {keep: 8 years,", "retention: {keep: for ever,"))
    row = photo()
    old_one = replace(row, match=replace(row.match, captured_at="1990-01-01T00:00:00"))
    case = plain(old_one, policy=lasts, missing=frozenset({str(row.seal.object)}))
    assert answer(case, "R1").verdict is VIOLATION


def test_a_device_that_still_holds_a_fresh_photo_is_only_warned_of() -> None:
    fresh = photo()
    case = plain(fresh, dumped=frozenset({str(fresh.source_sha256)}))
    assert answer(case, "L6").verdict is WARN


def test_a_photo_without_its_code_that_waits_is_only_warned_of() -> None:
    words = described(body_site="forarm")
    row = photo(ordinary(description=words))
    waiting = replace(row, match=replace(row.match, description=words))
    assert answer(plain(waiting), "V3").verdict is WARN


def test_files_that_were_fetched_already_are_said() -> None:
    assert answer(plain(sent=()), "E3").verdict is WARN


def test_a_waiver_that_nothing_needs_or_that_has_no_file_is_said() -> None:
    unused = answer(plain(waivers=(replace(WAIVER, until=NOW.date() + timedelta(days=60)),)), "G4")
    assert (unused.verdict, "unused" in unused.found) == (WARN, True)
    gone = answer(replace(waived(WAIVER.until), waivers=()), "G4")
    assert (gone.verdict, "W-1" in gone.found) == (WARN, True)


def test_the_table_covers_the_rules() -> None:
    assert set(SHOWN) == {rule.id for rule in RULES}
    assert isinstance(plain().photos[0], Audited)
