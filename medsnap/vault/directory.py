"""The directory: one signed note that names every key of the vault and what it may do.

Ingest seals only to keys that stand here, and readers use only rings that stand here; so nobody
who can write the vault's storage can make ingest seal to himself (vault.md, amendment 1).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from medsnap.errors import InputMissing, KeyRefused, Malformed, Tampered
from medsnap.model.codec import CodecError, from_json, to_json
from medsnap.model.seal import Suite
from medsnap.vault.files import MAX_NOTE, read_limited
from medsnap.vault.ids import is_id

if TYPE_CHECKING:
    from medsnap.crypto.note import Signer

FILE = "directory"
FORMAT = 1
PINS_POLICY = "policy-keyring"  # an older medsnap would take any policy for one in force
ERASURES = "erasures"  # an older medsnap would miss what was erased, and show or copy it
MOVES = "moves"  # an older medsnap would show a photo where it was, and take it for lost where it went
WRITER_TERMS = "writer-terms"  # an older medsnap would lose what a retired key wrote while it was good
HISTORY = "directory-history"  # an older medsnap would replace a version and keep nothing of it
TWO_RECOVERIES = "two-recoveries"  # an older medsnap would wrap closed groups to the general recovery
KNOWN_REQUIRES: frozenset[str] = frozenset(
    {PINS_POLICY, WRITER_TERMS, TWO_RECOVERIES, ERASURES, MOVES, HISTORY}
)
EVERY_ROLE = "*"  # a member whom the policy's roles do not bind: his key alone does
_HEAD = "medsnap directory"


class WriterVerb(StrEnum):
    """What a writer's key may add to the catalogue, or do to the log (amendment 2)."""

    ADD = "add"  # photos
    RECEIPT = "receipt"  # a photo left
    LOG = "log"  # sign checkpoints
    LOOK = "look"
    DESCRIBE = "describe"
    DECIDE = "decide"  # what tightens
    OPEN = "open"  # what opens
    CONSENT = "consent"  # what patients agreed to, and took back
    HOLD = "hold"  # legal holds, and their end
    EXPIRE = "expire"  # remove what the policy keeps no longer
    ERASE = "erase"  # remove what must be forgotten before its time
    MOVE = "move"  # take photos to another locked group


REMOVING: frozenset[str] = frozenset({WriterVerb.EXPIRE, WriterVerb.ERASE})
REWRITING: frozenset[str] = REMOVING | {WriterVerb.MOVE}  # what writes batches anew


def required_by(verbs: Iterable[str]) -> tuple[str, ...]:
    """Name the features that a directory with a key of these verbs requires of who reads the vault."""
    given = frozenset(verbs)
    moves = (MOVES,) if WriterVerb.MOVE in given else ()
    return ((ERASURES,) if given & REWRITING else ()) + moves


@dataclass(frozen=True, slots=True, kw_only=True)
class CompartmentKey:
    """A compartment's current public key, its ring file and the digest of that file."""

    name: str
    epoch: int
    recipient: str  # "age1…"
    ring: str  # file name in keys/
    ring_sha256: str
    past: tuple[str, ...] = ()  # recipients of earlier epochs, still good for reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A person (or exporter) who may open compartments; `vkey` signs what he writes.

    `roles` are those of the policy; without one he opens no photo through medsnap. `auditor` says
    that the auditors' ring is wrapped to him.
    """

    name: str
    recipient: str
    vkey: str = ""
    compartments: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    auditor: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """Verbs that a key had for the first `until` commits of the log, and has no more."""

    verbs: tuple[str, ...]
    until: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WriterKey:
    """A signing key and its verbs; `earlier` are those it had before, oldest first."""

    name: str
    vkey: str
    verbs: tuple[str, ...] = ()
    earlier: tuple[Term, ...] = ()

    def verbs_at(self, place: int | None) -> tuple[str, ...]:
        """Return the verbs that held for the commit at `place` of the log; None: the log lacks it.

        What a retired key signed counts only where the log had it before the key was retired: whoever
        still has the key cannot slip anything in front of that.
        """
        for term in self.earlier:
            if place is not None and place < term.until:
                return term.verbs
        return self.verbs

    def had(self, verb: str) -> bool:
        """Say whether the key has a verb, or had it once."""
        return any(verb in verbs for verbs in (self.verbs, *(term.verbs for term in self.earlier)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """All public facts of a vault. Compartments stand in the policy's order, never re-ordered."""

    format: int
    vault: str
    version: int
    expires: str  # RFC 3339 UTC
    suite: Suite
    origin: str  # of the log (C2SP tlog-checkpoint)
    compartments: tuple[CompartmentKey, ...]
    auditors: str  # recipient
    auditors_ring: str
    auditors_ring_sha256: str
    members: tuple[Member, ...]
    writers: tuple[WriterKey, ...]
    root: str  # vkey
    recovery: str  # recipient of the recovery sheets: every ring but those of `closed` is wrapped to it too
    requires: tuple[str, ...] = ()
    auditors_epoch: int = 1
    auditors_past: tuple[str, ...] = ()  # recipients of earlier epochs
    before: str = ""  # SHA-256 of the text of the version before
    history: int = 0  # the lowest version that the vault keeps beside this one; 0: it keeps none
    policy_root: str | None = None  # id of the root policy
    policy_lowest: int = 0  # its lowest version that may decide
    keyring: str | None = None  # SHA-256 of the keyring whose signatures count
    unsigned_allowed: bool = True
    closed: tuple[str, ...] = ()  # compartments that break-glass never opens
    recovery_closed: str = ""  # recipient of their own recovery sheets

    def recovery_of(self, compartment: str) -> str:
        """Return the recovery recipient of a compartment's ring; "" names the auditors'."""
        return self.recovery_closed if compartment in self.closed else self.recovery

    @property
    def recoveries(self) -> tuple[str, ...]:
        """All recovery recipients."""
        return (self.recovery, self.recovery_closed) if self.recovery_closed else (self.recovery,)

    @property
    def log_vkeys(self) -> tuple[str, ...]:
        """Keys that may sign the log's checkpoints."""
        return tuple(w.vkey for w in self.writers if WriterVerb.LOG in w.verbs)

    @property
    def log_vkeys_ever(self) -> tuple[str, ...]:
        """Keys that may sign checkpoints, or once might: good for one that was kept outside since."""
        once = (w.vkey for w in self.writers if any(WriterVerb.LOG in term.verbs for term in w.earlier))
        return tuple(dict.fromkeys((*self.log_vkeys, *once)))

    @property
    def auditors_key(self) -> CompartmentKey:
        """The auditors' key and ring in the shape of a compartment's; its name is empty."""
        return CompartmentKey(
            name="",
            epoch=self.auditors_epoch,
            recipient=self.auditors,
            ring=self.auditors_ring,
            ring_sha256=self.auditors_ring_sha256,
            past=self.auditors_past,
        )

    def member(self, name: str) -> Member | None:
        """Find a member by name."""
        return next((m for m in self.members if m.name == name), None)

    def compartment(self, name: str) -> CompartmentKey:
        """Return a compartment's key. Raises KeyRefused when the vault has no such compartment."""
        for key in self.compartments:
            if key.name == name:
                return key
        raise KeyRefused(
            f"the vault has no compartment '{name}'",
            hint="the policy names a compartment that the vault was not made with",
        )

    def writer(self, vkey: str) -> WriterKey | None:
        """Find a writer by its public key."""
        return next((w for w in self.writers if w.vkey == vkey), None)

    def expired(self, now: datetime) -> bool:
        """Say whether the directory is past its date."""
        return now >= datetime.fromisoformat(self.expires)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedDirectory:
    """The directory as it lies in the vault: parsed, NOT verified. Use `verify` before sealing or opening."""

    data: bytes
    directory: Directory

    @property
    def origin(self) -> str:
        """Origin of the log."""
        return self.directory.origin

    @property
    def auditors(self) -> str:
        """Recipient of the auditors."""
        return self.directory.auditors

    @property
    def log_vkeys(self) -> tuple[str, ...]:
        """Keys that may sign checkpoints."""
        return self.directory.log_vkeys


def load(vault: Path) -> SignedDirectory:
    """Read and parse a vault's directory without judging its signature.

    Raises InputMissing when there is no vault, Tampered for a directory that cannot be read (it was
    whole when it was written), KeyRefused for one of a newer medsnap.
    """
    try:
        data = read_limited(vault / FILE, MAX_NOTE)
    except InputMissing:
        raise InputMissing(
            "there is no medsnap vault here",
            where=str(vault),
            hint="is the path right, and the disk in its place? medsnap vault init makes a new one",
        ) from None
    try:
        return SignedDirectory(data=data, directory=parse(data))
    except Malformed as broken:
        raise Tampered(
            f"the vault's directory was changed: {broken.message}",
            where=str(vault / FILE),
            hint="put it back from a copy of the vault; seal nothing until then",
        ) from broken


def parse(data: bytes) -> Directory:
    """Parse the text of a signed directory. Raises Malformed, or KeyRefused when it is too new."""
    text, separator, _ = data.rpartition(b"\n\n")
    if not separator:
        raise Malformed("is no signed note", where=FILE)
    return _parse_text(text.decode("utf-8", "replace") + "\n")


def _parse_text(text: str) -> Directory:
    head, _, body = text.partition("\n")
    if head != _HEAD:
        raise Malformed("is no medsnap directory", where=FILE)
    try:
        value = json.loads(body)
        _refuse_newer(value)
        directory = from_json(Directory, value)
        if datetime.fromisoformat(directory.expires).tzinfo is None:
            raise CodecError("expires", "has no time zone")
        _check_names(directory)
    except (ValueError, RecursionError) as misfit:
        problem = str(misfit) if isinstance(misfit, CodecError) else "is no JSON of the expected shape"
        raise Malformed(f"the directory cannot be read: {problem}", where=FILE) from misfit
    return directory


def _check_names(directory: Directory) -> None:
    """Refuse names that would lead out of their folder: a directory is read before it is verified."""
    rings = [k.ring for k in directory.compartments] + [directory.auditors_ring]
    if directory.closed and not directory.recovery_closed:
        raise CodecError("closed", "names groups without a recovery of their own")
    if not is_id(directory.vault) or not all(is_id(r.removesuffix(".age")) for r in rings):
        raise CodecError("vault", "names something that is no id")


def _refuse_newer(value: object) -> None:
    if not isinstance(value, dict):
        raise CodecError("", "needs an object")
    unknown = sorted(set(map(str, value.get("requires") or ())) - KNOWN_REQUIRES)
    if value.get("format") != FORMAT or unknown:
        what = f"needs {', '.join(unknown)}" if unknown else f"has format {value.get('format')!r:.20}"
        raise KeyRefused(
            f"the vault {what}, which this medsnap does not know",
            where=FILE,
            hint="update medsnap on this machine",
        )


def verify(data: bytes, *, root_vkey: str) -> Directory:
    """Return the directory when the pinned root signed it. Raises KeyRefused (77) otherwise."""
    from medsnap.crypto.note import Verifier, open_note

    hint = (
        "somebody changed the vault's directory: seal nothing, compare with a backup, ask the root's keeper"
    )
    if parse(data).root != root_vkey:
        raise KeyRefused("the directory names another root than the one pinned here", where=FILE, hint=hint)
    try:
        opened = open_note(data, [Verifier.parse(root_vkey)])
    except (KeyRefused, Malformed) as refused:
        raise KeyRefused("the directory's signature does not verify", where=FILE, hint=hint) from refused
    return _parse_text(opened.text)


def digest_of(data: bytes) -> str:
    """Return the SHA-256 of a directory's text, without its signatures: the next version names it."""
    return hashlib.sha256(data.rpartition(b"\n\n")[0] + b"\n").hexdigest()


def text_of(directory: Directory) -> str:
    """Return the text that is signed: a head line and indented, sorted JSON."""
    body = json.dumps(to_json(directory), sort_keys=True, indent=1, ensure_ascii=False)
    return f"{_HEAD}\n{body}\n"


def serialise(directory: Directory, signers: Sequence[Signer]) -> bytes:
    """Return the signed note of a directory (C2SP signed-note)."""
    from medsnap.crypto.note import sign_note

    return sign_note(text_of(directory), signers)
