"""`medsnap export`: EHR-ready FHIR bundles or DICOM files out of the vault, with receipts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medsnap.commands import _consents, _noted
from medsnap.commands._in_force import of_decided
from medsnap.commands._photos import policy_path
from medsnap.commands._shared import Io, Result, command
from medsnap.commands._vault import KeyOption, VaultOption, member, record
from medsnap.errors import CannotCreate, Exit, KeyRefused, Tampered, UsageError
from medsnap.export.prepare import As, Held
from medsnap.model.event import Action
from medsnap.report.page import Block, Facts, Line, Table, Tone

if TYPE_CHECKING:
    from medsnap.export.ids import Numbering
    from medsnap.export.isolated import Preparer
    from medsnap.export.run import Exported
    from medsnap.model.consent import Register
    from medsnap.model.photo import ObjectId, Sha256
    from medsnap.model.receipt import Identifiers
    from medsnap.model.record import PhotoRow
    from medsnap.policy import Export, Policy
    from medsnap.vault.member_writer import MemberWriter
    from medsnap.vault.session import Session

_AT_ONCE = 32  # photos between two commits of receipts


@dataclass(frozen=True, slots=True, kw_only=True)
class _Leaving:
    """A photo that may go, and where."""

    row: PhotoRow
    policy: Policy
    target: Export


@dataclass(slots=True, kw_only=True)
class _Tally:
    """What became of the photos."""

    written: int = 0
    held: int = 0
    failed: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    stayed: list[str] = field(default_factory=list)

    def hold(self, reason: str) -> None:
        self.held += 1
        self.reasons[reason] = self.reasons.get(reason, 0) + 1

    @property
    def exit(self) -> Exit:
        if self.failed:
            return Exit.INTEGRITY
        return Exit.PARTIAL if self.held else Exit.OK


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
    consent: _consents.ConsentOption = None,
    vault: VaultOption = None,
    key_file: KeyOption = None,
) -> Result:
    """Write matched photos that the policy lets leave, upright, without metadata, with a receipt.

    What stays is listed with its reason. A photo that is sent again keeps its identifiers.

    Examples:

      medsnap export --as fhir -o ./to-ehr --vault /srv/vault --key-file me.key

      medsnap export all --as dicom -o ./to-pacs --target pacs --format json
    """
    tally = _Tally()
    how = (("as", as_.value),)
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
        run = _Run(io=io, session=session, as_=as_, into=into, tally=tally, agreed=agreed)
        leaving = list(run.sorted_out(rows, known, target))
        if io.dry_run:
            for one in leaving:
                run.say_done(one, None)
            tally.written = len(leaving)
        elif leaving:
            run.write_all(leaving)
        if not io.dry_run:
            run.note_held(named=bool(selector) and list(selector or ()) != ["all"])
    return _result(io, tally, into, as_)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """One run of the command: to where, and what became of the photos."""

    io: Io
    session: Session
    as_: As
    into: Path
    tally: _Tally
    agreed: Register  # what patients agreed to, as of today

    def sorted_out(
        self, rows: Sequence[PhotoRow], known: dict[str, Policy], name: str | None
    ) -> Iterator[_Leaving]:
        """Yield what may leave; say of the rest why not."""
        from medsnap.export.run import choose

        for row in rows:
            policy = known.get(row.decision.policy.digest)
            if policy is None:
                ref = f"{row.decision.policy.policy} {row.decision.policy.version}"
                self.hold(row, f"its policy ({ref}) is not at hand; give the file with --policy")
                continue
            found = choose(row, policy, self.as_, name, self.io.now)
            if isinstance(found, Held):
                self.hold(row, found.reason)
            elif (reason := _consents.stopped(row, policy, found, self.agreed, self.io)) is not None:
                self.hold(row, reason)
            else:
                yield _Leaving(row=row, policy=policy, target=found)

    def write_all(self, leaving: Sequence[_Leaving]) -> None:
        """Log, write, keep receipts, a handful of photos at a time."""
        from medsnap.export.ids import Numbering
        from medsnap.export.isolated import Preparer

        writer = self._writer()
        identifiers = self._identifiers(leaving)
        numbering: dict[str, Numbering] = defaultdict(Numbering)  # by target
        try:
            self.into.mkdir(parents=True, mode=0o700, exist_ok=True)
        except OSError as failure:
            raise CannotCreate(
                f"the folder cannot be made: {failure.strerror}", where=str(self.into)
            ) from failure
        with self.io.progress("export", len(leaving)) as advance, Preparer() as preparer:
            for start in range(0, len(leaving), _AT_ONCE):
                part = leaving[start : start + _AT_ONCE]
                objects = tuple(one.row.seal.object for one in part)
                self._log("begin", objects, None)
                try:
                    for one in part:
                        known = identifiers[one.row.seal.object]
                        photo = self._open(one.row)
                        if photo is not None:
                            made = self._make(one, photo, known, numbering[one.target.name], preparer)
                            self._keep(one, made, numbering[one.target.name], writer)
                        advance()
                finally:
                    writer.commit()  # what lies in the folder has its receipt, even after an interruption

    def _log(self, step: str, objects: tuple[str, ...], commit: Sha256 | None) -> None:
        details = (("step", step), ("as", self.as_.value))
        record(self.io, self.session, Action.EXPORT, objects=objects, details=details, commit=commit)

    def _writer(self) -> MemberWriter:
        """Make the writer of receipts. Raises KeyRefused before anything has left."""
        from medsnap.crypto.note import Signer
        from medsnap.model.record import RECEIPT
        from medsnap.vault.member_writer import MemberWriter
        from medsnap.vault.reader import VERB_FOR

        session = self.session
        writer = MemberWriter(
            session.vault,
            session.directory,
            session.keys,
            random=self.io.random,
            log=lambda commit, objects: self._log("receipts", objects, commit),
        )
        own = session.directory.writer(Signer.parse_private(session.keys.signer).vkey)
        if own is None or VERB_FOR[RECEIPT] not in own.verbs:
            raise KeyRefused("the vault's directory does not let this key export photos")
        return writer

    def _identifiers(self, leaving: Sequence[_Leaving]) -> dict[ObjectId, Identifiers]:
        """Give identifiers, apart for each target; earlier receipts keep theirs."""
        from medsnap.export.ids import allot
        from medsnap.export.run import KINDS

        groups: dict[str, list[PhotoRow]] = {}
        for one in leaving:
            groups.setdefault(one.target.name, []).append(one.row)
        made: dict[ObjectId, Identifiers] = {}
        for name, rows in groups.items():
            earlier = [r for row in rows for r in self.session.catalogue.receipts(row.seal.object)]
            made |= allot(rows, earlier, target=name, kind=KINDS[self.as_], random=self.io.random)
        return made

    def _open(self, row: PhotoRow) -> bytes | None:
        """Open a photo; one that does not verify is said and counted, and the others go on."""
        try:
            return self.session.reader.open_seal(row.seal)
        except Tampered as broken:
            details = (("step", "open"), ("as", self.as_.value))
            named = (row.seal.object,)
            record(self.io, self.session, Action.EXPORT, objects=named, outcome=broken.id, details=details)
            self.tally.failed += 1
            self.io.warn(f"{row.seal.object}: {broken.message}")
            self._say(row, {"outcome": "failed", "reason": broken.message})
            return None

    def _make(
        self, one: _Leaving, photo: bytes, known: Identifiers, numbering: Numbering, preparer: Preparer
    ) -> Exported | Held:
        from medsnap.export.run import export_photo
        from medsnap.export.site import Site

        return export_photo(
            one.row,
            photo,
            target=one.target,
            as_=self.as_,
            identifiers=known,
            numbers=numbering.peek(one.row),
            now=self.io.now,
            site=Site(name=self.io.settings.get("site.name"), oid=self.io.settings.get("site.oid")),
            policy=one.policy,
            preparing=preparer,
        )

    def _keep(self, one: _Leaving, made: Exported | Held, numbering: Numbering, writer: MemberWriter) -> None:
        from medsnap.model.record import ReceiptRow

        if isinstance(made, Held):
            self.hold(one.row, made.reason)
            return
        self._write_files(made)
        writer.add(one.row.seal.compartment, ReceiptRow(receipt=made.receipt))
        numbering.take(one.row)
        self.tally.written += 1
        self.say_done(one, made)

    def _write_files(self, made: Exported) -> None:
        from medsnap.platform import write_durably

        for name, data in made.files:
            try:
                write_durably(self.into / name, data, mode=0o600)
            except OSError as failure:
                raise CannotCreate(
                    f"cannot be written: {failure.strerror}", where=str(self.into)
                ) from failure

    def note_held(self, *, named: bool) -> None:
        """Write into the log that photos were kept back; with their ids when they were asked for by id."""
        if self.tally.held:
            details = (("step", "held"), ("as", self.as_.value), ("photos", str(self.tally.held)))
            objects = tuple(self.tally.stayed) if named else ()
            _noted.note(
                self.io,
                self.session.vault,
                self.session.directory,
                [self.session.keys],
                Action.EXPORT,
                outcome="held",
                objects=objects,
                details=details,
            )

    def hold(self, row: PhotoRow, reason: str) -> None:
        """Count and say a photo that stays."""
        self.tally.hold(reason)
        self.tally.stayed.append(row.seal.object)
        self._say(row, {"outcome": "held", "reason": reason})

    def say_done(self, one: _Leaving, made: Exported | None) -> None:
        """Say a photo that left, or would leave when nothing was made."""
        entry: dict[str, Any] = {"outcome": "done", "target": one.target.name}
        if made is None:
            self._say(one.row, entry | {"outcome": "would leave"})
            return
        ids = made.receipt.identifiers
        entry |= {
            "file": made.files[0][0],
            "sha256": made.receipt.digest,
            "kind": made.receipt.kind,
            "study_uid": ids.study_uid,
            "sop_uid": ids.sop_uid,
            "document": ids.document,
            "derived": made.derived,
            "how": made.how,
        }
        self._say(one.row, entry)

    def _say(self, row: PhotoRow, entry: dict[str, Any]) -> None:
        self.io.record({"type": "photo", "object": row.seal.object, **entry})


def _result(io: Io, tally: _Tally, into: Path, as_: As) -> Result:
    word = "would leave" if io.dry_run else "written"
    page: list[Block] = [Facts(((word, str(tally.written)), ("stay here", str(tally.held))))]
    if tally.failed:
        page.append(Line(f"{tally.failed} photos did not verify and were not exported.", Tone.BAD))
    if tally.reasons:
        ordered = sorted(tally.reasons.items(), key=lambda pair: (-pair[1], pair[0]))
        page.append(
            Table(
                title="Why photos stay",
                columns=("photos", "reason"),
                rows=tuple((str(n), r) for r, n in ordered),
                right=("photos",),
                wide="reason",
            )
        )
    if tally.written and not io.dry_run:
        what = "bundles" if as_ is As.FHIR else "DICOM files"
        page.append(Line(f"The {what} lie in {into}; they hold patient data.", Tone.GOOD))
    data = {
        "type": "summary",
        "as": as_.value,
        "done": tally.written,
        "held": tally.held,
        "failed": tally.failed,
        "reasons": tally.reasons,
    }
    return Result(page=tuple(page), data=data, exit=tally.exit, records="photos")
