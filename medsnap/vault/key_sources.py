"""Where a person's keys may come from, in order; the first one that is set is used, no other is tried.

`doctor` shows all of them with their state, without reading a secret.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from medsnap.errors import KeyRefused
from medsnap.vault import key_roads, keys
from medsnap.vault.keys import Keys

CREDENTIAL = "medsnap-key"
UNLOCK = "medsnap-key-passphrase"
KEY_FD, KEY_COMMAND = "MEDSNAP_KEY_FD", "MEDSNAP_KEY_COMMAND"
PASSPHRASE_FD, PASSPHRASE_COMMAND = "MEDSNAP_KEY_PASSPHRASE_FD", "MEDSNAP_KEY_PASSPHRASE_COMMAND"


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Everything that names a source: options, settings, environment, the usual file."""

    vault: str
    environment: Mapping[str, str]
    key_file: Path | None = None
    command: str = ""  # MEDSNAP_KEY_COMMAND, key_command
    usual: Path | None = None
    ask: Callable[[], str] | None = None  # for a passphrase; None: nobody can be asked
    alone: bool = True  # nobody is there: a command gets no terminal, a keyring no time for its window


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
        read=lambda: keys.from_bytes(
            key_roads.of_descriptor(descriptor, name=KEY_FD, what="the key"),
            where=f"file descriptor {descriptor}",
            ask=places.ask,
        ),
    )
    yield Source(
        name="command",
        state="MEDSNAP_KEY_COMMAND is set" if places.command else "MEDSNAP_KEY_COMMAND is not set",
        ready=bool(places.command),
        read=lambda: keys.from_bytes(
            key_roads.of_command(
                places.command, name=KEY_COMMAND, what="the key command", alone=places.alone
            ),
            where="the key command",
            ask=places.ask,
        ),
    )
    yield Source(
        name="systemd credential",
        state=f"{CREDENTIAL} is there" if credential and credential.is_file() else f"no {CREDENTIAL}",
        ready=bool(credential and credential.is_file()),
        read=lambda: _credential(credential, places.ask),
    )
    yield _file("usual file", usual, places.ask, f"nothing at {places.usual}")
    safe = keys.safe_keyring()
    yield Source(
        name="system keyring",
        state=f"{safe} answers" if safe else "no safe keyring answers",
        ready=bool(safe),
        read=lambda: _keyring(places),
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


def unlocking(
    environment: Mapping[str, str], command: str, prompt: Callable[[], str] | None
) -> Callable[[], str] | None:
    """Return how to get the passphrase of the caller's own key: the first that is set, else the prompt.

    Only for a key that needs one: a passphrase that is set and not needed is not read.
    """
    number = environment.get(PASSPHRASE_FD, "")
    if number:
        return lambda: _line(
            key_roads.of_descriptor(number, name=PASSPHRASE_FD, what="the passphrase"), PASSPHRASE_FD
        )
    if command:
        return lambda: _line(
            key_roads.of_command(
                command, name=PASSPHRASE_COMMAND, what="the passphrase command", alone=prompt is None
            ),
            PASSPHRASE_COMMAND,
        )
    folder = environment.get("CREDENTIALS_DIRECTORY", "")
    if folder and (Path(folder) / UNLOCK).is_file():
        path = Path(folder) / UNLOCK
        return lambda: _line(key_roads.of_file(path, what="the credential"), f"credential {UNLOCK}")
    return prompt


def unlocking_state(environment: Mapping[str, str], command: str) -> tuple[str, bool]:
    """Say where a passphrase would come from, without reading it, and whether one is set."""
    folder = environment.get("CREDENTIALS_DIRECTORY", "")
    known = (
        (f"descriptor {environment.get(PASSPHRASE_FD, ''):.10}", bool(environment.get(PASSPHRASE_FD))),
        (f"{PASSPHRASE_COMMAND} is set", bool(command)),
        (f"credential {UNLOCK} is there", bool(folder) and (Path(folder) / UNLOCK).is_file()),
    )
    return next(((text, True) for text, there in known if there), ("asked for, where a key needs one", False))


def _line(data: bytes, where: str) -> str:
    """Return the first line, without its end: what an editor or `echo` puts behind it is no part of it."""
    text = data.split(b"\n", 1)[0].removesuffix(b"\r")
    if not text:
        raise KeyRefused("the passphrase is empty", where=where, hint="its first line is taken")
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        raise KeyRefused("the passphrase is no UTF-8", where=where) from None


def _credential(path: Path | None, ask: Callable[[], str] | None) -> Keys | None:
    if path is None:
        return None
    # systemd gives the service 0400 on a private mount; ACLs show as group bits there
    data = key_roads.of_file(path, what="the credential")
    return keys.from_bytes(data, where=f"credential {CREDENTIAL}", ask=ask)


def _keyring(places: Places) -> Keys | None:
    stored = keys.from_keyring(places.vault, alone=places.alone)
    where = "the system's keyring"
    return keys.from_bytes(stored.encode(), where=where, ask=places.ask) if stored is not None else None
