"""The second reader of HEIF refuses every file that is not exactly a scrubbed one."""

from __future__ import annotations

from functools import lru_cache

import pytest

from medsnap.errors import NotClean
from medsnap.model.photo import MediaType
from medsnap.scrub.core import ScrubKeep
from medsnap.scrub.heif import plan
from medsnap.scrub.second.heif import account
from tests.builders import heif as make
from tests.builders.heif import SECRET, Heif

CONTAINERS = {b"meta": 4, b"iinf": 6, b"iref": 4, b"iprp": 0, b"ipco": 0}


@lru_cache(maxsize=1)
def clean() -> bytes:
    """A scrubbed grid of two tiles with an alpha plane, a turn and a profile."""
    file = make.tiled(tile=lambda number, shade, **more: make.fake(number, **more))
    profile = (200).to_bytes(4, "big") + bytes(32) + b"acsp" + bytes(160)
    colour, turn = (b"colr", b"prof" + profile, False), (b"irot", b"\1", True)
    file.part(1).props += [colour, turn, (b"pixi", make.PIXI, False)]
    plane = make.fake(9, make.nal(19, b"\x80alpha"))
    plane.props.append((b"auxC", make.ALPHA, True))
    file.parts.append(plane)
    file.refs += [(b"auxl", 9, [1]), (b"prem", 1, [9])]
    source = file.build()
    return b"".join(bytes(piece) for piece in plan(source, MediaType.HEIC, ScrubKeep()).chunks(source))


def tree(data: bytes, start: int = 0, stop: int | None = None) -> list[tuple[int, int, bytes]]:
    """List all boxes of a clean file with start, stop and type, inner ones after their containers."""
    found = []
    stop = len(data) if stop is None else stop
    while start < stop:
        end = start + int.from_bytes(data[start : start + 4], "big")
        kind = data[start + 4 : start + 8]
        found.append((start, end, kind))
        if kind in CONTAINERS:
            found += tree(data, start + 8 + CONTAINERS[kind], end)
        start = end
    return found


def insert(data: bytes, at: int, extra: bytes, grown: list[tuple[int, int, bytes]]) -> bytes:
    """Put bytes in, grow the boxes around them, and move what iloc points to."""
    new = bytearray(data)
    for start, end, _ in grown:
        new[start : start + 4] = (end - start + len(extra)).to_bytes(4, "big")
    iloc = data.index(b"iloc") + 10
    mdat = next(start for start, _, kind in tree(data) if kind == b"mdat")
    for row in range(int.from_bytes(data[iloc : iloc + 2], "big")):
        place = iloc + 2 + 16 * row + 8
        from_file = data[place - 5] == 0
        if from_file and at <= mdat:
            moved = int.from_bytes(data[place : place + 4], "big") + len(extra)
            new[place : place + 4] = moved.to_bytes(4, "big")
    new[at:at] = extra
    return bytes(new)


def test_a_clean_file_is_accepted_and_described() -> None:
    facts = dict(account(clean(), MediaType.HEIC) or ())
    assert facts["size"] == "128x64"
    assert facts["rotation"] == "90 degrees anticlockwise"
    assert (facts["coded images"], facts["alpha planes"], facts["orientation"]) == ("3", "1", "1")


@pytest.mark.parametrize("extra", [SECRET, bytes(8), make.box(b"free", bytes(8)), make.box(b"uuid", SECRET)])
def test_nothing_can_be_added_anywhere(extra: bytes) -> None:
    data = clean()
    boxes = tree(data)
    for at in range(len(data) + 1):
        around = [box for box in boxes if box[0] + 8 <= at < box[1]]
        touching = [box for box in boxes if box[0] + 8 <= at <= box[1]]
        for grown in (around, touching):
            with pytest.raises(NotClean):
                account(insert(data, at, extra, grown), MediaType.HEIC)


def test_only_picture_bytes_can_change() -> None:
    """Every byte outside values that rendering needs is pinned: all its other values are refused."""
    data = clean()
    free = set()
    for start, end, kind in tree(data):
        # values of the picture: coded data, parameter sets, sizes, the profile, the turn
        if kind in (b"mdat", b"hvcC", b"ispe", b"colr", b"irot", b"pixi", b"idat"):
            free.update(range(start + 8, end))
        if kind == b"ftyp":
            free.update(range(start + 8, end))  # one known brand for another
        if kind == b"ipma":
            free.update(range(start + 16, end))  # essential marks, and one used property for another
        if kind == b"infe":
            free.add(start + 11)  # the hidden mark
    free.add(data.index(b"pitm") + 9)
    for at in set(range(len(data))) - free:
        for change in (1, 0x20, 0x80, 0xFF):
            bent = bytearray(data)
            bent[at] ^= change
            with pytest.raises(NotClean):
                account(bytes(bent), MediaType.HEIC)


def test_files_before_scrubbing_are_refused() -> None:
    for file in (Heif([make.fake()]), Heif([make.fake(name=SECRET)]), make.tiled()):
        with pytest.raises(NotClean):
            account(file.build(), MediaType.HEIC)


@pytest.mark.parametrize("cut", range(0, 300, 7))
def test_cut_files_are_refused(cut: int) -> None:
    with pytest.raises(NotClean):
        account(clean()[:cut], MediaType.HEIC)


def test_other_types_are_refused() -> None:
    with pytest.raises(NotClean):
        account(clean(), MediaType.JPEG)


STREAMS = {
    "message": make.sei(5, SECRET) + make.FAKE_SLICE,
    "message behind the picture": make.FAKE_SLICE + make.nal(40, b"\5\1x\x80"),
    "filler": make.FAKE_SLICE + make.nal(38, SECRET),
    "second picture": make.FAKE_SLICE * 2,
    "second layer": make.FAKE_SLICE + make.nal(1, b"\x80x", layer=2),
    "unknown unit": make.FAKE_SLICE + make.nal(60, SECRET),
    "bytes behind": make.FAKE_SLICE + b"\0\0\0\0",
    "nothing": make.nal(33, b"\1\2\3"),
}


def with_stream(stream: bytes) -> bytes:
    """Bypass the rewriter: its clean output gets other coded data by hand."""
    source = Heif([make.fake()]).build()
    data = b"".join(bytes(piece) for piece in plan(source, MediaType.HEIC, ScrubKeep()).chunks(source))
    at = data.index(b"iloc") + 24
    head = data[:at] + len(stream).to_bytes(4, "big") + data[at + 4 : -len(make.FAKE_SLICE) - 8]
    return head + make.box(b"mdat", stream)


@pytest.mark.parametrize("name", STREAMS)
def test_coded_data_that_hides_something_is_refused(name: str) -> None:
    with pytest.raises(NotClean, match="coded data"):
        account(with_stream(STREAMS[name]), MediaType.HEIC)


def test_rendering_messages_are_accepted() -> None:
    account(with_stream(make.sei(144, b"\1\2\3\4") + make.FAKE_SLICE), MediaType.HEIC)
