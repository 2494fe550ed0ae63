"""The last step of one photo's path: one age file in the vault, one row in the batch, one outcome.

It has two halves, so that the next photos are sealed while one is written down: `begin`, `finish`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from medsnap.intake.reading import digest_of, opened, rewritten, whole
from medsnap.model.decision import Decision, Verb
from medsnap.model.finding import State
from medsnap.model.outcome import Done, Failed, Held, Outcome
from medsnap.model.photo import Candidate, CompanionKind, Kind, MediaType, Sha256, Source
from medsnap.model.record import CompanionRow, Intent, PhotoRow
from medsnap.model.rewrite import Buffer, Rewrite
from medsnap.model.seal import Seal
from medsnap.model.study import Match
from medsnap.pipeline import SOFTWARE, Examination, Settled

if TYPE_CHECKING:
    from medsnap.vault.sealing import Sealing
    from medsnap.vault.writer import Writer

Intents = Callable[[Decision, Match], tuple[Intent, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """What sealing one photo gave: its outcome, and the row and bytes for an export in the same run."""

    outcome: Outcome
    row: PhotoRow | None = None
    photo: bytes | None = None  # the scrubbed file, where it leaves in this run


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A photo that is being sealed; its source is not read any more."""

    candidate: Candidate
    seen: Examination
    settled: Settled
    sealing: Sealing
    expected: Sha256  # what must be sealed
    data: bytes  # the source, where it was read whole


def begin(writer: Writer, candidate: Candidate, seen: Examination, settled: Settled) -> Begun:
    """Begin to seal one photo under its decision. The source is not touched. Raises IoFailed, KeyRefused."""
    rewrite = _rewrite(seen, settled.decision)
    with opened(candidate.source) as stream:
        data = stream.read() if rewrite is not None and candidate.media.kind is Kind.PHOTO else b""
        chunks: Iterable[Buffer]
        if rewrite is None or seen.report is None:
            chunks, length, expected = whole(stream), seen.size, seen.sha256
        else:
            chunks = rewrite.chunks(data) if data else rewritten(rewrite, stream)
            length, expected = rewrite.size, Sha256(seen.report.sha256_out)
        sealing = writer.begin(
            chunks,
            source=seen.sha256,
            compartment=settled.decision.compartment,
            media=candidate.media,
            length=length,
            aside=bool(data),
        )
    return Begun(
        candidate=candidate, seen=seen, settled=settled, sealing=sealing, expected=expected, data=data
    )


def finish(writer: Writer, begun: Begun, *, at: datetime, intents: Intents) -> Sealed:
    """Take a sealed photo in, with its row. Raises IoFailed, KeyRefused.

    The bytes that are sealed are hashed on their way and must be those that were examined; a file
    that changed in between fails and its object is set aside by the writer.
    """
    candidate, seen, settled = begun.candidate, begun.seen, begun.settled
    source, decision, rewrite = candidate.source, settled.decision, _rewrite(seen, settled.decision)
    placed = writer.finish(begun.sealing)
    if placed.plaintext != begun.expected:
        return Sealed(outcome=_refused(source, "io.changed", "the file changed while it was taken in"))
    row = _row(candidate, seen, settled, placed, at)
    row = replace(
        row, companions=_companions(writer, candidate, placed), intents=intents(decision, settled.match)
    )
    writer.add(decision.compartment, row)
    photo = (
        b"".join(rewrite.chunks(begun.data)) if row.intents and rewrite is not None and begun.data else None
    )
    return Sealed(outcome=_outcome(row, source), row=row, photo=photo)


def _rewrite(seen: Examination, decision: Decision) -> Rewrite | None:
    return None if seals_original(decision) else seen.rewrite


def seals_original(decision: Decision) -> bool:
    """Say whether the bytes go in as they came: safeguarded evidence is not altered (policy.md M3).

    A safeguard that rests on missing facts alone seals the scrubbed file, so that it serves care
    once the fact arrives (docs/adr/0005).
    """
    if decision.verb is not Verb.SAFEGUARD:
        return False
    shown = any(
        f.feature == "intimate_region" and f.state in (State.SEEN, State.DOUBTFUL) for f in decision.features
    )
    return shown or not decision.provisional


def _row(candidate: Candidate, seen: Examination, settled: Settled, placed: Seal, at: datetime) -> PhotoRow:
    return PhotoRow(
        seal=placed,
        state="held" if seen.held else "done",
        reason=seen.held,
        source_name=candidate.source.relative.reveal(),
        source_sha256=seen.sha256,
        source_size=seen.size,
        media=candidate.media,
        at=stamp(at),
        decision=settled.decision,
        match=settled.match,
        width=seen.facts.width,
        height=seen.facts.height,
        orientation=seen.report.orientation if seen.report else seen.facts.orientation,
        capture=seen.facts,
        device=settled.evidence.device,
        signs=seen.signs,
        carriers=seen.report.carriers if seen.report else (),
        findings=seen.findings,
        software=SOFTWARE,
        pixels=seen.pixels,
        likeness=seen.likeness,
        evidence=settled.evidence,
        lists=settled.lists,
    )


def _companions(writer: Writer, candidate: Candidate, still: Seal) -> tuple[CompanionRow, ...]:
    """Seal a Live Photo's clip beside its still; list the digests of the other companions."""
    rows = []
    for companion in candidate.companions:
        source = companion.source
        with opened(source) as stream:
            digest = digest_of(stream)
            placed = None
            if companion.kind is CompanionKind.LIVE_CLIP:
                stream.seek(0)
                placed = writer.seal(
                    whole(stream),
                    source=digest,
                    compartment=still.compartment,
                    media=MediaType.MOV,
                    length=source.size,
                )
        rows.append(CompanionRow(kind=companion.kind.value, sha256=digest, size=source.size, seal=placed))
    return tuple(rows)


def _outcome(row: PhotoRow, source: Source) -> Outcome:
    if row.state == "held":
        return Held(source=source.relative, reason=row.reason, object=row.seal.object)
    decision = row.decision
    return Done(source=source.relative, object=row.seal.object, verb=str(decision.verb), waits=decision.waits)


def rejected(source: Source) -> Failed:
    """Give the outcome of a photo that the policy does not admit; its source is untouched (M3)."""
    return _refused(source, "policy.rejected", "the policy rejects this photo")


def _refused(source: Source, error: str, reason: str) -> Failed:
    return Failed(source=source.relative, error=error, reason=reason)


def stamp(at: datetime) -> str:
    """Write a time as RFC 3339 in UTC, to the second."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
