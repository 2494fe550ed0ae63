"""Checkpoints as one line: they come back from mail, syslog and paper, byte for byte."""

from __future__ import annotations

import contextlib
import json
import random
import socket
import textwrap
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medsnap.audit import checkpoint, shipped
from medsnap.commands import _shipping, _syslog
from medsnap.crypto.note import Verifier, generate
from medsnap.errors import CannotCreate, IoFailed, KeyRefused, Malformed, UsageError

SIGNERS = [generate(f"{'a' * 26}/ingest-{n}", random.Random(n).randbytes) for n in (1, 2)]
NOW = datetime(2026, 3, 1, 8, tzinfo=UTC)
HEAD = checkpoint.sign(f"medsnap/{'a' * 26}", 1234567, bytes(range(32)), SIGNERS)
LEDGER = "5e" * 32


@pytest.mark.parametrize("ledger", ["", LEDGER])
@pytest.mark.parametrize("signers", [1, 2])
def test_the_note_comes_back_byte_for_byte(ledger: str, signers: int) -> None:
    head = checkpoint.sign(HEAD.origin, 7, HEAD.root, SIGNERS[:signers])
    text = shipped.line(head, ledger)
    assert "\n" not in text and text.isascii() and len(text) < 998  # a line of a mail (RFC 5322)
    found = shipped.read(text)
    assert found == shipped.Shipped(note=head.note, ledger=ledger)
    assert checkpoint.parse(found.note, [Verifier.parse(SIGNERS[0].vkey)]).size == 7


def around(text: str) -> dict[str, str]:
    wrapped = textwrap.wrap(text, 60, break_long_words=False, break_on_hyphens=False)
    return {
        "a mail": f"From: a\nSubject: night\n\nLast night:\n\n{text}\n\n-- \nBest regards\nKim+Roy\n",
        "a reply": "\n".join("> " + line for line in ("On Monday:", *wrapped, "Best regards")),
        "a deep reply": "\n".join(">>" + line for line in wrapped),
        "crlf": "\r\n".join(wrapped),
        "syslog": _syslog.message(text, NOW, "checkpoint").decode() + "\n",
        "a journal": f"Mar 01 08:00:00 host medsnap[1]: {text}\nMar 01 08:00:01 host cron[2]: done\n",
        "json": json.dumps({"line": text, "size": 3}),
        "older ones before": f"{shipped.line(checkpoint.sign(HEAD.origin, 1, HEAD.root, SIGNERS))}\n{text}\n",
    }


@pytest.mark.parametrize("form", around("x"))
def test_it_is_found_in(form: str) -> None:
    text = around(shipped.line(HEAD, LEDGER))[form]
    assert shipped.read(text) == shipped.Shipped(note=HEAD.note, ledger=LEDGER)


def test_other_texts_hold_none() -> None:
    assert shipped.read("") is None
    assert shipped.read(HEAD.note.decode()) is None


@given(st.integers(0, len(shipped.line(HEAD)) - 1))
def test_what_is_cut_off_is_never_another_checkpoint(at: int) -> None:
    text = shipped.line(HEAD)[:at]
    taken = HEAD.root
    with contextlib.suppress(Malformed, KeyRefused):
        found = shipped.read(text)
        if found is not None:  # the second signature may be missing: what was signed is the same
            taken = checkpoint.parse(found.note, [Verifier.parse(SIGNERS[0].vkey)]).root
    assert taken == HEAD.root


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        shipped.read(f"{shipped.WORD} {text}")
    except Malformed as refused:
        assert refused.message


def test_a_note_that_a_line_cannot_hold_is_refused() -> None:
    head = checkpoint.sign("an origin with spaces", 3, HEAD.root, SIGNERS[:1])
    with pytest.raises(Malformed):
        shipped.line(head)


def test_the_frame_is_that_of_rfc_5424() -> None:
    assert _syslog.message("text", NOW, "checkpoint") == (
        b"<109>1 2026-03-01T08:00:00Z - medsnap - checkpoint - text"
    )


def test_a_socket_and_udp_get_one_datagram(tmp_path: Path) -> None:
    data = _syslog.message(shipped.line(HEAD, LEDGER), NOW, "checkpoint")
    path = tmp_path / "log"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as there:
        there.bind(str(path))
        assert str(path) in _syslog.send(str(path), data)
        assert there.recv(4096) == data
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as there:
        there.bind(("127.0.0.1", 0))
        there.settimeout(10)
        assert "does not answer" in _syslog.send(f"udp://127.0.0.1:{there.getsockname()[1]}", data)
        assert there.recv(4096) == data


def test_what_cannot_be_reached_is_said(tmp_path: Path) -> None:
    with pytest.raises(IoFailed, match="takes nothing"):
        _syslog.send(str(tmp_path / "nothing"), b"x")
    with pytest.raises(CannotCreate):
        _syslog.send("udp://127.0.0.1", b"x" * 3000)
    for target in ("", "tcp://a", "udp://", "udp://h:99999", "udp://me@h/x", "h:514", "udp://[", "udp://h/x"):
        with pytest.raises(UsageError):
            _syslog.send(target, b"x")


def test_a_host_remembers_what_left(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "vault"
    assert _shipping.last(folder) is None
    left = _shipping.Left(at=NOW.isoformat(), size=3, to="file")
    _shipping.note(folder, left)
    assert _shipping.last(folder) == left
    assert (folder.stat().st_mode & 0o777, (folder / _shipping.FILE).stat().st_mode & 0o777) == (0o700, 0o600)
    assert _shipping.age(left, NOW + timedelta(days=8, hours=5)) == 8
    for text in (b"", b"[]", b'{"at":"yesterday","size":1,"to":"x"}', b"[" * 5000, b"\xff"):
        (folder / _shipping.FILE).write_bytes(text)
        assert _shipping.last(folder) is None
