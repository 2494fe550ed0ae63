"""An age reader for the hybrid suite, written from c2sp.org/age and docs/SPEC.md; nothing of medsnap."""

from __future__ import annotations

import base64
import hashlib
import hmac

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, hpke
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hpke import MLKEM768X25519PrivateKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SECRET = "AGE-SECRET-KEY-PQ-1"
_LETTERS = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_CHUNK = 65536 + 16
_INFO = b"age-encryption.org/mlkem768x25519"
_SUITE = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.CHACHA20_POLY1305)


def _seed(identity: str) -> bytes:
    data = [_LETTERS.index(c) for c in identity.lower().rpartition("1")[2][:-6]]
    bits = "".join(f"{five:05b}" for five in data)
    return bytes(int(bits[n : n + 8], 2) for n in range(0, 256, 8))


def _keys(identity: str) -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
    expanded = hashlib.shake_256(_seed(identity)).digest(96)
    return (
        MLKEM768PrivateKey.from_seed_bytes(expanded[:64]),
        X25519PrivateKey.from_private_bytes(expanded[64:]),
    )


def _polymod(values: list[int]) -> int:
    check = 1
    for value in values:
        top, check = check >> 25, (check & 0x1FFFFFF) << 5 ^ value
        for bit, factor in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= factor if top >> bit & 1 else 0
    return check


def recipient_of(identity: str) -> str:
    """Give the public key `age1pq1…`: Bech32 of the ML-KEM key and the X25519 key."""
    mlkem, x25519 = _keys(identity)
    raw = mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()
    bits = "".join(f"{byte:08b}" for byte in raw)
    bits += "0" * (-len(bits) % 5)
    values = [int(bits[n : n + 5], 2) for n in range(0, len(bits), 5)]
    head = [ord(c) >> 5 for c in "age1pq"] + [0] + [ord(c) & 31 for c in "age1pq"]
    check = _polymod([*head, *values, 0, 0, 0, 0, 0, 0]) ^ 1
    values += [check >> 5 * (5 - n) & 31 for n in range(6)]
    return "age1pq1" + "".join(_LETTERS[v] for v in values)


def _hkdf(secret: bytes, salt: bytes | None, info: bytes) -> bytes:
    return HKDF(hashes.SHA256(), 32, salt, info).derive(secret)


def _b64(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)


def decrypt(data: bytes, identities: list[str]) -> bytes | None:
    """Open a binary age file; None when no identity fits. Raises ValueError, InvalidTag when broken."""
    end = data.index(b"\n--- ") + 1
    stop = data.index(b"\n", end)
    lines = data[:end].decode("ascii").splitlines()
    if lines[0] != "age-encryption.org/v1":
        raise ValueError("no age file")
    for number, line in enumerate(lines):
        words = line.split()
        if words[:2] != ["->", "mlkem768x25519"]:
            continue
        body = ""
        for more in lines[number + 1 :]:
            body += more
            if len(more) < 64:
                break
        for identity in identities:
            try:
                key = MLKEM768X25519PrivateKey(*_keys(identity))
                file_key = _SUITE.decrypt(_b64(words[2]) + _b64(body), key, _INFO)
            except (InvalidTag, ValueError):
                continue
            mac = hmac.new(_hkdf(file_key, None, b"header"), data[: end + 3], "sha256").digest()
            if mac != _b64(data[end + 4 : stop].decode("ascii")):
                raise ValueError("the header was changed")
            return _payload(data[stop + 1 :], file_key)
    return None


def _payload(data: bytes, file_key: bytes) -> bytes:
    aead = ChaCha20Poly1305(_hkdf(file_key, data[:16], b"payload"))
    sealed = data[16:]
    parts = [sealed[n : n + _CHUNK] for n in range(0, len(sealed), _CHUNK)]
    plain = [
        aead.decrypt(n.to_bytes(11, "big") + bytes([n == len(parts) - 1]), part, None)
        for n, part in enumerate(parts)
    ]
    return b"".join(plain)
