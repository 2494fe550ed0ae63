"""`policy key`, `lint` and `status` of a keyring and a waiver, as their seats meet them."""

from __future__ import annotations

from pathlib import Path

import pytest

from medsnap.policy import keyring
from tests.builders.signing import EVERYBODY
from tests.unit.test_policy_sign_commands import Board, board, photo

__all__ = ["board"]


def test_what_policy_key_prints_for_people_is_a_keyring_at_every_width(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "medsnap: 1\nkeyring: northside\nversion: 1\npeople:\n"
    for width, person in (("40", "a.osei"), ("80", "j.roy")):
        monkeypatch.setenv("COLUMNS", width)
        text += board.call("policy", "key", person, "--quiet", "--key-file", board.folder / f"{person}.key")
    assert set(keyring.load_text(text, "keyring.yaml").keys) == {"a.osei", "j.roy"}


def test_a_name_that_no_policy_can_hold_gets_no_key(board: Board) -> None:
    told = board.call("policy", "key", "A Osei", "--key-file", board.folder / "k", code=2)
    assert "cannot be named in a policy" in told
    assert not (board.folder / "k").exists()


def test_anothers_key_is_refused_before_a_signature_is_written(board: Board) -> None:
    ring = board.keys("a.osei", "j.roy")
    words = ("policy", "sign", ring, "--as", "j.roy", "--seat", "it", "--yes")
    told = board.call(
        *words,
        "--in-force",
        board.folder / "hospital.yaml",
        "--key-file",
        board.folder / "a.osei.key",
        code=77,
    )
    assert "this is the key of 'a.osei'" in told
    assert not Path(f"{ring}.sig").exists()


def test_lint_reads_a_keyring_as_one(board: Board) -> None:
    ring = board.keys("a.osei")
    assert "nothing to complain of" in " ".join(board.call("policy", "lint", ring).split())
    ring.write_text(ring.read_text("utf-8").replace("a.osei:", "j.roy:"), "utf-8")
    told = board.call("policy", "lint", ring, code=78)
    assert "E130" in told
    assert "made out to 'a.osei'" in " ".join(told.split())


def test_status_of_a_keyring_names_who_is_missing(board: Board) -> None:
    ring, policy = board.keys(*EVERYBODY), board.folder / "hospital.yaml"
    assert "--in-force is missing" in board.call("policy", "status", ring, code=2)
    told = board.call("policy", "status", ring, "--in-force", policy, code=1)
    assert "j.roy or t.abe" in told
    board.sign(ring, "--in-force", policy)
    assert "signed by every seat" in board.call("policy", "status", ring, "--in-force", policy)
    board.pin(ring)
    assert "signed by every seat" in board.call("policy", "status", ring, "--in-force", policy)
    after = board.keys(*EVERYBODY, version=2, name="next.yaml")
    board.call("policy", "status", after, "--in-force", policy, code=1)  # signed by nobody yet


WAIVER = """\
medsnap: 1
waiver: W-1
policy: northside
rule: devices.personal
for: {department: wound-care, device: DOC-PHONE-3}
do: accept
from: 2026-01-01
until: 2026-01-30
because: The tablet is under repair.
"""


def test_status_of_a_waiver_asks_only_the_seats_that_sign_waivers(board: Board) -> None:
    ring = board.keys(*EVERYBODY)
    (board.folder / "waivers").mkdir()
    waiver = board.folder / "waivers" / "W-1.yaml"
    waiver.write_text(WAIVER, "utf-8")
    assert "--keyring is missing" in board.call("policy", "status", waiver, code=2)
    told = board.call("policy", "status", waiver, "--keyring", ring, code=1)
    assert "clinical" in told
    assert "executive" not in told
    board.sign(waiver, people={"clinical": ("a.osei", "r.lind"), "it": ("j.roy",)})
    assert "signed by every seat" in board.call("policy", "status", waiver, "--keyring", ring)


def test_a_missing_group_is_one_complaint_however_many_lines_send_there(board: Board) -> None:
    text = (board.folder / "hospital.yaml").read_text("utf-8")
    head = text[: text.index("compartments:")]
    (board.folder / "new.yaml").write_text(head + "compartments:\n  general: {open_to: [staff]}\n", "utf-8")
    told = " ".join(board.call("policy", "lint", board.folder / "new.yaml", code=78).split())
    assert told.count("the compartment 'identifiable' is missing") == 1
    assert "(features.face) and " in told
    assert "(features.intimate_region) sends photos there" in told


def test_a_run_under_a_policy_that_nobody_signed_never_says_in_force(board: Board) -> None:
    photo(board, 10)
    ring = board.keys(*EVERYBODY)
    board.sign(ring, "--in-force", board.folder / "hospital.yaml")
    before = _summary(board)["policy"]
    board.pin(ring)
    after = _summary(board)["policy"]
    assert isinstance(before, dict)
    assert isinstance(after, dict)
    assert (before["in_force"], after["in_force"]) == (True, False)


def _summary(board: Board) -> dict[str, object]:
    return next(line for line in board.ingest() if line.get("type") == "summary")
