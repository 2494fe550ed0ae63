"""D1 to D4: which devices' photos wait, what a photo's camera data can do, and how fresh the list is."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medsnap import policy
from medsnap.intake.devices import Device, Inventory
from medsnap.model.decision import (
    CloudPhotos,
    Decision,
    DeviceClass,
    DeviceState,
    Evidence,
    Person,
    PersonalAccount,
    Software,
    Verb,
)
from medsnap.model.finding import State, Statement
from medsnap.model.photo import CaptureFacts
from medsnap.policy import cases, propose, weaken
from medsnap.policy.scales import scale
from tests.builders.policy import HOSPITAL, MANAGED, NOW, OPERATOR, REVIEWERS, decide, edited, ordinary, state

LINE = "  personal: quarantine"


def asking(*lines: str) -> policy.Policy:
    return edited((LINE, "\n".join((LINE, *(f"  {line}" for line in lines)))))


STRICT = asking("state: in_use", "cloud_photos: off", "personal_account: none", "operator: unless_own")
LAX = asking("cloud_photos: any", "personal_account: any", "operator: any", "lost: accept", "retired: accept")
GOOD: dict[str, Any] = {
    "state": DeviceState.IN_USE,
    "cloud_photos": CloudPhotos.OFF,
    "personal_account": PersonalAccount.NONE,
    "shared": False,
}


def holds(rules: policy.Policy, *, operator: Person | None = None, **changes: Any) -> set[str]:
    """The paths of `devices` that keep a photo waiting."""
    evidence = ordinary(device=replace(MANAGED, **changes), operator=operator)
    votes = decide(evidence, rules).votes
    return {v.path for v in votes if v.verb >= Verb.QUARANTINE and v.path.startswith("devices.")}


@pytest.mark.parametrize(
    ("changes", "baseline", "strict"),
    [
        (GOOD, (), ()),
        ({}, (), ("state", "cloud_photos", "personal_account", "operator")),  # nobody knows anything
        (GOOD | {"state": DeviceState.LOST}, ("lost",), ("lost",)),
        (GOOD | {"state": DeviceState.RETIRED}, ("retired",), ("retired",)),
        (GOOD | {"state": DeviceState.UNKNOWN}, (), ("state",)),
        (GOOD | {"cloud_photos": CloudPhotos.ON}, ("cloud_photos",), ("cloud_photos",)),
        (GOOD | {"cloud_photos": CloudPhotos.UNKNOWN}, (), ("cloud_photos",)),
        (GOOD | {"personal_account": PersonalAccount.PRESENT}, ("personal_account",), ("personal_account",)),
        (GOOD | {"personal_account": PersonalAccount.UNKNOWN}, (), ("personal_account",)),
        (GOOD | {"shared": True}, ("operator",), ("operator",)),
        (GOOD | {"shared": None}, (), ("operator",)),
        (GOOD | {"shared": True, "operator": OPERATOR}, (), ()),
        (GOOD | {"os_version": "15.0"}, ("managed.os_at_least",), ("managed.os_at_least",)),
        (GOOD | {"os_version": None}, ("managed.os_at_least",), ("managed.os_at_least",)),
        (GOOD | {"last_seen": date(2026, 10, 1)}, ("managed.seen_within",), ("managed.seen_within",)),
        (GOOD | {"last_seen": None}, ("managed.seen_within",), ("managed.seen_within",)),
        (GOOD | {"contradictions": ("other make",)}, ("unknown",), ("unknown",)),
    ],
)
def test_d1_d2_what_the_inventory_says_holds_a_photo(
    changes: dict[str, Any], baseline: tuple[str, ...], strict: tuple[str, ...]
) -> None:
    assert holds(HOSPITAL, **changes) == {f"devices.{path}" for path in baseline}
    assert holds(STRICT, **changes) == {f"devices.{path}" for path in strict}


def test_d1_only_a_policy_that_says_so_lets_them_pass() -> None:
    bad = {"state": DeviceState.LOST, "cloud_photos": CloudPhotos.ON, "shared": True}
    assert holds(LAX, **bad, personal_account=PersonalAccount.PRESENT) == set()


def test_d1_a_private_device_waits_and_has_a_private_account() -> None:
    said = holds(
        STRICT, **GOOD | {"personal_account": PersonalAccount.PRESENT, "device_class": DeviceClass.PERSONAL}
    )
    assert said == {"devices.personal"}
    assert holds(STRICT, device_class=DeviceClass.UNKNOWN) == {"devices.unknown"}


DEVICE = Device(
    asset="A",
    device_class=DeviceClass.MANAGED,
    make="Apple",
    model="iPad (10th generation)",
    os="ios",
    os_version="18.1",
    last_seen=date(2026, 11, 23),
    enrolled_from=date(2026, 1, 1),
    enrolled_until=date(2026, 12, 31),
)
LIST = Inventory(digest="", on=date(2026, 11, 23), devices={"a": DEVICE})
CAMERA = st.builds(
    CaptureFacts,
    make=st.sampled_from([None, "Apple", "samsung", "Google"]),
    model=st.sampled_from([None, "iPad (10th generation)", "iPhone 15", "SM-S911B"]),
    software=st.sampled_from([None, "18.1", "15.0", "26.0", "S911BXXU3AWF7"]),
    captured_at=st.sampled_from([None, "2026-11-20T10:00:00", "2025-06-01T10:00:00", "2031-01-01T00:00:00"]),
)


def shut(decision: Decision) -> int:
    return min(int(decision.verb), int(Verb.QUARANTINE))


@settings(max_examples=150, deadline=None)
@given(CAMERA, st.sampled_from(["A", "nobody's", None]))
def test_d3_exif_contradicts_a_claim_and_never_proves_one(facts: CaptureFacts, asset: str | None) -> None:
    plain = LIST.claim(asset, "folder", CaptureFacts(), NOW.date())
    seen = LIST.claim(asset, "folder", facts, NOW.date())
    assert replace(seen, contradictions=plain.contradictions) == plain  # nothing else can change
    before, after = decide(ordinary(device=plain)), decide(ordinary(device=seen))
    assert shut(after) >= shut(before)
    if seen.contradictions:
        assert after.verb >= Verb.QUARANTINE
        assert "devices.unknown" in {v.path for v in after.votes if v.verb >= Verb.QUARANTINE}


@pytest.mark.parametrize(
    ("taken", "today", "says"),
    [
        ("2026-06-01T10:00:00", date(2026, 11, 24), ""),
        ("2025-12-31T10:00:00", date(2026, 11, 24), "enrolled from 2026-01-01"),
        ("2027-01-01T10:00:00", date(2027, 2, 1), "enrolled until 2026-12-31"),
        (None, date(2027, 2, 1), "enrolled until 2026-12-31"),
    ],
)
def test_d1_a_photo_from_outside_the_enrolment_is_from_no_enrolled_device(
    taken: str | None, today: date, says: str
) -> None:
    found = LIST.claim("A", "folder", CaptureFacts(captured_at=taken), today).contradictions
    assert (bool(found), says in " ".join(found)) == (bool(says), True)


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (NOW.date(), ""),
        (NOW.date() - timedelta(days=7), ""),
        (NOW.date() - timedelta(days=8), "8 days old"),
        (None, "of which day"),
    ],
)
def test_d4_an_old_inventory_is_warned_of_and_holds_nothing(made: date | None, says: str) -> None:
    votes = decide(ordinary(device=replace(MANAGED, inventory_date=made))).votes
    warned = [v for v in votes if v.path == "devices.inventory_max_age"]
    assert [v.verb for v in warned] == ([Verb.ACCEPT] if says else [])
    assert all(says in v.because for v in warned)


@pytest.mark.parametrize(
    ("path", "strict", "mild"),
    [
        ("devices.state", "in_use", "any"),
        ("devices.cloud_photos", "off", "not_on"),
        ("devices.personal_account", "not_present", "any"),
        ("devices.operator", "unless_own", "if_shared"),
    ],
)
def test_a_department_may_not_ask_less_of_devices(path: str, strict: str, mild: str) -> None:
    found = scale(tuple(path.split(".")))
    assert found.milder(strict, mild)
    assert not found.milder(mild, strict)
    assert found.down(strict) == (mild,)


@pytest.mark.parametrize(
    "line",
    [
        "lost: quarantine", "retired: quarantine", "state: in_use", "cloud_photos: off",
        "cloud_photos: not_on", "personal_account: none", "personal_account: not_present",
        "operator: unless_own", "operator: if_shared",
    ],
)  # fmt: skip
def test_a_weakened_line_of_devices_has_a_case_that_notices_it(line: str) -> None:
    rules = asking(line)
    path = f"devices.{line.split(':', maxsplit=1)[0]}"
    weaker = next(w for w in weaken.weakenings(rules) if w.path == path)
    facts = [{"department": "surgery"} | probe for probe in propose.probes(rules, path)]
    told = [(engine_decide(rules, fact).verb, engine_decide(weaker.policy, fact).verb) for fact in facts]
    assert any(before > after for before, after in told), told


def engine_decide(rules: policy.Policy, facts: dict[str, object]) -> Decision:
    return policy.decide(rules, cases.evidence(rules, facts), cases.moment(rules, facts))


# ── medsnap's own age ────────────────────────────────────────────────────────────────────────

FRESH = edited(
    (
        f"{LINE}\n  unknown:  quarantine\n",
        f"{LINE}\n\nsoftware: {{not_older_than: 180 days, at_least: 1.4}}\n",
    )
)


@pytest.mark.parametrize(
    ("software", "paths"),
    [
        (Software(version="1.4.0", released=NOW.date()), []),
        (Software(version="1.4", released=NOW.date() - timedelta(days=180)), []),
        (Software(version="1.3.9", released=NOW.date()), ["at_least"]),
        (Software(version="2.0", released=NOW.date() - timedelta(days=181)), ["not_older_than"]),
        (Software(version="2.0", released=NOW.date() + timedelta(days=1)), ["not_older_than"]),
        (Software(version="2.0.dev1"), ["not_older_than", "at_least"]),
        (None, ["not_older_than", "at_least"]),
    ],
)
def test_an_old_medsnap_does_not_decide_alone(software: Software | None, paths: list[str]) -> None:
    decision = decide(ordinary(software=software), FRESH)
    held = [v.path for v in decision.votes if v.verb is Verb.QUARANTINE]
    assert held == [f"software.{path}" for path in paths] or set(held) == {
        f"software.{path}" for path in paths
    }
    assert (decision.verb is Verb.QUARANTINE) == bool(paths)
    assert "software" not in {v.path.split(".")[0] for v in decide(ordinary(software=software)).votes}


# ── reviewers ────────────────────────────────────────────────────────────────────────────────


def reviewed(*people: Person, said: str = "m.one") -> State:
    statements = (Statement(feature="tattoo", seen=False, person=said, role="reviewer"),)
    evidence: Evidence = ordinary(statements=statements, reviewers=people)
    return state(decide(evidence), "tattoo")


def test_a_reviewer_lowers_only_in_people_csv_in_date_and_in_a_role_of_review() -> None:
    day = NOW.date()
    one = replace(REVIEWERS[0], valid_from=day, valid_until=day)
    assert reviewed(one) is State.NOT_SEEN
    assert reviewed(one, said="M.One") is State.NOT_SEEN
    for wrong in (
        (),
        (replace(one, staff_id="m.two"),),
        (replace(one, roles=("clinician",)),),
        (replace(one, valid_until=day - timedelta(days=1)),),
        (replace(one, valid_from=day + timedelta(days=1)),),
    ):
        assert reviewed(*wrong) is State.NOT_CHECKED
    seen = (Statement(feature="tattoo", seen=True, person="anybody", role="reviewer"),)
    assert state(decide(ordinary(statements=seen, reviewers=())), "tattoo") is State.SEEN  # upward at once
