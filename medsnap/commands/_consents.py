"""Consent registers that a run brings along, and what consent keeps from leaving (C1–C3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medsnap.commands._shared import Io
from medsnap.errors import Tampered
from medsnap.model.consent import Consent, Register, named, register
from medsnap.model.finding import State

if TYPE_CHECKING:
    from medsnap.match.consents import ConsentFile
    from medsnap.model.receipt import Receipt
    from medsnap.model.record import PhotoRow
    from medsnap.policy import Export, Policy
    from medsnap.vault.session import Session

ConsentOption = Annotated[
    Path | None,
    typer.Option(
        "--consent", metavar="CSV", help="What patients agreed to (MEDSNAP_CONSENT); not in a dump."
    ),
]


def brought(io: Io, given: Path | None, dumps: Sequence[Path] = ()) -> ConsentFile | None:
    """Read the register named by the option or the setting; it must not lie in a dump."""
    from medsnap.match import consents

    file = given if given is not None else io.settings.path("consent")
    if file is None:
        return None
    consents.outside(file, dumps)
    return consents.load(file, today=io.now.date())


def known(io: Io, session: Session, given: Path | None) -> Register:
    """Join what the vault's register says with what the run brings along.

    Raises Tampered where a part of the vault cannot be read: nothing leaves on what is left of it.
    """
    if session.reader.incomplete:
        raise Tampered(
            "a part of the vault cannot be read: a withdrawal or a stricter decision may stand in it",
            hint="medsnap vault check names it; put it back from a copy of the vault",
        )
    file = brought(io, given)
    return register((*session.catalogue.consents(), *(file.consents if file else ())))


def stopped(row: PhotoRow, policy: Policy, export: Export, consents: Register, io: Io) -> str | None:
    """Say why consent stops this photo at this target today; None when it does not."""
    from medsnap.policy import consents as rules

    own = row.evidence.consent if row.evidence is not None else row.match.consent
    age = row.evidence.patient_age if row.evidence is not None else None
    there = (State.SEEN, State.DOUBTFUL)
    return rules.stopped(
        policy,
        export,
        own,
        consents.said(row.match.patient, io.now.date()),
        age=age,
        identifiable=any(f.state in there for f in row.decision.features),
    )


@dataclass(frozen=True, slots=True)
class Sent:
    """A photo that went to a target for a use before its consent was taken back."""

    row: PhotoRow
    receipt: Receipt

    @property
    def purpose(self) -> str:
        """Return the use that it left for, in words."""
        return named(self.receipt.purpose) if self.receipt.purpose else "not known"

    @property
    def receiver_id(self) -> str:
        """Return what the receiver knows the file by: a DICOM UID, or a document's UUID."""
        ids = self.receipt.identifiers
        return ids.sop_uid if self.receipt.kind == "dicom" else ids.document.removeprefix("urn:uuid:")


def sent(session: Session, said: Consent) -> list[Sent]:
    """List what left for a use of a patient, as far as its photos exist for the caller; a re-sent file once.

    A receipt that names no purpose counts: it may have been this one.
    """
    found: list[Sent] = []
    for row in session.catalogue.photos(replace(session.known, mrn=said.mrn)):
        patient = row.match.patient
        if patient is None or said.issuer not in ("", patient.issuer):
            continue
        receipts = session.catalogue.receipts(row.seal.object)
        found += [Sent(row, r) for r in receipts if named(r.purpose) in ("", said.use)]
    found.sort(key=lambda one: (one.receipt.target, one.receipt.at, one.receipt.object))
    last = {(one.receipt.object, one.receipt.target, one.receipt.kind, one.receiver_id): one for one in found}
    return list(last.values())
