"""`medsnap vault ls`: list and search what the caller may know of."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medsnap.commands._repeats import WAITS, WORDS
from medsnap.commands._shared import Format, Io, Result, command
from medsnap.commands._vault import KeyOption, VaultOption, member
from medsnap.errors import Exit, UsageError
from medsnap.model.decision import Verb
from medsnap.model.repeat import Sameness
from medsnap.model.study import MatchState
from medsnap.report.page import Block, Line, Table, Tone

if TYPE_CHECKING:
    from medsnap.model.repeat import Repeat
    from medsnap.vault.catalogue_kin import Only
    from medsnap.vault.entries import Entry, Filters
    from medsnap.vault.session import Session

PAGE = 5_000  # rows of a table: more of them nobody reads, and their widths need all of it in memory


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
    repeats: Annotated[
        bool, typer.Option("--repeats", help="Only photos that are, or may be, the shot of an earlier one.")
    ] = False,
    waiting: Annotated[
        bool, typer.Option("--waiting", help="Only photos that wait for a person, each shot once.")
    ] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="So many photos at most (a table: 5000).")] = None,
) -> Result:
    """List the photos that you may know of; others do not exist for you.

    Examples:

      medsnap vault ls --vault /srv/vault --key-file me.key

      medsnap vault ls --state held --format json

      medsnap vault ls --body-site forearm --since 2026-03-01 --text "left wound" --limit 50

      medsnap vault ls --waiting --limit 20
    """
    from medsnap.vault.catalogue import Filters, Only

    if repeats and waiting:
        raise UsageError("--repeats and --waiting are two lists", hint="ask for one of them")
    only = Only.REPEATS if repeats else Only.WAITING if waiting else Only.ALL
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
            return _streamed(io, session, wanted, only, limit)
        most = PAGE if limit is None and io.format is Format.HUMAN else limit
        found = list(islice(session.catalogue.listed(wanted, only), None if most is None else most + 1))
        records = [_entry(*one) for one in found[:most]]
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
    tallied = _tallied(records)
    groups = sorted({str(e["compartment"]) for e in records}, key=lambda n: places.get(n, len(places)))
    empty: dict[str, Any] = {"photos": []} if io.format is Format.JSON else {}
    more = len(found) > len(records)
    counts = Line(
        f"{len(records)} photo{'' if len(records) == 1 else 's'}"
        + (f" in {', '.join(groups)}" if groups else "")
        + "".join(f"; {said}" for said in _counted(tallied))
        + ("; there are more" if more else "")
        + (": --limit shows as many as you say, --format ndjson all" if more and limit is None else ""),
        Tone.QUIET,
    )
    return Result(
        page=(table, *_repeated(records, short), counts) if records else (table,),
        data={"type": "summary", "count": len(records), **tallied, "more": more, **empty},
        exit=Exit.INTEGRITY if broken else Exit.OK,
        records="photos",
    )


def _streamed(io: Io, session: Session, wanted: Filters, only: Only, limit: int | None) -> Result:
    """Write records as they are found: a list of a million needs no memory."""
    count, more, tallied = 0, False, _tallied(())
    for found in session.catalogue.listed(wanted, only):
        if limit is not None and count >= limit:
            more = True
            break
        record = _entry(*found)
        io.record({"type": "photo", **record})
        count += 1
        tallied = {name: tallied[name] + more_of for name, more_of in _tallied((record,)).items()}
    code = Exit.INTEGRITY if session.reader.problems else Exit.OK
    data = {"type": "summary", "count": count, **tallied, "more": more}
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


def _tallied(records: Iterable[dict[str, Any]]) -> dict[str, int]:
    """Count what repeats an earlier photo, and what waits for a person without being a repeat."""
    found = [(r["verb"] in WAITS, r["repeat"]) for r in records]
    sure = [bool(said) and said["is"] != Sameness.MAYBE for _, said in found]
    return {
        "repeats": sum(sure),
        "may_repeat": sum(bool(said) for _, said in found) - sum(sure),
        "waiting": sum(waits and not known for (waits, _), known in zip(found, sure, strict=True)),
    }


def _counted(tallied: dict[str, int]) -> Iterator[str]:
    for name, one, many in (
        ("repeats", "repeats an earlier one", "repeat earlier ones"),
        ("may_repeat", "may be a repeat", "may be repeats"),
        ("waiting", "waits for a person", "wait for a person"),
    ):
        if number := tallied[name]:
            yield f"{number} {one if number == 1 else many}"


def _repeated(records: Sequence[dict[str, Any]], short: int) -> tuple[Block, ...]:
    """Say of each repeat which photo it repeats, and why that is thought."""
    rows = tuple(
        (str(e["id"])[:short], WORDS[said["is"]], str(said["of"])[:short], ", ".join(said["because"]))
        for e in records
        if (said := e["repeat"])
    )
    return (
        (Line(), Table(columns=("photo", "is", "as", "because"), rows=rows, wide="because"), Line())
        if rows
        else ()
    )


def _entry(entry: Entry, repeat: Repeat | None) -> dict[str, Any]:
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
        "repeat": {"of": repeat.object, "is": repeat.sameness, "because": repeat.because} if repeat else None,
    }


def _state(entry: dict[str, Any]) -> str:
    if not entry["repeat"]:
        return str(entry["state"])
    return "repeat?" if entry["repeat"]["is"] == Sameness.MAYBE else "repeat"


def _cells(entry: dict[str, Any]) -> tuple[str, ...]:
    study = entry["study"]
    text = (
        " · ".join(v for v in (study["mrn"], study["encounter"] or study["accession"]) if v) if study else ""
    )
    return (
        (entry["captured"] or "-")[:16].replace("T", " "),
        _state(entry),
        entry["verb"],
        entry["compartment"],
        str(entry["match"]),
        text or "-",
    )
