"""`medsnap policy test`: run the cases of a policy, lower its lines one by one, propose what is missing."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medsnap.commands._findings import entries
from medsnap.commands._shared import Io, Result, command
from medsnap.errors import Exit
from medsnap.report.listing import Entry, Level, Listing
from medsnap.report.page import Block, Line, Tone

if TYPE_CHECKING:
    from medsnap.policy import LintFinding
    from medsnap.policy.cases import Suite
    from medsnap.policy.testing import Result as CaseResult
    from medsnap.policy.waiver import Waiver
    from medsnap.policy.weaken import Tried

Files = Annotated[list[Path], typer.Argument(metavar="FILE.test.yaml…", help="Files with cases.")]
Weaken = Annotated[
    bool, typer.Option("--weaken", help="Lower each line by one step; list the changes no case notices.")
]
AtLeast = Annotated[
    int | None,
    typer.Option(
        "--at-least", min=0, max=100, metavar="PERCENT", help="With --weaken: fewer noticed is exit 1."
    ),
]
Propose = Annotated[bool, typer.Option("--propose", help="Write the missing cases as YAML.")]


@dataclass(slots=True)
class _Run:
    """What all files came to."""

    io: Io
    page: list[Block] = field(default_factory=list)
    rules: dict[str, str] = field(default_factory=dict)
    listed: list[Entry] = field(default_factory=list)
    passed: int = 0
    failed: int = 0
    tried: int = 0
    noticed: int = 0
    proposed: str = ""

    def data(self) -> dict[str, Any]:
        """Return the counts."""
        counts = {"type": "summary", "cases": self.passed + self.failed, "failed": self.failed}
        return counts | ({"weakenings": self.tried, "noticed": self.noticed} if self.tried else {})


@command(listing=True)
def test(
    io: Io, files: Files, weaken: Weaken = False, at_least: AtLeast = None, propose: Propose = False
) -> Result:
    """Run the cases of a policy. Exit 1 when one fails, 78 when policy or cases have errors.

    A case that never fails proves nothing: --weaken lowers each line of the policy by one step and
    names the changes that no case notices; --propose writes the cases that would notice them.

    Examples:

      medsnap policy test hospital.test.yaml

      medsnap policy test hospital.test.yaml --weaken --at-least 90

      medsnap policy test hospital.test.yaml --propose >> hospital.test.yaml

      medsnap policy test policies/*.test.yaml --format junit -o tests.xml
    """
    run = _Run(io)
    for path in files:
        _file(run, path, weaken=weaken or propose or at_least is not None)
    missed = at_least is not None and run.noticed * 100 < at_least * run.tried
    run.page.append(_summary(run, missed=missed))
    return Result(
        page=tuple(run.page),
        data=run.data() | ({"proposed": run.proposed} if propose else {}),
        exit=Exit.VIOLATION if run.failed or missed else Exit.OK,
        listing=Listing(name="policy test", rules=run.rules, entries=tuple(run.listed)),
        text=run.proposed if propose else None,
    )


def _file(run: _Run, path: Path, *, weaken: bool) -> None:
    from medsnap.policy import testing
    from medsnap.policy.cases import load_suite
    from medsnap.policy.propose import proposals
    from medsnap.policy.weaken import tried

    suite = load_suite(path, now=run.io.now)
    waivers = _waivers(suite)
    results = testing.run(suite, waivers)
    run.page.append(Line(f"{path}: {suite.policy.ref.policy} {suite.policy.ref.version}", Tone.TITLE))
    for result in results:
        _case(run, suite, result)
    for finding in testing.untried(suite, results):
        _warning(run, finding)
    if not weaken:
        return
    found = tried(suite, waivers)
    for one in found:
        _weakening(run, suite, one)
    run.proposed += proposals(suite, found)


def _waivers(suite: Suite) -> tuple[Waiver, ...]:
    """Read the waivers that a test file counts as signed, as of the policy's first day."""
    from medsnap.policy.cases import moment
    from medsnap.policy.waiver_file import load_waiver

    day = moment(suite.policy, suite.given)
    return tuple(load_waiver(path, suite.policy, now=day) for path in suite.waivers)


def _case(run: _Run, suite: Suite, result: CaseResult) -> None:
    case, decision = result.case, result.decision
    name = f"{suite.file}: {case.name}"
    run.rules[name] = case.name
    record: dict[str, Any] = {
        "type": "case",
        "file": suite.file,
        "line": case.line,
        "name": case.name,
        "passed": result.passed,
        "do": str(decision.verb),
        "to": decision.compartment,
        "decided_by": decision.decided_by,
        "where": decision.votes[0].where,
    }
    if result.passed:
        run.passed += 1
        run.io.record(record)
        run.page.append(Line(f"  ok    {case.name}", Tone.GOOD))
        return
    run.failed += 1
    wrong = [str(one) for one in result.wrong]
    run.io.record(record | {"wrong": wrong})
    reason = f"decided by {decision.decided_by} ({decision.votes[0].where}): {decision.votes[0].because}"
    run.page += [
        Line(f"  FAIL  {case.name} ({suite.file}:{case.line})", Tone.BAD),
        *(Line(f"          {one}") for one in wrong),
        Line(f"          {reason}", Tone.QUIET),
    ]
    message = f"{case.name}: {'; '.join(wrong)}; {reason}"
    run.listed.append(
        Entry(
            rule=name,
            level=Level.ERROR,
            message=message,
            file=suite.file,
            line=case.line,
            column=case.column,
        )
    )


def _warning(run: _Run, finding: LintFinding) -> None:
    run.rules.setdefault(finding.code, "a rule never decides any test")
    run.io.record(
        {"type": "finding", "code": finding.code, "message": finding.message, "where": str(finding)}
    )
    run.listed += entries((finding,))
    run.page.append(Line(f"  {finding}", Tone.WARN))


def _weakening(run: _Run, suite: Suite, one: Tried) -> None:
    weak = one.weakening
    run.tried += 1
    run.noticed += bool(one.noticed_by)
    record = {
        "type": "weakening",
        "path": weak.path,
        "from": weak.before,
        "to": weak.after,
        "where": weak.where,
    }
    run.io.record(record | {"noticed_by": one.noticed_by or None})
    if one.noticed_by:
        return
    run.rules.setdefault("unnoticed", "a weaker line that no case notices")
    message = f"no case notices {weak.path}: {weak.before} → {weak.after}"
    run.page.append(Line(f"  unnoticed  {weak}", Tone.WARN))
    line = int(weak.where.rpartition(":")[2] or 1)
    run.listed.append(
        Entry(rule="unnoticed", level=Level.WARNING, message=message, file=suite.policy_file, line=line)
    )


def _summary(run: _Run, *, missed: bool) -> Line:
    text = f"{run.passed} of {run.passed + run.failed} cases pass"
    if run.tried:
        text += f"; they notice {run.noticed} of {run.tried} weaker lines"
    return Line(text, Tone.BAD if run.failed or missed else Tone.GOOD)
