"""`medsnap audit proof`: evidence of one entry of the log, for somebody who has neither log nor keys."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medsnap.commands._directory import seen_directory
from medsnap.commands._shared import Io, Result, command
from medsnap.commands._vault import KeyOption, VaultOption, log_of, member
from medsnap.errors import NotFound, Tampered, UsageError

if TYPE_CHECKING:
    from medsnap.audit.proof import Proof
    from medsnap.model.photo import ObjectId, Sha256
    from medsnap.vault.directory import Directory
    from medsnap.vault.session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """The entry to be proved, and the file of the vault that its digest names."""

    index: int
    directory: Directory
    beside: str
    about: str


@command()
def proof(
    io: Io,
    event: Annotated[
        str | None,
        typer.Argument(metavar="[ENTRY]", help="An entry's number, as audit ls prints it, or its digest."),
    ] = None,
    *,
    object_: Annotated[
        str | None, typer.Option("--object", metavar="ID", help="The entry by which this photo came in.")
    ] = None,
    vault: VaultOption = None,
    key_file: KeyOption = None,
) -> Result:
    """Write a proof (C2SP tlog-proof) that an entry stands in the log under its signed checkpoint.

    Who has the log's public key verifies it offline: no vault, no log, no medsnap. An entry holds
    the digest of its sealed event, and of the commit that it announces; hand that file over too
    where more is to be shown than that it was logged. --object needs a key that opens the photo.

    Examples:

      medsnap audit proof 17 --vault /srv/vault -o opened.tlog-proof

      medsnap audit proof --object 3k7xw2ab --vault /srv/vault --key-file me.key -o photo.tlog-proof
    """
    from medsnap.audit import proof as proofs
    from medsnap.crypto.note import Verifier

    if (event is None) == (object_ is None):
        raise UsageError("what is to be proved is not clear", hint="give an entry's number, or --object ID")
    place = io.need(vault, "vault", "--vault")
    wanted = _of_object(io, place, key_file, object_) if object_ else _of_event(io, place, event or "")
    log = log_of(place, wanted.directory)
    made = proofs.make(log, wanted.index, [Verifier.parse(k) for k in wanted.directory.log_vkeys])
    return _result(io, made, wanted, proofs.encode(made).decode("utf-8"))


def _of_event(io: Io, place: Path, text: str) -> _Wanted:
    """Find an entry by its number or by the digest of its sealed event. Raises NotFound."""
    from medsnap.audit import store

    named, vouched = seen_directory(io, place)
    if not vouched:
        io.warn("nobody here vouches for this vault's directory, which names the log's keys")
    for index, leaf in enumerate(store.leaves(log_of(place, named))):
        if text in (str(index), leaf.sealed):
            beside = f"log/{store.name_of(leaf.sealed)}"
            return _Wanted(index=index, directory=named, beside=beside, about=f"an event of {leaf.at}")
    raise NotFound("the log has no such entry", hint="medsnap audit ls numbers them")


def _of_object(io: Io, place: Path, key_file: Path | None, text: str) -> _Wanted:
    """Find the entry of the commit that brought a photo. Raises NotFound, the same for hidden and absent."""
    from medsnap.audit import store

    with member(io, place, key_file) as session:
        name = session.catalogue.photo(text, session.roles).seal.object
        named = session.directory
        brought = _brought(session, name)
    for index, leaf in enumerate(store.leaves(log_of(place, named))):
        if brought is not None and leaf.commit == brought.sha256:
            about = f"the {brought.what} of photo {name}"
            return _Wanted(index=index, directory=named, beside=brought.beside, about=about)
    raise Tampered(
        "the commit of this photo does not stand in the log",
        where=name,
        hint="a crash may have kept it out: the next ingest run enters it; else medsnap audit verify",
    )


@dataclass(frozen=True, slots=True)
class _Brought:
    """The signed note that names an object."""

    what: str
    beside: str  # path in the vault
    sha256: Sha256


def _brought(session: Session, name: ObjectId) -> _Brought | None:
    """Find the commit that brought an object, or the move that it came by."""
    for note in session.reader.ledger.notes:
        if any(a.object == name for a in note.erasure.added):
            return _Brought("move", f"erasures/{note.erasure.erasure}", note.sha256)
    for signed in session.reader.commits():
        if any(o.object == name for o in signed.commit.objects):
            return _Brought("commit", f"commits/{signed.commit.commit}", signed.sha256)
    return None


def _result(io: Io, made: Proof, wanted: _Wanted, text: str) -> Result:
    head = made.checkpoint
    io.note(f"entry {made.index} of {head.size}: {wanted.about}")
    io.note(f"the file of the vault whose SHA-256 it holds: {wanted.beside}")
    for vkey in head.signers:
        io.note(f"verify it with the public key {vkey}")
    data = {
        "type": "proof",
        "entry": made.index,
        "size": head.size,
        "root": head.root.hex(),
        "origin": head.origin,
        "signers": list(head.signers),
        "leaf": made.extra.decode("utf-8", "replace"),
        "file": wanted.beside,
        "proof": text,
    }
    return Result(data=data, text=text)
