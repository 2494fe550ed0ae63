"""Take photos to another locked group: sealed anew there, gone where they were, in one signed step.

A photo is opened and verified, sealed under a new file key and a new name to the other group, and read back.
A header wrapped anew would not do: who once opened the photo could have kept its file key. The lines on it
go from the batches of the one group into those of the other, of the same commits, so that each still counts
by who signed it and when. One note names all of it, and its entry in the log is the moment: before it the
vault is as it was, after it the photo lies in the other group alone. Cut off anywhere the next run goes on.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from medsnap.errors import KeyRefused, Tampered, Unsupported, UsageError
from medsnap.model.photo import ObjectId
from medsnap.model.record import ADD, HOLD, RELEASE
from medsnap.model.rewrite import Buffer
from medsnap.model.seal import Seal
from medsnap.vault import batches, commits, erasure, erasures, objects
from medsnap.vault.commits import SignedCommit
from medsnap.vault.directory import CompartmentKey, Directory
from medsnap.vault.erasure import Officer
from medsnap.vault.erasures import Added, Erasure, Replaced
from medsnap.vault.files import io_errors, write_new
from medsnap.vault.ids import Random, random_id
from medsnap.vault.moved import Fate, Now, sealed_fate, whereabouts
from medsnap.vault.moved_lines import Lines, Moving, Why
from medsnap.vault.objects import ObjectDigests, Placed
from medsnap.vault.reader import Reader, seals_in
from medsnap.vault.rights import subject

_TOGETHER: Final = 8  # objects that are made durable by one wait for the disk
_Place = tuple[str, str]  # commit, compartment


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """The vault, who reads it, who moves, and where to."""

    vault: Path
    directory: Directory
    reader: Reader
    officer: Officer
    to: str

    @property
    def key(self) -> CompartmentKey:
        """Return the key of the group that photos go to."""
        return self.directory.compartment(self.to)

    @property
    def random(self) -> Random:
        """Return where randomness comes from."""
        return self.officer.random


def move(work: Work, wanted: Iterable[Moving], why: Why) -> dict[ObjectId, ObjectId]:
    """Take photos and their clips to another locked group, under `erasure.alone`; returns new names by old.

    Receipts of photos that went there before, which somebody wrote in the moment of their move, go after
    them. The reader is of no use afterwards: what it has read of the vault is so no more. Raises KeyRefused
    without the right or the other group's key, UsageError for a photo that lies there, Unsupported for a
    group that is younger than the photo, Tampered, IoFailed.
    """
    writer = erasure.right(work.directory, work.officer)
    if work.to not in work.reader.compartments:
        raise KeyRefused(f"your key does not open the locked group '{work.to}'")
    photos = {one.object: one for one in wanted}
    late = gone_there(work.reader, work.to)
    found = _find(work, photos, late)
    ids = {old: random_id(work.random) for old in found.digests}
    if not found.places:
        return ids
    name = random_id(work.random)
    fresh = {place: random_id(work.random) for place in found.places}
    erasure.intend(work.vault, name, (*ids.values(), *fresh.values()))
    placed = _sealed_anew(work, found.seals, ids)
    seals = {old.object: _seal(work, old, placed[old.object]) for old in found.seals}
    for seal in seals.values():
        work.reader.open_to(seal, _nowhere)  # it opens with the other group's key, and is whole
    lines = Lines(photos=photos, names=late | ids, home=found.commit, holds=found.holds, why=why, seals=seals)
    replaced = _rewritten(work, fresh, lines)
    fate = Fate(to=work.to, at=why.at, by=why.by, reason=why.reason, became=dict(ids))
    note = Erasure(
        erasure=name,
        vault=work.directory.vault,
        directory=work.directory.version,
        verb=work.officer.verb,
        objects=tuple(found.digests[o] for o in sorted(found.digests)),
        replaced=tuple(sorted(replaced, key=lambda r: r.batch)),
        added=tuple(sorted(_added(found, placed), key=lambda a: a.object)),
        sealed=sealed_fate(fate, work.key.recipient, work.random),
    )
    signed = erasures.write(work.vault, note, work.officer.signer, writer)
    work.officer.log(signed)
    erasure.finish(work.vault, work.directory, work.officer)
    return ids


def gone_there(reader: Reader, group: str) -> dict[ObjectId, ObjectId]:
    """Name the photos that went to a group and lie there still: new names by all the old ones."""
    now = whereabouts(reader.ledger.notes, reader.fate)
    return {old: n.object for old, n in now.items() if isinstance(n, Now) and n.fate.to == group}


# ── what there is ────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True, kw_only=True)
class _Found:
    """What the catalogue has on the photos: seals, what commits say of them, batches to be written anew."""

    seals: list[Seal] = field(default_factory=list)
    digests: dict[ObjectId, ObjectDigests] = field(default_factory=dict)
    commit: dict[ObjectId, str] = field(default_factory=dict)
    places: list[_Place] = field(default_factory=list)
    holds: set[str] = field(default_factory=set)  # ids of holds on these photos


def _find(work: Work, photos: Mapping[ObjectId, Moving], late: Mapping[ObjectId, ObjectId]) -> _Found:
    """Go once through the catalogue for all that speaks of the photos. Errors as `move`."""
    found = _Found()
    names = {**late, **{name: name for name in photos}}
    lines = Lines(photos=photos, names=names, home={}, holds=frozenset(), why=Why(at="", by="", reason=""))
    touched: dict[str, dict[str, None]] = {}
    groups: dict[str, tuple[str, ...]] = {}
    ends: list[tuple[str, _Place]] = []
    for signed in work.reader.commits():
        commit, opened = signed.commit.commit, work.reader.opened_batches(signed)
        groups[commit] = tuple(opened)
        for compartment, batch in opened.items():
            about = [event for event, _ in batch.lines if lines.goes(event)]
            if about:
                touched.setdefault(commit, {})[compartment] = None
            found.holds |= {str(e.get("id")) for e in about if e.get("event") == HOLD}
            released = (str(e.get("id")) for e, _ in batch.lines if e.get("event") == RELEASE)
            ends += ((hold, (commit, compartment)) for hold in released)
        if commit in touched:
            _take_rows(work, found, signed, photos)
    for hold, (commit, compartment) in ends:
        if hold in found.holds:
            touched.setdefault(commit, {})[compartment] = None
    erasure.complete(work.reader)
    _check(work, found, photos)
    for commit, some in touched.items():
        if work.to not in groups[commit]:
            raise Unsupported(f"the locked group '{work.to}' is younger than a photo that is to go there")
        found.places += ((commit, name) for name in {**some, work.to: None})
    return found


def _take_rows(work: Work, found: _Found, signed: SignedCommit, photos: Mapping[ObjectId, Moving]) -> None:
    """Remember the rows that count: the first of each object."""
    named = {o.object: o for o in work.reader.ledger.objects(signed.commit)}
    rows = [event for _, event in work.reader.events(signed) if event["event"] == ADD]
    own = {str(subject(row)) for row in rows}
    for row in rows:
        photo, *clips = seals_in(row)
        if photo.object not in photos or photo.object in found.digests:
            continue
        if own.intersection(clip.object for clip in clips):
            raise Tampered("a photo that is to move names another one as its clip")
        for seal in (photo, *clips):
            found.seals.append(seal)
            found.digests[seal.object] = named[seal.object]
            found.commit[seal.object] = signed.commit.commit


def _check(work: Work, found: _Found, photos: Mapping[ObjectId, Moving]) -> None:
    if photos.keys() - found.digests.keys():
        raise Tampered("the catalogue has no row of a photo that is to move")
    if any(seal.compartment == work.to for seal in found.seals):
        raise UsageError(f"a photo lies in the locked group '{work.to}' already")


def _added(found: _Found, placed: Mapping[ObjectId, Placed]) -> Iterator[Added]:
    for old, one in placed.items():
        d = one.digests
        yield Added(commit=found.commit[old], object=d.object, payload=d.payload, header=d.header)


# ── objects ──────────────────────────────────────────────────────────────────────────────────


def _sealed_anew(
    work: Work, seals: Sequence[Seal], ids: Mapping[ObjectId, ObjectId]
) -> dict[ObjectId, Placed]:
    """Open and seal each in one pass, a few at a time; returns what was written by the old name.

    A photo that is not what its row says stops here (Tampered).
    """
    placed: dict[ObjectId, Placed] = {}
    for start in range(0, len(seals), _TOGETHER):
        staged: list[objects.Staged] = []
        try:
            for seal in seals[start : start + _TOGETHER]:
                staged.append(_staged(work, seal, ids[seal.object]))
                placed[seal.object] = staged[-1].placed
            objects.place(work.vault, staged)
        finally:
            for one in staged:
                one.close()
    return placed


def _staged(work: Work, seal: Seal, name: ObjectId) -> objects.Staged:
    chunks = work.reader.chunks(seal)
    recipient = work.key.recipient
    return objects.stage(
        work.vault, name, chunks, length=seal.length, recipient=recipient, random=work.random
    )


def _seal(work: Work, old: Seal, placed: Placed) -> Seal:
    return dataclasses.replace(
        old,
        object=placed.digests.object,
        compartment=work.to,
        epoch=work.key.epoch,
        payload=placed.digests.payload,
    )


def _nowhere(_chunk: Buffer) -> None:
    """Keep nothing of a photo."""


# ── batches ──────────────────────────────────────────────────────────────────────────────────


def _rewritten(work: Work, fresh: Mapping[_Place, ObjectId], lines: Lines) -> list[Replaced]:
    """Write the batches anew, those of one commit of one size: which of them got a photo does not show."""
    replaced = []
    for commit in dict.fromkeys(commit for commit, _ in fresh):
        signed = work.reader.commit(commit)
        opened = work.reader.opened_batches(signed) if signed else {}
        counted = {line for _, _, line in work.reader.lines(signed)} if signed else set()
        names = [n for c, n in fresh if c == commit]
        if signed is None or not opened.keys() >= set(names):
            raise Tampered("a batch could be read a moment ago, and no more", where=f"commits/{commit}")
        bodies = {n: lines.stay(opened[n].lines) for n in names}
        bodies[work.to] += (line for n in names for line in lines.come(commit, opened[n].lines, counted))
        texts = {n: batches.text(body) for n, body in bodies.items()}
        size = max(batches.common_size(list(texts.values())), *(opened[n].size for n in names))
        for name in names:
            recipient = work.directory.compartment(name).recipient
            data = batches.seal(texts[name], size, recipient, random=work.random)
            with io_errors(work.vault):
                write_new(work.vault / "batches" / fresh[commit, name], data)
            replaced.append(_replaced(commit, opened[name].ref, fresh[commit, name], data))
    return replaced


def _replaced(commit: str, ref: commits.BatchRef, by: ObjectId, data: bytes) -> Replaced:
    return Replaced(
        commit=commit, batch=ref.batch, sha256=ref.sha256, by=by, by_sha256=commits.sha256_of(data)
    )
