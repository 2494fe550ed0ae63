"""`medsnap export`: EHR-ready FHIR bundles or DICOM files out of the vault, with receipts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medsnap.commands import _consents, _noted, _repeats
from medsnap.commands._export_page import Tally, result
from medsnap.commands._in_force import of_decided
from medsnap.commands._photos import policy_path
from medsnap.commands._shared import Io, Result, command
from medsnap.commands._vault import KeyOption, VaultOption, member, record
from medsnap.errors import CannotCreate, KeyRefused, Tampered, UsageError
from medsnap.export.prepare import As, Held
from medsnap.model.event import Action

if TYPE_CHECKING:
    from medsnap.commands._second_look import SecondLook
    from medsnap.export.ids import Numbering
    from medsnap.export.isolated import Preparer
    from medsnap.export.run import Exported
    from medsnap.model.consent import Register
    from medsnap.model.photo import ObjectId, Sha256
    from medsnap.model.receipt import Identifiers
    from medsnap.model.record import PhotoRow
    from medsnap.model.repeat import Repeat
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
    kind: str  # of file

    @property
    def object(self) -> ObjectId:
        return self.row.seal.object

    @property
    def goal(self) -> _repeats.Goal:
        return self.target.name, self.kind


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
        run = _Run(io=io, session=session, as_=as_, into=into, tally=tally, agreed=agreed, distinct=distinct)
        leaving = list(run.sorted_out(rows, known, target))
        if io.dry_run:
            run.say_all(leaving)
        elif leaving:
            run.write_all(leaving)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """One run of the command: to where, and what became of the photos."""

    io: Io
    session: Session
    as_: As
    into: Path
    tally: Tally
    agreed: Register  # what patients agreed to, as of today
    distinct: bool  # whoever named the photos says that none of them repeats another

    def sorted_out(
        self, rows: Sequence[PhotoRow], known: dict[str, Policy], name: str | None
    ) -> Iterator[_Leaving]:
        """Yield what may leave; say of the rest why not."""
        from medsnap.export.run import KINDS, choose

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
                yield _Leaving(row=row, policy=policy, target=found, kind=KINDS[self.as_])

    def write_all(self, leaving: Sequence[_Leaving]) -> None:
        """Log, write, keep receipts, a handful of photos at a time."""
        from medsnap.commands._second_look import SecondLook
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
        with (
            self.io.progress("export", len(leaving)) as advance,
            Preparer() as preparer,
            SecondLook(session=self.session) as look,
        ):
            once = self._once(look)
            for part in _repeats.parts(once.turns(leaving, self.say_repeat), _AT_ONCE):
                self._log("begin", tuple(one.object for one in part), None)
                try:
                    for one in part:
                        photo = self._open(one.row)
                        if photo is not None:
                            known = identifiers[one.object]
                            made = self._make(one, photo, known, numbering[one.target.name], preparer)
                            if self._keep(one, made, numbering[one.target.name], writer):
                                once.left.add((one.object, one.goal))
                        advance()
                finally:
                    writer.commit()  # what lies in the folder has its receipt, even after an interruption

    def _once(self, look: SecondLook) -> _repeats.Once[_Leaving]:
        catalogue, roles = self.session.catalogue, None if self.session.may_send else self.session.roles
        return _repeats.Once(
            repeats=lambda name: () if self.distinct else catalogue.repeats(name, roles),
            receipts=catalogue.receipts,
            look=lambda one, doubt: look(one.row, doubt),
        )

    def say_all(self, leaving: Sequence[_Leaving]) -> None:
        """Say what would leave, and what would stay as a repeat."""
        from medsnap.commands._second_look import SecondLook

        with SecondLook(session=self.session) as look:
            once = self._once(look)
            for turn in once.turns(leaving, self.say_repeat):
                for one in turn:
                    once.left.add((one.object, one.goal))
                    self.say_done(one, None)
                self.tally.written += len(turn)

    def say_repeat(self, one: _Leaving, repeat: Repeat) -> None:
        """Count and say a photo of which the same shot left; hold one where nobody can be sure."""
        said = {"repeat_of": repeat.object, "is": repeat.sameness, "because": repeat.because}
        if not repeat.sameness.sure:
            self.tally.doubts.append((one.object, repeat.object))
            self.hold(one.row, _repeats.reason(repeat), said)
            return
        self.tally.repeats += 1
        self._say(one.row, {"outcome": "repeat", "target": one.target.name, **said})

    def _log(self, step: str, objects: tuple[str, ...], commit: Sha256 | None) -> None:
        details = (("step", step), ("as", self.as_.value), *((("distinct", "yes"),) if self.distinct else ()))
        record(self.io, self.session, Action.EXPORT, objects=objects, details=details, commit=commit)

    def _writer(self) -> MemberWriter:
        """Make the writer of receipts. Raises KeyRefused before anything has left."""
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
        own = session.directory.writer(session.keys.vkey)
        if own is None or VERB_FOR[RECEIPT] not in own.verbs:
            raise KeyRefused(
                "the vault's directory does not let this key export photos",
                hint="the keeper of the root key gives the verb: medsnap vault member add … --verb receipt",
            )
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

    def _keep(self, one: _Leaving, made: Exported | Held, numbering: Numbering, writer: MemberWriter) -> bool:
        """Write what was made, with its receipt; say whether the photo has left."""
        from medsnap.model.record import ReceiptRow

        if isinstance(made, Held):
            self.hold(one.row, made.reason)
            return False
        self._write_files(made)
        writer.add(one.row.seal.compartment, ReceiptRow(receipt=made.receipt))
        numbering.take(one.row)
        self.tally.written += 1
        self.say_done(one, made)
        return True

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

    def hold(self, row: PhotoRow, reason: str, more: dict[str, Any] | None = None) -> None:
        """Count and say a photo that stays."""
        self.tally.hold(reason)
        self.tally.stayed.append(row.seal.object)
        self._say(row, {"outcome": "held", "reason": reason, **(more or {})})

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
