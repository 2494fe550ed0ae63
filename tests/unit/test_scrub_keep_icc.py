"""A colour profile without its free text renders the same colours, in every format that is written anew."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms

from medsnap.errors import MedsnapError, Unsupported
from medsnap.formats.embedded import icc as icc_of
from medsnap.formats.sniff import sniff
from medsnap.model.carrier import CarrierAction, CarrierKind
from medsnap.model.photo import MediaType
from medsnap.scrub import ScrubKeep, clean
from medsnap.scrub.icc_minimal import minimal
from tests.builders import heif as h
from tests.builders import jpeg as j
from tests.builders import png as p
from tests.builders import webp as w
from tests.builders.jpeg import SECRET

MINIMAL = ScrubKeep(icc_text=False)


def tags(profile: bytes) -> dict[bytes, bytes]:
    found = {}
    for row in range(132, 132 + 12 * int.from_bytes(profile[128:132], "big"), 12):
        name, start, size = struct.unpack(">4sII", profile[row : row + 12])
        found[name] = profile[start : start + size]
    return found


def build(header: bytes, table: dict[bytes, bytes]) -> bytes:
    """Put a profile together, with a device, a day and a maker in its header."""
    rows, body = b"", b""
    base = 132 + 12 * len(table)
    for name, data in table.items():
        rows += struct.pack(">4sII", name, base + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    told = (
        header[4:24] + struct.pack(">6H", 1970, 3, 4, 5, 6, 7) + header[36:48] + b"ERIKMUST" + header[56:80]
    )
    return (
        (base + len(body)).to_bytes(4, "big")
        + told
        + b"ERIK"
        + bytes(44)
        + struct.pack(">I", len(table))
        + rows
        + body
    )


def old_text(text: bytes) -> bytes:
    return b"desc" + bytes(4) + struct.pack(">I", len(text) + 1) + text + b"\x00" + bytes(78)


def told(version: int, name: bytes = SECRET) -> bytes:
    """A real sRGB profile with SECRET in each place for text."""
    plain = j.profile()
    header = plain[:8] + bytes((version,)) + plain[9:]
    wide = SECRET.decode().encode("utf-16-be")
    new = b"mluc" + bytes(4) + struct.pack(">II4sII", 1, 12, b"enUS", len(wide), 28) + wide
    texts = {
        b"desc": new if version >= 4 else old_text(name),
        b"cprt": new if version >= 4 else b"text" + bytes(4) + SECRET + b"\x00",
        b"dmnd": old_text(SECRET),
        b"dmdd": old_text(SECRET),
        b"mine": b"data" + bytes(8) + SECRET,
        b"meta": b"dict" + bytes(12) + SECRET,
    }
    return build(header, {**tags(plain), **texts})


def colours(profile: bytes) -> bytes:
    """What a picture full of colours becomes in sRGB."""
    picture = Image.frombytes(
        "RGB", (64, 64), bytes((i * 7 + i // 64 * 13) % 256 for i in range(64 * 64 * 3))
    )
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    made = ImageCms.profileToProfile(picture, source, ImageCms.createProfile("LAB"), outputMode="LAB")
    assert made is not None
    return made.tobytes()


def hidden(profile: bytes) -> bool:
    return SECRET in profile or SECRET.decode().encode("utf-16-be") in profile or b"ERIK" in profile


@pytest.mark.parametrize("version", [2, 4])
def test_text_goes_and_colours_stay(version: int) -> None:
    profile = told(version)
    fresh = minimal(profile, "here")
    assert hidden(profile)
    assert not hidden(fresh)
    assert set(tags(fresh)) == {b"desc", b"cprt"} | (set(tags(j.profile())) & set(tags(fresh)))
    assert {b"rXYZ", b"rTRC", b"wtpt"} <= set(tags(fresh))
    assert colours(fresh) == colours(profile)
    assert minimal(fresh, "here") == fresh
    assert int.from_bytes(fresh[:4], "big") == len(fresh)
    ImageCms.getProfileName(ImageCms.ImageCmsProfile(io.BytesIO(fresh)))


@pytest.mark.parametrize("name", [b"sRGB IEC61966-2.1", b"Adobe RGB (1998)", b"Display P3"])
def test_the_name_of_a_standard_profile_stays(name: bytes) -> None:
    fresh = minimal(told(2, name), "here")
    assert tags(fresh)[b"desc"] == old_text(name)
    assert not hidden(fresh)


def test_a_name_that_only_begins_like_one_goes() -> None:
    assert tags(minimal(told(2, b"sRGB of " + SECRET), "here"))[b"desc"] == old_text(b"profile")


def _heic(profile: bytes) -> bytes:
    item = h.hevc_item(1)
    item.props.append((b"colr", b"prof" + profile, False))
    return h.Heif([item]).build()


FORMATS: dict[str, Callable[[bytes], bytes]] = {
    "jpeg": lambda c: j.after_soi(j.base(), *j.icc(c, (200,))),
    "png": lambda c: p.picture(p.chunk(b"iCCP", b"mine\x00\x00" + zlib.compress(c))),
    "webp": lambda c: w.riff(w.extended(0x20), w.chunk(b"ICCP", c), w.frame()),
    "heic": _heic,
}


@pytest.mark.parametrize("kind", FORMATS)
def test_in_every_format(kind: str) -> None:
    profile = told(2)
    data = FORMATS[kind](profile)
    assert icc_of(clean(data).data(data), sniff(data)) == profile  # without the wish, byte for byte
    done = clean(data, keep=MINIMAL)
    out = done.data(data)
    assert icc_of(out, sniff(out)) == minimal(profile, "here")
    assert not hidden(out)
    assert clean(out, keep=MINIMAL).data(out) == out
    assert clean(out).data(out) == out
    if kind != "heic":
        actions = {c.action for c in done.report.carriers if c.kind is CarrierKind.ICC}
        assert actions == {CarrierAction.REWRITTEN}


def test_a_large_profile_takes_several_segments() -> None:
    table = tags(j.profile()) | {b"A2B0": b"mft2" + bytes(4) + bytes(range(256)) * 600}
    profile = build(j.profile(), table)
    data = j.after_soi(j.base(), *j.icc(profile, (60_000, 120_000)))
    out = clean(data, keep=MINIMAL).data(data)
    assert icc_of(out, MediaType.JPEG) == minimal(profile, "here")
    assert out.count(b"ICC_PROFILE\x00") == 3


@pytest.mark.parametrize(
    "profile",
    [
        j.profile()[:128] + bytes(4),
        j.profile()[:128] + b"\xff" * 4,
        j.profile()[:136] + b"\xff" * 4 + j.profile()[140:],
        build(j.profile(), {b"desc": old_text(SECRET)}),
        build(j.profile(), {**tags(j.profile()), b"A2B0": b"mine" + bytes(4) + SECRET}),
        build(j.profile(), {**tags(j.profile()), b"rTRC": b"curv" + SECRET}),
    ],
    ids=["no tags", "too many", "outside", "only text", "unknown type", "reserved bytes"],
)
def test_what_is_not_understood_is_refused(profile: bytes) -> None:
    with pytest.raises(Unsupported, match="profile"):
        minimal(profile, "here")


@given(st.integers(128, len(j.profile()) - 1), st.binary(min_size=1, max_size=8))
def test_mutations(at: int, new: bytes) -> None:
    profile = (j.profile()[:at] + new + j.profile()[at + len(new) :])[: len(j.profile())]
    try:
        fresh = minimal(profile, "here")
    except MedsnapError:
        return
    assert minimal(fresh, "here") == fresh
