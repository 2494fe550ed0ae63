"""What `audit report` reads beside the catalogue: stored photos, later dumps, files of the targets."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from medsnap.commands._shared import Io
from medsnap.errors import InputMissing, MedsnapError
from medsnap.model.decision import Verb
from medsnap.model.photo import Kind, MediaType

if TYPE_CHECKING:
    from medsnap.model.record import PhotoRow
    from medsnap.policy import Policy
    from medsnap.policy.auditing import Audited, Opened, Sent
    from medsnap.scrub import ScrubKeep
    from medsnap.vault.session import Session

MAX_SENT = 1 << 30  # bytes of one file of a target
MAX_OPENED = 256 << 20  # bytes of one photo that is decoded
AT_ONCE = 16  # photos that are logged before they are opened


# ── stored photos: opened, decoded and scrubbed once more in a worker without keys ────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A photo to decode; nothing of the patient goes with it."""

    object: str
    photo: bytes
    media: MediaType


def serve(keep: ScrubKeep) -> Callable[[Request], Opened]:
    """Make the function that the worker runs (see medsnap.workers)."""
    return lambda request: look(request, keep)


def look(request: Request, keep: ScrubKeep) -> Opened:
    """Decode one stored photo, and see what a scrub would still take out of it."""
    from medsnap import scrub
    from medsnap.intake import camera
    from medsnap.model.carrier import CarrierAction, CarrierKind
    from medsnap.policy.auditing import Opened
    from medsnap.raster.compare import pixels_digest
    from medsnap.scrub.report import revealed

    data, media = request.photo, request.media
    try:
        facts = camera.facts(data, media)
        digest = pixels_digest(data)
        report = scrub.clean(data, media, keep=keep).report
    except MedsnapError as problem:
        return Opened(object=request.object, problem=f"it cannot be shown: {problem.message}")
    kept = {c.kind for c in report.carriers if c.action is not CarrierAction.REMOVED}
    size = (facts.width, facts.height) if facts.width and facts.height else None
    return Opened(
        object=request.object,
        size=size,
        orientation=report.orientation,
        profile=CarrierKind.ICC in kept,
        pixels=digest,
        left=tuple(str(what) for what in revealed(report.carriers)),
    )


def sample(rows: Sequence[PhotoRow], count: int, seed: str) -> list[PhotoRow]:
    """Choose photos by a seed that the report names. What is safeguarded is never opened for this."""
    fit = [
        row for row in rows
        if row.state == "done" and row.media.kind is Kind.PHOTO and row.decision.verb is not Verb.SAFEGUARD
        and row.seal.length <= MAX_OPENED
    ]  # fmt: skip
    return sorted(fit, key=lambda row: hashlib.sha256((seed + row.seal.object).encode()).digest())[:count]


def opened(io: Io, session: Session, policy: Policy, rows: Sequence[PhotoRow]) -> tuple[Opened, ...]:
    """Open photos and look at them; the log says so first. Raises KeyRefused when it cannot."""
    from medsnap.pipeline import keep_of
    from medsnap.workers import Limits, Lost, Pool

    found: list[Opened] = []
    workers: Pool[Request, Opened] = Pool(
        "medsnap.commands._reread:serve", keep_of(policy), jobs=1, limits=Limits(seconds=300.0)
    )
    with workers, io.progress("open", len(rows)) as advance:
        for request, made in workers.map(_requests(io, session, rows, found)):
            found.append(_lost(request.object, made.reason) if isinstance(made, Lost) else made)
            advance()
    return tuple(found)


def _lost(name: str, reason: str) -> Opened:
    from medsnap.policy.auditing import Opened

    return Opened(object=name, problem=reason)


def _requests(io: Io, session: Session, rows: Sequence[PhotoRow], broken: list[Opened]) -> Iterator[Request]:
    from medsnap.commands._vault import record
    from medsnap.model.event import Action

    for start in range(0, len(rows), AT_ONCE):
        part = rows[start : start + AT_ONCE]
        objects = tuple(row.seal.object for row in part)
        record(io, session, Action.CHECK, objects=objects, details=(("for", "audit report"),))
        for row in part:
            try:
                photo = session.reader.open_seal(row.seal)
            except MedsnapError as problem:
                broken.append(_lost(row.seal.object, problem.message))
                continue
            yield Request(object=row.seal.object, photo=photo, media=row.media)


# ── a device or a later dump of it, the vault's own files, the targets' folders ───────────────


def dumped(io: Io, folders: Sequence[Path]) -> frozenset[str] | None:
    """Return the digests of the photos and clips of dumps; None when one cannot be read: it could be
    one that is filed. Raises InputMissing, IoFailed.
    """
    from medsnap.intake.limits import Limits
    from medsnap.intake.reading import digest_of
    from medsnap.intake.reading import opened as reading
    from medsnap.intake.walk import SkippedFile, walk

    found = set()
    for candidate in walk(list(folders), Limits()):
        if isinstance(candidate, SkippedFile):
            if candidate.error:
                io.warn("a file of the dump cannot be read, so nothing is said of the dump (medsnap scan)")
                return None
            continue
        for source in (candidate.source, *(c.source for c in candidate.companions)):
            with reading(source) as stream:
                found.add(str(digest_of(stream)))
    return frozenset(found)


def missing(vault: Path, photos: Sequence[Audited]) -> frozenset[str]:
    """Return the ids whose object the vault lacks."""
    from medsnap.vault.objects import path_of

    return frozenset(p.object for p in photos if not path_of(vault, p.object).is_file())


def sent(
    session: Session, policy: Policy, photos: Sequence[Audited], folders: Sequence[Path]
) -> tuple[Sent, ...]:
    """Read again what lies in the targets' folders under the names of receipts. Raises InputMissing."""
    from medsnap.export.reread import file_name, problems
    from medsnap.policy.auditing import Sent

    for folder in folders:
        if not folder.is_dir():
            raise InputMissing("there is no such folder", where=str(folder))
    found = []
    for photo in photos:
        label = policy.compartment(photo.row.seal.compartment).label.value
        for receipt in photo.receipts:
            name = file_name(receipt)
            path = next((f / name for f in folders if (f / name).is_file()), None)
            if path is not None:
                row = _as_of(session, photo.row, receipt.at)
                wrong = problems(_bounded(path), receipt, row, label)
                found.append(Sent(object=photo.object, target=receipt.target, problems=wrong))
    return tuple(found)


def _as_of(session: Session, row: PhotoRow, at: str) -> PhotoRow:
    """Give a row the decision that stood when the photo left: later looks change its flags."""
    then = datetime.fromisoformat(at)
    known = [d for d in session.catalogue.decided(row.seal.object) if datetime.fromisoformat(d.at) <= then]
    return replace(row, decision=known[-1]) if known else row


def _bounded(path: Path) -> bytes:
    with path.open("rb") as handle:
        return handle.read(MAX_SENT)
