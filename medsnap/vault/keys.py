"""Key files and where keys come from. The only importer of keyring.

A key file is a stock age identity file: medsnap's signing key, root key and pin stand in comment
lines, so `age -d -i FILE` works with it as it is.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from medsnap import disk
from medsnap.errors import (
    CannotCreate,
    IoFailed,
    KeyRefused,
    Malformed,
    MedsnapError,
)
from medsnap.platform import too_open, write_durably
from medsnap.vault import key_roads
from medsnap.vault.ids import Random
from medsnap.vault.rings import identities_in

ALONE, PATIENT = 5.0, 60.0  # seconds for a keyring to answer: it may wait for a person
Found = TypeVar("Found")
_LABELS = {
    "member": "medsnap-member",
    "vault": "medsnap-vault",
    "root_vkey": "medsnap-root",
    "signer": "medsnap-signing-key",
    "root_key": "medsnap-root-key",
}
# Only stores that keep secrets from other users and from a copied disk; never what an environment
# variable or a plug-in chose (amendment 15).
SAFE_BACKENDS = (
    ("keyring.backends.SecretService", "Keyring"),
    ("keyring.backends.libsecret", "Keyring"),
    ("keyring.backends.kwallet", "DBusKeyring"),
    ("keyring.backends.macOS", "Keyring"),
    ("keyring.backends.Windows", "WinVaultKeyring"),
)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Keys:
    """The secrets of one person or sheet, and the root that he trusts. Its repr shows nothing."""

    identities: tuple[str, ...]
    signer: str = ""  # private signing key of the member
    root_key: str = ""  # private; stands only on recovery sheets
    root_vkey: str = ""  # the pin
    vault: str = ""
    member: str = ""

    @property
    def recipients(self) -> tuple[str, ...]:
        """The public keys of the identities."""
        from medsnap.crypto.age import recipient_of

        return tuple(recipient_of(identity) for identity in self.identities)

    @property
    def vkey(self) -> str:
        """The public part of the signing key; "" without one. Raises KeyRefused, Malformed."""
        from medsnap.crypto.note import Signer

        return Signer.parse_private(self.signer).vkey if self.signer else ""

    def __repr__(self) -> str:
        return f"Keys({len(self.identities)} identities)"


def render(keys: Keys, title: str) -> str:
    """Write keys as an age identity file."""
    lines = [f"# {title}", "# keep it secret; stock age reads this file too: age -d -i FILE"]
    lines += [f"# {label}: {value}" for field, label in _LABELS.items() if (value := getattr(keys, field))]
    return "\n".join([*lines, *keys.identities]) + "\n"


def parse(text: str, *, where: str = "") -> Keys:
    """Read an identity file. Raises KeyRefused when no identity stands in it or one is broken.

    A file with a root key alone is one too: the root opens nothing.
    """
    from medsnap.crypto.age import recipient_of

    identities = identities_in(text)
    try:
        for identity in identities:
            recipient_of(identity)
    except MedsnapError as broken:
        raise KeyRefused("a key in it cannot be read; is it complete?", where=where) from broken
    found: dict[str, str] = {}
    for line in text.splitlines():
        label, colon, value = line.removeprefix("#").strip().partition(":")
        for field, name in _LABELS.items():
            if colon and label == name:
                found[field] = value.strip()
    if not identities and "root_key" not in found:
        raise KeyRefused("there is no key in it", where=where, hint="a key file has a line AGE-SECRET-KEY-…")
    return Keys(identities=identities, **found)


def load_file(path: Path, *, ask: Callable[[], str] | None = None) -> Keys:
    """Read a key file, passphrase-encrypted or not. Raises KeyRefused (77) when others may read it.

    `ask` gives the passphrase; None means that nobody can be asked.
    """
    data = key_roads.of_file(path, what="the key file")
    if not sealed(data) and too_open(path):
        raise KeyRefused("others may read the key file", where=str(path), hint=f"chmod 600 {path}")
    return from_bytes(data, where=str(path), ask=ask)


def sealed(data: bytes) -> bool:
    """Say whether a key text is an age file under a passphrase."""
    return data.startswith((b"age-encryption.org/", b"-----BEGIN AGE"))


def from_bytes(data: bytes, *, where: str, ask: Callable[[], str] | None = None) -> Keys:
    """Read a key text as it came from a file, descriptor, command or store. Raises KeyRefused."""
    text = _unlock(data, ask, where) if sealed(data) else data.decode("utf-8", "replace")
    return parse(text, where=where)


def _unlock(data: bytes, ask: Callable[[], str] | None, where: str) -> str:
    from medsnap.crypto.age import decrypt_bytes

    if ask is None:
        raise KeyRefused(
            "the key file needs a passphrase and nobody can be asked",
            where=where,
            hint="set MEDSNAP_KEY_PASSPHRASE_FD, MEDSNAP_KEY_PASSPHRASE_COMMAND or the systemd credential"
            " medsnap-key-passphrase; or use a key file without one, mode 0600",
        )
    passphrase = ask()
    try:
        return decrypt_bytes(data, [], [passphrase]).decode("utf-8", "replace")
    except KeyRefused as refused:
        raise KeyRefused("the passphrase does not open the key file", where=where) from refused
    except MedsnapError as broken:
        raise KeyRefused(f"the key file cannot be read: {broken.message}", where=where) from broken


def save_file(path: Path, text: str, *, passphrase: str = "", random: Random) -> None:
    """Write a new key file, mode 0600, under a passphrase when one is given. Never replaces a file."""
    from medsnap.crypto.age import encrypt_passphrase

    data = text.encode()
    if passphrase:
        data = encrypt_passphrase(data, passphrase, random=random)
    try:
        disk.make_folders(path.parent)
        write_durably(path, data, exclusive=True)
    except FileExistsError:
        raise CannotCreate(
            "the file exists and a key is never replaced", where=str(path), hint="choose another name"
        ) from None
    except OSError as failure:
        raise IoFailed(f"the key cannot be written: {failure.strerror}", where=str(path)) from failure


def _backend() -> object | None:
    """Return the system's keyring when it is one of the safe ones and answers, else None."""
    import importlib

    for module_name, class_name in SAFE_BACKENDS:
        try:
            backend = getattr(importlib.import_module(module_name), class_name)
            if backend.priority > 0:
                return backend()  # type: ignore[no-any-return]
        except (ImportError, RuntimeError, AttributeError, OSError):
            continue
    return None


def safe_keyring() -> str:
    """Name the safe keyring that answers here; "" when there is none."""
    backend = _within(ALONE, _backend)
    return "" if backend is None else type(backend).__module__.rpartition(".")[2]


def from_keyring(vault: str, *, alone: bool = True) -> str | None:
    """Read a key text from the OS keyring; None when there is no safe keyring or nothing in it.

    A locked keyring opens a window and waits for a person; where none is there (`alone`) that ends soon.
    """

    def read() -> object:
        from keyring.errors import KeyringError

        backend = _backend()
        try:
            return backend.get_password("medsnap", vault) if backend is not None else None  # type: ignore[attr-defined]
        except (KeyringError, OSError, RuntimeError):
            return None

    text = _within(ALONE if alone else PATIENT, read)
    return text if isinstance(text, str) and text else None


def to_keyring(vault: str, text: str) -> bool:
    """Write a key text to a safe OS keyring and compare what it gives back; False means: use a file."""

    def write() -> bool:
        from keyring.errors import KeyringError

        backend = _backend()
        try:
            if backend is not None:
                backend.set_password("medsnap", vault, text)  # type: ignore[attr-defined]
            return backend is not None
        except (KeyringError, OSError, RuntimeError, Malformed):
            return False

    return bool(_within(PATIENT, write)) and from_keyring(vault, alone=False) == text


def _within(seconds: float, work: Callable[[], Found]) -> Found | None:
    """Do something that may wait for a window on a screen; None when it takes too long or fails."""
    found: list[Found] = []
    thread = threading.Thread(target=lambda: found.append(work()), daemon=True)
    thread.start()
    thread.join(seconds)
    return found[0] if found else None
