"""Audit events as log leaves: in clear only the time and digests, the rest sealed to the auditors."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from medsnap.errors import Malformed
from medsnap.model.codec import CodecError, canonical, from_json
from medsnap.model.event import AuditEvent, Due
from medsnap.model.photo import Sha256

VERSION = 1
_PAD = 1024  # bytes; larger events take the next power of two, so that sizes say little
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """The clear part of an event."""

    at: str  # RFC 3339 UTC
    sealed: Sha256  # of the age file with the event
    commit: Sha256 | None = None
    due: tuple[tuple[str, int], ...] = ()  # compartments and the epochs that have to end: a key got about
    used: str = ""  # the member whose key it was
    until: str = ""  # RFC 3339: how long it was to last


def _padded(text: bytes) -> bytes:
    """Pad with spaces, which JSON ignores, to 1 KiB or a larger power of two."""
    size = max(_PAD, 1 << (len(text) - 1).bit_length())
    return text.ljust(size, b" ")


def leaf(
    event: AuditEvent,
    auditors: Sequence[str],
    random: Callable[[int], bytes],
    commit: Sha256 | None = None,
    due: Due | None = None,
) -> tuple[bytes, bytes]:
    """Return the clear leaf (canonical JSON) and the age file of the event, sealed to the auditors."""
    from medsnap.crypto.age import encrypt_bytes

    sealed = encrypt_bytes(_padded(canonical(event)), auditors, random=random)
    clear = {"v": VERSION, "t": event.at, "commit": commit, "sealed": hashlib.sha256(sealed).hexdigest()}
    more = {"due": dict(due.epochs), "used": due.used, "until": due.until} if due else {}
    return canonical(clear | more), sealed


def parse_leaf(entry: bytes, where: str) -> Leaf:
    """Read a clear leaf; raise Malformed."""
    try:
        value = json.loads(entry)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict) or value.get("v") != VERSION:
        raise Malformed("a log entry is no event that this medsnap knows", where=where)
    at, sealed, commit = value.get("t"), value.get("sealed"), value.get("commit")
    if not isinstance(at, str) or not _is_digest(sealed) or not (commit is None or _is_digest(commit)):
        raise Malformed("a log entry has not the fields t, sealed and commit", where=where)
    return Leaf(
        at=at,
        sealed=Sha256(str(sealed)),
        commit=Sha256(str(commit)) if commit else None,
        due=_due(value.get("due", {}), where),
        used=str(value.get("used", "")),
        until=str(value.get("until", "")),
    )


def _due(value: object, where: str) -> tuple[tuple[str, int], ...]:
    if not isinstance(value, dict) or not all(type(epoch) is int for epoch in value.values()):
        raise Malformed("a log entry has a field due that cannot be read", where=where)
    return tuple((str(name), epoch) for name, epoch in sorted(value.items()))


def _is_digest(value: object) -> bool:
    # The digest becomes a file name: nothing but these characters may pass.
    return isinstance(value, str) and _DIGEST.fullmatch(value) is not None


def parse_event(plaintext: bytes, where: str) -> AuditEvent:
    """Read an opened event; raise Malformed."""
    try:
        return from_json(AuditEvent, json.loads(plaintext))
    except (CodecError, ValueError, RecursionError):
        raise Malformed("a sealed event cannot be read", where=where) from None
