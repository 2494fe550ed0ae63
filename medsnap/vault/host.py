"""The ingest host's own folder: what it trusts, and the one key that lets it add.

Nothing in this folder decrypts anything. A thief of the whole host can add photos; he cannot
read, list or confirm a guess (amendment 5).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from medsnap.errors import InputMissing, KeyRefused, Malformed
from medsnap.model.codec import CodecError, canonical, from_json
from medsnap.platform import too_open, write_durably
from medsnap.vault.directory import Directory, WriterVerb, load, verify
from medsnap.vault.files import io_errors, make_folder, read_limited

if TYPE_CHECKING:
    from medsnap.crypto.note import Signer

PIN = "pin.json"
INGEST_KEY = "ingest.key"
JOURNAL = "journal"
CHECKPOINT = "log.checkpoint"  # the log as this host last knew it, kept outside the vault
MAX_SMALL = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """What this host trusts: the vault's id, the root's key, and the newest directory it has seen."""

    vault: str
    root: str  # vkey
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """An ingest host whose directory has been verified against its pin."""

    folder: Path
    vault: Path
    directory: Directory
    signer: Signer

    @property
    def journal(self) -> Path:
        """Where the journal lies."""
        return self.folder / JOURNAL

    @classmethod
    def open(cls, folder: Path, vault: Path, now: datetime) -> Host:
        """Verify the vault's directory against this host's pin and note its version.

        Raises KeyRefused (77) for an unpinned or other root, a changed, older or expired
        directory, and a signing key that the directory does not know.
        """
        data = load(vault).data
        pin = read_pin(folder)
        directory = verified(data, pin, now)
        signer = _signer(folder, directory)
        if directory.version > pin.version:
            write_pin(folder, Pin(vault=pin.vault, root=pin.root, version=directory.version))
        return cls(folder=folder, vault=vault, directory=directory, signer=signer)


def verified(data: bytes, pin: Pin, now: datetime | None) -> Directory:
    """Return a directory that the pin accepts. Raises KeyRefused (77).

    `now` None passes over the date: who holds a key may read on, ingest may not go on.
    """
    directory = verify(data, root_vkey=pin.root)
    if directory.vault != pin.vault:
        raise KeyRefused("this is another vault than the one pinned here", hint="check --vault")
    if directory.version < pin.version:
        raise KeyRefused(
            f"the directory is older (version {directory.version}) than one seen before ({pin.version})",
            hint="somebody put an old directory back; restore the newest, seal nothing until then",
        )
    if now is not None and directory.expired(now):
        raise KeyRefused(
            f"the directory expired on {directory.expires[:10]}",
            hint="the keeper of the root key has to sign a new one",
        )
    return directory


def read_pin(folder: Path) -> Pin:
    """Read what this host trusts. Raises KeyRefused when nothing is pinned or others may change it."""
    path = folder / PIN
    try:
        if too_open(folder):
            raise KeyRefused(
                "others may use this host's folder", where=str(folder), hint=f"chmod 700 {folder}"
            )
        data = read_limited(path, MAX_SMALL)
    except (InputMissing, FileNotFoundError):
        raise KeyRefused(
            "the vault's root key is not pinned on this machine",
            where=str(folder),
            hint="compare its fingerprint with the keeper, then: medsnap vault trust --vault V FINGERPRINT",
        ) from None
    try:
        return from_json(Pin, json.loads(data))
    except (ValueError, RecursionError, CodecError) as misfit:
        raise Malformed("the pin cannot be read", where=str(path)) from misfit


def write_pin(folder: Path, pin: Pin) -> None:
    """Write what this host trusts, durably, mode 0600 in a 0700 folder."""
    with io_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        make_folder(folder)
        write_durably(folder / PIN, canonical(pin) + b"\n")


def write_ingest_key(folder: Path, private: str) -> None:
    """Write the host's signing key, mode 0600; never replaces one."""
    make_folder(folder)
    write_durably(folder / INGEST_KEY, private.encode() + b"\n", exclusive=True)


def _signer(folder: Path, directory: Directory) -> Signer:
    from medsnap.crypto.note import Signer

    path = folder / INGEST_KEY
    try:
        text = read_limited(path, MAX_SMALL).decode("ascii", "replace").strip()
    except InputMissing:
        raise KeyRefused(
            "this machine has no signing key for the vault",
            where=str(path),
            hint="make the vault here, or copy ingest.key from the ingest host over a safe way (mode 0600)",
        ) from None
    if too_open(path):
        raise KeyRefused("others may read this host's signing key", where=str(path), hint=f"chmod 600 {path}")
    signer = Signer.parse_private(text)
    writer = directory.writer(signer.vkey)
    if writer is None or WriterVerb.ADD not in writer.verbs:
        raise KeyRefused(
            "the vault's directory does not let this machine's key add photos",
            where=str(path),
            hint="the key was revoked, or belongs to another vault",
        )
    return signer


def pin(folder: Path, vault: Path, root_fingerprint: str) -> Pin:
    """Trust a vault's root by the fingerprint that a person compared. Raises KeyRefused on any difference.

    An existing pin is kept when it is the same root and refused when it is not.
    """
    from medsnap.crypto.note import fingerprint

    signed = load(vault)
    named = signed.directory.root
    if _plain(fingerprint(named)) != _plain(root_fingerprint):
        raise KeyRefused(
            "the vault's root key has another fingerprint",
            hint="type all of it as the keeper reads it out; if it differs still, this is not his vault",
        )
    directory = verify(signed.data, root_vkey=named)
    new = Pin(vault=directory.vault, root=named, version=directory.version)
    if (folder / PIN).exists():
        old = read_pin(folder)
        if (old.vault, old.root) != (new.vault, new.root):
            raise KeyRefused("another root is pinned here already", where=str(folder / PIN))
        new = Pin(vault=new.vault, root=new.root, version=max(old.version, new.version))
    write_pin(folder, new)
    return new


def _plain(text: str) -> str:
    return "".join(c for c in text.lower() if c in "0123456789abcdef")
