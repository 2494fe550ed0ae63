"""`ingest --export-to`: what may leave goes to a folder target in the same run, from memory.

The identifiers are sealed into the photo's row before anything is written, so that a crash between
row and file never makes a second identity: `medsnap export` sends it later under the same one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from medsnap.commands._shared import Io
from medsnap.errors import CannotCreate, UsageError
from medsnap.model.record import Intent, ReceiptRow

if TYPE_CHECKING:
    from medsnap.export.ids import Numbering
    from medsnap.export.prepare import As
    from medsnap.export.run import Preparing
    from medsnap.export.site import Site
    from medsnap.model.decision import Decision
    from medsnap.model.study import Match
    from medsnap.pipeline import Rules
    from medsnap.policy import Export
    from medsnap.sealing import Sealed


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """An export of the policy with its folder."""

    export: Export
    folder: Path
    forms: tuple[As, ...]


@dataclass(slots=True, kw_only=True)
class Delivery:
    """The targets of this run; `receipts` adds a row to a compartment."""

    io: Io
    rules: Rules
    site: Site
    targets: tuple[Target, ...] = ()
    receipts: Callable[[str, object], object] | None = None
    studies: dict[tuple[str, ...], str] = field(default_factory=dict)
    series: dict[tuple[str, ...], str] = field(default_factory=dict)
    numbers: dict[tuple[str, str], Numbering] = field(default_factory=dict)
    preparer: Preparing | None = None  # decoders run in its child process

    def intents(self, decision: Decision, matched: Match) -> tuple[Intent, ...]:
        """Make identifiers for every target that the photo may leave to."""
        from medsnap.export.ids import match_digest, random_uid, random_uuid
        from medsnap.export.run import KINDS
        from medsnap.model.receipt import Identifiers

        patient, visit = matched.patient, matched.visit
        if patient is None:
            return ()
        made = []
        for target in self.targets:
            if target.export.name not in decision.may_leave_to:
                continue
            whose = (
                target.export.name,
                patient.issuer,
                patient.mrn,
                visit.encounter or visit.accession or "",
            )
            where = (*whose, matched.description.body_site or "", matched.description.laterality or "")
            for form in target.forms:
                identifiers = Identifiers(
                    study_uid=self.studies.setdefault(whose, random_uid(self.io.random)),
                    series_uid=self.series.setdefault(where, random_uid(self.io.random)),
                    sop_uid=random_uid(self.io.random),
                    document=random_uuid(self.io.random).urn,
                )
                made.append(
                    Intent(
                        target=target.export.name,
                        kind=KINDS[form],
                        identifiers=identifiers,
                        match=match_digest(matched),
                    )
                )
        return tuple(made)

    def deliver(self, sealed: Sealed) -> tuple[str, ...]:
        """Write a photo's files to each target and add the receipts; return the targets reached."""
        from medsnap.export.ids import Numbering
        from medsnap.export.prepare import Held, prepare
        from medsnap.export.run import KINDS, export_photo

        row, photo = sealed.row, sealed.photo
        if row is None or photo is None or not row.intents:
            return ()
        reached = []
        for target in self.targets:
            for form in target.forms:
                numbering = self.numbers.setdefault((target.export.name, form), Numbering())
                intent = next(
                    (i for i in row.intents if (i.target, i.kind) == (target.export.name, KINDS[form])), None
                )
                if intent is None:
                    continue
                made = export_photo(
                    row,
                    photo,
                    target=target.export,
                    as_=form,
                    identifiers=intent.identifiers,
                    now=self.io.now,
                    site=self.site,
                    numbers=numbering.peek(row),
                    policy=self.rules.policy,
                    preparing=self.preparer or prepare,
                )
                if isinstance(made, Held):
                    continue
                numbering.take(row)
                self._write(target.folder, made.files)
                if self.receipts is not None:
                    self.receipts(row.seal.compartment, ReceiptRow(receipt=made.receipt))
                reached.append(target.export.name)
        return tuple(dict.fromkeys(reached))

    def _write(self, folder: Path, files: Sequence[tuple[str, bytes]]) -> None:
        from medsnap.platform import write_durably

        try:
            folder.mkdir(parents=True, mode=0o700, exist_ok=True)
            for name, data in files:
                write_durably(folder / name, data, mode=0o600)
        except OSError as failure:
            raise CannotCreate(f"cannot be written: {failure.strerror}", where=str(folder)) from failure


def delivery(io: Io, rules: Rules, named: Sequence[str]) -> Delivery:
    """Resolve NAME or NAME=DIR. Raises UsageError for a target that the policy or settings do not know."""
    from medsnap.export.prepare import As
    from medsnap.export.site import Site

    targets = []
    for text in named:
        name, _, given = text.partition("=")
        export = rules.policy.export(name)
        if export is None:
            have = ", ".join(e.name for e in rules.policy.exports) or "none"
            raise UsageError(f"the policy knows no export '{name}'", hint=f"it has: {have}")
        folder = given or io.settings.get(f"targets.{name}.folder")
        if not folder:
            raise UsageError(
                f"the folder of target '{name}' is not known",
                hint=f"give --export-to {name}=DIR, or set targets.{name}.folder in the configuration",
            )
        forms = tuple(form for form in As if export.takes(form.value))
        if not forms:
            raise UsageError(
                f"target '{name}' takes {', '.join(export.forms)}, which ingest cannot write yet"
            )
        targets.append(Target(export=export, folder=Path(folder), forms=forms))
    site = Site(name=io.settings.get("site.name"), oid=io.settings.get("site.oid"))
    return Delivery(io=io, rules=rules, site=site, targets=tuple(targets))
