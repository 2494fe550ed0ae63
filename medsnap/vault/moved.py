"""Which object a moved photo became: in the note, sealed to the group that it went to.

Members of the group that it left learn from the note that something went, and not where to. Who restores
an older copy needs it to do the move again.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from medsnap.errors import KeyRefused, MedsnapError, Tampered
from medsnap.model.codec import CodecError, canonical, from_json
from medsnap.model.photo import ObjectId, Sha256
from medsnap.vault.erasures import SignedErasure
from medsnap.vault.ids import Random, padme

_LEAST: Final = 1024  # bytes of its plaintext


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """Where photos went by one move, who moved them and why, and what their objects became."""

    to: str
    at: str  # RFC 3339 UTC
    by: str
    reason: str
    became: dict[ObjectId, ObjectId]


def sealed_fate(fate: Fate, recipient: str, random: Random) -> str:
    """Seal it for a note: base64 of an age file, padded with spaces."""
    from medsnap.crypto.age import encrypt_bytes

    text = canonical(fate)
    padded = text.ljust(padme(max(_LEAST, len(text))))
    return base64.b64encode(encrypt_bytes(padded, [recipient], random=random)).decode("ascii")


def read_fate(sealed: str, identities: Sequence[str]) -> Fate | None:
    """Open it; None for whom the group is locked. Raises Tampered."""
    from medsnap.crypto.age import decrypt_bytes

    try:
        text = decrypt_bytes(base64.b64decode(sealed, validate=True), identities)
        return from_json(Fate, json.loads(text))
    except KeyRefused:
        return None
    except (MedsnapError, binascii.Error, ValueError, RecursionError, CodecError) as broken:
        raise Tampered("where photos were moved to cannot be read", where="erasures") from broken


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """What an object is now that was moved, and the last move that it made."""

    object: ObjectId
    fate: Fate


class Lost(Enum):
    """Why nobody can say what an object is now."""

    ERASED = "erased"
    LOCKED = "locked"  # where it went is sealed to a group that we do not open


def whereabouts(
    notes: Iterable[SignedErasure], fate: Callable[[SignedErasure], Fate | None]
) -> dict[ObjectId, Now | Lost]:
    """Follow each object that notes name to where it lies now, or to its erasure. Raises Tampered."""
    by = {o.object: note for note in notes for o in note.erasure.objects}
    fates = {note.sha256: fate(note) for note in by.values() if note.erasure.added}
    return {name: _now(name, by, fates) for name in by}


def _now(
    name: ObjectId, by: Mapping[ObjectId, SignedErasure], fates: Mapping[Sha256, Fate | None]
) -> Now | Lost:
    last: Fate | None = None
    for _ in range(len(by) + 1):
        note = by.get(name)
        if note is None or not note.erasure.added:
            return Now(object=name, fate=last) if note is None and last is not None else Lost.ERASED
        last = fates[note.sha256]
        if last is None or name not in last.became:
            return Lost.LOCKED
        name = last.became[name]
    raise Tampered("moves lead in a ring", where="erasures")
