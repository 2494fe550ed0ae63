"""A governing body with keys: keyrings and signatures of Northside Hospital, and what an attacker makes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date

from medsnap import policy
from medsnap.crypto import ed25519, note
from medsnap.policy import Policy, keyring, signatures
from medsnap.policy.keyring import Ring, RingKey
from medsnap.policy.signatures import Signature
from tests.builders.policy import HOSPITAL

TODAY = date(2026, 11, 24)
SIGNED = date(2026, 8, 20)
FIRST, LAST = date(2026, 1, 1), date(2028, 12, 31)
SEATS = {
    "clinical": ("a.osei", "r.lind"),
    "it": ("j.roy",),
    "ehr": ("s.kim",),
    "executive": ("p.wahl",),
}
EVERYBODY = ("a.osei", "r.lind", "m.duarte", "j.roy", "t.abe", "s.kim", "p.wahl", "c.ngo")


def signer(person: str, *, name: str = "", salt: str = "") -> note.Signer:
    """The key of a person: the same in every run."""
    seed = hashlib.sha256(f"{person}{salt}".encode()).digest()
    return note.Signer(name=name or person, seed=seed)


def person_lines(
    person: str, key: note.Signer | None = None, *, first: date = FIRST, last: date = LAST, proof: bytes = b""
) -> str:
    made = key or signer(person)
    proof = proof or ed25519.sign(made.seed, keyring.proof_message(person, made.vkey))
    public = RingKey(
        person=person,
        public=made.verifier.public,
        text=made.vkey,
        first=first,
        last=last,
        where="",
    )
    return keyring.entry(public, "ed25519", proof)


def ring_text(
    people: Iterable[str] = EVERYBODY, *, keys: Mapping[str, note.Signer] | None = None, version: int = 1
) -> str:
    lines = "".join(person_lines(p, (keys or {}).get(p)) for p in people)
    return f"medsnap: 1\nkeyring: northside\nversion: {version}\npeople:\n{lines}"


def ring(people: Iterable[str] = EVERYBODY, **more: object) -> Ring:
    return keyring.load_text(ring_text(people, **more), "keyring.yaml")  # type: ignore[arg-type]


def with_key(base: Ring, person: str, like: str) -> Ring:
    """A ring that gives one person another's key: no loader makes it, an attacker might."""
    keys = dict(base.keys)
    keys[person] = replace(keys[like], person=person)
    return replace(base, keys=keys)


def sign(
    person: str,
    seat: str,
    subject: signatures.Subject | None = None,
    *,
    key: note.Signer | None = None,
    day: date = SIGNED,
) -> Signature:
    made = key or signer(person)
    return signatures.sign_native(
        made.private(), subject or signatures.of_policy(HOSPITAL), seat, person, day
    )


def quorum(rules: Policy = HOSPITAL, **more: object) -> tuple[Signature, ...]:
    """All seats of Northside sign."""
    subject = signatures.of_policy(rules)
    return tuple(
        sign(p, seat, subject, **more)  # type: ignore[arg-type]
        for seat, people in SEATS.items()
        for p in people
    )


def hospital(*changes: tuple[str, str]) -> str:
    """The hospital's policy as text, with changes."""
    text = policy.packaged("hospital").read_text("utf-8")
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text
