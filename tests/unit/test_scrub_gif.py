"""Each trap of GIF as a built file: the secret goes, frames, timing, loop and profile stay."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medsnap.errors import Malformed, MedsnapError, NotClean, Unsupported
from medsnap.model.carrier import CarrierKind as K
from medsnap.model.photo import MediaType
from medsnap.raster import same_pixels
from medsnap.scrub import ScrubKeep, clean, scrub
from medsnap.scrub.second import gif as second
from tests.builders import gif as g
from tests.builders.jpeg import SECRET, profile
from tests.costs import at_most
from tests.scrubbing import gone, refused

_CUT = g.codes(g.pixels()[:30], end=False)
TRAPS: dict[str, tuple[bytes, set[K]]] = {
    "plain": (g.file(g.image()), set()),
    "GIF87a": (g.file(g.image(), version=b"GIF87a"), set()),
    "comment": (g.file(g.COMMENT, g.image()), {K.COMMENT}),
    "comment behind the picture": (g.file(g.image(), g.COMMENT), {K.COMMENT}),
    "plain text": (g.file(g.PLAIN, g.image()), {K.TEXT}),
    "plain text takes a control": (g.file(g.control(), g.PLAIN, g.image()), {K.TEXT}),
    "XMP": (g.file(g.XMP, g.image()), {K.XMP}),
    "ICC": (g.file(g.PROFILE, g.image()), {K.ICC}),
    "ICC behind the picture": (g.file(g.image(), g.PROFILE), {K.ICC}),
    "ICC twice": (g.file(g.PROFILE, g.PROFILE, g.image()), {K.ICC}),
    "ICC that is none": (g.file(g.application(b"ICCRGBG1012", SECRET), g.image()), {K.ICC}),
    "application block": (g.file(g.application(b"Fotostation", SECRET), g.image()), {K.APPLICATION}),
    "C2PA": (g.file(g.application(b"C2PA_GIF\1\0\0", SECRET), g.image()), {K.C2PA}),
    "unknown extension": (g.file(g.extension(0x42, SECRET), g.image()), {K.UNKNOWN}),
    "loop": (g.file(g.LOOP, g.control(), g.image(), g.control(), g.image(seed=2)), set()),
    "loop with more": (
        g.file(
            b"\x21\xff\x0bNETSCAPE2.0\x03\x01\x05\x00\x05\x02\x01\x02\x03\x04\x15" + SECRET + b"\x00",
            g.image(),
        ),
        set(),
    ),
    "a control with a tail": (g.file(g.extension(0xF9, b"\4\x0a\0\0" + SECRET), g.image()), {K.UNKNOWN}),
    "a control of no frame": (g.file(g.image(), g.control()), {K.UNKNOWN}),
    "reserved bits": (g.file(g.control(flags=0xE4), g.image(flags=0x18)), set()),
    "behind the end code": (g.file(g.image(g.codes(g.pixels()) + SECRET)), {K.TRAILER}),
    "behind the end code, small blocks": (g.file(g.image(g.codes(g.pixels()) + SECRET, size=3)), {K.TRAILER}),
    "behind the last pixel": (g.file(g.image(g.codes(g.pixels(), end=False) + SECRET)), {K.TRAILER}),
    "more pixels than the frame": (g.file(g.image(g.codes(g.pixels() + bytes(99)))), {K.TRAILER}),
    "one-byte blocks": (g.file(g.image(size=1)), set()),
    "after the trailer": (g.file(g.image(), tail=SECRET), {K.TRAILER}),
    "a clip after the trailer": (g.file(g.image(), tail=b"\0\0\0\x18ftypmp42" + SECRET), {K.MOTION_VIDEO}),
    "zeros between blocks": (g.file(g.image(), bytes(5)), {K.PADDING}),
    "trailer missing": (g.file(g.image())[:-1], set()),
    "cut within a comment": (g.file(g.image(), g.COMMENT)[:-4], {K.UNKNOWN}),
    "cut before the data of the last frame": (g.file(g.image(), g.image(size=9))[:-30], {K.UNKNOWN}),
    "an empty comment": (g.file(b"\x21\xfe\x00", g.image()), {K.COMMENT}),
    "cut within the last frame": (g.file(g.image(), g.image(size=9))[:-12], {K.UNKNOWN}),
    "too few pixels, no end code": (g.file(g.image(_CUT)), set()),
    "as Pillow writes it": (g.encoded(), {K.COMMENT}),
    "animated, as Pillow writes it": (g.encoded(frames=3), {K.COMMENT}),
    "grey, as Pillow writes it": (g.encoded("L"), {K.COMMENT}),
}


@pytest.mark.parametrize("name", TRAPS)
def test_the_secret_goes_and_the_frames_stay(name: str) -> None:
    _, out = gone(*TRAPS[name])
    assert out.endswith(b"\x3b")


def test_loop_timing_and_profile_stay() -> None:
    import io

    from PIL import Image

    data = g.file(g.PROFILE, g.COMMENT, g.LOOP, g.control(25), g.image(), g.control(7), g.image(seed=3))
    with Image.open(io.BytesIO(scrub(data))) as shown:
        assert (shown.info["loop"], shown.info["duration"]) == (5, 250)
        assert g.PROFILE in scrub(data)
        shown.seek(1)
        assert shown.info["duration"] == 70
    assert b"ICCRGBG1012" not in clean(data, keep=ScrubKeep(icc=False)).data(data)


_OTHER = profile()[:-1] + b"\x77"
_NINE = g.screen() + g.image()[:10] + b"\x09" + g.image()[11:] + b"\x3b"
REFUSED: dict[str, tuple[bytes, type[MedsnapError]]] = {
    "no picture": (g.file(g.COMMENT), Malformed),
    "junk between blocks": (g.file(b"\x77" + SECRET, g.image()), Malformed),
    "cut in the colour table": (g.file(g.image())[:20], Malformed),
    "cut in the only frame": (g.screen() + g.image()[:12], Malformed),
    "controls that differ": (g.file(g.control(flags=0x05), g.control(), g.image()), Unsupported),
    "two profiles": (g.file(g.PROFILE, g.application(b"ICCRGBG1012", _OTHER), g.image()), Unsupported),
    "a profile in the block of its name": (
        g.file(g.extension(0xFF, b"ICCRGBG1012" + profile()), g.image()),
        Unsupported,
    ),
    "an empty extension": (g.file(b"\x21\x42\x00", g.image()), Malformed),
    "a short frame before more": (g.file(g.image(_CUT), g.COMMENT), Unsupported),
    "a short control": (g.file(g.extension(0xF9, b"\4"), g.image()), Malformed),
    "a frame of no width": (g.file(g.image(width=0)), Malformed),
    "a code that is not in the table": (g.file(g.image(b"\xfc" * 20)), Malformed),
    "a code size of 9": (_NINE, Malformed),
    "profile with a tail": (
        g.file(g.application(b"ICCRGBG1012", profile() + SECRET), g.image()),
        Unsupported,
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_understood_is_refused(name: str) -> None:
    refused(*REFUSED[name])


_GOOD = scrub(g.file(g.LOOP, g.PROFILE, g.control(), g.image(), g.image(seed=2)))
_HIDING = {
    "a byte behind the trailer": _GOOD + b"\0",
    "comment": g.file(g.COMMENT, g.image()),
    "comment between frames": g.file(g.image(), g.COMMENT, g.image()),
    "application block": g.file(g.application(b"Fotostation", SECRET), g.image()),
    "loop twice": g.file(g.LOOP, g.LOOP, g.image()),
    "loop behind the profile": g.file(g.PROFILE, g.LOOP, g.image()),
    "loop with a tail": g.file(g.application(b"NETSCAPE2.0", b"\1\5\0" + SECRET), g.image()),
    "profile with a tail": g.file(g.application(b"ICCRGBG1012", profile() + SECRET), g.image()),
    "profile that is none": g.file(g.application(b"ICCRGBG1012", SECRET * 9), g.image()),
    "control of no frame": g.file(g.image(), g.control()),
    "two controls": g.file(g.control(), g.control(), g.image()),
    "reserved bits of a control": g.file(g.control(flags=0x24), g.image()),
    "reserved bits of a frame": g.file(g.image(flags=0x08)),
    "zeros between blocks": g.file(g.image(), b"\0"),
    "behind the end code": g.file(g.image(g.codes(g.pixels()) + b"\0")),
    "behind the last pixel": g.file(g.image(g.codes(g.pixels(), end=False) + b"\0")),
    "more pixels": g.file(g.image(g.codes(g.pixels() + bytes(99)))),
    "an empty frame": g.file(g.image(b"")),
    "a broken stream": g.file(g.image(b"\xfc" * 20)),
    "no frame": g.file(),
}


@pytest.mark.parametrize("name", _HIDING)
def test_the_second_reader_refuses(name: str) -> None:
    with pytest.raises(NotClean) as caught:
        second.account(_HIDING[name], MediaType.GIF)
    assert caught.value.where


def test_every_cut_is_refused() -> None:
    for stop in range(len(_GOOD)):
        with pytest.raises(NotClean):
            second.account(_GOOD[:stop], MediaType.GIF)


_SEEDS = (
    g.file(g.LOOP, g.PROFILE, g.XMP, g.control(), g.image(size=7), g.COMMENT, g.image(seed=2), tail=SECRET),
    g.encoded(frames=2),
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A built file with a few bytes changed, cut, doubled or moved."""
    data = bytearray(draw(st.sampled_from(_SEEDS)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        size = draw(st.integers(0, 30))
        match draw(st.integers(0, 3)):
            case 0:
                data[at : at + 1] = draw(st.binary(min_size=1, max_size=2))
            case 1:
                del data[at : at + size]
            case 2:
                data[at:at] = data[at : at + size]
            case _:
                data[at:at] = draw(
                    st.sampled_from((b"\x3b", b"\x2c", b"\x21\xfe\x03abc\0", b"\0", b"\xff" * 4))
                )
    return bytes(data)


@settings(max_examples=1500, suppress_health_check=list(HealthCheck))
@given(mutated())
def test_any_mutation_is_clean_or_refused(data: bytes) -> None:
    with at_most(2.0):
        try:
            done = clean(data, MediaType.GIF)
        except MedsnapError:
            return
        out = done.data(data)
        assert clean(out).data(out) == out
    try:
        equal = same_pixels(data, out)
    except MedsnapError:
        return  # no decoder takes the original
    assert equal


def test_the_text_of_a_profile_goes_by_wish() -> None:
    from medsnap.formats import gif
    from medsnap.scrub.icc_minimal import minimal

    data = g.file(g.PROFILE, g.image())
    without = ScrubKeep(icc_text=False)
    out = clean(data, keep=without).data(data)
    block = gif.view(out).blocks[0]
    assert gif.joined(out, block)[11:] == minimal(profile(), "here") != profile()
    assert clean(out, keep=without).data(out) == out
