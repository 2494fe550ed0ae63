"""Keys where nobody can be asked: each source as a job has it, also under a passphrase; nothing hangs."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from medsnap.crypto.age import encrypt_passphrase, generate_identity
from medsnap.errors import Exit, IoFailed, KeyRefused, MedsnapError, UsageError
from medsnap.vault import key_roads, key_sources
from medsnap.vault import keys as k
from medsnap.vault.key_sources import Places
from tests.helpers import ROOT

from .test_vault_commands import Shell, _state, shell
from .test_vault_members_commands import made

__all__ = ["made", "shell"]
SECRET = "correct horse"
ECHO = f"{sys.executable} -c \"print('{SECRET}')\""


def _keys() -> k.Keys:
    return k.Keys(identities=(generate_identity(os.urandom),), vault="v", member="m")


@contextlib.contextmanager
def opened(data: bytes) -> Iterator[str]:
    """A pipe with these bytes in it, as `3< <(…)` gives one."""
    reading, writing = os.pipe()
    os.write(writing, data)
    os.close(writing)
    try:
        yield str(reading)
    finally:
        with contextlib.suppress(OSError):
            os.close(reading)


# ── a key under a passphrase ─────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def sealed() -> tuple[k.Keys, bytes]:
    given = _keys()  # made once: the passphrase is slow by intent
    return given, encrypt_passphrase(k.render(given, "").encode(), SECRET, random=os.urandom)


@pytest.fixture
def locked(tmp_path: Path, sealed: tuple[k.Keys, bytes]) -> tuple[k.Keys, Path]:
    path = tmp_path / "locked"
    path.write_bytes(sealed[1])
    return sealed[0], path


KEY_FROM = ("file", "descriptor", "command", "credential")


@pytest.mark.parametrize("source", KEY_FROM)
def test_each_source_may_hold_a_key_under_a_passphrase(
    source: str, locked: tuple[k.Keys, Path], tmp_path: Path
) -> None:
    given, path = locked
    environment, command = {}, ""
    if source == "credential":
        path = path.rename(tmp_path / "medsnap-key")
        environment["CREDENTIALS_DIRECTORY"] = str(tmp_path)
    with opened(path.read_bytes()) as number:
        if source == "descriptor":
            environment["MEDSNAP_KEY_FD"] = number
        if source == "command":
            command = f"cat '{path}'"
        places = Places(
            vault="v", environment=environment, command=command, ask=lambda: SECRET,
            key_file=path if source == "file" else None,
        )  # fmt: skip
        assert key_sources.find(places) == given


def _unlocked(environment: dict[str, str], command: str = "") -> str:
    ask = key_sources.unlocking(environment, command, None)
    assert ask is not None
    return ask()


def test_the_passphrase_comes_from_the_first_that_is_set(tmp_path: Path) -> None:
    (tmp_path / "medsnap-key-passphrase").write_bytes(b"of the credential\r\nmore")
    environment = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    with opened(b"of the descriptor\n") as number:
        assert _unlocked({**environment, "MEDSNAP_KEY_PASSPHRASE_FD": number}, ECHO) == "of the descriptor"
    assert _unlocked(environment, ECHO) == SECRET
    assert _unlocked(environment) == "of the credential"
    assert key_sources.unlocking({}, "", None) is None
    assert key_sources.unlocking({}, "", lambda: "typed") is not None


@pytest.mark.parametrize("data", [b"", b"\n", b"\r\nx", b"\xff\n"])
def test_what_is_no_passphrase_is_refused(data: bytes) -> None:
    with opened(data) as number, pytest.raises(KeyRefused, match="passphrase is") as caught:
        _unlocked({"MEDSNAP_KEY_PASSPHRASE_FD": number})
    assert caught.value.where == "MEDSNAP_KEY_PASSPHRASE_FD"


def test_a_passphrase_that_nobody_needs_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "plain"
    k.save_file(path, k.render(_keys(), ""), random=os.urandom)
    touched = tmp_path / "touched"
    ask = key_sources.unlocking({}, f"touch '{touched}'", None)
    key_sources.find(Places(vault="v", environment={}, key_file=path, ask=ask))
    assert not touched.exists()


# ── nothing hangs, nothing is endless ────────────────────────────────────────────────────────


def _soon(act: Callable[[], object], match: str, error: type[MedsnapError] = KeyRefused) -> MedsnapError:
    begun = time.monotonic()
    with pytest.raises(error, match=match) as caught:
        act()
    assert time.monotonic() - begun < 5
    return caught.value


def test_a_pipe_that_nobody_writes_to_ends_the_wait() -> None:
    reading, writing = os.pipe()
    _soon(
        lambda: key_roads.of_descriptor(str(reading), name="N", what="the key", seconds=0.2), "took too long"
    )
    os.close(writing)


def test_a_named_pipe_that_nobody_writes_to_ends_the_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    _soon(lambda: key_roads.of_file(tmp_path / "pipe", what="the key", seconds=0.2), "took too long")


def test_a_terminal_is_never_read() -> None:
    if not hasattr(os, "openpty"):
        pytest.skip("no terminals here")
    main, other = os.openpty()
    try:
        _soon(
            lambda: key_roads.of_descriptor(str(other), name="N", what="the key"), "is a terminal", UsageError
        )
        _soon(lambda: key_roads.of_file(Path(os.ttyname(other)), what="the key"), "is a terminal")
    finally:
        os.close(main)
        os.close(other)


@pytest.mark.parametrize("number", ["x", "-1", "", "1", "2", "987654", "9" * 40, "٣", "3 "])
def test_what_is_no_descriptor_is_told(number: str) -> None:
    error = _soon(lambda: key_roads.of_descriptor(number, name="N", what="the key"), ".", UsageError)
    assert error.exit == Exit.USAGE and "N=3" in error.hint


COMMANDS = {
    "sleeps": ("sleep 30", "took too long"),
    "leaves somebody behind": ("sh -c 'sleep 30 & exit 0'", "took too long"),
    "never stops": ("yes", "larger than"),
    "fails": ("sh -c 'exit 3'", "ended with 3"),
    "is killed": ("sh -c 'kill -9 $$'", "ended with -9"),
    "asks the terminal": ("sh -c 'read x < /dev/tty'", "ended with"),
}


@pytest.mark.parametrize("what", COMMANDS)
def test_a_command_ends(what: str) -> None:
    line, match = COMMANDS[what]
    _soon(lambda: key_roads.of_command(line, name="N", what="the command", seconds=0.5), match)


def test_what_a_command_started_ends_with_it(tmp_path: Path) -> None:
    line = f"sh -c 'sleep 30 & echo $! > {tmp_path / 'pid'}; wait'"
    _soon(lambda: key_roads.of_command(line, name="N", what="the command", seconds=0.5), "took too long")
    pid = int((tmp_path / "pid").read_text())
    for _ in range(50):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        if "Z" in Path(f"/proc/{pid}/stat").read_text("latin-1").rpartition(")")[2][:3]:
            return  # dead; its new parent has not looked yet
        time.sleep(0.1)
    raise AssertionError("it is still there")


def test_a_keyring_that_waits_for_a_person_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    class Locked:
        def get_password(self, *_: str) -> str:
            time.sleep(3)
            return "late"

    monkeypatch.setattr(k, "_backend", Locked)
    monkeypatch.setattr(k, "ALONE", 0.2)
    begun = time.monotonic()
    assert k.from_keyring("v") is None and time.monotonic() - begun < 2


@pytest.mark.parametrize("what", ["a folder", "a large file", "no age file any more"])
def test_what_is_no_key_file_is_told(what: str, tmp_path: Path, locked: tuple[k.Keys, Path]) -> None:
    path = tmp_path / "x"
    if what == "a folder":
        path.mkdir()
        with pytest.raises(IoFailed):
            k.load_file(path)
        return
    path.write_bytes(bytes(70_000) if what == "a large file" else locked[1].read_bytes()[:100])
    path.chmod(0o600)
    with pytest.raises(KeyRefused) as caught:
        k.load_file(path, ask=lambda: SECRET)
    assert caught.value.where == str(path) and "passphrase" not in caught.value.message


# ── as cron runs it ──────────────────────────────────────────────────────────────────────────


@pytest.fixture
def cron(made: Shell) -> Callable[..., subprocess.CompletedProcess[str]]:
    """medsnap without HOME, D-Bus, terminal or PATH, in a session of its own."""

    def run(*words: object, keep: tuple[int, ...] = (), **more: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "MEDSNAP_STATE": str(_state(made).parent), "MEDSNAP_CACHE": str(made.home / "cron"),
            "MEDSNAP_VAULT": str(made.vault), **more,
        }  # fmt: skip
        return subprocess.run(
            [sys.executable, "-m", "medsnap", *map(str, words)], env=environment, cwd=ROOT,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60,
            pass_fds=keep, start_new_session=True,
        )  # fmt: skip

    return run


def test_cron_with_nothing_is_told_what_to_set(
    made: Shell, cron: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    ran = cron("vault", "ls")
    told = " ".join(ran.stderr.split())
    assert ran.returncode == 77 and "no key was given" in told and "Traceback" not in ran.stderr
    for name in ("MEDSNAP_KEY_FILE", "MEDSNAP_KEY_FD", "MEDSNAP_KEY_COMMAND", "systemd credential"):
        assert name in told
    assert cron("doctor").returncode == 0


def test_cron_opens_a_key_under_a_passphrase_by_each_road_and_reads_a_descriptor_once(
    made: Shell, cron: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    locked = made.home / "locked.key"
    text = made.key.read_text()
    k.save_file(locked, text, passphrase=SECRET, random=os.urandom)
    ran = cron("vault", "ls", MEDSNAP_KEY_FILE=str(locked))
    assert ran.returncode == 77 and "MEDSNAP_KEY_PASSPHRASE_FD" in ran.stderr
    with opened(locked.read_bytes()) as key, opened(f"{SECRET}\n".encode()) as secret:
        # this command needs the key twice
        ran = cron(
            "vault", "check", "--open", keep=(int(key), int(secret)),
            MEDSNAP_KEY_FD=key, MEDSNAP_KEY_PASSPHRASE_FD=secret,
        )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, "")
    (made.home / "medsnap-key").write_bytes(locked.read_bytes())
    (made.home / "medsnap-key-passphrase").write_text(SECRET)
    assert cron("vault", "ls", CREDENTIALS_DIRECTORY=str(made.home)).returncode == 0
    ran = cron("vault", "ls", MEDSNAP_KEY_FILE=str(locked), MEDSNAP_KEY_PASSPHRASE_COMMAND=ECHO)
    assert ran.returncode == 0
    ran = cron("vault", "ls", MEDSNAP_KEY_FILE=str(locked), MEDSNAP_KEY_PASSPHRASE_COMMAND="/bin/echo wrong")
    assert ran.returncode == 77 and "does not open" in ran.stderr


def test_keys_are_made_under_a_passphrase_without_a_person(
    made: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("vault", "member", "key", "nurse", "--passphrase", "--no-input", "--key-file")
    code, _, err = made(*words, made.home / "nurse.key")
    assert code == 2 and "MEDSNAP_KEY_PASSPHRASE_FD" in err and not (made.home / "nurse.key").exists()
    monkeypatch.setenv("MEDSNAP_KEY_PASSPHRASE_COMMAND", ECHO)
    assert made(*words, made.home / "nurse.key")[0] == 0
    assert k.load_file(made.home / "nurse.key", ask=lambda: SECRET).member == "nurse"
    states = {s["source"]: (s["use"], s["state"]) for s in made.json("doctor")["key_sources"]}
    assert states["its passphrase"] == ("set", "MEDSNAP_KEY_PASSPHRASE_COMMAND is set")
    monkeypatch.setenv("MEDSNAP_VAULT", str(made.home / "another"))
    rest = ("--recovery-file", made.home / "r2.key", "--suite", "x25519", "--key-file", made.home / "o2.key")
    assert made("vault", "init", "--no-input", "--passphrase", *rest)[0] == 0
    assert k.load_file(made.home / "o2.key", ask=lambda: SECRET).member == "owner"


def test_an_account_without_a_home_is_told_to_set_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container's number that no list of accounts knows, started without HOME."""
    import pwd

    from medsnap.commands._shared import home

    def unknown(_uid: int) -> object:
        raise KeyError

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.delenv("HOME", raising=False)
    with pytest.raises(MedsnapError) as caught:
        home({})
    assert caught.value.exit == 78 and "HOME" in caught.value.hint
