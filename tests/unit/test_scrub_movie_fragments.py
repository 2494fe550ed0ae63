"""Movies in fragments: however their offsets count, the samples stay and the rest goes."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest

from medsnap.errors import Malformed, MedsnapError, NotClean, TooLarge, Unsupported
from medsnap.model.carrier import CarrierKind
from medsnap.model.photo import MediaType
from medsnap.scrub import clean
from medsnap.scrub.second.movie import account
from tests.builders import movie as make
from tests.builders.heif import SECRET, box, full
from tests.builders.movie import Movie, sound, video

SAMPLES = b"".join(make.frames(3))


def scrubbed(data: bytes) -> bytes:
    done = clean(data, MediaType.MP4)
    output = done.data(data)
    assert clean(output, MediaType.MP4).data(output) == output
    assert SECRET not in output
    return output


def runs(data: bytes) -> list[bytes]:
    """Read the samples of each fragment by the offset of its run, which counts from moof."""
    found = []
    for low, _ in make.within(data, b"moof"):
        inner = data[low : low + 4096]
        at = inner.index(b"trun")
        offset = int.from_bytes(inner[at + 12 : at + 16], "big", signed=True)
        found.append(data[low - 8 + offset : low - 8 + offset + len(SAMPLES)])
    return found


@pytest.mark.parametrize("style", ["moof", "file", "none"])
def test_offsets_of_every_style(style: str) -> None:
    output = scrubbed(make.fragmented(style))
    assert runs(output) == [SAMPLES, SAMPLES]
    assert len(make.within(output, b"moof", b"traf", b"trun")) == 2


BETWEEN = {
    "wall clock of the recorder": (box(b"prft", SECRET), CarrierKind.TIME),
    "event": (box(b"emsg", SECRET), CarrierKind.UNKNOWN),
    "index": (box(b"sidx", SECRET), CarrierKind.APPLICATION),
    "segment type": (box(b"styp", SECRET), CarrierKind.APPLICATION),
    "XMP": (make.xmp(), CarrierKind.XMP),
    "free space": (box(b"free", SECRET), CarrierKind.PADDING),
}


@pytest.mark.parametrize("name", BETWEEN)
def test_boxes_between_fragments_go(name: str) -> None:
    between, kind = BETWEEN[name]
    data = make.fragmented(between=between)
    assert runs(scrubbed(data)) == [SAMPLES, SAMPLES]
    assert kind in {c.kind for c in clean(data, MediaType.MP4).report.removed}


def test_boxes_inside_a_fragment_go() -> None:
    output = scrubbed(make.fragmented(more=box(b"uuid", bytes(16), SECRET)))
    assert runs(output) == [SAMPLES, SAMPLES]


def test_the_start_of_a_fragmented_file_alone() -> None:
    whole = make.fragmented()
    start = whole[: make.within(whole, b"moof")[0][0] - 8]
    output = scrubbed(start)
    assert make.within(output, b"moov", b"mvex", b"trex")
    assert not make.within(output, b"mdat")


def test_samples_in_moov_and_in_fragments() -> None:
    track = video(samples=make.frames(4))
    data = Movie([track], in_moov=[box(b"mvex", make.TREX)], brands=(b"iso6", b"iso6")).build()
    data += make.moof(1, [len(s) for s in make.frames(3)], SAMPLES)
    output = scrubbed(data)
    assert make.read_samples(output) == {1: b"".join(track.samples)}
    assert runs(output) == [SAMPLES]


def test_a_dropped_track_leaves_the_fragments() -> None:
    """A fragment of a track that went goes with it, samples and all."""
    data = make.fragmented()
    other = make.TREX[:12] + b"\0\0\0\3" + make.TREX[16:]
    meta = make.metadata(samples=[], date=0)
    start = Movie([video(samples=[]), meta], in_moov=[box(b"mvex", make.TREX, other)]).build()
    start = start.replace(box(b"mdat"), b"")
    run = make.moof(1, [len(SECRET)], SECRET).replace(b"tfhd\0\2\0\0\0\0\0\1", b"tfhd\0\2\0\0\0\0\0\3")
    fragments = data[make.within(data, b"moof")[0][0] - 8 :]
    assert runs(scrubbed(start + run + fragments)) == [SAMPLES, SAMPLES]


def test_a_brand_that_knows_such_offsets_is_added() -> None:
    data = make.fragmented().replace(b"iso6", b"mp42")
    output = scrubbed(data)
    assert output[8:24] == b"mp42" + bytes(4) + b"mp42iso5"


REFUSED: dict[str, tuple[Callable[[], bytes], type[MedsnapError]]] = {
    "moov announces none": (
        lambda: Movie([video()]).build() + make.moof(1, [3], b"abc"), Malformed),
    "an unknown track": (
        lambda: Movie([video(number=7)], in_moov=[box(b"mvex", make.TREX)]).build(), Malformed),
    "more samples than bytes": (lambda: make.fragmented(count=9), Malformed),
    "an enormous run": (lambda: make.fragmented(count=0xFFFFFFFF), TooLarge),
    "samples in the header": (
        lambda: make.fragmented().replace(b"tfdt", b"tfdt").replace(_offset(), b"\0\0\0\x08"), Malformed),
    "cut short": (lambda: make.fragmented()[:-20], MedsnapError),
}  # fmt: skip


def _offset() -> bytes:
    data = make.fragmented()
    at = data.index(b"trun")
    return data[at + 12 : at + 16]


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    build, error = REFUSED[name]
    with pytest.raises(error):
        clean(build(), MediaType.MP4)


def dirty() -> dict[str, bytes]:
    good = scrubbed(make.fragmented())
    moof = make.within(good, b"moof")[0][0]
    mdat = make.within(good, b"mdat")[0][0]
    return {
        "a box between": good[: moof - 8] + box(b"free", SECRET) + good[moof - 8 :],
        "a box behind": good + box(b"mfra", SECRET),
        "another number": good[: moof + 12] + b"Jane" + good[moof + 16 :],
        "other flags": good.replace(b"tfhd\0\2", b"tfhd\1\2"),
        "an offset that moved": good.replace(b"trun\0\0\3\1\0\0\0\3\0\0\0", b"trun\0\0\3\1\0\0\0\3\0\0\1"),
        "a longer mdat": good[: mdat - 8]
        + (int.from_bytes(good[mdat - 8 : mdat - 4], "big") + 8).to_bytes(4, "big")
        + good[mdat - 4 :],
        "no samples": good[: mdat - 8],
        "an empty fragment": good + box(b"moof", full(b"mfhd", 0, 0, b"\0\0\0\3")),
    }


@pytest.mark.parametrize("name", dirty())
def test_the_second_reader_refuses(name: str) -> None:
    data = dirty()[name]
    assert data != scrubbed(make.fragmented())
    with pytest.raises(NotClean):
        account(data, MediaType.MP4)


def test_times_are_part_of_the_facts() -> None:
    good = scrubbed(make.fragmented())
    later = good.replace(b"tfdt\0\0\0\0\0\0\0\x64", b"tfdt\0\0\0\0\0\0\0\x65")
    assert later != good
    assert account(later, MediaType.MP4) != account(good, MediaType.MP4)


def test_sound_of_a_fragmented_clip_goes_by_wish() -> None:
    from medsnap.scrub.core import ScrubKeep

    other = make.TREX[:12] + b"\0\0\0\2" + make.TREX[16:]
    start = Movie([video(), sound(samples=[])], in_moov=[box(b"mvex", make.TREX, other)]).build()
    run = make.moof(1, [5], b"voice").replace(b"tfhd\0\2\0\0\0\0\0\1", b"tfhd\0\2\0\0\0\0\0\2")
    assert b"voice" in scrubbed(start + run)
    done = clean(start + run, MediaType.MP4, keep=ScrubKeep(audio=False))
    assert b"voice" not in done.data(start + run)


def test_fragments_that_point_at_each_other_are_refused() -> None:
    data = make.fragmented("file")
    first, second = (low - 8 for low, _ in make.within(data, b"moof"))
    sizes = [len(s) for s in make.frames(3)]
    swapped = data[:first] + make.moof(1, sizes, SAMPLES, at=second, style="file")
    swapped += make.moof(2, sizes, SAMPLES, at=first, style="file")
    with pytest.raises(Unsupported):
        clean(swapped, MediaType.MP4)


def test_a_track_without_a_base_begins_behind_the_one_before() -> None:
    """14496-12, 8.8.7.1: with neither flag, the second traf counts from the end of the first one's data."""
    other = make.TREX[:12] + b"\0\0\0\2" + make.TREX[16:]
    start = Movie([video(samples=[]), sound(samples=[])], in_moov=[box(b"mvex", make.TREX, other)]).build()
    start = start.replace(box(b"mdat"), b"")
    trafs = [
        box(b"traf", full(b"tfhd", 0, 0, struct.pack(">I", 1)), make.trun(0, [5])),
        box(
            b"traf",
            full(b"tfhd", 0, 0, struct.pack(">I", 2)),
            full(b"trun", 0, 0x200, struct.pack(">II", 1, 6)),
        ),
    ]
    head = full(b"mfhd", 0, 0, b"\0\0\0\1")
    size = len(box(b"moof", head, *trafs)) + 8
    trafs[0] = box(b"traf", full(b"tfhd", 0, 0, struct.pack(">I", 1)), make.trun(size, [5]))
    data = start + box(b"moof", head, *trafs) + box(b"mdat", b"video", b"voices")
    output = scrubbed(data)
    assert output.endswith(b"mdatvideovoices")
    offsets = [output[at + 12 : at + 16] for at in range(len(output)) if output[at : at + 4] == b"trun"]
    low = make.within(output, b"moof")[0][0] - 8
    places = [low + int.from_bytes(offset, "big") for offset in offsets]
    assert [output[at : at + 5] for at in places] == [b"video", b"voice"]


def test_flags_of_the_first_sample_are_part_of_the_facts() -> None:
    start = make.fragmented()
    start = start[: make.within(start, b"moof")[0][0] - 8]

    def with_flags(flags: int) -> bytes:
        size = 8 + 16 + 8 + 16 + 28  # moof, mfhd, traf, tfhd, trun
        run = full(b"trun", 0, 0x205, struct.pack(">IiII", 1, size + 8, flags, 5))
        traf = box(b"traf", full(b"tfhd", 0, 0x020000, b"\0\0\0\1"), run)
        moof = box(b"moof", full(b"mfhd", 0, 0, b"\0\0\0\1"), traf)
        assert len(moof) == size
        return scrubbed(start + moof + box(b"mdat", b"video"))

    one, other = with_flags(0x02000000), with_flags(0x01010000)
    assert dict(account(one, MediaType.MP4))["runs 1"] != dict(account(other, MediaType.MP4))["runs 1"]


def test_a_run_that_begins_in_the_header_is_refused() -> None:
    """The run begins 8 bytes early, and mdat ends 8 bytes early: each byte would be in a sample."""
    good = scrubbed(make.fragmented())
    moofs, mdats = make.within(good, b"moof"), make.within(good, b"mdat")
    low, (body, _) = moofs[-1][0], mdats[-1]
    at = good.index(b"trun", low) + 12
    offset = int.from_bytes(good[at : at + 4], "big") - 8
    size = int.from_bytes(good[body - 8 : body - 4], "big") - 8
    bent = good[:at] + offset.to_bytes(4, "big") + good[at + 4 : body - 8] + size.to_bytes(4, "big")
    bent += good[body - 4 : -8]
    with pytest.raises(NotClean):
        account(bent, MediaType.MP4)
