"""decide(): where a photo comes from and how it is described (M9, M18, M19)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from medsnap import policy
from medsnap.model.decision import DeviceClass, DeviceEvidence, Evidence, LeakKind, LeakSign, Verb
from medsnap.model.finding import State
from tests.builders.policy import (
    CLINIC,
    HOSPITAL,
    MANAGED,
    NOW,
    decide,
    described,
    edited,
    given,
    ordinary,
    paths,
)


class TestWhereFrom:
    """M9, M18, devices and sources."""

    @pytest.mark.parametrize(
        ("device", "path"),
        [
            (DeviceEvidence(), "devices.unknown"),
            (replace(MANAGED, device_class=DeviceClass.PERSONAL), "devices.personal"),
            (replace(MANAGED, contradictions=("camera says make B",)), "devices.unknown"),
            (replace(MANAGED, os_version="17.5.9"), "devices.managed.os_at_least"),
            (replace(MANAGED, os_version="9"), "devices.managed.os_at_least"),
            (replace(MANAGED, os_version=None), "devices.managed.os_at_least"),
            (replace(MANAGED, os_version="17.x"), "devices.managed.os_at_least"),
            (replace(MANAGED, os="symbian"), "devices.managed.os_at_least"),
            (replace(MANAGED, os=None), "devices.managed.os_at_least"),
            (replace(MANAGED, last_seen=date(2026, 11, 9)), "devices.managed.seen_within"),
            (replace(MANAGED, last_seen=None), "devices.managed.seen_within"),
        ],
    )
    def test_a_device_that_cannot_be_trusted(self, device: DeviceEvidence, path: str) -> None:
        decision = decide(ordinary(device=device))
        assert (decision.verb, decision.decided_by) == (Verb.QUARANTINE, path)

    def test_a_contradicted_claim_waits_even_where_unknown_devices_may(self) -> None:
        rules = edited(("  unknown:  quarantine", "  unknown:  accept"))
        assert decide(ordinary(device=DeviceEvidence()), rules).verb is Verb.ACCEPT
        lied = replace(MANAGED, contradictions=("camera says make B",))
        assert decide(ordinary(device=lied), rules).verb is Verb.QUARANTINE

    @pytest.mark.parametrize("system", ["iOS", "iPadOS", "ios"])
    def test_one_family_one_floor(self, system: str) -> None:
        device = replace(MANAGED, os=system, os_version="17.6", last_seen=date(2026, 11, 10))
        assert decide(ordinary(device=device)).verb is Verb.ACCEPT

    @pytest.mark.parametrize("kind", list(LeakKind))
    def test_signs_of_a_detour(self, kind: LeakKind) -> None:
        decision = decide(ordinary(signs=(LeakSign(kind=kind, because="so"),)))
        assert (decision.verb, decision.decided_by) == (Verb.QUARANTINE, f"sources.{kind}")
        assert decision.may_leave_to == ()

    @pytest.mark.parametrize("name", [None, "cardiology"])
    def test_a_department_that_is_not_listed(self, name: str | None) -> None:
        decision = decide(ordinary(department=name))
        assert (decision.verb, decision.decided_by) == (Verb.QUARANTINE, "departments")

    @pytest.mark.parametrize(
        ("kind", "verb"),
        [
            (DeviceClass.MANAGED, Verb.QUARANTINE),
            (DeviceClass.UNKNOWN, Verb.QUARANTINE),
            (DeviceClass.PERSONAL, Verb.REJECT),
        ],
    )
    def test_photos_that_no_row_covers(self, kind: DeviceClass, verb: Verb) -> None:
        evidence = ordinary(listed=False, device=replace(MANAGED, device_class=kind))
        decision = decide(evidence)
        assert decision.verb is verb
        assert "sources.not_listed" in paths(decision, verb)
        assert policy.leaves_alone(HOSPITAL, evidence, NOW) is (verb is Verb.REJECT)
        assert bool(decision.opened_by) is (verb is not Verb.REJECT)

    def test_private_pictures_are_not_taken_in_on_a_suspicion(self) -> None:
        bare = Evidence(device=DeviceEvidence(device_class=DeviceClass.PERSONAL))
        assert decide(bare).verb is Verb.REJECT
        known = ordinary(**given({"intimate_region": State.SEEN}))
        known = replace(known, device=bare.device, listed=False, patient_age=9)
        assert decide(known).verb is Verb.SAFEGUARD  # M4: a forbidden phone destroys no evidence

    def test_a_file_that_could_not_be_understood(self) -> None:
        evidence = ordinary(CLINIC, media_understood=False, statements=())
        decision = decide(evidence, CLINIC)
        assert (decision.verb, decision.decided_by, decision.may_leave_to) == (Verb.QUARANTINE, "scrub", ())
        assert {f.state for f in decision.features} == {State.NOT_ASSESSABLE}
        assert "could not be understood" in decision.votes[0].because


class TestDescriptions:
    """M19."""

    @pytest.mark.parametrize(
        ("changes", "held"),
        [
            ({"body_site": None}, {"vocabulary.body_site"}),
            ({"body_site": "somewhere"}, {"vocabulary.body_site"}),
            ({"laterality": None}, {"vocabulary.laterality"}),
            ({"laterality": "upper"}, {"vocabulary.laterality"}),
            ({"laterality": None, "body_site": "left forearm"}, set()),
            ({"laterality": None, "body_site": "forehead"}, set()),
            ({"laterality": None, "body_site": "belly"}, set()),
            ({"view": None, "reason": "assessment"}, set()),
            ({"view": "panorama"}, set()),
        ],
    )
    def test_what_is_missing(self, changes: dict[str, str | None], held: set[str]) -> None:
        decision = decide(ordinary(description=described(**changes)))
        assert paths(decision, Verb.QUARANTINE) == held

    def test_a_policy_may_hold_for_a_missing_view(self) -> None:
        rules = edited(("  view: [overview", "  when_missing: {view: quarantine}\n  view: [overview"))
        assert decide(ordinary(description=described(view=None)), rules).decided_by == "vocabulary.view"
