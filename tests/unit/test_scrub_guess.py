"""The cheap plan of a JPEG: the second reader confirms it, or it does not count."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medsnap.errors import MedsnapError
from medsnap.formats import jpeg
from medsnap.model.photo import MediaType
from medsnap.model.rewrite import Buffer, Keep, Rewrite
from medsnap.scrub import ScrubKeep, clean, registry
from medsnap.scrub.jpeg import plan
from medsnap.scrub.jpeg_unread import plan as guess
from tests.builders import jpeg as j
from tests.builders import small as s
from tests.golden.traps import JPEGS

KEEP = ScrubKeep()
J = MediaType.JPEG


def both(data: bytes) -> tuple[tuple[bytes, object] | None, tuple[bytes, object] | None]:
    """What comes out with the guess, and without."""
    first = made(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "guesser", lambda media: None)
        return first, made(data)


def made(data: bytes) -> tuple[bytes, object] | None:
    try:
        done = clean(data, J)
    except MedsnapError:
        return None
    report = done.report
    return done.data(data), (report.carriers, report.rendering, report.orientation, report.sha256_out)


@pytest.mark.parametrize("name", JPEGS)
def test_the_same_copy_and_report_either_way(name: str) -> None:
    data = JPEGS[name]()
    with_guess, without = both(data)
    assert with_guess == without
    assert with_guess is not None


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_the_same_for_any_mutation(data: st.DataObject) -> None:
    file = bytearray(JPEGS[data.draw(st.sampled_from(sorted(JPEGS)))]())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(file) - 1))
        piece = data.draw(
            st.sampled_from((b"\xff", b"\xff\xd9", b"\xff\xda", b"\xff\xfe\x00\x04ab", b"\xff\xd0", b""))
        )
        file[at : at + data.draw(st.integers(0, 2))] = piece
        file = file or bytearray(b"\xff")
    with_guess, without = both(bytes(file))
    assert with_guess == without


def told(*, mpf: int = 0, xmp: bytes = b"", behind: bytes) -> bytes:
    """A photo whose headers say where its picture ends; an MPF index says so `mpf` - 1 bytes too late."""
    picture = j.after_soi(s.jpeg(), *(_mpf(0),) if mpf else (), *(_xmp(xmp),) if xmp else ())
    data = picture.replace(_mpf(0), _mpf(len(picture) + mpf - 1)) if mpf else picture
    return data + behind


def _mpf(size: int) -> bytes:
    entry = (0x30000).to_bytes(4, "big") + size.to_bytes(4, "big") + bytes(8)
    return j.segment(0xE2, b"MPF\x00" + j.tiff((0xB002, 7, 16, entry)))


def _xmp(words: bytes) -> bytes:
    return j.segment(0xE1, b"http://ns.adobe.com/xap/1.0/\x00<x:xmpmeta " + words + b"/>")


CLIP_LENGTH = str(len(j.CLIP)).encode()
TOLD: dict[str, Callable[[], bytes]] = {
    "MPF": lambda: told(mpf=1, behind=s.jpeg() + j.SECRET),
    "motion photo, version 1": lambda: told(
        xmp=b'GCamera:MicroVideoOffset="%s"' % CLIP_LENGTH, behind=j.CLIP
    ),
    "motion photo, version 2": lambda: told(
        xmp=b'Item:Length="0" Item:Length="4"\nItem:Length="%s"' % CLIP_LENGTH, behind=b"GAIN" + j.CLIP
    ),
}
WRONG: dict[str, Callable[[], bytes]] = {
    "MPF, too far": lambda: told(mpf=9, behind=s.jpeg() + j.SECRET),
    "MPF, at the last EOI": lambda: told(mpf=1 + len(s.jpeg()), behind=s.jpeg()),
    "clip longer than the file": lambda: told(xmp=b'Item:Length="9999999999"', behind=j.CLIP),
    "clip shorter than it is": lambda: told(xmp=b'Item:Length="3"', behind=j.CLIP),
}


@pytest.mark.parametrize("name", [*TOLD, *WRONG])
def test_what_the_headers_say_changes_no_copy(name: str) -> None:
    data = (TOLD | WRONG)[name]()
    with_guess, without = both(data)
    assert with_guess == without
    assert with_guess is not None
    assert j.SECRET not in with_guess[0]


def test_a_photo_that_says_where_its_picture_ends_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(data: Buffer, media: MediaType, keep: ScrubKeep) -> Rewrite:
        raise AssertionError("planned in full")

    monkeypatch.setattr("medsnap.scrub.jpeg.plan", never)
    for build in (JPEGS["phone"], *TOLD.values()):
        assert clean(build()).report.carriers
    for build in (JPEGS["comment between scans"], *WRONG.values()):
        with pytest.raises(AssertionError):
            clean(build())


BAD: dict[str, Callable[[], bytes]] = {
    "segment between scans": JPEGS["comment between scans"],
    "fill bytes before EOI": lambda: s.jpeg()[:-2] + b"\xff\xff\xd9",
    "another picture behind": lambda: s.jpeg() + s.jpeg(),
    "secret before the last EOI": lambda: s.jpeg() + j.SECRET + s.EOI,
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_guess_is_refused_by_the_second_reader(name: str) -> None:
    data = BAD[name]()
    wrong = guess(data, J, KEEP)
    output = b"".join(wrong.chunks(data))
    with pytest.raises(MedsnapError):
        registry.second_reader(J).account(output, J)
    done = clean(data)
    assert done.rewrite == plan(data, J, KEEP)
    assert j.SECRET not in done.data(data)


def test_the_guess_never_widens_what_a_full_view_keeps() -> None:
    for build in JPEGS.values():
        data = build()
        view = jpeg.view(data)
        kept = [x for x in clean(data).rewrite.steps if isinstance(x, Keep)]
        assert all(step.stop <= view.end for step in kept)
