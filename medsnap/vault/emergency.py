"""Break-glass: one patient's photos with a custodian's key, whatever the roles say (amendment 11)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from medsnap.errors import KeyRefused
from medsnap.model.codec import CodecError, from_json
from medsnap.model.event import Due
from medsnap.model.record import ADD, PhotoRow
from medsnap.vault.directory import EVERY_ROLE, Directory, Member
from medsnap.vault.keys import Keys
from medsnap.vault.reader import Reader


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Who asks and whose key opens: two people."""

    asker: Member
    custodian: Member

    def due(self, directory: Directory, until: str = "") -> Due:
        """Return what has to end: every key that the custodian's file could give to this machine."""
        epochs = [(k.name, k.epoch) for k in directory.compartments if k.name in self.custodian.compartments]
        if self.custodian.auditor:
            epochs.append(("", directory.auditors_epoch))
        return Due(epochs=tuple(epochs), used=self.custodian.name, until=until)


def pair(directory: Directory, asker: Keys, custodian: Keys, *, open_to: tuple[str, ...]) -> Pair:
    """Say who asks and whose key it is. Raises KeyRefused when one is no member, or both are one person."""
    one = next((m for m in directory.members if asker.signer and m.vkey == asker.vkey), None)
    if one is None:
        raise KeyRefused("your key is that of no member who signs", hint="give your own with --key-file")
    if not (set(one.roles) - {EVERY_ROLE}) & set(open_to):
        raise KeyRefused(
            "none of your roles may break the glass", hint=f"by the policy: {', '.join(open_to) or 'nobody'}"
        )
    recipients = set(custodian.recipients)
    other = next((m for m in directory.members if m.recipient in recipients), None)
    if other is None:
        raise KeyRefused(
            "the custodian's key is no member's of this vault",
            hint="recovery sheets are for the day when no member is left: vault recovery combine",
        )
    if other.name == one.name or recipients & set(asker.recipients):
        raise KeyRefused("the custodian has to be another person than you")
    return Pair(asker=one, custodian=other)


@dataclass(slots=True, kw_only=True)
class Found:
    """The photos of one patient, and how many the key could have opened, by locked group."""

    rows: list[PhotoRow] = field(default_factory=list)
    could: dict[str, int] = field(default_factory=dict)


def find(reader: Reader, mrn: str, issuer: str = "") -> Found:
    """Look through all records that the reader opens for one patient's. Nothing of the others is kept."""
    found = Found(could=dict.fromkeys(reader.compartments, 0))
    seen: set[str] = set()
    for group, row in _rows(reader):
        if row.seal.object in seen:
            continue  # the first record of an object counts
        seen.add(row.seal.object)
        found.could[group] += 1
        patient = row.match.patient
        if patient is not None and patient.mrn == mrn and issuer in ("", patient.issuer):
            found.rows.append(row)
    return found


def _rows(reader: Reader) -> Iterator[tuple[str, PhotoRow]]:
    for group, event in reader.rows():
        if event.get("event") != ADD:
            continue
        try:
            yield group, from_json(PhotoRow, {k: v for k, v in event.items() if k != "event"})
        except CodecError as misfit:
            reader.note("batches", f"a record cannot be read: {misfit}")
