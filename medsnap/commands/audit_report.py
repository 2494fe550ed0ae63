"""`medsnap audit report`: every rule that a tool can check, over a vault and its log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medsnap.commands import _in_force, _photos, _reread, _span
from medsnap.commands._shared import Format, Io, Result, command
from medsnap.commands._vault import KeyOption, VaultOption, log_of, member
from medsnap.errors import Exit, MedsnapError, UsageError
from medsnap.report.page import Block, Line, Table, Tone

if TYPE_CHECKING:
    from medsnap.commands._access import Question
    from medsnap.policy import Policy
    from medsnap.policy.audit_rules import AuditRule
    from medsnap.policy.auditing import Answer, Audited, Case
    from medsnap.policy.waiver import Waiver
    from medsnap.report.audit_html import AuditSheet
    from medsnap.report.listing import Listing
    from medsnap.vault.session import Session

Answers = tuple[tuple["AuditRule", "Answer"], ...]
_WIDE = "what it asks — what was found"
_ORDER = ["violation", "warn", "not yet", "ok"]
_SHOWN = 3  # ids of one rule that a person is shown; JSON has all of them


@dataclass(frozen=True, slots=True, kw_only=True)
class _Beside:
    """What is read beside the catalogue, as far as it was asked for."""

    sample: int | None
    dumps: tuple[Path, ...]
    sent: tuple[Path, ...]


@command(listing=True)
def report(
    io: Io,
    *,
    vault: VaultOption = None,
    policy: _photos.PolicyOption = None,
    sample: Annotated[
        int | None,
        typer.Option("--sample", metavar="N", min=1, max=1_000_000, help="Open N photos and decode them."),
    ] = None,
    dump: Annotated[
        list[Path] | None,
        typer.Option("--dump", metavar="DIR", help="A device or its later dump: is what was filed gone?"),
    ] = None,
    sent: Annotated[
        list[Path] | None,
        typer.Option("--sent", metavar="DIR", help="A target's folder: read again what left."),
    ] = None,
    patient: Annotated[
        str | None, typer.Option("--patient", metavar="MRN", help="Who saw this patient's photos, who could.")
    ] = None,
    person: Annotated[
        str, typer.Option("--member", metavar="NAME", help="What this member saw, could and sent.")
    ] = "",
    as_of: Annotated[
        str, typer.Option("--as-of", metavar="DAY", help="Only of this day: who could open what on it.")
    ] = "",
    period: Annotated[
        str, typer.Option("--period", metavar="FROM..TO", help="Only of these days, both included.")
    ] = "",
    key_file: KeyOption = None,
) -> Result:
    """Check every rule that a tool can check over a vault; or tell who saw, who could, and what left.

    Rules: what was not looked at says "not yet" and what it needs, and is never "ok". --sample opens
    photos chosen by the day and the vault; the log says which. Exit 1 when a rule is violated.

    Access: with --patient, --member, --as-of or --period, out of the log and the receipts. It takes an
    auditor's key, and that it was asked is itself an entry of the log. A patient's photos are found as
    far as your key opens. With -o FILE.html either is a page to print.

    Examples:

      medsnap audit report --vault /srv/vault --policy hospital.yaml --key-file auditor.key

      medsnap audit report --vault /srv/vault --policy hospital.yaml -o report.html

      medsnap audit report --vault /srv/vault --policy hospital.yaml --sample 50 --dump /mnt/tablet

      medsnap audit report --vault /srv/vault --policy hospital.yaml --sent /srv/to-ehr --format junit

      medsnap audit report --patient 4711 --period 2026-03-01..2026-03-31 --vault /srv/vault -o 4711.html

      medsnap audit report --as-of 2026-03-10 --vault /srv/vault --key-file auditor.key --format json
    """
    span = _span.span(as_of, period)
    if patient is not None or person or span is not None:
        if policy is not None or sample is not None or dump or sent:
            raise UsageError("rules and access are two reports", hint="run it once for each")
        return _access_report(io, vault, key_file, _span.question(patient, person, span))
    from medsnap.policy.audit_rules import audit
    from medsnap.policy.auditing import Verdict

    file = _photos.policy_path(io, policy)
    beside = _Beside(sample=sample, dumps=tuple(dump or ()), sent=tuple(sent or ()))
    with member(io, vault, key_file) as session:
        case = _case(io, session, file, beside)
        answers = audit(case)
        groups = session.reader.compartments
    for rule, answer in answers:
        io.record(_entry(rule, answer))
    counts = Counter(str(answer.verdict) for _, answer in answers)
    ordered = {str(v): counts[str(v)] for v in sorted(Verdict, key=_ORDER.index)}
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
    return Result(page=page, data=data, exit=code, records="rules", listing=_listing(case.policy, answers))


def _access_report(io: Io, vault: Path | None, key_file: Path | None, question: Question) -> Result:
    from medsnap.commands import _access, _access_page

    if io.format in (Format.SARIF, Format.JUNIT):
        raise UsageError("a report of access lists no findings", hint="use human, json or ndjson")
    return _access_page.result(io, _access.ask(io, vault, key_file, question))


def _case(io: Io, session: Session, file: Path, beside: _Beside) -> Case:
    from medsnap import policy as policies
    from medsnap.policy.auditing import Case, audited

    loaded = policies.load(file, now=io.now)
    loaded = _in_force.waived(io, loaded, file, session.vault, session.directory)
    standing = _in_force.judged(io, loaded, file, session.vault, session.directory)
    catalogue = session.catalogue
    rows = catalogue.photos(None if session.auditor else session.known)
    photos = tuple(audited(loaded, row, catalogue.receipts(row.seal.object)) for row in rows)
    folders = beside.sent or _folders(io, loaded)
    chosen = []
    if beside.sample is not None:
        seed = f"{io.now.date()} {session.directory.vault}"
        chosen = _reread.sample([photo.row for photo in photos], beside.sample, seed)
    return Case(
        policy=loaded,
        photos=photos,
        now=io.now,
        signed=standing.signed,
        refused=standing.why,
        log=_log_problem(session),
        waivers=(*loaded.waivers, *_ended(io, loaded, file)),
        opened=_reread.opened(io, session, loaded, chosen) if beside.sample is not None else None,
        dumped=_reread.dumped(io, beside.dumps) if beside.dumps else None,
        missing=_reread.missing(session.vault, photos),
        on_hold=_on_hold(session, photos),
        shots=catalogue.shots(),
        erased=len(session.reader.ledger.erased) if session.auditor else 0,  # whose is not known
        sent=_reread.sent(session, loaded, photos, folders) if folders else None,
    )


def _on_hold(session: Session, photos: Sequence[Audited]) -> frozenset[str]:
    from medsnap.vault.holds import binding

    holds = session.catalogue.holds()
    return frozenset(photo.object for photo in photos if binding(holds, photo.row))


def _ended(io: Io, policy: Policy, file: Path) -> list[Waiver]:
    """Read the waivers beside the policy that have ended; the run has warned of those that are wrong."""
    from medsnap.commands._waivers import FOLDER, MOST
    from medsnap.policy.waiver_file import load_waiver

    found = []
    for path in sorted((file.parent / FOLDER).glob("*.yaml"))[:MOST]:
        with suppress(MedsnapError):
            found.append(load_waiver(path, policy, now=io.now))
    return [waiver for waiver in found if waiver.until < io.now.date()]


def _folders(io: Io, policy: Policy) -> tuple[Path, ...]:
    """Return the targets' folders that the settings name and this host has."""
    named = [io.settings.get(f"targets.{export.name}.folder") for export in policy.exports]
    return tuple(path for name in named if name and (path := Path(name).expanduser()).is_dir())


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


def _listing(policy: Policy, answers: Answers) -> Listing:
    """Lay the answers out for code hosts: at the policy's line, photos by their ids only."""
    from medsnap.policy.auditing import Verdict
    from medsnap.report.listing import Entry, Level, Listing

    levels = {Verdict.VIOLATION: Level.ERROR, Verdict.WARN: Level.WARNING, Verdict.NOT_YET: Level.OPEN}
    entries = []
    for rule, answer in answers:
        if answer.verdict not in levels:
            continue
        key = rule.key.partition(".*")[0]
        name, _, line = (policy.where(key) or policy.in_force.where).rpartition(":")
        entries.append(
            Entry(
                rule=rule.id,
                level=levels[answer.verdict],
                message="; ".join(filter(None, (answer.found, answer.todo))),
                file=name,
                line=int(line) if line.isdigit() else 1,
                objects=answer.objects,
            )
        )
    rules = {rule.id: rule.words for rule, _ in answers}
    return Listing(name="audit report", rules=rules, entries=tuple(entries))


def _page(notes: tuple[str, ...], counts: dict[str, int], answers: Answers) -> tuple[Block, ...]:
    rows = tuple((rule.id, str(a.verdict), f"{rule.words} — {_found(a)}") for rule, a in answers)
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
