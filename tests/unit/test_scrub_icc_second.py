"""The second reader of profiles: no free text passes it, and no colour that is not the source's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medsnap.errors import MedsnapError, NotClean
from medsnap.formats.embedded import icc as icc_of
from medsnap.formats.sniff import sniff
from medsnap.scrub import clean, heif_image, heif_rendering, icc, icc_minimal
from medsnap.scrub.second.icc import is_bare, same_colours
from tests.builders import gif as g
from tests.builders import heif as h
from tests.builders import movie as m
from tests.builders import sequence as q
from tests.builders import tiff as t
from tests.builders.heif import FAKE_HVCC, box
from tests.unit.test_scrub_keep_icc import FORMATS, MINIMAL, build, hidden, j, tags, told


def _pages(profile: bytes) -> bytes:
    other = build(profile, {**tags(profile), b"wtpt": b"XYZ " + bytes(16)})
    pages = (t.picture(extra={34675: (7, each)}, seed=n) for n, each in enumerate((profile, other)))
    return t.file(*pages)


def _clip(profile: bytes) -> bytes:
    colour = box(b"colr", b"prof", profile)
    return m.Movie([m.video(entries=(m.visual(b"avc1", box(b"avcC", m.AVCC), colour),))]).build()


ALL: dict[str, Callable[[bytes], bytes]] = {
    **FORMATS,
    "gif": lambda profile: g.file(g.application(b"ICCRGBG1012", profile), g.image()),
    "tiff": _pages,
    "mp4": _clip,
}
PROFILE = told(2)
BARE = icc.anew(PROFILE, "here")


@pytest.mark.parametrize("kind", ALL)
def test_every_format_writes_it_anew(kind: str) -> None:
    data = ALL[kind](PROFILE)
    out = clean(data, keep=MINIMAL).data(data)
    assert not hidden(out)
    assert clean(out, keep=MINIMAL).data(out) == out


@pytest.mark.parametrize("kind", ALL)
def test_a_rewriter_that_leaves_the_text_is_found_out(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut the rewriter's part out: the second reader of each format must see it in the output."""
    for module in (icc, heif_image, heif_rendering):
        monkeypatch.setattr(module, "anew", lambda profile, where: profile)
    data = ALL[kind](PROFILE)
    with pytest.raises(NotClean, match="more than colours"):
        clean(data, keep=MINIMAL)
    assert clean(data).report.kept or kind in ("heic", "mp4")  # without the wish it is no fault


@pytest.mark.parametrize("kind", ALL)
def test_a_rewriter_that_changes_a_colour_is_found_out(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right = icc_minimal.minimal

    def wrong(profile: bytes, where: str) -> bytes:
        fresh = right(profile, where)
        return fresh[:-6] + bytes((fresh[-6] ^ 1,)) + fresh[-5:]

    monkeypatch.setattr(icc_minimal, "minimal", wrong)
    with pytest.raises(NotClean, match="more or other than colours"):
        clean(ALL[kind](PROFILE), keep=MINIMAL)


def test_the_profile_of_a_tile_counts_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    def tile(number: int, seed: int, **more: object) -> h.Part:
        part = h.hevc_item(number, seed, **more)  # type: ignore[arg-type]
        part.props.append((b"colr", b"prof" + PROFILE, False))
        return part

    data = h.tiled(tile=tile).build()
    assert hidden(data)
    assert not hidden(clean(data, keep=MINIMAL).data(data))
    monkeypatch.setattr(heif_image, "anew", lambda profile, where: profile)
    with pytest.raises(NotClean, match="more than colours"):
        clean(data, keep=MINIMAL)


def test_a_sequence_too() -> None:
    entry = m.visual(b"hvc1", box(b"hvcC", FAKE_HVCC), q.CCST, box(b"colr", b"prof", PROFILE))
    data = q.Sequence(tracks=[q.pictures(entries=(entry,))]).build()
    assert hidden(data)
    assert not hidden(clean(data, keep=MINIMAL).data(data))


@given(st.integers(0, len(BARE) - 1), st.integers(1, 255))
def test_no_byte_of_it_may_differ(at: int, change: int) -> None:
    other = BARE[:at] + bytes((BARE[at] ^ change,)) + BARE[at + 1 :]
    assert is_bare(BARE)
    assert same_colours(PROFILE, BARE)
    assert not (is_bare(other) and same_colours(PROFILE, other))


@pytest.mark.parametrize("version", [2, 4])
@pytest.mark.parametrize("name", [*icc_minimal._NAMES, "profile", "Dr Example's screen"])
def test_only_standard_names_pass(name: str, version: int) -> None:
    header = j.profile()[:8] + bytes((version,)) + j.profile()[9:]
    written = {b"desc": icc_minimal._named(name, version), b"cprt": icc_minimal._text("-", version)}
    colours = {tag: data for tag, data in tags(j.profile()).items() if tag in icc_minimal._KEPT}
    assert is_bare(icc_minimal._assemble(header, written | colours)) is (name != "Dr Example's screen")


@pytest.mark.parametrize(
    "table", [{}, {b"mine": b"text" + bytes(4) + b"abc"}, {b"A2B0": b"mft1abcd" + bytes(8)}]
)
def test_what_else_stands_in_a_profile_is_seen(table: dict[bytes, bytes]) -> None:
    found = {tag: data for tag, data in tags(BARE).items() if table or tag != b"cprt"}
    assert not is_bare(icc_minimal._assemble(BARE, found | table))


@given(st.binary(max_size=400))
def test_it_ends_on_any_bytes(noise: bytes) -> None:
    for data in (noise, BARE[:128] + noise, BARE[:132] + noise):
        assert not is_bare(data)
        same_colours(BARE, data.ljust(64))


def test_the_profiles_of_real_photos_pass(corpus: Path) -> None:
    seen = 0
    for path in sorted((corpus / "photos").rglob("*")):
        data = path.read_bytes() if path.is_file() else b""
        try:
            profile = icc_of(data, sniff(data))
            fresh = icc_minimal.minimal(profile, "") if profile else b""
        except MedsnapError:
            continue
        if profile:
            assert is_bare(fresh), path.name
            assert same_colours(profile, fresh), path.name
            seen += 1
    assert seen > 10
