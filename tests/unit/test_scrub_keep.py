"""What a clinic may keep: written anew, in one form, and read byte for byte by the second reader."""

from __future__ import annotations

import itertools
from datetime import date

import piexif
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medsnap.errors import NotClean
from medsnap.formats import tiff
from medsnap.formats.embedded import exif as exif_of
from medsnap.formats.sniff import sniff
from medsnap.model.carrier import CarrierAction, Reveals
from medsnap.scrub import ScrubKeep, clean, exif, registry
from medsnap.scrub.keep import Fresh, choose, payload
from medsnap.scrub.second import exif as second
from tests.builders import heif as h
from tests.builders import jpeg as j
from tests.builders import png as p
from tests.builders import webp as w
from tests.builders.jpeg import SECRET

ALL = ScrubKeep(captured_at="keep", device="keep")
DAY = ScrubKeep(captured_at="day")


def old(**changes: object) -> bytes:
    """The Exif of a phone, without its prefix."""
    values: dict[str, object] = {
        "make": b"Maker Ltd.",
        "model": b"P 9",
        "taken": b"2025:03:04 05:06:07",
        "offset": b"+01:00",
    } | changes
    tags = {
        "0th": {
            piexif.ImageIFD.Make: values["make"],
            piexif.ImageIFD.Model: values["model"],
            piexif.ImageIFD.Orientation: 6,
            piexif.ImageIFD.Artist: SECRET,
        },
        "Exif": {
            piexif.ExifIFD.DateTimeOriginal: values["taken"],
            piexif.ExifIFD.OffsetTimeOriginal: values["offset"],
            piexif.ExifIFD.BodySerialNumber: b"F00D1",
        },
        "GPS": {piexif.GPSIFD.GPSLatitudeRef: b"N", piexif.GPSIFD.GPSLatitude: ((54, 1), (41, 1), (0, 1))},
    }
    return bytes(piexif.dump(tags))[6:]


def heic(payload: bytes) -> bytes:
    exif_item = h.Part(2, b"Exif", b"\0\0\0\6Exif\0\0" + payload)
    return h.Heif([h.hevc_item(1), exif_item], refs=[(b"cdsc", 2, [1])]).build()


FILES = {
    "jpeg": lambda e: j.after_soi(j.base(), j.segment(0xE1, b"Exif\x00\x00" + e)),
    "png": lambda e: p.picture(p.chunk(b"eXIf", e)),
    "heic": heic,
    "webp": lambda e: w.riff(w.extended(8), w.frame(), w.chunk(b"EXIF", e)),
}
formats = pytest.mark.parametrize("kind", FILES)


def told(data: bytes) -> dict[str, object]:
    payload = exif_of(data, sniff(data))
    if payload is None:
        return {}
    found = piexif.load(b"Exif\x00\x00" + payload)
    names = {0x10F: "make", 0x110: "model", 0x112: "turn", 0x9003: "taken", 0x9011: "offset", 0x8769: None}
    return {names[tag]: value for ifd in ("0th", "Exif") for tag, value in found[ifd].items() if names[tag]}


def turn(kind: str) -> dict[str, object]:
    """A HEIF turns by its properties, so its Exif says nothing of it."""
    return {} if kind == "heic" else {"turn": 6}


@formats
def test_time_and_device_are_written_anew(kind: str) -> None:
    data = FILES[kind](old())
    done = clean(data, keep=ALL)
    out = done.data(data)
    assert told(out) == {
        "make": b"Maker Ltd.",
        "model": b"P 9",
        "taken": b"2025:03:04 05:06:07",
        "offset": b"+01:00",
        **turn(kind),
    }
    assert SECRET not in out
    assert b"F00D1" not in out
    assert [c.reveals for c in done.report.kept] == [(Reveals.TIME, Reveals.DEVICE)]
    assert Reveals.PLACE in {what for c in done.report.removed for what in c.reveals}
    assert clean(out, keep=ALL).data(out) == out


@formats
def test_the_day_alone(kind: str) -> None:
    data = FILES[kind](old())
    out = clean(data, keep=DAY).data(data)
    assert told(out) == {"taken": b"2025:03:04 00:00:00", **turn(kind)}
    assert clean(out, keep=DAY).data(out) == out


@formats
def test_nothing_is_kept_unasked(kind: str) -> None:
    data = FILES[kind](old())
    with_all = clean(data, keep=ALL).data(data)
    assert clean(with_all).data(with_all) == clean(data).data(data)
    assert told(clean(data).data(data)) == turn(kind)


@formats
def test_a_kept_value_that_was_not_asked_for_is_not_clean(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rewriter that kept the time by mistake would not agree with the second reader."""
    data = FILES[kind](old())
    media = sniff(data)
    planner = registry.planner(media)
    monkeypatch.setattr(planner, "render", lambda out, fresh: None)
    with pytest.raises(NotClean, match="kept"):
        clean(data, keep=ALL)


@formats
def test_a_file_without_exif_gets_none(kind: str) -> None:
    data = FILES[kind](exif.minimal(6)[6:])
    plain = clean(data, keep=ScrubKeep(orientation=False)).data(data)
    assert clean(plain, keep=ALL).data(plain) == plain


def chosen(keep: ScrubKeep = ALL, **changes: object) -> Fresh:
    return choose(tiff.read(old(**changes)), keep)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("make", b"M\xc3\xa4ker"),
        ("make", b"x" * 65),
        ("make", b""),
        ("model", b"a\x07b\xff"),
        ("taken", b"0000:00:00 00:00:00"),
        ("taken", b"2025:02:30 05:06:07"),
        ("taken", b"2025:03:04 05:06:0789"),
        ("taken", b"    :  :     :  :  "),
        ("offset", b"+1:00"),
        ("offset", b"Erika "),
    ],
)
def test_a_value_of_another_form_is_dropped(field: str, value: bytes) -> None:
    found = chosen(**{field: value})
    assert getattr(found, field) == ""
    assert payload(found) != b""


def test_an_offset_alone_says_nothing() -> None:
    assert chosen(taken=b"unknown").offset == ""
    assert chosen(DAY).offset == ""


texts = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=64)
stamps = st.builds(
    "{:%Y:%m:%d} {:%H:%M:%S}".format,
    st.dates(min_value=date(1900, 1, 1), max_value=date(2999, 12, 31)),
    st.times(),
)
fresh = st.builds(
    Fresh,
    orientation=st.integers(1, 8),
    adobe_rgb=st.booleans(),
    make=texts,
    model=texts,
    taken=st.just("") | stamps,
    offset=st.sampled_from(["", "+01:00", "-03:30"]),
)


@given(fresh)
def test_the_second_reader_takes_exactly_what_is_written(made: Fresh) -> None:
    written = payload(made)
    facts = second.read(written)
    if not written:
        assert facts is None
        return
    assert facts is not None
    assert facts.get("orientation", "1") == str(made.orientation)
    assert ("colour" in facts) == made.adobe_rgb
    assert facts.get("kept", "").rpartition(" ")[0] == ", ".join(made.names)
    loaded = piexif.load(b"Exif\x00\x00" + written)
    assert loaded["0th"].get(0x10F, b"").decode() == made.make
    assert loaded["Exif"].get(0x9003, b"").decode() == made.taken


@pytest.mark.parametrize("adobe", [False, True])
def test_no_other_byte_is_taken(adobe: bool) -> None:
    """Each byte of a full Exif is changed in turn: the reader refuses, or reports another value."""
    written = payload(
        Fresh(
            orientation=6,
            adobe_rgb=adobe,
            make="Maker",
            model="P9",
            taken="2025:03:04 05:06:07",
            offset="+01:00",
        )
    )
    facts = second.read(written)
    assert facts
    for at, other in itertools.product(range(len(written)), (0, 1, 0x41, 0xFF)):
        changed = written[:at] + bytes((other,)) + written[at + 1 :]
        assert changed == written or second.read(changed) != facts
    for longer in (written + b"\x00", written + SECRET, written[:-1], b"", written[:8]):
        assert second.read(longer) is None


@given(st.binary(max_size=600))
def test_the_second_reader_survives_anything(junk: bytes) -> None:
    assert second.read(junk) is None
    second.read(b"MM\0*\0\0\0\x08" + junk)


def test_the_report_holds_no_kept_value() -> None:
    data = FILES["jpeg"](old())
    report = clean(data, keep=ALL).report
    assert "Maker" not in repr(report)
    assert "2025:03" not in repr(report)
    assert CarrierAction.KEPT in {c.action for c in report.carriers}


HEAD = b"\0\0\0\6Exif\0\0"


@pytest.mark.parametrize("at", [0, 3, 4, 12, 20, 30, 60, -1])
def test_another_exif_item_in_a_clean_heif_is_not_clean(at: int) -> None:
    data = heic(old())
    out = clean(data, keep=ALL).data(data)
    media, start = sniff(out), out.index(HEAD)
    reader = registry.second_reader(media)
    assert dict(reader.account(out, media) or ())["kept"].startswith("make, model, time, offset ")
    place = start + at if at >= 0 else len(out) - 1
    changed = out[:place] + bytes((out[place] ^ 0x55,)) + out[place + 1 :]
    try:
        said = reader.account(changed, media)
    except NotClean:
        return
    assert dict(said or ())["kept"] != dict(reader.account(out, media) or ())["kept"]


def test_an_exif_item_never_turns_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    told_twice = Fresh(make="Maker", orientation=6)
    monkeypatch.setattr("medsnap.scrub.heif._fresh", lambda data, keep: told_twice)
    with pytest.raises(NotClean, match="Exif item"):
        clean(heic(old()))


def test_a_heif_without_the_wish_has_no_exif_item() -> None:
    data = heic(old())
    out = clean(data).data(data)
    assert b"Exif" not in out
    nothing = heic(old(make=b"\xff", model=b"\xff", taken=b"never"))
    assert clean(nothing, keep=ALL).data(nothing) == out
