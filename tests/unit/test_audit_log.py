"""The log: what is appended stands, crashes leave no torn log, every change is found and named."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from medsnap.audit import checkpoint, files, merkle, tiles
from medsnap.audit.log import Log
from medsnap.crypto.note import Verifier, generate
from medsnap.errors import IoFailed, KeyRefused, Locked, Malformed, Tampered, TooLarge
from medsnap.platform import kernel_lock

ORIGIN = "example.com/log"
SIGNER = generate("example.com/ingest", random.Random(1).randbytes)
THIEF = generate("example.com/thief", random.Random(2).randbytes)
KNOWN = [Verifier.parse(SIGNER.vkey)]


def entries(start: int, stop: int) -> list[bytes]:
    return [f"entry {n}".encode() * (n % 3) for n in range(start, stop)]


def filled(root: Path, *sizes: int) -> Log:
    log = Log(root, ORIGIN)
    for old, new in zip((0, *sizes), sizes, strict=False):
        log.append(entries(old, new), SIGNER)
    return log


def root_of(size: int) -> bytes:
    return merkle.root_of([merkle.leaf_hash(e) for e in entries(0, size)])


def files_of(root: Path) -> list[str]:
    return sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file())


def test_checkpoint_and_tiles_have_the_names_and_bytes_of_the_standard(tmp_path: Path) -> None:
    log = filled(tmp_path, 257)
    assert files_of(tmp_path) == [
        "checkpoint", "lock", "tile/0/000", "tile/0/001.p/1", "tile/1/000.p/1", "tile/entries/000",
        "tile/entries/001.p/1",
    ]  # fmt: skip
    assert (tmp_path / "tile/entries/001.p/1").read_bytes() == b"\x00\x09entry 256"
    assert (tmp_path / "tile/0/001.p/1").read_bytes() == merkle.leaf_hash(b"entry 256")
    assert (tmp_path / "tile/1/000.p/1").read_bytes() == root_of(256)
    text = (tmp_path / "checkpoint").read_text().split("\n")
    assert text[:2] == [ORIGIN, "257"] and text[3] == "" and text[4].startswith("— example.com/ingest ")
    assert log.head() == checkpoint.parse_unverified((tmp_path / "checkpoint").read_bytes())


@pytest.mark.parametrize(
    ("index", "width", "name"),
    [(0, 256, "000"), (1, 3, "001.p/3"), (1000, 256, "x001/000"), (1234067, 256, "x001/x234/067")],
)
def test_tile_names(index: int, width: int, name: str) -> None:
    assert tiles.tile_name(0, index, width) == f"tile/0/{name}"
    assert tiles.bundle_name(index, width) == f"tile/entries/{name}"


def test_the_widths_of_the_standards_example() -> None:
    assert [tiles.widths(70_000, level) for level in range(3)] == [(273, 112), (1, 17), (0, 1)]
    assert [tiles.widths(256, level) for level in range(2)] == [(1, 0), (0, 1)]


@pytest.mark.parametrize(
    "sizes", [(1,), (1, 2, 3), (255, 256, 257), (256,), (300, 301, 900), (511, 513), (1, 1000)]
)
def test_what_is_appended_stands(tmp_path: Path, sizes: tuple[int, ...]) -> None:
    log = filled(tmp_path, *sizes)
    last = sizes[-1]
    assert log.size() == last
    assert list(log.entries()) == entries(0, last)
    for start in (1, last - 1, last, 256):
        assert list(log.entries(start)) == entries(0, last)[start:]
    report = log.verify(KNOWN)
    assert (report.size, report.root, report.signers) == (last, root_of(last), (SIGNER.vkey,))
    assert report.witnessed is None


def test_a_large_log_over_three_levels(tmp_path: Path) -> None:
    log = filled(tmp_path, 65_000, 65_536, 66_000)
    report = log.verify(KNOWN)
    assert report.root == root_of(66_000)
    assert (tmp_path / "tile/2/000.p/1").read_bytes() == root_of(65_536)
    for index in (0, 255, 65_535, 65_999):
        leaf = merkle.leaf_hash(entries(index, index + 1)[0])
        assert merkle.verify_inclusion(leaf, index, 66_000, log.inclusion_proof(index), report.root)
    for old in (1, 256, 65_000, 66_000):
        proof = log.consistency_proof(old)
        assert merkle.verify_consistency(old, root_of(old), 66_000, report.root, proof)


def test_an_append_of_nothing_makes_a_signed_empty_log(tmp_path: Path) -> None:
    log = Log(tmp_path / "deep" / "log", ORIGIN)
    assert log.size() == 0 and list(log.entries()) == []
    assert log.append([], SIGNER).root == merkle.EMPTY_ROOT
    assert log.verify(KNOWN).size == 0


def test_limits(tmp_path: Path) -> None:
    log = Log(tmp_path, ORIGIN)
    with pytest.raises(TooLarge):
        log.append([bytes(65_536)], SIGNER)
    log.append([bytes(65_535)], SIGNER)
    assert list(log.entries()) == [bytes(65_535)]


def test_a_second_appender_waits_and_then_says_who_holds_the_log(tmp_path: Path) -> None:
    waits: list[float] = []
    log = Log(tmp_path, ORIGIN, wait=waits.append)
    with kernel_lock(tmp_path / "lock", what="it"), pytest.raises(Locked):
        log.append([b"x"], SIGNER)
    assert len(waits) > 10
    assert log.append([b"x"], SIGNER).size == 1


# --- crashes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("before", "after"), [(0, 3), (3, 7), (250, 300), (255, 256), (256, 513)])
def test_a_crash_at_any_write_leaves_the_old_log_and_the_next_append_recovers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: int, after: int
) -> None:
    real: Callable[[Path, bytes], None] = files.write_durably
    step = 0
    crashed = True
    while crashed:
        root = tmp_path / str(step)
        log = filled(root, before) if before else Log(root, ORIGIN)
        left, crashed = step, False

        def write(path: Path, data: bytes) -> None:
            nonlocal left, crashed
            if left == 0:
                crashed = True
                path.with_name(path.name + ".half").write_bytes(data[: len(data) // 2])
                raise OSError(28, "No space left on device")
            left -= 1
            real(path, data)

        with monkeypatch.context() as patch:
            patch.setattr(files, "write_durably", write)
            try:
                log.append(entries(before, after), SIGNER)
            except IoFailed:
                assert crashed
        reopened = Log(root, ORIGIN)
        if crashed:
            assert reopened.size() == before
            assert list(reopened.entries()) == entries(0, before)
            if before:
                assert reopened.verify(KNOWN).root == root_of(before)
            # other entries than those of the crashed append: nothing of it may shine through
            reopened.append([b"other"] * 9, SIGNER)
            assert list(reopened.entries()) == entries(0, before) + [b"other"] * 9
            reopened.verify(KNOWN)
        else:
            assert reopened.verify(KNOWN).root == root_of(after)
        step += 1
    assert step >= 4


# --- tampering ---------------------------------------------------------------------------------


def copies(log: Log, tmp_path: Path) -> Callable[[], Path]:
    count = 0

    def fresh() -> Path:
        nonlocal count
        count += 1
        target = tmp_path / f"copy{count}"
        shutil.copytree(log.root, target)
        return target

    return fresh


def test_every_file_changed_cut_or_removed_is_found_with_its_place(tmp_path: Path) -> None:
    log = filled(tmp_path / "log", 300)
    fresh = copies(log, tmp_path)
    names = [n for n in files_of(log.root) if n != "lock"]
    assert len(names) == 6
    for name in names:
        size = (log.root / name).stat().st_size
        for at in {0, 1, size // 2, size - 1}:
            root = fresh()
            data = bytearray((root / name).read_bytes())
            data[at] ^= 1
            (root / name).write_bytes(data)
            assert_found(root, name)
        for change in ("cut", "longer", "removed"):
            root = fresh()
            data = bytearray((root / name).read_bytes())
            if change == "removed":
                (root / name).unlink()
            else:
                (root / name).write_bytes(data[:-1] if change == "cut" else data + b"x")
            assert_found(root, name)


def assert_found(root: Path, name: str) -> None:
    with pytest.raises(Tampered) as found:
        Log(root, ORIGIN).verify(KNOWN)
    where = found.value.where
    assert where.startswith("log/")
    assert name.removesuffix(".p/44") in where


def test_a_changed_entry_is_named(tmp_path: Path) -> None:
    log = filled(tmp_path, 300)
    path = tmp_path / "tile/entries/001.p/44"
    path.write_bytes(path.read_bytes().replace(b"entry 277", b"entry 999"))
    with pytest.raises(Tampered) as found:
        log.verify(KNOWN)
    assert found.value.where.endswith("entry 277") and "entry 277" in found.value.message


def test_entries_rewritten_with_their_tiles_still_miss_the_signed_root(tmp_path: Path) -> None:
    log = filled(tmp_path / "log", 300)
    forged = Log(tmp_path / "forged", ORIGIN)
    forged.append([*entries(0, 7), b"forged", *entries(8, 300)], SIGNER)
    (forged.root / "checkpoint").write_bytes((log.root / "checkpoint").read_bytes())
    with pytest.raises(Tampered, match="signed root"):
        forged.verify(KNOWN)
    with pytest.raises(Tampered):
        forged.append([b"x"], SIGNER)


def test_a_log_signed_by_somebody_else_or_of_another_origin_is_refused(tmp_path: Path) -> None:
    Log(tmp_path / "a", ORIGIN).append([b"x"], THIEF)
    with pytest.raises(Tampered, match="no known key"):
        Log(tmp_path / "a", ORIGIN).verify(KNOWN)
    Log(tmp_path / "b", "example.com/other").append([b"x"], SIGNER)
    for call in (Log(tmp_path / "b", ORIGIN).size, lambda: Log(tmp_path / "b", ORIGIN).verify(KNOWN)):
        with pytest.raises(Tampered, match="another log"):
            call()


def test_a_removed_checkpoint_does_not_make_a_new_log(tmp_path: Path) -> None:
    log = filled(tmp_path, 3)
    (tmp_path / "checkpoint").unlink()
    for call in (log.size, lambda: log.append([b"x"], SIGNER), lambda: log.verify(KNOWN)):
        with pytest.raises(Tampered):
            call()


# --- outside checkpoints -----------------------------------------------------------------------


@pytest.mark.parametrize("kept", [1, 255, 256, 300])
def test_an_outside_checkpoint_makes_it_witnessed(tmp_path: Path, kept: int) -> None:
    note = filled(tmp_path, kept).append([], SIGNER).note
    log = Log(tmp_path, ORIGIN)
    log.append(entries(kept, 700), SIGNER)
    assert log.verify(KNOWN, witnessed=note).witnessed == kept


def test_a_cut_log_is_consistent_alone_and_found_with_an_outside_checkpoint(tmp_path: Path) -> None:
    short = filled(tmp_path / "a", 10)
    long = filled(tmp_path / "b", 10, 12).append([], SIGNER)
    assert short.verify(KNOWN).witnessed is None
    with pytest.raises(Tampered, match="was cut"):
        short.verify(KNOWN, witnessed=long.note)


def test_a_fork_is_found_with_an_outside_checkpoint(tmp_path: Path) -> None:
    kept = filled(tmp_path / "a", 10).append([], SIGNER)
    fork = Log(tmp_path / "b", ORIGIN)
    fork.append([*entries(0, 4), b"forged", *entries(5, 20)], SIGNER)
    fork.verify(KNOWN)
    with pytest.raises(Tampered, match="rewritten"):
        fork.verify(KNOWN, witnessed=kept.note)
    same = Log(tmp_path / "c", ORIGIN)
    same.append([b"other"] * 10, SIGNER)
    with pytest.raises(Tampered, match="rewritten"):
        same.verify(KNOWN, witnessed=kept.note)


@pytest.mark.parametrize("size", [1, 5, 256, 300])
def test_a_host_never_signs_a_log_that_was_put_back(tmp_path: Path, size: int) -> None:
    log = filled(tmp_path / "a", size)
    seen = log.append([], SIGNER).note
    assert log.append([b"x"], SIGNER, seen=seen).size == size + 1
    back = filled(tmp_path / "b", size - 1) if size > 1 else Log(tmp_path / "b", ORIGIN)
    with pytest.raises(Tampered, match="this host has seen"):
        back.append([b"x"], SIGNER, seen=seen)
    back.append([b"another", b"and one more"], SIGNER)
    with pytest.raises(Tampered, match=f"signed root at entry {size}"):
        back.append([b"x"], SIGNER, seen=seen)


@pytest.mark.parametrize("name", ["garbage", "unsigned", "other origin", "thief"])
def test_an_outside_checkpoint_that_proves_nothing_is_refused(tmp_path: Path, name: str) -> None:
    log = filled(tmp_path / "a", 3)
    note = {
        "garbage": b"hello",
        "unsigned": b"\n".join(log.append([], SIGNER).note.split(b"\n")[:3]) + b"\n",
        "other origin": checkpoint.sign("example.com/x", 3, root_of(3), [SIGNER]).note,
        "thief": checkpoint.sign(ORIGIN, 3, root_of(3), [THIEF]).note,
    }[name]
    with pytest.raises(KeyRefused):
        log.verify(KNOWN, witnessed=note)


@pytest.mark.parametrize(
    "text",
    ["", "a\n", "a\n1\n", "a\n01\nx\n", "a\n1\nAAAA\n", "a\n-1\n" + "A" * 43 + "=\n",
     "\n1\n" + "A" * 43 + "=\n",
     "a\n1\n" + "A" * 43 + "=\n\nx\n", "a\n1\n" + "A" * 42 + "B=\n"],
)  # fmt: skip
def test_what_is_no_checkpoint(text: str) -> None:
    with pytest.raises(Malformed):
        checkpoint.parse_unverified(text.encode() + b"\n" + SIGNER.sign(text).encode())


def test_the_checkpoint_of_the_standard_is_read() -> None:
    note = (
        "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
        "— example.com/behind-the-sofa "
        "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
    ).encode()
    head = checkpoint.parse_unverified(note)
    assert (head.origin, head.size, head.root[:2].hex()) == ("example.com/behind-the-sofa", 20852163, "0ac5")
    assert note.startswith(head.text.encode() + b"\n")
