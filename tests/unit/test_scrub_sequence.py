"""Image sequences: still and tracks stay, share their bytes, and hold nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from medsnap.errors import Malformed, MedsnapError, NotClean, Unsupported
from medsnap.formats.sniff import sniff
from medsnap.model.carrier import CarrierAction, CarrierKind
from medsnap.model.photo import MediaType
from medsnap.scrub import Scrubbed, ScrubKeep
from medsnap.scrub import clean as clean_default
from medsnap.scrub.report import ScrubReport
from medsnap.scrub.second.sequence import account
from tests.builders import movie as make
from tests.builders.heif import FAKE_SLICE, SECRET, box, full, nal, sei
from tests.builders.movie import metadata, udta
from tests.builders.sequence import HVC1, Sequence, pictures, plane, slices

SEQUENCE = MediaType.HEIF_SEQUENCE
ALPHA = ScrubKeep(moving_alpha=True)


def clean(data: bytes, media: MediaType | None = None) -> Scrubbed:
    """Scrub with the alpha track kept, as a library may; the command holds such files."""
    return clean_default(data, media, keep=ALPHA)


def test_a_moving_picture_with_alpha_is_held_by_default() -> None:
    with pytest.raises(Unsupported, match="transparency"):
        clean_default(Sequence().build(), SEQUENCE)


def scrubbed(data: bytes) -> tuple[bytes, ScrubReport]:
    """Scrub, prove, and scrub again: the second time finds nothing and changes nothing."""
    done = clean(data, SEQUENCE)
    output = done.data(data)
    assert sniff(output) is SEQUENCE
    again = clean(output, SEQUENCE)
    assert again.data(output) == output
    assert all(c.action is CarrierAction.KEPT for c in again.report.carriers)
    assert SECRET not in output
    return output, done.report


def still_of(data: bytes) -> bytes:
    """Read the primary item: one extent, 32-bit fields."""
    low, _ = make.within(data, b"meta")[0]
    at = data.index(b"iloc", low)
    start, size = (int.from_bytes(data[k : k + 4], "big") for k in (at + 20, at + 24))
    return data[start : start + size]


def test_a_shared_still_is_kept_once() -> None:
    sequence = Sequence()
    output, report = scrubbed(sequence.build())
    assert make.read_samples(output) == {t.number: b"".join(t.samples) for t in sequence.tracks}
    assert still_of(output) == sequence.tracks[0].samples[0]
    assert output.count(sequence.tracks[0].samples[0]) == 1
    facts = dict(report.rendering)
    assert (facts["tracks"], facts["coded images"], facts["orientation"]) == ("1 2", "1", "1")
    assert {c.kind for c in report.removed} >= {CarrierKind.EXIF, CarrierKind.XMP, CarrierKind.TIME}


def test_a_still_of_its_own() -> None:
    own = FAKE_SLICE[:-1] + b"\x7e"
    sequence = Sequence(own=own)
    output, _ = scrubbed(sequence.build())
    assert still_of(output) == own
    assert make.read_samples(output) == {t.number: b"".join(t.samples) for t in sequence.tracks}


def test_messages_of_a_still_of_its_own_go() -> None:
    output, _ = scrubbed(Sequence(own=sei(5, SECRET) + FAKE_SLICE).build())
    assert still_of(output) == FAKE_SLICE


def test_the_alpha_track_keeps_its_link() -> None:
    output, _ = scrubbed(Sequence().build())
    tracks = make.within(output, b"moov", b"trak")
    assert len(tracks) == 2
    assert make.within(output, b"moov", b"trak", b"tref", b"auxl")
    assert b"auxid:1" in output


def test_depth_and_small_copies_go() -> None:
    depth = HVC1[:-16] + full(b"auxi", 0, 0, b"urn:mpeg:hevc:2015:auxid:2\0")
    depth = len(depth).to_bytes(4, "big") + depth[4:]
    tracks = [
        pictures(),
        plane(entries=(depth,), samples=[SECRET]),
        pictures(number=5, samples=[SECRET], refs=((b"thmb", (1,)),)),
        metadata(),
    ]
    output, report = scrubbed(Sequence(tracks=tracks).build())
    assert set(make.read_samples(output)) == {1}
    assert {"auxv track 2", "pict track 5", "meta track 3"} <= {c.where for c in report.removed}


def test_tracks_without_a_still() -> None:
    movie = make.Movie([pictures()], brands=(b"hevc", b"msf1", b"hevc"), in_moov=[udta(SECRET)])
    output, _ = scrubbed(movie.build())
    assert make.read_samples(output) == {1: b"".join(movie.tracks[0].samples)}
    assert not make.within(output, b"meta")


SPLIT = nal(19, b"\x80one") + sei(5, b"between") + nal(19, b"\0two")
REFUSED: dict[str, tuple[Callable[[], bytes], type[MedsnapError]]] = {
    "Exif inside a sample": (lambda: Sequence(hide=True).build(), Malformed),
    "fragments": (lambda: Sequence().build() + box(b"moof", b""), Unsupported),
    "no brand of images": (lambda: Sequence(brands=(b"isom", b"msf1")).build(), Unsupported),
    "no moov": (lambda: box(b"ftyp", b"msf1", bytes(4)) + box(b"mdat", SECRET), Malformed),
    "messages that still and track share": (
        lambda: Sequence(tracks=[pictures(samples=[SPLIT, *slices(2, 9)])]).build(), Unsupported),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    build, error = REFUSED[name]
    with pytest.raises(error):
        clean(build(), SEQUENCE)


def good() -> bytes:
    return scrubbed(Sequence().build())[0]


def _swapped(data: bytes) -> bytes:
    (a, b), (c, d) = make.within(data, b"meta")[0], make.within(data, b"moov")[0]
    return data[: a - 8] + data[c - 8 : d] + data[a - 8 : b] + data[d:]


DIRTY: dict[str, Callable[[bytes], bytes]] = {
    "a box behind": lambda data: data + box(b"free", SECRET),
    "bytes behind": lambda data: data + SECRET,
    "another brand": lambda data: data.replace(b"iso8", b"Jane"),
    "a minor version": lambda data: data[:12] + b"Jane" + data[16:],
    "a still brand in front": lambda data: data.replace(b"msf1", b"heic", 1),
    "a date": lambda data: data.replace(b"mvhd" + bytes(5), b"mvhd" + bytes(4) + b"\1"),
    "no media data": lambda data: data[: data.index(b"mdat") - 4],
    "meta behind moov": _swapped,
}


@pytest.mark.parametrize("name", DIRTY)
def test_the_second_reader_refuses(name: str) -> None:
    data = DIRTY[name](good())
    assert data != good()
    with pytest.raises(NotClean):
        account(data, SEQUENCE)


def test_a_still_that_holds_tracks_too() -> None:
    """The first brand says still, and yet there is a moov: both stay."""
    sequence = Sequence(brands=(b"heic", b"mif1", b"heic", b"msf1"))
    data = sequence.build()
    assert sniff(data) is MediaType.HEIC
    done = clean(data, MediaType.HEIC)
    output = done.data(data)
    assert sniff(output) is MediaType.HEIC
    assert clean(output, MediaType.HEIC).data(output) == output
    assert make.read_samples(output) == {t.number: b"".join(t.samples) for t in sequence.tracks}
    assert still_of(output) == sequence.tracks[0].samples[0]
    assert SECRET not in output
    with pytest.raises(NotClean):
        account(output + box(b"free", SECRET), MediaType.HEIC)


def test_other_types_are_not_for_this_reader() -> None:
    for media in (MediaType.HEIC, MediaType.MP4):
        with pytest.raises(NotClean):
            account(good(), media)
