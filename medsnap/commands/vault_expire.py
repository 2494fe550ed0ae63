"""`medsnap vault expire`: what the policy keeps no longer; first a plan, then, by the plan, it goes."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from medsnap.commands import _in_force, _noted, _officer
from medsnap.commands._photos import PolicyOption, policy_path
from medsnap.commands._shared import Io, Result, command, writable
from medsnap.commands._vault import KeyOption, VaultOption
from medsnap.commands.vault_erase import AFTER, carry_out
from medsnap.errors import InputMissing, KeyRefused, Malformed, PolicyError
from medsnap.model.event import Action
from medsnap.report.page import Block, Line, Table, Tone

if TYPE_CHECKING:
    from medsnap.model.record import PhotoRow
    from medsnap.policy import Policy
    from medsnap.vault.expiry import Plan
    from medsnap.vault.session import Session

_MOST: Final = 256 << 20  # bytes of a plan
_TYPE: Final = "medsnap expiry plan"


@command(dry_run=True)
def expire(
    io: Io,
    *,
    policy: PolicyOption = None,
    plan: Annotated[
        Path | None,
        typer.Option("--plan", metavar="FILE", help="Write what would go (ids only), to be read."),
    ] = None,
    apply: Annotated[
        Path | None, typer.Option("--apply", metavar="PLAN", help="Remove what this plan names.")
    ] = None,
    vault: VaultOption = None,
    key_file: KeyOption = None,
) -> Result:
    """List the photos whose time under the policy is over; with --apply, remove what a plan names.

    Without --apply nothing is removed. A plan is refused when the policy has changed since, or what is
    known of one of its photos. Legal holds keep a photo, safeguarded photos never expire, and what is
    not known (a birthday, whose photo it is) keeps it too.

    Examples:

      medsnap vault expire --policy hospital.yaml --plan due.json --vault /srv/vault

      medsnap vault expire --policy hospital.yaml --apply due.json --vault /srv/vault
    """
    from medsnap.vault.directory import WriterVerb

    writable(plan)
    file = policy_path(io, policy)
    given = _read(apply) if apply is not None else None
    looking = replace(io, dry_run=io.dry_run or given is None)  # a plan needs no lock
    with (
        _officer.removing(looking, vault, key_file, WriterVerb.EXPIRE) as session,
        _noted.refusals(io, session, Action.EXPIRE),
    ):
        loaded = _in_force.governing(io, session, file)
        rows = session.catalogue.photos(session.known)
        made = _made(session, loaded, rows, given.as_of if given else io.now.date())
        if given is not None:
            gone = session.reader.ledger.gone
            rest = replace(given, due=tuple(d for d in given.due if d.object not in gone))  # run again
            _fits(rest, made, io.now.date())
            made = replace(made, due=rest.due)
            wanted = {d.object for d in rest.due}
            if not io.dry_run:
                chosen = [row for row in rows if row.seal.object in wanted]
                details = (("policy", made.digest), ("as_of", str(made.as_of)))
                carry_out(io, session, chosen, WriterVerb.EXPIRE, details)
    if plan is not None:
        _write(plan, made)
    return _result(io, made, plan, policy or "", applied=given is not None)


def _made(session: Session, policy: Policy, rows: list[PhotoRow], as_of: date) -> Plan:
    from medsnap.policy.retention import retention
    from medsnap.vault import expiry

    rule = retention(policy)

    def terms(row: PhotoRow) -> tuple[date | None, str]:
        term = rule.term(row)
        return term.until, term.why

    due, kept = expiry.sort(rows, session.catalogue.holds(), terms, as_of)
    return expiry.Plan(
        vault=session.directory.vault,
        policy=policy.ref.policy,
        version=policy.ref.version,
        digest=policy.ref.effective,
        as_of=as_of,
        due=due,
        kept=kept,
    )


def _fits(given: Plan, made: Plan, today: date) -> None:
    """Refuse a plan that no longer says what is so. Raises KeyRefused, PolicyError."""
    from medsnap.vault.expiry import stale

    if given.vault != made.vault:
        raise KeyRefused("this plan was made for another vault", hint="make one: vault expire --plan FILE")
    if given.digest != made.digest:
        raise PolicyError("the policy is another than that of the plan", hint="make a new plan, and read it")
    changed = stale(given, made.due)
    if changed or given.as_of > today:
        raise KeyRefused(
            f"the plan is stale: {len(changed)} of its photos are due no longer, or are gone",
            hint="make a new plan, and read it; nothing was removed",
        )


def _read(path: Path) -> Plan:
    from medsnap.model.codec import CodecError, from_json
    from medsnap.vault.expiry import FORMAT, Plan

    try:
        with path.open("rb") as handle:
            data = handle.read(_MOST + 1)
    except OSError as failure:
        raise InputMissing(f"the plan cannot be read: {failure.strerror}", where=str(path)) from failure
    try:
        said = json.loads(data) if len(data) <= _MOST else None
        if not isinstance(said, dict) or said.pop("type", "") != _TYPE:
            raise ValueError(_TYPE)
        plan = from_json(Plan, said)
    except (ValueError, RecursionError, CodecError) as misfit:
        raise Malformed("this is no plan of vault expire", where=str(path)) from misfit
    if plan.format != FORMAT:
        raise Malformed("this plan is of another medsnap", where=str(path), hint="make a new one")
    return plan


def _write(path: Path, plan: Plan) -> None:
    from medsnap.model.codec import to_json
    from medsnap.platform import write_durably

    text = json.dumps({"type": _TYPE, **to_json(plan)}, indent=1)
    write_durably(path, text.encode() + b"\n", mode=0o600)


def _result(io: Io, plan: Plan, path: Path | None, policy: str, *, applied: bool) -> Result:
    gone = applied and not io.dry_run
    for due in plan.due:
        state = "expired" if gone else "due"
        io.record({"type": "photo", "object": due.object, "state": state, "until": due.until})
    for why, ids in plan.kept.items():
        for one in ids:
            io.record({"type": "photo", "object": one, "state": "kept", "why": why})
    count = len(plan.due)
    some = f"{count} photo{'' if count == 1 else 's'}"
    by = f"the policy {plan.policy} {plan.version}"
    head = f"{some} expired and gone." if gone else f"{some} past the time that {by} keeps them."
    rows = tuple((str(len(ids)), why) for why, ids in plan.kept.items())
    page: list[Block] = [
        Line(head, Tone.GOOD),
        Table(
            title="Kept", columns=("photos", "why"), rows=rows, right=("photos",), wide="why", empty="none"
        ),
    ]
    if path is not None:
        again = f"--policy {policy} " if policy else ""
        page.append(
            Line(f"The plan lies in {path}: read it, then: medsnap vault expire {again}--apply {path}")
        )
    if gone and count:
        page += [Line(), *(Line(text, Tone.QUIET) for text in AFTER)]
    kept = {why: len(ids) for why, ids in plan.kept.items()}
    data = {"type": "summary", "due": count, "expired": count if gone else 0, "kept": kept,
            "policy": plan.digest, "as_of": plan.as_of, "dry_run": io.dry_run}  # fmt: skip
    return Result(page=tuple(page), data=data, records="photos")
