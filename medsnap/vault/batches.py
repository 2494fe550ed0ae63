"""Batches: the catalogue's events as JSON lines in age files, one per compartment and commit.

Every commit writes one batch for every compartment, empty ones too, all of one size, so that a
look at the storage does not tell which locked group got photos.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from medsnap.errors import KeyRefused, Malformed, Tampered, TooLarge, Unsupported
from medsnap.model.codec import canonical
from medsnap.vault.ids import Random, padme

FORMAT = 1
MIN_SIZE = 4096
HEAD = "batch"
_NONCE, _CHUNK, _TAG = 16, 64 * 1024, 16  # bytes
SEALED = "sealed"  # a line that was sealed before a crash: {"event":"sealed","age":base64}


@dataclass(slots=True, kw_only=True)
class Lines:
    """The events of one compartment that wait for the next commit, in order, as encoded lines."""

    encoded: list[bytes] = field(default_factory=list)

    def add(self, line: bytes) -> None:
        """Add one event in clear, canonical JSON (it will be sealed with its batch)."""
        self.encoded.append(line)

    def add_sealed(self, data: bytes) -> None:
        """Add one event that is already an age file: ingest cannot open what it sealed before a crash."""
        text = base64.b64encode(data).decode("ascii")
        self.encoded.append(canonical({"event": SEALED, "age": text}))


def head(vault: str, commit: str, compartment: str) -> bytes:
    """Return the first line of a batch: binds it to its vault, commit and compartment."""
    return canonical(
        {"event": HEAD, "format": FORMAT, "vault": vault, "commit": commit, "compartment": compartment}
    )


def common_size(texts: Sequence[bytes]) -> int:
    """Return the one size in bytes that all batches of a commit are padded to."""
    return padme(max(MIN_SIZE, *(len(t) for t in texts))) if texts else MIN_SIZE


def text(lines: Sequence[bytes]) -> bytes:
    """Join encoded lines."""
    return b"".join(line + b"\n" for line in lines)


def seal(body: bytes, size: int, recipient: str, *, random: Random) -> bytes:
    """Seal a batch, padded with line feeds to `size` bytes (still a text file of JSON lines)."""
    from medsnap.crypto.age import encrypt_bytes

    return encrypt_bytes(body + b"\n" * (size - len(body)), [recipient], random=random)


def seal_row(line: bytes, recipient: str, *, random: Random) -> bytes:
    """Seal one event alone, padded, for the journal: it outlives a kill before its commit."""
    body = line + b"\n"
    return seal(body, padme(max(1024, len(body))), recipient, random=random)


def plain_size(data: bytes) -> int:
    """Return the bytes of a batch's plaintext, by the length of its file (C2SP age.md, payload)."""
    payload = len(data) - data.index(b"\n", data.index(b"\n--- ") + 1) - 1 - _NONCE
    return payload - _TAG * -(-payload // (_CHUNK + _TAG))


T = TypeVar("T")
Line: TypeAlias = tuple[dict[str, Any], bytes]  # an event and the JSON that it was read from
Pick: TypeAlias = Callable[[str, dict[str, Any], bytes], T]  # what is kept of (compartment, event, line)


def events(data: bytes, identities: Sequence[str], *, where: str) -> Iterator[dict[str, Any]]:
    """Yield the events of a batch file, its head first. Errors as `lines`."""
    for event, _ in lines(data, identities, where=where):
        yield event


def lines(data: bytes, identities: Sequence[str], *, where: str) -> Iterator[Line]:
    """Yield the events of a batch file with their lines, its head first.

    A sealed line is opened with the same identities, one level deep. Raises KeyRefused when none of
    ours opens the batch, Tampered.
    """
    for event, line in _parse(_opened(data, identities, where), where):
        if event.get("event") != SEALED:
            yield event, line
            continue
        try:
            inner = _opened(base64.b64decode(str(event.get("age", "")), validate=True), identities, where)
        except (KeyRefused, Tampered, binascii.Error) as refused:
            raise Tampered("a line sealed before a crash does not open", where=where) from refused
        yield from ((e, raw) for e, raw in _parse(inner, where) if e.get("event") not in (SEALED, HEAD))


def pick_from(
    data: bytes, wanted: Mapping[str, Sequence[str]], pick: Pick[T], *, vault: str, commit: str
) -> tuple[str, Line, list[T]] | None:
    """Open a batch with the keys of the compartments wanted: whose, its head, what `pick` makes of the rest.

    `pick` gets compartment, event and line, one event after the other: hundreds of rows held in memory
    at once take twice as long to read. None when no key opens the batch. Raises Tampered; then
    nothing counts that was picked before.
    """
    where = f"commits/{commit}"
    for name, identities in wanted.items():
        found = lines(data, identities, where=where)
        try:
            first = next(found, None)
        except KeyRefused:
            continue
        told = first[0] if first is not None else {"format": FORMAT}
        if told.get("format") != FORMAT:
            raise Tampered("a batch is of another format; is this medsnap too old?", where=where)
        ours = {"vault": vault, "commit": commit, "compartment": name}
        if first is None or any(told.get(key) != value for key, value in ours.items()):
            raise Tampered("a batch belongs elsewhere", where=where)
        return name, first, [pick(name, event, line) for event, line in found]
    return None


def _opened(data: bytes, identities: Sequence[str], where: str) -> bytes:
    """Open an age file that a writer signed for. Raises KeyRefused, Tampered.

    The signature of a stolen host holds for bytes that are no age file too: they may spoil their own
    commit, and must not end the reading of all others.
    """
    from medsnap.crypto.age import decrypt_bytes

    try:
        return decrypt_bytes(data, identities)
    except (Malformed, Unsupported, TooLarge) as broken:
        raise Tampered("is no age file that this medsnap can read", where=where) from broken


def _unpadded(plain: bytes) -> bytes:
    """Cut the line feeds off the end: megabytes of them where one compartment's batch is much larger.

    The last line ends with a brace, and looking for it is twenty times as fast as `rstrip`.
    """
    end = plain.rfind(b"}") + 1
    return plain[:end] if plain[end:] == b"\n" * (len(plain) - end) else plain.rstrip(b"\n")


def _parse(plain: bytes, where: str) -> Iterator[Line]:
    for number, line in enumerate(_unpadded(plain).split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            event = json.loads(line)
        except (ValueError, RecursionError) as misfit:
            raise Tampered(f"line {number} of a batch is no JSON", where=where) from misfit
        if not isinstance(event, dict):
            raise Tampered(f"line {number} of a batch is no object", where=where)
        yield event, line
