"""`medsnap export`: EHR-ready FHIR bundles or DICOM files out of the vault, with receipts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medsnap.commands import _consents, _noted, _repeats
from medsnap.commands._export_page import Tally, result
from medsnap.commands._export_parts import send
from medsnap.commands._export_run import Run, count
from medsnap.commands._in_force import of_decided
from medsnap.commands._photos import policy_path
from medsnap.commands._shared import Io, Result, command
from medsnap.commands._vault import KeyOption, VaultOption, member
from medsnap.errors import CannotCreate, UsageError
from medsnap.export.prepare import As
from medsnap.model.event import Action

if TYPE_CHECKING:
    from medsnap.model.record import PhotoRow
    from medsnap.policy import Policy
    from medsnap.vault.session import Session


@command(dry_run=True, output=False)
def export(
    io: Io,
    selector: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ID…|all]", help="Photos by id, as vault ls prints them; all by default."),
    ] = None,
    *,
    as_: Annotated[As, typer.Option("--as", help="fhir: an R4 bundle each; dicom: a file each.")],
    into: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Where the files go.")],
    target: Annotated[
        str | None, typer.Option("--target", metavar="NAME", help="The policy's export to use.")
    ] = None,
    policy: Annotated[
        list[str] | None,
        typer.Option(
            "--policy", metavar="FILE", help="The policy that decided the photos, when it is no packaged one."
        ),
    ] = None,
    distinct: Annotated[
        bool,
        typer.Option("--distinct", help="You have looked: the photos named are shots of their own."),
    ] = False,
    consent: _consents.ConsentOption = None,
    vault: VaultOption = None,
    key_file: KeyOption = None,
) -> Result:
    """Write matched photos that the policy lets leave, upright, without metadata, with a receipt.

    What stays is listed with its reason. A photo that is sent again keeps its identifiers; another photo
    of the same shot is not sent.

    Examples:

      medsnap export --as fhir -o ./to-ehr --vault /srv/vault --key-file me.key

      medsnap export all --as dicom -o ./to-pacs --target pacs --format json
    """
    _repeats.only_named(distinct, selector or [])
    tally = Tally()
    commits = count(io.need(vault, "vault", "--vault"))
    how = (("as", as_.value), *((("distinct", "yes"),) if distinct else ()))
    with (
        member(io, vault, key_file) as session,
        _noted.refusals(io, session, Action.EXPORT, objects=_noted.typed_ids(selector or ()), details=how),
    ):
        _refuse_folder(into, session.vault)
        rows = _selected(session, selector or [])
        known = of_decided(
            io, _policies(io, session.vault, policy or [], rows), session.vault, session.directory
        )
        agreed = _consents.known(io, session, consent)
        run = Run(
            io=io,
            session=session,
            as_=as_,
            tally=tally,
            known=known,
            agreed=agreed,
            consent=consent,
            distinct=distinct,
            commits=commits,
        )
        leaving = list(run.sorted_out(rows, target))
        if io.dry_run:
            run.say_all(leaving)
        elif leaving:
            send(run, leaving, into)
        if not io.dry_run:
            run.note_held(named=bool(selector) and list(selector or ()) != ["all"])
    return result(io, tally, into, as_)


def _refuse_folder(into: Path, vault: Path) -> None:
    place = into.resolve()
    if place == vault.resolve() or vault.resolve() in place.parents:
        raise UsageError("photos cannot be exported into the vault itself", where=str(into))
    if into.exists() and not into.is_dir():
        raise CannotCreate("this is no folder", where=str(into))


def _selected(session: Session, selector: Sequence[str]) -> list[PhotoRow]:
    """Give the chosen rows. Raises NotFound, the same for hidden and absent."""
    from medsnap.export.ids import order

    if not selector or list(selector) == ["all"]:
        rows = session.catalogue.photos(None if session.may_send else session.known)
    else:
        bound = None if session.may_send else session.roles
        rows = [session.catalogue.photo(name, bound) for name in dict.fromkeys(selector)]
    return sorted(rows, key=order)


def _policies(io: Io, vault: Path, given: Sequence[str], rows: Sequence[PhotoRow]) -> dict[str, Policy]:
    """Find the policies that decided these photos, by digest: given, set, kept in the vault, or packaged."""
    from medsnap import policy as policies
    from medsnap.policy.parents import beside
    from medsnap.vault.policies import FOLDER, recall

    named = [*given, *([None] if io.settings.get("policy") else [])]
    wanted = {row.decision.policy.digest for row in rows}
    found = {p.ref.digest: p for p in (policies.load(policy_path(io, name)) for name in named)}
    for ref in {row.decision.policy.digest: row.decision.policy for row in rows}.values():
        kept = recall(vault, ref.digest) if ref.digest not in found else None
        if kept is not None:
            folder = beside(vault / FOLDER)  # a department's policy needs its parent
            found[ref.digest] = policies.load_text(kept.decode(), f"{ref.policy}.yaml", parents=folder)
    for name in policies.packaged_names():
        if wanted <= found.keys():
            break
        packaged = policies.load(policies.packaged(name))
        found.setdefault(packaged.ref.digest, packaged)
    return found
