"""What is signed, and whose signatures count: seats, persons and keys, each once (policy.md 3.9).

Pure: texts and keys in, a tally out. A signature covers the file's bytes as they are, comments too.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final, TypeAlias

from medsnap.errors import KeyRefused, Malformed

if TYPE_CHECKING:
    from medsnap.policy.keyring import Ring, RingKey
    from medsnap.policy.nouns import Policy, Seat
    from medsnap.policy.waiver import Waiver

InOffice: TypeAlias = Callable[[str, date], bool]  # did he stand in people.csv on that day
POLICY: Final = "medsnap-policy-v1"
WAIVER: Final = "medsnap-waiver-v1"
RING: Final = "medsnap-keyring-v1"
PROOF: Final = "medsnap-key-v1"  # a person shows that the key is his
NAMESPACE: Final = "medsnap-policy"  # of ssh-keygen -Y sign
NATIVE: Final = "ed25519"
SSH: Final = "ssh"
SUFFIX: Final = ".sig"
MAX_LINES: Final = 500
MAX_TEXT: Final = 1 << 20  # characters
_LINE: Final = re.compile(
    r"([a-z0-9][a-z0-9_.-]{0,62}) ([a-z0-9][a-z0-9_.-]{0,62}) ([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r" (ed25519|ssh) ([A-Za-z0-9+/]{1,8000}={0,2})",
    re.ASCII,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is signed: a policy, or a keyring (then `effective` is the digest of the ring before it)."""

    domain: str
    id: str
    version: int
    digest: str  # SHA-256 of the file as it is
    effective: str

    def message(self, seat: str, person: str, day: date) -> bytes:
        """Return the signed bytes: every part behind its length (4 bytes, big endian).

        They begin with a zero byte, so no signed note is ever the same bytes.
        """
        parts = (
            self.domain,
            self.id,
            str(self.version),
            self.digest,
            self.effective,
            seat,
            person,
            day.isoformat(),
        )
        return framed(*parts)


def framed(*parts: str) -> bytes:
    """Join texts so that no other texts give the same bytes."""
    encoded = [part.encode("utf-8") for part in parts]
    return b"".join(len(part).to_bytes(4, "big") + part for part in encoded)


def of_policy(policy: Policy) -> Subject:
    """Return what signers of a policy sign."""
    ref, effective = policy.ref, policy.pinned or policy.ref.effective  # a later parent asks no new signature
    return Subject(domain=POLICY, id=ref.policy, version=ref.version, digest=ref.digest, effective=effective)


def of_waiver(waiver: Waiver) -> Subject:
    """Return what signers of a waiver sign; its own domain, so no other signature is one."""
    return Subject(domain=WAIVER, id=waiver.id, version=1, digest=waiver.digest, effective=waiver.policy)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """One line of a `.sig` file: `seat person date ed25519|ssh base64`."""

    seat: str
    person: str
    day: date
    kind: str
    raw: bytes

    @property
    def line(self) -> str:
        """The signature as a line, without its end."""
        encoded = base64.b64encode(self.raw).decode("ascii")
        return f"{self.seat} {self.person} {self.day} {self.kind} {encoded}"


def parse(text: str, name: str) -> tuple[tuple[Signature, ...], tuple[str, ...]]:
    """Read a `.sig` file: its signatures, and a sentence for each line that is none.

    A broken line never counts; it does not keep the others from counting either.
    """
    found: list[Signature] = []
    problems: list[str] = []
    lines = text[:MAX_TEXT].split("\n")
    if len(text) > MAX_TEXT or len(lines) > MAX_LINES:
        problems.append(f"{name}: longer than {MAX_LINES} lines; the rest was not read")
    for number, line in enumerate(lines[:MAX_LINES], 1):
        if line.strip() and not line.startswith("#"):
            signature = _signature(line)
            if signature is None:
                problems.append(f"{name}:{number}: this is no signature")
            else:
                found.append(signature)
    return tuple(found), tuple(problems)


def _signature(line: str) -> Signature | None:
    match = _LINE.fullmatch(line.rstrip("\r"))
    if match is None:
        return None
    try:
        day, raw = date.fromisoformat(match[3]), base64.b64decode(match[5], validate=True)
    except ValueError:
        return None
    return Signature(seat=match[1], person=match[2], day=day, kind=match[4], raw=raw)


def verify(key: RingKey, kind: str, raw: bytes, message: bytes) -> bool:
    """Say whether the signature is this key's. Weak keys and broken bytes never verify."""
    from medsnap.crypto import ed25519, sshsig

    try:
        if kind == NATIVE:
            return key.ssh is None and ed25519.verify(key.public, raw, message)
        return key.ssh is not None and sshsig.verify(key.ssh, raw, NAMESPACE, message)
    except (KeyRefused, Malformed):
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class SeatTally:
    """One seat: how many it needs, who signed when, who could still sign."""

    seat: str
    needed: int
    signed: tuple[tuple[str, date], ...]
    waiting: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Say whether enough signed."""
        return len(self.signed) >= self.needed


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """All seats, and a sentence for each signature that does not count."""

    seats: tuple[SeatTally, ...]
    refused: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Say whether every seat reached its number. Nobody's seats are never complete."""
        return bool(self.seats) and all(seat.complete for seat in self.seats)

    @property
    def people(self) -> tuple[str, ...]:
        """Name who signed."""
        return tuple(sorted(person for seat in self.seats for person, _ in seat.signed))


def tally(
    subject: Subject,
    seats: Iterable[Seat],
    ring: Ring,
    signatures: Iterable[Signature],
    today: date,
    *,
    in_office: InOffice | None = None,
) -> Tally:
    """Count the signatures: distinct persons with distinct keys, each in one seat only.

    With `in_office` (people.csv) only of those who stood in it on the day they signed.
    """
    count = _Count(subject, {seat.name: seat for seat in seats}, ring, today, in_office)
    refused = tuple(
        f"{s.person} for {s.seat}: {why}" for s in signatures if (why := count.take(s)) is not None
    )
    return Tally(seats=tuple(count.result()), refused=tuple(dict.fromkeys(refused)))


class _Count:
    def __init__(
        self,
        subject: Subject,
        seats: dict[str, Seat],
        ring: Ring,
        today: date,
        in_office: InOffice | None,
    ) -> None:
        self._subject, self._seats, self._ring, self._today = subject, seats, ring, today
        self._in_office = in_office
        self._by_person: dict[str, str] = {}
        self._by_key: dict[bytes, str] = {}
        self._signed: dict[str, dict[str, date]] = {name: {} for name in seats}

    def take(self, signature: Signature) -> str | None:
        """Count a signature, or say why it does not count."""
        person = signature.person
        seat = self._seats.get(signature.seat)
        if seat is None or person not in seat.people:
            return "does not sit there"
        key = self._ring.keys.get(person)
        if key is None:
            return "has no key in the keyring"
        if not key.first <= signature.day <= key.last:
            return f"signed on {signature.day}, outside the key's time ({key.first} until {key.last})"
        if signature.day > self._today + timedelta(days=1):  # a day: clocks and time zones
            return f"signed on {signature.day}, which is still to come"
        if self._in_office is not None and not self._in_office(person, signature.day):
            return f"does not stand in people.csv on {signature.day}"
        message = self._subject.message(signature.seat, person, signature.day)
        if not verify(key, signature.kind, signature.raw, message):
            return "the signature does not fit this file, seat, person, day and key"
        if self._by_person.setdefault(person, signature.seat) != signature.seat:
            return f"has signed for {self._by_person[person]} already; nobody sits twice"
        if self._by_key.setdefault(key.public, person) != person:
            return f"uses the key of {self._by_key[key.public]}"
        self._signed[signature.seat].setdefault(person, signature.day)
        return None

    def result(self) -> Iterator[SeatTally]:
        """Go through the seats."""
        for name, seat in self._seats.items():
            signed = self._signed[name]
            waiting = tuple(p for p in seat.people if p not in signed)
            yield SeatTally(
                seat=name, needed=max(seat.sign, 1), signed=tuple(signed.items()), waiting=waiting
            )


def sign_native(private: str, subject: Subject, seat: str, person: str, day: date) -> Signature:
    """Sign with a native key (`PRIVATE+KEY+…`). Raises KeyRefused."""
    from medsnap.crypto import ed25519
    from medsnap.crypto.note import Signer

    raw = ed25519.sign(Signer.parse_private(private).seed, subject.message(seat, person, day))
    return Signature(seat=seat, person=person, day=day, kind=NATIVE, raw=raw)


def from_ssh(text: str, seat: str, person: str, day: date) -> Signature:
    """Take what `ssh-keygen -Y sign -n medsnap-policy` wrote. Raises Malformed."""
    from medsnap.crypto import sshsig

    return Signature(seat=seat, person=person, day=day, kind=SSH, raw=sshsig.unarmour(text))


def append(text: str, signature: Signature) -> str:
    """Return the `.sig` file with a signature more; one that stands there already is not repeated."""
    kept = text if not text or text.endswith("\n") else text + "\n"
    return kept if signature.line in kept.splitlines() else kept + signature.line + "\n"
