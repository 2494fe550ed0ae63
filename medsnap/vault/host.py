"""The ingest host's own folder: what it trusts, and the one key that lets it add.

Nothing in this folder decrypts anything. A thief of the whole host can add photos; he cannot
read, list or confirm a guess (amendment 5).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from medsnap.errors import InputMissing, KeyRefused
from medsnap.platform import too_open, write_durably
from medsnap.vault.directory import Directory, SignedDirectory, WriterVerb, load, verify
from medsnap.vault.files import make_folder, read_limited
from medsnap.vault.pins import MAX_SMALL, PIN, Pin, first, follow, read_pin, write_pin

if TYPE_CHECKING:
    from medsnap.crypto.note import Signer

INGEST_KEY = "ingest.key"
JOURNAL = "journal"
CHECKPOINT = "log.checkpoint"  # the log as this host last knew it, kept outside the vault


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
        pin = read_pin(folder)
        directory, newer = follow(vault, load(vault), pin)
        if directory.expired(now):
            raise KeyRefused(
                f"the directory expired on {directory.expires[:10]}",
                hint="the keeper of the root key signs a new one: medsnap vault recovery renew --set root",
            )
        signer = _signer(folder, directory)
        if newer != pin:
            write_pin(folder, newer)
        return cls(folder=folder, vault=vault, directory=directory, signer=signer)


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
    signed = compared(vault, root_fingerprint)
    new = first(signed.data)
    if (folder / PIN).exists():
        new = _onward(folder, vault, signed)
    write_pin(folder, new)
    return new


def compared(vault: Path, root_fingerprint: str) -> SignedDirectory:
    """Return the directory of a vault whose root has the fingerprint that a person compared, verified.

    Raises KeyRefused on any difference.
    """
    from medsnap.crypto.note import fingerprint

    signed = load(vault)
    named = signed.directory.root
    if _plain(fingerprint(named)) != _plain(root_fingerprint):
        raise KeyRefused(
            "the vault's root key has another fingerprint",
            hint="type all of it as the keeper reads it out; if it differs still, this is not his vault",
        )
    verify(signed.data, root_vkey=named)
    return signed


def _onward(folder: Path, vault: Path, signed: SignedDirectory) -> Pin:
    """Return the newer of the pin that is there and the directory. Raises KeyRefused: other root, fork."""
    old = read_pin(folder)
    named = signed.directory
    if named.vault == old.vault and old.trusts(named.root) and named.version < old.version:
        return old
    try:
        return follow(vault, signed, old)[1]
    except KeyRefused as refused:
        if named.root == old.root and named.vault == old.vault:
            raise
        raise KeyRefused(
            "another root is pinned here already", where=str(folder / PIN), hint=refused.hint
        ) from refused


def _plain(text: str) -> str:
    return "".join(c for c in text.lower() if c in "0123456789abcdef")
