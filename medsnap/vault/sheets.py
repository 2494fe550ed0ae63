"""A recovery sheet: one share in words, with what a person needs to use it; read back from text or HTML."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

from medsnap.crypto import shares
from medsnap.crypto.shares import NEEDED, SHARES, WORDS, Share
from medsnap.errors import InputMissing, KeyRefused, Malformed
from medsnap.vault.directory import Directory
from medsnap.vault.files import read_limited
from medsnap.vault.recovery import CLOSED, GENERAL, ROOT, Recovered, opens, recognised

MAX_SHEET = 64 * 1024
COLUMNS = 3
_BEGIN, _END = "words:", "end of words"
_NUMBERED = re.compile(r"\b(\d{1,2})[.:)]?\s+([A-Za-z]{3,8})\b", re.ASCII)
_WORD = re.compile(r"[A-Za-z]+", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Sheet:
    """What is printed on one page. Its repr shows no word."""

    vault: str
    kind: str  # GENERAL, CLOSED or ROOT
    groups: tuple[str, ...]  # that two of these open
    made: str  # a day
    root: str  # fingerprint
    share: Share

    @property
    def title(self) -> str:
        """The headline."""
        return f"medsnap recovery sheet {self.share.number} of {SHARES}"

    @property
    def facts(self) -> tuple[tuple[str, str], ...]:
        """What stands above the words, label by label."""
        return (
            ("vault", self.vault),
            ("set", self.kind),
            ("sheet", f"{self.share.number} of {SHARES}; any {NEEDED} of them are needed"),
            ("opens", ", ".join(self.groups) or "no photo; it signs the vault's directory"),
            ("made", self.made),
            ("root", self.root),
        )

    @property
    def rows(self) -> tuple[tuple[tuple[int, str], ...], ...]:
        """The words with their numbers, three to a row."""
        numbered = list(enumerate(self.share.words, start=1))
        return tuple(tuple(numbered[n : n + COLUMNS]) for n in range(0, WORDS, COLUMNS))

    @property
    def advice(self) -> tuple[str, ...]:
        """What to do with it."""
        two = _MEANING[self.kind]
        return (
            "Lock it away. No two sheets of a set belong into one hand, one safe or one house.",
            f"Two of the three {two} One alone tells nothing.",
            "Never photograph it, never type it into anything but medsnap.",
            "Once a year, on a machine of its own: medsnap vault recovery test SHEET SHEET --vault V",
            "After a disaster: medsnap vault recovery combine SHEET SHEET -o recovered.key --vault V",
            "Lost, or seen by somebody: medsnap vault recovery renew, then burn the two that are left.",
            "Compare 'root' with what medsnap shows: it is how you know that the vault is the real one.",
            "Without medsnap: the words are SLIP-39; they give 32 bytes, an age key (docs/SPEC.md).",
        )

    @property
    def file(self) -> str:
        """A name for its file, without a suffix."""
        return f"{self.kind}-{self.share.number}-of-{SHARES}"

    def __repr__(self) -> str:
        return f"Sheet({self.kind}, {self.share!r})"


_MEANING = {
    GENERAL: "open every photo of the locked groups above, for whoever has a copy of the vault.",
    CLOSED: "open these locked groups, which no other sheet and no emergency access opens.",
    ROOT: "say who opens what: they add and remove members and ingest hosts. They open no photo.",
}


def split(secret: bytes, kind: str, directory: Directory, *, day: str) -> tuple[Sheet, ...]:
    """Make the three sheets of one secret."""
    from medsnap.crypto.note import fingerprint

    return tuple(
        Sheet(
            vault=directory.vault,
            kind=kind,
            groups=opens(kind, directory),
            made=day,
            root=fingerprint(directory.root),
            share=share,
        )
        for share in shares.split(secret)
    )


def as_text(sheet: Sheet) -> str:
    """Write a sheet as plain text."""
    lines = [sheet.title, ""]
    lines += [f"{label}:".ljust(8) + value for label, value in sheet.facts]
    lines += ["", _BEGIN]
    lines += ["".join(f"{n:>4} {word:<10}" for n, word in row).rstrip() for row in sheet.rows]
    lines += [_END, "", *(f"- {line}" for line in sheet.advice)]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadSheet:
    """A sheet that was read or typed; what stood beside the words is "" where nothing did."""

    share: Share
    where: str
    vault: str = ""
    root: str = ""


class _Text(HTMLParser):
    """The text of an HTML page, a line for each block."""

    _BLOCKS = frozenset({"p", "tr", "td", "th", "li", "h1", "h2", "dt", "dd", "div", "table"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._skip = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._skip = tag in ("style", "script", "title")

    def handle_endtag(self, tag: str) -> None:
        self._skip = False
        if tag in self._BLOCKS:
            self.parts.append("\n" if tag != "dt" else " ")

    def handle_data(self, data: str) -> None:
        if not self._skip:
            self.parts.append(" ".join(data.split()) + " " if data.strip() else "")


def parse(text: str, *, where: str) -> ReadSheet:
    """Read a sheet from its text, its HTML, or from bare words. Raises Malformed."""
    if "<html" in text[:2000].lower():
        page = _Text()
        page.feed(text)
        text = "".join(page.parts)
    body = text
    if _BEGIN in text:
        body = text.partition(_BEGIN)[2].partition(_END)[0]
    labels = dict(re.findall(r"(?m)^\s*(vault|root):[ \t]*(\S[^\n]*?)\s*$", text))
    return ReadSheet(
        share=shares.read(_words(body, where), where=where),
        where=where,
        vault=labels.get("vault", ""),
        root=labels.get("root", ""),
    )


def _words(body: str, where: str) -> list[str]:
    """Find the words: by their numbers where they have some, else in their order."""
    numbered: dict[int, str] = {}
    for digits, word in _NUMBERED.findall(body):
        if numbered.setdefault(int(digits), word) != word:
            raise Malformed(f"word {digits} stands there twice", where=where)
    if not numbered:
        return _WORD.findall(body)
    if missing := [n for n in range(1, WORDS + 1) if n not in numbered]:
        raise Malformed(f"word {missing[0]} is missing", where=where, hint=f"a sheet has {WORDS} words")
    return [numbered[n] for n in sorted(numbered)]


def load(path: Path) -> ReadSheet:
    """Read a sheet's file. Raises InputMissing, Malformed."""
    try:
        data = read_limited(path, MAX_SHEET)
    except InputMissing:
        raise InputMissing("there is no such sheet", where=str(path)) from None
    if b"AGE-SECRET-KEY-" in data:
        raise Malformed(
            "this is a key file and no sheet",
            where=str(path),
            hint="it needs no second one: give it as --key-file, --root-key-file or --recovery-file",
        )
    return parse(data.decode("utf-8", "replace"), where=str(path))


def recover(read: Sequence[ReadSheet], directory: Directory, *, roots: Sequence[str] = ()) -> Recovered:
    """Combine sheets of one or more sets. Raises KeyRefused when they do not fit, or not this vault.

    `roots` are those that this directory's root has replaced: older sheets name one of them.
    """
    from medsnap.crypto.note import fingerprint

    known = {_digits(fingerprint(root)) for root in (directory.root, *roots)}
    sets: dict[int, list[ReadSheet]] = {}
    for sheet in read:
        if sheet.vault and sheet.vault != directory.vault:
            raise KeyRefused(
                "this sheet is of another vault", where=sheet.where, hint="the vault's id stands on the sheet"
            )
        if sheet.root and _digits(sheet.root) not in known:
            raise KeyRefused(
                "the vault's directory names another root than the sheet",
                where=sheet.where,
                hint="this may be a forged vault: open nothing, look for another copy",
            )
        sets.setdefault(sheet.share.set_id, []).append(sheet)
    if lone := [found[0] for found in sets.values() if len({s.share.number for s in found}) < NEEDED]:
        raise _too_few(lone, len(read), len(sets))
    return recognised((shares.combine([s.share for s in found]) for found in sets.values()), directory)


def _too_few(lone: Sequence[ReadSheet], given: int, sets: int) -> KeyRefused:
    """Say of a set with one sheet only what is likely the matter."""
    where = ", ".join(s.where for s in lone)
    if sets == 1 and given > 1:
        return KeyRefused("the same sheet was given twice", where=where, hint="give two different ones")
    if sets > 1:
        return KeyRefused(
            "the sheets are not of one set",
            where=where,
            hint=f"the first two words of the {NEEDED} sheets of a set are the same, and so is the day",
        )
    return KeyRefused("one sheet alone opens nothing", where=where, hint=f"any {NEEDED} of a set are needed")


def _digits(text: str) -> str:
    return "".join(text.lower().split())
