"""The second reader of TIFF refuses what a rewriter must not make, and any mutation is clean or refused."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medsnap.errors import MedsnapError, NotClean
from medsnap.formats import tiff_file
from medsnap.formats.sniff import sniff
from medsnap.model.photo import MediaType
from medsnap.raster import same_pixels
from medsnap.scrub import clean, scrub
from medsnap.scrub.second import tiff as second
from tests.builders import jpeg as j
from tests.builders import tiff as t
from tests.builders.jpeg import SECRET, profile
from tests.costs import at_most

T, D = MediaType.TIFF, MediaType.DNG
_PAGE = t.picture(extra={274: (3, (6,)), 282: (5, (300, 1)), 34675: (7, profile())})
_GOOD = scrub(t.file(_PAGE, t.picture(rows=2, seed=3)))
_TWO = scrub(t.file(t.picture(rows=3)))
_DNG = scrub(t.dng())
_JPEG = t.Ifd({**t.picture(24, 16, compression=7, extra={262: (3, (6,))}).tags}, [j.without_jfif(j.base())])


def _laid(data: bytes) -> bytes:
    """Lay a file out as the rewriter does, with all its tags and bytes: directory, values, strips."""
    view = tiff_file.view(data)
    header, directory = view.header, view.chain[0]
    fields = sorted(directory.fields, key=lambda f: f.tag)
    at = 8 + 2 + 12 * len(fields) + 4
    entries, values = b"", b""
    lengths = [f.stop - f.start for f in fields]
    body = at + sum(n + (n & 1) for n in lengths if n > 4)
    strips = b""
    offsets, counts = (tiff_file.numbers(data, header, directory.get(k)) for k in (273, 279))  # type: ignore[arg-type]
    for field in fields:
        raw = data[field.start : field.stop]
        if field.tag == 273:
            places = []
            for offset, count in zip(offsets, counts, strict=True):
                places.append(header.bytes(body + len(strips), 4))
                strips += data[offset : offset + count]
            raw = b"".join(places)
        head = header.bytes(field.tag, 2) + header.bytes(field.type, 2) + header.bytes(field.count, 4)
        entries += head + (raw.ljust(4, b"\0") if len(raw) <= 4 else header.bytes(at + len(values), 4))
        values += raw + bytes(len(raw) & 1) if len(raw) > 4 else b""
    return data[:4] + header.bytes(8, 4) + header.bytes(len(fields), 2) + entries + bytes(4) + values + strips


def _swap(data: bytes, old: bytes, new: bytes) -> bytes:
    assert old in data
    return data.replace(old, new, 1)


def _between(data: bytes) -> bytes:
    """Put a byte before the last of two strips of 72 bytes, and count it in its offset."""
    last = (len(data) - 72).to_bytes(4, "little")
    moved = (len(data) - 71).to_bytes(4, "little")
    return _swap(data[:-72], last, moved) + b"E" + data[-72:]


HIDING: dict[str, tuple[bytes, MediaType]] = {
    "a byte at the end": (_GOOD + b"\0", T),
    "another type": (_GOOD, MediaType.JPEG),
    "a TIFF as DNG": (_TWO, D),
    "a DNG as TIFF": (_DNG, T),
    "a directory that does not follow": (_swap(_GOOD, b"II*\0\x08", b"II*\0\x0a"), T),
    "a tag that is not on the list": (_laid(t.file(t.picture(extra={270: (2, SECRET)}))), T),
    "a resolution that is text": (_laid(t.file(t.picture(extra={282: (2, SECRET)}))), T),
    "a colour map of another size": (_laid(t.file(t.picture(extra={320: (3, range(767))}))), T),
    "bytes behind an inline value": (_swap(_TWO, b"\3\1\3\0\1\0\0\0\1\0\0\0", b"\3\1\3\0\1\0\0\0\1\0E\0"), T),
    "a profile with a tail": (_laid(t.file(t.picture(extra={34675: (7, profile() + SECRET)}))), T),
    "a profile that is none": (_laid(t.file(t.picture(extra={34675: (7, SECRET * 9)}))), T),
    "an orientation of 9": (_swap(_GOOD, b"\x12\1\3\0\1\0\0\0\6", b"\x12\1\3\0\1\0\0\0\x09"), T),
    "a strip with a tail": (_laid(t.file(t.picture(tail=b"\0"))), T),
    "LZW with a tail": (_laid(t.file(t.picture(compression=5, tail=b"\0"))), T),
    "LZW that goes on": (_laid(t.file(t.picture(compression=5, extra={257: (3, (5,)), 278: (3, (5,))}))), T),
    "deflate with a tail": (_laid(t.file(t.picture(compression=8, tail=b"\0"))), T),
    "deflate that goes on": (
        _laid(t.file(t.picture(compression=8, extra={257: (3, (5,)), 278: (3, (5,))}))),
        T,
    ),
    "PackBits with a tail": (_laid(t.file(t.picture(compression=32773, tail=b"\x80"))), T),
    "an unknown compression": (_laid(t.file(t.picture(compression=50000))), T),
    "JPEG with a comment": (
        _laid(t.file(t.Ifd(_JPEG.tags, [j.after_soi(_JPEG.strips[0], j.segment(0xFE, SECRET))]))),
        T,
    ),
    "JPEG with a tail": (_laid(t.file(t.Ifd(_JPEG.tags, [_JPEG.strips[0] + b"\0"]))), T),
    "JPEG with Exif": (_laid(t.file(t.Ifd(_JPEG.tags, [j.after_soi(_JPEG.strips[0], j.exif(6))]))), T),
    "JPEG with a JFIF thumbnail": (
        _laid(t.file(t.Ifd(_JPEG.tags, [j.after_soi(_JPEG.strips[0], j.jfif_with_thumbnail())]))),
        T,
    ),
    "tables where no JPEG is": (_laid(t.file(t.picture(extra={347: (7, b"\xff\xd8\xff\xd9")}))), T),
    "tables with a comment": (
        _laid(t.file(t.Ifd({**_JPEG.tags, 347: (7, b"\xff\xd8\xff\xfe\0\4ab\xff\xd9")}, _JPEG.strips))),
        T,
    ),
    "a pad byte that is not zero": (_swap(_DNG, b"Phone X1\0\0", b"Phone X1\0E"), D),
    "a byte between strips": (_between(_TWO), T),
    "a model with a tail": (_swap(_DNG, b"Phone X1\0", b"Phone\0X1\0"), D),
    "an unknown opcode": (_swap(_DNG, t.OPCODES[:8], t.OPCODES[:7] + b"\x63"), D),
    "opcodes that are more": (_swap(_DNG, t.OPCODES[:4], b"\0\0\0\2"), D),
}


@pytest.mark.parametrize("name", HIDING)
def test_what_does_not_belong_is_refused(name: str) -> None:
    data, media = HIDING[name]
    with pytest.raises(NotClean) as caught:
        second.account(data, media)
    assert caught.value.where
    assert SECRET.decode() not in caught.value.message


def test_the_layout_helper_is_the_layout() -> None:
    for page in (t.picture(rows=2), t.picture(compression=5), t.picture(compression=8), _JPEG):
        assert second.account(_laid(t.file(page)), T)
        assert _laid(t.file(page)) == scrub(t.file(page))


@pytest.mark.parametrize(
    "data", [_GOOD, _DNG, scrub(t.file(t.picture(rows=4), big=True))], ids=["tiff", "dng", "big"]
)
def test_every_cut_is_refused(data: bytes) -> None:
    media = sniff(data)
    step = 1 if len(data) < 1000 else 7
    for stop in range(0, len(data), step):
        with pytest.raises(NotClean):
            second.account(data[:stop], media)


_SEEDS = (
    t.file(t.picture(rows=2, extra=t.NOISY, below={34665: (t.EXIF,)}), t.picture(channels=1, compression=5)),
    t.file(t.picture(rows=4, compression=8, tail=SECRET), t.picture(compression=32773), little=False),
    t.file(t.picture(extra=t.NOISY), big=True),
    t.file(_JPEG),
    t.dng(),
    t.dng(t.raw(compression=7)),
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A built file with a few bytes changed, cut, doubled or moved."""
    data = bytearray(draw(st.sampled_from(_SEEDS)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        match draw(st.integers(0, 4)):
            case 0 | 1:
                data[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
            case 2:
                size = draw(st.integers(0, 40))
                del data[at : at + size]
            case 3:
                size = draw(st.integers(0, 40))
                data[at:at] = data[at : at + size]
            case _:
                data[at : at + 4] = draw(st.sampled_from((b"\xff" * 4, bytes(4), b"\x08\0\0\0")))
    return bytes(data)


@settings(max_examples=2000, suppress_health_check=list(HealthCheck))
@given(mutated())
def test_any_mutation_is_clean_or_refused(data: bytes) -> None:
    media = sniff(data)
    if media not in (T, D):
        return
    with at_most(2.0):
        try:
            done = clean(data, media)
        except MedsnapError:
            return
        out = done.data(data)
        assert sniff(out) is media
        assert clean(out).data(out) == out
    try:
        equal = same_pixels(data, out)
    except MedsnapError:
        return  # no decoder takes the original
    assert equal or any(
        c.where.startswith("IFD") and "with its picture" in c.where for c in done.report.carriers
    )
