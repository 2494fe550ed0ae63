"""`medsnap vault break-glass`: one patient's photos in an emergency, with another person's key."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medsnap.commands import _glass, _in_force, _noted
from medsnap.commands._photos import PolicyOption, policy_path
from medsnap.commands._release import nowhere, write_beside
from medsnap.commands._shared import Io, Result, command
from medsnap.commands._vault import KeyOption, VaultOption, find_keys, log_event, order_of, passphrase
from medsnap.errors import (
    CannotCreate,
    Exit,
    KeyRefused,
    MedsnapError,
    NotFound,
    PolicyError,
    Tampered,
    UsageError,
)
from medsnap.model.event import Action
from medsnap.report.page import Block, Facts, Line, Table, Tone

if TYPE_CHECKING:
    from collections.abc import Mapping

    from medsnap.model.record import PhotoRow
    from medsnap.policy import Policy
    from medsnap.vault.directory import Directory
    from medsnap.vault.emergency import Found, Pair
    from medsnap.vault.keys import Keys
    from medsnap.vault.reader import Reader

REPORT = "break-glass.json"
_LONGEST = 500  # characters of a reason
_TICKET = re.compile(r"[A-Za-z0-9._:/#-]{1,64}", re.ASCII)
_SUFFIX = {"image/jpeg": "jpg", "video/quicktime": "mov", "image/x-adobe-dng": "dng"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rules:
    """The policy's rules for this one opening."""

    policy: Policy
    open_to: tuple[str, ...]
    tell: tuple[str, ...]
    never: frozenset[str]
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What was asked, by whom, with whose key."""

    vault: Path
    directory: Directory
    keys: Keys
    pair: Pair
    reason: str
    ticket: str


@command(output=False)
def open_(
    io: Io,
    *,
    patient: Annotated[str, typer.Option("--patient", metavar="MRN", help="The patient's number.")],
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Why; the log keeps it: no names, no numbers.")
    ],
    custodian_key: Annotated[
        Path,
        typer.Option("--custodian-key", metavar="FILE", help="The key file of another member, present."),
    ],
    into: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="A new folder for photos and the report.")
    ],
    issuer: Annotated[str, typer.Option("--issuer", help="Who gave the patient's number.")] = "",
    ticket: Annotated[str, typer.Option("--ticket", metavar="ID", help="Of the incident, for the log.")] = "",
    policy: PolicyOption = None,
    vault: VaultOption = None,
    key_file: KeyOption = None,
) -> Result:
    """Open one patient's photos in an emergency, with a custodian's key. Off unless the policy allows it.

    The policy's break_glass says who may ask, for how long, who is told, and which groups stay shut. The
    time runs from the first opening; when it is over nothing more is opened before the end. The log is told
    before anything is opened. Afterwards every key that the custodian's file could give has
    to end: `vault break-glass end`, or the next change of members does it. The word `open` may be left out.

    Examples:

      medsnap vault break-glass open --patient 4711 --reason unwell --custodian-key c.key -o o
    """
    from medsnap.vault import emergency
    from medsnap.vault.keys import load_file
    from medsnap.vault.reader import Reader

    _check_words(patient, reason, ticket)
    place = io.need(vault, "vault", "--vault")
    _free(into)
    keys = find_keys(io, place, key_file)
    directory = _trusted(io, place, keys)
    with _noted.refused(io, place, directory, [keys], Action.BREAK_GLASS):
        glass = _allowed(io, _rules(io, policy, place, directory, keys), place, directory)
        custodian = load_file(custodian_key, ask=passphrase(io))
        pair = emergency.pair(directory, keys, custodian, open_to=glass.open_to)
    asked = _Asked(vault=place, directory=directory, keys=keys, pair=pair, reason=reason, ticket=ticket)
    _make(into)
    _tell_log(io, asked, glass)
    reader = Reader(place, directory, custodian.identities, order=order_of(place), shut=glass.never)
    found = emergency.find(reader, patient, issuer)
    good = _verified(reader, found)
    objects = tuple(row.seal.object for row in good)
    log_event(
        io, place, directory, keys.signer, Action.OPEN if objects else Action.OPEN_REFUSED,
        objects=objects, outcome="success" if objects else NotFound.id, details=(("by", "break-glass"),),
    )  # fmt: skip
    if broken := tuple(row.seal.object for row in found.rows if row not in good):
        log_event(
            io, place, directory, keys.signer, Action.OPEN_REFUSED,
            objects=broken, outcome=Tampered.id, details=(("by", "break-glass"),),
        )  # fmt: skip
    files = _write(reader, good, into)
    report = _report(io, asked, glass, found, files)
    _save(into / REPORT, {**report, "patient": patient, "issuer": issuer or None})
    return _result(report, into, broken=len(found.rows) - len(good))


def _check_words(patient: str, reason: str, ticket: str) -> None:
    if not patient.strip():
        raise UsageError("--patient is empty")
    if not reason.strip() or len(reason) > _LONGEST or not reason.isprintable():
        raise UsageError("--reason needs a sentence", hint=f"at most {_LONGEST} characters, one line")
    if patient.strip().casefold() in reason.casefold():
        raise UsageError("the reason names the patient's number", hint="the log keeps no patient's data")
    if ticket and not _TICKET.fullmatch(ticket):
        raise UsageError("--ticket is no id", hint="letters, digits and . _ : / # - only")


def _free(folder: Path) -> None:
    if folder.exists():
        raise CannotCreate("the folder exists already", where=str(folder), hint="name a new one")


def _make(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True)
    except OSError as failure:
        raise CannotCreate(f"the folder cannot be made: {failure.strerror}", where=str(folder)) from failure


def _trusted(io: Io, place: Path, keys: Keys) -> Directory:
    from medsnap.vault import session
    from medsnap.vault.directory import load

    folder = session.member_cache(io.settings.cache, load(place).directory.vault, keys)
    return session.trusted(place, keys, state=io.settings.state, cache=folder)


def _rules(io: Io, given: str | None, place: Path, directory: Directory, keys: Keys) -> _Rules:
    """Read the rules from the policy in force. Raises KeyRefused where there is no emergency access."""
    from medsnap import policy as policies
    from medsnap.policy.board_words import section
    from medsnap.policy.kinds import duration
    from medsnap.vault import session

    path = policy_path(io, given)
    memory = session.member_cache(io.settings.cache, directory.vault, keys)
    loaded = _in_force.enforced(
        io, policies.load(path, now=io.now), path, vault=place, directory=directory, memory=memory
    )
    if loaded.refused:
        raise PolicyError(f"the policy is not in force: {loaded.refused}", where=str(path))
    said = section(loaded, "break_glass")
    if not said:
        raise KeyRefused("the policy knows no emergency access", hint="its section break_glass allows it")
    lasts = duration(str(said["lasts"])).length
    if lasts is None:
        raise PolicyError("break_glass.lasts is no duration", where=str(path))
    return _Rules(
        policy=loaded,
        open_to=tuple(said["open_to"]),
        tell=tuple(said["tell"]),
        never=frozenset(said.get("never", ())) | set(directory.closed),
        until=io.now + lasts,
    )


def _allowed(io: Io, rules: _Rules, vault: Path, directory: Directory) -> _Rules:
    """Refuse when an earlier one is over and has not ended; within its time a further one is over with it."""
    open_now = _glass.found(vault, directory, io.now)
    if open_now is None:
        return rules
    if open_now.over:
        raise KeyRefused(
            f"an earlier break-glass is {open_now.when} and its keys have not ended",
            hint="the keeper of the root key ends it first: medsnap vault break-glass end",
        )
    return replace(rules, until=min(rules.until, open_now.until or rules.until))


def _tell_log(io: Io, asked: _Asked, glass: _Rules) -> None:
    ref, pair = glass.policy.ref, asked.pair
    details = (
        ("reason", asked.reason.strip()),
        ("ticket", asked.ticket),
        ("custodian", pair.custodian.name),
        ("until", glass.until.isoformat(timespec="seconds")),
        ("tell", " ".join(glass.tell)),
        ("policy", f"{ref.policy} {ref.version} {ref.digest}"),
    )
    log_event(
        io, asked.vault, asked.directory, asked.keys.signer, Action.BREAK_GLASS,
        details=tuple(d for d in details if d[1]),
        due=pair.due(asked.directory, glass.until.isoformat(timespec="seconds")),
    )  # fmt: skip


def _verified(reader: Reader, found: Found) -> list[PhotoRow]:
    """Open each photo once to nowhere: what does not verify is never written."""
    good = []
    for row in found.rows:
        try:
            reader.open_to(row.seal, nowhere)
            good.append(row)
        except MedsnapError as broken:
            reader.note(broken.where, broken.message)
    return good


def _write(reader: Reader, rows: list[PhotoRow], folder: Path) -> list[tuple[PhotoRow, str]]:
    files = []
    for row in rows:
        name = f"{row.seal.object}.{_suffix(row.media)}"
        write_beside(folder / name, partial(reader.open_to, row.seal))
        files.append((row, name))
    return files


def _suffix(media: str) -> str:
    return _SUFFIX.get(media, media.rpartition("/")[2].removeprefix("x-"))


def _report(
    io: Io, asked: _Asked, glass: _Rules, found: Found, files: list[tuple[PhotoRow, str]]
) -> dict[str, Any]:
    """Say what the key could open and did open, and who is told: no number of the patient in it."""
    directory, pair = asked.directory, asked.pair
    epochs = dict(pair.due(directory).epochs)
    return {
        "type": "break-glass",
        "at": io.now.isoformat(timespec="seconds"),
        "until": glass.until.isoformat(timespec="seconds"),
        "asked_by": pair.asker.name,
        "custodian": pair.custodian.name,
        "reason": asked.reason.strip(),
        "ticket": asked.ticket or None,
        "tell": [
            {"role": role, "members": [m.name for m in directory.members if role in m.roles]}
            for role in glass.tell
        ],
        "opened": [
            {
                "id": row.seal.object,
                "compartment": row.seal.compartment,
                "file": name,
                "match": row.match.state,
            }
            for row, name in files
        ],
        "could_open": [
            {"compartment": name, "epoch": epoch, "photos": found.could.get(name)}
            for name, epoch in epochs.items()
            if name
        ],
        "shut": sorted(glass.never),
        "keys_must_end": True,
    }


def _save(path: Path, report: Mapping[str, Any]) -> None:
    from medsnap.platform import write_durably

    text = json.dumps(report, indent=1, ensure_ascii=False, default=str) + "\n"
    try:
        write_durably(path, text.encode(), exclusive=True)
    except OSError as failure:
        raise CannotCreate(f"cannot be written: {failure.strerror}", where=str(path)) from failure


def _result(report: dict[str, Any], into: Path, *, broken: int) -> Result:
    opened = report["opened"]
    head = (
        Line(f"{len(opened)} photos were opened into {into}.", Tone.GOOD)
        if opened
        else Line("There is nothing of this patient that break-glass opens.", Tone.WARN)
    )
    told = [f"{t['role']} ({', '.join(t['members']) or 'no member has this role'})" for t in report["tell"]]
    page: list[Block] = [head]
    if broken:
        page.append(Line(f"{broken} photos do not verify and were not written: vault check.", Tone.BAD))
    page += [
        Facts(
            (
                ("asked by", report["asked_by"]),
                ("with the key of", report["custodian"]),
                ("until", report["until"]),
                ("tell", "; ".join(told)),
                ("report", str(into / REPORT)),
            )
        ),
        Table(
            title="What this key could open",
            columns=("locked group", "epoch", "photos"),
            rows=tuple(
                (c["compartment"], str(c["epoch"]), "-" if c["photos"] is None else str(c["photos"]))
                for c in report["could_open"]
            ),
            right=("epoch", "photos"),
        ),
        Line("Give the report to those who are told. Delete the photos when the time is over.", Tone.WARN),
        Line("The keys have to end now: medsnap vault break-glass end --root-key-file FILE", Tone.WARN),
    ]
    code = Exit.INTEGRITY if broken else Exit.OK if opened else Exit.NO_INPUT
    return Result(page=tuple(page), data=report, exit=code)
