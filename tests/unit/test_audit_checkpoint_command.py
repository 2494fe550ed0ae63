"""`audit checkpoint`, `audit proof` and what `doctor` says of them, through the command line."""

from __future__ import annotations

import json
import socket
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest

from medsnap.audit import proof
from medsnap.commands import _shipping
from medsnap.crypto.note import Verifier
from medsnap.model.event import Action, AuditEvent
from medsnap.vault import host, pins
from tests.unit.test_audit_command import Site, call, data, site
from tests.unit.test_audit_proof import stranger

__all__ = ["site"]


def _cut(site: Site) -> None:
    """Put the log back to what it was when `kept` was taken, and let it grow another way: a fork."""
    import random

    from medsnap.audit import store

    (site.vault / "log/checkpoint").write_bytes(site.kept.read_bytes())
    event = AuditEvent(action=Action.OPEN, at="2026-03-02T08:00:00Z", actor="ingest-1", objects=("z" * 26,))
    auditors = [site.made.directory.auditors]
    store.record(site.log, event, auditors=auditors, signer=site.signer, random=random.Random(77).randbytes)


def _shipped(site: Site, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> dict[str, str]:
    """Give the checkpoint in each form that it can leave in, as --since takes it."""
    line = call(capsys, "checkpoint", "--vault", site.vault)[1]
    file, mail, log, document = (tmp_path / n for n in ("file", "mail", "log", "json"))
    assert call(capsys, "checkpoint", "--vault", site.vault, "-o", file)[0] == 0
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as there:
        there.bind(str(tmp_path / "socket"))
        code, out, _ = call(capsys, "checkpoint", "--vault", site.vault, "--syslog", tmp_path / "socket")
        assert code == 0 and "handed to" in out
        log.write_bytes(b"<13>before\n" + there.recv(4096) + b"\n<13>after\n")
    mail.write_text(f"Subject: checkpoint\n\n> {line.strip()}\n\nRegards\n")
    found = json.loads(call(capsys, "checkpoint", "--vault", site.vault, "--format", "json")[1])
    document.write_text(json.dumps(found))
    note = tmp_path / "note"
    note.write_bytes((site.vault / "log/checkpoint").read_bytes())
    assert (found["size"], found["line"] + "\n") == (3, line)
    coded = {f"mail in {how}": str(_mailed(tmp_path, line, how)) for how in ("quoted-printable", "base64")}
    plain = {"line": line, "file": str(file), "mail": str(mail), "syslog": str(log), "json": str(document),
             "note": str(note)}  # fmt: skip
    return plain | coded


def _mailed(folder: Path, line: str, coding: str) -> Path:
    """Save a mail as a mail program makes it of a long line."""
    mail = EmailMessage()
    mail["Subject"] = "checkpoint"
    mail.set_content(f"Good evening,\n\n{line}\n-- \nIT", cte=coding)
    mail.add_alternative("<p>another form of it</p>", subtype="html")
    assert line.strip().encode() not in mail.as_bytes()
    (folder / f"{coding}.eml").write_bytes(mail.as_bytes())
    return folder / f"{coding}.eml"


def test_parts_within_parts_are_no_checkpoint(
    site: Site, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    deep = "".join(f"Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n" for n in range(4000))
    (tmp_path / "deep").write_text("Content-Transfer-Encoding: 8bit\n" + deep)
    assert call(capsys, "verify", "--vault", site.vault, "--since", tmp_path / "deep")[0] == 77


def test_every_form_comes_back_and_shows_a_fork(
    site: Site, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    forms = _shipped(site, capsys, tmp_path)
    for since in forms.values():
        code, found = data(capsys, "verify", "--vault", site.vault, "--since", since)
        assert (code, found["witnessed"]) == (0, 3)
    (site.state / site.made.directory.vault / host.CHECKPOINT).unlink()  # else this host's memory tells too
    _cut(site)
    assert call(capsys, "verify", "--vault", site.vault)[0] == 0  # alone the forked log is consistent
    for name, since in forms.items():
        code, found = data(capsys, "verify", "--vault", site.vault, "--since", since)
        assert code == 4 and "rewritten" in found["error"]["message"], name


def test_a_checkpoint_stays_out_of_the_vault(
    site: Site, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, _, err = call(capsys, "checkpoint", "--vault", site.vault, "-o", site.vault / "log/kept")
    assert code == 2 and "vault itself" in err
    assert call(capsys, "checkpoint", "--vault", site.vault, "--syslog", "tcp://h")[0] == 2
    assert call(capsys, "checkpoint", "--vault", site.vault, "--syslog", tmp_path / "none")[0] == 74
    both = ("--syslog", "local", "-o", tmp_path / "x")
    assert call(capsys, "checkpoint", "--vault", site.vault, *both)[0] == 2
    assert not (site.state / site.made.directory.vault).exists(), "nothing has left"


def test_a_log_with_a_wrong_signature_does_not_leave(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    path = site.vault / "log/checkpoint"
    path.write_bytes(path.read_bytes().replace(b"\n3\n", b"\n2\n"))
    assert call(capsys, "checkpoint", "--vault", site.vault)[0] == 4


def test_doctor_says_when_none_has_left_for_long(
    site: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from datetime import UTC, datetime

    from medsnap.cli import root
    from medsnap.commands._main import run

    def told() -> tuple[str, str]:
        assert run(root(), ["doctor", "--format", "json"]) == 0
        checks = json.loads(capsys.readouterr()[0])["checks"]
        [found] = [(c["state"], c["hint"]) for c in checks if c["check"] == "log's checkpoint"]
        return found

    monkeypatch.setenv("MEDSNAP_VAULT", str(site.vault))
    assert "none" in told()[0] and "audit checkpoint" in told()[1]
    assert call(capsys, "checkpoint")[0] == 0
    assert told() == ("left 0 days ago, 3 entries (line)", "")
    folder = site.state / site.made.directory.vault
    old = datetime.now(UTC) - timedelta(days=9)
    _shipping.note(folder, _shipping.Left(at=old.isoformat(), size=2, to="file"))
    assert told() == ("left 9 days ago, 2 entries (file)", "none for 7 days: medsnap audit checkpoint")
    monkeypatch.setenv("MEDSNAP_CHECKPOINT_DAYS", "30")
    assert told()[1] == ""
    monkeypatch.setenv("MEDSNAP_CHECKPOINT_DAYS", "soon")
    assert "no number of days" in told()[0]


def test_a_proof_by_number_or_digest(site: Site, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, _, err = call(capsys, "proof", "2", "--vault", site.vault, "-o", tmp_path / "p")
    vkey = site.signer.vkey
    assert code == 0 and vkey in "".join(err.split())
    leaf = json.loads(stranger((tmp_path / "p").read_bytes(), site.made.directory.origin, vkey))
    assert leaf["t"] == "2026-03-01T08:00:02Z"
    again = call(capsys, "proof", leaf["sealed"], "--vault", site.vault)[1]
    assert again.encode() == (tmp_path / "p").read_bytes()
    code, found = data(capsys, "proof", "2", "--vault", site.vault)
    assert (code, found["entry"], found["size"], found["proof"]) == (0, 2, 3, again)
    assert json.loads(found["leaf"]) == leaf and (site.vault / found["file"]).is_file()
    assert proof.verify(again.encode(), [Verifier.parse(vkey)]).index == 2


@pytest.mark.parametrize("entry", ["3", "-1", "02", "x", "f" * 64])
def test_no_such_entry(site: Site, capsys: pytest.CaptureFixture[str], entry: str) -> None:
    assert call(capsys, "proof", "--vault", site.vault, "--", entry)[0] == 66


def test_what_is_to_be_proved_must_be_said(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, "proof", "--vault", site.vault)[0] == 2
    assert call(capsys, "proof", "1", "--object", "abc", "--vault", site.vault)[0] == 2


def test_a_pinned_host_proves_nothing_by_another_directory(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = site.state / site.made.directory.vault
    folder.mkdir(parents=True, mode=0o700)
    pins.write_pin(
        folder, pins.Pin(vault=site.made.directory.vault, root=site.made.directory.root, version=1)
    )
    assert call(capsys, "proof", "1", "--vault", site.vault)[0] == 0
    path = site.vault / "directory"
    path.write_bytes(path.read_bytes().replace(b"ingest-1", b"ingest-9"))
    assert call(capsys, "proof", "1", "--vault", site.vault)[0] == 77
    assert call(capsys, "checkpoint", "--vault", site.vault)[0] == 77
