"""A member's view: the events of the compartments that his identities open, and nothing else.

Whatever he cannot open is passed over in silence: for him it does not exist.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from medsnap.errors import InputMissing, KeyRefused, MedsnapError, NotFound, Tampered
from medsnap.model.codec import canonical, from_json
from medsnap.model.photo import ObjectId, Sha256
from medsnap.model.record import ADD
from medsnap.model.rewrite import Buffer
from medsnap.model.seal import Seal
from medsnap.vault import batches, commits, erasures, objects
from medsnap.vault.batches import Pick
from medsnap.vault.commits import BatchRef, SignedCommit
from medsnap.vault.directory import Directory
from medsnap.vault.files import names
from medsnap.vault.ids import is_id
from medsnap.vault.moved import Fate, read_fate
from medsnap.vault.order import Order, Ordered, Places
from medsnap.vault.rights import Judge
from medsnap.vault.rings import compartment_identities
from medsnap.vault.turns import Changed

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in the vault that was not used, and where."""

    where: str
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenBatch:
    """A batch as it is read now: which file it is, bytes of its plaintext, its lines, the head first."""

    ref: BatchRef
    size: int
    lines: list[batches.Line]


@dataclass(frozen=True, slots=True)
class _Opened(Generic[T]):
    """The same, with what is kept of the lines after the head."""

    ref: BatchRef
    size: int
    head: batches.Line
    kept: list[T]


class _Refused(NamedTuple):
    """An event that does not count, and why; "" where nothing is said of it."""

    why: str


def not_found() -> NotFound:
    """Return the one error for absent and hidden alike: not a byte differs."""
    return NotFound("no such photo", hint="medsnap vault ls shows the photos that you may see")


class Reader:
    """Open what the given identities may open.

    `order` gives the commits' hashes as the log has them, or reads them there. Commits that it does not
    name come last, and nothing in them that would open a photo counts. `shut` are compartments whose rings
    stay closed whatever the identities are. Problems are collected in `problems`, each once.
    """

    def __init__(
        self,
        vault: Path,
        directory: Directory,
        identities: Sequence[str],
        *,
        order: Sequence[Sha256] | Order = (),
        shut: AbstractSet[str] = frozenset(),
    ) -> None:
        self._vault, self._directory = vault, directory
        self._places = Places(order, directory)
        self._met: set[Sha256] = set()
        self._known: AbstractSet[str] = frozenset()
        self.problems: list[Problem] = []
        self.incomplete = False  # something that we should know could not be read
        self._ledger: erasures.Ledger | None = None
        self._noted: tuple[str, ...] = ()  # what lay there when the ledger was read
        self._rings = self._open_rings(identities, shut)
        self._seals: dict[ObjectId, Seal] | None = None
        self.directory = directory

    def _open_rings(self, identities: Sequence[str], shut: AbstractSet[str]) -> Mapping[str, tuple[str, ...]]:
        rings: dict[str, tuple[str, ...]] = {}
        for key in self._directory.compartments:
            if key.name in shut:
                continue
            try:
                opened = compartment_identities(self._vault, key, identities)
            except (Tampered, InputMissing) as broken:
                self._report(broken)
                continue
            if opened:
                rings[key.name] = opened
        return rings

    @property
    def ledger(self) -> erasures.Ledger:
        """What was erased from the vault, read at the first question."""
        if self._ledger is None:
            self._places()  # first the log: what it names then lies here already
            self._noted = names(self._vault / erasures.FOLDER)
            self._ledger = erasures.read(self._vault, self._directory, self._places)
            for where, what in self._ledger.problems:
                self.note(where, what)
        return self._ledger

    def _report(self, problem: MedsnapError) -> None:
        self.incomplete = True
        self.note(problem.where, problem.message)

    def note(self, where: str, what: str) -> None:
        """Report something that was not used."""
        found = Problem(where, what)
        if found not in self.problems:
            self.problems.append(found)

    @property
    def compartments(self) -> tuple[str, ...]:
        """Names of the compartments that open, in the directory's order."""
        return tuple(self._rings)

    def commits(self, known: AbstractSet[str] = frozenset()) -> Iterator[SignedCommit]:
        """Give commits whose signature verifies, in the log's order; others are reported.

        Those whose ids are `known` are left out unread. One is held at a time: a million photos
        stand in thousands of them.
        """
        self._known = known
        new = [n for n in names(self._vault / "commits") if is_id(n) and n not in known]
        for name in self.in_order(new):
            found = self.commit(name)
            if found is not None:
                self._met.add(found.sha256)
                yield found

    def commit(self, name: str) -> SignedCommit | None:
        """Read one commit; None, and a problem, where that fails."""
        try:
            return commits.read(self._vault, name, self._directory)
        except (Tampered, KeyRefused, InputMissing) as refused:
            self._report(refused)
            return None

    def in_order(self, new: Sequence[str]) -> Sequence[str]:
        """Sort ids of commits as the log names these, the rest by id."""
        if len(new) < 2:
            return new
        place = self._places()
        if not place:
            return new
        found = ((place.get(self._digest(name), len(place)), name) for name in new)
        return [name for _, name in sorted(found)]

    @property
    def unordered(self) -> bool:
        """Say whether the log cannot be used, which is reported; then nobody knows what came after what."""
        self._places()
        if self._places.fault is not None:
            self._report(self._places.fault)
        return self._places.fault is not None

    def recall(self, memory: bytes) -> None:
        """Go on from what was remembered of the log; b"" begins anew."""
        self._places.recall(memory)
        self._met, self._ledger = set(), None

    def account(self) -> Ordered | None:
        """Look whether every commit that the log names was met; return what may be remembered then.

        One that is missing is reported: who has the storage could take out what closed a photo.
        """
        if self.unordered:
            return None
        left = set(self._places.unmet) - self._met - {note.sha256 for note in self.ledger.notes}
        left -= {self._digest(name) for name in self._known} if left else set()
        if left:
            there = {self._digest(n) for n in names(self._vault / "commits") if is_id(n)}
            for sha256 in sorted(left - there):  # else it came while we read
                self._report(
                    Tampered(f"the log names a commit that is missing or changed: {sha256}", where="log")
                )
        return None if left or self.incomplete else self._places.ordered

    def _digest(self, name: str) -> Sha256:
        try:
            return commits.digest(self._vault, name)
        except MedsnapError:
            return Sha256("")  # said when it is read

    def rows(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield (compartment, event) of all commits."""
        for commit in self.commits():
            yield from self.events(commit)
        self.account()

    def events(self, signed: SignedCommit) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield (compartment, event) of one commit; events its signer had no right to are reported."""
        for compartment, event, _ in self.lines(signed):
            yield compartment, event

    def lines(self, signed: SignedCommit) -> Iterator[tuple[str, dict[str, Any], bytes]]:
        """Yield the same with each event's own line of JSON."""

        def all_of_it(
            compartment: str, event: dict[str, Any], line: bytes
        ) -> tuple[str, dict[str, Any], bytes]:
            return compartment, event, line

        yield from self.each(signed, all_of_it)

    def each(self, signed: SignedCommit, pick: Pick[T]) -> Iterator[T]:
        """Yield what `pick` makes of each event of one commit, given as `lines` does.

        A batch counts whole or not at all: nothing is yielded before its last line was read. Yet no more
        than one event is held.
        """
        judge = self._judge(signed)

        def judged(compartment: str, event: dict[str, Any], line: bytes) -> T | _Refused:
            why = judge.refused(compartment, event)
            return pick(compartment, event, line) if why is None else _Refused(why)

        opened = self._opened(signed, judged)
        self.incomplete |= judge.doubtful
        for found in opened.values():
            for one in found.kept:
                if not isinstance(one, _Refused):
                    yield one
                elif one.why:
                    self.note(f"commits/{signed.commit.commit}", one.why)

    def _judge(self, signed: SignedCommit) -> Judge:
        return Judge(
            writer=signed.writer,
            place=lambda: self._places().get(signed.sha256),
            unordered=lambda: self.unordered,
            gone=self.ledger.gone,
            committed={(o.object, o.payload) for o in self.ledger.objects(signed.commit)},
        )

    def opens(self, compartment: str, recipient: str, random: Callable[[int], bytes]) -> bool:
        """Try whether our ring opens what is sealed to a recipient: a few random bytes, there and back."""
        from medsnap.crypto.age import decrypt_bytes, encrypt_bytes

        secret = random(32)
        try:
            sealed = encrypt_bytes(secret, [recipient], random=random)
            return decrypt_bytes(sealed, self._rings.get(compartment, ())) == secret
        except MedsnapError:
            return False

    def derive(self, info: str) -> bytes:
        """Derive a key that only who opens exactly these compartments of this vault can derive.

        It stays when a compartment begins a new epoch.
        """
        from medsnap.crypto.kdf import hkdf

        first = [[name, found[0]] for name, found in self._rings.items()]
        secret = canonical([self._directory.vault, self._directory.root, first])
        return hkdf(secret, salt=self._directory.vault.encode(), info=info.encode())

    def opened_batches(self, signed: SignedCommit) -> dict[str, OpenBatch]:
        """Open the batches of a commit that our keys open, by compartment; what is missing is reported.

        Raises Changed where one is missing because photos were taken out since the ledger was read.
        """
        found = self._opened(signed, lambda _, event, line: (event, line))
        return {n: OpenBatch(ref=o.ref, size=o.size, lines=[o.head, *o.kept]) for n, o in found.items()}

    def _opened(self, signed: SignedCommit, pick: Pick[T]) -> dict[str, _Opened[T]]:
        """Do the same, but keep of each event what `pick` makes of it."""
        commit = signed.commit
        # Compartments are append-only and every commit has a batch for each that existed then.
        existed = {k.name for k in self._directory.compartments[: len(commit.batches)]}
        wanted = {n: i for n, i in self._rings.items() if n in existed}
        found: dict[str, _Opened[T]] = {}
        broken: list[MedsnapError] = []
        for ref in commit.batches:
            if len(found) == len(wanted):
                break
            left = {n: i for n, i in wanted.items() if n not in found}
            try:
                now = self.ledger.current(ref)
                data = commits.read_batch(self._vault, now)
                ours = batches.pick_from(data, left, pick, vault=commit.vault, commit=commit.commit)
            except (Tampered, InputMissing) as fault:
                broken.append(fault)
                continue
            if ours is not None:
                name, head, kept = ours
                found[name] = _Opened(now, batches.plain_size(data), head, kept)
        if len(found) < len(wanted):
            self._missing(f"commits/{commit.commit}", broken)
        return found

    def _missing(self, where: str, broken: Sequence[MedsnapError]) -> None:
        if broken and self._noted != names(self._vault / erasures.FOLDER):
            raise Changed
        for problem in broken:
            self._report(problem)
        self.incomplete = True
        self.note(where, "photos of this commit cannot be listed: its batch is missing or broken")

    def fate(self, note: erasures.SignedErasure) -> Fate | None:
        """Say where a move took photos; None for whom that group is locked, or where it cannot be read."""
        try:
            return read_fate(note.erasure.sealed, [i for ring in self._rings.values() for i in ring])
        except Tampered as broken:
            self.note(f"{erasures.FOLDER}/{note.erasure.erasure}", broken.message)
            return None

    def open(self, object_id: str) -> bytes:
        """Return a photo, verified and cut to its length, by an id of the caller's own catalogue.

        Raises NotFound for whatever he may not know of, Tampered when the object is not what its
        row says.
        """
        if self._seals is None:
            self._seals = {}
            for _, event in self.rows():
                if event.get("event") == ADD:
                    for seal in seals_in(event):
                        self._seals.setdefault(seal.object, seal)
        wanted = self._seals.get(ObjectId(object_id))
        if wanted is None:
            raise not_found()
        return self.open_seal(wanted)

    def open_seal(self, seal: Seal) -> bytes:
        """Open the object of a row that the caller has, into memory. Errors as `open_to`."""
        photo = bytearray()
        self.open_to(seal, photo.extend)
        return bytes(photo)

    def open_to(self, seal: Seal, write: Callable[[Buffer], object]) -> None:
        """Open the object of a row that the caller has, a chunk at a time. As `chunks`."""
        for part in self.chunks(seal):
            write(part)

    def chunks(self, seal: Seal) -> Iterator[Buffer]:
        """Yield the photo of a row that the caller has, cut to its length, in a buffer that is filled anew.

        It is the photo only when this ends. Raises NotFound (erased or moved since, too), Tampered.
        """
        from medsnap.crypto.age import decrypted

        identities = self._rings.get(seal.compartment)
        if identities is None:
            raise not_found()
        path = objects.path_of(self._vault, seal.object)
        photo = objects.Unpadded(seal.length)
        try:
            if objects.digests_of(self._vault, seal.object).payload != seal.payload:
                raise Tampered("an object is not the one its row speaks of", where=str(path))
            with objects.opened(path) as handle:
                yield from map(photo.part, decrypted(handle, identities))
        except FileNotFoundError:
            if seal.object in erasures.read(self._vault, self._directory, self._places).gone:
                raise not_found() from None
            raise Tampered("a photo of the catalogue is missing from the vault", where=str(path)) from None
        except Tampered:
            raise
        except MedsnapError as refused:
            raise Tampered("an object does not open with its compartment's key", where=str(path)) from refused
        if photo.missing or photo.digest != seal.plaintext:
            raise Tampered("an object does not hold the photo its row speaks of", where=str(path))


def seals_in(event: Mapping[str, Any]) -> Iterator[Seal]:
    """Yield the seals of a photo.add event: the photo's and its companions'. Raises CodecError."""
    yield from_json(Seal, event.get("seal"), "seal")
    companions = event.get("companions")
    for companion in companions if isinstance(companions, list) else ():
        if isinstance(companion, dict) and companion.get("seal") is not None:
            yield from_json(Seal, companion["seal"], "companions.seal")
