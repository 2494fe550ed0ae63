"""Do sheets open what they should, and nothing else? One photo of each locked group is opened as proof."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from medsnap.errors import MedsnapError
from medsnap.model.codec import CodecError
from medsnap.model.photo import ObjectId, Sha256
from medsnap.model.record import ADD
from medsnap.model.seal import Seal
from medsnap.vault.directory import Directory
from medsnap.vault.files import names
from medsnap.vault.reader import Problem, Reader, seals_in
from medsnap.vault.recovery import CLOSED, GENERAL, Recovered, identity_of, keys_of, opens
from medsnap.vault.rings import compartment_identities, unwrap

LOOK_AT = 64  # commits: enough for a photo of each group, however large the vault is


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What opened. `photos` names one object of each group that has one in the commits looked at."""

    opened: tuple[str, ...]
    shut: tuple[str, ...]  # groups that these sheets are not meant to open, and do not
    auditors: bool
    photos: tuple[tuple[str, ObjectId], ...]
    problems: tuple[Problem, ...]


def prove(vault: Path, directory: Directory, found: Recovered, *, order: Sequence[Sha256] = ()) -> Proof:
    """Open rings and photos with recovered secrets. Raises nothing for what is in the vault."""
    rings = _rings(vault, directory, found)
    photos, faults = _photos(vault, directory, keys_of(found, directory).identities, order)
    return replace(rings, photos=photos, problems=tuple(dict.fromkeys((*rings.problems, *faults))))


def _rings(vault: Path, directory: Directory, found: Recovered) -> Proof:
    """Open every ring with each identity by itself; no photo yet."""
    opened: list[str] = []
    shut: list[str] = []
    problems: list[Problem] = []
    auditors = False
    for kind in (k for k in found.kinds if k in (GENERAL, CLOSED)):
        identity = identity_of(found.secrets[kind], directory.suite)
        meant = opens(kind, directory)
        for key in directory.compartments:
            try:
                got = compartment_identities(vault, key, [identity]) is not None
            except MedsnapError as broken:
                problems.append(Problem(broken.where or f"keys/{key.ring}", broken.message))
                continue
            if got:
                opened.append(key.name)
            elif key.name not in meant:
                shut.append(key.name)
            if got != (key.name in meant):
                what = "opens with sheets that must not open it" if got else "does not open with its sheets"
                problems.append(Problem(f"keys/{key.ring}", f"the locked group '{key.name}' {what}"))
        if kind == GENERAL:
            auditors, fault = _auditors(vault, directory, identity)
            problems += fault
    order = [key.name for key in directory.compartments]
    return Proof(
        opened=tuple(name for name in order if name in opened),
        shut=tuple(name for name in order if name in shut and name not in opened),
        auditors=auditors,
        photos=(),
        problems=tuple(problems),
    )


def _auditors(vault: Path, directory: Directory, identity: str) -> tuple[bool, list[Problem]]:
    where = f"keys/{directory.auditors_ring}"
    try:
        got = unwrap(vault / where, directory.auditors_ring_sha256, [identity]) is not None
    except MedsnapError as broken:
        return False, [Problem(broken.where or where, broken.message)]
    return got, [] if got else [Problem(where, "the auditors' ring does not open with its sheets")]


def _photos(
    vault: Path, directory: Directory, identities: Sequence[str], order: Sequence[Sha256]
) -> tuple[tuple[tuple[str, ObjectId], ...], tuple[Problem, ...]]:
    """Open one photo of each group that the identities open, and keep none of it."""
    reader = Reader(vault, directory, identities, order=order)
    every = set(names(vault / "commits"))
    chosen = set(sorted(every)[:LOOK_AT])  # ids are random: so is the choice
    missing = set(reader.compartments)
    done: list[tuple[str, ObjectId]] = []
    problems: list[Problem] = []
    for signed in reader.commits(known=every - chosen):
        for group, event in reader.events(signed):
            seal = _photo(event) if group in missing else None
            if seal is None:
                continue
            missing.discard(group)
            try:
                reader.open_to(seal, lambda _chunk: None)
                done.append((group, seal.object))
            except MedsnapError as broken:
                problems.append(Problem(broken.where, broken.message))
        if not missing:
            break
    return tuple(done), (*problems, *reader.problems)


def _photo(event: dict[str, object]) -> Seal | None:
    if event.get("event") != ADD:
        return None
    try:
        return next(iter(seals_in(event)))
    except CodecError:
        return None
