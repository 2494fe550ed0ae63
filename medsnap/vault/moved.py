"""Which object a moved photo became: in the note, sealed to the group that it went to.

Members of the group that it left learn from the note that something went, and not where to. Who restores
an older copy needs it to do the move again.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from medsnap.errors import KeyRefused, MedsnapError, Tampered
from medsnap.model.codec import CodecError, canonical, from_json
from medsnap.model.photo import ObjectId
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
