"""Check with keys: open every photo that they open and compare it with its record."""

from __future__ import annotations

from dataclasses import dataclass, field

from medsnap.errors import MedsnapError
from medsnap.model.codec import CodecError
from medsnap.model.photo import ObjectId
from medsnap.model.record import ADD
from medsnap.model.rewrite import Buffer
from medsnap.model.seal import Seal
from medsnap.vault.reader import Problem, Reader, seals_in
from medsnap.vault.sample import Sample


@dataclass(slots=True, kw_only=True)
class Opened:
    """How many photos and clips opened as their record says, and which did not.

    `named` are the objects of all records, opened or not.
    """

    photos: int = 0
    clips: int = 0
    failed: list[ObjectId] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    named: set[ObjectId] = field(default_factory=set)


def open_all(reader: Reader, sample: Sample | None = None) -> Opened:
    """Open what the reader's keys open, one photo after the other, and keep none of it.

    With a `sample` only its objects. Events that were ignored (no right, no fit) are problems too.
    """
    found = Opened()
    for _, event in reader.rows():
        if event.get("event") != ADD:
            continue
        try:
            photo, *clips = seals_in(event)
        except CodecError as misfit:
            reader.note("batches", f"a record cannot be read: {misfit}")
            continue
        found.photos += _try(reader, photo, sample, found)
        found.clips += sum(_try(reader, clip, sample, found) for clip in clips)
    found.problems += reader.problems
    return found


def _try(reader: Reader, seal: Seal, sample: Sample | None, found: Opened) -> bool:
    if seal.object in found.named:
        return False  # the first record of an object counts
    found.named.add(seal.object)
    if sample is not None and not sample.takes(seal.object):
        return False
    try:
        reader.open_to(seal, _drop)
    except MedsnapError as problem:
        found.failed.append(seal.object)
        found.problems.append(Problem(f"objects/{seal.object[:2]}/{seal.object}", problem.message))
        return False
    return True


def _drop(_chunk: Buffer) -> None:
    """Keep nothing of a photo."""
