"""Signatures that a vault keeps: what is kept, and that every bit of them is judged by `vault check`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from medsnap.policy import packaged
from medsnap.policy.kept_signatures import faults, worth_keeping
from medsnap.policy.signatures import Subject

from .test_policy_sign_commands import Board, board, governed, photo

__all__ = ["board"]


def _checked(board: Board, code: int = 0) -> list[dict[str, str]]:
    answer = board.call("vault", "check", "--format", "json", code=code)
    return list(json.loads(answer).get("problems", []))


def _kept(board: Board) -> list[Path]:
    return sorted((board.folder / "vault" / "policies").glob("*.sig"))


@pytest.fixture
def signed(board: Board) -> Board:
    """A vault whose policy of the hospital, and that of a department, are in force and have decided."""
    governed(board)
    child = board.folder / "dermatology.yaml"
    child.write_text(packaged("dermatology").read_text("utf-8"), "utf-8")
    board.sign(child, people={"dermatology": ("h.brandt",), "it": ("j.roy",)})
    photo(board, 40)
    board.ingest()
    photo(board, 50)
    board.ingest("dermatology.yaml")
    return board


def test_every_bit_of_a_kept_signature_is_judged_and_the_file_named(signed: Board) -> None:
    assert _checked(signed) == []
    assert len(_kept(signed)) == 2
    for path in _kept(signed):
        data = path.read_bytes()
        where = f"policies/{path.name}"
        places = {0, data.index(b" "), data.index(b"\n") - 1, data.index(b"\n"), len(data) - 1}
        for at in sorted(places | set(range(3, len(data), max(len(data) // 6, 1)))):
            for bit in (1, 0x40) if at == 0 else (1 << at % 7,):
                changed = bytearray(data)
                changed[at] ^= bit
                path.write_bytes(bytes(changed))
                assert where in [p["where"] for p in _checked(signed, 4)], (at, bit)
        path.write_bytes(data)
    assert _checked(signed) == []


def test_a_line_from_elsewhere_and_a_policy_that_is_gone_are_named(signed: Board) -> None:
    two, one = sorted(_kept(signed), key=lambda path: len(path.read_bytes()))  # the department's is short
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(first + second.splitlines(keepends=True)[0])  # a signature, but of another file
    assert [p["what"] for p in _checked(signed, 4)] == [
        f"line {len(first.splitlines()) + 1} verifies under no keyring that the vault keeps"
    ]
    one.write_bytes(first)
    policy = two.with_suffix(".yaml")
    text = policy.read_bytes()
    policy.write_bytes(text + b"#")
    assert {p["where"] for p in _checked(signed, 4)} == {f"policies/{two.name}", f"policies/{policy.name}"}
    policy.write_bytes(text)
    ring = next(
        path for path in (signed.folder / "vault" / "policies").glob("*.yaml")
        if b"keyring:" in path.read_bytes()
    )  # fmt: skip
    ring.rename(signed.folder / "ring")
    assert {p["where"] for p in _checked(signed, 4)} == {f"policies/{p.name}" for p in (one, two)}


def test_only_what_verifies_is_kept(board: Board) -> None:
    file = governed(board)
    beside = file.with_name("hospital.yaml.sig")
    good = beside.read_text("utf-8")
    forged = good.splitlines()[0].replace("clinical", "it", 1)
    beside.write_text(f"# a note\n{good}\nno signature\n{forged}\n\n{good}", "utf-8")
    photo(board, 10)
    board.ingest()
    [kept] = _kept(board)
    assert kept.read_text("utf-8") == good
    assert _checked(board) == []


SUBJECT = Subject(domain="d", id="p", version=1, digest="0" * 64, effective="e")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", []),
        (b"x", ["line 1 is cut off"]),
        (b"\n", ["line 1 is no signature"]),
        (b"# a note\n", ["line 1 is no signature"]),
        (b"\xff\n", ["line 1 is no signature"]),
        (b"it j.roy 2026-01-01 ed25519 AAA=\r\n", ["line 1 is no signature"]),
        (b"it j.roy 2026-01-01 ed25519 AAB=\n", ["line 1 is no signature"]),  # bits that base64 passes over
        (b"it j.roy 2026-01-01 ed25519 AAA=\n", ["line 1 verifies under no keyring that the vault keeps"]),
    ],
)
def test_a_line_that_is_not_as_it_was_written_is_told(data: bytes, said: list[str]) -> None:
    assert list(faults(data, SUBJECT, [])) == said
    assert worth_keeping(data.decode("latin-1"), SUBJECT, []) == b""
