"""`medsnap policy key`, `sign`, `pin`, `status` on a real vault, and what ingest makes of it."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from medsnap import policy
from medsnap.cli import root
from medsnap.commands._main import run
from medsnap.policy import keyring
from tests.builders.signing import EVERYBODY, SEATS, hospital


@dataclass(frozen=True, slots=True)
class Board:
    """A vault, a policy and the keys of its governing body, in one folder."""

    folder: Path
    capsys: pytest.CaptureFixture[str]

    def call(self, *words: object, code: int = 0) -> str:
        ended = run(root(), [*map(str, words)])
        out, err = self.capsys.readouterr()
        assert ended == code, (words, ended, out, err)
        return out + err

    def keys(self, *people: str, version: int = 1, name: str = "keyring.yaml") -> Path:
        text = f"medsnap: 1\nkeyring: northside\nversion: {version}\npeople:\n"
        for person in people:
            key = self.folder / f"{person}.key"
            answer = self.call("policy", "key", person, "--key-file", key, "--format", "json")
            text += _entry(answer)
        (self.folder / name).write_text(text, "utf-8")
        return self.folder / name

    def sign(self, file: Path, *more: object, people: dict[str, tuple[str, ...]] = SEATS) -> None:
        for seat, signers in people.items():
            for person in signers:
                self.call(
                    "policy", "sign", file, "--as", person, "--seat", seat, "--key-file",
                    self.folder / f"{person}.key", "--yes", "--no-input", *more,
                )  # fmt: skip

    def pin(self, ring: Path, code: int = 0) -> str:
        return self.call(
            "policy", "pin", ring, "--policy", self.folder / "hospital.yaml", "--root-key",
            self.folder / "recovery.key", code=code,
        )  # fmt: skip

    def ingest(self, name: str = "hospital.yaml", code: int = 0) -> list[dict[str, object]]:
        answer = self.call(
            "ingest", self.folder / "dump", "--policy", self.folder / name, "--no-detect", "--key-file",
            self.folder / "owner.key", "--format", "ndjson", "--quiet", code=code,
        )  # fmt: skip
        return [json.loads(line) for line in answer.splitlines()]


def _entry(answer: str) -> str:
    start = answer.index("{")
    return str(json.JSONDecoder().raw_decode(answer[start:])[0]["entry"])


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Board:
    for name in ("MEDSNAP_KEY_FILE", "MEDSNAP_POLICY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("MEDSNAP_STATE", "MEDSNAP_CACHE", "XDG_CONFIG_HOME", "HOME"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.setenv("MEDSNAP_VAULT", str(tmp_path / "vault"))
    (tmp_path / "home").mkdir()
    (tmp_path / "hospital.yaml").write_text(hospital(), "utf-8")
    made = Board(tmp_path, capsys)
    made.call(
        "vault", "init", "--no-input", "--key-file", tmp_path / "owner.key", "--recovery-file",
        tmp_path / "recovery.key",
    )  # fmt: skip
    (tmp_path / "dump").mkdir()
    return made


def photo(board: Board, colour: int) -> None:
    from PIL import Image

    Image.new("RGB", (24, 16), (colour, 9, 9)).save(board.folder / "dump" / f"{colour}.jpg")


def test_the_whole_way_from_keys_to_a_policy_in_force_and_back(board: Board) -> None:
    photo(board, 10)
    board.ingest()  # nothing pinned yet: unsigned policies decide
    ring = board.keys(*EVERYBODY)
    policy_file = board.folder / "hospital.yaml"
    board.pin(ring, code=77)  # nobody has signed the ring
    board.sign(ring, "--in-force", policy_file)
    board.pin(ring)

    told = board.call("policy", "status", policy_file, code=1)
    assert "not in force" in told
    assert "a.osei or r.lind or m.duarte" in " ".join(told.split())
    photo(board, 20)
    answer = board.ingest()
    assert any("no policy is in force: signatures are missing" in str(line.get("message")) for line in answer)
    decided = next(line["decision"] for line in answer if line.get("object") and not line["already"])
    assert isinstance(decided, dict)
    assert (decided["may_leave_to"], decided["opened_by"]) == ([], [])
    assert "in_force" in {v["path"] for v in decided["votes"] if v["verb"] == "quarantine"}
    assert decided["policy"]["in_force"] is False

    board.sign(policy_file)
    status = json.loads(board.call("policy", "status", policy_file, "--format", "json"))
    assert status["in_force"] is True
    photo(board, 30)
    answer = board.ingest()
    decided = next(line["decision"] for line in answer if line.get("object") and not line["already"])
    assert isinstance(decided, dict)
    assert decided["policy"]["in_force"] is True
    assert decided["policy"]["signed"] == "signed by a.osei, j.roy, p.wahl, r.lind, s.kim"

    # a version that was in force cannot be followed by an older one
    (board.folder / "old.yaml").write_text(hospital(("version: 4", "version: 3")), "utf-8")
    refused = board.ingest("old.yaml", code=77)
    assert "version 4 was in force before" in str(refused[-1])


def test_a_new_ring_needs_the_quorum_of_the_old_one_too(board: Board) -> None:
    policy_file = board.folder / "hospital.yaml"
    first = board.keys(*EVERYBODY)
    board.sign(first, "--in-force", policy_file)
    board.pin(first)
    kept = {p: (board.folder / f"{p}.key").read_text("utf-8") for p in EVERYBODY}
    for person in EVERYBODY:  # an attacker's ring: all keys are his own
        (board.folder / f"{person}.key").unlink()
    theirs = board.keys(*EVERYBODY, version=2, name="theirs.yaml")
    board.sign(theirs, "--in-force", policy_file)
    assert "under the keyring before it" in board.pin(theirs, code=77)
    for person, text in kept.items():
        (board.folder / f"{person}.key").write_text(text, "utf-8")
    same = board.keys(*EVERYBODY, version=1, name="same.yaml")
    board.sign(same, "--in-force", policy_file)
    assert "give it a higher one" in board.pin(same, code=77)
    after = board.keys(*EVERYBODY[:-1], version=2, name="next.yaml")  # c.ngo has left
    board.sign(after, "--in-force", policy_file)
    board.pin(after)


def test_signing_needs_the_seat_the_key_and_a_word(board: Board) -> None:
    board.keys("p.wahl")
    file, key = board.folder / "hospital.yaml", board.folder / "p.wahl.key"
    sign = ("policy", "sign", file, "--as", "p.wahl", "--key-file", key)
    assert "does not sit in 'it'" in board.call(*sign, "--seat", "it", "--yes", code=77)
    assert "nobody can be asked" in board.call(*sign, "--seat", "executive", "--no-input", code=2)
    key.chmod(0o644)
    assert "others may read" in board.call(*sign, "--seat", "executive", "--yes", code=77)
    assert not (board.folder / "hospital.yaml.sig").exists()
    file.write_text("medsnap: 1\n", "utf-8")
    board.call(*sign, "--seat", "executive", "--yes", code=78)


def test_openssh_signs_here_and_elsewhere(board: Board, tool: Callable[[str], str]) -> None:
    program = tool("ssh-keygen")
    key = board.folder / "id_ed25519"
    subprocess.run([program, "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    entry = _entry(board.call("policy", "key", "p.wahl", "--key-file", key, "--format", "json"))
    assert "proof: ssh " in entry
    ring = board.keys("a.osei", "r.lind", "j.roy", "s.kim")
    ring.write_text(ring.read_text("utf-8") + entry, "utf-8")
    assert keyring.load(ring).keys["p.wahl"].ssh is not None
    file = board.folder / "hospital.yaml"
    others = {seat: people for seat, people in SEATS.items() if seat != "executive"}
    board.sign(file, people=others)
    sign = ("policy", "sign", file, "--as", "p.wahl", "--seat", "executive")
    board.call(*sign, "--key-file", key, "--yes")
    status = ("policy", "status", file, "--keyring", ring)
    assert "in force" in board.call(*status)

    shutil.move(board.folder / "hospital.yaml.sig", board.folder / "before.sig")
    board.sign(file, people=others)
    board.call(*status, code=1)
    bytes_ = board.folder / "to-sign"
    board.call(*sign, "--to-sign", bytes_)
    subprocess.run([program, "-q", "-Y", "sign", "-n", "medsnap-policy", "-f", key, bytes_], check=True)
    board.call(*sign, "--signature", f"{bytes_}.sig", "--yes")
    assert "in force" in board.call(*status)


def test_a_signature_from_elsewhere_must_be_of_these_bytes_and_of_a_known_key(
    board: Board, tool: Callable[[str], str]
) -> None:
    ring = board.keys(*(p for p in EVERYBODY if p != "c.ngo"))
    file = board.folder / "hospital.yaml"
    board.sign(ring, "--in-force", file)
    board.pin(ring)
    program, key, bytes_ = tool("ssh-keygen"), board.folder / "id_ed25519", board.folder / "to-sign"
    subprocess.run([program, "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    of_ngo = ("policy", "sign", file, "--as", "c.ngo", "--seat", "executive")
    of_wahl = ("policy", "sign", file, "--as", "p.wahl", "--seat", "executive")
    board.call(*of_ngo, "--to-sign", bytes_)
    subprocess.run([program, "-q", "-Y", "sign", "-n", "medsnap-policy", "-f", key, bytes_], check=True)
    told = board.call(*of_wahl, "--signature", f"{bytes_}.sig", "--yes", code=77)
    assert "the signature was made over other bytes" in told
    assert not (board.folder / "hospital.yaml.sig").exists()
    told = board.call(*of_ngo, "--signature", f"{bytes_}.sig", "--yes")
    assert "the vault's keyring has no key for 'c.ngo'" in " ".join(told.split())
    told = board.call(*of_wahl, "--key-file", key, "--yes")
    assert "the vault's keyring has another key for 'p.wahl'" in " ".join(told.split())


def test_the_summary_names_what_opens_against_the_policy_in_force(board: Board) -> None:
    from medsnap.commands._signing import summary
    from medsnap.report.page import Table

    old = policy.load_text(hospital(), "hospital.yaml")
    scar = "scar:            {do: restrict, to: identifiable}"
    new = policy.load_text(hospital((scar, "scar: accept"), ("version: 4", "version: 5")), "hospital.yaml")
    [table] = [block for block in summary(new, old) if isinstance(block, Table)]
    assert [(row[0], row[1]) for row in table.rows] == [("opens", "features.scar")]


def governed(board: Board) -> Path:
    """Pin the keyring and bring the hospital's policy into force."""
    file = board.folder / "hospital.yaml"
    ring = board.keys(*EVERYBODY, "h.brandt")
    board.sign(ring, "--in-force", file)
    board.pin(ring)
    board.sign(file)
    return file


def test_a_departments_policy_needs_its_own_signers_and_its_parents(board: Board) -> None:
    child = board.folder / "dermatology.yaml"
    child.write_text(policy.packaged("dermatology").read_text("utf-8"), "utf-8")
    seats = {"dermatology": ("h.brandt",), "it": ("j.roy",)}
    file = governed(board)
    assert "dermatology (0 of 1)" in board.call("policy", "status", child, code=1)
    board.sign(child, people=seats)
    assert json.loads(board.call("policy", "status", child, "--format", "json"))["in_force"] is True
    shutil.move(board.folder / "hospital.yaml.sig", board.folder / "hidden.sig")
    told = board.call("policy", "status", child, code=1)
    assert "Its parent northside 4 is not in force" in " ".join(told.split())
    shutil.move(board.folder / "hidden.sig", board.folder / "hospital.yaml.sig")

    # a later parent in force counts for the department too (M11), and both are kept for a replay
    photo(board, 40)
    board.ingest()
    board.ingest("dermatology.yaml")
    file.rename(board.folder / "northside-4.yaml")
    (board.folder / "hospital.yaml.sig").rename(board.folder / "northside-4.yaml.sig")
    later = hospital(("version: 4", "version: 5"), ("seen_within: 14 days", "seen_within: 2 days"))
    file.write_text(later, "utf-8")
    board.sign(file)
    photo(board, 50)
    board.ingest()
    photo(board, 60)
    decided = [
        line["decision"]
        for line in board.ingest("dermatology.yaml")
        if line.get("object") and not line["already"]
    ]
    assert [d["policy"]["in_force"] for d in decided] == [True]  # type: ignore[index]
    answer = board.call("policy", "replay", "--key-file", board.folder / "owner.key", "--format", "json")
    assert json.loads(answer)["outcomes"] == {"follows": 3}


def test_what_was_decided_unsigned_does_not_leave_once_a_keyring_is_pinned(board: Board) -> None:
    photo(board, 70)
    board.ingest()
    export = (
        "export", "--as", "fhir", "-o", board.folder / "out", "--key-file", board.folder / "owner.key",
        "--policy", board.folder / "hospital.yaml", "-n",
    )  # fmt: skip
    assert "not in force" not in board.call(*export, code=3)
    ring = board.keys(*EVERYBODY)
    board.sign(ring, "--in-force", board.folder / "hospital.yaml")
    board.pin(ring)
    told = " ".join(board.call(*export, code=3).split())
    assert "not in force: signatures are missing" in told
    board.sign(board.folder / "hospital.yaml")
    photo(board, 80)
    board.ingest()  # keeps the signatures in the vault
    assert "not in force" not in board.call(*export, code=3)


def test_a_medsnap_that_knows_no_keyrings_refuses_the_vault(board: Board) -> None:
    from medsnap.vault import directory

    governed(board)
    made = directory.load(board.folder / "vault").directory
    assert directory.PINS_POLICY in made.requires
    assert (made.policy_root, made.policy_lowest, made.unsigned_allowed) == ("northside", 4, False)
    other = board.folder / "other.yaml"
    other.write_text(hospital(("policy: northside", "policy: southside")), "utf-8")
    board.sign(other)
    told = board.call("policy", "status", other, code=1)
    assert "is governed by the policy 'northside'" in " ".join(told.split())
    below = board.folder / "below.yaml"
    below.write_text(hospital(("version: 4", "version: 2")), "utf-8")
    board.ingest("below.yaml", code=77)  # lower than the directory allows, on a machine that saw nothing


def test_a_decision_that_a_waiver_changed_is_replayed_with_it(board: Board) -> None:
    (board.folder / "waivers").mkdir()
    (board.folder / "waivers" / "W-1.yaml").write_text(
        "medsnap: 1\nwaiver: W-1\npolicy: northside\nrule: vocabulary.body_site\nfor: {device: DESK-1}\n"
        f"do: accept\nuntil: {datetime.now(UTC).date() + timedelta(days=30)}\nbecause: No sites there.\n",
        "utf-8",
    )
    photo(board, 10)
    owner = board.folder / "owner.key"
    board.call(
        "ingest", board.folder / "dump", "--policy", board.folder / "hospital.yaml", "--no-detect",
        "--asset", "DESK-1",
    )  # fmt: skip
    replay = ("policy", "replay", "--key-file", owner, "--format", "json")
    assert json.loads(board.call(*replay))["outcomes"] == {"follows": 1}
    kept = [
        path
        for path in (board.folder / "vault" / "policies").glob("*.yaml")
        if "waiver: W-1" in path.read_text("utf-8")
    ]
    kept[0].unlink()
    answer = json.loads(board.call(*replay, code=3))
    assert answer["outcomes"] == {"a waiver that it rests on is not in the vault": 1}
