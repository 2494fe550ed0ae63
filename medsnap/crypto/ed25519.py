"""Ed25519 (RFC 8032), with the key checks that libraries leave out.

Under a public key of small order one fixed signature fits every message; under a key with a
small-order part verifiers may disagree. Such keys are refused when they are read.
"""

from __future__ import annotations

from functools import lru_cache

from medsnap.errors import KeyRefused

SEED = 32
PUBLIC = 32
SIGNATURE = 64

_P = 2**255 - 19
_L = 2**252 + 27742317777372353535851937790883648493  # order of the base point (RFC 8032, section 5.1)
_D = -121665 * pow(121666, -1, _P) % _P
_ROOT = pow(2, (_P - 1) // 4, _P)  # of -1

_Point = tuple[int, int, int, int]  # extended coordinates X, Y, Z, T (RFC 8032, section 5.1.4)
_NEUTRAL: _Point = (0, 1, 1, 0)


def public_of(seed: bytes) -> bytes:
    """Return the public key of a seed of 32 bytes."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def sign(seed: bytes, message: bytes) -> bytes:
    """Sign; return 64 bytes."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(seed).sign(message)


def verify(public: bytes, signature: bytes, message: bytes) -> bool:
    """Say whether the signature fits; raise KeyRefused for a weak key."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    check_public(public)
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except InvalidSignature:
        return False
    return True


@lru_cache(maxsize=1024)
def check_public(public: bytes) -> None:
    """Raise KeyRefused unless these 32 bytes are a canonical point of the prime-order group."""
    point = _decode(public) if len(public) == PUBLIC else None
    if point is None:
        raise KeyRefused("this is no canonical Ed25519 public key")
    if _is_neutral(point) or not _is_neutral(_multiply(_L, point)):
        raise KeyRefused("the Ed25519 public key is weak (small order)", hint="ask its owner for a new key")


def _decode(public: bytes) -> _Point | None:
    """Decode a point (RFC 8032, section 5.1.3); None when it is not canonical or not on the curve."""
    number = int.from_bytes(public, "little")
    sign, y = number >> 255, number & (1 << 255) - 1
    if y >= _P:
        return None
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * _ROOT % _P
    if (x * x - square) % _P or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = _P - x
    return x, y, 1, x * y % _P


def _is_neutral(point: _Point) -> bool:
    x, y, z, _ = point
    return x % _P == 0 and (y - z) % _P == 0


def _add(p: _Point, q: _Point) -> _Point:
    a = (p[1] - p[0]) * (q[1] - q[0]) % _P
    b = (p[1] + p[0]) * (q[1] + q[0]) % _P
    c = 2 * p[3] * q[3] * _D % _P
    d = 2 * p[2] * q[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _multiply(factor: int, point: _Point) -> _Point:
    total = _NEUTRAL
    while factor:
        if factor & 1:
            total = _add(total, point)
        point = _add(point, point)
        factor >>= 1
    return total
