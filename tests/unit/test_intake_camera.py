"""What the camera says: read from Exif payloads that the tests write themselves."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medsnap.demo import clip
from medsnap.demo import exif_writer as ex
from medsnap.intake import camera, live
from medsnap.model.photo import CaptureFacts, MediaType


def jpeg(
    ifd0: list[ex.Tag] | None = None, exif: list[ex.Tag] | None = None, gps: list[ex.Tag] | None = None
) -> bytes:
    payload = ex.write(ifd0=ifd0 or [], exif=exif or [], gps=gps or [])
    size = b"\xff\xc0\x00\x0b\x08\x00\x10\x00\x20\x01\x01\x11\x00"
    return b"\xff\xd8\xff\xe1" + (len(payload) + 2).to_bytes(2, "big") + payload + size + b"\xff\xd9"


def facts(**parts: list[ex.Tag]) -> CaptureFacts:
    return camera.facts(jpeg(**parts), MediaType.JPEG)


def test_an_ordinary_phone() -> None:
    found = facts(
        ifd0=[
            ex.text(0x010F, "Apple"),
            ex.text(0x0110, "iPhone"),
            ex.short(0x0112, 6),
            ex.text(0x0131, "17.6"),
        ],
        exif=[
            ex.text(0x9003, "2026:03:02 10:31:05"),
            ex.text(0x9011, "+01:00"),
            ex.rational(0x829A, (1, 60)),
        ],
        gps=[
            ex.rational(2, (51, 1), (28, 1), (40, 1)),
            ex.rational(7, (9, 1), (31, 1), (11, 2)),
            ex.text(29, "2026:03:02"),
        ],
    )
    assert found == CaptureFacts(
        make="Apple",
        model="iPhone",
        software="17.6",
        captured_at="2026-03-02T10:31:05",
        offset="+01:00",
        gps_utc="2026-03-02T09:31:05Z",
        has_gps=True,
        has_exposure=True,
        orientation=6,
        width=32,
        height=16,
    )


@pytest.mark.parametrize(
    "stamp", ["0000:00:00 00:00:00", "2026:13:01 10:00:00", "    :  :     :  :  ", "soon"]
)
def test_a_clock_that_was_never_set_gives_no_time(stamp: str) -> None:
    assert facts(exif=[ex.text(0x9003, stamp)]).captured_at is None


@pytest.mark.parametrize(
    ("zone", "offset"), [("Z", "+00:00"), ("+14:00", "+14:00"), ("+25:00", None), ("  ", None)]
)
def test_offsets(zone: str, offset: str | None) -> None:
    assert facts(exif=[ex.text(0x9010, zone)]).offset == offset


def test_an_empty_gps_directory_is_no_place() -> None:
    assert not facts(gps=[ex.rational(2, (0, 0), (0, 0), (0, 0))]).has_gps
    assert facts(gps=[ex.rational(7, (9, 0), (0, 1), (0, 1)), ex.text(29, "2026:03:02")]).gps_utc is None


def test_live_identifiers_of_still_and_clip_agree() -> None:
    note = b"Apple iOS\x00\x00\x01MM" + ex.directory([ex.text(0x0011, "1234-ABCD")], 14, 0)
    assert facts(exif=[ex.undefined(0x927C, note)]).asset == "1234-ABCD"
    assert live.of_clip(clip.movie(brand=b"qt  ", payload=b"", identifier="1234-ABCD")) == "1234-ABCD"
    assert live.of_clip(clip.movie(brand=b"qt  ", payload=b"")) is None
    inline = ex.Tag(0x0011, ex.ASCII, 4, b"\x00\x00\x00\x03")  # four bytes stand in the entry: no offset
    assert live.of_maker_note(live.APPLE_MAKER_NOTE + ex.directory([inline], 14, 0)) is None


@given(st.binary(max_size=80), st.integers(0, 400))
def test_any_maker_note_and_clip_is_read_without_an_error(junk: bytes, at: int) -> None:
    whole = clip.movie(brand=b"qt  ", payload=b"x", identifier="1234-ABCD")
    spoilt = whole[:at] + junk + whole[at + len(junk) :]
    for found in (live.of_maker_note(live.APPLE_MAKER_NOTE + junk), live.of_clip(junk), live.of_clip(spoilt)):
        assert found is None or (found.isprintable() and len(found) <= 64)


@given(st.binary(max_size=200))
def test_any_exif_payload_is_read_without_an_error(junk: bytes) -> None:
    data = b"\xff\xd8\xff\xe1" + (len(junk) + 8).to_bytes(2, "big") + b"Exif\0\0" + junk + b"\xff\xd9"
    found = camera.facts(data, MediaType.JPEG)
    assert 1 <= found.orientation <= 8
    assert found.captured_at is None or datetime.fromisoformat(found.captured_at)


def test_clips_and_damage_have_no_facts() -> None:
    assert camera.facts(b"\0\0\0\x14ftypqt  ", MediaType.MOV) == CaptureFacts()
    assert camera.facts(b"\xff\xd8\xff", MediaType.JPEG) == CaptureFacts()
