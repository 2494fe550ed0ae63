"""What commands that look at photos share: the options, the rules of the run, the workers."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from medsnap.commands import _lists
from medsnap.commands._consents import brought
from medsnap.commands._shared import Io
from medsnap.errors import InputMissing, UsageError
from medsnap.model.decision import Decision
from medsnap.model.outcome import Done, Failed, Held, Outcome, RunSummary, Skipped
from medsnap.report.page import Block, Facts, Line, Table, Tone

if TYPE_CHECKING:
    from medsnap.batch import ExaminerPool
    from medsnap.pipeline import Rules

Paths = Annotated[list[Path], typer.Argument(metavar="PATH...", help="Folders or files of a dump.")]
PolicyOption = Annotated[
    str | None,
    typer.Option("--policy", metavar="FILE", help="The policy's file, or the name of a packaged one."),
]
ManifestOption = Annotated[
    Path | None,
    typer.Option("--manifest", metavar="CSV", help="Whose photos these are: a row a file, hash or folder."),
]
DevicesOption = Annotated[
    Path | None, typer.Option("--devices", metavar="CSV", help="The device inventory (MEDSNAP_DEVICES).")
]
PeopleOption = Annotated[
    Path | None, typer.Option("--people", metavar="CSV", help="Staff ids and roles (MEDSNAP_PEOPLE).")
]
AssetOption = Annotated[
    str | None, typer.Option("--asset", help="The asset number of the device that this dump comes from.")
]
ModelsOption = Annotated[
    Path | None, typer.Option("--models", metavar="DIR", help="Folder of detector models (MEDSNAP_MODELS).")
]
DetectOption = Annotated[
    bool, typer.Option("--detect/--no-detect", help="Look for faces, text and barcodes in the pixels.")
]
JobsOption = Annotated[
    int | None, typer.Option("--jobs", min=1, max=256, help="Worker processes; default: one a core.")
]
PixelsOption = Annotated[
    bool, typer.Option("--verify-pixels", help="Decode before and after, and compare every pixel.")
]


def rules(
    io: Io,
    *,
    policy: str | None,
    manifest: Path | None,
    devices: Path | None,
    people: Path | None,
    asset: str | None,
    consent: Path | None = None,
    paths: Sequence[Path] = (),
) -> Rules:
    """Load all that the run brings along. Raises PolicyError, ConfigError with file, line, column.

    Raises UsageError where an administrator's list lies inside the dump (`paths`).
    """
    from medsnap.match import manifest as manifests
    from medsnap.pipeline import Rules

    chosen = policy_path(io, policy)
    now = io.now
    loaded = _policy(io, chosen)
    inventory = _lists.inventory(io, devices, paths)
    _lists.warn_stale(io, loaded, inventory)
    consents = brought(io, consent, paths)
    return Rules(
        policy=loaded,
        now=now,
        manifest=manifests.load(manifest) if manifest is not None else None,
        inventory=inventory,
        people=_lists.people(io, people, paths),
        asset=asset,
        consents=consents.register if consents else None,
    )


def _policy(io: Io, chosen: Path) -> Any:
    from medsnap import policy as policies

    loaded = policies.load(chosen, now=io.now)
    for finding in loaded.warnings:
        io.warn(f"{finding.code} {finding.message}")
    return loaded


def policy_path(io: Io, given: str | None) -> Path:
    """Find the policy: a file, or a packaged name. Raises UsageError when none is named, InputMissing."""
    from medsnap import policy as policies

    name = given or io.settings.get("policy")
    if not name:
        raise UsageError(
            "--policy is missing",
            hint="give --policy FILE, set MEDSNAP_POLICY, or name a packaged one: "
            + ", ".join(policies.packaged_names()),
        )
    if name in policies.packaged_names() and not Path(name).exists():
        return policies.packaged(name)
    path = Path(name).expanduser()
    if not path.exists():
        raise InputMissing(
            "there is no policy file of this name, and no packaged policy either",
            where=name,
            hint="check the path; packaged are: " + ", ".join(policies.packaged_names()),
        )
    return path


def pool(
    io: Io, rules: Rules, *, models: Path | None, detect: bool, jobs: int | None, verify_pixels: bool = False
) -> ExaminerPool:
    """Make the workers; they start with the first photo. The policy says what the scrub keeps."""
    from medsnap.pipeline import ExaminerSetup, keep_of
    from medsnap.workers import Pool

    folder = models if models is not None else io.settings.models
    count = jobs or _jobs(io) or len(os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else [0, 1])
    setup = ExaminerSetup(
        models=folder if folder.is_dir() else None,
        detect=detect,
        verify_pixels=verify_pixels,
        keep=keep_of(rules.policy),
    )
    return Pool("medsnap.pipeline:examiner", setup, jobs=count)


def _jobs(io: Io) -> int:
    text = io.settings.get("jobs")
    try:
        return max(0, min(256, int(text or "0")))
    except ValueError:
        raise UsageError(f"'jobs' is no number: {text:.20}", hint="set MEDSNAP_JOBS to a number") from None


def entry(outcome: Outcome, decision: Decision | None = None) -> dict[str, Any]:
    """One outcome as data: source, outcome, object, and the reason where there is one."""
    found: dict[str, Any] = {"type": "photo", "source": outcome.source, "outcome": outcome.name}
    match outcome:
        case Done(object=made, already=already, left_to=left_to):
            found |= {"object": made, "already": already, "left_to": left_to}
        case Held(object=made, reason=reason, already=already):
            found |= {"object": made, "reason": reason, "already": already}
        case Skipped(reason=reason):
            found |= {"object": None, "reason": reason}
        case Failed(reason=reason, error=error):
            found |= {"object": None, "reason": reason, "error": error}
    if decision is not None:
        found["decision"] = decision
    return found


def counts(summary: RunSummary) -> dict[str, Any]:
    """The last record of a run: counts only."""
    return {
        "type": "summary",
        "total": summary.total,
        "done": summary.done,
        "held": summary.held,
        "skipped": summary.skipped,
        "failed": summary.failed,
        "already": summary.already,
        "waits": summary.waits,
        "left": summary.left,
        "reasons": summary.reasons,
    }


_IN_WORDS: Final = {  # the summary counts what failed by the error's id; people get a sentence
    "io.unreadable": "cannot be read: look at its rights, or connect the device again",
    "io": "reading or writing failed",
    "input.missing": "gone before it could be read",
    "input.malformed": "broken: it could not be read as what it is",
    "input.too-large": "too large, or too many folders deep",
    "input.refused": "an archive that is not unpacked as it is",
    "scrub.not-clean": "could not be shown to be clean",
}


def summary_page(summary: RunSummary, *, would: str = "") -> list[Block]:
    """The counts for people, then the reasons."""
    fresh = summary.done + summary.held - summary.already
    rows = [
        ("files", str(summary.total), ""),
        (f"{would}sealed", str(fresh), f"{summary.already} were sealed before" if summary.already else ""),
        ("  wait for a person", str(summary.waits), "sealed; a reviewer opens them first"),
        ("  held", str(summary.held), "sealed as they came: not understood"),
        ("left to the record", str(summary.left), ""),
        ("skipped", str(summary.skipped), "no photos of ours; untouched"),
        ("failed", str(summary.failed), "nothing was stored; the files are where they were"),
    ]
    shown = tuple(r for r in rows if r[1] != "0" or r[0] in ("files", f"{would}sealed"))
    page: list[Block] = [Table(columns=("what", "count", ""), rows=shown, right=("count",), wide="")]
    if summary.reasons:
        ordered = sorted(summary.reasons.items(), key=lambda pair: (-pair[1], pair[0]))
        page += [
            Line(),
            Table(
                columns=("files", "reason"),
                rows=tuple((str(n), _IN_WORDS.get(reason, reason)) for reason, n in ordered),
                right=("files",),
                wide="reason",
            ),
        ]
    return page


def listing(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[Block]:
    """List each file, its outcome and a note: what -v asks for. File names stand in it."""
    return [Table(columns=columns, rows=tuple(rows), wide="note"), Line()] if rows else []


def unsigned(rules: Rules) -> Line:
    """Say which policy decides with which waivers, and that nobody has signed it."""
    ref, waivers = rules.policy.ref, ", ".join(waiver.id for waiver in rules.policy.waivers)
    more = f", with the waivers {waivers}" if waivers else ""
    stands = f"{ref.signed}, not in force" if rules.policy.refused else ref.signed
    return Line(f"policy {ref.policy} {ref.version} ({stands}){more}", Tone.QUIET)


def facts(**pairs: object) -> Facts:
    """Name and value pairs."""
    return Facts(tuple((name, str(value)) for name, value in pairs.items()))
