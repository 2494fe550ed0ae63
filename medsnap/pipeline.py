"""The path of one photo, top to bottom: examine and settle here, seal in `medsnap.sealing`.

    intake ─► scrub ─► detect ─► match ─► decide ─► seal ─► catalogue
    └────── examine ───────┘  └─── settle ──┘  └────── seal ──────┘

`examine` runs in a worker process without keys and returns a small record, never pixels. `settle`
is pure: facts and rules in, decision out. `seal` is the only step that writes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from medsnap import __released__, __version__, match, scrub
from medsnap.errors import Malformed, NotClean, TooLarge, Unsupported
from medsnap.intake import camera, devices, people, sources
from medsnap.intake.reading import digest_of, mapped, opened
from medsnap.model.consent import Register, joined
from medsnap.model.decision import Decision, Evidence, LeakSign, Person, Software
from medsnap.model.finding import Finding, Reading
from medsnap.model.photo import Candidate, CaptureFacts, Kind, MediaType, Sha256
from medsnap.model.record import Lists
from medsnap.model.rewrite import Rewrite
from medsnap.model.study import Match, MatchState
from medsnap.scrub.apply import MAX_STILL
from medsnap.scrub.report import ScrubReport

if TYPE_CHECKING:
    from medsnap.detect import Detectors
    from medsnap.match.manifest import Manifest
    from medsnap.policy import Policy

SOFTWARE = f"medsnap {__version__}"
THIS = Software(version=__version__, released=date.fromisoformat(__released__))


# ── examine: what the file is and what is in it ──────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class ExaminerSetup:
    """What a worker needs once: where the models lie, and how much to prove."""

    models: Path | None
    verify_pixels: bool = False
    detect: bool = True
    keep: scrub.ScrubKeep = field(default_factory=scrub.ScrubKeep)


def keep_of(policy: Policy) -> scrub.ScrubKeep:
    """Say what a policy's `scrub` section leaves in the file; `catalogue` and `remove` leave nothing."""
    said = policy.settings.get("scrub")
    wish = said if isinstance(said, dict) else {}
    return scrub.ScrubKeep(
        captured_at="keep" if wish.get("captured_at") == "keep" else "remove",
        device="keep" if wish.get("device") == "keep" else "remove",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """All that is known of one file after it was read: digests, camera, signs, scrub, features."""

    sha256: Sha256
    size: int
    facts: CaptureFacts = field(default_factory=CaptureFacts)
    signs: tuple[LeakSign, ...] = ()
    rewrite: Rewrite | None = None  # how to write the scrubbed file; None: held
    report: ScrubReport | None = None
    held: str = ""  # why it cannot be scrubbed
    findings: tuple[Finding, ...] = ()
    readings: tuple[Reading, ...] = ()
    pixels: Sha256 | None = None  # of the decoded picture, where it was compared
    likeness: str | None = None  # fingerprint of the picture, where it was decoded
    upright_size: tuple[int, int] = (0, 0)  # pixels, width and height, of the picture as displayed


def examiner(setup: ExaminerSetup) -> Callable[[Candidate], Examination]:
    """Make the function that a worker runs for each candidate (see medsnap.workers)."""
    detectors: Detectors | None = None
    if setup.detect:
        from medsnap.detect import Detectors as Loaded

        detectors = Loaded.load(setup.models)
    return lambda candidate: examine(candidate, detectors, verify_pixels=setup.verify_pixels, keep=setup.keep)


def examine(
    candidate: Candidate,
    detectors: Detectors | None,
    *,
    verify_pixels: bool = False,
    keep: scrub.ScrubKeep = scrub.ScrubKeep(),  # noqa: B008 - frozen
) -> Examination:
    """Read one file and say what it is. Raises IoFailed when it cannot be read or changed meanwhile."""
    source, media = candidate.source, candidate.media
    if media.kind is Kind.CLIP and (source.member is None or source.size <= MAX_STILL):
        return _examine_clip(candidate)
    if media.kind is not Kind.PHOTO or source.size > MAX_STILL:
        with opened(source) as stream:
            return Examination(sha256=digest_of(stream), size=source.size, held=_not_scrubbed(media))
    with opened(source) as stream:
        data = stream.read()
    facts = camera.facts(data, media)
    found = Examination(
        sha256=Sha256(hashlib.sha256(data).hexdigest()),
        size=len(data),
        facts=facts,
        signs=sources.found(candidate, facts, data),
    )
    try:
        scrubbed = scrub.clean(data, media, keep=keep, verify_pixels=verify_pixels)
    except (Unsupported, Malformed, TooLarge, NotClean) as problem:
        return replace(found, held=problem.message)
    found = replace(found, rewrite=scrubbed.rewrite, report=scrubbed.report)
    if detectors is None and not scrubbed.report.pixels_equal:
        return found
    clean = scrubbed.data(data)
    if scrubbed.report.pixels_equal:
        from medsnap.raster import compare, likeness

        found = replace(found, pixels=compare.pixels_digest(clean))
        found = replace(found, likeness=likeness.of(clean, media) if detectors is None else None)
    if detectors is None:
        return found
    look = detectors.look(clean, media)
    found = replace(found, likeness=look.likeness, upright_size=(look.width, look.height))
    return replace(found, findings=look.findings, readings=look.readings)


def _examine_clip(candidate: Candidate) -> Examination:
    """Scrub a clip through a map, however large; its pixels are not looked at.

    One in an archive is read into memory, since a map needs a file and no patient's data go into one.
    """
    source, media = candidate.source, candidate.media
    with opened(source) as stream:
        data = b"" if source.member is None else stream.read()
        digest = Sha256(hashlib.sha256(data).hexdigest()) if data else digest_of(stream)
        found = Examination(
            sha256=digest, size=source.size, signs=sources.signs(candidate, CaptureFacts(), None)
        )
        try:
            scrubbed = scrub.clean(data or mapped(stream), media)
        except (Unsupported, Malformed, TooLarge, NotClean) as problem:
            return replace(found, held=problem.message)
    return replace(found, rewrite=scrubbed.rewrite, report=scrubbed.report)


def _not_scrubbed(media: MediaType) -> str:
    if media.kind is Kind.CLIP:
        return f"a clip of more than {MAX_STILL >> 20} MiB in an archive; unpack it"
    return "the file is too large to scrub"


# ── settle: whose it is and what the policy says ─────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Everything that a run brings along besides the photos themselves."""

    policy: Policy
    now: datetime
    manifest: Manifest | None = None
    inventory: devices.Inventory | None = None
    people: people.People | None = None
    asset: str | None = None  # from --asset
    consents: Register | None = None  # what patients agreed to, by --consent
    software: Software = THIS

    @property
    def lists(self) -> Lists:
        """The digests of the lists, for the photo's row."""
        return Lists(
            manifest=self.manifest.digest if self.manifest else "",
            inventory=self.inventory.digest if self.inventory else "",
            inventory_on=self.inventory.on if self.inventory else None,
            people=self.people.digest if self.people else "",
            consents=self.consents.digest if self.consents else "",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """Whose photo it is, what is known of it, and what follows."""

    match: Match
    evidence: Evidence
    decision: Decision
    lists: Lists | None = None


def settle(rules: Rules, candidate: Candidate, seen: Examination) -> Settled:
    """Match and decide one examined photo. Pure: `rules.now` is the only clock."""
    from medsnap import policy

    matched = _match(rules, candidate, seen)
    evidence = gather(rules, candidate, seen, matched)
    decision = policy.decide(rules.policy, evidence, rules.now)
    return Settled(match=matched, evidence=evidence, decision=decision, lists=rules.lists)


def _match(rules: Rules, candidate: Candidate, seen: Examination) -> Match:
    if rules.manifest is None:
        return Match(state=MatchState.UNMATCHED, reasons=("no manifest was given",))
    return rules.manifest.match(candidate.source.relative.reveal(), seen.sha256, seen.facts)


def gather(rules: Rules, candidate: Candidate, seen: Examination, matched: Match) -> Evidence:
    """Put the evidence for decide() together; nothing in it names the patient or the file."""
    taken = _day(matched.captured_at or seen.facts.captured_at)
    return Evidence(
        readings=seen.readings if not seen.held else (),
        statements=match.statements(matched),
        device=devices.claimed(
            rules.inventory,
            {"--asset": rules.asset, "manifest": matched.asset, "folder": candidate.landing},
            seen.facts,
            rules.now.date(),
        ),
        signs=seen.signs,
        description=matched.description,
        department=matched.visit.department,
        patient_age=match.age(matched.patient.birth_date if matched.patient else None, taken),
        operator=_operator(rules, matched, taken),
        listed=matched.listed,
        manifest_given=rules.manifest is not None,
        consent=joined(matched.consent, rules.consents, matched.patient, rules.now.date()),
        media_understood=not seen.held,
        software=rules.software,
    )


def _day(text: str | None) -> date | None:
    return datetime.fromisoformat(text).date() if text else None


def _operator(rules: Rules, matched: Match, taken: date | None) -> Person | None:
    if rules.people is None or matched.operator is None:
        return None
    return rules.people.person(matched.operator, taken or rules.now.date())
