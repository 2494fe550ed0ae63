"""Every hiding place in a movie: picture and sound stay, the secret goes, the second reader agrees."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest

from medsnap.errors import Malformed, MedsnapError, TooLarge, Unsupported
from medsnap.model.carrier import CarrierAction, CarrierKind, Reveals
from medsnap.model.photo import MediaType
from medsnap.scrub import clean
from medsnap.scrub.core import ScrubKeep
from medsnap.scrub.report import ScrubReport
from tests.builders import movie as make
from tests.builders.heif import SECRET, box, full
from tests.builders.movie import PLACE, Movie, Track, metadata, sound, udta, video

C, R = CarrierKind, Reveals


def scrubbed(data: bytes, media: MediaType = MediaType.MP4, **keep: bool) -> tuple[bytes, ScrubReport]:
    """Scrub, prove, and scrub again: the second time finds nothing and changes nothing."""
    done = clean(data, media, keep=ScrubKeep(**keep))  # type: ignore[arg-type]
    output = done.data(data)
    again = clean(output, media, keep=ScrubKeep(**keep))  # type: ignore[arg-type]
    assert again.data(output) == output
    assert all(c.action is CarrierAction.KEPT for c in again.report.carriers)
    assert again.report.rendering == done.report.rendering
    return output, done.report


def plain(*more: Track, **settings: object) -> Movie:
    """A movie that gives nothing away by itself."""
    quiet = video(name=b"", date=0)
    return Movie([quiet, *more], **{"date": 0, **settings})  # type: ignore[arg-type]


def in_trak(*boxes: bytes) -> Movie:
    return Movie([video(name=b"", date=0, in_trak=list(boxes))], date=0)


def with_entry(entry: bytes, **more: object) -> Movie:
    return Movie([video(name=b"", date=0, entries=(entry,), **more)], date=0)


def in_entry(kind: bytes, payload: bytes) -> Movie:
    return with_entry(make.visual(b"avc1", box(b"avcC", make.AVCC), box(kind, payload)))


def group(kind: bytes, size: int, payload: bytes) -> list[bytes]:
    described = full(b"sgpd", 1, 0, kind, struct.pack(">II", size, len(payload) // size), payload)
    return [described, full(b"sbgp", 0, 0, kind, struct.pack(">III", 1, 5, 1))]


KEYS = full(b"keys", 0, 0, b"\0\0\0\1", box(b"mdta", b"com.apple.quicktime.location.ISO6709"))
LOCI = full(b"loci", 0, 0, b"\x55\xc4" + SECRET)

# name: the movie, and what the report must say of it: kind, place, and what it reveals
TRAPS: dict[str, tuple[Callable[[], Movie], CarrierKind, str, set[Reveals]]] = {
    "place in user data": (
        lambda: plain(in_moov=[udta(box(b"\xa9xyz", SECRET))]), C.GPS, "moov/udta box", {R.PLACE}),
    "place of 3GPP": (lambda: plain(in_moov=[udta(LOCI)]), C.GPS, "moov/udta box", {R.PLACE}),
    "keys of a phone": (
        lambda: plain(in_moov=[full(b"meta", 0, 0, KEYS, SECRET)]), C.GPS, "moov/meta box", {R.PLACE}),
    "user data of a track": (
        lambda: in_trak(udta(box(b"name", SECRET))), C.APPLICATION, "track 1/udta box", {R.PERSON}),
    "meta of a track": (
        lambda: in_trak(full(b"meta", 0, 0, SECRET)), C.APPLICATION, "track 1/meta box", {R.OTHER}),
    "XMP at the top": (lambda: plain(before=[make.xmp()]), C.XMP, "uuid box", {R.PERSON}),
    "XMP behind all": (lambda: plain(after=[make.xmp()]), C.XMP, "uuid box", {R.PERSON}),
    "uuid in moov": (
        lambda: plain(in_moov=[box(b"uuid", bytes(16), SECRET)]), C.APPLICATION, "moov/uuid box", {R.OTHER}),
    "text in free space": (
        lambda: plain(before=[box(b"free", SECRET)]), C.PADDING, "free box", {R.OTHER}),
    "text in free space of moov": (
        lambda: plain(in_moov=[box(b"skip", SECRET)]), C.PADDING, "moov/skip box", {R.OTHER}),
    "metadata track": (
        lambda: plain(metadata()), C.APPLICATION, "meta track 3", {R.PLACE, R.TIME, R.DEVICE}),
    "camera motion track": (
        lambda: plain(metadata(b"camm", make.described(b"camm", SECRET))), C.GPS, "camm track 3",
        {R.PLACE, R.TIME}),
    "time code track": (
        lambda: plain(metadata(b"tmcd", make.described(b"tmcd", SECRET))), C.TIME, "tmcd track 3", {R.TIME}),
    "chapters": (
        lambda: plain(metadata(b"text", make.described(b"text", SECRET))), C.TEXT, "text track 3",
        {R.PERSON, R.PLACE}),
    "subtitles": (
        lambda: plain(metadata(b"sbtl", make.described(b"tx3g", SECRET))), C.TEXT, "sbtl track 3",
        {R.PERSON}),
    "depth of a cinematic clip": (
        lambda: plain(metadata(b"vide", make.visual(b"dish", box(b"hvcC", SECRET)))), C.SECONDARY_IMAGE,
        "vide track 3", {R.VIDEO}),
    "handler name": (
        lambda: Movie([video(name=SECRET, date=0)], date=0), C.COMMENT, "handler name of track 1",
        {R.DEVICE}),
    "encoder name": (
        lambda: with_entry(make.visual(name=SECRET)), C.COMMENT, "encoder name of track 1", {R.DEVICE}),
    "encoder vendor": (
        lambda: with_entry(make.visual(vendor=b"appl")), C.COMMENT, "encoder name of track 1", {R.DEVICE}),
    "text beside the setup": (
        lambda: in_entry(b"uuid", bytes(16) + SECRET), C.APPLICATION, "track 1/stsd/uuid box", {R.OTHER}),
    "bytes between the samples": (
        lambda: plain(spare=SECRET), C.APPLICATION, "mdat, in no kept track", {R.OTHER}),
    "dates of the movie": (lambda: plain(date=make.DATED), C.TIME, "dates of the movie", {R.TIME}),
    "dates in 64 bits": (
        lambda: plain(date=make.DATED, version=1), C.TIME, "dates of the movie", {R.TIME}),
    "language": (
        lambda: Movie([video(name=b"", date=0, language=0x15C7)], date=0), C.TEXT, "language of track 1",
        {R.OTHER}),
    "unknown box of a track": (
        lambda: in_trak(box(b"zzzz", SECRET)), C.UNKNOWN, "track 1/zzzz box", {R.OTHER}),
    "unknown box of the tables": (
        lambda: Movie([video(name=b"", date=0, in_stbl=[box(b"subs", SECRET)])], date=0), C.UNKNOWN,
        "track 1/subs box", {R.OTHER}),
    "sample group with text": (
        lambda: Movie([video(name=b"", date=0, in_stbl=group(b"jane", 17, SECRET))], date=0), C.UNKNOWN,
        "track 1/sgpd box", {R.OTHER}),
    "second file behind": (
        lambda: plain(tail=box(b"ftyp", b"mp42", bytes(4)) + SECRET), C.MOTION_VIDEO, "after the last box",
        {R.VIDEO}),
    "trailer": (lambda: plain(tail=b"\xff\xff\xff" + SECRET), C.TRAILER, "after the last box", {R.OTHER}),
    "poster": (lambda: plain(before=[box(b"PICT", SECRET)]), C.THUMBNAIL, "PICT box", {R.THUMBNAIL}),
    "event message": (lambda: plain(after=[box(b"emsg", SECRET)]), C.UNKNOWN, "emsg box", {R.OTHER}),
}  # fmt: skip


@pytest.mark.parametrize("name", TRAPS)
def test_trap(name: str) -> None:
    build, kind, where, reveals = TRAPS[name]
    movie = build()
    output, report = scrubbed(movie.build())
    assert SECRET not in output
    assert PLACE not in output
    found = [c for c in report.carriers if c.where == where]
    assert found, [c.where for c in report.carriers]
    assert {c.kind for c in found} == {kind}
    assert {what for c in found for what in c.reveals} >= reveals
    kept = {t.number: b"".join(t.samples) for t in movie.tracks if f"track {t.number}" not in removed(report)}
    assert make.read_samples(output) == kept


def removed(report: ScrubReport) -> set[str]:
    """Name the tracks that went."""
    return {c.where.split(" ", 1)[1] for c in report.removed if c.where[4:11] == " track "}


LAYOUTS: dict[str, Callable[[], Movie]] = {
    "moov last": lambda: Movie([video(), sound()]),
    "moov first": lambda: Movie([video(), sound()], moov_first=True),
    "64-bit offsets": lambda: Movie([video(co64=True), sound(co64=True)]),
    "64-bit size": lambda: Movie([video(), sound()], mdat_large=True),
    "mdat to the end of the file": lambda: Movie([video()], moov_first=True, mdat_to_end=True),
    "two mdats": lambda: Movie([video(), sound()], mdats=2),
    "metadata between the chunks": lambda: Movie([video(), metadata(), sound()], spare=b"x"),
    "64-bit headers": lambda: Movie([video(version=1)], version=1),
    "sizes of 16 bits": lambda: Movie([video(compact=16)]),
    "sizes of 8 bits": lambda: Movie([video(compact=8)]),
    "sizes of 4 bits": lambda: Movie([video(compact=4, samples=[b"abc", b"d", b"efghi"])]),
    "one size for all": lambda: Movie([video(fixed=40, samples=[b"x" * 40] * 5)]),
    "turned": lambda: Movie([video(matrix=make.QUARTER)]),
    "QuickTime": lambda: Movie(
        [video(component=b"mhlr"), sound(component=b"mhlr")], brands=(b"qt  ", b"qt  ")),
    "QuickTime of old": lambda: Movie([video(component=b"mhlr")], brands=()),
    "unknown maker's brand": lambda: Movie([video()], brands=(b"XAVC", b"XAVC", b"mp42")),
    "empty samples": lambda: Movie([video(samples=[b"", b"abc", b"", b""], per_chunk=1), sound()]),
    "sound alone": lambda: Movie([sound()]),
    "entry points and shifts": lambda: Movie(
        [video(in_stbl=[full(b"ctts", 1, 0, struct.pack(">IIi", 1, 5, -20)),
                        full(b"stss", 0, 0, struct.pack(">II", 1, 1)),
                        full(b"sdtp", 0, 0, bytes(5)), *group(b"roll", 2, b"\xff\xff")])]),
    "edit list": lambda: Movie([video(edits=((100, -1), (100, 40)))]),
    "alternate sound": lambda: Movie([video(), sound(), sound(number=4, refs=((b"fall", (2,)),))]),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYOUTS)
def test_samples_survive_any_layout(name: str) -> None:
    movie = LAYOUTS[name]()
    data = movie.build()
    output, report = scrubbed(data, MediaType.MOV if movie.brands[:1] in ((), (b"qt  ",)) else MediaType.MP4)
    if not any(track.compact for track in movie.tracks):  # the reader of the tests knows plain tables only
        kept = {t.number: b"".join(t.samples) for t in movie.tracks if t.handler in (b"vide", b"soun")}
        assert make.read_samples(output) == kept
    assert len(output) <= len(data) + 64
    assert dict(report.rendering)["tracks"].split() == [
        str(t.number) for t in movie.tracks if t.handler in (b"vide", b"soun")
    ]


def test_the_turn_and_the_edits_stay() -> None:
    movie = Movie([video(matrix=make.QUARTER, edits=((100, -1), (100, 40)))])
    output, report = scrubbed(movie.build())
    assert make.QUARTER in output
    assert struct.pack(">IiIIiI", 100, -1, 0x10000, 100, 40, 0x10000) in output
    assert "[100 -1 65536; 100 40 65536]" in dict(report.rendering)["time 1"]


def test_a_trimmed_clip_says_that_it_holds_more() -> None:
    whole = Movie([video(edits=((600, 0),))])
    trimmed = Movie([video(edits=((100, 300),))])
    assert not scrubbed(whole.build())[1].kept
    (kept,) = scrubbed(trimmed.build())[1].kept
    assert (kept.where, kept.reveals) == ("edit list of track 1", (Reveals.VIDEO,))


def test_sound_goes_by_wish() -> None:
    movie = Movie([video(), sound()])
    with_sound, _ = scrubbed(movie.build())
    without, report = scrubbed(movie.build(), audio=False)
    assert set(make.read_samples(with_sound)) == {1, 2}
    assert make.read_samples(without) == {1: b"".join(movie.tracks[0].samples)}
    assert "soun track 2" in {c.where for c in report.removed}
    with pytest.raises(Unsupported):
        clean(Movie([sound()]).build(), MediaType.MP4, keep=ScrubKeep(audio=False))


def test_surplus_rows_of_tables_are_cut() -> None:
    spare = struct.pack(">IIIIIII", 3, 5, 20, 0, 0x4A616E65, 7, 0x526F6520)  # "Jane", "Roe "
    movie = Movie([video(stts=full(b"stts", 0, 0, spare, SECRET))])
    output, _ = scrubbed(movie.build())
    assert b"Jane" not in output
    assert b"Roe " not in output


def bent(**more: object) -> Callable[[], bytes]:
    return lambda: Movie([video(**more)]).build()


def runs(*numbers: int) -> bytes:
    return full(b"stsc", 0, 0, struct.pack(f">{len(numbers) + 1}I", len(numbers) // 3, *numbers))


OUTSIDE = full(b"dref", 0, 0, b"\0\0\0\1", full(b"url ", 0, 0, b"file:///x\0"))
REFUSED: dict[str, tuple[Callable[[], bytes], type[MedsnapError]]] = {
    "chunk in the header": (bent(at=[0, 90, 200]), Malformed),
    "chunk behind the file": (bent(at=[40, 1 << 31, 130]), Malformed),
    "chunks that overlap": (bent(at=[40, 41, 300]), Unsupported),
    "more places than samples": (bent(stsc=runs(1, 9, 1)), Malformed),
    "fewer places than samples": (bent(stsc=runs(1, 1, 1)), Malformed),
    "runs out of order": (bent(stsc=runs(2, 2, 1, 1, 1, 1)), Malformed),
    "runs that fall back": (bent(stsc=runs(1, 2, 1, 3, 1, 1, 2, 1, 1)), Malformed),
    "coding that does not exist": (bent(stsc=runs(1, 2, 9, 3, 1, 1)), Malformed),
    "enormous table": (bent(stts=full(b"stts", 0, 0, b"\xff\xff\xff\xff")), TooLarge),
    "enormous table of sizes": (bent(stsz=full(b"stsz", 0, 0, bytes(4), b"\xff\xff\xff\xff")), TooLarge),
    "table longer than its box": (bent(stts=full(b"stts", 0, 0, b"\0\0\xff\xff")), Malformed),
    "entry points out of order": (
        bent(in_stbl=[full(b"stss", 0, 0, struct.pack(">III", 2, 3, 2))]), Malformed),
    "entry points behind the last sample": (
        bent(in_stbl=[full(b"stss", 0, 0, struct.pack(">II", 1, 6))]),
        Malformed,
    ),
    "samples in another file": (bent(dref=OUTSIDE), Unsupported),
    "encrypted": (bent(entries=(make.visual(b"encv"),)), Unsupported),
    "unknown coding": (bent(entries=(make.visual(b"zzzz"),)), Unsupported),
    "frames that are files": (bent(entries=(make.visual(b"mjpa"),)), Unsupported),
    "unknown box about the coding": (
        bent(entries=(make.visual(b"avc1", box(b"avcC", make.AVCC), box(b"zzzz", SECRET)),)), Unsupported),
    "no setup": (bent(entries=(make.visual(b"avc1", box(b"pasp", bytes(8))),)), Malformed),
    "two tables of one kind": (
        bent(in_stbl=[full(b"stts", 0, 0, struct.pack(">III", 1, 5, 20))]), Malformed),
    "a layer of another track": (
        lambda: Movie([video(refs=((b"scal", (2,)),)), sound()]).build(), Unsupported),
    "a metadata track inside the samples": (
        lambda: Movie([video(samples=[b"a" * 99] * 4), metadata(at=[60, 90, 150])]).build(), Malformed),
    "matte": (bent(in_trak=[box(b"matt", SECRET)]), Unsupported),
    "no track": (lambda: Movie([]).build(), Unsupported),
    "only metadata": (lambda: Movie([metadata()]).build(), Unsupported),
    "two tracks of one number": (lambda: Movie([video(), sound(number=1)]).build(), Malformed),
    "track number 0": (bent(number=0), Malformed),
    "two moovs": (lambda: Movie([video()]).build() + Movie([video()]).moov([[0, 0, 0]]), Malformed),
    "no moov": (lambda: box(b"ftyp", b"isom", bytes(4)) + box(b"mdat", SECRET), Malformed),
    "compressed moov": (lambda: Movie([video()], in_moov=[box(b"cmov", SECRET)]).build(), Unsupported),
    "65 tracks": (lambda: Movie([video(number=n) for n in range(1, 66)]).build(), TooLarge),
    "cut short": (lambda: Movie([video()], moov_first=True).build()[:-9], MedsnapError),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    build, error = REFUSED[name]
    with pytest.raises(error) as problem:
        clean(build(), MediaType.MP4)
    assert problem.value.where


def still(mode: str = "") -> bytes:
    """A small JPEG as a camera writes its frames, or one with something in it."""
    import io

    from PIL import Image

    sink = io.BytesIO()
    picture = Image.radial_gradient("L").resize((32, 32))
    picture.save(sink, "JPEG", comment=SECRET if mode == "comment" else b"")
    frame = sink.getvalue()
    return frame.replace(b"\xff\xfe\0\2", b"") + {"filled": bytes(5), "tail": SECRET}.get(mode, b"")


def film(*frames: bytes) -> bytes:
    return Movie(
        [video(entries=(make.visual(b"jpeg", box(b"pasp", b"\0\0\0\1" * 2)),), samples=list(frames))]
    ).build()


def test_frames_that_are_clean_files_stay() -> None:
    frames = [still(), still("filled"), still()]
    output, _ = scrubbed(film(*frames))
    assert make.read_samples(output) == {1: b"".join(frames)}


@pytest.mark.parametrize("mode", ["comment", "tail"])
def test_frames_that_hold_more_are_refused(mode: str) -> None:
    with pytest.raises(Unsupported) as problem:
        clean(film(still(), still(mode)), MediaType.MP4)
    assert "frame 2" in problem.value.where


def test_the_second_reader_looks_into_frames() -> None:
    from medsnap.errors import NotClean
    from medsnap.scrub.second.movie import account

    frame = still()
    hidden = frame[:2] + b"\xff\xfe\0\x06Jane" + frame[2:]
    output, _ = scrubbed(film(frame + bytes(len(hidden) - len(frame))))
    bent_ = output.replace(frame + bytes(8), hidden)
    assert len(bent_) == len(output)
    assert bent_ != output
    with pytest.raises(NotClean):
        account(bent_, MediaType.MP4)
