"""Waivers beside a policy on a real vault: unsigned where nothing is pinned, signed by seats where it is."""

from __future__ import annotations

import pytest

from medsnap.policy.waiver import PREFIX
from tests.builders.signing import EVERYBODY
from tests.unit.test_policy_sign_commands import Board, board, photo

__all__ = ["board"]

TEXT = """\
medsnap: 1
waiver: W-1
policy: northside
rule: vocabulary.body_site
for: {device: DESK-1}
do: accept
until: UNTIL
because: The scanner of the archive knows no body sites.
"""


def waiver(board: Board, until: str = "", *, rule: str = "vocabulary.body_site") -> None:
    from datetime import UTC, datetime, timedelta

    day = until or str(datetime.now(UTC).date() + timedelta(days=30))
    text = TEXT.replace("UNTIL", day).replace("vocabulary.body_site", rule)
    (board.folder / "waivers").mkdir(exist_ok=True)
    (board.folder / "waivers" / "W-1.yaml").write_text(text, "utf-8")


def reasons(board: Board, *, ahead: bool = False) -> tuple[set[str], list[str]]:
    """Ingest, or look ahead; the paths of the newest photo's reasons, and the warnings."""
    import json

    own = () if ahead else ("--key-file", board.folder / "owner.key")
    answer = board.call(
        "scan" if ahead else "ingest", board.folder / "dump", "--policy", board.folder / "hospital.yaml",
        "--no-detect", "--asset", "DESK-1", *own, "--format", "ndjson", "--quiet", code=int(ahead),
    )  # fmt: skip
    lines = [json.loads(line) for line in answer.splitlines()]
    decided = [line["decision"] for line in lines if line.get("decision") and not line.get("already")][-1]
    return {v["path"] for v in decided["votes"]}, [str(x.get("message")) for x in lines if "message" in x]


def test_an_unsigned_vault_takes_the_waivers_beside_the_policy(board: Board) -> None:
    waiver(board)
    photo(board, 10)
    paths, _ = reasons(board)
    assert PREFIX + "W-1" in paths
    assert "vocabulary.body_site" not in paths
    assert "devices.unknown" in paths  # every other reason stands


@pytest.mark.parametrize(
    ("until", "rule", "said"),
    [("2020-01-01", "vocabulary.body_site", "it ended on"), ("", "rules.child-intimate", "is never waived")],
)
def test_one_that_ended_or_is_wrong_is_warned_of_and_lifts_nothing(
    board: Board, until: str, rule: str, said: str
) -> None:
    waiver(board, until, rule=rule)
    photo(board, 10)
    paths, warnings = reasons(board)
    assert "vocabulary.body_site" in paths
    assert any(said in warning for warning in warnings), warnings


def test_where_a_keyring_is_pinned_its_seats_must_have_signed(board: Board) -> None:
    ring, rules = board.keys(*EVERYBODY), board.folder / "hospital.yaml"
    board.sign(ring, "--in-force", rules)
    board.pin(ring)
    board.sign(rules)
    waiver(board)
    photo(board, 10)
    paths, warnings = reasons(board)
    assert "vocabulary.body_site" in paths
    assert any("signatures are missing: clinical (0 of 2), it (0 of 1)" in w for w in warnings), warnings
    paths, warnings = reasons(board, ahead=True)
    assert "vocabulary.body_site" in paths
    assert any("signatures are missing: clinical (0 of 2), it (0 of 1)" in w for w in warnings), warnings

    file = board.folder / "waivers" / "W-1.yaml"
    board.sign(file, people={"clinical": ("a.osei", "r.lind"), "it": ("j.roy",)})
    photo(board, 20)
    assert PREFIX + "W-1" in reasons(board, ahead=True)[0]
    paths, _ = reasons(board)
    assert PREFIX + "W-1" in paths
    assert "vocabulary.body_site" not in paths

    refused = board.call(
        "policy", "sign", file, "--as", "s.kim", "--seat", "ehr", "--key-file", board.folder / "s.kim.key",
        "--yes", "--no-input", code=77,
    )  # fmt: skip
    assert "does not sit in 'ehr'" in refused

    file.write_text(file.read_text("utf-8") + "# one byte more\n", "utf-8")
    photo(board, 30)
    paths, warnings = reasons(board)
    assert "vocabulary.body_site" in paths
    assert any("signatures are missing" in w for w in warnings)
