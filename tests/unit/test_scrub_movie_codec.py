"""What a decoder is told: one clean form of each box; the second reader takes that form only."""

from __future__ import annotations

import struct

import pytest

from medsnap.errors import Malformed, MedsnapError, Unsupported
from medsnap.model.photo import MediaType
from medsnap.scrub import clean
from medsnap.scrub.core import ScrubKeep
from medsnap.scrub.movie_codec import canonical
from medsnap.scrub.movie_esds import esds
from medsnap.scrub.second.movie_entries import LENGTHS, accepted
from tests.builders import movie as make
from tests.builders.heif import FAKE_HVCC, SECRET, box, full
from tests.builders.movie import Movie, descriptor, sound, video

HIGH = b"\1\x64\0\x1e\xff\xe1\0\4\x67\x64\0\x1e\1\0\3\x68\xce\x38"
HIGH_MORE = b"\xfd\xf8\xf8\0"
STREAMINFO = b"\0\0\x22" + bytes(range(34))
COMMENTS = b"\x84" + len(SECRET).to_bytes(3, "big") + SECRET
LAYOUT = struct.pack(">III", 0, 0, 1) + bytes(20)
EYES = box(b"eyes", full(b"stri", 0, 0, b"\3"))
MAPPED = b"\0\2" + bytes(8) + b"\1\1\1\0\1"
VISUAL_SETUP = b"\0\0\1\xb0\1\0\0\1\x20\x55"
LAYERS = b"\1\xf0\0\xfc\xcb" + FAKE_HVCC[22:]

# kind, as it came, as it is written
CLEANED: dict[str, tuple[bytes, bytes, bytes]] = {
    "avcC": (b"avcC", make.AVCC + SECRET, make.AVCC),
    "avcC of a high profile": (b"avcC", HIGH + HIGH_MORE + SECRET, HIGH + HIGH_MORE),
    "avcC of a high profile, short": (b"avcC", HIGH, HIGH),
    "hvcC": (b"hvcC", FAKE_HVCC + SECRET, FAKE_HVCC),
    "lhvC": (b"lhvC", LAYERS + SECRET, LAYERS),
    "av1C": (b"av1C", b"\x81\4\x0c\0", b"\x81\4\x0c\0"),
    "dOps": (b"dOps", b"\0\2" + bytes(9) + SECRET, b"\0\2" + bytes(9)),
    "dOps with a map": (b"dOps", MAPPED + SECRET, MAPPED),
    "dfLa": (b"dfLa", bytes(4) + b"\0" + STREAMINFO + COMMENTS, bytes(4) + b"\x80" + STREAMINFO),
    "alac": (b"alac", bytes(28), bytes(28)),
    "dac3": (b"dac3", b"\x10\x3d\xe0" + SECRET, b"\x10\x3d\xe0"),
    "dec3": (b"dec3", b"\x0e\0\x20\x0f\0" + SECRET, b"\x0e\0\x20\x0f\0"),
    "dec3 with objects": (b"dec3", b"\x0e\0\x20\x0f\0\1\x10" + SECRET, b"\x0e\0\x20\x0f\0\1\x10"),
    "chan": (b"chan", bytes(4) + LAYOUT + SECRET, bytes(4) + LAYOUT),
    "damr": (b"damr", b"Jane\1\0\1\0\1", bytes(4) + b"\1\0\1\0\1"),
    "d263": (b"d263", b"Jane\1\x0a\0", bytes(4) + b"\1\x0a\0"),
    "vexu": (b"vexu", EYES + box(b"uuid", bytes(16), SECRET), EYES),
    "pasp": (b"pasp", bytes(8) + SECRET, bytes(8)),
    "colour volume": (b"mdcv", bytes(24), bytes(24)),
    "Dolby Vision": (b"dvvC", bytes(24) + SECRET, bytes(24)),
    "vpcC": (b"vpcC", b"\1\0\0\0\0\x0a\x82\2\2\2\0\0" + SECRET, b"\1\0\0\0\0\x0a\x82\2\2\2\0\0"),
    "esds of sound": (
        b"esds", make.esds(more=descriptor(0x0E, SECRET)),
        bytes(4) + b"\3\x19\0\0\0\4\x11\x40\x15" + bytes(11) + b"\5\2\x12\x10\6\1\2",
    ),
    "esds of video": (
        b"esds", make.esds(VISUAL_SETUP + b"\0\0\1\xb2" + SECRET, coding=0x20),
        bytes(4) + b"\3\x21\0\0\0\4\x19\x20\x15" + bytes(11) + b"\5\x0a" + VISUAL_SETUP + b"\6\1\2",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CLEANED)
def test_one_clean_form(name: str) -> None:
    kind, came, written = CLEANED[name]
    assert canonical(kind, came, name) == written
    assert canonical(kind, written, name) == written
    assert accepted(kind.decode(), written)
    assert came == written or not accepted(kind.decode(), came)


@pytest.mark.parametrize("name", CLEANED)
def test_every_cut_is_an_error_or_clean(name: str) -> None:
    """A box that ends early is refused, or what is written is a form that the second reader takes."""
    kind, came, _ = CLEANED[name]
    for stop in range(len(came)):
        try:
            found = canonical(kind, came[:stop], name)
        except MedsnapError:
            continue
        assert found is not None
        assert accepted(kind.decode(), found)


def test_fixed_boxes_are_known_to_both_readers() -> None:
    for name, size in LENGTHS.items():
        assert canonical(name.encode(), bytes(size + 3), name) == bytes(size)
        assert not accepted(name, bytes(size + 3))
        with pytest.raises(Malformed):
            canonical(name.encode(), bytes(size - 1), name)


REFUSED = {
    "unknown box": (b"zzzz", b""),
    "AVC of another version": (b"avcC", b"\2" + make.AVCC[1:]),
    "AVC with text for a parameter set": (b"avcC", make.AVCC.replace(b"\x67\x42", b"\x61\x42")),
    "HEVC of another version": (b"hvcC", b"\2" + FAKE_HVCC[1:]),
    "FLAC without its information": (b"dfLa", bytes(4) + COMMENTS + bytes(40)),
    "ALAC of an odd length": (b"alac", bytes(29)),
    "too many channels": (b"chan", bytes(12) + b"\0\0\1\0" + bytes(40)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    with pytest.raises(MedsnapError):
        canonical(*REFUSED[name], name)


def test_streams_that_need_others_are_refused() -> None:
    config = descriptor(4, bytes((0x40, 0x15)) + bytes(11))
    for flags in (0x80, 0x40):
        with pytest.raises(Unsupported):
            esds(bytes(4) + descriptor(3, b"\0\1" + bytes((flags,)), config), "esds")
    with pytest.raises(Malformed):
        esds(bytes(4) + b"\3\x80\x80\x80\x80\x01", "esds")
    with pytest.raises(Unsupported):
        esds(
            make.esds(bytes(120), coding=0x40).replace(b"\x78" + bytes(120), b"\x78" + bytes(120))
            and _long(),
            "",
        )


def _long() -> bytes:
    setup = b"\5\x90\x00" + bytes(2048)
    config = b"\4\x90\x10" + bytes((0x40, 0x15)) + bytes(11) + setup
    return bytes(4) + b"\3\x90\x16" + bytes(3) + config


SOUNDS: dict[str, tuple[bytes, int, list[bytes]]] = {
    "16 bits, little end first": (make.audio(b"sowt"), 4, [b"abcd"] * 6),
    "16 bits, as old files list them": (make.audio(b"twos", version=1, more=bytes(16)), 1, [b"abcd"] * 6),
    "24 bits": (make.audio(b"in24", bits=24), 6, [b"abcdef"] * 4),
    "8 bits by law": (make.audio(b"ulaw"), 2, [b"ab"] * 8),
    "of the second kind": (
        make.audio(
            b"lpcm",
            version=2,
            more=struct.pack(">IdIIIIII", 72, 48000.0, 2, 0x7F000000, 16, 12, 4, 1),
        ),
        4,
        [b"abcd"] * 6,
    ),
    "with the usual layout": (
        make.audio(b"sowt", box(b"chan", bytes(4), struct.pack(">III", 0x650002, 0, 0))), 4, [b"abcd"] * 6),
    "set up in a wave box": (
        make.audio(b"mp4a", box(b"wave", box(b"frma", b"mp4a"), box(b"mp4a", bytes(4)),
                                box(b"esds", make.esds()), box(bytes(4))), version=1, more=bytes(16)),
        0, [b"x" * n for n in (7, 8, 9)]),
}  # fmt: skip


@pytest.mark.parametrize("name", SOUNDS)
def test_sound_of_every_layout(name: str) -> None:
    entry, fixed, samples = SOUNDS[name]
    track = sound(entries=(entry,), fixed=fixed, samples=samples, component=b"mhlr")
    movie = Movie([video(component=b"mhlr"), track], brands=(b"qt  ", b"qt  "))
    data = movie.build()
    done = clean(data, MediaType.MOV)
    output = done.data(data)
    assert clean(output, MediaType.MOV).data(output) == output
    assert all(chunk in output for chunk in track.chunks)
    assert f"{sum(map(len, samples))} bytes" in dict(done.report.rendering)["samples 2"]
    assert b"chan" not in output


def test_packets_that_are_not_listed_are_refused() -> None:
    track = sound(entries=(make.SOUND,), fixed=1, samples=[b"a"] * 6)
    with pytest.raises(Unsupported):
        clean(Movie([video(), track]).build(), MediaType.MP4)


def test_a_profile_stays_or_goes_by_wish() -> None:
    profile = (132).to_bytes(4, "big") + bytes(32) + b"acsp" + bytes(92)
    entry = make.visual(b"avc1", box(b"avcC", make.AVCC), box(b"colr", b"prof", profile))
    data = Movie([video(entries=(entry,))]).build()
    kept = clean(data, MediaType.MP4)
    assert profile in kept.data(data)
    assert "icc 1" in dict(kept.report.rendering)
    assert profile not in clean(data, MediaType.MP4, keep=ScrubKeep(icc=False)).data(data)
    longer = make.visual(b"avc1", box(b"avcC", make.AVCC), box(b"colr", b"prof", profile, SECRET))
    with pytest.raises(Unsupported):
        clean(Movie([video(entries=(longer,))]).build(), MediaType.MP4)
