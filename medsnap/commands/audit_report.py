"""`medsnap audit report`: every rule that a tool can check, over a vault and its log."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medsnap.commands import _in_force, _photos
from medsnap.commands._shared import Format, Io, Result, command
from medsnap.commands._vault import KeyOption, VaultOption, log_of, member
from medsnap.errors import Exit, MedsnapError
from medsnap.report.page import Block, Line, Table, Tone

if TYPE_CHECKING:
    from medsnap.policy.audit_rules import AuditRule
    from medsnap.policy.auditing import Answer, Case
    from medsnap.report.audit_html import AuditSheet
    from medsnap.vault.session import Session

Answers = tuple[tuple["AuditRule", "Answer"], ...]
_WIDE = "what it asks: what was found"
_SHOWN = 3  # ids of one rule that a person is shown; JSON has all of them


@command()
def report(
    io: Io,
    vault: VaultOption = None,
    policy: _photos.PolicyOption = None,
    key_file: KeyOption = None,
) -> Result:
    """Check every rule that a tool can check, over what your key opens of a vault. Changes nothing.

    With -o FILE.html a page to print. What medsnap cannot check yet says so and is never "ok".
    Exit 1 when a rule is violated.

    Examples:

      medsnap audit report --vault /srv/vault --policy hospital.yaml --key-file auditor.key

      medsnap audit report --vault /srv/vault --policy hospital.yaml -o report.html
    """
    from medsnap.policy.audit_rules import audit
    from medsnap.policy.auditing import Verdict

    file = _photos.policy_path(io, policy)
    with member(io, vault, key_file) as session:
        case = _case(io, session, file)
        answers = audit(case)
        groups = session.reader.compartments
    for rule, answer in answers:
        io.record(_entry(rule, answer))
    counts = Counter(str(answer.verdict) for _, answer in answers)
    ordered = {str(v): counts[str(v)] for v in Verdict}
    ref = case.policy.ref
    notes = (
        f"Policy {ref.policy}, version {ref.version}, {case.signed}. {io.now:%Y-%m-%d %H:%M} UTC.",
        f"{len(case.photos)} photos, as far as the key opens: {', '.join(groups) or 'no group'}.",
    )
    code = Exit.VIOLATION if counts[str(Verdict.VIOLATION)] else Exit.OK
    data: dict[str, Any] = {"type": "summary", "policy": ref, "photos": len(case.photos), "states": ordered}
    data["groups"] = list(groups)
    if io.output is not None and io.output.suffix.lower() in (".html", ".htm") and io.format is Format.HUMAN:
        page = _file(io, io.output, _sheet(notes, ordered, answers))
    else:
        page = _page(notes, ordered, answers)
    return Result(page=page, data=data, exit=code, records="rules")


def _case(io: Io, session: Session, file: Path) -> Case:
    from medsnap import policy as policies
    from medsnap.policy.auditing import Case, audited

    loaded = policies.load(file, now=io.now)
    loaded = _in_force._with_waivers(io, loaded, file, session.vault, session.directory)
    standing = _in_force.judged(io, loaded, file, session.vault, session.directory)
    catalogue = session.catalogue
    return Case(
        policy=loaded,
        photos=tuple(audited(loaded, row, catalogue.receipts(row.seal.object)) for row in catalogue.photos()),
        now=io.now,
        signed=standing.signed,
        refused=standing.why,
        log=_log_problem(session),
    )


def _log_problem(session: Session) -> str:
    """Say what is wrong with the log; "" when it fits its signature."""
    from medsnap.crypto.note import Verifier

    try:
        log_of(session.vault, session.directory).verify(
            [Verifier.parse(key) for key in session.directory.log_vkeys]
        )
    except MedsnapError as problem:
        return problem.message
    return ""


def _entry(rule: AuditRule, answer: Answer) -> dict[str, Any]:
    return {
        "type": "rule",
        "rule": rule.id,
        "words": rule.words,
        "sources": rule.sources.split(", "),
        "key": rule.key,
        "state": str(answer.verdict),
        "found": answer.found,
        "objects": list(answer.objects),
        "todo": answer.todo,
    }


def _page(notes: tuple[str, ...], counts: dict[str, int], answers: Answers) -> tuple[Block, ...]:
    rows = tuple((rule.id, str(a.verdict), f"{rule.words}: {_found(a)}") for rule, a in answers)
    said = ", ".join(f"{n} {state}" for state, n in counts.items())
    return (
        *(Line(note, Tone.QUIET) for note in notes),
        Table(columns=("rule", "state", _WIDE), rows=rows, wide=_WIDE),
        Line(),
        Line(f"{said}.", Tone.BAD if counts["violation"] else Tone.GOOD),
    )  # fmt: skip


def _found(answer: Answer) -> str:
    ids = " ".join(name[:8] for name in answer.objects[:_SHOWN])
    more = f" and {len(answer.objects) - _SHOWN} more" if len(answer.objects) > _SHOWN else ""
    return "; ".join(filter(None, (answer.found, ids + more, answer.todo)))


def _sheet(notes: tuple[str, ...], counts: dict[str, int], answers: Answers) -> AuditSheet:
    from medsnap.policy.audit_rules import SOURCES
    from medsnap.report.audit_html import AuditSheet, Row

    rows = [
        Row(
            id=rule.id,
            words=rule.words,
            sources=rule.sources,
            state=str(answer.verdict),
            found=answer.found,
            objects=answer.objects,
            todo=answer.todo,
        )
        for rule, answer in answers
    ]
    return AuditSheet(
        title="What a tool can check of clinical photographs",
        notes=notes,
        counts=tuple(counts.items()),
        rows=rows,
        sources=tuple(SOURCES.items()),
    )


def _file(io: Io, path: Path, sheet: AuditSheet) -> tuple[Block, ...]:
    """Write the HTML page, readable by its owner only: it holds ids of photos."""
    from medsnap.platform import write_durably
    from medsnap.report.audit_html import render

    write_durably(path, render(sheet).encode(), mode=0o600)
    io.output = None  # the page below goes to the terminal, not over the file
    said = ", ".join(f"{n} {state}" for state, n in sheet.counts)
    bad = dict(sheet.counts)["violation"]
    return (Line(f"The report lies in {path}: {said}.", Tone.BAD if bad else Tone.GOOD),)
