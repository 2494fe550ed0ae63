"""Read a scrubbed TIFF byte by byte: header, directories with their values, coded data, no byte between.

Written from TIFF 6.0 and the BigTIFF description apart from the rewriter; it shares no code with it or
with medsnap.formats.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import partial

from medsnap.errors import NotClean
from medsnap.model.photo import MediaType
from medsnap.model.rewrite import Buffer
from medsnap.scrub.second import icc, tiff_data, tiff_tables

_WIDTHS = {1: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 16: 8, 2: 1}
_MOST_PAGES = 4096


@dataclass(frozen=True, slots=True)
class _Entry:
    kind: int
    count: int
    value: bytes


@dataclass(slots=True)
class _Reader:
    view: memoryview
    order: str = "big"
    word: int = 4
    at: int = 0
    facts: dict[str, str] = field(default_factory=dict)
    digest: list[bytes] = field(default_factory=list)

    def number(self, raw: Buffer) -> int:
        return int.from_bytes(raw, "little" if self.order == "little" else "big")

    def take(self, length: int) -> memoryview:
        if self.at + length > len(self.view):
            raise self.wrong("the file ends too early")
        self.at += length
        return self.view[self.at - length : self.at]

    def wrong(self, what: str) -> NotClean:
        return NotClean(what, where=f"byte {self.at}")


def account(data: Buffer, media: MediaType) -> tuple[tuple[str, str], ...]:
    """Account for every byte of a scrubbed TIFF or DNG. Raises NotClean; returns what rendering needs."""
    reader = _Reader(memoryview(data))
    if media not in (MediaType.TIFF, MediaType.DNG):
        raise reader.wrong("the output is not of its type")
    _header(reader)
    rules = tiff_tables.rules(dng=media is MediaType.DNG)
    pages: list[dict[int, _Entry]] = []
    more = True
    while more:
        if len(pages) >= _MOST_PAGES:
            raise reader.wrong("there are too many directories")
        page, more = _directory(reader, rules)
        pages.append(page)
    if media is MediaType.DNG:
        _dng(reader, pages)
    _coded(reader, pages)
    _finish(reader, pages)
    return tuple(reader.facts.items())


def _dng(reader: _Reader, pages: list[dict[int, _Entry]]) -> None:
    page = pages[0]
    photometric = _numbers(reader, page, 262, 0)[0]
    if len(pages) != 1 or 50706 not in page or photometric not in (32803, 34892):
        raise reader.wrong("a scrubbed DNG holds one raw picture")
    for tag, entry in page.items():
        if tiff_tables.misfit(tag, entry.value):
            raise reader.wrong(f"tag {tag} holds more or other than it may")


def _header(reader: _Reader) -> None:
    mark = bytes(reader.take(2))
    if mark not in (b"II", b"MM"):
        raise reader.wrong("the byte order mark is missing")
    reader.order = "little" if mark == b"II" else "big"
    reader.facts["byte order"] = mark.decode()
    version = reader.number(reader.take(2))
    if version == 43:
        reader.word = 8
        if reader.number(reader.take(2)) != 8 or reader.number(reader.take(2)):
            raise reader.wrong("the BigTIFF header is none")
    elif version != 42:
        raise reader.wrong("the version is neither 42 nor 43")
    if reader.number(reader.take(reader.word)) != reader.at:
        raise reader.wrong("the first directory does not follow the header")


def _directory(reader: _Reader, rules: dict[int, tiff_tables.Rule]) -> tuple[dict[int, _Entry], bool]:
    """Read a directory and the values right behind it; say whether another one follows."""
    entries: list[tuple[int, int, int, bytes]] = []
    before = -1
    for _ in range(reader.number(reader.take(8 if reader.word == 8 else 2))):
        tag, kind = reader.number(reader.take(2)), reader.number(reader.take(2))
        count = reader.number(reader.take(reader.word))
        if tag <= before or tag not in rules or kind not in rules[tag].kinds:
            raise reader.wrong(f"tag {tag} is not on the list, out of order or of a wrong type")
        before = tag
        entries.append((tag, kind, count, bytes(reader.take(reader.word))))
    following = reader.number(reader.take(reader.word))
    page: dict[int, _Entry] = {}
    for tag, kind, count, raw in entries:
        page[tag] = _Entry(kind, count, _value(reader, _WIDTHS[kind] * count, raw))
    for tag, entry in page.items():
        if not rules[tag].fits(
            entry.count, _numbers(reader, page, 277, 1)[0], _numbers(reader, page, 258, 1)[0]
        ):
            raise reader.wrong(f"tag {tag} has a wrong count")
        if tag not in (273, 279, 324, 325):
            reader.digest.append(f"{tag} {entry.kind} {entry.count} ".encode() + entry.value)
    if following and following != reader.at:
        raise reader.wrong("the next directory does not follow")
    return page, following != 0


def _value(reader: _Reader, length: int, raw: bytes) -> bytes:
    if length <= reader.word:
        if any(raw[length:]) or not length:
            raise reader.wrong("bytes stand behind a value")
        return raw[:length]
    if reader.number(raw) != reader.at:
        raise reader.wrong("a value does not follow the one before")
    value = bytes(reader.take(length))
    if length & 1 and reader.take(1)[0]:
        raise reader.wrong("a pad byte is not zero")
    return value


def _numbers(reader: _Reader, page: dict[int, _Entry], tag: int, default: int) -> tuple[int, ...]:
    entry = page.get(tag)
    if entry is None or entry.kind not in (1, 3, 4, 16):
        return (default,)
    width = _WIDTHS[entry.kind]
    return tuple(reader.number(entry.value[k : k + width]) for k in range(0, len(entry.value), width))


def _coded(reader: _Reader, pages: list[dict[int, _Entry]]) -> None:
    """Follow the strips and tiles of all pages: they cover the rest of the file, each once or shared."""
    spans: dict[int, int] = {}
    for page in pages:
        geometry = tiff_data.Geometry(partial(_numbers, reader, page))
        for offset, length, wanted in geometry.units(tables=page[347].value if 347 in page else None):
            if spans.setdefault(offset, length) != length:
                raise reader.wrong("two strips begin at one byte and differ in length")
            if offset + length > len(reader.view):
                raise reader.wrong("a strip reaches past the end")
            geometry.check(reader.view[offset : offset + length], wanted, offset)
    for offset in sorted(spans):
        if offset != reader.at:
            raise reader.wrong("strips overlap, or bytes stand between them")
        reader.at = offset + spans[offset]
    if reader.at != len(reader.view):
        raise reader.wrong("bytes follow the last strip")


def _finish(reader: _Reader, pages: list[dict[int, _Entry]]) -> None:
    facts = reader.facts
    turned = _numbers(reader, pages[0], 274, 1)[0]
    if not 1 <= turned <= 8:
        raise reader.wrong("the orientation is none")
    facts["orientation"] = str(turned)
    facts["pages"] = str(len(pages))
    facts["tags"] = hashlib.sha256(b"".join(reader.digest)).hexdigest()
    for number, page in enumerate(pages):
        if 34675 not in page:
            continue
        profile = page[34675].value
        size = int.from_bytes(profile[:4], "big")
        if profile[36:40] != b"acsp" or not 128 < size <= len(profile) or len(profile) - size > 3:
            raise reader.wrong("the colour profile is none, or bytes follow it")
        if any(profile[size:]):
            raise reader.wrong("bytes follow the colour profile")
        facts.update(icc.facts(f"icc of page {number}" if number else "icc", profile))
