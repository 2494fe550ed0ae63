"""Who brings a policy into force: every attack on a signature, each by name, and the quorum that holds."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medsnap import policy
from medsnap.errors import KeyRefused, PolicyError
from medsnap.model.decision import Verb
from medsnap.policy import keyring, signatures
from medsnap.policy.signatures import Signature
from medsnap.policy.standing import Pins, Standing, enforce, refuse_older, stand
from tests.builders.policy import HOSPITAL, NOW, ordinary
from tests.builders.signing import (
    EVERYBODY,
    FIRST,
    TODAY,
    hospital,
    person_lines,
    quorum,
    ring,
    ring_text,
    sign,
    signer,
    with_key,
)

RING = ring()
PINS = Pins(root="northside", ring=RING.digest, unsigned_allowed=False)


def standing(found: tuple[Signature, ...], **more: object) -> Standing:
    given_: dict[str, object] = {"policy": HOSPITAL, "pins": PINS, "ring": RING, "now": NOW} | more
    return stand(found=found, **given_)  # type: ignore[arg-type]


def without(found: tuple[Signature, ...], person: str) -> tuple[Signature, ...]:
    return tuple(s for s in found if s.person != person)


def test_every_seat_signed_brings_it_into_force() -> None:
    made = standing(quorum())
    assert made.in_force
    assert made.signed == "signed by a.osei, j.roy, p.wahl, r.lind, s.kim"
    assert made.tally is not None
    assert [s.complete for s in made.tally.seats] == [True] * 4


@pytest.mark.parametrize("person", ["a.osei", "j.roy", "s.kim", "p.wahl"])
def test_one_missing_signature_keeps_it_out_of_force(person: str) -> None:
    made = standing(without(quorum(), person))
    assert not made.in_force
    assert made.why.startswith("signatures are missing: ")
    assert made.signed == "unsigned"


def test_the_same_person_twice_in_a_seat_counts_once() -> None:
    twice = sign("a.osei", "clinical", day=date(2026, 8, 21))
    assert not standing((*without(quorum(), "r.lind"), twice)).in_force


def test_the_same_person_on_two_seats_counts_once() -> None:
    rules = policy.load_text(hospital(), "hospital.yaml")
    it = next(s for s in rules.seats if s.name == "it")
    seats = tuple(replace(s, people=(*s.people, "a.osei")) if s is it else s for s in rules.seats)
    both = (*without(quorum(), "j.roy"), sign("a.osei", "it"))
    made = standing(both, policy=replace(rules, seats=seats))
    assert not made.in_force
    assert made.tally is not None
    assert "a.osei for it: has signed for clinical already; nobody sits twice" in made.tally.refused


def test_a_person_in_two_seats_is_a_lint_error() -> None:
    found = policy.lint(hospital(("it:        [j.roy, t.abe]", "it:        [j.roy, a.osei]")), "p.yaml")
    assert [f.code for f in found] == ["E130"]


def test_the_same_key_on_two_seats_counts_once() -> None:
    shared = with_key(RING, "j.roy", "a.osei")
    forged = sign("j.roy", "it", key=signer("a.osei"))
    made = standing((*without(quorum(), "j.roy"), forged), ring=shared)
    assert not made.in_force
    assert made.tally is not None
    assert "j.roy for it: uses the key of a.osei" in made.tally.refused


def test_a_keyring_with_one_key_for_two_people_is_refused() -> None:
    with pytest.raises(PolicyError, match="E130"):
        ring(keys={"j.roy": replace(signer("a.osei"), name="j.roy")})


SMALL_ORDER = {
    "neutral": b"\x01" + bytes(31),
    "order two": bytes.fromhex("ec" + "ff" * 30 + "7f"),
    "order four": bytes(32),
    "order eight": bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
}


@pytest.mark.parametrize("public", SMALL_ORDER.values(), ids=SMALL_ORDER)
def test_a_small_order_key_is_refused_by_keyring_and_count(public: bytes) -> None:
    weak = replace(RING.keys["p.wahl"], public=public)
    # one fixed signature (R = identity, S = 0) fits every message under the identity key
    fixed = Signature(seat="executive", person="p.wahl", day=TODAY, kind="ed25519", raw=b"\x01" + bytes(63))
    made = standing(
        (*without(quorum(), "p.wahl"), fixed), ring=replace(RING, keys={**RING.keys, "p.wahl": weak})
    )
    assert not made.in_force
    key = signer("p.wahl").verifier
    text = replace(key, public=public).vkey
    with pytest.raises(KeyRefused):
        keyring.public_key("p.wahl", text)
    lines = person_lines("p.wahl").replace(key.vkey, text)
    with pytest.raises(PolicyError, match="E130"):
        keyring.load_text(f"medsnap: 1\nkeyring: a\nversion: 1\npeople:\n{lines}", "k.yaml")


def test_one_byte_of_a_comment_changed_voids_every_signature() -> None:
    text = hospital(("# What this file does not say", "# what this file does not say"))
    changed = policy.load_text(text, "hospital.yaml")
    assert changed.ref.effective == HOSPITAL.ref.effective
    made = standing(quorum(), policy=changed)
    assert not made.in_force
    assert made.tally is not None
    assert len(made.tally.refused) == len(quorum())


def test_an_older_version_is_refused() -> None:
    refuse_older(HOSPITAL, 4)
    with pytest.raises(KeyRefused, match="version 4, and version 5 was in force"):
        refuse_older(HOSPITAL, 5)


@pytest.mark.parametrize(
    ("days", "in_force"), [(-1, True), (0, True), (1, True), (30, True), (31, False), (400, False)]
)
def test_an_expired_policy_holds_for_care_in_its_grace_only(days: int, in_force: bool) -> None:
    now = datetime(2036, 12, 31, 12, tzinfo=UTC) + timedelta(days=days)
    long_ago = ring(EVERYBODY)
    made = standing(quorum(), now=now, ring=long_ago)
    assert made.in_force is in_force
    if days > 30:
        assert "the policy holds from" in made.why
    elif days > 0:
        assert "teaching and publication have stopped" in made.ends


def test_a_key_from_a_ring_the_vault_has_not_pinned_does_not_count() -> None:
    other = {p: signer(p, salt="attacker") for p in EVERYBODY}
    foreign = ring(keys=other)
    subject = signatures.of_policy(HOSPITAL)
    forged = tuple(sign(s.person, s.seat, subject, key=other[s.person]) for s in quorum())
    assert standing(forged, ring=foreign, pins=Pins(ring=foreign.digest)).in_force  # a quorum of his own
    made = standing(forged, ring=foreign)
    assert not made.in_force
    assert made.why == "the keyring is not the one that the vault pins"
    assert made.signed == "unsigned"
    assert not standing(forged).in_force


def test_a_signature_moved_to_another_policy_does_not_count() -> None:
    other = policy.load_text(hospital(("policy: northside", "policy: southside")), "southside.yaml")
    made = standing(quorum(), policy=other, pins=replace(PINS, root="southside"))
    assert not made.in_force
    newer = policy.load_text(hospital(("version: 4", "version: 5")), "hospital.yaml")
    assert not standing(quorum(), policy=newer).in_force


def test_a_signature_moved_to_another_seat_or_person_or_day_does_not_count() -> None:
    good = sign("p.wahl", "executive")
    for bad in (
        replace(good, person="c.ngo"),
        replace(good, seat="clinical"),
        replace(good, day=good.day + timedelta(days=1)),
    ):
        assert not standing((*without(quorum(), "p.wahl"), bad)).in_force


@pytest.mark.parametrize("day", [FIRST - timedelta(days=1), date(2029, 1, 1), TODAY + timedelta(days=2)])
def test_a_day_outside_the_keys_time_or_still_to_come_does_not_count(day: date) -> None:
    assert not standing((*without(quorum(), "p.wahl"), sign("p.wahl", "executive", day=day))).in_force


def test_another_root_policy_is_no_policy_in_force() -> None:
    made = standing(quorum(), pins=replace(PINS, root="elsewhere"))
    assert not made.in_force
    assert "governed by the policy 'elsewhere'" in made.why


def test_without_a_pinned_ring_unsigned_policies_decide_only_where_allowed() -> None:
    assert standing((), ring=None, pins=Pins()).in_force
    assert not standing((), ring=None, pins=Pins(unsigned_allowed=False)).in_force


def test_a_policy_without_seats_is_never_complete() -> None:
    assert not standing(quorum(), policy=replace(HOSPITAL, seats=())).in_force


def test_out_of_force_every_photo_waits_and_nothing_leaves_or_opens() -> None:
    rules = enforce(HOSPITAL, standing(()))
    for evidence in (ordinary(), ordinary(patient_age=3)):
        decision = policy.decide(rules, evidence, NOW)
        assert decision.verb is Verb.QUARANTINE
        assert decision.compartment != "general"
        assert (decision.may_leave_to, decision.opened_by) == ((), ())
        assert not decision.policy.in_force
        assert decision.policy.signed == "unsigned"
        assert any(v.path == "in_force" and "signatures are missing" in v.because for v in decision.votes)
    signed = enforce(HOSPITAL, standing(quorum()))
    assert policy.decide(signed, ordinary(), NOW).policy.signed.startswith("signed by a.osei")


def test_signatures_survive_their_lines_and_broken_lines_count_for_nothing() -> None:
    text = ""
    for signature in quorum():
        text = signatures.append(text, signature)
    assert signatures.append(text, quorum()[0]) == text
    found, problems = signatures.parse(
        text + "it j.roy 2026-13-01 ed25519 AAAA\nrubbish\n# a comment\n", "p.sig"
    )
    assert found == quorum()
    assert problems == ("p.sig:6: this is no signature", "p.sig:7: this is no signature")


@given(st.text(max_size=300))
def test_no_text_of_signatures_crashes(text: str) -> None:
    found, problems = signatures.parse(text, "p.sig")
    assert not standing(found).in_force
    assert isinstance(problems, tuple)


@given(st.lists(st.text(max_size=8), max_size=5), st.lists(st.text(max_size=8), max_size=5))
def test_framed_texts_are_never_the_same_bytes(one: list[str], other: list[str]) -> None:
    assert (signatures.framed(*one) == signatures.framed(*other)) is (one == other)


WRONG_RINGS = {
    "empty": "",
    "another's proof": ring_text(["a.osei"]).replace(
        person_lines("a.osei").split("proof: ")[1], person_lines("j.roy").split("proof: ")[1]
    ),
    "no proof": "\n".join(line for line in ring_text(["a.osei"]).splitlines() if "proof" not in line),
    "made out to another": ring_text(["a.osei"]).replace("  a.osei:", "  j.roy:"),
    "written twice": ring_text(["a.osei", "a.osei"]),
    "a date that is none": ring_text(["a.osei"]).replace("until: 2028-12-31", "until: 2028-02-30"),
    "an anchor": ring_text(["a.osei"]).replace("version: 1", "version: &v 1"),
    "unknown key": ring_text(["a.osei"]).replace("keyring: northside", "keyring: northside\nboss: x"),
}


@pytest.mark.parametrize("text", WRONG_RINGS.values(), ids=WRONG_RINGS)
def test_a_keyring_with_a_mistake_is_refused_whole(text: str) -> None:
    with pytest.raises(PolicyError) as refused:
        keyring.load_text(text, "keyring.yaml")
    assert refused.value.findings
    assert refused.value.where.startswith("keyring.yaml:")


@given(st.text(max_size=200))
def test_no_text_of_a_keyring_crashes(text: str) -> None:
    with pytest.raises(PolicyError):
        keyring.load_text("keyring: a\n" + text, "keyring.yaml")
