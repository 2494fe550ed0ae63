"""Whose signatures a keyring or a waiver still lacks: `policy status` of what is no policy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from medsnap.commands import _in_force, _waivers
from medsnap.commands._lists import in_office
from medsnap.commands._shared import Io
from medsnap.errors import PolicyError, UsageError
from medsnap.policy import keyring
from medsnap.policy.linting import is_waiver
from medsnap.policy.loading import read_text
from medsnap.policy.signatures import Tally, of_waiver, tally

if TYPE_CHECKING:
    from collections.abc import Iterable

    from medsnap.policy.keyring import Ring
    from medsnap.policy.nouns import Seat
    from medsnap.policy.signatures import Subject


def counted(
    io: Io, file: Path, *, before: Path | None, ring: Path | None, pinned: Ring | None
) -> tuple[Subject, Tally] | None:
    """Count a keyring's or a waiver's signatures; None where the file is a policy.

    `before` is the policy whose seats sign a keyring, `ring` a keyring's file, `pinned` the vault's.
    Raises UsageError, PolicyError, InputMissing.
    """
    try:
        text = read_text(file)
    except PolicyError:
        return None  # no UTF-8: the policy's own reader says it better
    if keyring.is_ring(text):
        return _ring(io, file, before, pinned)
    if is_waiver(text):
        return _waiver(io, file, text, keyring.load(ring) if ring is not None else pinned)
    return None


def _ring(io: Io, file: Path, before: Path | None, pinned: Ring | None) -> tuple[Subject, Tally]:
    from medsnap import policy as policies

    if before is None:
        raise UsageError("--in-force is missing", hint="name the policy whose seats sign the keyring")
    new = keyring.load(file)
    seats = policies.load(before).seats
    old = pinned if pinned is not None and pinned.digest != new.digest else None
    subject = new.subject(old.digest if old is not None else "")
    own = _count(io, file, subject, seats, new)
    if old is None or not own.complete:
        return subject, own
    return subject, _count(io, file, subject, seats, old)  # `policy pin` asks for both


def _waiver(io: Io, file: Path, text: str, ring: Ring | None) -> tuple[Subject, Tally]:
    from medsnap.policy.waiver_file import load_waiver, policy_of

    if ring is None:
        raise UsageError(
            "--keyring is missing", hint="signatures are judged by a keyring; the vault pins none"
        )
    policy = policy_of(file, text)
    if policy is None:
        raise PolicyError(
            "the waiver's policy is not found",
            where=str(file),
            hint="keep the waiver in 'waivers/' beside the policy; 'medsnap policy lint' tells more",
        )
    subject = of_waiver(load_waiver(file, policy, now=io.now))
    return subject, _count(io, file, subject, _waivers.seats(policy), ring)


def _count(io: Io, file: Path, subject: Subject, seats: Iterable[Seat], ring: Ring) -> Tally:
    found, problems = _in_force.signatures(file)
    for problem in problems:
        io.warn(f"signature: {problem}")
    return tally(subject, seats, ring, found, io.now.date(), in_office=in_office(io))
