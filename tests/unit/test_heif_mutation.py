"""Any damage to a HEIF file gives a clean, accounted output or a MedsnapError, and quickly."""

from __future__ import annotations

import time
from functools import lru_cache

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medsnap.errors import MedsnapError
from medsnap.formats import heif
from medsnap.model.photo import MediaType
from medsnap.scrub.core import ScrubKeep
from medsnap.scrub.heif import plan
from medsnap.scrub.second.heif import account
from tests.builders import heif as make
from tests.builders.edits import Edit, edited, edits
from tests.builders.heif import Heif, Part

SLOW = 1.0  # CPU seconds for a file of one kilobyte, on a loaded machine


@lru_cache(maxsize=1)
def seeds() -> tuple[bytes, ...]:
    """Small files that between them use every table and every item type."""
    grid = make.tiled(tile=lambda number, shade, **more: make.fake(number, **more))
    grid.parts += [
        Part(7, b"Exif", make.EXIF),
        Part(8, b"mime", make.XMP, content_type=b"application/rdf+xml"),
    ]
    grid.refs += [(b"cdsc", 7, [1]), (b"cdsc", 8, [1])]
    plane = make.fake(2, make.nal(19, b"\x80alpha"))
    plane.props.append((b"auxC", make.ALPHA, True))
    alpha = Heif([make.fake(), plane], [(b"auxl", 2, [1]), (b"prem", 1, [2])], iloc=2, large_ids=True)
    messages = Heif([make.fake(data=make.sei(5, make.SECRET) + make.FAKE_SLICE)], iloc=0)
    setup, data = make.encoded_avif(3)
    av1 = Heif(
        [Part(1, b"av01", data, [(b"av1C", setup, True), make.ispe(64, 64)])],
        brands=(b"avif", b"mif1"),
        tail=b"trailer",
    )
    overlay = Part(4, b"iovl", bytes(10) + b"\0\x40\0\x40" + bytes(4), [make.ispe(64, 64)], place="idat")
    layers = Heif([make.fake(), overlay], [(b"dimg", 4, [1])], primary=4, sizes=(8, 8, 8, 4))
    return tuple(file.build() for file in (grid, alpha, messages, av1, layers))


def check(data: bytes) -> bool:
    """Say whether the file was scrubbed; anything but a clean file or a MedsnapError fails the test."""
    started = time.process_time()
    try:
        rewrite = plan(data, MediaType.HEIC, ScrubKeep())
    except MedsnapError:
        done = False
    else:
        output = b"".join(bytes(piece) for piece in rewrite.chunks(data))
        account(output, MediaType.HEIC)
        again = plan(output, MediaType.HEIC, ScrubKeep())
        assert b"".join(bytes(piece) for piece in again.chunks(output)) == output
        done = True
    for read in (heif.exif, heif.xmp, heif.icc, heif.size):
        try:
            read(data)
        except MedsnapError:
            continue
    assert time.process_time() - started < SLOW
    return done


def test_seeds_are_scrubbed() -> None:
    assert all(check(data) for data in seeds())


@settings(max_examples=1500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 4), edits(most=6))
def test_mutations(which: int, changes: list[Edit]) -> None:
    check(edited(seeds()[which], changes))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_garbage_behind_a_file_type(rest: bytes) -> None:
    assert not check(make.box(b"ftyp", b"heic", bytes(4), b"heic") + rest)


def test_every_byte_bent() -> None:
    """Set each byte of one file to extreme values: counts, sizes and offsets among them."""
    data = seeds()[0]
    for at in range(len(data)):
        for value in (0, 1, 0x7F, 0xFF):
            check(data[:at] + bytes((value,)) + data[at + 1 :])


def test_hostile_files_cost_no_more_than_their_size() -> None:
    """Items that share all their bytes, and holes times boxes: work must not multiply."""
    many = 3_000
    units = make.nal(1, b"\0x") * 5_000 + make.FAKE_SLICE
    file = Heif([make.fake(1, units), *(make.fake(n, units) for n in range(2, 5))])
    start = file.build().index(units)
    for part in file.parts[1:]:
        part.at, part.data = [(start, len(units))], b""
    grid = Heif([make.grid(1, 60, 50), *(make.fake(n + 2, b"") for n in range(many))])
    grid.parts[1].data = units
    grid.refs = [(b"dimg", 1, list(range(2, many + 2)))]
    spot = grid.build().index(units)
    for part in grid.parts[2:]:
        part.at = [(spot, len(units))]
    boxes = Heif([make.fake(), Part(2, b"zzzz", b"x" * 30_000, pieces=30_000)])
    boxes.after = [make.box(b"mdat", b"y")] * 15_000
    for data in (file.build(), grid.build(), boxes.build()):
        started = time.process_time()
        assert scrubs(data)
        assert time.process_time() - started < 10 * SLOW


def scrubs(data: bytes) -> bool:
    try:
        rewrite = plan(data, MediaType.HEIC, ScrubKeep())
    except MedsnapError:
        return False
    account(b"".join(bytes(piece) for piece in rewrite.chunks(data)), MediaType.HEIC)
    return True
