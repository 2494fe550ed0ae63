"""age v1 files (C2SP age): seal to recipients, open with identities, name a payload without a key."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import BinaryIO, Protocol

from medsnap.crypto import armor, bech32, header, hybrid, scrypt, stream, x25519
from medsnap.crypto.header import FILE_KEY, Header, Stanza
from medsnap.crypto.kdf import hkdf
from medsnap.errors import KeyRefused, Malformed, Tampered, UsageError
from medsnap.model.photo import Sha256
from medsnap.model.rewrite import Buffer
from medsnap.model.seal import Suite

Random = Callable[[int], bytes]


class _Recipient(Protocol):
    name: str

    def wrap(self, file_key: bytes, random: Random) -> Stanza: ...


class _Identity(Protocol):
    def unwrap(self, stanza: Stanza) -> bytes | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What `encrypt` wrote."""

    size: int  # bytes of the age file
    header: Sha256  # through the MAC line
    payload: Sha256  # of nonce and chunks: survives a rewrap of the header
    plaintext: Sha256
    length: int  # bytes of the plaintext


def generate_identity(random: Random, *, suite: Suite = Suite.X25519) -> str:
    """Make a new secret key, `AGE-SECRET-KEY-1…` or `AGE-SECRET-KEY-PQ-1…`."""
    prefix = hybrid.SECRET if suite is Suite.HYBRID else x25519.SECRET
    return bech32.encode(prefix, random(32)).upper()


def recipient_of(identity: str) -> str:
    """Return the public key of an identity; raise KeyRefused."""
    return _parse_identity(identity).recipient()


def suite_of(recipient: str) -> Suite:
    """Say to which suite a recipient belongs; raise KeyRefused for no valid recipient."""
    return Suite.HYBRID if _parse_recipient(recipient).name == hybrid.NAME else Suite.X25519


def _parse_identity(text: str) -> x25519.Identity | hybrid.Identity:
    prefix, secret = bech32.decode(text.strip())
    if prefix == x25519.SECRET:
        return x25519.Identity(secret)
    if prefix == hybrid.SECRET:
        return hybrid.Identity(secret)
    raise KeyRefused("this is no age identity", hint="identities begin with AGE-SECRET-KEY-")


@lru_cache(maxsize=256)  # public keys only; one key seals thousands of photos
def _parse_recipient(text: str) -> x25519.Recipient | hybrid.Recipient:
    prefix, public = bech32.decode(text.strip())
    if prefix == x25519.PUBLIC:
        return x25519.Recipient(public)
    if prefix == hybrid.PUBLIC:
        return hybrid.Recipient(public)
    raise KeyRefused("this is no age recipient", hint="recipients begin with age1")


def _parse_recipients(texts: Sequence[str]) -> list[_Recipient]:
    recipients: list[_Recipient] = [_parse_recipient(t) for t in texts]
    if not recipients:
        raise UsageError("an age file needs at least one recipient")
    if len({r.name for r in recipients}) > 1:
        # One X25519 stanza would undo the hybrid's protection (C2SP age: SHOULD NOT).
        raise KeyRefused("hybrid and X25519 recipients must not be mixed in one file")
    return recipients


def _head(recipients: Sequence[_Recipient], random: Random) -> tuple[bytes, bytes, bytes]:
    """Return header, payload nonce and payload key for a fresh file key."""
    file_key = random(FILE_KEY)
    nonce = random(stream.NONCE)
    head = header.render([r.wrap(file_key, random) for r in recipients], file_key)
    return head, nonce, hkdf(file_key, salt=nonce, info=b"payload")


def encrypt(
    chunks: Iterable[Buffer],
    recipients: Sequence[str],
    write: stream.Sink,
    *,
    random: Random,
    hash_plaintext: bool = True,
) -> Written:
    """Seal a stream. `write` must take all bytes it is given and may not keep the buffer.

    Who has hashed the plaintext already may say `hash_plaintext=False`: `plaintext` is then "".
    """
    head, nonce, key = _head(_parse_recipients(recipients), random)
    payload, plaintext = hashlib.sha256(nonce), hashlib.sha256()
    size, length = len(head) + len(nonce), 0

    def emit(sealed: Buffer) -> None:
        nonlocal size
        payload.update(sealed)
        size += len(sealed)
        write(sealed)

    write(head + nonce)
    sealer = stream.Sealer(key, emit)
    for chunk in chunks:
        if hash_plaintext:
            plaintext.update(chunk)
        length += len(chunk)
        sealer.update(chunk)
    sealer.finish()
    return Written(
        size=size,
        length=length,
        header=Sha256(hashlib.sha256(head).hexdigest()),
        payload=Sha256(payload.hexdigest()),
        plaintext=Sha256(plaintext.hexdigest() if hash_plaintext else ""),
    )


def _encrypt_to(data: Buffer, recipients: Sequence[_Recipient], random: Random) -> bytes:
    head, nonce, key = _head(recipients, random)
    return stream.seal_bytes(key, data, head=head + nonce)


def encrypt_bytes(data: Buffer, recipients: Sequence[str], *, random: Random) -> bytes:
    """Seal bytes in memory into a binary age file."""
    return _encrypt_to(data, _parse_recipients(recipients), random)


def encrypt_passphrase(
    data: Buffer, passphrase: str, *, random: Random, work_factor: int = scrypt.DEFAULT_WORK
) -> bytes:
    """Seal bytes under a passphrase; `work_factor` is the base-2 logarithm of scrypt's N."""
    if not 1 <= work_factor <= scrypt.MAX_WORK or not passphrase:
        raise UsageError(f"needs a passphrase and a work factor from 1 to {scrypt.MAX_WORK}")
    return _encrypt_to(data, [scrypt.Recipient(passphrase, work_factor)], random)


def _file_key(head: Header, identities: Sequence[_Identity]) -> bytes:
    for identity in identities:
        for stanza in head.stanzas:
            file_key = identity.unwrap(stanza)
            if file_key is not None:
                header.verify(head, file_key)
                return file_key
    raise KeyRefused("none of the keys given opens this age file")


def _open_header(source: BinaryIO, identities: Sequence[_Identity]) -> bytes:
    """Authenticate the header and return the payload key; `source` is then at the first chunk."""
    head = header.read(source)
    file_key = _file_key(head, identities)
    nonce = stream.read_fully(source, stream.NONCE)
    if len(nonce) != stream.NONCE:
        raise Tampered("the age file is cut off after its header", where=f"byte {head.size}")
    return hkdf(file_key, salt=nonce, info=b"payload")


def decrypted(source: BinaryIO, identities: Sequence[str]) -> Iterator[Buffer]:
    """Yield the verified chunks of a binary age file, in a buffer that is filled anew.

    A file that is cut off fails after its last chunk was yielded: keep them in a temporary place until
    this ends. Raises Malformed, Unsupported, TooLarge, KeyRefused (no key fits), Tampered.
    """
    yield from stream.opened(_open_header(source, [_parse_identity(i) for i in identities]), source)


def decrypt_bytes(data: bytes, identities: Sequence[str], passphrases: Sequence[str] = ()) -> bytes:
    """Open an age file, binary or armoured: everything or nothing. Errors as `decrypted`."""
    keys: list[_Identity] = [_parse_identity(i) for i in identities]
    keys += [scrypt.Identity(p) for p in passphrases]
    binary = armor.decode(data) if armor.is_armored(data) else data
    source = io.BytesIO(binary)
    key = _open_header(source, keys)
    return stream.open_bytes(key, memoryview(binary)[source.tell() :])


def payload_digest(source: BinaryIO) -> Sha256:
    """Hash nonce and chunks of a binary age file; needs no key. Raises Malformed, TooLarge."""
    head = header.read(source)
    digest = hashlib.sha256()
    size = 0
    while block := source.read(1 << 20):
        digest.update(block)
        size += len(block)
    if size < stream.NONCE + stream.TAG:
        raise Malformed("the age file has no payload", where=f"byte {head.size}")
    return Sha256(digest.hexdigest())
