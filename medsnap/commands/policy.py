"""`medsnap policy`: lint a file, show what it says, explain the decision of a sealed photo."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medsnap.commands import _lists, _repeats, _roles
from medsnap.commands._photos import DevicesOption
from medsnap.commands._shared import Io, Result, command
from medsnap.commands._vault import KeyOption, VaultOption, member
from medsnap.errors import Exit
from medsnap.report.page import Block, Facts, Line, Table, Tone

if TYPE_CHECKING:
    from medsnap.model.decision import Decision
    from medsnap.policy import LintFinding, Policy, Setting
    from medsnap.report.listing import Entry

Files = Annotated[list[Path], typer.Argument(metavar="FILE…", help="Policy files.")]
PolicyFile = Annotated[Path, typer.Argument(metavar="FILE", help="A policy file, or a packaged name.")]
Photo = Annotated[
    str,
    typer.Argument(
        metavar="ID", help="The photo's id, as vault ls prints it; its first 8 characters will do."
    ),
]
Effective = Annotated[
    bool, typer.Option("--effective", help="Also what baseline says where the policy is silent.")
]


@command(listing=True)
def lint(io: Io, files: Files, *, devices: DevicesOption = None) -> Result:
    """Check policies, keyrings, waivers and test files: line, column, code, what was probably meant.

    Errors: exit 78.

    Examples:

      medsnap policy lint hospital.yaml

      medsnap policy lint policies/*.yaml --format sarif -o lint.sarif

      medsnap policy lint hospital.yaml --devices devices.csv
    """
    from medsnap import policy
    from medsnap.commands._findings import entries, listing
    from medsnap.policy.linting import lint_path

    page: list[Block] = []
    listed: list[Entry] = []
    errors = warnings = 0
    for path in files:
        found = [*lint_path(path, now=io.now), *_lists.lint(io, path, devices)]
        listed += entries(found)
        bad = sum(f.severity is policy.Severity.ERROR for f in found)
        errors, warnings = errors + bad, warnings + len(found) - bad
        for finding in found:
            io.record(_finding(finding))
            page.append(Line(str(finding), Tone.BAD if finding.code.startswith("E") else Tone.WARN))
        if not found:
            page.append(Line(f"{path}: nothing to complain of", Tone.GOOD))
    if errors:
        page.append(Line(_count(errors, "error") + ": not in force until mended", Tone.BAD))
    data = {"type": "summary", "files": len(files), "errors": errors, "warnings": warnings}
    return Result(
        page=tuple(page),
        data=data,
        exit=Exit.CONFIG if errors else Exit.OK,
        records="findings",
        listing=listing("policy lint", listed),
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _finding(finding: LintFinding) -> dict[str, Any]:
    from medsnap.model.codec import to_json

    return {"type": "finding", **to_json(finding)}


@command()
def show(
    io: Io,
    file: PolicyFile,
    effective: Effective = False,
    board: Annotated[
        bool, typer.Option("--board", help="In sentences, without YAML: two pages to print (-o FILE.html).")
    ] = False,
) -> Result:
    """Show what a policy says, line by line; with --effective also what baseline adds.

    Examples:

      medsnap policy show hospital.yaml

      medsnap policy show little-clinic --effective

      medsnap policy show hospital --board -o board.html
    """
    from medsnap import policy
    from medsnap.model.codec import to_json

    loaded = policy.load(resolved(file), now=io.now)
    if board:
        from medsnap.commands import policy_board

        return policy_board.board(io, loaded)
    settings = [s for s in policy.show(loaded) if effective or not s.inherited]
    for setting in settings:
        io.record({"type": "setting", **to_json(setting)})
    for warning in loaded.warnings:
        io.warn(str(warning))
    page: tuple[Block, ...] = (
        Line(f"{loaded.ref.policy} {loaded.ref.version}: {loaded.title}", Tone.TITLE),
        Facts(_identity(io, loaded)),
        _table(settings),
        Line("Of the locked groups, a photo goes into the last one that any reason names.", Tone.QUIET),
    )
    return Result(page=page, data={"type": "policy", **to_json(loaded.ref)}, records="settings")


def resolved(file: Path) -> Path:
    """Take a packaged name ("hospital") where no such file lies here."""
    from medsnap import policy

    if not file.exists() and file.name == str(file) and file.stem in policy.packaged_names():
        return policy.packaged(file.name)
    return file


def _identity(io: Io, loaded: Policy) -> tuple[tuple[str, str], ...]:
    span, ref = loaded.in_force, loaded.ref
    state = "in date" if span.first <= io.now.date() <= span.last else "NOT in date"
    return (
        ("in force", f"{span.first} until {span.last} ({state}), {ref.signed}"),
        ("file", f"sha256 {ref.digest}"),
        ("with baseline", f"sha256 {ref.effective} (baseline {ref.baseline})"),
        ("locked groups", " < ".join(c.name for c in loaded.compartments)),
    )


def _table(settings: list[Setting]) -> Table:
    rows = tuple((s.path, s.value, s.where) for s in settings)
    return Table(columns=("path", "value", "said by"), rows=rows, wide="value", empty="nothing said")


@command()
def explain(
    io: Io,
    photo: Photo,
    *,
    as_: Annotated[
        str | None, typer.Option("--as", metavar="ROLE", help="Answer as somebody of this role would be.")
    ] = None,
    vault: VaultOption = None,
    key_file: KeyOption = None,
) -> Result:
    """Explain why a sealed photo was decided as it was, with file and line of every reason.

    A photo that you may not know of is answered like one that does not exist; with --as one that the
    role may not open, so that you see what others see.

    Examples:

      medsnap policy explain 3k7xw2ab --vault /srv/vault --key-file me.key

      medsnap policy explain 3k7xw2ab --as clinical-staff --vault /srv/vault --key-file me.key
    """
    from medsnap.model.codec import to_json
    from medsnap.policy.explain import sentences

    with member(io, vault, key_file) as session:
        role = _roles.asked(session, as_)
        row = session.catalogue.photo(photo, session.roles, role)
        repeats = session.catalogue.repeats(row.seal.object, session.roles, role)
    decision = row.decision
    data = {"type": "decision", "sentences": list(sentences(decision)), "decision": to_json(decision),
            "repeats": to_json(repeats), "lists": to_json(row.lists)}  # fmt: skip
    return Result(
        page=(
            *_explained(decision),
            *_repeats.lines(repeats),
            *_repeats.task(str(decision.verb), repeats),
            *_lists.used(row.lists),
        ),
        data=data,
    )


def _explained(decision: Decision) -> tuple[Block, ...]:
    """Sentences first; below each reason the line that says it, so that 80 columns are enough."""
    from medsnap.policy import explain as said
    from medsnap.policy import plain

    lines = [Line(said.headline(decision), Tone.TITLE), Line(), Line("Reasons, the strictest first:")]
    for reason, where in plain.reasons(decision):
        lines += [Line(f"  {reason}"), Line(f"      {where}", Tone.QUIET)]
    return (*lines, Line(), *map(Line, said.closing(decision)))
