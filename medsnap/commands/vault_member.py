"""`medsnap vault member`: who may open what."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medsnap.commands import _glass, _member_page
from medsnap.commands._directory import (
    RootKeyOption,
    keeper,
    remember,
    seen_directory,
    unconfirmed,
)
from medsnap.commands._shared import Io, Result, command
from medsnap.commands._vault import KeyOption, VaultOption
from medsnap.commands.vault_member_key import Request, read_request
from medsnap.errors import MedsnapError, UsageError
from medsnap.report.page import Block, Facts, Line, Table, Tone

if TYPE_CHECKING:
    from medsnap.commands._glass import Glass
    from medsnap.vault.directory import Directory, Member
    from medsnap.vault.membership import Newcomer

Name = Annotated[str, typer.Argument(metavar="NAME", help="The member's name in the directory.")]


@command()
def add(
    io: Io,
    name: Name,
    *,
    recipient: Annotated[
        str,
        typer.Option(
            "--recipient", metavar="age1…|FILE", help="His public key, or the file of vault member key."
        ),
    ],
    compartment: Annotated[
        list[str] | None,
        typer.Option(
            "--compartment",
            metavar="GROUP",
            help="A locked group he opens; repeat it (an auditor: none).",
        ),
    ] = None,
    role: Annotated[
        list[str] | None,
        typer.Option("--role", help="A role of the policy; repeat it. Without one he opens no photo."),
    ] = None,
    verb: Annotated[
        list[str] | None,
        typer.Option("--verb", help="What his signing key may do; repeat it (default: log, look)."),
    ] = None,
    vkey: Annotated[
        str, typer.Option("--vkey", metavar="KEY", help="His public signing key, when no file names it.")
    ] = "",
    auditor: Annotated[bool, typer.Option("--auditor", help="He may read the audit log's events.")] = False,
    root_key_file: RootKeyOption = None,
    vault: VaultOption = None,
    key_file: KeyOption = None,
) -> Result:
    """Add a member: the rings of his locked groups and the directory are written anew, no photo is.

    It needs the root key and a key that opens these groups; the recovery sheet is both.

    Examples:

      medsnap vault member add a.sommer --recipient a.member --compartment general --role clinical-staff

      medsnap vault member add ehr --recipient ehr.member --compartment general --verb receipt --verb log

      medsnap vault member add a.audit --recipient audit.member --auditor --verb log
    """
    from medsnap.vault import membership
    from medsnap.vault.confirmed import confirmations

    groups = compartment or []
    if not groups and not auditor:
        raise UsageError(
            "--compartment is missing",
            hint="name the locked groups that he opens (medsnap vault member ls shows them), or --auditor",
        )
    new = _newcomer(
        name,
        read_request(recipient, name),
        vkey=vkey,
        compartments=groups,
        roles=role or [],
        verbs=verb,
        auditor=auditor,
    )
    by = keeper(io, vault, root_key_file, key_file)
    details = (("member", name), ("compartments", " ".join(groups)), ("roles", " ".join(new.roles)))
    with by.refusals(io, "member-add", details):
        after = membership.add(by.vault, by.directory, new, by.authority(io, "member-add", details))
    remember(io, by, after)
    member = after.member(name)
    if member is None:
        raise UsageError("the member was not added")
    page: list[Block] = [
        Line(f"{name} is a member now; the change stands in the audit log.", Tone.GOOD),
        Facts(
            (
                *_member_page.facts(member, after),
                ("fingerprint", Request(new.recipient, new.vkey).fingerprint),
                ("directory", f"version {after.version}"),
            )
        ),
        Line("Compare the fingerprint with him: only then is it his key, and nobody else's."),
    ]
    opens = new.roles or () if groups else ("an auditor needs no role",)
    page += [Line(text, Tone.WARN) for text in _member_page.lacking(new.vkey, new.verbs, opens)]
    hosts = confirmations(by.vault, after)
    return Result(
        page=tuple(page),
        data={"type": "member", **_member_page.described(member, after), **_member_page.state(after, hosts)},
    )


def _newcomer(
    name: str,
    sent: Request,
    *,
    vkey: str,
    compartments: list[str],
    roles: list[str],
    verbs: list[str] | None,
    auditor: bool,
) -> Newcomer:
    from medsnap.vault.create import check_name
    from medsnap.vault.directory import EVERY_ROLE
    from medsnap.vault.membership import Newcomer

    for role in roles:
        if role != EVERY_ROLE:
            check_name(role)
    signs = vkey or sent.vkey
    default = ["log", "look"] if signs else []
    return Newcomer(
        name=name,
        recipient=sent.recipient,
        vkey=signs,
        compartments=tuple(dict.fromkeys(compartments)),
        roles=tuple(dict.fromkeys(roles)),
        verbs=tuple(dict.fromkeys(default if verbs is None else verbs)),
        auditor=auditor,
    )


@command(dry_run=True)
def remove(
    io: Io,
    name: Name,
    *,
    root_key_file: RootKeyOption = None,
    vault: VaultOption = None,
    key_file: KeyOption = None,
) -> Result:
    """Take a member out: each locked group that he could open gets a new key for photos from now on.

    What he wrote stays good; what his key signs from now on is not taken. The name of an ingest host
    retires its key in the same way. Photos that he could open before are not sealed anew: who has
    once had a key or a photo keeps it.

    Examples:

      medsnap vault member remove a.sommer --vault /srv/vault --root-key-file recovery.key
    """
    from medsnap.vault import membership
    from medsnap.vault.confirmed import confirmations

    by = keeper(io, vault, root_key_file, key_file)
    before, after = by.directory, by.directory
    membership.check_removal(before, name)
    if not io.dry_run:
        details = (("member", name),)
        with by.refusals(io, "member-remove", details):
            after = membership.remove(by.vault, before, name, by.authority(io, "member-remove", details))
        remember(io, by, after)
    member = before.member(name)
    groups = member.compartments if member else ()
    epochs = {g: before.compartment(g).epoch + 1 for g in groups}
    hosts = confirmations(by.vault, after)
    if io.dry_run:
        head = Line(f"Nothing was changed. Removing {name} would do this:", Tone.WARN)
    else:
        head = Line(f"{name} is no member any more (directory version {after.version}).", Tone.GOOD)
    page: list[Block] = [head, *map(Line, _said(name, member, epochs))]
    page += unconfirmed(hosts) if not io.dry_run else []
    data = {
        "type": "removed",
        "member": name,
        "dry_run": io.dry_run,
        "epochs": epochs,
        "auditors_epoch": before.auditors_epoch + 1 if member and member.auditor else None,
        "still_could": _member_page.still_could(epochs),
        **_member_page.state(after, hosts),
    }
    return Result(page=tuple(page), data=data)


def _said(name: str, member: Member | None, epochs: dict[str, int]) -> list[str]:
    if member is None:
        return [f"The signing key of {name} is retired: nothing that it signs from now on is taken in."]
    return _member_page.meaning(epochs, auditor=member.auditor)


@command()
def ls(io: Io, *, vault: VaultOption = None) -> Result:
    """List the members, the ingest hosts, and which directory each host has last written under.

    Examples:

      medsnap vault member ls --vault /srv/vault

      medsnap vault member ls --format json
    """
    from medsnap.vault.confirmed import confirmations
    from medsnap.vault.directory import EVERY_ROLE

    place = io.need(vault, "vault", "--vault")
    directory, vouched = seen_directory(io, place)
    hosts = confirmations(place, directory)
    for member in directory.members:
        io.record({"type": "member", **_member_page.described(member, directory)})
    members = Table(
        columns=("member", "locked groups", "roles", "verbs"),
        rows=tuple(
            (
                m.name,
                ", ".join(m.compartments) or "-",
                _member_page.roles_of(m),
                ", ".join(_member_page.verbs_of(m, directory)) or "-",
            )
            for m in directory.members
        ),
        wide="verbs",
        empty="no members",
    )
    others = Table(
        title="Ingest hosts",
        columns=("host", "last wrote under", "knows the newest"),
        rows=tuple(
            (h.host, f"version {h.seen}" if h.seen else "-", "yes" if h.done else "not yet") for h in hosts
        ),
    )
    gone = [w.name for w in directory.writers if w.earlier and not w.verbs]
    page: list[Block] = [members, Line(), others, Line()]
    page.append(Line(f"Directory version {directory.version}, expires {directory.expires[:10]}.", Tone.QUIET))
    if any(EVERY_ROLE in m.roles for m in directory.members):
        page.append(Line("any: the policy's roles do not bind this member, only his key does.", Tone.QUIET))
    if gone:
        page.append(Line(f"Taken out: {', '.join(gone)}.", Tone.QUIET))
    glass = _glass_of(place, directory, io.now)
    page += _glass.lines(glass)
    due = list(glass.groups) if glass else []
    if not vouched:
        page.append(Line("NOT checked: no root is pinned here and no key file names one.", Tone.WARN))
    data = {"type": "summary", "removed": gone, "checked_by": vouched or None, "due": due}
    return Result(page=tuple(page), data=data | _member_page.state(directory, hosts), records="members")


def _glass_of(vault: Path, directory: Directory, now: datetime) -> Glass | None:
    """Look for a break-glass; nothing where the log cannot be read: others tell that."""
    try:
        return _glass.found(vault, directory, now)
    except MedsnapError:
        return None
