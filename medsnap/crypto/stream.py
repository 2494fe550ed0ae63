"""The payload of an age file: 64-KiB chunks under ChaCha20-Poly1305 (C2SP age, "Payload")."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from medsnap.errors import Tampered
from medsnap.model.rewrite import Buffer

CHUNK = 64 << 10
TAG = 16
SEALED = CHUNK + TAG
NONCE = 16
_GROUP = 8  # chunks written at once: few calls, and still in the cache

Sink = Callable[[Buffer], object]  # must take all bytes, and copy what it keeps beyond the next call


def _nonce(counter: int, last: bool) -> bytes:
    return counter.to_bytes(11, "big") + (b"\x01" if last else b"\x00")


class Sealer:
    """Seal a stream: `update` as often as wanted, then `finish` once. One buffer is used again and again."""

    def __init__(self, key: bytes, sink: Sink) -> None:
        self._aead = ChaCha20Poly1305(key)
        self._sink = sink
        self._out = memoryview(bytearray(_GROUP * SEALED))
        self._used = 0
        self._held = bytearray()  # at most one chunk: it may be the last
        self._counter = 0

    def update(self, data: Buffer) -> None:
        """Seal what is surely not the last chunk; hold back the rest."""
        view = memoryview(data).cast("B")
        if self._held:
            need = CHUNK - len(self._held)
            self._held += view[:need]
            view = view[need:]
            if not view:
                return
            self._seal(self._held, last=False)
            self._held.clear()
        whole = max(len(view) - 1, 0) // CHUNK
        for at in range(0, whole * CHUNK, CHUNK):
            self._seal(view[at : at + CHUNK], last=False)
        self._held += view[whole * CHUNK :]

    def finish(self) -> None:
        """Seal the last chunk and hand everything to the sink."""
        self._seal(self._held, last=True)
        self._flush()

    def _seal(self, chunk: Buffer, *, last: bool) -> None:
        if self._used + len(chunk) + TAG > len(self._out):
            self._flush()
        into = self._out[self._used : self._used + len(chunk) + TAG]
        self._aead.encrypt_into(_nonce(self._counter, last), chunk, None, into)
        self._used += len(into)
        self._counter += 1

    def _flush(self) -> None:
        self._sink(self._out[: self._used])
        self._used = 0


def read_fully(source: BinaryIO, size: int) -> bytes:
    """Read `size` bytes, fewer only at the end of the file."""
    data = source.read(size)
    if len(data) in (0, size):
        return data
    parts = bytearray(data)
    while len(parts) < size and (more := source.read(size - len(parts))):
        parts += more
    return bytes(parts)


def seal_bytes(key: bytes, data: Buffer, *, head: bytes) -> bytes:
    """Return `head` and the sealed chunks of `data`; the memory is taken and filled once."""
    view = memoryview(data).cast("B")
    chunks = max(1, -(-len(view) // CHUNK))
    out = _of_size(len(head) + len(view) + chunks * TAG)
    aead = ChaCha20Poly1305(key)
    with out.getbuffer() as room:
        room[: len(head)] = head
        for counter in range(chunks):
            chunk = view[counter * CHUNK : (counter + 1) * CHUNK]
            at = len(head) + counter * SEALED
            into = room[at : at + len(chunk) + TAG]
            aead.encrypt_into(_nonce(counter, counter == chunks - 1), chunk, None, into)
            into.release()
    return out.getvalue()


def open_bytes(key: bytes, sealed: Buffer) -> bytes:
    """Return the plaintext of all chunks, or raise Tampered."""
    view = memoryview(sealed)
    chunks = max(1, -(-len(view) // SEALED))
    rest = len(view) - (chunks - 1) * SEALED
    out = _of_size((chunks - 1) * CHUNK + max(rest - TAG, 0))
    aead = ChaCha20Poly1305(key)
    with out.getbuffer() as room:
        for counter in range(chunks):
            chunk = view[counter * SEALED : (counter + 1) * SEALED]
            _open(aead, chunk, room[counter * CHUNK :], counter, counter == chunks - 1)
    return out.getvalue()


def _of_size(size: int) -> io.BytesIO:
    """Make a file in memory of zeros: `getvalue` then gives its bytes without a copy."""
    out = io.BytesIO()
    if size:
        out.seek(size - 1)
        out.write(b"\0")
    return out


def opened(key: bytes, source: BinaryIO) -> Iterator[memoryview]:
    """Yield verified chunks, in a buffer that is filled anew. Raises Tampered at one that does not verify.

    A cut file fails too, but only at its end: keep what was yielded in a temporary place until then.
    """
    aead = ChaCha20Poly1305(key)
    out = memoryview(bytearray(_GROUP * CHUNK))
    counter = 0
    block = read_fully(source, _GROUP * SEALED)
    while True:
        following = read_fully(source, _GROUP * SEALED) if len(block) == _GROUP * SEALED else b""
        used = 0
        for at in range(0, len(block) or 1, SEALED):
            chunk = memoryview(block)[at : at + SEALED]
            last = not following and at + SEALED >= len(block)
            used += _open(aead, chunk, out[used:], counter, last)
            counter += 1
        yield out[:used]
        if not following:
            return
        block = following


def _open(aead: ChaCha20Poly1305, chunk: Buffer, out: memoryview, counter: int, last: bool) -> int:
    where = f"age payload, chunk {counter}, byte {NONCE + counter * SEALED}"
    size = len(chunk) - TAG
    if size < 0 or (size == 0 and counter):
        raise Tampered("the age file is cut off or has an empty last chunk", where=where)
    try:
        return aead.decrypt_into(_nonce(counter, last), chunk, None, out[:size])
    except InvalidTag:
        raise Tampered("the age file was altered or cut off", where=where) from None
