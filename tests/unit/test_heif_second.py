"""The second reader of HEIF refuses every file that is not exactly a scrubbed one."""

from __future__ import annotations

from functools import lru_cache

import pytest

from medsnap.errors import NotClean
from medsnap.formats.heif_view import Reference
from medsnap.model.photo import MediaType
from medsnap.scrub import heif_write
from medsnap.scrub.core import ScrubKeep
from medsnap.scrub.heif import plan
from medsnap.scrub.heif_image import Image, Property
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
        offset = int.from_bytes(data[place : place + 4], "big")
        if from_file and (at <= mdat or offset >= at):
            new[place : place + 4] = (offset + len(extra)).to_bytes(4, "big")
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
    "message with a wrong end": make.nal(39, b"\x90\4\0\x64\0\x32x") + make.FAKE_SLICE,
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


def written(images: list[Image], references: list[Reference]) -> bytes:
    """Bypass the selection: write what should never be written."""
    source = make.FAKE_SLICE
    head, spans = heif_write.head((b"heic",), images, references, 1)
    return head + b"".join(source[start:stop] for start, stop in spans)


def image(number: int, *more: Property, spans: tuple[tuple[int, int], ...] | None = None) -> Image:
    setup = Property(type=b"hvcC", payload=make.FAKE_HVCC, essential=True)
    return Image(
        id=number, type=b"hvc1", hidden=False, properties=(setup, *more), derivation=b"",
        spans=((0, len(make.FAKE_SLICE)),) if spans is None else spans,
    )  # fmt: skip


MARK = Property(type=b"auxC", payload=make.ALPHA, essential=True)


def auxl(source: int, target: int) -> Reference:
    return Reference(type=b"auxl", source=source, targets=(target,))


def test_selection_mistakes_are_refused() -> None:
    account(written([image(1)], []), MediaType.HEIC)
    account(written([image(1), image(2, MARK)], [auxl(2, 1)]), MediaType.HEIC)
    wrong: dict[str, tuple[list[Image], list[Reference]]] = {
        "item that nobody needs": ([image(1), image(2)], []),
        "two alpha planes": ([image(1), image(2, MARK), image(3, MARK)], [auxl(2, 1), auxl(3, 1)]),
        "auxiliary without the mark": ([image(1), image(2)], [auxl(2, 1)]),
        "mark on the picture": ([image(1, MARK)], []),
        "premultiplied by a tile": (
            [image(1), image(2, MARK)],
            [auxl(2, 1), Reference(type=b"prem", source=1, targets=(1,))],
        ),
        "thumbnail": ([image(1), image(2)], [Reference(type=b"thmb", source=2, targets=(1,))]),
        "no data": ([image(1, spans=())], []),
    }
    for name, (images, references) in wrong.items():
        with pytest.raises(NotClean):
            account(written(images, references), MediaType.HEIC)
            pytest.fail(name)


def test_data_in_two_places_or_none_is_refused() -> None:
    """idat: the second derivation leaves a hole before it, or overlaps the first."""
    data = clean()
    place = data.index(b"iloc") + 24
    for shift in (1, 7):
        bent = bytearray(data)
        bent[place - 1] = shift
        with pytest.raises(NotClean):
            account(bytes(bent), MediaType.HEIC)


NCLX = b"nclx" + bytes(6)
PROFILE = (200).to_bytes(4, "big") + bytes(32) + b"acsp" + bytes(160)
VALUES: list[tuple[bytes, bytes, bytes]] = [
    (b"ispe", bytes(12), b"x"), (b"pixi", make.PIXI, b"x"), (b"irot", b"\3", b"x"), (b"imir", b"\1", b"x"),
    (b"clap", bytes(32), b"x"), (b"pasp", bytes(8), b"x"), (b"clli", bytes(4), b"x"),
    (b"mdcv", bytes(24), b"x"), (b"lsel", bytes(2), b"x"), (b"a1op", bytes(1), b"x"),
    (b"colr", NCLX + b"\x80", b"x"), (b"colr", b"prof" + PROFILE, bytes(4)),
    (b"colr", b"rICC" + PROFILE + bytes(3), b"x"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "value", "surplus"), VALUES)
def test_properties_have_their_exact_length(kind: bytes, value: bytes, surplus: bytes) -> None:
    good = Property(type=kind, payload=value, essential=False)
    account(written([image(1, good)], []), MediaType.HEIC)
    long = Property(type=kind, payload=value + surplus, essential=False)
    with pytest.raises(NotClean):
        account(written([image(1, long)], []), MediaType.HEIC)


@pytest.mark.parametrize(
    ("kind", "value"),
    [(b"irot", b"\x84"), (b"imir", b"\x82"), (b"colr", NCLX + b"\x81"), (b"ispe", b"\1" + bytes(11)),
     (b"pixi", b"\0\0\0\1" + make.PIXI[4:]), (b"udes", bytes(4)), (b"auxC", make.DEPTH)],
)  # fmt: skip
def test_property_values_that_hide_bits_are_refused(kind: bytes, value: bytes) -> None:
    with pytest.raises(NotClean):
        account(written([image(1, Property(type=kind, payload=value, essential=False))], []), MediaType.HEIC)
