"""The text header of an age file: stanzas that wrap the file key, and their MAC (C2SP age, "Header")."""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

from medsnap.crypto import base64raw
from medsnap.crypto.kdf import hkdf
from medsnap.errors import Malformed, Tampered, TooLarge, Unsupported

VERSION = b"age-encryption.org/v1\n"
FILE_KEY = 16  # bytes
_COLUMNS = 64
_MAX_HEADER = 4 << 20  # bytes; a ring for 2,000 hybrid members fits
_MAX_STANZAS = 2048  # each costs a key agreement for each identity tried
_ARGUMENTS = re.compile(rb"-> [!-~]+(?: [!-~]+)*\n")


@dataclass(frozen=True, slots=True)
class Stanza:
    """One wrapped copy of the file key: its type and arguments, and the body."""

    args: tuple[str, ...]
    body: bytes

    def render(self) -> bytes:
        """Return the stanza's lines; the last body line is always shorter than 64 columns."""
        text = base64raw.encode(self.body)
        lines = [text[i : i + _COLUMNS] for i in range(0, len(text) + 1, _COLUMNS)]
        return "\n".join(["-> " + " ".join(self.args), *lines, ""]).encode("ascii")


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """A parsed header, not yet authenticated."""

    stanzas: tuple[Stanza, ...]
    signed: bytes  # everything up to and with `---`
    mac: bytes
    size: int  # bytes; the payload starts here


def _mac(signed: bytes, file_key: bytes) -> bytes:
    return hmac.digest(hkdf(file_key, salt=b"", info=b"header"), signed, "sha256")


def render(stanzas: Sequence[Stanza], file_key: bytes) -> bytes:
    """Return the whole header with its MAC."""
    signed = VERSION + b"".join(s.render() for s in stanzas) + b"---"
    return signed + b" " + base64raw.encode(_mac(signed, file_key)).encode("ascii") + b"\n"


def verify(header: Header, file_key: bytes) -> None:
    """Check the MAC; raise Tampered."""
    if not hmac.compare_digest(_mac(header.signed, file_key), header.mac):
        raise Tampered("the header of the age file was altered", where="age header, MAC line")


class _Lines:
    """Read header lines and count bytes, so that a hostile file cannot make the reader grow."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self.raw = bytearray()

    @property
    def where(self) -> str:
        return f"age header, byte {len(self.raw)}"

    def next(self) -> bytes:
        line = self._source.readline(_MAX_HEADER - len(self.raw) + 1)
        if len(self.raw) + len(line) > _MAX_HEADER:
            raise TooLarge(f"the age header exceeds {_MAX_HEADER} bytes", where=self.where)
        if not line.endswith(b"\n"):
            raise Malformed("the age header ends in the middle", where=self.where)
        self.raw += line
        return line


def _body(lines: _Lines) -> bytes:
    where = lines.where
    parts: list[str] = []
    while True:
        line = lines.next()[:-1]
        if len(line) > _COLUMNS:
            raise Malformed("a stanza line is longer than 64 columns", where=lines.where)
        parts.append(line.decode("latin-1"))
        if len(line) < _COLUMNS:
            return base64raw.decode("".join(parts), where=where)


def read(source: BinaryIO) -> Header:
    """Read a header and leave `source` at the payload.

    Raises Malformed (with the byte), Unsupported for another version, TooLarge.
    """
    lines = _Lines(source)
    first = lines.next()
    if first != VERSION:
        if first.startswith(b"age-encryption.org/") and first[19:-1].isalnum():
            raise Unsupported("this is an age file of another version", where="age header, byte 0")
        raise Malformed("this is no age file", where="age header, byte 0")
    stanzas: list[Stanza] = []
    while True:
        where = lines.where
        line = lines.next()
        if line.startswith(b"---"):
            break
        if not _ARGUMENTS.fullmatch(line):
            raise Malformed("a stanza does not begin with '-> ' and its arguments", where=where)
        if len(stanzas) == _MAX_STANZAS:
            raise TooLarge(f"more than {_MAX_STANZAS} recipients", where=where)
        stanzas.append(Stanza(tuple(line[3:-1].decode("ascii").split(" ")), _body(lines)))
    if line[3:4] != b" " or not stanzas:
        raise Malformed("the MAC line is broken or no stanza stands before it", where=where)
    mac = base64raw.decode(line[4:-1].decode("latin-1"), where=where)
    if len(mac) != 32:
        raise Malformed("the MAC is not 32 bytes long", where=where)
    _lone_scrypt(stanzas)
    signed = bytes(lines.raw[: len(lines.raw) - len(line) + 3])
    return Header(stanzas=tuple(stanzas), signed=signed, mac=mac, size=len(lines.raw))


def _lone_scrypt(stanzas: Sequence[Stanza]) -> None:
    """Refuse a passphrase beside other recipients (C2SP age: expectation of authentication)."""
    if len(stanzas) > 1 and any(s.args[0] == "scrypt" for s in stanzas):
        raise Malformed("a passphrase stanza stands beside others", where="age header")
