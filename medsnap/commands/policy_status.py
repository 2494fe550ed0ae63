"""`medsnap policy status`: is a policy in force, and whose signatures are missing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medsnap.commands import _in_force
from medsnap.commands._lists import in_office
from medsnap.commands._shared import Io, Result, command
from medsnap.commands._vault import VaultOption
from medsnap.errors import Exit, UsageError
from medsnap.report.page import Block, Line, Table, Tone

if TYPE_CHECKING:
    from medsnap.policy import Policy
    from medsnap.policy.keyring import Ring
    from medsnap.policy.signatures import SeatTally, Subject, Tally
    from medsnap.policy.standing import Standing
    from medsnap.vault.directory import Directory

PaperFile = Annotated[Path, typer.Argument(metavar="FILE", help="A policy, keyring or waiver.")]
RingOption = Annotated[
    Path | None,
    typer.Option("--keyring", metavar="FILE", help="The keyring; default: the one that the vault pins."),
]
Before = Annotated[
    Path | None,
    typer.Option("--in-force", metavar="POLICY", help="For a keyring: the policy whose seats sign it."),
]


@command()
def status(
    io: Io,
    file: PaperFile,
    *,
    vault: VaultOption = None,
    keyring: RingOption = None,
    in_force: Before = None,
) -> Result:
    """Say whether a policy is in force, and whose signatures are missing. Exit 1 when it is not.

    With a vault its pinned keyring judges; with --keyring alone, that file. Of a keyring or waiver it
    says whether every seat has signed.

    Examples:

      medsnap policy status hospital.yaml --vault /srv/vault

      medsnap policy status hospital.yaml --keyring keyring.yaml --format json

      medsnap policy status keyring.yaml --in-force hospital.yaml
    """
    from medsnap import policy as policies
    from medsnap.commands import _paper_status

    pinned = _pinned(io, vault) if keyring is None else None
    paper = _paper_status.counted(io, file, before=in_force, ring=keyring, pinned=pinned)
    if paper is not None:
        return _paper(*paper)
    loaded = policies.load(file, now=io.now)
    standing = _standing(io, loaded, file, vault, keyring)
    counts = standing.in_force
    data: dict[str, Any] = {
        "type": "status",
        "policy": loaded.ref.policy,
        "version": loaded.ref.version,
        "in_force": counts,
        "signed": standing.signed,
        "why": standing.why,
        "until": str(loaded.in_force.last),
        "seats": [_seat_data(seat) for seat in standing.tally.seats] if standing.tally else [],
        "refused": list(standing.tally.refused) if standing.tally else [],
    }
    return Result(page=_status_page(loaded, standing), data=data, exit=Exit.OK if counts else Exit.VIOLATION)


def _pinned(io: Io, vault: Path | None) -> Ring | None:
    place = vault if vault is not None else io.settings.path("vault")
    return _in_force.pinned_ring(place, _verified(io, place)) if place is not None else None


def _paper(subject: Subject, counted: Tally) -> Result:
    complete = counted.complete
    state = "signed by every seat" if complete else "signatures are missing"
    page = (
        Line(f"{subject.id} {subject.version}   {state}", Tone.GOOD if complete else Tone.BAD),
        *_seats(counted),
    )
    data = {
        "type": "status",
        "paper": subject.id,
        "version": subject.version,
        "complete": complete,
        "seats": [_seat_data(seat) for seat in counted.seats],
        "refused": list(counted.refused),
    }
    return Result(page=page, data=data, exit=Exit.OK if complete else Exit.VIOLATION)


def _standing(io: Io, loaded: Policy, file: Path, vault: Path | None, ring_file: Path | None) -> Standing:
    place = vault if vault is not None else io.settings.path("vault")
    if ring_file is not None:
        return _under(io, loaded, file, ring_file)
    if place is None:
        raise UsageError("--vault or --keyring is missing", hint="signatures are judged by a keyring")
    return _in_force.judged(io, loaded, file, place, _verified(io, place))


def _under(io: Io, loaded: Policy, file: Path, ring_file: Path) -> Standing:
    from medsnap.policy import keyring
    from medsnap.policy.standing import Pins, stand

    ring = keyring.load(ring_file)
    found, problems = _in_force.signatures(file)
    for problem in problems:
        io.warn(f"signature: {problem}")
    pins = Pins(ring=ring.digest, unsigned_allowed=False)
    return stand(loaded, pins, ring, found, io.now, in_office=in_office(io))


def _verified(io: Io, vault: Path) -> Directory:
    """Return the vault's directory, verified by this machine's pin where there is one."""
    from medsnap.vault import directory, pins

    signed = directory.load(vault)
    folder = io.settings.state / signed.directory.vault
    if (folder / pins.PIN).is_file():
        return pins.follow(vault, signed, pins.read_pin(folder))[0]
    io.warn("the vault's root is not pinned on this machine, so its directory is taken at its word")
    return directory.verify(signed.data, root_vkey=signed.directory.root)


def _seat_data(seat: SeatTally) -> dict[str, Any]:
    return {
        "seat": seat.seat,
        "needed": seat.needed,
        "signed": [{"person": person, "date": str(day)} for person, day in seat.signed],
        "waiting": list(seat.waiting) if not seat.complete else [],
    }


def _status_page(loaded: Policy, standing: Standing) -> tuple[Block, ...]:
    name = f"{loaded.ref.policy} {loaded.ref.version}"
    state = "in force" if standing.in_force else "not in force"
    page: list[Block] = [Line(f"{name}   {state}", Tone.GOOD if standing.in_force else Tone.BAD)]
    if standing.tally:
        page += _seats(standing.tally)
    else:
        page.append(Line(f"{standing.signed}: the vault pins no keyring yet", Tone.WARN))
    if standing.why:
        page.append(Line(_sentence(standing.why), Tone.BAD))
    if standing.ends:
        page.append(Line(_sentence(standing.ends), Tone.WARN))
    return tuple(page)


def _seats(counted: Tally) -> list[Block]:
    rows = tuple(_row(seat) for seat in counted.seats)
    table = Table(columns=("seat", "signed", "by", "waiting for"), rows=rows, wide="by")
    return [table, *(Line(f"does not count: {refused}", Tone.WARN) for refused in counted.refused)]


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _row(seat: SeatTally) -> tuple[str, str, str, str]:
    by = ", ".join(f"{person} {day}" for person, day in seat.signed)
    waiting = " or ".join(seat.waiting) if not seat.complete else ""
    return seat.seat, f"{len(seat.signed)} of {seat.needed}", by, waiting
