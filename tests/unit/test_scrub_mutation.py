"""Any mutation of a built file is scrubbed to an accounted output or refused, and quickly."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medsnap.errors import MedsnapError
from medsnap.formats import embedded, tiff
from medsnap.formats.sniff import sniff
from medsnap.model.photo import MediaType
from medsnap.scrub import clean, registry
from medsnap.scrub import exif as scrub_exif
from tests.builders import jpeg as j
from tests.builders import png as p
from tests.builders import webp as w
from tests.builders.jpeg import SECRET
from tests.costs import at_most

QUICKLY = 2.0  # CPU seconds for a file of a few kilobytes
_SEEDS = (
    j.after_soi(j.base(), j.exif(6), *j.icc(j.profile(), (300,)), j.segment(0xFE, SECRET)) + j.CLIP,
    j.after_soi(j.base(progressive=True), j.exif(3, little=True)),
    j.after_soi(j.base("CMYK"), j.adobe_rgb(8)),
    p.picture(p.TEXT, p.raw_profile(6), p.orientation(3), parts=3) + SECRET,
    p.animation(tail=SECRET),
    w.riff(w.extended(0x28), w.chunk(b"ICCP", j.profile()), w.frame(), w.orientation(5), w.NOTE),
    w.animation(w.chunk(b"NOTE", SECRET)),
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A built file with a few bytes changed, cut, doubled or moved."""
    data = bytearray(draw(st.sampled_from(_SEEDS)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        size = draw(st.integers(0, 40))
        match draw(st.integers(0, 4)):
            case 0:
                data[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
            case 1:
                del data[at : at + size]
            case 2:
                data[at:at] = data[at : at + size]
            case 3:
                data[at:at] = draw(
                    st.sampled_from((b"\xff\xd9", b"\xff\xda", b"\xff\xd8", b"\xff\xff", bytes(9)))
                )
            case _:
                data[at : at + 4] = b"\xff\xff\xff\xff"
    return bytes(data)


@settings(max_examples=1500, suppress_health_check=list(HealthCheck))
@given(mutated())
def test_clean_and_accounted_or_refused(data: bytes) -> None:
    with at_most(QUICKLY):
        try:
            done = clean(data)
        except MedsnapError:
            return
        out = done.data(data)
        registry.second_reader(done.report.media).account(out, done.report.media)
        again = clean(out)
    assert again.data(out) == out
    assert again.report.orientation == done.report.orientation


@settings(max_examples=600, suppress_health_check=list(HealthCheck))
@given(mutated())
def test_readers_raise_only_their_errors(data: bytes) -> None:
    media = sniff(data)
    with at_most(QUICKLY):
        for read in (embedded.exif, embedded.xmp, embedded.icc, embedded.size):
            try:
                read(data, media)
            except MedsnapError:
                continue


@settings(max_examples=600)
@given(st.binary(max_size=400), st.sampled_from((b"II*\x00", b"MM\x00*", b"II+\x00", b"")))
def test_tiff_never_fails(data: bytes, head: bytes) -> None:
    with at_most(QUICKLY):
        found = tiff.read(head + data)
    assert 1 <= found.orientation <= 8
    for entry in found.entries:
        assert len(entry.integers) <= 4096
        assert entry.ascii == entry.ascii.strip()
        assert len(entry.rationals) <= 512
    assert scrub_exif.reveals(head + data)


@settings(max_examples=300)
@given(st.binary(max_size=64))
def test_sniff_never_fails(data: bytes) -> None:
    assert isinstance(sniff(data), MediaType)
