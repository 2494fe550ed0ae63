"""`medsnap vault member change`: give a member groups, roles and verbs, and take them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from medsnap.commands import _member_page
from medsnap.commands._directory import RootKeyOption, keeper, remember, unconfirmed
from medsnap.commands._shared import Io, Result, command
from medsnap.commands._vault import KeyOption, VaultOption
from medsnap.commands.vault_member import Name
from medsnap.report.page import Block, Facts, Line, Tone

if TYPE_CHECKING:
    from medsnap.vault.member_change import Planned

Words = list[str] | None


@command(dry_run=True)
def change(
    io: Io,
    name: Name,
    *,
    compartment: Annotated[
        Words, typer.Option("--compartment", metavar="GROUP", help="A locked group to give him; repeat it.")
    ] = None,
    without: Annotated[
        Words, typer.Option("--without", metavar="GROUP", help="A locked group to take from him; repeat it.")
    ] = None,
    role: Annotated[Words, typer.Option("--role", help="A role of the policy to give him.")] = None,
    without_role: Annotated[
        Words, typer.Option("--without-role", metavar="ROLE", help="One to take.")
    ] = None,
    verb: Annotated[Words, typer.Option("--verb", help="What his signing key may do from now on.")] = None,
    without_verb: Annotated[
        Words, typer.Option("--without-verb", metavar="VERB", help="What it may do no more.")
    ] = None,
    auditor: Annotated[
        bool | None, typer.Option("--auditor/--no-auditor", help="May he read the audit log's events?")
    ] = None,
    root_key_file: RootKeyOption = None,
    vault: VaultOption = None,
    key_file: KeyOption = None,
) -> Result:
    """Change what a member may: his keys and his name stay.

    A group that is given is wrapped to him, with all its earlier photos. One that is taken gets a new key
    for photos from now on, as when a member is removed: who has once had a key or a photo keeps it. It
    needs the root key and a key that opens these groups.

    Examples:

      medsnap vault member change a.sommer --compartment identifiable --role photo-desk

      medsnap vault member change a.sommer --without intimate --root-key-file recovery.key -n
    """
    from medsnap.vault import member_change
    from medsnap.vault.confirmed import confirmations

    wish = member_change.Wish(
        give=compartment or (),
        take=without or (),
        roles=role or (),
        without_roles=without_role or (),
        verbs=verb or (),
        without_verbs=without_verb or (),
        auditor=auditor,
    )
    by = keeper(io, vault, root_key_file, key_file)
    before = after = by.directory
    plan = member_change.planned(before, name, wish)
    if not io.dry_run:
        details = (("member", name), *_details(plan))
        with by.refusals(io, "member-change", details):
            authority = by.authority(io, "member-change", details)
            after = member_change.alter(by.vault, before, name, wish, authority)
        remember(io, by, after)
    taken = {key.name: key.epoch + 1 for key in plan.taken if key.name}
    loses_log = any(not key.name for key in plan.taken)
    hosts = confirmations(by.vault, after)
    page = _page(name, plan, after.version if not io.dry_run else None)
    if plan.taken:
        page += map(Line, _member_page.meaning(taken, auditor=loses_log))
        page += unconfirmed(hosts) if not io.dry_run else []
    page += [
        Line(text, Tone.WARN) for text in _member_page.lacking(plan.after.vkey, plan.verbs, plan.after.roles)
    ]
    data = {
        "type": "changed",
        "dry_run": io.dry_run,
        **_member_page.described(plan.after, before),
        "verbs": list(plan.verbs),
        "given": [key.name for key in plan.given if key.name],
        "epochs": taken,
        "auditors_epoch": before.auditors_epoch + 1 if loses_log else None,
        "still_could": _member_page.still_could(taken),
        **_member_page.state(after, hosts),
    }
    return Result(page=tuple(page), data=data)


def _page(name: str, plan: Planned, version: int | None) -> list[Block]:
    head = (
        Line("Nothing was changed. It would do this:", Tone.WARN)
        if version is None
        else Line(f"{name} is changed (directory version {version}); it stands in the audit log.", Tone.GOOD)
    )
    rows = (
        ("locked groups", ", ".join(plan.after.compartments) or "-"),
        ("roles", _member_page.roles_of(plan.after)),
        ("verbs", ", ".join(plan.verbs) or "-"),
    )
    page: list[Block] = [head, Facts(rows)]
    for key in plan.given:
        what = (
            f"'{key.name}': he opens its photos, those of before too"
            if key.name
            else "he reads the audit log"
        )
        page.append(Line(f"  {what}."))
    return page


def _details(plan: Planned) -> tuple[tuple[str, str], ...]:
    """Say in the log what was given and taken; only what there is."""
    told = (
        ("given", [k.name or "auditors" for k in plan.given]),
        ("taken", [k.name or "auditors" for k in plan.taken]),
        ("roles", plan.after.roles if plan.after.roles != plan.before.roles else ()),
        ("verbs", plan.verbs if set(plan.verbs) != set(plan.verbs_before) else ()),
    )
    return tuple((label, " ".join(words)) for label, words in told if words)
