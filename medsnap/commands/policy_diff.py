"""`medsnap policy diff`: what a new version opens, line by line and photo by photo."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medsnap.commands._shared import Io, Result, command
from medsnap.commands._vault import KeyOption, member
from medsnap.commands.policy import resolved
from medsnap.errors import Exit
from medsnap.report.page import Block, Line, Table, Tone

if TYPE_CHECKING:
    from medsnap.policy import Policy
    from medsnap.policy.diff import Change
    from medsnap.policy.impact import Effect
    from medsnap.vault.session import Session

MOST_SHOWN = 20  # opened photos named on a page; programs get all

Old = Annotated[Path, typer.Argument(metavar="OLD", help="The policy in force, a file or a packaged name.")]
New = Annotated[Path, typer.Argument(metavar="NEW", help="The policy that shall follow it.")]


@dataclass(slots=True)
class _Tally:
    """Photos by effect, the opened ones by id."""

    groups: Counter[Effect] = field(default_factory=Counter)
    opened: list[tuple[str, Effect]] = field(default_factory=list)
    unknown: int = 0
    photos: int = 0

    def count(self, move: str) -> int:
        return sum(n for effect, n in self.groups.items() if effect.move == move)


@command()
def diff(
    io: Io,
    old: Old,
    new: New,
    *,
    vault: Annotated[
        Path | None, typer.Option("--vault", help="Also decide every photo of this vault anew.")
    ] = None,
    key_file: KeyOption = None,
) -> Result:
    """Compare two policies: which lines open, which tighten; with a vault, which photos.

    Exit 1 when photos (without a vault: lines) open. Nothing is written.

    Examples:

      medsnap policy diff hospital.yaml hospital-5.yaml

      medsnap policy diff hospital.yaml hospital-5.yaml --vault /srv/vault --key-file me.key
    """
    from medsnap import policy as policies
    from medsnap.policy.diff import Effect, changes

    before, after = policies.load(resolved(old)), policies.load(resolved(new))
    lines = changes(before, after)
    tally: _Tally | None = None
    if vault is not None:
        with member(io, vault, key_file) as session:
            tally = _judge(io, session, before, after)
    _records(io, lines, tally)
    opens = bool(tally.opened) if tally else any(line.effect is Effect.OPENS for line in lines)
    code = Exit.VIOLATION if opens else Exit.PARTIAL if tally and tally.unknown else Exit.OK
    page = (*_lines(before, after, lines), *(_photos(tally) if tally else ()), _verdict(opens, tally))
    return Result(page=page, data=_data(before, after, lines, tally), exit=code)


def _judge(io: Io, session: Session, before: Policy, after: Policy) -> _Tally:
    from medsnap.policy.impact import Impact, Move

    tally = _Tally()
    catalogue = session.catalogue
    impact = Impact(before, after, io.now)
    for digest, text in catalogue.evidences():
        impact.learn(digest, text)
    for photo in catalogue.sightings(session.known):
        tally.photos += 1
        if not photo.evidence:
            tally.unknown += 1
            continue
        effect = impact.of(photo.evidence, photo.study)
        tally.groups[effect] += 1
        if effect.move is Move.OPENS:
            tally.opened.append((photo.object, effect))
    return tally


def _records(io: Io, lines: tuple[Change, ...], tally: _Tally | None) -> None:
    from medsnap.model.codec import to_json

    if tally is not None:
        for object_id, effect in tally.opened:
            io.record({"type": "photo", "object": object_id, **to_json(effect)})
        for effect, number in tally.groups.most_common():
            if effect.move != "same":
                io.record({"type": "impact", "photos": number, **to_json(effect)})
    for line in lines:
        io.record({"type": "change", **to_json(line)})


def _data(before: Policy, after: Policy, lines: tuple[Change, ...], tally: _Tally | None) -> dict[str, Any]:
    data: dict[str, Any] = {
        "type": "summary",
        "old": before.ref,
        "new": after.ref,
        "lines": Counter(str(line.effect) for line in lines),
    }
    if tally is not None:
        data |= {
            "photos": tally.photos,
            "opens": tally.count("opens"),
            "tightens": tally.count("tightens"),
            "later": tally.count("later"),
            "same": tally.count("same"),
            "unknown": tally.unknown,
        }
    return data


_TONES = {"opens": Tone.BAD, "tightens": Tone.GOOD, "changes": Tone.WARN}


def _lines(before: Policy, after: Policy, lines: tuple[Change, ...]) -> tuple[Block, ...]:
    title = f"{before.ref.policy} {before.ref.version} → {after.ref.policy} {after.ref.version}"
    rows = tuple((str(c.effect), c.path, f"{c.before} → {c.after}", c.where) for c in lines)
    return (
        Line(title, Tone.TITLE),
        Table(
            columns=("", "path", "from → to", "line"),
            rows=rows,
            wide="from → to",
            empty="No line opens or tightens.",
        ),
    )


def _photos(tally: _Tally) -> tuple[Block, ...]:
    page: list[Block] = [Line(), Line(f"{_number(tally.photos)} that you may know of:")]
    ordered = sorted(tally.groups.items(), key=lambda pair: (_order(pair[0]), -pair[1], pair[0].path))
    page += [
        Line(f"  {_sentence(effect, number)}", _TONES.get(effect.move, Tone.PLAIN))
        for effect, number in ordered
        if effect.move != "same"
    ]
    page.append(Line(f"  same      {_number(tally.count('same'))} stay as they are"))
    if tally.unknown:
        text = f"  unknown   {_number(tally.unknown)} sealed without evidence, which cannot be decided again"
        page.append(Line(text, Tone.WARN))
    for object_id, effect in tally.opened[:MOST_SHOWN]:
        page.append(Line(f"  would open  {object_id}  {effect.path}  {effect.where}", Tone.QUIET))
    if len(tally.opened) > MOST_SHOWN:
        page.append(Line(f"  … and {len(tally.opened) - MOST_SHOWN} more (--format ndjson lists all)"))
    return tuple(page)


def _order(effect: Effect) -> int:
    return ("opens", "tightens", "later", "same").index(effect.move)


def _sentence(effect: Effect, number: int) -> str:
    what = f"{effect.path} ({effect.where})" if effect.where else effect.path
    change = f"{effect.before} → {effect.after}" if effect.before != effect.after else effect.before
    beside = ""
    if effect.gains:
        beside = f"; would reach {', '.join(effect.gains)}"
    elif effect.loses:
        beside = f"; would no longer reach {', '.join(effect.loses)}"
    return f"{effect.move:<9} {_number(number)}: {what}: {change}{beside}"


def _number(count: int) -> str:
    return f"{count:,} photo" + ("" if count == 1 else "s")


def _verdict(opens: bool, tally: _Tally | None) -> Line:
    if not opens:
        return Line("Nothing opens.", Tone.GOOD)
    what = f"{_number(len(tally.opened))}" if tally else "lines"
    return Line(f"This change opens {what}. Attach this page to the signing request.", Tone.BAD)
