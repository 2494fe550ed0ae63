"""DNG: the raw picture and what renders it stay, all else goes; what may matter and is unknown is refused."""

from __future__ import annotations

import pytest

from medsnap.errors import Malformed, MedsnapError, Unsupported
from medsnap.formats import tiff, tiff_file
from medsnap.formats.sniff import sniff
from medsnap.model.carrier import CarrierKind as K
from medsnap.model.photo import MediaType
from medsnap.scrub import ScrubKeep, clean, scrub
from tests.builders import jpeg as j
from tests.builders import tiff as t
from tests.builders.jpeg import SECRET, profile

_PREVIEW = t.picture(6, 4, extra={254: (4, (1,)), 50971: (2, SECRET + b"\0")})
_ONE = t.Ifd({**t.raw(extra={**t.NOISY, **t.CAMERA}).tags, 50735: (2, SECRET)}, t.raw().strips)
_MAP = {50937: (4, (1, 2, 1)), 50938: (11, bytes(4 * 3 * 2))}

CLEAN: dict[str, bytes] = {
    "uncompressed": t.dng(),
    "big-endian": t.dng(little=False),
    "lossless JPEG": t.dng(t.raw(compression=7)),
    "deflate": t.dng(t.raw(compression=8)),
    "previews beside it": t.dng(_PREVIEW, t.raw(), _PREVIEW),
    "raw picture in the first directory": t.file(_ONE),
    "colour tables": t.dng(extra=_MAP),
    "profile of the camera": t.dng(extra={50831: (7, profile())}),
    "signatures that agree": t.dng(extra={50931: (2, SECRET + b"\0"), 50932: (2, SECRET + b"\0")}),
    "text behind the model": t.dng(extra={50708: (2, b"Phone X1\0" + SECRET)}),
}


@pytest.mark.parametrize("name", CLEAN)
def test_the_secret_goes_and_the_raw_picture_stays(name: str) -> None:
    data = CLEAN[name]
    assert SECRET in data
    done = clean(data)
    out = done.data(data)
    assert SECRET not in out
    assert sniff(out) is MediaType.DNG
    assert scrub(out) == out
    assert done.report.orientation == 6
    assert {K.XMP, K.IPTC, K.TEXT} <= {c.kind for c in done.report.carriers}


def test_all_that_renders_is_there() -> None:
    data = t.dng(_PREVIEW, t.raw(extra={51041: (12, bytes(16))}), extra=_MAP)
    out = scrub(data)
    view = tiff_file.view(out)
    assert len(view.chain) == 1
    kept = {f.tag for f in view.chain[0].fields}
    wanted = {*t.CAMERA, *_MAP, *t.raw().tags, 51041, 273, 279}
    assert kept == wanted
    one, two = tiff.read(data), tiff.read(out)
    for tag in t.CAMERA:
        before, after = one.get("IFD0", tag), two.get("IFD0", tag)
        assert before is not None
        assert after is not None
        assert before.value == after.value
    assert out.endswith(t.raw().strips[0])
    assert clean(data, keep=ScrubKeep(orientation=False)).report.orientation == 1


def test_the_second_directory_of_the_chain_is_found() -> None:
    first = t.picture(extra={**t.CAMERA, 254: (4, (1,)), 270: (2, SECRET)})
    assert scrub(t.file(first, t.raw())) == scrub(t.dng())


def _kind(subfile: int) -> t.Ifd:
    return t.picture(4, 4, extra={254: (4, (subfile,))})


REFUSED: dict[str, tuple[bytes, type[MedsnapError]]] = {
    "two raw pictures": (t.dng(t.raw(), t.raw()), Unsupported),
    "none": (t.dng(_PREVIEW), Unsupported),
    "a transparency mask": (t.dng(t.raw(), _kind(4)), Unsupported),
    "a depth map": (t.dng(t.raw(), _kind(8)), Unsupported),
    "an enhanced picture": (t.dng(t.raw(), _kind(16)), Unsupported),
    "a semantic mask": (t.dng(t.raw(), _kind(0x10004)), Unsupported),
    "a gain table map": (t.dng(t.raw(extra={52525: (7, bytes(64))})), Unsupported),
    "a gain table map for all": (t.dng(extra={52544: (7, bytes(64))}), Unsupported),
    "a third illuminant": (t.dng(extra={52529: (3, (21,))}), Unsupported),
    "a tag of a later version": (t.dng(extra={52560: (7, SECRET)}), Unsupported),
    "signatures that differ": (t.dng(extra={50931: (2, b"one\0"), 50932: (2, b"two\0")}), Unsupported),
    "a value outside the file": (
        t.dng(extra={65001: (1, bytes(9))}).replace(b"\xe9\xfd\1\0\x09\0\0", b"\xe9\xfd\1\0\x09\0\x99"),
        Malformed,
    ),
    "a comment in the raw data": (
        t.dng(t.Ifd(t.raw(compression=7).tags, [t.lossless(application=j.segment(0xFE, SECRET))])),
        Unsupported,
    ),
    "a tail in the raw data": (
        t.dng(t.Ifd(t.raw(compression=7).tags, [t.lossless(tail=SECRET)])),
        Unsupported,
    ),
    "a tail behind deflate": (t.dng(t.raw(compression=8, tail=SECRET)), Unsupported),
    "lossy JPEG": (t.dng(t.raw(compression=34892)), Unsupported),
    "JPEG XL": (t.dng(t.raw(compression=52546)), Unsupported),
    "LZW": (t.dng(t.raw(compression=5)), Unsupported),
    "a picture that is not raw": (t.dng(t.picture(extra={254: (4, (0,))})), Unsupported),
    "an unknown opcode": (
        t.dng(t.raw(extra={51009: (7, t.OPCODES[:7] + b"\x63" + t.OPCODES[8:])})),
        Unsupported,
    ),
    "opcodes with a tail": (t.dng(t.raw(extra={51009: (7, t.OPCODES + SECRET)})), Unsupported),
    "opcodes cut short": (t.dng(t.raw(extra={51009: (7, t.OPCODES[:9])})), MedsnapError),
    "a table of the wrong size": (t.dng(extra={50937: (4, (2, 2, 2)), 50938: (11, bytes(24))}), Malformed),
    "a table without its sizes": (t.dng(extra={50938: (11, bytes(24))}), Malformed),
    "a matrix of text": (t.dng(extra={50721: (2, SECRET)}), Malformed),
    "a model that is no text": (t.dng(extra={50708: (2, b"\x01\x02\0")}), Unsupported),
    "a profile that is none": (t.dng(extra={50831: (7, SECRET * 9)}), Unsupported),
    "baseline where lossless should be": (
        t.dng(t.Ifd(t.raw(compression=7).tags, [t.lossless(frame=0xC0)])),
        Unsupported,
    ),
    "a strip cut short": (t.dng(t.Ifd(t.raw().tags, [bytes(95)])), Malformed),
    "a directory below the preview that lies outside": (
        t.file(t.picture(extra={**t.CAMERA, 254: (4, (1,)), 330: (4, (0xFFFFFF,))})),
        Malformed,
    ),
    "nested": (t.dng(t.Ifd(t.raw().tags, t.raw().strips, below={330: (_PREVIEW,)})), Unsupported),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_may_change_the_picture_is_refused(name: str) -> None:
    data, kind = REFUSED[name]
    assert sniff(data) is MediaType.DNG
    with pytest.raises(kind) as caught:
        clean(data)
    assert SECRET.decode() not in f"{caught.value.message}{caught.value.where}{caught.value.hint}"
