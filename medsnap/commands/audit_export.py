"""`medsnap audit export`: the log's events for a repository of audit records."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any, TypeAlias

import typer

from medsnap.commands._access import Auditor, auditor, say_first, trusted
from medsnap.commands._shared import Io, Result, command
from medsnap.commands._vault import KeyOption, VaultOption, log_of
from medsnap.errors import Exit, UsageError
from medsnap.report import machine

Resource: TypeAlias = dict[str, Any]
_MOST_IN_BUNDLE = 5_000


class As(StrEnum):
    """The form of the export."""

    FHIR = "fhir"
    BUNDLE = "fhir-bundle"


@command()
def export(
    io: Io,
    *,
    as_: Annotated[
        As, typer.Option("--as", help="fhir: an R4 AuditEvent a line; fhir-bundle: one transaction.")
    ] = As.FHIR,
    first: Annotated[
        int, typer.Option("--from", metavar="ENTRY", min=0, help="Begin with this entry of the log.")
    ] = 0,
    vault: VaultOption = None,
    key_file: KeyOption = None,
) -> Result:
    """Write the log's events as FHIR R4 AuditEvents, coded by DICOM and ISO 21089.

    It takes an auditor's key. They hold ids and names of members, never a patient's number or name.
    The id of each is the SHA-256 of its sealed event, so sending it again makes no second one; --from
    goes on where the last export ended. Exit 3 when events do not open with this key.

    Examples:

      medsnap audit export --vault /srv/vault --key-file auditor.key -o AuditEvent.ndjson

      medsnap audit export --as fhir-bundle --from 1200 --vault /srv/vault -o tonight.json
    """
    place = io.need(vault, "vault", "--vault")
    by = trusted(io, place, key_file)
    identities = auditor(by)
    say_first(io, by, (("for", "export"), ("from", str(first))))
    found = list(_found(by, identities, first))
    resources = [resource for _, resource in found if resource is not None]
    sealed = [index for index, resource in found if resource is None]
    after = found[-1][0] + 1 if found else first
    if sealed:
        io.warn(f"{len(sealed)} events do not open with this key; entry {sealed[0]} is the first")
    for resource in resources:
        io.record(resource)
    io.note(f"{len(resources)} events; the next export goes on with --from {after}")
    data = {"type": "summary", "events": len(resources), "sealed": len(sealed), "next": after}
    code = Exit.PARTIAL if sealed else Exit.OK
    return Result(text=_text(as_, resources), data=data, exit=code, records="resources")


def _found(by: Auditor, identities: tuple[str, ...], first: int) -> Iterator[tuple[int, Resource | None]]:
    """Give entry by entry its resource; None where the event does not open."""
    from medsnap.audit import fhir, store
    from medsnap.model.event import AuditEvent

    log = log_of(by.vault, by.directory)
    place = fhir.Place(origin=by.directory.origin, vault=by.directory.vault)
    both = zip(store.leaves(log), store.read_events(log, identities), strict=True)
    for index, (leaf, event) in enumerate(both):
        if index < first:
            continue
        if isinstance(event, AuditEvent):
            yield index, fhir.audit_event(index, leaf, event, place)
        else:
            yield index, None


def _text(as_: As, resources: list[Resource]) -> str:
    from medsnap.audit import fhir

    if as_ is As.FHIR:
        return "".join(map(machine.line, resources))
    if len(resources) > _MOST_IN_BUNDLE:
        raise UsageError(
            f"{len(resources)} events are too many for one transaction",
            hint=f"at most {_MOST_IN_BUNDLE} go into one: give --from, or --as fhir, which takes all",
        )
    return machine.line(fhir.bundle(resources))
