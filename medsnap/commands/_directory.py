"""What commands that change the vault's directory share: the root key, the keys at hand, the log."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medsnap import __version__
from medsnap.commands._noted import note, refused
from medsnap.commands._shared import Io
from medsnap.commands._standing import standing
from medsnap.commands._vault import find_keys, log_of, passphrase
from medsnap.errors import KeyRefused
from medsnap.model.event import Action, AuditEvent, Due
from medsnap.report.page import Block, Line, Tone

if TYPE_CHECKING:
    from medsnap.vault.change import Authority
    from medsnap.vault.confirmed import Confirmation
    from medsnap.vault.directory import Directory
    from medsnap.vault.keys import Keys

RootKeyOption = Annotated[
    Path | None,
    typer.Option("--root-key-file", metavar="FILE", help="The recovery sheet, which holds the root key."),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeper:
    """Somebody who may change the directory: verified directory, root key, keys that open rings."""

    vault: Path
    directory: Directory
    own: Keys  # who acts: his own key, else the sheet
    sheet: Keys  # what holds the root key

    def authority(
        self, io: Io, change: str, details: tuple[tuple[str, str], ...] = (), *, quiet: bool = False
    ) -> Authority:
        """Return the right to make one change, named so in the log, which is told before it happens."""
        from medsnap.vault.change import Authority

        identities = dict.fromkeys((*self.own.identities, *self.sheet.identities))
        return Authority(
            root_key=self.sheet.root_key,
            identities=tuple(identities),
            random=io.random,
            announce=self._announce(io, (("change", change), *details)),
            due=self._due(io, quiet=quiet),
        )

    def _due(self, io: Io, *, quiet: bool) -> tuple[Due, ...]:
        """Say what a break-glass left to be ended: this change does it."""
        from medsnap.vault.due import custodians_of, groups_of

        dues = pending(self.vault, self.directory)
        if dues and not quiet:
            groups = ", ".join(name or "the audit log" for name in groups_of(dues))
            gone = ", ".join(custodians_of(self.directory, dues))
            also = f", {gone} is taken out" if gone else ""
            io.warn(f"this change ends a break-glass: new keys for {groups}{also}")
        return dues

    def refusals(
        self, io: Io, change: str, details: tuple[tuple[str, str], ...] = ()
    ) -> contextlib.AbstractContextManager[None]:
        """Write into the log that the change was refused, when it is."""
        told = (("change", change), *details)
        keys = [self.own, self.sheet]
        return refused(io, self.vault, self.directory, keys, Action.DIRECTORY, details=told)

    def _announce(self, io: Io, details: tuple[tuple[str, str], ...]) -> Callable[[Directory], int]:
        from medsnap.audit import store
        from medsnap.crypto.note import Signer

        signer = next(
            (k.signer for k in (self.own, self.sheet) if k.signer and k.vkey in self.directory.log_vkeys), ""
        )
        if not signer:
            raise KeyRefused(
                "none of the keys at hand may write to the audit log, so the change would not be logged",
                hint="give your own key file too, with --key-file",
            )
        key = Signer.parse_private(signer)
        writer = self.directory.writer(key.vkey)

        def announce(after: Directory) -> int:
            log = log_of(self.vault, self.directory)
            event = AuditEvent(
                action=Action.DIRECTORY,
                at=io.now.isoformat(timespec="seconds"),
                actor=writer.name if writer else "unknown",
                details=(*standing(after), *details),
                software=f"medsnap {__version__}",
            )
            # sealed to the auditors of now: a ring of after may never come into force
            store.record(log, event, auditors=[self.directory.auditors], signer=key, random=io.random)
            return sum(1 for _ in store.commits(log))

        return announce


def pending(vault: Path, directory: Directory) -> tuple[Due, ...]:
    """Return what of a break-glass has not ended yet, as the log's clear leaves tell it."""
    from medsnap.audit import store
    from medsnap.vault.due import pending as left

    return left(directory, store.due(log_of(vault, directory)))


def keeper(io: Io, vault: Path | None, root_key_file: Path | None, key_file: Path | None) -> Keeper:
    """Find the root key and the caller's own key, and verify the directory with their memory.

    Raises KeyRefused (77) when there is no root key, or the directory is not the root's newest.
    """
    place = io.need(vault, "vault", "--vault")
    own = _own(io, place, key_file, needed=root_key_file is None)
    with _refused(io, place, own):
        return _keeper(io, place, root_key_file, own)


@contextlib.contextmanager
def _refused(io: Io, place: Path, own: Keys | None) -> Iterator[None]:
    """Write into the log that somebody came without the root key, as far as his own key can write."""
    from medsnap.errors import MedsnapError
    from medsnap.vault import session
    from medsnap.vault.directory import load

    try:
        yield
    except KeyRefused as why:
        with contextlib.suppress(MedsnapError):
            if own is not None:
                folder = session.member_cache(io.settings.cache, load(place).directory.vault, own)
                named = session.trusted(place, own, state=io.settings.state, cache=folder)
                note(io, place, named, [own], Action.DIRECTORY, outcome=why.id)
        raise


def _keeper(io: Io, place: Path, root_key_file: Path | None, own: Keys | None) -> Keeper:
    from medsnap.vault import keys, session
    from medsnap.vault.directory import load

    sheet = keys.load_file(root_key_file, ask=passphrase(io)) if root_key_file is not None else own
    if sheet is None or not sheet.root_key:
        raise KeyRefused(
            "the file holds no root key" if sheet is not None else "the root key is missing",
            where=str(root_key_file or ""),
            hint="it stands on the recovery sheet: --root-key-file FILE",
        )
    who = own if own is not None else sheet
    folder = session.member_cache(io.settings.cache, load(place).directory.vault, who)
    directory = session.trusted(place, who, state=io.settings.state, cache=folder)
    return Keeper(vault=place, directory=directory, own=who, sheet=sheet)


def _own(io: Io, place: Path, key_file: Path | None, *, needed: bool) -> Keys | None:
    try:
        return find_keys(io, place, key_file)
    except KeyRefused:
        if needed or key_file is not None or io.settings.path("key_file") is not None:
            raise
        return None


def remember(io: Io, done: Keeper, after: Directory) -> None:
    """Remember the version just written, so that the one before is not believed again."""
    from medsnap.vault import session

    folder = session.member_cache(io.settings.cache, after.vault, done.own)
    session.trusted(done.vault, done.own, state=io.settings.state, cache=folder)


def seen_directory(io: Io, place: Path) -> tuple[Directory, str]:
    """Read the directory for a listing, and say who vouches for it: this host's pin, a key, or nobody.

    Raises KeyRefused when a root is known here and the directory is not signed by it.
    """
    from medsnap.vault import directory, pins

    signed = directory.load(place)
    folder = io.settings.state / signed.directory.vault
    if (folder / pins.PIN).is_file():
        return pins.known(place, signed, pins.read_pin(folder)), "this host's pin"
    own = _own(io, place, None, needed=False)
    if own is not None and own.root_vkey:
        return pins.by_root(place, signed, own.root_vkey), "your key"
    return signed.directory, ""


def unconfirmed(found: tuple[Confirmation, ...], may: str = "seal to the old keys") -> list[Block]:
    """Say which ingest hosts may still do what they did before the change."""
    late = [c for c in found if not c.done]
    if not late:
        return []
    lines: list[Block] = [
        Line(
            f"These ingest hosts may {may} until they write under the new directory:",
            Tone.WARN,
        )
    ]
    for one in late:
        seen = f"last wrote under version {one.seen}" if one.seen is not None else "has not written yet"
        lines.append(Line(f"  {one.host}: {seen}; now it is {one.wanted}"))
    lines.append(Line("  Let each take a photo in, then look: medsnap vault member ls", Tone.QUIET))
    return lines
