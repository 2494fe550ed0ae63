"""The words of a recovery sheet, as a person types them from paper."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from medsnap.commands._recovery import TYPING_TRIES, _typed
from medsnap.commands._shared import Format, Io
from medsnap.config import Settings
from medsnap.crypto import shares
from medsnap.errors import Malformed
from medsnap.vault import sheets

WORDS = list(shares.split(bytes(range(32)))[1].words)


@pytest.fixture
def io() -> Io:
    none = Settings(values={}, home=Path("home"), environment={})
    return Io(
        format=Format.HUMAN, output=None, verbose=0, quiet=False, no_input=False, dry_run=False, settings=none
    )


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect what a person is told."""
    said: list[str] = []
    monkeypatch.setattr(Io, "warn", lambda _, text: said.append(text))
    monkeypatch.setattr(Io, "note", lambda _, text: None)
    return said


def _type(monkeypatch: pytest.MonkeyPatch, io: Io, *lines: str) -> tuple[str, ...]:
    typed: Iterator[str] = iter(lines)
    monkeypatch.setattr(typer, "prompt", lambda *_, **__: next(typed))
    return _typed(io, 1).share.words


def _line(start: int, stop: int) -> str:
    return " ".join(word[:4] for word in WORDS[start:stop])


@pytest.mark.parametrize(
    "lines",
    [
        [" ".join(WORDS)],
        [_line(0, 10), "", _line(10, 33).upper()],
        ["\n".join(f"{n}. {w}" for n, w in enumerate(WORDS, 1))],
        ["20 " + _line(19, 33), _line(0, 19)],  # begun in the middle
        [_line(0, 3) + " qqqq " + _line(4, 33), _line(3, 33)],  # what was right before it is kept
        [f"{_line(0, 32)} {'acid' if WORDS[32] != 'acid' else 'acne'}", f"33 {WORDS[32]}"],  # another word
        [_line(0, 33) + " acid", _line(0, 33)],  # one too many
    ],
)
def test_words_are_taken_line_by_line(
    monkeypatch: pytest.MonkeyPatch, told: list[str], io: Io, lines: list[str]
) -> None:
    assert _type(monkeypatch, io, *lines) == tuple(WORDS)


def test_a_wrong_word_is_named_by_its_number_alone(
    monkeypatch: pytest.MonkeyPatch, told: list[str], io: Io
) -> None:
    other = "acid" if WORDS[6] != "acid" else "acne"
    _type(monkeypatch, io, _line(0, 6) + f" {other} " + _line(7, 33), f"7 {WORDS[6]}")
    assert [text.partition(";")[0] for text in told] == ["the checksum does not hold: word 7 is wrong"]
    assert WORDS[6] not in told[0]


def test_tries_end(monkeypatch: pytest.MonkeyPatch, told: list[str], io: Io) -> None:
    with pytest.raises(Malformed, match="none of the list"):
        _type(monkeypatch, io, *["qqqq"] * TYPING_TRIES)
    assert len(told) == TYPING_TRIES - 1


def test_the_one_recovery_file_is_no_sheet(tmp_path: Path) -> None:
    (tmp_path / "recovery.key").write_text("# medsnap RECOVERY SHEET\nAGE-SECRET-KEY-1QQQ\n")
    with pytest.raises(Malformed, match="a key file and no sheet") as refused:
        sheets.load(tmp_path / "recovery.key")
    assert "QQQ" not in f"{refused.value.message}{refused.value.hint}"
