"""`medsnap policy sign`: bring a policy into force, seat by seat."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medsnap.commands import _in_force, _signing, _waivers
from medsnap.commands._lists import in_office
from medsnap.commands._shared import Io, Result, command
from medsnap.commands._vault import VaultOption
from medsnap.errors import KeyRefused, UsageError
from medsnap.report.page import Block, Line, Table, Tone

if TYPE_CHECKING:
    from medsnap.policy import Policy
    from medsnap.policy.signatures import Signature, Subject

PolicyFile = Annotated[Path, typer.Argument(metavar="FILE", help="A policy, keyring or waiver.")]
Before = Annotated[
    Path | None,
    typer.Option("--in-force", metavar="FILE", help="The policy (or keyring) in force now, to compare with."),
]
Day = Annotated[str, typer.Option("--date", metavar="YYYY-MM-DD", help="Day of signing; default: today.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Paper:
    """What lies on the table to be signed: what it is, who may sit where, and how it reads."""

    subject: Subject
    seats: dict[str, tuple[str, ...]]
    page: tuple[Block, ...]


@command()
def sign(
    io: Io,
    file: PolicyFile,
    *,
    person: Annotated[
        str, typer.Option("--as", metavar="PERSON", help="Who signs, as the policy names him.")
    ],
    seat: Annotated[str, typer.Option("--seat", help="For which seat: clinical, it, ehr, executive …")],
    key_file: Annotated[
        Path | None,
        typer.Option("--key-file", metavar="FILE", help="A key of medsnap policy key, or one of OpenSSH."),
    ] = None,
    to_sign: Annotated[
        Path | None,
        typer.Option("--to-sign", metavar="FILE", help="Write the bytes to sign; sign them elsewhere."),
    ] = None,
    signature: Annotated[
        Path | None,
        typer.Option("--signature", metavar="FILE", help="Take what ssh-keygen -Y sign wrote elsewhere."),
    ] = None,
    day: Day = "",
    vault: VaultOption = None,
    in_force: Before = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask: the summary was read elsewhere.")] = False,
) -> Result:
    """Sign a policy for one seat, after its summary and what it changes were shown.

    A key of OpenSSH may lie on a hardware key: ssh-keygen then asks for the touch. The signature is
    added to FILE.sig, beside the file.

    Examples:

      medsnap policy sign hospital.yaml --as p.wahl --seat executive --key-file p.wahl.key

      medsnap policy sign hospital.yaml --as t.abe --seat it --key-file ~/.ssh/id_ed25519_sk --yes
    """
    if sum(option is not None for option in (key_file, to_sign, signature)) != 1:
        raise UsageError(
            "how to sign is not clear",
            hint="give one of --key-file, --to-sign (sign elsewhere), --signature (signed elsewhere)",
        )
    paper = _paper(io, file, vault, in_force)
    signed_on = _day(io, day)
    try:
        _may_sign(io, paper, file=file, person=person, seat=seat, signed_on=signed_on)
    except KeyRefused as refused:
        _note_refusal(io, vault, refused.id, seat if seat in paper.seats else "none of the policy's")
        raise
    if key_file is not None:
        _signing.made_out_to(key_file, person)
    message = paper.subject.message(seat, person, signed_on)
    if to_sign is not None:
        return _written(to_sign, message, signed_on)
    if not yes:
        _ask(io, paper, person, seat)
    made = _signing.make(message, key_file=key_file, made=signature)
    _signing.of_these_bytes(made, message)
    _tell_ring(io, vault, made, person, message)
    return _added(file, paper.subject, _signing.signature(made, seat, person, signed_on))


def _may_sign(io: Io, paper: _Paper, *, file: Path, person: str, seat: str, signed_on: date) -> None:
    """Refuse who does not sit there, or not on that day. Raises KeyRefused."""
    if seat not in paper.seats or person not in paper.seats[seat]:
        told = "; ".join(f"{name}: {', '.join(people)}" for name, people in paper.seats.items())
        raise KeyRefused(f"'{person}' does not sit in '{seat}'", where=str(file), hint=f"seats are {told}")
    office = in_office(io)
    if office is not None and not office(person, signed_on):
        raise KeyRefused(
            f"'{person}' does not stand in people.csv on {signed_on}", hint="his row has ended, or is missing"
        )


def _tell_ring(io: Io, vault: Path | None, made: _signing.Made, person: str, message: bytes) -> None:
    """Warn of a signature that does not count under the vault's keyring; a ring to come may know the key."""
    from medsnap.commands._in_force import pinned_ring
    from medsnap.policy.signatures import verify
    from medsnap.vault import directory

    place = vault if vault is not None else io.settings.path("vault")
    ring = pinned_ring(place, directory.load(place).directory) if place is not None else None
    key = ring.keys.get(person) if ring is not None else None
    if ring is not None and (key is None or not verify(key, made.kind, made.raw, message)):
        why = "another key" if key is not None else "no key"
        io.warn(f"the vault's keyring has {why} for '{person}': this signature does not count under it")


def _note_refusal(io: Io, vault: Path | None, outcome: str, seat: str) -> None:
    """Write the refusal into the log of the vault that this machine is set to, as far as a key here may."""
    from medsnap.commands import _noted
    from medsnap.commands._directory import seen_directory
    from medsnap.commands._vault import find_keys
    from medsnap.errors import MedsnapError
    from medsnap.model.event import Action

    place = vault if vault is not None else io.settings.path("vault")
    with contextlib.suppress(MedsnapError):  # without a vault or a key of it there is no log to write to
        if place is not None and (known := seen_directory(io, place))[1]:
            keys = [find_keys(io, place, None)]
            _noted.note(io, place, known[0], keys, Action.SIGN, outcome=outcome, details=(("seat", seat),))


def _day(io: Io, text: str) -> date:
    if not text:
        return io.now.date()
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"'{text:.20}' is no date", hint="write it like 2026-09-01") from None


def _paper(io: Io, file: Path, vault: Path | None, before: Path | None) -> _Paper:
    """Read what is to be signed. Raises PolicyError when it does not lint."""
    from medsnap.policy import keyring
    from medsnap.policy.linting import is_waiver
    from medsnap.policy.loading import read_text

    text = read_text(file)
    if keyring.is_ring(text):
        return _ring_paper(io, file, vault, before)
    if is_waiver(text):
        subject, people, read = _waivers.paper(io, file, text)
        return _Paper(subject=subject, seats=people, page=read)
    from medsnap import policy as policies
    from medsnap.policy.signatures import of_policy

    loaded = policies.load(file, now=io.now)
    page = _signing.summary(loaded, _before(io, loaded, vault, before))
    seats = {seat.name: seat.people for seat in loaded.seats}
    return _Paper(subject=of_policy(loaded), seats=seats, page=page)


def _before(io: Io, loaded: Policy, vault: Path | None, before: Path | None) -> Policy | None:
    """Find the policy in force: given, or the newest that this machine saw in force for the vault."""
    from medsnap import policy as policies
    from medsnap.vault import directory, versions
    from medsnap.vault.policies import recall

    if before is not None:
        return policies.load(before)
    place = vault if vault is not None else io.settings.path("vault")
    if place is None:
        return None
    memory = io.settings.state / directory.load(place).directory.vault
    known = versions.seen(memory).get(loaded.ref.policy)
    text = recall(place, known.digest) if known else None
    if text is None:
        return None
    return policies.load_text(text.decode("utf-8", "replace"), f"{loaded.ref.policy}.yaml")


def _ring_paper(io: Io, file: Path, vault: Path | None, before: Path | None) -> _Paper:
    """A keyring: signed by the seats of the policy under `--in-force`, or of the vault's root policy."""
    from medsnap import policy as policies
    from medsnap.policy import keyring
    from medsnap.vault import directory

    ring = keyring.load(file)
    place = vault if vault is not None else io.settings.path("vault")
    pinned = directory.load(place).directory.keyring if place is not None else None
    if before is None:
        raise UsageError("--in-force is missing", hint="name the policy whose seats sign the keyring")
    seats = {seat.name: seat.people for seat in policies.load(before).seats}
    rows = tuple((k.person, k.text.split("+")[0][:40], str(k.first), str(k.last)) for k in ring.keys.values())
    page = (
        Line(f"keyring {ring.id} {ring.version}", Tone.TITLE),
        Table(columns=("person", "key", "from", "until"), rows=rows, wide="key"),
        Line(f"It follows the ring {pinned[:16]}…" if pinned else "It is the vault's first ring."),
    )
    return _Paper(subject=ring.subject(pinned or ""), seats=seats, page=page)


def _ask(io: Io, paper: _Paper, person: str, seat: str) -> None:
    if not io.interactive:
        raise UsageError(
            "nobody can be asked", hint="read the summary (policy show --board FILE), then give --yes"
        )
    _signing.show(paper.page)
    if not typer.confirm(f"Sign it as {person} for the seat {seat}?", err=True):
        raise UsageError("nothing was signed")


def _written(path: Path, message: bytes, day: date) -> Result:
    from medsnap.platform import write_durably

    write_durably(path, message, mode=0o600)
    page = (
        Line(f"The bytes to sign lie in {path}. On the machine with the key run:"),
        Line(f"  ssh-keygen -Y sign -n medsnap-policy -f KEY {path}"),
        Line(f"and come back with --signature {path}.sig --date {day}"),
    )
    return Result(page=page, data={"type": "to-sign", "file": str(path), "date": str(day)})


def _added(file: Path, subject: Subject, signature: Signature) -> Result:
    from medsnap.platform import write_durably
    from medsnap.policy.signatures import append

    path = _in_force.sidecar(file)
    before = path.read_text("utf-8") if path.is_file() else ""
    write_durably(path, append(before, signature).encode(), mode=0o644)
    line = f"{subject.id} {subject.version}: signed by {signature.person} for {signature.seat}"
    page = (Line(line, Tone.GOOD), Line(f"The signature lies in {path}; keep it beside the file."))
    data = {
        "type": "signature",
        "policy": subject.id,
        "version": subject.version,
        "digest": subject.digest,
        "person": signature.person,
        "seat": signature.seat,
        "date": str(signature.day),
        "file": str(path),
    }
    return Result(page=page, data=data)
