"""Signed proofs that a member's keys open what is sealed now: without them no source is ever deleted.

Ingest has only public keys and cannot tell whether anybody has the private ones. A member tries it: he
seals a few random bytes to each recipient of a compartment, opens them with his ring, and signs for it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from medsnap.errors import MedsnapError, Tampered
from medsnap.model.codec import CodecError, canonical, from_json
from medsnap.vault import commits
from medsnap.vault.directory import CompartmentKey, Directory
from medsnap.vault.files import make_folder, names, read_limited, write_new
from medsnap.vault.ids import Random, is_id, random_id
from medsnap.vault.reader import Reader

if TYPE_CHECKING:
    from medsnap.crypto.note import Signer

FOLDER: Final = "proofs"
FORMAT: Final = 1
_HEAD: Final = "medsnap proof"
_MOST: Final = 1 << 20  # bytes of one proof


@dataclass(frozen=True, slots=True, kw_only=True)
class Opens:
    """A compartment whose keys, those of earlier epochs too, opened a test."""

    compartment: str
    recipients: tuple[str, ...]  # the current one last


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What one member's keys opened on a day."""

    proof: str
    vault: str
    at: str  # RFC 3339
    opens: tuple[Opens, ...]
    format: int = FORMAT


def prove(
    vault: Path, directory: Directory, reader: Reader, signer: Signer, *, at: str, random: Random
) -> Proof:
    """Try each compartment that the reader opens, and write a signed proof of those that did."""
    from medsnap.crypto.note import sign_note

    opened = tuple(
        Opens(compartment=key.name, recipients=(*key.past, key.recipient))
        for key in directory.compartments
        if key.name in reader.compartments and _try(reader, key, random)
    )
    proof = Proof(proof=random_id(random), vault=directory.vault, at=at, opens=opened)
    make_folder(vault / FOLDER)
    note = sign_note(f"{_HEAD}\n{canonical(proof).decode()}\n", [signer])
    write_new(vault / FOLDER / proof.proof, note)
    return proof


def _try(reader: Reader, key: CompartmentKey, random: Random) -> bool:
    return all(reader.opens(key.name, recipient, random) for recipient in (*key.past, key.recipient))


def proven(vault: Path, directory: Directory) -> frozenset[str]:
    """Name the compartments whose current key, and every earlier one, a present member has shown to open.

    A proof of somebody who is no member any more, or does not open the compartment, counts for nothing.
    """
    found = set()
    for signer, proof in _read(vault, directory):
        may = {c for m in directory.members if m.vkey == signer for c in m.compartments}
        for one in proof.opens:
            if one.compartment in may:
                key = directory.compartment(one.compartment)
                if {*key.past, key.recipient} <= set(one.recipients):
                    found.add(one.compartment)
    return frozenset(found)


def faults(vault: Path, directory: Directory) -> Iterator[tuple[str, str]]:
    """Give the place of each proof that proves nothing, and why; one of somebody who left is whole."""
    for name in names(vault / FOLDER):
        try:
            _one(vault, directory, name)
        except MedsnapError as wrong:
            yield f"{FOLDER}/{name}", wrong.message


def _read(vault: Path, directory: Directory) -> Iterator[tuple[str, Proof]]:
    for name in names(vault / FOLDER):
        try:
            yield _one(vault, directory, name)
        except MedsnapError:
            continue  # proves nothing


def _one(vault: Path, directory: Directory, name: str) -> tuple[str, Proof]:
    """Return who signed a proof, and it. Raises Tampered, KeyRefused."""
    data = read_limited(vault / FOLDER / name, _MOST)
    writer, text = commits.opened(data, directory, f"{FOLDER}/{name}")
    proof = _parsed(text)
    if not is_id(name) or proof.proof != name or proof.vault != directory.vault:
        raise Tampered("a proof has another name, or is of another vault")
    return writer.vkey, proof


def _parsed(text: str) -> Proof:
    head, _, body = text.partition("\n")
    try:
        if head != _HEAD:
            raise ValueError(head)
        proof = from_json(Proof, json.loads(body))
    except (ValueError, RecursionError, CodecError) as misfit:
        raise Tampered("a proof cannot be read") from misfit
    if proof.format != FORMAT:
        raise Tampered("a proof is of another format")
    return proof
