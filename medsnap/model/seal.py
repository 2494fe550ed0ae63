"""A sealed object: what the batch says of an age file in `objects/`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from medsnap.model.photo import MediaType, ObjectId, Sha256


class Suite(StrEnum):
    """The suite of a whole vault; one for all of its objects."""

    X25519 = "x25519"
    HYBRID = "hybrid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """One age v1 file: its name, what is in it, and how to know it is the right one."""

    object: ObjectId
    compartment: str
    epoch: int
    payload: Sha256  # of the payload part (nonce and chunks): survives a rewrap of the header
    plaintext: Sha256  # of the photo without padding
    length: int  # bytes of the photo; the plaintext is padded with zeros after it
    media: MediaType
