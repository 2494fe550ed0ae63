"""The passphrase recipient type (C2SP age, "The scrypt recipient type")."""

from __future__ import annotations

import re
from collections.abc import Callable

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from medsnap.crypto import base64raw
from medsnap.crypto.header import Stanza
from medsnap.crypto.x25519 import ZERO_NONCE, open_body
from medsnap.errors import Malformed, TooLarge

NAME = "scrypt"
DEFAULT_WORK = 18  # 2^18, 256 MiB, about a second
# Fixed, not measured: a ceiling that follows the machine's speed lets a hostile file hold it for a minute.
MAX_WORK = 22
_SALT = 16
_LABEL = b"age-encryption.org/v1/scrypt"
_DECIMAL = re.compile(r"[1-9][0-9]*", re.ASCII)


def _derive(passphrase: str, salt: bytes, work: int) -> bytes:
    try:
        kdf = Scrypt(salt=_LABEL + salt, length=32, n=1 << work, r=8, p=1)
        return kdf.derive(passphrase.encode("utf-8", "surrogatepass"))
    except MemoryError:
        raise TooLarge(
            f"the passphrase needs {1 << work >> 10} MiB of memory",
            hint="open it on a machine with more memory",
        ) from None


class Recipient:
    """A passphrase to seal with; must be the only recipient."""

    name = NAME

    def __init__(self, passphrase: str, work: int = DEFAULT_WORK) -> None:
        self._passphrase = passphrase
        self._work = work

    def wrap(self, file_key: bytes, random: Callable[[int], bytes]) -> Stanza:
        """Wrap the file key under a fresh salt."""
        salt = random(_SALT)
        wrap_key = _derive(self._passphrase, salt, self._work)
        body = ChaCha20Poly1305(wrap_key).encrypt(ZERO_NONCE, file_key, None)
        return Stanza((NAME, base64raw.encode(salt), str(self._work)), body)


class Identity:
    """A passphrase to open with."""

    def __init__(self, passphrase: str) -> None:
        self._passphrase = passphrase

    def unwrap(self, stanza: Stanza) -> bytes | None:
        """Return the file key, or None for another passphrase or type; raise Malformed, TooLarge."""
        if stanza.args[0] != NAME:
            return None
        where = "age header, scrypt stanza"
        if len(stanza.args) != 3 or not _DECIMAL.fullmatch(stanza.args[2]):
            raise Malformed("needs a salt and a decimal work factor", where=where)
        salt = base64raw.decode(stanza.args[1], where=where)
        if len(salt) != _SALT:
            raise Malformed("the salt is not 16 bytes long", where=where)
        if len(stanza.args[2]) > 2 or int(stanza.args[2]) > MAX_WORK:
            raise TooLarge(f"the work factor exceeds {MAX_WORK}", where=where)
        if len(stanza.body) != 32:
            raise Malformed("a wrapped file key has the wrong length", where=where)
        return open_body(_derive(self._passphrase, salt, int(stanza.args[2])), stanza.body, where)
