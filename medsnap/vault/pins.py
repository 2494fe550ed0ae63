"""What somebody trusts of a vault, and whether the directory that lies there comes from it.

A pin is kept outside the vault: by each ingest host, and by each reader in his cache. It holds the root
and the newest version seen, with its digest: so neither an older directory is believed, nor a second one
of the same version, nor one that grew out of such a second one, although the root's key signed it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from medsnap import disk
from medsnap.errors import InputMissing, KeyRefused, Malformed, Tampered
from medsnap.model.codec import CodecError, canonical, from_json
from medsnap.platform import too_open, write_durably
from medsnap.vault import history
from medsnap.vault.directory import FILE, Directory, SignedDirectory, digest_of, parse, verify
from medsnap.vault.files import io_errors, make_folder, read_limited

PIN = "pin.json"
MAX_SMALL = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """Vault, root and the newest directory seen; version 0: none was seen, only the root is known."""

    vault: str
    root: str  # vkey
    version: int
    digest: str = ""  # of that version; "" in a pin of before
    history: int = 0  # the lowest version that the vault keeps; once seen, nothing from it on may be missing
    former: tuple[str, ...] = ()  # roots that were trusted here before this one

    def trusts(self, root: str) -> bool:
        """Say whether this pin grew out of a root, or is of it."""
        return root == self.root or root in self.former


def follow(vault: Path, signed: SignedDirectory, pin: Pin) -> tuple[Directory, Pin]:
    """Return the directory when it comes from what is pinned, and the pin of it.

    A new root is followed where the one before signed for it. Raises KeyRefused (77): another vault or
    root, an older version, a fork, versions between that are missing.
    """
    here, data = signed.directory, signed.data
    if here.vault != pin.vault:
        raise KeyRefused("this is another vault than the one pinned here", hint="check --vault")
    if here.version < pin.version:
        raise KeyRefused(
            f"the directory is older (version {here.version}) than one seen before ({pin.version})",
            hint="somebody put an old directory back; restore the newest, seal nothing until then. If it was"
            " you, on purpose, and there is no newer one: medsnap vault trust --restored",
        )
    newest = _own(signed, pin)
    lowest = pin.history or newest.history
    met = [newest.root]
    while lowest and here.version > max(lowest, pin.version + 1) and not _reached(here, pin):
        here, data = _below(vault, here, data, foreign=not pin.trusts(newest.root))
        met.append(here.root)
    if here.version == pin.version and pin.digest and digest_of(data) != pin.digest:
        raise _forked(pin.version)
    if here.version == pin.version + 1 and pin.digest and here.before != pin.digest:
        raise _forked(pin.version)
    if here.root != pin.root:
        _other_root(data, pin)
    former = dict.fromkeys((*pin.former, pin.root, *reversed(met)))
    former.pop(newest.root)
    return newest, Pin(
        vault=pin.vault,
        root=newest.root,
        version=newest.version,
        digest=digest_of(signed.data),
        history=lowest,
        former=tuple(former),
    )


def known(vault: Path, signed: SignedDirectory, pin: Pin) -> Directory:
    """Return the directory of a vault or of an older copy of it, for looking only. Raises KeyRefused."""
    if signed.directory.version >= pin.version or signed.directory.vault != pin.vault:
        return follow(vault, signed, pin)[0]
    root = signed.directory.root if pin.trusts(signed.directory.root) else pin.root
    return verify(signed.data, root_vkey=root)


def by_root(vault: Path, signed: SignedDirectory, root: str) -> Directory:
    """Return the directory by a root that somebody named, or one that replaced it. Raises KeyRefused."""
    return follow(vault, signed, Pin(vault=signed.directory.vault, root=root, version=0))[0]


def _reached(here: Directory, pin: Pin) -> bool:
    """Say whether nothing older is needed: only a root was given, and here it is."""
    return pin.version == 0 and here.root == pin.root


def _own(signed: SignedDirectory, pin: Pin) -> Directory:
    """Verify by the root that the directory names; a vault that keeps no history cannot have changed it."""
    named = signed.directory
    chained = bool(pin.history or named.history) and named.version > pin.version
    return verify(signed.data, root_vkey=named.root if chained else pin.root)


def _below(vault: Path, here: Directory, data: bytes, *, foreign: bool) -> tuple[Directory, bytes]:
    try:
        return history.below(vault, here, data)
    except InputMissing:
        root = "the directory names another root than the one pinned here; " if foreign else ""
        raise KeyRefused(
            f"{root}version {here.version - 1} is missing, so nothing shows where this directory comes from",
            where=history.place(here.version - 1),
            hint="put it back from a copy of the vault; seal nothing until then",
        ) from None
    except Tampered as broken:
        raise KeyRefused(
            f"the directory does not come from the one seen before: {broken.message}",
            where=broken.where,
            hint="compare with a copy of the vault, ask the root's keeper; seal nothing until then",
        ) from broken


def _forked(version: int) -> KeyRefused:
    return KeyRefused(
        f"the directory is a fork: its version {version} is another one than the version {version} seen here",
        where=FILE,
        hint="the root's key signed two of them: seal and open nothing, ask the root's keeper",
    )


def _other_root(data: bytes, pin: Pin) -> None:
    """Demand that the pinned root signed the step to another one."""
    try:
        history.signed_by(data, pin.root)
    except KeyRefused:
        raise KeyRefused(
            "the directory names another root than the one pinned here, which did not sign that",
            where=FILE,
            hint="somebody changed the vault's directory: seal nothing, ask the root's keeper",
        ) from None


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
        disk.make_folders(folder.parent)
        make_folder(folder)
        write_durably(folder / PIN, canonical(pin) + b"\n")


def first(data: bytes) -> Pin:
    """Return the pin of a directory that the caller has verified."""
    seen = parse(data)
    return Pin(
        vault=seen.vault,
        root=seen.root,
        version=seen.version,
        digest=digest_of(data),
        history=seen.history,
    )
