"""What an auditor asks of access: gathered from the log, and from the catalogue as far as his key opens."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from medsnap.commands import _standing
from medsnap.commands._noted import is_copy, signer_of, write
from medsnap.commands._shared import Io
from medsnap.commands._vault import find_keys, log_of, member
from medsnap.errors import KeyRefused, MedsnapError
from medsnap.model.consent import named
from medsnap.model.event import Action

if TYPE_CHECKING:
    from medsnap.audit.access import Opened, Right, Sending, Sight, Span
    from medsnap.model.record import PhotoRow
    from medsnap.vault.directory import Directory
    from medsnap.vault.keys import Keys
    from medsnap.vault.session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Of whom and when it is asked; empty fields ask of everybody and always."""

    span: Span
    patient: str | None = None
    person: str = ""

    @property
    def words(self) -> str:
        """Say in one word what was asked for, for the log: never a patient's number."""
        return "patient" if self.patient is not None else "member" if self.person else "period"


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """A photo that left: from its receipt, else from the log, which knows neither target nor purpose."""

    at: str
    who: str
    object: str
    target: str
    purpose: str
    form: str
    state: str


@dataclass(slots=True, kw_only=True)
class Access:
    """All that was found; `photos` of a patient, None when no patient was asked for."""

    question: Question
    photos: tuple[PhotoRow, ...] | None
    sights: tuple[Sight, ...] = ()
    rights: tuple[Right, ...] = ()
    left: tuple[Left, ...] = ()
    sealed: int = 0  # events that the key does not open
    broken: str = ""  # what is wrong with the log
    differs: bool = False  # the log's last word on members is not what the directory says
    untold: tuple[int, ...] = ()  # versions of the directory without a word on who could
    begins: str = ""  # since when the log tells who could
    receipts: bool = False  # whether the catalogue was open
    groups: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Auditor:
    """Who asks: the vault, its verified directory, his keys."""

    vault: Path
    directory: Directory
    keys: Keys


def ask(io: Io, vault: Path | None, key_file: Path | None, question: Question) -> Access:
    """Answer a question out of log and catalogue; that it was asked is an event before the answer.

    Raises KeyRefused for a key that is no auditor's or cannot write to the log.
    """

    place = io.need(vault, "vault", "--vault")
    by = trusted(io, place, key_file)
    identities = auditor(by)
    with contextlib.ExitStack() as stack:
        session = _session(io, stack, place, key_file, needed=question.patient is not None)
        photos = _photos(session, question) if session is not None else None
        asked = photos if question.patient is not None else None
        who = (("member", question.person),) if question.person else ()
        say_first(io, by, (("for", question.words), *who), tuple(r.seal.object for r in asked or ()))
        entries, sealed = _entries(place, by.directory, identities)
        found = _found(question, by.directory, entries, photos)
        found.sealed, found.broken = sealed, _broken(place, by.directory)
        if session is not None:
            found.receipts, found.groups = True, session.reader.compartments
        found.left = tuple(_left(question, session, entries, photos))
    return found


def trusted(io: Io, place: Path, key_file: Path | None) -> Auditor:
    """Find the caller's keys and verify the directory by them. Raises KeyRefused."""
    from medsnap.vault import directory as directories
    from medsnap.vault import session as sessions

    keys = find_keys(io, place, key_file)
    cache = sessions.member_cache(io.settings.cache, directories.load(place).directory.vault, keys)
    directory = sessions.trusted(place, keys, state=io.settings.state, cache=cache)
    return Auditor(vault=place, directory=directory, keys=keys)


def auditor(by: Auditor) -> tuple[str, ...]:
    """Open the auditors' ring. Raises KeyRefused for whom it is not wrapped to."""
    from medsnap.vault import rings

    ring = by.vault / "keys" / by.directory.auditors_ring
    found = rings.unwrap(ring, by.directory.auditors_ring_sha256, by.keys.identities)
    if not found:
        raise KeyRefused(
            "this key does not open the log's events",
            hint="it takes a member added with --auditor: medsnap vault member add … --auditor",
        )
    return found


def _session(
    io: Io, stack: contextlib.ExitStack, place: Path, key_file: Path | None, *, needed: bool
) -> Session | None:
    """Open the catalogue; an auditor without a locked group has none, and needs none but for a patient."""
    try:
        return stack.enter_context(member(io, place, key_file))
    except KeyRefused as refused:
        if needed:
            raise KeyRefused(
                "whose photos they are stands in the locked groups, and your key opens none",
                hint="ask by --member, --period or --as-of, or have a member ask who opens the group",
            ) from refused
        return None


def _photos(session: Session, question: Question) -> tuple[PhotoRow, ...]:
    """Find the photos through the caller's own catalogue: hidden and absent are alike.

    No role binds an auditor (amendment 8), and whoever comes here has opened the auditors' ring.
    """
    from medsnap.vault.entries import Filters

    return tuple(session.catalogue.photos(Filters(mrn=question.patient)))


def say_first(
    io: Io, by: Auditor, details: tuple[tuple[str, str], ...], objects: tuple[str, ...] = ()
) -> None:
    """Write that it is asked. Raises KeyRefused for a key that may not, Tampered for a log that was cut."""
    if is_copy(by.vault):
        io.note("this is a copy of a vault: that you asked is not written into its log")
        return
    signer = signer_of(by.directory, [by.keys])
    if signer is None:
        raise KeyRefused(
            "this key may not write to the audit log, so that you asked could not be logged",
            hint="the keeper of the root key gives the verb 'log'",
        )
    write(io, by.vault, by.directory, signer, Action.REPORT, objects=objects, details=details)


def _entries(
    place: Path, directory: Directory, identities: tuple[str, ...]
) -> tuple[tuple[Opened, ...], int]:
    from medsnap.audit import store
    from medsnap.audit.access import Opened
    from medsnap.model.event import AuditEvent

    opened, sealed = [], 0
    for index, event in enumerate(store.read_events(log_of(place, directory), identities)):
        if isinstance(event, AuditEvent):
            opened.append(Opened(index=index, event=event))
        else:
            sealed += 1
    return tuple(opened), sealed


def _found(
    question: Question,
    directory: Directory,
    entries: tuple[Opened, ...],
    photos: tuple[PhotoRow, ...] | None,
) -> Access:
    from medsnap.audit import access

    known = access.versions(entries, directory.version)
    rights = access.rights(known, question.span, who=question.person)
    asked = photos if question.patient is not None else None
    objects = frozenset(name for row in asked for name in row.names) if asked is not None else None
    sights = tuple(access.sights(entries, question.span, who=question.person, objects=objects))
    if asked is not None:
        groups = {group for row in asked for group in row.groups}
        rights = tuple(r for r in rights if groups & set(r.can.groups))
        sights = sights if asked else ()
    last = known[-1] if known and known[-1].number == directory.version else None
    return Access(
        question=question,
        photos=asked,
        sights=sights,
        rights=rights,
        differs=last is not None and set(last.members) != set(_standing.members(directory)),
        untold=access.missing(known, directory.version),
        begins=known[0].at if known else "",
    )


def _broken(place: Path, directory: Directory) -> str:
    from medsnap.crypto.note import Verifier

    try:
        log_of(place, directory).verify([Verifier.parse(key) for key in directory.log_vkeys])
    except MedsnapError as problem:
        return problem.message
    return ""


def _left(
    question: Question,
    session: Session | None,
    entries: tuple[Opened, ...],
    photos: tuple[PhotoRow, ...] | None,
) -> Iterator[Left]:
    from medsnap.audit import access

    everything = tuple(access.sendings(entries, access.Span()))
    if session is None:
        wanted = access.sendings(entries, question.span, who=question.person)
        for sending in wanted:
            for name in sending.objects:
                yield Left(at=sending.at, who=sending.who, object=name, target="", purpose="",
                           form=sending.form, state="begun")  # fmt: skip
        return
    senders = _senders(everything)
    ingested = {name: e.who for e in entries if e.event.action is Action.INGEST for name in e.event.objects}
    rows = [
        Left(at=r.at, who=_by(senders, ingested, row.names, r.at), object=r.object, target=r.target,
             purpose=named(r.purpose), form=r.kind, state=r.state)
        for row in photos or () for r in session.catalogue.receipts(row.seal.object)
    ]  # fmt: skip
    yield from sorted(
        (r for r in rows if question.span.holds(r.at[:10]) and question.person in ("", r.who)),
        key=lambda r: (r.at, r.object, r.target),
    )


def _senders(everything: tuple[Sending, ...]) -> dict[str, list[Sending]]:
    found: dict[str, list[Sending]] = {}
    for sending in everything:
        for name in sending.objects:
            found.setdefault(name, []).append(sending)
    return found


def _by(
    senders: Mapping[str, list[Sending]], ingested: Mapping[str, str], names: Sequence[str], at: str
) -> str:
    """Say who sent a photo: whoever last began to before its receipt, else the run that took it in."""
    sent = sorted((s for name in names for s in senders.get(name, [])), key=lambda s: s.at)
    before = [sending.who for sending in sent if sending.at <= at]
    return before[-1] if before else next((ingested[name] for name in names if name in ingested), "")
