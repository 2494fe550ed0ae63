"""Test files of a policy: read, and each case made into evidence (policy.md 3.7)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Final

from medsnap.errors import PolicyError
from medsnap.model.decision import (
    CloudPhotos,
    DeviceClass,
    DeviceEvidence,
    DeviceState,
    Evidence,
    LeakKind,
    LeakSign,
    Person,
    PersonalAccount,
    Software,
)
from medsnap.model.finding import Detector, Reading, State, Statement
from medsnap.model.study import Description
from medsnap.policy.case_table import TEST, UNKNOWN
from medsnap.policy.findings import LintFinding
from medsnap.policy.kinds import Duration
from medsnap.policy.loading import load, read_text
from medsnap.policy.nodes import Reader
from medsnap.policy.nouns import Policy
from medsnap.policy.walk import Item, Walker

_OPERATOR: Final = "clinician"
Facts = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One case: its place, how its photo differs from the ordinary one, what must come out."""

    name: str
    line: int
    column: int
    photo: Facts
    expect: Facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A test file: its policy, what is given in every case, the cases."""

    file: str
    policy: Policy
    policy_file: str
    given: Facts
    cases: tuple[Case, ...]
    waivers: tuple[Path, ...] = ()


def lint_cases(text: str, name: str) -> tuple[LintFinding, ...]:
    """List what is wrong with a test file, its policy apart."""
    reader, _ = _read(text, name)
    return tuple(sorted(reader.findings, key=lambda f: (f.line, f.column)))


def load_suite(path: Path, *, now: datetime | None = None) -> Suite:
    """Read a test file and its policy. Raises InputMissing, PolicyError with the lint findings of either."""
    reader, tree = _read(read_text(path), str(path))
    if reader.findings or tree is None:
        first = reader.findings[0]
        raise PolicyError(
            f"the test file has an error: {first.code} {first.message}",
            where=f"{path}:{first.line}:{first.column}",
            findings=tuple(reader.findings),
        )
    beside = path.parent / str(_value(tree, "policy"))
    waivers = tuple(path.parent / str(item.value) for item in _items(tree, "waivers"))
    return Suite(
        file=str(path),
        policy=load(beside, now=now),
        policy_file=str(beside),
        given=_facts(tree.get("given")),
        cases=tuple(_case(item) for item in _items(tree, "cases")),
        waivers=waivers,
    )


def _read(text: str, name: str) -> tuple[Reader, Item | None]:
    reader = Reader(name)
    node = reader.read(text)
    if node is None and not reader.findings:
        reader.complain(1, 1, "E107", "the file is empty; start with 'policy: FILE'")
    tree = Walker(reader, Path(name).name).walk(node, TEST) if node is not None else None
    return reader, tree


def _value(item: Item, key: str) -> object:
    found = item.get(key)
    return found.value if found is not None else None


def _items(item: Item, key: str) -> Iterator[Item]:
    found = item.get(key)
    yield from found.items() if found is not None else ()


def _case(item: Item) -> Case:
    name = item.get("name")
    return Case(
        name=str(name.value) if name else "",
        line=item.line,
        column=item.column,
        photo=_facts(item.get("photo")),
        expect=_facts(item.get("expect")),
    )


def _facts(item: Item | None) -> dict[str, object]:
    return {key: _plain(entry) for key, entry in item.entries()} if item is not None else {}


def _plain(item: Item) -> object:
    if isinstance(item.value, dict):
        return {key: _plain(entry) for key, entry in item.entries()}
    return item.texts() if isinstance(item.value, tuple) else item.value


def joined(given: Facts, photo: Facts) -> dict[str, object]:
    """Lay a photo's facts over what is given; features, consent and the clinician's words add up."""
    whole = dict(given)
    for key, value in photo.items():
        before = whole.get(key)
        whole[key] = before | value if isinstance(before, dict) and isinstance(value, dict) else value
    return whole


def moment(policy: Policy, facts: Facts) -> datetime:
    """Return the noon of the case's day; without one, the policy's first."""
    day = facts.get("on", policy.in_force.first)
    return datetime.combine(day if isinstance(day, date) else policy.in_force.first, time(12), UTC)


def evidence(policy: Policy, facts: Facts) -> Evidence:
    """Make the evidence of an ordinary photo of an ordinary site, changed by facts."""
    today = moment(policy, facts).date()
    words = {key: _word(facts, key, default) for key, default in _ordinary(policy).items()}
    listed, age = facts.get("listed", True), facts.get("patient_age", 40)
    department = facts.get("department", min(policy.departments, default=None))
    return Evidence(
        readings=tuple(_readings(policy, facts)),
        statements=tuple(_statements(policy, facts)),
        device=_device(policy, facts, today),
        signs=tuple(_signs(facts)),
        description=Description(**words),
        department=None if department in (None, UNKNOWN) else str(department),
        patient_age=age if isinstance(age, int) else None,
        operator=Person(staff_id=_OPERATOR, roles=("clinician",)) if facts.get("operator", True) else None,
        listed=bool(listed),
        manifest_given=bool(listed),
        consent=tuple((use, str(given)) for use, given in sorted(_map(facts, "consent").items())),
        purpose=str(facts.get("purpose", "care")),
        media_understood=bool(facts.get("understood", True)),
        software=_software(policy, today),
        reviewers=_reviewers(policy),
    )


def _software(policy: Policy, today: date) -> Software:
    """Return a medsnap that is new enough: its age is no fact of a photo."""
    floor = policy.software.at_least or (1,)
    return Software(version=".".join(map(str, floor)), released=today)


def _reviewers(policy: Policy) -> tuple[Person, ...]:
    most = max((rule.reviewers for rule in policy.features.values()), default=1)
    return tuple(Person(staff_id=f"reviewer-{n}", roles=policy.review.by) for n in range(1, 1 + most))


def _ordinary(policy: Policy) -> dict[str, str]:
    words = policy.vocabulary
    return {
        "body_site": "forearm",
        "laterality": "left",
        "view": "regional" if "regional" in words.view else next(iter(words.view), ""),
        "reason": "assessment" if "assessment" in words.reason else next(iter(words.reason), ""),
        "lesion": "1",
    }


def _word(facts: Facts, key: str, default: str) -> str | None:
    said = str(facts.get(key, default))
    return None if said == UNKNOWN else said


def _map(facts: Facts, key: str) -> Mapping[str, object]:
    found = facts.get(key, {})
    return found if isinstance(found, dict) else {}


def _device(policy: Policy, facts: Facts, today: date) -> DeviceEvidence:
    floors = policy.devices.managed.os_at_least
    system, floor = next(iter(floors.items()), ("ios", (99,)))
    said = str(facts.get("os", f"{system} {'.'.join(map(str, floor))}"))
    ago = facts.get("last_seen", Duration(words="", length=None))
    length = ago.length if isinstance(ago, Duration) else None
    name, _, version = said.partition(" ")
    shared = facts.get("shared", False)
    return DeviceEvidence(
        shared=shared if isinstance(shared, bool) else None,
        state=DeviceState(str(facts.get("state", DeviceState.IN_USE))),
        cloud_photos=CloudPhotos(str(facts.get("cloud_photos", CloudPhotos.OFF))),
        personal_account=PersonalAccount(str(facts.get("personal_account", PersonalAccount.NONE))),
        device_class=DeviceClass(str(facts.get("device", "managed"))),
        asset=str(facts.get("asset", "DEVICE-1")),
        os=None if name == UNKNOWN else name,
        os_version=version or None,
        last_seen=None if ago == UNKNOWN else today - length if length is not None else today,
        contradictions=("the file names another device",) if facts.get("contradicted") else (),
        inventory_date=today,
    )


def _signs(facts: Facts) -> Iterator[LeakSign]:
    said = facts.get("source", ())
    for kind in said if isinstance(said, tuple) else ():
        yield LeakSign(kind=LeakKind(kind), because=str(kind).replace("_", " "))


def _readings(policy: Policy, facts: Facts) -> Iterator[Reading]:
    for name, state in _map(facts, "features").items():
        detector = _detector(policy, name)
        if isinstance(state, State):
            if state in (State.DOUBTFUL, State.NOT_ASSESSABLE):
                yield Reading(feature=name, detector=detector, state=state)
        elif isinstance(state, float):
            yield Reading(feature=name, detector=detector, score=state)


def _detector(policy: Policy, feature: str) -> Detector:
    """Return a detector that the policy trusts for a feature, or one that it does not know."""
    entry = next(iter(policy.detection.may_clear.get(feature, ())), "case")
    name, _, model = entry.partition("@")
    name, _, version = name.partition("/")
    return Detector(name=name, version=version or "1", model=model)


def _statements(policy: Policy, facts: Facts) -> Iterator[Statement]:
    said = _map(facts, "features")
    people = range(1, 1 + max((rule.reviewers for rule in policy.features.values()), default=1))
    denied = [name for name in policy.features if name not in said] if facts.get("looked", True) else []
    denied += [name for name, state in said.items() if state is State.NOT_SEEN]
    for name in denied:
        for number in people:
            yield Statement(feature=name, seen=False, person=f"reviewer-{number}", role="reviewer")
    for name, state in said.items():
        if state is State.SEEN:
            yield Statement(feature=name, seen=True, person="reviewer-1", role="reviewer")
    for name, seen in _map(facts, "clinician").items():
        yield Statement(feature=name, seen=bool(seen), person=_OPERATOR, role="clinician")
