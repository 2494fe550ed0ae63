"""The newest version of each policy that was in force here, so that an old one is not put back.

Kept beside the pin: in the ingest host's folder, and in each member's cache folder.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from medsnap import disk
from medsnap.errors import InputMissing, Malformed
from medsnap.model.codec import CodecError, canonical, from_json
from medsnap.platform import write_durably
from medsnap.vault.files import io_errors, make_folder, read_limited

FILE = "policies.json"
_MAX = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A policy's newest version, and the digest of its file."""

    version: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Versions:
    policies: dict[str, Seen] = field(default_factory=dict)


def seen(folder: Path) -> dict[str, Seen]:
    """Return what was in force here, by policy id. Raises Malformed: a broken memory is no empty one."""
    try:
        data = read_limited(folder / FILE, _MAX)
    except InputMissing:
        return {}
    try:
        return from_json(_Versions, json.loads(data)).policies
    except (ValueError, RecursionError, CodecError) as misfit:
        raise Malformed(
            "the list of policies that were in force cannot be read",
            where=str(folder / FILE),
            hint="put it back from a copy; without it an older policy would not be noticed",
        ) from misfit


def note(folder: Path, policy: str, version: int, digest: str) -> None:
    """Remember that a policy is in force; a lower version never replaces a higher one."""
    known = seen(folder)
    before = known.get(policy)
    if before is not None and (before.version > version or before == Seen(version=version, digest=digest)):
        return
    known[policy] = Seen(version=version, digest=digest)
    with io_errors(folder):
        disk.make_folders(folder.parent)
        make_folder(folder)
        write_durably(folder / FILE, canonical(_Versions(policies=known)) + b"\n")
