"""Coded streams: messages and filler go, slices and rendering messages stay, the rest is refused."""

from __future__ import annotations

import pytest

from medsnap.errors import Malformed, MedsnapError, Unsupported
from medsnap.scrub import heif_coded
from tests.builders import heif as make
from tests.builders.heif import FAKE_SLICE, SECRET, nal, obu, sei

LIGHT = sei(144, b"\0\x64\0\x32")
FRAME = obu(6, b"frame")
HEADER = obu(1, b"sequence")


def hevc(stream: bytes) -> bytes:
    view = memoryview(stream)
    return b"".join(bytes(view[a:b]) for a, b in heif_coded.hevc_kept(view, 4, "item"))


def av1(stream: bytes) -> bytes:
    view = memoryview(stream)
    return b"".join(bytes(view[a:b]) for a, b in heif_coded.av1_kept(view, "item"))


@pytest.mark.parametrize(
    ("stream", "kept"),
    [
        (FAKE_SLICE, FAKE_SLICE),
        (sei(5, SECRET) + FAKE_SLICE, FAKE_SLICE),
        (sei(4, SECRET) + FAKE_SLICE + sei(5, SECRET), FAKE_SLICE),
        (LIGHT + FAKE_SLICE, LIGHT + FAKE_SLICE),
        (sei(144, b"\0\x64\0\x32" + SECRET) + FAKE_SLICE, FAKE_SLICE),
        (nal(39, b"\x90\4\0\x64\0\x32\5\1x\x80") + FAKE_SLICE, FAKE_SLICE),
        (nal(39, b"\x90\4\0\x64\0\x32\x80" + SECRET) + FAKE_SLICE, FAKE_SLICE),
        (nal(39, b"\x90\4\0\x64\0\x32x") + FAKE_SLICE, FAKE_SLICE),
        (nal(39, b"\xff\x10\1x\x80") + FAKE_SLICE, FAKE_SLICE),
        (nal(35, b"\x10") + FAKE_SLICE + nal(38, b"\xff\xff\x80") + nal(55, SECRET), FAKE_SLICE),
        (FAKE_SLICE + bytes(7), FAKE_SLICE),  # aligned with zeros
        (nal(33, b"sps") + FAKE_SLICE, nal(33, b"sps") + FAKE_SLICE),
        (FAKE_SLICE + nal(19, b"\x20more"), FAKE_SLICE + nal(19, b"\x20more")),
    ],
)
def test_hevc(stream: bytes, kept: bytes) -> None:
    assert hevc(stream) == kept


@pytest.mark.parametrize(
    ("stream", "error"),
    [
        (b"", Unsupported),
        (FAKE_SLICE + FAKE_SLICE, Unsupported),
        (FAKE_SLICE + nal(19, b"\x80x", layer=33), Unsupported),
        (FAKE_SLICE[:-1], Malformed),
        (FAKE_SLICE + b"\0\0\0\0x", Malformed),
        (b"\0\0\0\1\x26" + FAKE_SLICE, Malformed),
        (b"\xff\xff\xff\xff" + FAKE_SLICE, Malformed),
        (FAKE_SLICE + b"\0\0\0\3\xa6\1\x80", Malformed),
    ],
)
def test_hevc_refused(stream: bytes, error: type[MedsnapError]) -> None:
    with pytest.raises(error):
        hevc(stream)


@pytest.mark.parametrize(
    ("stream", "kept"),
    [
        (HEADER + FRAME, HEADER + FRAME),
        (obu(2, b"") + HEADER + FRAME, obu(2, b"") + HEADER + FRAME),
        (obu(2, SECRET) + HEADER + FRAME, HEADER + FRAME),
        (obu(5, b"\4" + SECRET + b"\x80") + FRAME, FRAME),
        (obu(5, b"\1\0\1\0\1\x80") + FRAME, obu(5, b"\1\0\1\0\1\x80") + FRAME),
        (obu(5, b"\1\0\1\0\1\x80" + SECRET) + FRAME, FRAME),
        (FRAME + obu(15, SECRET) + obu(9, SECRET), FRAME),
        (HEADER + b"\x30frame", HEADER + b"\x30frame"),  # the last unit may lack its size
    ],
)
def test_av1(stream: bytes, kept: bytes) -> None:
    assert av1(stream) == kept


@pytest.mark.parametrize(
    ("stream", "error"),
    [
        (b"", Malformed),
        (HEADER, Malformed),
        (obu(8, b"tiles"), Unsupported),
        (b"\x32\x7fframe", Malformed),
        (b"\x32\x80\x80\x80\x80\x80\x80\x80\x80\x01", Malformed),
        (b"\xb2\1x", Malformed),
        (b"\x36", Malformed),
    ],
)
def test_av1_refused(stream: bytes, error: type[MedsnapError]) -> None:
    with pytest.raises(error):
        av1(stream)


def hvcc(*arrays: bytes) -> bytes:
    return b"\1" + bytes(20) + b"\3" + bytes((len(arrays),)) + b"".join(arrays)


def array(kind: int, *units: bytes) -> bytes:
    body = b"".join(len(unit).to_bytes(2, "big") + unit for unit in units)
    return bytes((0x80 | kind,)) + len(units).to_bytes(2, "big") + body


SPS = b"\x42\1sps"


@pytest.mark.parametrize(
    ("setup", "kept"),
    [
        (hvcc(array(33, SPS)), hvcc(array(33, SPS))),
        (hvcc(array(33, SPS)) + SECRET, hvcc(array(33, SPS))),
        (hvcc(array(39, b"\x4e\1\5\1x\x80"), array(33, SPS)), hvcc(array(33, SPS))),
        (hvcc(array(33, SPS), array(39, LIGHT[4:])), hvcc(array(33, SPS), array(39, LIGHT[4:]))),
        (hvcc(array(60, b"\x78\1" + SECRET), array(33, SPS)), hvcc(array(33, SPS))),
    ],
)
def test_hevc_configuration(setup: bytes, kept: bytes) -> None:
    assert heif_coded.clean_hvcc(setup, "hvcC") == kept


@pytest.mark.parametrize(
    ("setup", "error"),
    [
        (b"", Malformed),
        (hvcc(array(33, SPS))[:-1], Malformed),
        (hvcc(array(33, b"\x26\1slice")), Malformed),
        (hvcc(array(33, b"\xc2\1sps")), Malformed),  # forbidden_zero_bit is set
        (b"\0" + hvcc()[1:], Unsupported),
    ],
)
def test_hevc_configuration_refused(setup: bytes, error: type[MedsnapError]) -> None:
    with pytest.raises(error):
        heif_coded.clean_hvcc(setup, "hvcC")


def test_av1_configuration() -> None:
    setup, _ = make.encoded_avif(3)
    assert heif_coded.clean_av1c(setup[:4] + HEADER + obu(15, SECRET), "av1C") == setup[:4] + HEADER
    with pytest.raises(Malformed):
        heif_coded.clean_av1c(setup[:4] + FRAME, "av1C")
    with pytest.raises(Unsupported):
        heif_coded.clean_av1c(b"\x82" + setup[1:], "av1C")


def test_parts_across_extents() -> None:
    spans = ((100, 110), (50, 60))
    assert heif_coded.to_file(((0, 20),), spans) == ((100, 110), (50, 60))
    assert heif_coded.to_file(((5, 15),), spans) == ((105, 110), (50, 55))
    assert heif_coded.to_file(((0, 2), (12, 20)), spans) == ((100, 102), (52, 60))
