"""The second reader of movies refuses whatever the rewriter would not have written."""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import lru_cache

import pytest

from medsnap.errors import NotClean
from medsnap.model.photo import MediaType
from medsnap.scrub import clean
from medsnap.scrub.second.movie import account
from tests.builders import movie as make
from tests.builders.heif import SECRET, box, full
from tests.builders.movie import Movie, sound, video


@lru_cache(maxsize=1)
def good() -> bytes:
    groups = [
        full(b"sgpd", 1, 0, b"roll", struct.pack(">II", 2, 1), b"\xff\xff"),
        full(b"sbgp", 0, 0, b"roll", struct.pack(">III", 1, 5, 1)),
    ]
    tables = [
        full(b"ctts", 0, 0, struct.pack(">III", 1, 5, 20)),
        full(b"stss", 0, 0, struct.pack(">II", 1, 1)),
        *groups,
    ]
    data = Movie([video(edits=((600, 0),), in_stbl=tables), sound()]).build()
    return clean(data, MediaType.MP4).data(data)


def grown(path: tuple[bytes, ...], more: bytes, data: bytes | None = None) -> bytes:
    """Add bytes at the end of a box in moov; all sizes around it and the chunk offsets follow."""
    data = good() if data is None else data
    around = [make.within(data, *path[:depth])[0] for depth in range(1, len(path) + 1)]
    stop = around[-1][1]
    data = data[:stop] + more + data[stop:]
    for body, _ in around:
        size = int.from_bytes(data[body - 8 : body - 4], "big") + len(more)
        data = data[: body - 8] + size.to_bytes(4, "big") + data[body - 4 :]
    for body, stop in make.within(data, b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stco"):
        places = [int.from_bytes(data[at : at + 4], "big") + len(more) for at in range(body + 8, stop, 4)]
        data = data[: body + 8] + struct.pack(f">{len(places)}I", *places) + data[stop:]
    return data


def patched(path: tuple[bytes, ...], at: int, value: bytes) -> bytes:
    data = good()
    body = make.within(data, *path)[0][0]
    return data[: body + at] + value + data[body + at + len(value) :]


MDIA = (b"moov", b"trak", b"mdia")
STBL = (*MDIA, b"minf", b"stbl")
TEXT = box(b"udta", SECRET)

DIRTY: dict[str, Callable[[], bytes]] = {
    "user data in moov": lambda: grown((b"moov",), TEXT),
    "user data in a track": lambda: grown((b"moov", b"trak"), TEXT),
    "user data in the media": lambda: grown(MDIA, TEXT),
    "text in the tables": lambda: grown(STBL, TEXT),
    "text behind a header": lambda: grown((b"moov", b"mvhd"), SECRET),
    "text behind the track header": lambda: grown((b"moov", b"trak", b"tkhd"), SECRET),
    "text behind a table": lambda: grown((*STBL, b"stts"), SECRET),
    "text behind the sizes": lambda: grown((*STBL, b"stsz"), SECRET),
    "a name": lambda: grown((*MDIA, b"hdlr"), SECRET),
    "text behind the edit list": lambda: grown((b"moov", b"trak", b"edts"), box(b"free", SECRET)),
    "a date of the movie": lambda: patched((b"moov", b"mvhd"), 4, b"\1"),
    "a date of a track": lambda: patched((b"moov", b"trak", b"tkhd"), 8, b"\1"),
    "a date of the media": lambda: patched((*MDIA, b"mdhd"), 4, b"\1"),
    "a language": lambda: patched((*MDIA, b"mdhd"), 20, b"\x15\xc7"),
    "flags of a track": lambda: patched((b"moov", b"trak", b"tkhd"), 1, b"\1"),
    "a reserved byte": lambda: patched((b"moov", b"trak", b"tkhd"), 16, b"\1"),
    "a maker": lambda: patched((*MDIA, b"hdlr"), 12, b"appl"),
    "a handler of text": lambda: patched((*MDIA, b"hdlr"), 8, b"text"),
    "an encoder name": lambda: patched((*STBL, b"stsd"), 8 + 8 + 42, b"\4Jane"),
    "a vendor": lambda: patched((*STBL, b"stsd"), 8 + 8 + 12, b"appl"),
    "a row that counts none": lambda: grown(
        (*STBL, b"stts"), b"\0\0\0\0Jane", patched((*STBL, b"stts"), 4, b"\0\0\0\2")
    ),
    "rows behind the last sample": lambda: patched((*STBL, b"stts"), 8, b"\0\0\0\6"),
    "a shift behind the last sample": lambda: patched((*STBL, b"ctts"), 8, b"\0\0\0\6"),
    "an entry point behind the last sample": lambda: patched((*STBL, b"stss"), 8, b"\0\0\0\6"),
    "a group of another kind": lambda: patched((*STBL, b"sgpd"), 4, b"jane"),
    "an unknown brand": lambda: patched((b"ftyp",), 0, b"XAVC"),
    "a minor version": lambda: patched((b"ftyp",), 4, b"Jane"),
    "the number of the next track": lambda: patched((b"moov", b"mvhd"), 96, b"Jane"),
    "a track number twice": lambda: patched((b"moov", b"trak", b"tkhd"), 12, b"\0\0\0\2"),
    "another file's samples": lambda: patched((*MDIA, b"minf", b"dinf", b"dref"), 19, b"\0"),
    "a box in front of the movie": lambda: good()[:24] + box(b"free", SECRET) + good()[24:],
    "a box behind the movie": lambda: good() + box(b"free", SECRET),
    "bytes behind the movie": lambda: good() + SECRET,
    "more media data than samples": lambda: _longer(good()),
    "a chunk that lies elsewhere": lambda: patched((*STBL, b"stco"), 8, b"\0\0\0\x10"),
    "two chunks at one place": lambda: _doubled(good()),
    "no media data": lambda: good()[: make.within(good(), b"mdat")[0][0] - 8],
    "fragments": lambda: good() + box(b"moof", full(b"mfhd", 0, 0, b"\0\0\0\1")),
    "nothing": lambda: b"",
    "another type of file": lambda: b"\xff\xd8\xff\xd9",
}


def _longer(data: bytes) -> bytes:
    body = make.within(data, b"mdat")[0][0]
    size = int.from_bytes(data[body - 8 : body - 4], "big") + len(SECRET)
    return data[: body - 8] + size.to_bytes(4, "big") + data[body - 4 :] + SECRET


def _doubled(data: bytes) -> bytes:
    body = make.within(data, *STBL, b"stco")[0][0]
    return data[: body + 8] + data[body + 8 : body + 12] * 2 + data[body + 16 :]


def test_two_chunks_may_not_share_their_bytes() -> None:
    """Half of the media data is cut away, and both chunks point at the half that is left."""
    data = clean(Movie([video(samples=[b"x" * 40] * 4)]).build(), MediaType.MP4)
    good_one = data.data(Movie([video(samples=[b"x" * 40] * 4)]).build())
    assert make.within(good_one, b"mdat")[0][1] == len(good_one)
    body = make.within(good_one, b"mdat")[0][0]
    table = make.within(good_one, *STBL, b"stco")[0][0]
    bent_ = good_one[: table + 8] + body.to_bytes(4, "big") * 2 + good_one[table + 16 : body - 8]
    bent_ += (88).to_bytes(4, "big") + good_one[body - 4 : -80]
    assert len(bent_) == len(good_one) - 80
    with pytest.raises(NotClean, match="overlap"):
        account(bent_, MediaType.MP4)


@pytest.mark.parametrize("name", DIRTY)
def test_dirty(name: str) -> None:
    data = DIRTY[name]()
    assert data != good()
    with pytest.raises(NotClean):
        account(data, MediaType.MP4)


def test_the_tools_of_these_tests_are_right() -> None:
    """A grown file is refused for what it holds, not for broken sizes: an allowed box is accepted."""
    sync = full(b"sbgp", 0, 0, b"sync", struct.pack(">III", 1, 5, 0))
    assert account(good(), MediaType.MP4)
    with pytest.raises(NotClean):
        account(grown(STBL, sync), MediaType.MP4)
    aperture = box(b"tapt")
    at = make.within(good(), b"moov", b"trak", b"edts")[0][0] - 8
    data = good()[:at] + aperture + good()[at:]
    for path in ((b"moov", b"trak"), (b"moov",)):
        body = make.within(good(), *path)[0][0]
        size = int.from_bytes(data[body - 8 : body - 4], "big") + len(aperture)
        data = data[: body - 8] + size.to_bytes(4, "big") + data[body - 4 :]
    for body, stop in make.within(data, *STBL, b"stco"):
        places = [int.from_bytes(data[k : k + 4], "big") + len(aperture) for k in range(body + 8, stop, 4)]
        data = data[: body + 8] + struct.pack(f">{len(places)}I", *places) + data[stop:]
    assert account(data, MediaType.MP4) == account(good(), MediaType.MP4)


def test_every_byte_of_the_boxes_is_accounted_for() -> None:
    """Bend each byte in front of the samples: refused, or the facts say so, or it means a decoder's setup."""
    data, facts = good(), account(good(), MediaType.MP4)
    stop = make.within(data, b"mdat")[0][0]
    silent = []
    for at in range(stop):
        bent_ = data[:at] + bytes((data[at] ^ 0x41,)) + data[at + 1 :]
        try:
            if account(bent_, MediaType.MP4) == facts:
                silent.append(at)
        except NotClean:
            continue
    setup = {at for low, high in make.within(data, *STBL) for at in range(low, high)}
    media = {at for name in (b"vmhd", b"smhd") for low, high in make.within(data, *MDIA, b"minf", name)
             for at in range(low, high)}  # fmt: skip
    brands = {at for low, high in make.within(data, b"ftyp") for at in range(low, high)}
    assert not set(silent) - setup - media - brands
    assert (
        len(silent) < 62
    )  # densities, parameter sets, colour codes, and bits of tables that sums do not see
