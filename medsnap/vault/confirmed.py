"""Which ingest hosts have taken up the newest directory: their own commits say it.

A commit names the version of the directory that it was sealed under. Until a host has written under
the new one it may seal photos to the key of the epoch before.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from medsnap.errors import MedsnapError
from medsnap.vault import commits
from medsnap.vault.directory import Directory, WriterVerb
from medsnap.vault.files import names
from medsnap.vault.ids import is_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """An ingest host's key and the newest directory that a commit of it names; None without a commit."""

    host: str
    seen: int | None
    wanted: int

    @property
    def done(self) -> bool:
        """Say whether the host has written under the newest directory."""
        return self.seen is not None and self.seen >= self.wanted


def confirmations(vault: Path, directory: Directory) -> tuple[Confirmation, ...]:
    """Return every key that may add photos. Commits that do not verify confirm nothing."""
    hosts = [w for w in directory.writers if WriterVerb.ADD in w.verbs]
    newest: dict[str, int] = {}
    for name in names(vault / "commits"):
        if not is_id(name):
            continue
        try:
            signed = commits.read(vault, name, directory)
        except MedsnapError:
            continue  # `vault check` tells what is wrong with it
        key = signed.writer.name
        newest[key] = max(newest.get(key, 0), signed.commit.directory)
    return tuple(Confirmation(host=w.name, seen=newest.get(w.name), wanted=directory.version) for w in hosts)
