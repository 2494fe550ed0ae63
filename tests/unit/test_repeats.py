"""Whether two photos are one shot: what is not known never makes them one, nor what the clocks tell apart."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medsnap.formats.sniff import sniff
from medsnap.model.likeness import BITS, distance, transposed, written
from medsnap.model.photo import MediaType
from medsnap.model.repeat import Sameness, Shot
from medsnap.raster.likeness import fingerprint, of
from medsnap.vault.repeats import CLOSE, LIKE, compare, facts_of, keys, shot_of
from tests.builders import export as make

BYTES, SHOT, MAYBE, DIFFERENT = Sameness
PICTURE = written((1 << 200) - 1)


def near(bits: int) -> str:
    """A fingerprint so many bits from PICTURE, however it is turned."""
    return written(((1 << 200) - 1) ^ ((1 << bits) - 1))


WHOLE = Shot(
    source="s1", plaintext="p1", likeness=PICTURE, camera="Apple\niPad", moment="2026-03-01T10:00:00",
    subsecond="123", offset="+01:00", patient=("oid", "M1"),
)  # fmt: skip
# what another photo has of its own, and what the two are then; everything else is as in WHOLE
CASES: dict[str, tuple[dict[str, Any], Sameness]] = {
    "the same file": ({"source": "s1", "plaintext": "p2"}, BYTES),
    "only metadata differs": ({"plaintext": "p1", "moment": "", "camera": "", "subsecond": ""}, BYTES),
    "a copy of the same instant": ({"likeness": near(LIKE)}, SHOT),
    "the same instant, cut at hundredths": ({"subsecond": "12"}, SHOT),
    "no zone on one side": ({"offset": ""}, SHOT),
    "nobody knows whose": ({"patient": None}, SHOT),
    "the same instant, another picture": ({"likeness": near(LIKE + 1)}, MAYBE),
    "the same instant, not compared": ({"likeness": ""}, MAYBE),
    "no fraction on one side": ({"subsecond": ""}, MAYBE),
    "a clock without fractions": ({"subsecond": "000"}, MAYBE),
    "tenths do not tell a burst apart": ({"subsecond": "1"}, MAYBE),
    "no date, a near picture": ({"moment": "", "subsecond": "", "likeness": near(CLOSE)}, MAYBE),
    "one instant, two patients": ({"patient": ("oid", "M2")}, MAYBE),
    "one file, two patients": ({"source": "s1", "patient": ("oid", "M2")}, MAYBE),
    "a burst, a tenth of a second later": ({"subsecond": "223"}, DIFFERENT),
    "a second later": ({"moment": "2026-03-01T10:00:01"}, DIFFERENT),
    "a second later, the same pixels": ({"moment": "2026-03-01T10:00:01", "plaintext": "p1"}, DIFFERENT),
    "another zone": ({"offset": "+02:00"}, DIFFERENT),
    "another model": ({"camera": "Apple\niPhone"}, DIFFERENT),
    "the same second, another picture": ({"subsecond": "", "likeness": near(LIKE + 1)}, DIFFERENT),
    "no date, a picture like it": ({"moment": "", "subsecond": "", "likeness": near(CLOSE + 1)}, DIFFERENT),
    "no date, no picture": ({"moment": "", "subsecond": "", "likeness": ""}, DIFFERENT),
    "two tablets in one second, two patients": ({"subsecond": "", "patient": ("oid", "M2")}, DIFFERENT),
    "an icon": ({"plaintext": "p1", "tiny": True, "moment": "", "likeness": ""}, DIFFERENT),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_photo_beside_another(case: str) -> None:
    changes, expected = CASES[case]
    other = dataclasses.replace(WHOLE, **({"source": "s2", "plaintext": "p2"} | changes))
    found = compare(WHOLE, other)
    assert found.sameness is expected
    assert bool(found.because) is (expected is not DIFFERENT)


def _one_of(*values: str) -> st.SearchStrategy[str]:
    return st.sampled_from(("", *values))


SHOTS = st.builds(
    Shot,
    source=_one_of("s1", "s2"),
    plaintext=_one_of("p1", "p2"),
    pixels=_one_of("x1", "x2"),
    likeness=_one_of(PICTURE, near(CLOSE), near(LIKE), near(60), "d2:ff", "d1:zz"),
    tiny=st.booleans(),
    camera=_one_of("a", "b"),
    moment=_one_of("2026-03-01T10:00:00", "2026-03-01T10:00:01"),
    subsecond=_one_of("0", "00", "12", "123", "124", "5", "x", "9" * 40),
    offset=_one_of("+01:00", "+02:00"),
    patient=st.sampled_from((None, ("o", "1"), ("o", "2"))),
)


@given(SHOTS, SHOTS)
def test_both_ways_the_same_and_sure_only_by_what_is_known(one: Shot, other: Shot) -> None:
    found = compare(one, other)
    assert found == compare(other, one)
    if not found.sameness.sure:
        return
    assert one.patient is None or other.patient is None or one.patient == other.patient
    known = [
        one.source and one.source == other.source,
        one.plaintext and one.plaintext == other.plaintext,
        one.pixels and one.pixels == other.pixels,
        one.moment and one.camera and one.subsecond and one.likeness,
    ]
    assert any(known)
    if not known[0]:
        assert not (one.moment and other.moment) or one.moment == other.moment
        assert not (one.tiny or other.tiny)


@given(SHOTS, SHOTS)
def test_what_is_compared_shares_a_key(one: Shot, other: Shot) -> None:
    """Of one photo at most two keys stand in the catalogue; whatever is surely one shot must share one.

    Except equal pixels of files that say nothing of their moment: they are found among a patient's photos.
    """
    if one.source == other.source and (one.camera, one.moment) != (other.camera, other.moment):
        return  # a file says one thing
    if one.pixels and one.pixels == other.pixels:
        return
    if compare(one, other).sameness.sure and one.source and one.plaintext:
        assert set(_keys(one)) & set(_keys(other))


def _keys(shot: Shot) -> list[tuple[str, str]]:
    make_, _, model = shot.camera.partition("\n")
    return list(keys([shot.source, shot.plaintext, "", "", 0, 0, make_, model, shot.moment, "", "", "", ""]))


def test_a_row_with_nothing_and_with_nonsense_is_read() -> None:
    """A hostile writer may seal anything: what does not fit is not known, and never equal to itself."""
    bare = {"source_sha256": "", "seal": {}, "match": {}}
    odd = bare | {"capture": {"make": 1, "captured_at": ["x"], "subsecond": {}}, "likeness": 5, "width": "w"}
    shots = [shot_of(facts_of(event)) for event in (bare, odd)]
    assert [compare(a, b).sameness for a in shots for b in shots] == [DIFFERENT] * 4
    assert all(len(list(keys(facts_of(event)))) == 2 for event in (bare, odd))


# ── fingerprints ─────────────────────────────────────────────────────────────────────────────


def _image(number: int) -> Any:
    image = make.picture((384, 256)).rotate(37 * number).crop((60, 20, 316, 212))
    image.paste(
        (250, 20, 20), (number * 29 % 180, number * 31 % 120, number * 29 % 180 + 60, number * 31 % 120 + 50)
    )
    return image


def _decoded(data: bytes) -> Any:
    from PIL import Image

    return Image.open(io.BytesIO(data)).convert("RGB")


@pytest.mark.parametrize("number", range(1, 4))
def test_copies_are_near_and_other_pictures_are_not(number: int) -> None:
    from PIL import Image, ImageEnhance

    image = _image(number)
    known = fingerprint(image)
    small = image.resize((160, 120))
    copies = {
        "jpeg": _decoded(make.encode(image, "JPEG", quality=60)),
        "heic": _decoded(make.encode(image, "HEIF", quality=50)),
        "webp": _decoded(make.encode(image, "WEBP", quality=60)),
        "messenger": _decoded(make.encode(small, "JPEG", quality=50)),
        "brighter": ImageEnhance.Brightness(image).enhance(1.2),
        **{turn.name: image.transpose(turn) for turn in Image.Transpose},
    }
    far = {
        name: d
        for name, copy in copies.items()
        if (d := distance(known, fingerprint(copy))) is None or d > LIKE
    }
    assert far == {}
    others = [distance(known, fingerprint(_image(n))) for n in range(4, 10)]
    assert all(d is not None and d > LIKE for d in others), others


def test_what_says_nothing_has_no_fingerprint() -> None:
    from PIL import Image

    assert fingerprint(Image.new("RGB", (400, 300), (90, 90, 90))) is None
    assert fingerprint(_image(1).resize((63, 200))) is None
    assert of(b"no picture", MediaType.JPEG) is None
    assert of(make.encode(_image(1), "PNG"), MediaType.PNG) == fingerprint(_image(1))


@given(st.integers(0, (1 << BITS) - 1), st.integers(0, (1 << BITS) - 1))
def test_distances(one: int, other: int) -> None:
    a, b = written(one), written(other)
    assert distance(a, a) == 0
    assert distance(a, b) == distance(b, a)
    assert transposed(transposed(one)) == one
    assert distance(a, written(transposed(one))) == 0
    assert (distance(a, b) or 0) <= (one ^ other).bit_count()
    assert distance(a, "d2" + b[2:]) is None


_COPIES = (  # of the corpus: one picture in several codings
    ("dirty.jpg", "dirty.heic"), ("dirty.png", "dirty.avif"), ("Reagan.tiff", "Reagan.jpg"),
    ("paris_icc_exif_xmp.png", "paris_icc_exif_xmp.avif"), ("portrait_3.jpg", "portrait_8.jpg"),
)  # fmt: skip


def test_on_real_photos_copies_lie_within_the_bounds_and_others_far_outside(corpus: Path) -> None:
    known: dict[str, str] = {}
    for path in sorted((corpus / "photos").iterdir()):
        copied = any(path.name in pair for pair in _COPIES)
        if (
            path.suffix.lower() in (".jpg", ".png", ".webp", ".heic") and path.stat().st_size < 150_000
        ) or copied:
            data = path.read_bytes()
            found = of(data, sniff(data))
            if found is not None:
                known[path.name] = found
    assert len(known) > 30
    for one, other in _COPIES:
        assert (distance(known[one], known[other]) or 0) <= 16, (one, other)
    apart = sorted(distance(known[a], known[b]) or 0 for a in known for b in known if a < b)
    assert not [d for d in apart if 16 < d <= LIKE + 20], "between copies and other pictures lies nothing"
