"""What the report says was found, and that it says no value."""

from __future__ import annotations

import hashlib
import io

import piexif
import pytest

from medsnap.formats.sniff import sniff
from medsnap.model.carrier import CarrierAction, CarrierKind, Reveals
from medsnap.model.codec import canonical
from medsnap.model.rewrite import Insert, Keep
from medsnap.scrub import apply, clean, exif, plan, scrub
from medsnap.scrub.core import Assembly
from medsnap.scrub.report import revealed
from tests.builders import jpeg as j
from tests.builders import png as p
from tests.builders.jpeg import SECRET


def _phone() -> bytes:
    tags = {
        "0th": {piexif.ImageIFD.Make: b"Maker", piexif.ImageIFD.Artist: SECRET},
        "Exif": {
            piexif.ExifIFD.DateTimeOriginal: b"2025:03:04 05:06:07",
            piexif.ExifIFD.BodySerialNumber: b"F00D1",
            piexif.ExifIFD.MakerNote: SECRET * 9,
        },
        "GPS": {piexif.GPSIFD.GPSLatitudeRef: b"N", piexif.GPSIFD.GPSLatitude: ((54, 1), (41, 1), (0, 1))},
        "1st": {},
        "thumbnail": j.base(),
    }
    return j.after_soi(j.base(), j.segment(0xE1, piexif.dump(tags)))


def test_a_phones_exif_is_told_apart() -> None:
    report = clean(_phone()).report
    assert {c.kind for c in report.removed} == {
        CarrierKind.EXIF,
        CarrierKind.GPS,
        CarrierKind.MAKER_NOTE,
        CarrierKind.THUMBNAIL,
    }
    assert set(revealed(report.carriers)) == {
        Reveals.PLACE,
        Reveals.SERIAL,
        Reveals.TIME,
        Reveals.DEVICE,
        Reveals.PERSON,
        Reveals.THUMBNAIL,
    }
    note = next(c for c in report.carriers if c.kind is CarrierKind.MAKER_NOTE)
    assert _phone()[note.offset : note.offset + note.size] == SECRET * 9


def test_the_report_holds_no_value() -> None:
    for data in (_phone(), p.picture(p.TEXT), j.base() + j.CLIP):
        assert SECRET not in canonical(clean(data).report)


def test_digests_and_sizes_are_those_of_the_files() -> None:
    data = _phone()
    done = clean(data)
    out = done.data(data)
    assert done.report.sha256_in == hashlib.sha256(data).hexdigest()
    assert done.report.sha256_out == hashlib.sha256(out).hexdigest()
    assert (done.report.size_in, done.report.size_out) == (len(data), len(out))
    assert done.report.pixels_equal is None
    assert clean(data, verify_pixels=True).report.pixels_equal is True


def test_a_scrubbed_file_reports_nothing_to_remove() -> None:
    out = scrub(j.after_soi(j.base(), j.exif(6)))
    report = clean(out).report
    assert report.removed == ()
    assert [(c.kind, c.action) for c in report.kept] == [(CarrierKind.EXIF, CarrierAction.KEPT)]
    assert report.sha256_in == report.sha256_out


def test_apply_streams_what_scrub_returns() -> None:
    data = _phone()
    out = io.BytesIO()
    rewrite = plan(data, sniff(data))
    assert apply(rewrite, memoryview(data), out.write) == rewrite.size
    assert out.getvalue() == scrub(data)


def test_coded_spans_cover_the_scan() -> None:
    data = _phone()
    coded = [s for s in plan(data, sniff(data)).steps if isinstance(s, Keep) and s.coded]
    scan = data[data.index(b"\xff\xda", len(data) - len(j.base())) : -2]
    assert len(coded) == 1
    assert data[coded[0].start : coded[0].stop].endswith(scan)


def test_assembly_merges_and_drops_nothing_spans() -> None:
    out = Assembly()
    out.keep(0, 5, coded=True)
    out.keep(5, 9, coded=True)
    out.keep(9, 9)
    out.keep(9, 12)
    out.insert(b"")
    out.insert(b"a")
    out.insert(b"b")
    assert out.steps == [Keep(0, 9, True), Keep(9, 12), Insert(b"ab")]


@pytest.mark.parametrize("value", range(2, 9))
def test_the_minimal_exif_is_canonical(value: int) -> None:
    expected = f"457869660000 4d4d002a00000008 0001 0112 0003 00000001 00{value:02x}0000 00000000"
    assert exif.minimal(value) == bytes.fromhex(expected)


@pytest.mark.parametrize("value", [None, 1, 6])
def test_adobe_rgb_without_a_profile_stays_adobe_rgb(value: int | None) -> None:
    data = j.after_soi(j.base(), j.adobe_rgb(value))
    done = clean(data)
    out = done.data(data)
    loaded = piexif.load(out)
    assert SECRET not in out
    assert ("colour", "Adobe RGB (R03)") in done.report.rendering
    assert loaded["Exif"] == {0xA001: 65535, 0xA005: 0x44 if value == 6 else 0x38}
    assert loaded["Interop"] == {1: b"R03"}
    assert set(loaded["0th"]) == {0x8769} | ({0x0112} if value == 6 else set())
    assert done.report.orientation == (value or 1)
    assert scrub(out) == out


def test_a_profile_makes_the_adobe_rgb_mark_needless() -> None:
    out = scrub(j.after_soi(j.base(), j.adobe_rgb(), *j.icc(j.profile())))
    assert b"R03" not in out
    assert b"ICC_PROFILE" in out


@pytest.mark.parametrize("value", [0, 1, 9])
def test_there_is_no_minimal_exif_for_others(value: int) -> None:
    with pytest.raises(ValueError, match="2 to 8"):
        exif.minimal(value)
