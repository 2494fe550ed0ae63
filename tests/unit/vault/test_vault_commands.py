"""The vault commands, as a person or a script runs them."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from medsnap.cli import root
from medsnap.commands._main import run
from medsnap.vault import directory, keys, membership
from medsnap.vault.host import Host
from medsnap.vault.ids import random_id
from medsnap.vault.writer import Writer

from .conftest import NOW, Kit, digest


@dataclass
class Shell:
    """Run medsnap in one environment: `shell("vault", "ls")`."""

    home: Path
    capture: pytest.CaptureFixture[str]

    def __call__(self, *arguments: object) -> tuple[int, str, str]:
        code = run(root(), [str(a) for a in arguments])
        out, err = self.capture.readouterr()
        return code, out, err

    @property
    def vault(self) -> Path:
        return self.home / "vault"

    @property
    def key(self) -> Path:
        return self.home / "me.key"

    def json(self, *arguments: object) -> Any:
        return json.loads(self(*arguments, "--format", "json")[1])


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    for name in list(os.environ):
        if name.startswith(("MEDSNAP_", "XDG_", "CREDENTIALS_", "DBUS_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MEDSNAP_VAULT", str(tmp_path / "vault"))
    return Shell(tmp_path, capsys)


@pytest.fixture
def made(shell: Shell) -> Shell:
    code, _, _ = shell(
        "vault", "init", "--no-input", "--key-file", shell.key, "--recovery-file", shell.home / "recovery.key"
    )
    assert code == 0
    return shell


def _state(shell: Shell) -> Path:
    (folder,) = (shell.home / "home" / ".local" / "state" / "medsnap").iterdir()
    return folder


def _ingest(shell: Shell, *photos: tuple[bytes, str]) -> list[str]:
    """Add photos as the ingest host, the log left out."""
    kit = Kit(shell.home, None)  # type: ignore[arg-type]
    ids = []
    with Writer(
        Host.open(_state(shell), shell.vault, NOW),
        now=lambda: NOW,
        random=os.urandom,
        log=lambda commit, objects: None,
    ) as writer:
        for n, (photo, compartment) in enumerate(photos):
            row = kit.row(writer, photo, compartment, f"IMG_{n}.jpg")
            writer.add(compartment, row)
            ids.append(row.seal.object)
        writer.commit()
    return ids


def test_init_makes_everything_and_tries_it(made: Shell) -> None:
    assert made.key.stat().st_mode & 0o777 == 0o600
    sheet = keys.load_file(made.home / "recovery.key")
    assert sheet.root_key and sheet.signer
    assert not keys.load_file(made.key).root_key
    assert _state(made).stat().st_mode & 0o777 == 0o700
    assert {p.name for p in _state(made).iterdir()} == {"pin.json", "ingest.key"}
    assert made.json("vault", "ls", "--key-file", made.key)["photos"] == []
    assert made("vault", "check")[0] == 0
    assert made("audit", "verify", "--key-file", made.key)[0] == 0


def test_init_without_a_keyring_falls_back_to_a_file_and_says_so(shell: Shell) -> None:
    code, _, err = shell("vault", "init", "--no-input", "--recovery-file", shell.home / "r")
    assert code == 0 and "0600" in err
    vault_id = directory.load(shell.vault).directory.vault
    usual = shell.home / "home" / ".config" / "medsnap" / "keys" / f"{vault_id}.key"
    assert usual.stat().st_mode & 0o777 == 0o600
    assert shell("vault", "ls")[0] == 0  # found without being named


def test_init_refuses_before_it_makes_anything(shell: Shell) -> None:
    taken = shell.home / "taken"
    taken.write_text("x")
    cases: list[tuple[list[object], int]] = [
        (["--key-file", shell.key], 2),  # no recovery sheet
        (["--key-file", taken, "--recovery-file", shell.home / "r"], 73),
        (["--key-file", shell.vault / "k", "--recovery-file", shell.home / "r"], 2),
        (["--key-file", shell.key, "--recovery-file", shell.key], 2),
        (["--key-file", shell.key, "--recovery-file", shell.home / "r", "--compartment", "A b"], 2),
        (["--key-file", shell.key, "--recovery-file", shell.home / "r", "--member", "../x"], 2),
        (["--key-file", shell.key, "--recovery-file", shell.home / "r", "--passphrase"], 2),
    ]
    for options, expected in cases:
        code, _, err = shell("vault", "init", "--no-input", *options)
        assert code == expected, (options, err)
        assert not shell.vault.exists() and not shell.key.exists()
    shell.vault.mkdir()
    (shell.vault / "x").write_text("x")
    assert shell("vault", "init", "--no-input", "--key-file", shell.key, "--recovery-file", taken)[0] == 73


def test_init_says_what_lies_where_it_should_go(made: Shell) -> None:
    again = ["vault", "init", "--no-input", "--key-file", made.home / "k", "--recovery-dir", made.home / "s"]
    code, _, err = made(*again)
    assert code == 73 and "there is a vault here already" in err
    _ingest(made, (b"photo", "general"))
    (made.vault / "log" / "checkpoint").unlink()  # no longer what a cut-off init leaves: something is sealed
    code, _, err = made(*again)
    assert code == 73 and "not empty" in err and "remove" not in err


def test_init_that_was_cut_off_tells_how_to_go_on(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sheets = tmp_path / "sheets"
    words = ["vault", "init", "--no-input", "--key-file", shell.key, "--recovery-dir", sheets]

    def cut(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    for place in ("medsnap.vault.create.write_new", "medsnap.commands._vault_init._log_init"):
        with monkeypatch.context() as patch:
            patch.setattr(place, cut)
            assert shell(*words)[0] == 130
        code, _, err = shell(*words)
        assert code == 73 and "cut off" in err and "run it again" in err, (place, err)
        shutil.rmtree(shell.vault)
        shutil.rmtree(sheets, ignore_errors=True)
        shell.key.unlink(missing_ok=True)
    assert shell(*words)[0] == 0


def test_ls_show_open(made: Shell, photos: list[bytes]) -> None:
    one, two = _ingest(made, (photos[3], "general"), (photos[4], "intimate"))
    listed = made.json("vault", "ls", "--key-file", made.key)
    assert listed["count"] == 2
    assert {p["id"]: p["compartment"] for p in listed["photos"]} == {one: "general", two: "intimate"}
    assert listed["photos"][0]["study"]["mrn"] == "4711"
    assert made.json("vault", "ls", "--key-file", made.key, "--compartment", "intimate")["count"] == 1
    shown = made.json("vault", "show", one, "--key-file", made.key)
    assert shown["photo"]["source_name"] == "IMG_0.jpg"
    before = _events(made)
    target = made.home / "out.jpg"
    assert made("vault", "open", one, "-o", target, "--key-file", made.key)[0] == 0
    assert target.read_bytes() == photos[3] and target.stat().st_mode & 0o777 == 0o600
    assert _events(made)[len(before) :] == [("open", "success", (one,))]
    assert made("vault", "open", one, "-o", target, "--key-file", made.key)[0] == 73


def _events(shell: Shell) -> list[tuple[str, str, tuple[str, ...]]]:
    from medsnap.audit import store
    from medsnap.audit.log import Log
    from medsnap.model.event import AuditEvent
    from medsnap.vault.rings import unwrap

    named = directory.load(shell.vault).directory
    opener = keys.load_file(shell.key).identities
    ring = unwrap(shell.vault / "keys" / named.auditors_ring, named.auditors_ring_sha256, opener)
    events = store.read_events(Log(shell.vault / "log", named.origin), ring or ())
    return [(e.action, e.outcome, e.objects) for e in events if isinstance(e, AuditEvent)]


def _nurse(shell: Shell) -> Path:
    owner, sheet = keys.load_file(shell.key), keys.load_file(shell.home / "recovery.key")
    _, nurse = membership.add_member(
        shell.vault,
        directory.load(shell.vault).directory,
        opener=owner.identities,
        root_key=sheet.root_key,
        name="nurse",
        compartments=("general",),
        roles=("*",),
        verbs=("log",),
        random=os.urandom,
    )
    path = shell.home / "nurse.key"
    keys.save_file(path, keys.render(nurse, "nurse"), random=os.urandom)
    return path


@pytest.mark.parametrize("form", ["human", "json", "ndjson"])
def test_hidden_and_absent_are_the_same_byte_for_byte(made: Shell, photos: list[bytes], form: str) -> None:
    nurse = _nurse(made)
    (seen,) = _ingest(made, (photos[0], "general"))
    absent = random_id(os.urandom)

    def view(hidden: str) -> list[object]:
        common = ("--key-file", nurse, "--format", form)
        return [
            made("vault", "ls", *common),
            made("vault", "ls", "--compartment", "intimate", *common),
            made("vault", "show", hidden, *common),
            made("vault", "show", seen, *common),
            made("vault", "open", hidden, "-o", made.home / "x", *common),
        ]

    before = view(absent)
    (hidden,) = _ingest(made, (photos[4], "intimate"))
    assert view(hidden) == view(absent) == before
    assert before[2][0] == before[4][0] == 66  # type: ignore[index]
    assert not (made.home / "x").exists()


def test_a_refused_opening_is_logged_and_a_typed_name_is_not(made: Shell) -> None:
    absent = random_id(os.urandom)
    made("vault", "open", absent, "-o", made.home / "x", "--key-file", made.key)
    made("vault", "open", "Mueller_Hans", "-o", made.home / "x", "--key-file", made.key)
    refused = ("open-refused", "vault.not-found")
    assert _events(made)[1:] == [(*refused, (absent,)), (*refused, ())]


def test_nothing_is_released_when_it_cannot_be_logged(made: Shell, photos: list[bytes]) -> None:
    (one,) = _ingest(made, (photos[0], "general"))
    bare = made.home / "bare.key"
    given = keys.load_file(made.key)
    text = keys.render(
        keys.Keys(identities=given.identities, root_vkey=given.root_vkey, vault=given.vault), "x"
    )
    keys.save_file(bare, text, random=os.urandom)
    code, _, err = made("vault", "open", one, "-o", made.home / "x", "--key-file", bare)
    assert code == 77 and "logged" in err and not (made.home / "x").exists()


def test_check_names_what_is_wrong_and_ends_with_4(made: Shell, photos: list[bytes]) -> None:
    (one,) = _ingest(made, (photos[4], "general"))
    path = made.vault / "objects" / one[:2] / one
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    code, out, _ = made("vault", "check", "--format", "json")
    places = {p["where"] for p in json.loads(out)["problems"]}
    assert code == 4 and f"objects/{one[:2]}/{one}" in places
    assert made("vault", "open", one, "-o", made.home / "x", "--key-file", made.key)[0] == 4
    assert not (made.home / "x").exists()
    assert _events(made)[-1] == ("open-refused", "integrity", (one,))


def test_another_machine_trusts_by_fingerprint(made: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDSNAP_STATE", str(made.home / "other"))
    shown = made.json("vault", "trust")
    assert shown["pinned"] is False and not (made.home / "other").exists()
    assert made("vault", "trust", "0000 0000")[0] == 77
    assert made("vault", "trust", *shown["fingerprint"].split())[0] == 0
    assert made("vault", "trust", shown["fingerprint"])[0] == 0


@pytest.mark.parametrize("command", [["ls"], ["show", "x"], ["check"], ["trust"]])
def test_no_vault_is_a_clear_error(shell: Shell, command: list[str]) -> None:
    code, out, err = shell("vault", *command)
    assert code == 66 and "no medsnap vault here" in err and not out


def test_a_failure_in_a_script_is_one_json_object(shell: Shell) -> None:
    code, out, _ = shell("vault", "ls", "--format", "json")
    assert code == 66 and json.loads(out)["error"]["id"] == "input.missing"


def test_a_key_that_others_may_read_is_refused(made: Shell) -> None:
    made.key.chmod(0o644)
    assert made("vault", "ls", "--key-file", made.key)[0] == 77


def test_known_digests_are_not_in_the_listing_of_a_stranger(made: Shell, photos: list[bytes]) -> None:
    _ingest(made, (photos[4], "intimate"))
    out = made("vault", "ls", "--key-file", _nurse(made), "--format", "json")[1]
    assert digest(photos[4]) not in out and json.loads(out)["count"] == 0


def test_help_of_the_vault_loads_no_keys() -> None:
    import subprocess

    code = (
        "import sys; from medsnap.cli import root; from medsnap.commands._main import run; "
        "run(root(), ['vault', '--help']); "
        "sys.exit(any(m.split('.')[0] in ('cryptography', 'keyring', 'sqlite3') for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).returncode == 0
