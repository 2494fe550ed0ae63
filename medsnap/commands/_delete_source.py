"""`ingest --delete-source`: sources whose photos are safe are unlinked, one by one, each looked at again.

A photo is safe when its commit stands in the log, its object verifies in the vault, it is held a second
time (or one copy was asked for), and present members have proven that they open what is sealed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, Final

import typer

from medsnap.commands._shared import Io
from medsnap.errors import InputMissing, KeyRefused, MedsnapError, UsageError
from medsnap.model.outcome import Done, Outcome
from medsnap.model.photo import Candidate, ObjectId, Sha256, Source
from medsnap.report.page import Block, Line, Table, Tone

if TYPE_CHECKING:
    from medsnap.batch import Dump
    from medsnap.vault.commits import SignedCommit
    from medsnap.vault.host import Host
    from medsnap.vault.objects import ObjectDigests
    from medsnap.vault.writer import Writer

DeleteOption = Annotated[
    bool, typer.Option("--delete-source", help="Unlink sources whose photos are safe, at the end.")
]
SecondOption = Annotated[
    Path | None,
    typer.Option("--second-copy", metavar="DIR", help="With --delete-source: a copy of the vault to verify."),
]
OneCopyOption = Annotated[
    bool, typer.Option("--one-copy", help="With --delete-source: this vault alone is enough.")
]

KEEPS: Final = (
    "Unlinked is not destroyed: flash memory, snapshots, trash folders of servers and backups may keep the"
    " bytes in the clear. Encrypt the disk that dumps land on."
)
_NOT_DONE: Final = "it is not sealed under a decision"
_SAFEGUARDED: Final = "it is safeguarded: the source may be evidence"
_UNCOMMITTED: Final = "its commit is not in the log"
_MOVED: Final = "its photo has another name in the vault now, which this host does not know"
_BROKEN: Final = "its object in the vault does not verify"
_NO_COPY: Final = "the second copy has not got it, or it does not verify there"
_MEMBERS: Final = "not everything in the archive is in the vault"
_COMPANION: Final = "a companion of a photo, not in the vault by itself"
Log = Callable[[tuple[str, ...], tuple[tuple[str, str], ...]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What was typed."""

    wanted: bool
    second: Path | None
    one_copy: bool


@dataclass(frozen=True, slots=True)
class _Taken:
    candidate: Candidate
    digest: Sha256
    outcome: Outcome


@dataclass(slots=True, kw_only=True)
class Deleting:
    """The sources of a run, what became of each, and in the end which are unlinked."""

    host: Host
    second: Path | None
    order: Callable[[], Sequence[Sha256]]  # the commits of the log
    taken: list[_Taken] = field(default_factory=list)
    unlinked: int = 0
    stay: dict[str, int] = field(default_factory=dict)

    def notice(self, candidate: Candidate, digest: Sha256, outcome: Outcome) -> None:
        """Remember what became of a source."""
        self.taken.append(_Taken(candidate, digest, outcome))

    def finish(
        self, io: Io, dump: Dump, writer: Writer, log: Log, tell: Callable[[dict[str, Any]], None]
    ) -> None:
        """Unlink what is safe; say of every other source why it stays. The log is told first."""
        from medsnap.intake import unlink

        safe = _Safe(self.host, self.second, self.order(), writer)
        files = _files(self.taken)
        safe.load(t.outcome.object for t in self.taken if isinstance(t.outcome, Done) and t.outcome.object)
        chosen = []
        for path, group in files.items():
            why = next(filter(None, (safe.why_not(t) for t in group)), "") or _unseen(group, dump)
            if why:
                self._stays(group[0].candidate.source, why, tell)
            else:
                chosen.append((path, group))
        ids = tuple(str(t.outcome.object) for _, g in chosen for t in g if isinstance(t.outcome, Done))
        if ids:
            held = "verified copy" if self.second else "one copy"
            log(ids, (("held", held), ("files", str(len(chosen)))))
        for path, group in chosen:
            left = unlink.unlink(path, _known(group[0].candidate.source), _same(group), io.random)
            if left is not None:
                self._stays(group[0].candidate.source, str(left), tell)
                continue
            self.unlinked += 1
            tell(_record(group[0].candidate.source, "unlinked", ""))
        for folder in {path.parent for path in files}:
            unlink.tidy(folder)
        for taken in self.taken:
            for companion in taken.candidate.companions:
                if companion.source.member is None:
                    self._stays(companion.source, _COMPANION, tell)

    def _stays(self, source: Source, why: str, tell: Callable[[dict[str, Any]], None]) -> None:
        self.stay[why] = self.stay.get(why, 0) + 1
        tell(_record(source, "stays", why))

    def page(self) -> list[Block]:
        """Say it to people, in plain words."""
        files = f"{self.unlinked} source{'' if self.unlinked == 1 else 's'} unlinked."
        page: list[Block] = [Line(), Line(files, Tone.GOOD)]
        if self.stay:
            ordered = sorted(self.stay.items(), key=lambda pair: (-pair[1], pair[0]))
            rows = tuple((str(count), why) for why, count in ordered)
            page.append(Table(columns=("stay", "why"), rows=rows, right=("stay",), wide="why"))
        if self.unlinked:
            page.append(Line(KEEPS, Tone.QUIET))
        return page

    def data(self) -> dict[str, Any]:
        """Count it for programs."""
        return {"unlinked": self.unlinked, "stay": dict(sorted(self.stay.items()))}


def begin(wish: Wish, host: Host, order: Callable[[], Sequence[Sha256]]) -> Deleting | None:
    """Check all that must be so before the first photo is looked at; None when nothing is to go.

    Raises UsageError, KeyRefused (nobody has proven that the photos open), InputMissing.
    """
    from medsnap.intake import unlink
    from medsnap.vault import proofs

    if not wish.wanted:
        if wish.second is not None or wish.one_copy:
            raise UsageError("--second-copy and --one-copy are for --delete-source")
        return None
    if (wish.second is not None) == wish.one_copy:
        raise UsageError(
            "--delete-source needs the photos held twice: --second-copy DIR, or else --one-copy",
            hint="make a copy every night: medsnap vault copy DIR",
        )
    if not unlink.supported():
        raise UsageError("this system cannot delete by the handle of a folder: delete the sources yourself")
    if wish.second is not None:
        _check_copy(host, wish.second)
    proven = proofs.proven(host.vault, host.directory)
    missing = [key.name for key in host.directory.compartments if key.name not in proven]
    if missing:
        raise KeyRefused(
            f"nobody has proven that the locked group '{missing[0]}' opens, so no source is deleted",
            hint="a member who opens it runs: medsnap vault prove",
        )
    return Deleting(host=host, second=wish.second, order=order)


def _check_copy(host: Host, second: Path) -> None:
    from medsnap.vault import directory

    if not (second / directory.FILE).exists():
        raise InputMissing(
            "there is no second copy of the vault here",
            where=str(second),
            hint="is the disk in its place? medsnap vault copy makes one",
        )
    copied = directory.load(second).directory
    same = second.resolve() == host.vault.resolve() or second.samefile(host.vault)
    if same or copied.vault != host.directory.vault or copied.root != host.directory.root:
        raise InputMissing(
            "this is no second copy of the vault", where=str(second), hint="medsnap vault copy makes one"
        )


class _Safe:
    """Which photos are safe: by the commits of the vault, and of its copy."""

    def __init__(self, host: Host, second: Path | None, order: Sequence[Sha256], writer: Writer) -> None:
        self._host, self._second, self._order, self._writer = host, second, set(order), writer
        self._of: dict[ObjectId, ObjectDigests] = {}
        self._copied: set[ObjectId] = set()

    def load(self, wanted: Iterable[ObjectId]) -> None:
        """Look the objects up in the commits that the log names, and in the copy's."""
        from medsnap.vault import commits
        from medsnap.vault.files import names
        from medsnap.vault.ids import is_id

        objects = set(wanted)
        for name in names(self._host.vault / "commits") if objects else ():
            try:
                signed = commits.read(self._host.vault, name, self._host.directory) if is_id(name) else None
            except MedsnapError:
                continue
            if signed is None or signed.sha256 not in self._order:
                continue
            found = {o.object: o for o in signed.commit.objects if o.object in objects}
            self._of |= found
            if found and self._second is not None and _is_copied(self._second, signed):
                self._copied |= found.keys()

    def why_not(self, taken: _Taken) -> str:
        """Say why a source must stay; "" when its photo is safe."""
        made = taken.outcome
        if not isinstance(made, Done) or made.object is None:
            return _NOT_DONE
        if made.verb == "safeguard":
            return _SAFEGUARDED
        known = self._writer.known(taken.digest)
        if known is not None and known.moved:
            return _MOVED
        expected = self._of.get(made.object)
        if known is None or not known.committed or known.object != made.object or expected is None:
            return _UNCOMMITTED
        if not _verifies(self._host.vault, expected):
            return _BROKEN
        if self._second is not None and not self._held_there(expected):
            return _NO_COPY
        return ""

    def _held_there(self, expected: ObjectDigests) -> bool:
        from medsnap.vault.objects import path_of

        if self._second is None or expected.object not in self._copied:
            return False
        one, other = (path_of(v, expected.object) for v in (self._host.vault, self._second))
        try:
            apart = not one.samefile(other)  # two names of one file are one copy
        except OSError:
            return False
        return apart and _verifies(self._second, expected)


def _is_copied(second: Path, signed: SignedCommit) -> bool:
    """Say whether the copy holds this very commit: without it an object is nobody's."""
    from medsnap.vault import commits

    try:
        return commits.digest(second, signed.commit.commit) == signed.sha256
    except MedsnapError:
        return False


def _verifies(vault: Path, expected: ObjectDigests) -> bool:
    """Hash an object anew, from the disk where the system lets us say so."""
    from medsnap.vault import objects

    path = objects.path_of(vault, expected.object)
    try:
        if hasattr(os, "posix_fadvise"):
            with path.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        return objects.digests_of(vault, expected.object) == expected
    except (MedsnapError, OSError):
        return False


def _files(taken: Iterable[_Taken]) -> dict[Path, list[_Taken]]:
    """Bring together what lies in one file: the members of an archive."""
    files: dict[Path, list[_Taken]] = {}
    for one in taken:
        files.setdefault(one.candidate.source.path, []).append(one)
    return files


def _unseen(group: Sequence[_Taken], dump: Dump) -> str:
    """Say whether an archive holds anything beside the photos that are in the vault."""
    first = group[0].candidate.source
    if first.member is None:
        return ""
    inside = sum(c.source.path == first.path for c in dump.candidates)
    companions = any(t.candidate.companions for t in group)
    above, name, _ = first.relative.reveal().partition(f"{first.path.name}/")
    prefix = above + name if name else ""  # an archive that was named itself does not stand in the paths
    left = any(outcome.source.reveal().startswith(prefix) for outcome in dump.left)
    return _MEMBERS if inside != len(group) or companions or left else ""


def _known(source: Source) -> Any:
    from medsnap.intake import archive
    from medsnap.intake.unlink import Known

    return Known(device=source.device, inode=source.inode, size=archive.size_on_disk(source))


def _same(group: Sequence[_Taken]) -> Callable[[BinaryIO], bool]:
    """Compare every photo in a file with what was sealed, through one open descriptor."""

    def same(file: BinaryIO) -> bool:
        from medsnap.intake import archive, reading

        def digests() -> Iterator[bool]:
            for one in group:
                file.seek(0)
                yield reading.digest_of(archive.reader(file, one.candidate.source)) == one.digest

        return all(digests())

    return same


def _record(source: Source, state: str, why: str) -> dict[str, Any]:
    said = {"type": "source", "source": source.relative, "state": state}
    return said | {"why": why} if why else said
