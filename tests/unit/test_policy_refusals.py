"""What nobody expects of a policy, its signatures and its parents, and what it must lead to: waiting."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from medsnap import policy
from medsnap.crypto import sshsig
from medsnap.errors import Malformed
from medsnap.model.decision import LeakKind, LeakSign, Verb
from medsnap.policy import Policy, Source, signatures
from medsnap.policy.board import chapters
from medsnap.policy.cases import lint_cases
from medsnap.policy.consents import consent_problem
from medsnap.policy.device_votes import stale
from medsnap.policy.diff import Effect, changes
from medsnap.policy.kinds import Unreadable, verb, yes
from medsnap.policy.linting import lint_path
from medsnap.policy.nodes import MAX_NODES
from medsnap.policy.reference import page
from medsnap.policy.replay import readings
from tests.builders.policy import HOSPITAL, MANAGED, NOW, decide, described, edited, ordinary, paths, unlooked
from tests.builders.signing import SIGNED, TODAY, hospital, quorum, ring, sign

HEAD = """\
medsnap: 1
policy: ward
version: 1
extends: northside@4
department: surgery
in_force: {from: 2026-01-01, until: 2036-12-31}
"""


# ── signatures ───────────────────────────────────────────────────────────────────────────────────


def refused(found: tuple[signatures.Signature, ...], **more: object) -> tuple[str, ...]:
    given: dict[str, object] = {"ring": ring()} | more
    ring_ = given.pop("ring")
    made = signatures.tally(
        signatures.of_policy(HOSPITAL),
        HOSPITAL.seats,
        ring_,
        found,
        TODAY,
        **given,  # type: ignore[arg-type]
    )
    assert not made.complete
    return made.refused


def test_who_has_no_key_in_the_ring_does_not_count() -> None:
    others = ring(("a.osei", "r.lind", "j.roy", "p.wahl"))
    assert refused(quorum(), ring=others) == ("s.kim for ehr: has no key in the keyring",)


def test_who_was_not_in_office_on_the_day_does_not_count() -> None:
    asked: list[tuple[str, date]] = []

    def in_office(person: str, day: date) -> bool:
        asked.append((person, day))
        return person != "j.roy"

    assert refused(quorum(), in_office=in_office) == (
        f"j.roy for it: does not stand in people.csv on {SIGNED}",
    )
    assert ("j.roy", SIGNED) in asked


def test_who_sits_nowhere_does_not_count() -> None:
    assert refused((sign("c.ngo", "clinical"),)) == ("c.ngo for clinical: does not sit there",)
    assert refused((sign("c.ngo", "pharmacy"),)) == ("c.ngo for pharmacy: does not sit there",)


def test_lines_beyond_the_limit_are_not_read_and_that_is_said() -> None:
    last = signatures.append("", quorum()[0])
    found, problems = signatures.parse("#\n" * signatures.MAX_LINES + last, "p.sig")
    assert found == ()
    assert problems == (f"p.sig: longer than {signatures.MAX_LINES} lines; the rest was not read",)
    found, problems = signatures.parse("#" * signatures.MAX_TEXT + "\n" + last, "p.sig")
    assert found == () and len(problems) == 1


def test_a_signature_of_ssh_keygen_is_taken_as_it_is_and_rubbish_is_not() -> None:
    text = "-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n-----END SSH SIGNATURE-----\n"
    made = signatures.from_ssh(text, "it", "j.roy", SIGNED)
    assert (made.raw, made.kind) == (b"SSHSIG", signatures.SSH)
    assert made.raw == sshsig.unarmour(text)
    assert len(refused((made,))) == 1
    with pytest.raises(Malformed):
        signatures.from_ssh("rubbish", "it", "j.roy", SIGNED)


# ── what a photo waits for ───────────────────────────────────────────────────────────────────────


def test_a_sign_that_the_policy_does_not_know_waits() -> None:
    """An intake that is newer than the policy's reader finds signs of which it says nothing."""
    sign_ = LeakSign(kind=LeakKind.MESSAGING_APP, because="WhatsApp folder")
    silent = replace(HOSPITAL, sources={})
    made = decide(ordinary(signs=(sign_,)), silent)
    assert (made.verb, made.decided_by) == (Verb.QUARANTINE, "sources")
    assert any(v.because == "WhatsApp folder" and v.verb is Verb.QUARANTINE for v in made.votes)


def test_a_required_word_that_nobody_knows_is_missing() -> None:
    asks = replace(HOSPITAL.vocabulary, required=(*HOSPITAL.vocabulary.required, "ward"))
    made = decide(ordinary(), replace(HOSPITAL, vocabulary=asks))
    assert any(v.because == "the ward is not given" for v in made.votes)
    assert not any("ward" in v.because for v in decide(ordinary()).votes)


def test_nobody_looked_and_the_site_is_not_known() -> None:
    rules = edited(("required: [body_site, laterality, view, reason]", "required: [view, reason]"))
    photo = unlooked(description=described(body_site=None, laterality=None))
    made = decide(photo, rules)
    assert made.may_leave_to == ()
    assert "ehr: nobody has looked, and the body site is not known" in made.holds


def test_an_inventory_without_a_day_is_as_good_as_old() -> None:
    today = NOW.date()
    limit = timedelta(days=7)
    asks = replace(HOSPITAL, devices=replace(HOSPITAL.devices, inventory_max_age=limit))
    assert stale(asks, today - limit, today) == ""
    assert stale(asks, today - limit - timedelta(days=1), today) == "the inventory is 8 days old"
    assert stale(asks, None, today) == stale(asks, today + timedelta(days=2), today)
    assert "does not say of which day" in stale(asks, None, today)
    assert stale(asks, today + timedelta(days=1), today) == "", "time zones"
    silent = replace(HOSPITAL, devices=replace(HOSPITAL.devices, inventory_max_age=None))
    assert stale(silent, None, today) == stale(silent, date(2000, 1, 1), today) == ""


def test_a_use_that_the_policy_does_not_name_is_allowed_to_nobody() -> None:
    given = (("research", "written"),)
    assert consent_problem(HOSPITAL, given, "research", 40) == "the policy allows no research"
    assert (
        consent_problem(HOSPITAL, (("research", "refused"),), "research", 40)
        == "consent for research was refused"
    )


RULE = """
  - id: shared-photo
    when: {source: [messaging_app, cloud_copy], purpose: [teaching]}
    do: restrict
    to: intimate
    because: It has been elsewhere.
"""


def test_a_rule_over_signs_and_purpose_fits_only_both() -> None:
    rules = edited(
        (
            "    because: The photo may become evidence.\n",
            "    because: The photo may become evidence." + RULE,
        )
    )
    sign_ = LeakSign(kind=LeakKind.MESSAGING_APP, because="WhatsApp folder")
    other = LeakSign(kind=LeakKind.SCREENSHOT, because="a screenshot")
    fits = decide(ordinary(signs=(sign_,), purpose="teaching"), rules)
    assert fits.compartment == "intimate"
    assert "rules.shared-photo" in paths(fits, Verb.RESTRICT)
    for signs, purpose in (((sign_,), "care"), ((other,), "teaching"), ((), "teaching")):
        assert "rules.shared-photo" not in paths(
            decide(ordinary(signs=signs, purpose=purpose), rules), Verb.RESTRICT
        )


# ── reading ──────────────────────────────────────────────────────────────────────────────────────


def served(text: str) -> object:
    return lambda name, version: Source(name="northside.yaml", text=text)


def test_a_parent_of_another_version_than_was_named_is_refused() -> None:
    """Whoever serves the parents may be wrong or worse: what the text says counts."""
    five = hospital(("version: 4", "version: 5"))
    (found,) = policy.lint(HEAD, "ward.yaml", parents=served(five))  # type: ignore[arg-type]
    assert found.code == "E203"
    assert found.message == "the file found for northside 4 says it is northside 5"


def test_a_department_does_not_extend_a_department() -> None:
    child = HEAD.replace("policy: ward", "policy: bay").replace("northside@4", "ward@1")
    (found,) = policy.lint(child, "bay.yaml", parents=served(HEAD))  # type: ignore[arg-type]
    assert found.code == "E203"
    assert "it extends another policy; a department extends the hospital's own" in found.message


def test_a_gap_within_a_childs_section_is_named_with_its_line() -> None:
    text = HEAD + "exports:\n  x: {as: folder}\n"
    found = policy.lint(text, "ward.yaml", parents=served(hospital()))  # type: ignore[arg-type]
    assert [(f.code, f.line) for f in found if f.code == "E107"] == [("E107", 8)]


def test_files_beside_the_child_that_are_no_text_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfepolicy: northside\nversion: 4\n")
    (tmp_path / "northside.yaml").mkdir()
    (tmp_path / "z.yaml").write_text(hospital(), "utf-8")
    (tmp_path / "ward.yaml").write_text(HEAD, "utf-8")
    loaded: Policy = policy.load(tmp_path / "ward.yaml")
    assert loaded.parent is not None and loaded.parent.ref.digest == HOSPITAL.ref.digest


def test_a_file_that_is_no_text_has_one_finding_whatever_it_is(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_bytes(b"waiver: \xff\n")
    (found,) = lint_path(path, now=NOW)
    assert found.code.startswith("E10")


def test_a_waiver_of_a_broken_policy_or_of_none_lifts_nothing(tmp_path: Path) -> None:
    path = tmp_path / "w.yaml"
    text = (
        "medsnap: 1\nwaiver: W-1\npolicy: northside\nrule: devices.personal\n"
        "for: {department: emergency, device: X-1}\ndo: accept\nuntil: 2026-12-31\nbecause: so.\n"
    )
    path.write_text(text.replace("policy: northside\n", ""), "utf-8")
    assert "E107" in {f.code for f in lint_path(path, now=NOW)}
    path.write_text(text, "utf-8")
    (tmp_path / "northside.yaml").write_text(hospital(("certain_at: 0.80", "certain_at: 80")), "utf-8")
    assert [f.code for f in lint_path(path, now=NOW)] == ["E203"]


def test_a_text_of_too_many_parts_is_not_read_to_its_end() -> None:
    text = "medsnap: [" + "a," * MAX_NODES + "a]\n"
    (found, *_) = policy.lint(text, "p.yaml")
    assert (found.code, found.message) == ("E100", "the file has too many parts")


def test_an_empty_file_of_cases_is_an_error() -> None:
    for text in ("", "# nothing\n"):
        (found, *_) = lint_cases(text, "p.test.yaml")
        assert found.code == "E107" and "empty" in found.message


def test_a_verb_that_is_none_waits_and_yes_is_a_word() -> None:
    """Lint refuses both; should one get past it, nothing opens (M8)."""
    assert verb("ACCEPT") is Verb.ACCEPT
    assert {verb(text) for text in ("", "open", "acceptt", "quarantine")} == {Verb.QUARANTINE}
    assert (yes("yes"), yes("no")) == (True, False)
    for text in ("", "true", "Yes", "on", "1"):
        with pytest.raises(Unreadable):
            yes(text)


def test_a_page_without_its_mark_is_not_written_over() -> None:
    with pytest.raises(ValueError, match="mark"):
        page("# Policy\n\nsomebody's own text\n")


def test_a_device_without_inventory_day_is_warned_of_in_the_record() -> None:
    asks = replace(HOSPITAL, devices=replace(HOSPITAL.devices, inventory_max_age=timedelta(days=7)))
    made = decide(ordinary(device=replace(MANAGED, inventory_date=None)), asks)
    assert any("does not say of which day" in v.because for v in made.votes)


def test_the_board_reads_what_is_asked_of_medsnap_and_of_devices() -> None:
    rules = edited(
        ("review: {by:", "software: {not_older_than: 400 days, at_least: 1.2}\n\nreview: {by:"),
        (
            "  unknown:  quarantine",
            "  unknown:  quarantine\n  cloud_photos: not_on\n  personal_account: none",
        ),
    )
    said = [s.text for chapter in chapters(rules) for s in chapter.sentences]
    for sentence in (
        "Photographs wait when medsnap itself is older than 400 days.",
        "Photographs wait when medsnap is older than 1.2.",
        "A device that sends its photographs to a cloud: its photographs wait.",
        "A managed device that has a private account on it, or may have one: its photographs wait.",
    ):
        assert sentence in said
    assert not any("medsnap" in s.text for c in chapters(HOSPITAL) for s in c.sentences)


def test_a_diff_shows_labels_and_whole_sections() -> None:
    other = edited(
        (
            "intimate:     {open_to: [senior-illustration], label: V}",
            "intimate:     {open_to: [senior-illustration], label: R}",
        ),
        (
            "  teaching-library: {",
            "  registry: {as: [fhir-r4, dicom], purpose: teaching, may_carry: [],"
            " labels_enforced: {tested: 2026-08-12, by: s.kim}}\n  teaching-library: {",
        ),
    )
    found = {c.path: c for c in changes(HOSPITAL, other)}
    label = found["compartments.intimate.label"]
    assert (label.effect, label.before, label.after) == (Effect.CHANGES, "V", "R")
    new = found["exports.registry"]
    assert (new.effect, new.before) == (Effect.OPENS, "nothing")
    assert new.after == "as: [fhir-r4, dicom], purpose: teaching, may_carry: [], labels_enforced: " + (
        "{tested: 2026-08-12, by: s.kim}"
    )
    assert new.where.startswith("hospital.yaml:")
    assert found.keys() == {c.path for c in changes(other, HOSPITAL)}
    assert {c.path: c.effect for c in changes(other, HOSPITAL)}["exports.registry"] is Effect.TIGHTENS


def test_a_decision_whose_policy_was_not_kept_reads_as_none() -> None:
    made = decide(ordinary())
    text = policy.packaged("hospital").read_text("utf-8")
    assert readings(made, {}) == ()
    assert readings(made, {"0" * 64: text}) == ()
    assert readings(made, {HOSPITAL.ref.digest: "medsnap: 1\n"}) == (), "it does not read any more"
    again = readings(made, {HOSPITAL.ref.digest: text})
    assert {a.ref.effective for a in again} == {made.policy.effective}
