"""The command table: name, one line of help, and where the command lives. Nothing else loads."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup


class Entry(NamedTuple):
    """One command: `where` is module:function."""

    name: str
    help: str
    where: str


class Group(NamedTuple):
    """A noun with commands of its own, or with nouns below it."""

    name: str
    help: str
    entries: tuple[Any, ...]  # Entry | Group; a NamedTuple cannot name itself
    usual: str = ""  # the command that is meant where options follow the noun


TABLE: tuple[Entry | Group, ...] = (
    Entry("demo", "Made-up device dump to vault to EHR bundle, explained.", "medsnap.commands.demo:demo"),
    Entry("scan", "Read only: what is in these photos, what would the policy say.", "medsnap.commands.scan:scan"),
    Entry("scrub", "Remove metadata without touching a pixel; no vault.", "medsnap.commands.scrub:scrub"),
    Entry("classify", "Identifying features and the decision for each photo.", "medsnap.commands.scan:classify"),
    Entry("ingest", "The whole path: scrub, classify, decide, seal, catalogue.", "medsnap.commands.ingest:ingest"),
    Entry("export", "Write EHR-ready FHIR or DICOM from the vault.", "medsnap.commands.export:export"),
    Group("vault", "Make, list, open and check a vault.", (
        Entry("init", "Make a vault with its keys.", "medsnap.commands.vault:init"),
        Entry("ls", "List and search the photos that you may know of.", "medsnap.commands.vault_ls:ls"),
        Entry("show", "Show all that is known of one photo.", "medsnap.commands.vault:show"),
        Entry("open", "Open one photo; the opening is logged first.", "medsnap.commands.vault:open_"),
        Entry("check", "Verify every seal and digest; needs no keys.", "medsnap.commands.vault_check:check"),
        Entry("copy", "Copy a vault, verified; later only what is new.", "medsnap.commands.vault_copy:copy"),
        Entry("restore-test", "Open all of a copy with the recovery sheet alone.", "medsnap.commands.vault_copy:restore_test"),
        Entry("prove", "Sign that your keys open what is sealed now.", "medsnap.commands.vault_prove:prove"),
        Entry("expire", "What the policy keeps no longer: a plan, then its removal.", "medsnap.commands.vault_expire:expire"),
        Entry("erase", "Erase photos for good, on request; held ones are refused.", "medsnap.commands.vault_erase:erase"),
        Entry("move", "Take photos to another locked group, sealed anew.", "medsnap.commands.vault_move:move"),
        Entry("ledger", "What was erased; write it to keep outside the vault.", "medsnap.commands.vault_ledger:ledger"),
        Group("legal-hold", "Photos that nobody may expire or erase.", (
            Entry("add", "Put photos, or all of a patient, on hold.", "medsnap.commands.vault_hold:add"),
            Entry("ls", "List the holds.", "medsnap.commands.vault_hold:ls"),
            Entry("release", "End a hold.", "medsnap.commands.vault_hold:release"),
        )),
        Entry("reindex", "Make your catalogue anew from the batches.", "medsnap.commands.vault_reindex:reindex"),
        Entry("trust", "Pin a vault's root on this host, for ingest.", "medsnap.commands.vault_trust:trust"),
        Group("member", "Who may open what: add, remove, list members.", (
            Entry("key", "A new member makes his keys, to be added by.", "medsnap.commands.vault_member_key:key"),
            Entry("add", "Add a member with locked groups, roles and verbs.", "medsnap.commands.vault_member:add"),
            Entry("change", "Give a member groups, roles, verbs, or take them.", "medsnap.commands.vault_member_change:change"),
            Entry("remove", "Take a member out; new photos get new keys.", "medsnap.commands.vault_member:remove"),
            Entry("ls", "List members, hosts, and who knows the newest directory.", "medsnap.commands.vault_member:ls"),
        )),
        Group("host", "Which machines may add photos.", (
            Entry("key", "Make this machine's key for ingest.", "medsnap.commands.vault_host:key"),
            Entry("add", "Let another ingest host add photos.", "medsnap.commands.vault_host:add"),
        )),
        Group("break-glass", "One patient's photos in an emergency, and the end of it.", (
            Entry("open", "Open one patient's photos with a custodian's key.", "medsnap.commands.vault_break_glass:open_"),
            Entry("end", "New keys for all that the custodian's key could open.", "medsnap.commands.vault_break_glass_end:end"),
        ), usual="open"),
        Group("recovery", "Sheets for the day when no other key is left.", (
            Entry("test", "Prove that two sheets open what they should.", "medsnap.commands.vault_recovery:test"),
            Entry("combine", "Make a key file of two sheets.", "medsnap.commands.vault_recovery:combine"),
            Entry("sheets", "Split the one recovery file into sheets.", "medsnap.commands.vault_recovery:sheets"),
            Entry("renew", "New sheets, and keys that old ones never open.", "medsnap.commands.vault_recovery_renew:renew"),
        )),
        Entry("rotate", "Begin a new epoch of a locked group's key.", "medsnap.commands.vault_rotate:rotate"),
    )),
    Group("policy", "Read, check and explain governance policies.", (
        Entry("lint", "Check a policy file: line, column, suggestion.", "medsnap.commands.policy:lint"),
        Entry("test", "Run a policy's test cases; which changes go unnoticed.", "medsnap.commands.policy_test:test"),
        Entry("show", "Show what a policy says, defaults included.", "medsnap.commands.policy:show"),
        Entry("explain", "Why a photo was decided as it was, with file and line.", "medsnap.commands.policy:explain"),
        Entry("diff", "What a new version opens, by line and by photo.", "medsnap.commands.policy_diff:diff"),
        Entry("apply", "Decide sealed photos again; record what tightens.", "medsnap.commands.policy_apply:apply"),
        Entry("replay", "Make recorded decisions again and compare.", "medsnap.commands.policy_replay:replay"),
        Entry("sign", "Sign a policy for a seat, after its summary was shown.", "medsnap.commands.policy_sign:sign"),
        Entry("status", "Is a policy in force, and who has still to sign.", "medsnap.commands.policy_status:status"),
        Entry("key", "A person's lines for the keyring; makes a key.", "medsnap.commands.policy_key:key"),
        Entry("pin", "Let a vault go by a root policy and a keyring.", "medsnap.commands.policy_key:pin"),
    )),
    Group("consent", "What patients agreed to, and took back.", (
        Entry("import", "Record a register of consents in the vault.", "medsnap.commands.consent:import_"),
        Entry("withdraw", "Record a withdrawal; list what left for that purpose.", "medsnap.commands.consent:withdraw"),
        Entry("ls", "List what the vault's register says.", "medsnap.commands.consent:ls"),
    )),
    Group("device", "What the inventory knows of phones and tablets.", (
        Entry("import", "Make the inventory of a device manager's export.", "medsnap.commands.device_import:import_"),
        Entry("ls", "List the devices of the inventory.", "medsnap.commands.device:ls"),
        Entry("check", "What the policy makes of photos from one device.", "medsnap.commands.device:check"),
    )),
    Group("models", "Install and verify detector models.", (
        Entry("install", "Fetch the pinned model files.", "medsnap.commands.models:install"),
        Entry("ls", "List the models, their licences and states.", "medsnap.commands.models:ls"),
        Entry("verify", "Check the digests of the installed models.", "medsnap.commands.models:verify"),
    )),
    Group("audit", "The log that cannot be rewritten unseen.", (
        Entry("verify", "Recompute the whole log and its signatures.", "medsnap.commands.audit:verify"),
        Entry("ls", "List events.", "medsnap.commands.audit:ls"),
        Entry("checkpoint", "Write the checkpoint that is to be kept elsewhere.", "medsnap.commands.audit_checkpoint:checkpoint"),
        Entry("proof", "Prove an entry to people who have not got the log.", "medsnap.commands.audit_proof:proof"),
        Entry("export", "Write the events as FHIR AuditEvents.", "medsnap.commands.audit_export:export"),
        Entry("report", "Every rule that a tool can check, as a table or a page.", "medsnap.commands.audit_report:report"),
    )),
    Entry("doctor", "Versions, settings and their origin, keys, models, what is missing.", "medsnap.commands.doctor:doctor"),
)  # fmt: skip


def _load(entry: Entry) -> Any:
    module, _, name = entry.where.partition(":")
    function: Callable[..., int] = getattr(importlib.import_module(module), name)
    app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
    app.command(name=entry.name)(function)
    return typer.main.get_command(app)


class LazyGroup(TyperGroup):
    """A group that knows names and help from the table and imports a command only to run it."""

    table: tuple[Entry | Group, ...] = ()
    usual = ""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the usual command in where options follow the noun."""
        if self.usual and args and args[0].startswith("-") and args[0] != "--help":
            args = [self.usual, *args]
        return list(super().parse_args(ctx, args))

    def list_commands(self, ctx: Any) -> list[str]:
        """Give the names in the table's order."""
        return [row.name for row in self.table]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Give a stand-in with name and help (listing), or a group; nothing is imported."""
        for row in self.table:
            if row.name == cmd_name:
                return (
                    _group(row)
                    if isinstance(row, Group)
                    else TyperCommand(row.name, help=row.help, callback=None)
                )
        return None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Import the command that is about to run."""
        name, found, rest = super().resolve_command(ctx, args)
        entry = next((r for r in self.table if r.name == name and isinstance(r, Entry)), None)
        return name, (_load(entry) if entry else found), rest


def _group(group: Group) -> LazyGroup:
    made = LazyGroup(name=group.name, help=group.help, no_args_is_help=True)
    made.table = group.entries
    made.usual = group.usual
    made.commands = {
        entry.name: TyperCommand(entry.name, callback=None) for entry in group.entries
    }  # for "did you mean"
    return made


def _version(value: bool) -> None:
    if value:
        from medsnap import __version__

        sys.stdout.write(f"medsnap {__version__}\n")
        raise typer.Exit


def root() -> LazyGroup:
    """Build the root group."""
    app = typer.Typer(
        name="medsnap", cls=LazyGroup, add_completion=True, no_args_is_help=True, pretty_exceptions_enable=False,
        help="Secure handling of clinical photographs: scrub, classify, seal, export to the record.",
        epilog="Start with: medsnap demo ./try-it",
    )  # fmt: skip

    @app.callback()
    def options(
        version: bool = typer.Option(
            False, "--version", callback=_version, is_eager=True, help="Print the version."
        ),
    ) -> None:
        del version

    group = typer.main.get_command(app)
    if not isinstance(group, LazyGroup):
        raise TypeError("the root command is no LazyGroup")
    group.table = TABLE
    group.commands = {row.name: TyperCommand(row.name, callback=None) for row in TABLE}
    return group


def main() -> None:
    """Run the command line; every way out is an exit code of `medsnap.errors.Exit`."""
    from medsnap.commands._main import run

    sys.exit(run(root(), sys.argv[1:]))
