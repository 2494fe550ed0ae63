"""Where a person's keys may come from, in order; the first one that is set is used, no other is tried.

`doctor` shows all of them with their state, without reading a secret.
"""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from medsnap.errors import KeyRefused, UsageError
from medsnap.vault import keys
from medsnap.vault.files import read_limited
from medsnap.vault.keys import MAX_KEY_FILE, Keys

CREDENTIAL = "medsnap-key"
SECONDS = 60  # a command may ask a person to touch a token


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Everything that names a source: options, settings, environment, the usual file."""

    vault: str
    environment: Mapping[str, str]
    key_file: Path | None = None
    command: str = ""  # MEDSNAP_KEY_COMMAND, key_command
    usual: Path | None = None
    ask: Callable[[], str] | None = None  # for a passphrase; None: nobody can be asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One source: its name, what is known of it without reading it, and how to read it."""

    name: str
    state: str
    ready: bool
    read: Callable[[], Keys | None]  # None: it holds nothing for this vault


def sources(places: Places) -> Iterator[Source]:
    """Give the sources in the order in which they are asked; the keyring loads only when it is reached."""
    descriptor = places.environment.get("MEDSNAP_KEY_FD", "")
    folder = places.environment.get("CREDENTIALS_DIRECTORY", "")
    credential = Path(folder) / CREDENTIAL if folder else None
    usual = places.usual if places.usual is not None and places.usual.is_file() else None
    yield _file("key file", places.key_file, places.ask, "MEDSNAP_KEY_FILE is not set")
    yield Source(
        name="file descriptor",
        state=f"descriptor {descriptor:.10}" if descriptor else "MEDSNAP_KEY_FD is not set",
        ready=bool(descriptor),
        read=lambda: _descriptor(descriptor),
    )
    yield Source(
        name="command",
        state="MEDSNAP_KEY_COMMAND is set" if places.command else "MEDSNAP_KEY_COMMAND is not set",
        ready=bool(places.command),
        read=lambda: _ask_command(places.command),
    )
    yield Source(
        name="systemd credential",
        state=f"{CREDENTIAL} is there" if credential and credential.is_file() else f"no {CREDENTIAL}",
        ready=bool(credential and credential.is_file()),
        read=lambda: _credential(credential),
    )
    yield _file("usual file", usual, places.ask, f"nothing at {places.usual}")
    safe = keys.safe_keyring()
    yield Source(
        name="system keyring",
        state=f"{safe} answers" if safe else "no safe keyring answers",
        ready=bool(safe),
        read=lambda: _keyring(places.vault),
    )


def find(places: Places) -> Keys:
    """Read the first source that is set. Raises KeyRefused with what was looked at, UsageError."""
    for source in sources(places):
        found = source.read() if source.ready else None
        if found is not None:
            return found
    raise KeyRefused(
        "no key was given",
        hint="give --key-file, or set MEDSNAP_KEY_FILE, MEDSNAP_KEY_FD, MEDSNAP_KEY_COMMAND or a systemd"
        " credential; medsnap doctor shows each of them",
    )


def _file(name: str, path: Path | None, ask: Callable[[], str] | None, absent: str) -> Source:
    def read() -> Keys | None:
        return keys.load_file(path, ask=ask) if path is not None else None

    return Source(name=name, state=_shape(path) if path else absent, ready=path is not None, read=read)


def _shape(path: Path) -> str:
    """Say of a key file where it is, its mode and whether a passphrase seals it."""
    try:
        mode = path.stat().st_mode & 0o777
        with path.open("rb") as handle:
            sealed = handle.read(22).startswith((b"age-encryption.org/", b"-----BEGIN AGE"))
    except OSError as failure:
        return f"{path}: {failure.strerror}"
    return f"{path}, mode {mode:04o}, {'under a passphrase' if sealed else 'without a passphrase'}"


def _descriptor(number: str) -> Keys:
    if not number.isdecimal():
        raise UsageError("MEDSNAP_KEY_FD is no number")
    return keys.from_descriptor(int(number))


def _credential(path: Path | None) -> Keys | None:
    if path is None:
        return None
    # systemd gives the service 0400 on a private mount; ACLs show as group bits there
    text = read_limited(path, MAX_KEY_FILE).decode("utf-8", "replace")
    return keys.parse(text, where=f"credential {CREDENTIAL}")


def _keyring(vault: str) -> Keys | None:
    stored = keys.from_keyring(vault)
    return keys.parse(stored, where="the system's keyring") if stored is not None else None


def _ask_command(line: str) -> Keys:
    """Run a command without a shell; what it writes is a key file. Nothing of it is ever shown."""
    try:
        words = shlex.split(line)
        ran = subprocess.run(
            words, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, timeout=SECONDS, check=False
        )
    except (OSError, ValueError, IndexError, subprocess.TimeoutExpired) as failure:
        why = "took too long" if isinstance(failure, subprocess.TimeoutExpired) else "cannot be run"
        raise KeyRefused(f"the key command {why}", hint="look at MEDSNAP_KEY_COMMAND") from None
    if ran.returncode or len(ran.stdout) > MAX_KEY_FILE:
        why = f"ended with {ran.returncode}" if ran.returncode else "wrote too much for a key"
        raise KeyRefused(f"the key command {why}", hint="it must write a key file to its standard output")
    return keys.parse(ran.stdout.decode("utf-8", "replace"), where="the key command")
