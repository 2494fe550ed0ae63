"""`medsnap vault ls`: list and search what the caller may know of."""

from __future__ import annotations

import dataclasses
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medsnap.commands._shared import Format, Io, Result, command
from medsnap.commands._vault import KeyOption, VaultOption, member
from medsnap.errors import Exit, UsageError
from medsnap.model.decision import Verb
from medsnap.model.study import MatchState
from medsnap.report.page import Line, Table, Tone

if TYPE_CHECKING:
    from medsnap.vault.entries import Entry, Filters
    from medsnap.vault.session import Session


def _day(when: str) -> Any:
    return typer.Option(metavar="DAY", help=f"Only photos taken {when}: YYYY-MM-DD.")


def _only(what: str) -> Any:
    return typer.Option(help=f"Only photos with this {what}.")


@command()
def ls(
    io: Io,
    *,
    vault: VaultOption = None,
    key_file: KeyOption = None,
    state: Annotated[str | None, _only("state: done or held")] = None,
    verb: Annotated[str | None, _only(f"verb: {', '.join(map(str, Verb))}")] = None,
    compartment: Annotated[str | None, _only("locked group")] = None,
    match: Annotated[str | None, _only(f"match: {', '.join(MatchState)}")] = None,
    mrn: Annotated[str | None, _only("patient number")] = None,
    encounter: Annotated[str | None, _only("encounter")] = None,
    department: Annotated[str | None, _only("department")] = None,
    body_site: Annotated[str | None, _only("body site")] = None,
    feature: Annotated[str | None, _only("feature, seen or doubtful")] = None,
    device: Annotated[str | None, _only("device: asset or camera model")] = None,
    text: Annotated[str | None, typer.Option(help="Only photos described with all these words.")] = None,
    since: Annotated[str | None, _day("on this day or later")] = None,
    until: Annotated[str | None, _day("on this day or earlier")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="So many photos at most.")] = None,
) -> Result:
    """List the photos that you may know of; others do not exist for you.

    Examples:

      medsnap vault ls --vault /srv/vault --key-file me.key

      medsnap vault ls --state held --format json

      medsnap vault ls --body-site forearm --since 2026-03-01 --text "left wound" --limit 50
    """
    from medsnap.vault.catalogue import Filters

    wanted = Filters(
        state=state,
        verb=verb,
        compartment=compartment,
        matched=match,
        mrn=mrn,
        encounter=encounter,
        department=department,
        body_site=body_site,
        feature=feature,
        device=device,
        text=text,
        since=_as_day(since, "--since"),
        until=_as_day(until, "--until"),
    )
    _known(state, "--state", ("done", "held"))
    _known(verb, "--verb", tuple(map(str, Verb)))
    _known(match, "--match", tuple(map(str, MatchState)))
    if wanted.since and wanted.until and wanted.since > wanted.until:
        raise UsageError("--since lies after --until", hint="no day is in between")
    with member(io, vault, key_file) as session:
        _known(compartment, "--compartment", tuple(session.place))
        wanted = dataclasses.replace(wanted, roles=session.roles)
        if io.format is Format.NDJSON:
            return _streamed(io, session, wanted, limit)
        found = session.catalogue.entries(wanted, None if limit is None else limit + 1)
        records = [_entry(entry) for entry in found[:limit]]
        broken = bool(session.reader.problems)
        places = session.place
    for record in records:
        io.record({"type": "photo", **record})
    short = _short([str(e["id"]) for e in records])
    table = Table(
        columns=("id", "captured", "state", "verb", "locked group", "match", "study"),
        rows=tuple((str(e["id"])[:short], *_cells(e)) for e in records),
        empty="no photos",
        wide="study",
    )
    groups = sorted({str(e["compartment"]) for e in records}, key=lambda n: places.get(n, len(places)))
    empty: dict[str, Any] = {"photos": []} if io.format is Format.JSON else {}
    more = len(found) > len(records)
    counts = Line(
        f"{len(records)} photo{'' if len(records) == 1 else 's'}"
        + (f" in {', '.join(groups)}" if groups else "")
        + ("; there are more" if more else ""),
        Tone.QUIET,
    )
    return Result(
        page=(table, counts) if records else (table,),
        data={"type": "summary", "count": len(records), "more": more, **empty},
        exit=Exit.INTEGRITY if broken else Exit.OK,
        records="photos",
    )


def _streamed(io: Io, session: Session, wanted: Filters, limit: int | None) -> Result:
    """Write records as they are found: a list of a million needs no memory."""
    count, more = 0, False
    for entry in session.catalogue.walk(wanted):
        if limit is not None and count >= limit:
            more = True
            break
        io.record({"type": "photo", **_entry(entry)})
        count += 1
    code = Exit.INTEGRITY if session.reader.problems else Exit.OK
    data = {"type": "summary", "count": count, "more": more}
    return Result(page=(), data=data, exit=code, records="photos")


def _known(word: str | None, option: str, words: tuple[str, ...]) -> None:
    """Refuse a word that no photo can have: it would look like an empty vault. Raises UsageError."""
    if word is not None and word not in words:
        raise UsageError(f"{option} knows no '{word:.40}'", hint=f"one of: {', '.join(words)}")


def _as_day(text: str | None, option: str) -> str | None:
    """Check a day that was typed. Raises UsageError."""
    if text is None:
        return None
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise UsageError(f"{option} needs a day", hint="write it like 2026-03-01") from None


def _short(ids: list[str]) -> int:
    """Return how much of an id a list has to show so that no two look the same."""
    from medsnap.vault.ids import SHORT

    return next((n for n in range(SHORT, 27) if len({i[:n] for i in ids}) == len(ids)), 26)


def _entry(entry: Entry) -> dict[str, Any]:
    study = None
    if entry.mrn is not None:
        names = ("mrn", "issuer", "encounter", "accession", "department")
        study = {name: getattr(entry, name) for name in names}
    return {
        "id": entry.object,
        "at": entry.at,
        "source": entry.source,
        "captured": entry.captured or None,
        "media": entry.media,
        "length": entry.length,
        "state": entry.state,
        "reason": entry.reason or None,
        "verb": entry.verb,
        "compartment": entry.compartment,
        "match": entry.matched,
        "body_site": entry.body_site,
        "device": entry.device or entry.model,
        "features": list(entry.features),
        "study": study,
    }


def _cells(entry: dict[str, Any]) -> tuple[str, ...]:
    study = entry["study"]
    text = (
        " · ".join(v for v in (study["mrn"], study["encounter"] or study["accession"]) if v) if study else ""
    )
    return (
        (entry["captured"] or "-")[:16].replace("T", " "),
        entry["state"],
        entry["verb"],
        entry["compartment"],
        str(entry["match"]),
        text or "-",
    )
