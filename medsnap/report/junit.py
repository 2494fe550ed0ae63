"""Findings as JUnit XML: one case a rule, file and line in the message, as CI viewers read it."""

from __future__ import annotations

import re
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from medsnap.report.listing import Entry, Level, Listing

MOST_OBJECTS: Final = 20
# What XML 1.0 (2.2) cannot hold, not even as a reference.
_FORBIDDEN: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def document(listing: Listing) -> str:
    """Return one suite; a rule with an error fails, what only warns is told in its output."""
    names = list(dict.fromkeys([*listing.rules, *(entry.rule for entry in listing.entries)]))
    found = {name: [e for e in listing.entries if e.rule == name] for name in names}
    failures = sum(any(e.level is Level.ERROR for e in entries) for entries in found.values())
    skipped = sum(
        any(e.level is Level.OPEN for e in entries) and not any(e.level is Level.ERROR for e in entries)
        for entries in found.values()
    )
    head = f'name={_value(listing.name)} tests="{len(names)}" failures="{failures}" errors="0"'
    suite = f'  <testsuite {head} skipped="{skipped}">'
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f"<testsuites {head}>", suite]
    for name in names:
        lines += _case(listing, name, found[name])
    return "\n".join([*lines, "  </testsuite>", "</testsuites>", ""])


def _case(listing: Listing, name: str, entries: list[Entry]) -> list[str]:
    said = listing.rules.get(name, "")
    title = f"{name}: {said}" if said and not name.endswith(said) else name
    opened = (
        f"    <testcase classname={_value('medsnap.' + listing.name.replace(' ', '.'))} name={_value(title)}"
    )
    wrong = [entry for entry in entries if entry.level is Level.ERROR]
    undecided = [entry for entry in entries if entry.level is Level.OPEN]
    other = [entry for entry in entries if entry.level not in (Level.ERROR, Level.OPEN)]
    if not entries:
        return [opened + "/>"]
    lines = [opened + ">"]
    if wrong:
        text = "\n".join(map(_line, wrong))
        lines.append(f"      <failure message={_value(_line(wrong[0]))}>{_text(text)}</failure>")
    elif undecided:
        lines.append(f"      <skipped message={_value(_line(undecided[0]))}/>")
    if other:
        lines.append(f"      <system-out>{_text(chr(10).join(map(_line, other)))}</system-out>")
    return [*lines, "    </testcase>"]


def _line(entry: Entry) -> str:
    ids = " ".join(entry.objects[:MOST_OBJECTS])
    return f"{entry.file}:{entry.line}:{entry.column}: {entry.message}" + (f" [{ids}]" if ids else "")


def _text(text: str) -> str:
    return escape(_FORBIDDEN.sub("\ufffd", text))


def _value(text: str) -> str:
    return quoteattr(_FORBIDDEN.sub("\ufffd", text), {"\n": "&#10;", "\r": "&#13;", "\t": "&#9;"})
