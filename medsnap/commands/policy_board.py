"""The page of `medsnap policy show --board`: the policy without YAML, on screen or as a file to print."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from medsnap.commands._shared import Format, Io, Result
from medsnap.report.page import Block, Line, Tone

if TYPE_CHECKING:
    from medsnap.policy import Policy
    from medsnap.policy.board import Chapter
    from medsnap.report.board_html import Sheet

_NOTE = "Each sentence names the lines of the file that say it. What the file leaves open, baseline says."


def board(io: Io, policy: Policy) -> Result:
    """Make the page; with `-o FILE.html` the file is written and a line says so."""
    from medsnap.policy.board import chapters

    found = chapters(policy)
    for chapter in found:
        for sentence in chapter.sentences:
            io.record(
                {
                    "type": "sentence",
                    "chapter": chapter.title,
                    "sentence": sentence.text,
                    "where": sentence.where,
                }
            )
    data: dict[str, Any] = {"type": "policy", "policy": policy.ref, "title": policy.title}
    html = io.output is not None and io.output.suffix.lower() in (".html", ".htm")
    if html and io.format is Format.HUMAN:
        return _file(io, policy, found, data)
    return Result(page=_page(policy, found), data=data, records="sentences")


def _file(io: Io, policy: Policy, found: tuple[Chapter, ...], data: dict[str, Any]) -> Result:
    from medsnap.platform import write_durably
    from medsnap.report.board_html import render

    path = io.output
    if path is not None:
        write_durably(path, render(_sheet(policy, found)).encode(), mode=0o644)
    io.output = None  # the page below goes to the terminal, not over the file
    return Result(
        page=(Line(f"The board's page lies in {path}: two sides when printed.", Tone.GOOD),), data=data
    )


def _sheet(policy: Policy, found: tuple[Chapter, ...]) -> Sheet:
    from medsnap.report.board_html import Sheet

    ref = policy.ref
    seats = tuple((seat.name, _signers(seat.people, seat.sign)) for seat in policy.seats)
    return Sheet(
        title=policy.title or ref.policy,
        subtitle=f"{ref.policy}, version {ref.version}",
        notes=(_NOTE,),
        chapters=tuple((c.title, tuple((s.text, s.where) for s in c.sentences)) for c in found),
        seats=seats,
        foot=f"SHA-256 of the file {ref.digest}; with what it inherits {ref.effective};"
        f" baseline {ref.baseline}.",
    )


def _signers(people: tuple[str, ...], needed: int) -> str:
    from medsnap.policy.board_words import listed

    return f"{needed} of {listed(people, 'or')}" if needed < len(people) else listed(people)


def _page(policy: Policy, found: tuple[Chapter, ...]) -> tuple[Block, ...]:
    page: list[Block] = [
        Line(policy.title or policy.ref.policy, Tone.TITLE),
        Line(f"{policy.ref.policy}, version {policy.ref.version}. {_NOTE}", Tone.QUIET),
    ]
    for chapter in found:
        page += [Line(), Line(chapter.title, Tone.TITLE)]
        for sentence in chapter.sentences:
            page += [Line(sentence.text), Line(f"    {sentence.where}", Tone.QUIET)]
    return tuple(page)
