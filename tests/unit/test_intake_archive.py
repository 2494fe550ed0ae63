"""Archives: what is taken comes out byte for byte, and each trap is refused alone."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medsnap.errors import IoFailed
from medsnap.intake import archive
from medsnap.intake import archive_entry as say
from medsnap.intake.archive_entry import ArchiveLimits, Entry, Refused
from medsnap.intake.archive_names import Taken, safe
from medsnap.model.photo import ArchiveKind, MediaType
from tests.builders import archive as a
from tests.builders import jpeg as j
from tests.builders.archive import Part, zipped

PHOTO = j.base()
FILES = {"DCIM/IMG_1.jpg": PHOTO, "DCIM/ä/notes.txt": b"hello" * 999, "empty.jpg": b""}


def look(
    tmp_path: Path, data: bytes, kind: ArchiveKind = ArchiveKind.ZIP, **limits: int
) -> tuple[dict[str, bytes], dict[str, str]]:
    """Give what is taken with its bytes, and what is refused with the reason."""
    path = tmp_path / "archive"
    path.write_bytes(data)
    good, bad = {}, {}
    for found in archive.entries(path, kind, ArchiveLimits(**limits)):
        if isinstance(found, Refused):
            bad[found.path] = found.reason
            continue
        source = archive.source_of(path, path.stat(), found, found.path)
        with archive.opened_archive(path) as file:
            try:
                good[found.path] = archive.reader(file, source).read()
            except IoFailed as problem:
                bad[found.path] = problem.message
    return good, bad


@pytest.mark.parametrize(
    "make",
    [
        lambda: (a.library_zip(FILES), ArchiveKind.ZIP),
        lambda: (a.library_zip(FILES, stored=True), ArchiveKind.ZIP),
        lambda: (a.library_zip(FILES, wide=True), ArchiveKind.ZIP),
        lambda: (a.library_tar(FILES), ArchiveKind.TAR),
        lambda: (a.library_tar(FILES, form=tarfile.GNU_FORMAT), ArchiveKind.TAR),
        lambda: (a.library_tar(FILES, "w:gz"), ArchiveKind.TAR_GZ),
        lambda: (a.library_tar(FILES, "w:bz2"), ArchiveKind.TAR_BZ2),
        lambda: (a.library_tar(FILES, "w:xz"), ArchiveKind.TAR_XZ),
    ],
    ids=["zip", "stored", "zip64", "tar", "gnu", "gz", "bz2", "xz"],
)
def test_members_come_out_as_they_went_in(
    make: Callable[[], tuple[bytes, ArchiveKind]], tmp_path: Path
) -> None:
    data, kind = make()
    assert look(tmp_path, data, kind) == (FILES, {})


def test_types_come_from_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(a.library_zip({"notes.txt": PHOTO, "IMG_1.jpg": b"hello"}))
    found = [e for e in archive.entries(tmp_path / "x", ArchiveKind.ZIP) if isinstance(e, Entry)]
    assert [(e.path, e.media) for e in found] == [
        ("notes.txt", MediaType.JPEG),
        ("IMG_1.jpg", MediaType.UNKNOWN),
    ]


def test_a_tiff_is_told_apart_by_a_directory_at_its_end(tmp_path: Path) -> None:
    body = b"II*\x00" + (8 + 70_000).to_bytes(4, "little") + Random(1).randbytes(70_000)
    dng = body + b"\x01\x00" + b"\x12\xc6\x01\x00\x04\x00\x00\x00\x01\x04\x00\x00" + bytes(4)
    for kind, data in (
        (ArchiveKind.ZIP, a.library_zip({"a.dng": dng, "b.jpg": PHOTO})),
        (ArchiveKind.TAR_GZ, a.library_tar({"a.dng": dng, "b.jpg": PHOTO}, "w:gz")),
    ):
        (tmp_path / "x").write_bytes(data)
        found = [e.media for e in archive.entries(tmp_path / "x", kind) if isinstance(e, Entry)]
        assert found == [MediaType.DNG, MediaType.JPEG]


GOOD = Part(name=b"good.jpg", content=PHOTO)
ZIP_TRAPS = {
    "slip": (Part(name=b"../../evil.jpg", content=PHOTO), say.UNSAFE),
    "inner slip": (Part(name=b"a/../../evil.jpg", content=PHOTO), say.UNSAFE),
    "absolute": (Part(name=b"/etc/evil.jpg", content=PHOTO), say.UNSAFE),
    "drive": (Part(name=b"C:\\evil.jpg", content=PHOTO), say.UNSAFE),
    "backslash slip": (Part(name=b"..\\..\\evil.jpg", content=PHOTO), say.UNSAFE),
    "nul": (Part(name=b"evil.jpg\x00.txt", content=PHOTO), say.UNSAFE),
    "escape": (Part(name=b"evil\x1b[2J.jpg", content=PHOTO), say.UNSAFE),
    "link": (Part(name=b"link.jpg", content=b"/etc/passwd", outer=a.LINK), say.LINK),
    "device": (Part(name=b"null.jpg", outer=a.DEVICE), say.SPECIAL),
    "folder with bytes": (Part(name=b"f/", content=PHOTO, outer=a.FOLDER), say.SPECIAL),
    "encrypted": (Part(name=b"e.jpg", content=PHOTO, flags=1), say.ENCRYPTED),
    "strongly encrypted": (Part(name=b"e.jpg", content=PHOTO, flags=0x40), say.ENCRYPTED),
    "aes": (Part(name=b"e.jpg", content=PHOTO, method=99), say.ENCRYPTED),
    "method": (
        Part(name=b"m.jpg", content=PHOTO, method=12),
        "refused: packed by method 12; unpack the archive first",
    ),
    "bomb": (Part(name=b"b.jpg", content=bytes(20_000_000)), say.RATIO),
    "lying name": (Part(name=b"l.jpg", content=PHOTO, local_name=b"../l.jpg"), say.DISAGREES),
    "past the end": (Part(name=b"p.jpg", content=PHOTO, packed=1 << 20), say.DISAGREES),
    "stored, two sizes": (Part(name=b"s.jpg", content=PHOTO, method=0, size=9), say.DISAGREES),
    "bad sum": (
        Part(name=b"c.jpg", content=PHOTO, crc32=1),
        "refused: a file in the archive is damaged: its check sum is wrong",
    ),
    "longer than it says": (
        Part(name=b"z.jpg", content=PHOTO, size=100),
        "refused: a file in the archive is longer than the archive says",
    ),
    "shorter than it says": (
        Part(name=b"z.jpg", content=PHOTO, size=len(PHOTO) + 1),
        "refused: a file in the archive is cut short",
    ),
    "same name": (Part(name=b"GOOD.JPG", content=PHOTO), say.TWICE),
    "below a file": (Part(name=b"good.jpg/x.jpg", content=PHOTO), say.TWICE),
}


@pytest.mark.parametrize(("part", "reason"), ZIP_TRAPS.values(), ids=ZIP_TRAPS.keys())
def test_a_hostile_zip_member_is_refused_alone(part: Part, reason: str, tmp_path: Path) -> None:
    good, bad = look(tmp_path, zipped(GOOD, part, Part(name=b"last.jpg", content=PHOTO)))
    if "past the end" not in reason and part.packed is None:
        assert good == {"good.jpg": PHOTO, "last.jpg": PHOTO}
    assert good["good.jpg"] == PHOTO
    assert reason in bad.values()
    assert len(bad) == (1 if part.packed is None else 2)


def test_two_rows_for_the_same_bytes_are_both_refused(tmp_path: Path) -> None:
    one = Part(name=b"a.jpg", content=PHOTO)
    other = Part(name=b"a.jpg", content=PHOTO, header=0)
    good, bad = look(tmp_path, zipped(one, other, GOOD))
    assert good == {"good.jpg": PHOTO}
    assert bad == {"a.jpg": say.OVERLAP}


def test_a_quoted_overlap_bomb_is_refused(tmp_path: Path) -> None:
    """The first member quotes the header of the second in a stored block, so both share a kernel of data."""
    kernel = a.raw_deflate(bytes(100_000))
    inner = zipped(Part(name=b"b.jpg", content=bytes(100_000)))
    header = inner[: 30 + 5]
    outer_data = b"\x00" + len(header).to_bytes(2, "little")
    outer_data += (0xFFFF ^ len(header)).to_bytes(2, "little") + header + kernel
    first = zipped(Part(name=b"a.jpg", content=outer_data, method=0))
    body = first[: 30 + 5 + len(outer_data)]
    body = body[:8] + b"\x08\x00" + body[10:]  # the local header says deflated
    second = 30 + 5 + 5
    rows = b""
    for name, at, packed, size in (
        (b"a.jpg", 0, len(outer_data), len(header) + 100_000),
        (b"b.jpg", second, len(kernel), 100_000),
    ):
        part = zipped(Part(name=name, content=b"", packed=packed, size=size, header=at))
        rows += part[part.index(b"PK\x01\x02") : part.index(b"PK\x05\x06")]
    data = body + rows + b"PK\x05\x06" + bytes(4) + b"\x02\x00\x02\x00"
    data += len(rows).to_bytes(4, "little") + len(body).to_bytes(4, "little") + bytes(2)
    good, bad = look(tmp_path, data, ratio=10_000)
    assert good == {}
    assert set(bad.values()) <= {say.OVERLAP, say.DISAGREES}
    assert say.OVERLAP in bad.values()


def test_bytes_behind_a_stream_that_fills_a_piece(tmp_path: Path) -> None:
    """The stream ends where a read of 64 KiB ends, so the inflater alone does not see what follows."""
    content = Random(2).randbytes(65_526)
    data = b""
    for last, block in ((0, content[:60_000]), (1, content[60_000:])):
        size = len(block)
        data += bytes((last,)) + size.to_bytes(2, "little") + (0xFFFF ^ size).to_bytes(2, "little") + block
    assert len(data) == 64 << 10
    good, bad = look(tmp_path, zipped(Part(content=content, data=data), GOOD))
    assert (good, bad) == ({"a.jpg": content, "good.jpg": PHOTO}, {})
    good, bad = look(tmp_path, zipped(Part(content=content, data=data + b"secret"), GOOD))
    assert good == {"good.jpg": PHOTO}
    assert "longer" in bad["a.jpg"]


BROKEN = {
    "cut": lambda z: z[: len(z) // 2],
    "no end": lambda z: z[:-22],
    "bytes before": lambda z: b"MZ" + z,
    "bytes behind": lambda z: z + b"x",
    "bytes before the directory": lambda z: z.replace(b"PK\x01\x02", b"xPK\x01\x02", 1),
    "bytes behind the directory": lambda z: z[:-22] + b"secret" + z[-22:],
    "parts": lambda z: z[:-18] + b"\x01" + z[-17:],
    "empty": lambda z: b"",
}


@pytest.mark.parametrize("harm", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_zip_gives_nothing(harm: Callable[[bytes], bytes], tmp_path: Path) -> None:
    good, bad = look(tmp_path, harm(zipped(GOOD)))
    assert good == {}
    assert list(bad) == [""]


def test_limits(tmp_path: Path) -> None:
    many = zipped(*(Part(name=b"%d.jpg" % n, content=PHOTO) for n in range(9)))
    assert list(look(tmp_path, many, entries=8)[1]) == [""]
    good, bad = look(tmp_path, many, total_bytes=3 * len(PHOTO))
    assert (len(good), list(bad)) == (3, [""])
    assert set(look(tmp_path, many, file_bytes=9)[1].values()) == {say.TOO_LARGE}
    tar = a.library_tar({f"{n}.jpg": PHOTO for n in range(9)})
    good, bad = look(tmp_path, tar, ArchiveKind.TAR, entries=8)
    assert (len(good), list(bad)) == (8, [""])


TAR_TRAPS = {
    "slip": (a.member(b"../evil.jpg", PHOTO), say.UNSAFE),
    "absolute": (a.member(b"/evil.jpg", PHOTO), say.UNSAFE),
    "pax slip": (a.pax(path=b"../../evil.jpg") + a.member(b"fine.jpg", PHOTO), say.UNSAFE),
    "long name slip": (a.member(b"L", b"../evil.jpg\x00", b"L") + a.member(b"fine.jpg", PHOTO), say.UNSAFE),
    "link": (a.header(b"l.jpg", 0, b"2", link=b"/etc/passwd"), say.LINK),
    "hard link": (a.header(b"l.jpg", 0, b"1", link=b"good.jpg"), say.LINK),
    "link with a size": (a.header(b"l.jpg", 512, b"2", link=b"/etc/passwd"), say.LINK),
    "device": (a.header(b"d.jpg", 0, b"3"), say.SPECIAL),
    "pipe": (a.header(b"p.jpg", 0, b"6"), say.SPECIAL),
    "sparse": (a.pax(GNU_sparse_major=b"1") + a.member(b"s.jpg", PHOTO), say.SPARSE),
    "unknown": (a.member(b"u.jpg", PHOTO, b"Z"), say.UNKNOWN),
    "same name": (a.member(b"./good.jpg", PHOTO), say.TWICE),
}


@pytest.mark.parametrize("packed", [False, True], ids=["tar", "tar.gz"])
@pytest.mark.parametrize(("part", "reason"), TAR_TRAPS.values(), ids=TAR_TRAPS.keys())
def test_a_hostile_tar_member_is_refused_alone(
    part: bytes, reason: str, packed: bool, tmp_path: Path
) -> None:
    data = a.member(b"good.jpg", PHOTO) + part + a.member(b"last.jpg", PHOTO) + bytes(1024)
    kind = ArchiveKind.TAR_GZ if packed else ArchiveKind.TAR
    good, bad = look(tmp_path, gzip.compress(data) if packed else data, kind)
    assert good == {"good.jpg": PHOTO, "last.jpg": PHOTO}
    assert list(bad.values()) == [reason]


TAR_BREAKS = {
    "sum": a.header(b"x.jpg", 0).replace(b"ustar", b"Ustar"),
    "size": a.header(b"x.jpg", 0)[:124] + b"\xff" * 12 + a.header(b"x.jpg", 0)[136:],
    "pax": a.member(b"pax", b"99 path=x\n", b"x"),
    "pax size": a.pax(size=b"-1"),
    "large pax": a.header(b"pax", 2 << 20, b"x"),
    "all renamed": a.member(b"pax", b"15 path=other\n\n", b"g"),
}


@pytest.mark.parametrize("part", TAR_BREAKS.values(), ids=TAR_BREAKS.keys())
def test_what_comes_before_the_damage_is_taken(part: bytes, tmp_path: Path) -> None:
    data = a.member(b"good.jpg", PHOTO) + part + a.member(b"lost.jpg", PHOTO) + bytes(1024)
    good, bad = look(tmp_path, data, ArchiveKind.TAR)
    assert good == {"good.jpg": PHOTO}
    assert list(bad) == [""]


@pytest.mark.parametrize(
    ("kind", "pack"),
    [
        (ArchiveKind.TAR_GZ, gzip.compress),
        (ArchiveKind.TAR_BZ2, bz2.compress),
        (ArchiveKind.TAR_XZ, lzma.compress),
    ],
)
def test_compressed_tars(kind: ArchiveKind, pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    parts = [a.member(b"%d.jpg" % n, PHOTO * 40) for n in range(6)]
    whole = {f"{n}.jpg": PHOTO * 40 for n in range(6)}
    tar = b"".join(parts) + bytes(1024)
    assert look(tmp_path, pack(tar), kind) == (whole, {})
    several = b"".join(pack(part) for part in [*parts, bytes(1024)])
    assert look(tmp_path, several, kind) == (whole, {})
    assert look(tmp_path, pack(tar) + bytes(512), kind) == (whole, {})
    good, bad = look(tmp_path, pack(tar)[:-40], kind)
    assert set(good.values()) <= {PHOTO * 40}
    assert bad


def test_members_of_a_compressed_tar_are_read_in_any_order(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(a.library_tar({f"{n}.jpg": PHOTO + bytes((n,)) * 9999 for n in range(5)}, "w:gz"))
    found = [e for e in archive.entries(path, ArchiveKind.TAR_GZ) if isinstance(e, Entry)]
    for entry in [*reversed(found), *found]:
        source = archive.source_of(path, path.stat(), entry, entry.path)
        with archive.opened_archive(path) as file:
            assert archive.reader(file, source).read() == PHOTO + bytes((int(entry.path[0]),)) * 9999


def test_a_gzip_bomb_stops(tmp_path: Path) -> None:
    bomb = gzip.compress(a.member(b"good.jpg", PHOTO) + a.member(b"zero.jpg", bytes(200 << 20)), 9)
    good, bad = look(tmp_path, bomb, ArchiveKind.TAR_GZ)
    assert good == {"good.jpg": PHOTO}
    assert "far more" in bad["zero.jpg"] or "far more" in bad.get("", "")


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("a/b.jpg", "a/b.jpg"),
        ("./a//b.jpg", "a/b.jpg"),
        ("a\\b.jpg", "a/b.jpg"),
        ("..", None),
        ("a/..", None),
        ("", None),
        (".", None),
        ("//x", None),
        ("c:x", None),
        ("x" * 256, None),
        ("/".join("x" * 65), None),
        ("a\n.jpg", None),
        ("a\u202egpj.exe", None),
        ("a\x85.jpg", None),
        ("a\u2028.jpg", None),
        ("a\u2067b.jpg", None),
        ("…/x.jpg", "…/x.jpg"),
        ("Screenshot at 9.04.22\u202fPM.png", "Screenshot at 9.04.22\u202fPM.png"),
        ("写真\u30001.jpg", "写真\u30001.jpg"),
        ("\U0001f468\u200d\U0001f469\u200d\U0001f467.jpg", "\U0001f468\u200d\U0001f469\u200d\U0001f467.jpg"),
        ("\u200eWhatsApp 1.jpg", "\u200eWhatsApp 1.jpg"),
    ],
)
def test_names(name: str, path: str | None) -> None:
    assert safe(name) == path


@given(st.text(max_size=40))
def test_a_safe_name_never_leaves_its_folder(name: str) -> None:
    path = safe(name)
    if path is not None:
        root = Path("/root/below")
        assert Path(root, path).resolve().is_relative_to(root)
        assert safe(path) == path


def test_places_are_given_away_once() -> None:
    taken = Taken()
    assert taken.take("A/b.jpg")
    assert not taken.take("a/B.JPG")
    assert not taken.take("a")
    assert not taken.take("a/b.jpg/c.jpg")
    assert taken.take("a/c.jpg")


SEEDS = [
    (ArchiveKind.ZIP, a.library_zip(FILES)),
    (ArchiveKind.ZIP, a.library_zip(FILES, wide=True)),
    (ArchiveKind.TAR, a.library_tar(FILES)),
    (ArchiveKind.TAR_GZ, a.library_tar(FILES, "w:gz")),
    (ArchiveKind.TAR_XZ, a.library_tar(FILES, "w:xz")),
]


@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    seed=st.sampled_from(SEEDS),
    edits=st.lists(st.tuples(st.integers(0, 1 << 16), st.binary(min_size=1, max_size=4)), max_size=6),
)
def test_mutations_end_in_order(
    seed: tuple[ArchiveKind, bytes], edits: list[tuple[int, bytes]], tmp_path: Path
) -> None:
    kind, data = seed
    changed = bytearray(data)
    for place, new in edits:
        at = place % len(changed)
        changed[at : at + len(new)] = new
    good, _ = look(tmp_path, bytes(changed), kind)
    for path, content in good.items():
        assert safe(path) == path
        assert kind is not ArchiveKind.ZIP or not content or content in FILES.values()
