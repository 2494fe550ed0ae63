"""`ingest --delete-source`: what is safe goes, all else stays, and the report promises no more than that."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from medsnap.commands import _photos
from tests.unit.test_export_command import Clinic
from tests.unit.vault.world import HerePool, photo

FOLDERS = ("", "all.zip/a/", "some.zip/a/")


class Pool(HerePool):
    """The examiners' work in this process."""

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *ended: object) -> None:
        return


class Ward(Clinic):
    """The clinic with a dump, whose members have proven that they open what is sealed."""

    @property
    def dump(self) -> Path:
        return self.folder / "dump"

    @property
    def manifest(self) -> str:
        return str(self.folder / "manifest.csv")

    @property
    def copy(self) -> Path:
        return self.folder / "copy"

    def shoot(self, *numbers: int) -> None:
        self.dump.mkdir(exist_ok=True)
        rows = ["file,mrn,issuer,birth_date,body_site,laterality"]
        rows += [f"{f}IMG_{n}.jpg,T1,2.999.1,1970-01-01,forearm,left" for f in FOLDERS for n in range(10)]
        (self.folder / "manifest.csv").write_text("\n".join(rows) + "\n")
        for number in numbers:
            (self.dump / f"IMG_{number}.jpg").write_bytes(photo(number))

    def ingest(self, *more: str) -> tuple[int, list[dict[str, Any]]]:
        words = (
            "ingest",
            str(self.dump),
            "--policy",
            "little-clinic",
            "--no-detect",
            "--vault",
            str(self.vault),
        )
        return self.run(*words, "--format", "ndjson", "--manifest", self.manifest, *more)

    def delete(self, *more: str) -> tuple[int, dict[str, str], dict[str, Any]]:
        """Return exit code, why each source stays ("" for those unlinked), and the summary."""
        code, lines = self.ingest("--delete-source", *more)
        said = {r["source"]: r.get("why", "") for r in lines if r.get("type") == "source"}
        return code, said, lines[-1]

    def prove(self) -> int:
        return self.run("vault", "prove", "--vault", str(self.vault), "--key-file", str(self.key))[0]

    def backup(self) -> None:
        assert self.run("vault", "copy", str(self.copy), "--vault", str(self.vault))[0] == 0

    def names(self) -> set[str]:
        return {p.name for p in self.dump.rglob("*")}


@pytest.fixture
def ward(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Ward]:
    monkeypatch.setattr(_photos, "pool", lambda *words, **more: Pool())
    made = Ward(tmp_path.resolve(), monkeypatch, capsys)
    made.shoot(1, 2)
    yield made


def test_nothing_is_deleted_before_a_member_has_proven_that_it_opens(ward: Ward) -> None:
    assert ward.ingest("--delete-source", "--one-copy")[0] == 77
    assert ward.names() == {"IMG_1.jpg", "IMG_2.jpg"}
    assert ward.prove() == 0
    code, said, summary = ward.delete("--one-copy")
    assert (code, said) == (0, {"IMG_1.jpg": "", "IMG_2.jpg": ""})
    assert summary["sources"] == {"unlinked": 2, "stay": {}}
    assert ward.names() == set()
    assert ward.run("vault", "check", "--vault", str(ward.vault))[0] == 0


def test_a_new_epoch_has_to_be_proven_again(ward: Ward) -> None:
    assert ward.prove() == 0
    sheet = ("--vault", str(ward.vault), "--root-key-file", str(ward.folder / "r"))
    assert ward.run("vault", "rotate", "intimate", *sheet)[0] == 0
    assert ward.ingest("--delete-source", "--one-copy")[0] == 77
    assert ward.prove() == 0
    assert ward.delete("--one-copy")[0] == 0


def test_a_photo_goes_only_when_the_copy_has_it_whole(ward: Ward) -> None:
    assert ward.prove() == 0
    assert ward.ingest()[0] == 0
    ward.backup()
    ward.shoot(3)
    code, said, _ = ward.delete("--second-copy", str(ward.copy))
    assert (code, {name for name, why in said.items() if not why}) == (0, {"IMG_1.jpg", "IMG_2.jpg"})
    assert said["IMG_3.jpg"].startswith("the second copy has not got it")
    ward.backup()
    damaged = max(
        (p for p in (ward.copy / "objects").rglob("*") if p.is_file()), key=lambda p: p.stat().st_mtime_ns
    )
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
    assert ward.delete("--second-copy", str(ward.copy))[1]["IMG_3.jpg"].startswith("the second copy")
    assert ward.names() == {"IMG_3.jpg"}


@pytest.mark.parametrize("second", ["the vault", "a link to it", "hard links", "another vault"])
def test_what_is_no_second_copy_is_not_taken_for_one(ward: Ward, second: str) -> None:
    assert ward.prove() == 0
    assert ward.ingest()[0] == 0
    if second == "the vault":
        ward.copy.symlink_to(ward.vault)
        words = str(ward.vault)
    elif second == "a link to it":
        ward.copy.symlink_to(ward.vault)
        words = str(ward.copy)
    elif second == "hard links":
        shutil.copytree(ward.vault, ward.copy, copy_function=lambda a, b: Path(b).hardlink_to(a))
        words = str(ward.copy)
    else:
        sheet = (
            "--no-input",
            "--key-file",
            str(ward.folder / "k2"),
            "--recovery-file",
            str(ward.folder / "r2"),
        )
        assert (
            ward.run("vault", "init", "--vault", str(ward.copy), "--compartment", "general", *sheet)[0] == 0
        )
        words = str(ward.copy)
    ward.ingest("--delete-source", "--second-copy", words)
    assert ward.names() == {"IMG_1.jpg", "IMG_2.jpg"}


def test_a_safeguarded_photo_keeps_its_source(ward: Ward) -> None:
    assert ward.prove() == 0
    words = ("ingest", str(ward.dump), "--policy", "hospital", "--no-detect", "--vault", str(ward.vault))
    _, lines = ward.run(*words, "--delete-source", "--one-copy", "--format", "ndjson")
    assert lines[-1]["sources"] == {
        "unlinked": 0,
        "stay": {"it is safeguarded: the source may be evidence": 2},
    }
    assert ward.names() == {"IMG_1.jpg", "IMG_2.jpg"}


def test_held_photos_companions_and_other_files_stay(ward: Ward) -> None:
    assert ward.prove() == 0
    (ward.dump / "IMG_9.jpg").write_bytes(photo(9)[:40])  # broken: sealed as it came, and held
    (ward.dump / "IMG_1.AAE").write_bytes(b"<plist/>")
    (ward.dump / "notes.txt").write_bytes(b"notes")
    code, said, summary = ward.delete("--one-copy")
    assert code == 3
    assert ward.names() == {"IMG_9.jpg", "IMG_1.AAE", "notes.txt"}
    assert said["IMG_9.jpg"] == "it is not sealed under a decision"
    assert summary["sources"]["unlinked"] == 2


def _broken(ward: Ward) -> None:
    [one, *_] = (p for p in (ward.vault / "objects").rglob("*") if p.is_file())
    one.write_bytes(one.read_bytes()[:-1] + b"?")


def _no_commit(ward: Ward) -> None:
    for path in (ward.vault / "commits").iterdir():
        path.unlink()


@pytest.mark.parametrize(("harm", "kept"), [(_broken, 1), (_no_commit, 2)], ids=["an object", "the commit"])
def test_what_does_not_verify_in_the_vault_keeps_its_source(
    ward: Ward, harm: Callable[[Ward], None], kept: int
) -> None:
    assert ward.prove() == 0
    assert ward.ingest()[0] == 0
    harm(ward)
    ward.delete("--one-copy")
    assert len(ward.names()) == kept


def test_a_moved_photo_keeps_its_source_and_is_taken_in_no_second_time(ward: Ward) -> None:
    assert ward.prove() == 0
    code, lines = ward.ingest()
    made = {line["source"]: line["object"] for line in lines if line["type"] == "photo"}
    words = ("vault", "move", made["IMG_1.jpg"], "--to", "safeguarding", "--reason", "x", "--policy")
    assert ward.run(*words, "little-clinic", "--vault", str(ward.vault), "--key-file", str(ward.key))[0] == 0
    code, said, summary = ward.delete("--one-copy")
    assert (code, summary["already"]) == (0, 2)
    assert (said["IMG_1.jpg"][:27], said["IMG_2.jpg"]) == ("its photo has another name ", "")
    assert ward.names() == {"IMG_1.jpg"}


def test_a_zip_goes_when_every_member_is_in_the_vault_and_stays_with_one_more(ward: Ward) -> None:
    assert ward.prove() == 0
    for name, more in (("all.zip", False), ("some.zip", True)):
        with zipfile.ZipFile(ward.dump / name, "w") as packed:
            packed.writestr("a/IMG_3.jpg", photo(3))
            packed.writestr("a/IMG_4.jpg", photo(4))
            if more:
                packed.writestr("a/letter.pdf", b"%PDF-1.7")
    _, said, _ = ward.delete("--one-copy")
    assert ward.names() == {"some.zip"}
    assert "not everything in the archive is in the vault" in said.values()


def test_the_report_never_says_more_than_unlinked(ward: Ward, capsys: pytest.CaptureFixture[str]) -> None:
    from medsnap.cli import root
    from medsnap.commands._main import run

    assert ward.prove() == 0
    words = ["ingest", str(ward.dump), "--policy", "little-clinic", "--no-detect", "--vault", str(ward.vault)]
    words += ["--manifest", ward.manifest, "--delete-source", "--one-copy"]
    assert run(root(), [*words, "--report", str(ward.folder / "report")]) == 0
    page = capsys.readouterr().out
    assert "2 sources unlinked." in page
    assert "flash memory, snapshots" in page.replace("\n", " ")
    assert "shred" not in page
    lines = [json.loads(line) for line in (ward.folder / "report").read_text().splitlines()]
    assert [r["state"] for r in lines if r["type"] == "source"] == ["unlinked", "unlinked"]


def test_the_log_is_told_first_and_by_ids(ward: Ward) -> None:
    assert ward.prove() == 0
    ward.delete("--one-copy")
    _, events = ward.run(
        "audit", "ls", "--vault", str(ward.vault), "--key-file", str(ward.key), "--format", "ndjson"
    )
    [event] = [e for e in events if e.get("action") == "unlink"]
    assert len(event["objects"]) == 2
    assert event["details"] == [["held", "one copy"], ["files", "2"]]


@pytest.mark.parametrize("words", [("--delete-source",), ("--one-copy",), ("--second-copy", "x"),
                                   ("--delete-source", "--one-copy", "--second-copy", "x")])  # fmt: skip
def test_options_that_do_not_fit_are_refused(ward: Ward, words: tuple[str, ...]) -> None:
    assert ward.ingest(*words)[0] == 2
    assert ward.names() == {"IMG_1.jpg", "IMG_2.jpg"}
