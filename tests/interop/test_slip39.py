"""A second reader of recovery sheets, written from docs/SPEC.md and SLIP-39 alone, with nothing of medsnap's.

From the words of two sheets to the age identity that opens a vault: GF(256), PBKDF2 and bech32 by hand.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.helpers import Clinic

_CHARSET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


def _words() -> dict[str, int]:
    package = pytest.importorskip("shamir_mnemonic")
    text = (Path(package.__file__).parent / "wordlist.txt").read_text(encoding="ascii")
    return {word: n for n, word in enumerate(text.split())}


def _multiply(a: int, b: int) -> int:
    product = 0
    while b:
        if b & 1:
            product ^= a
        a = (a << 1) ^ (0x11B if a & 0x80 else 0)
        b >>= 1
    return product


def _power(a: int, n: int) -> int:
    result = 1
    for _ in range(n):
        result = _multiply(result, a)
    return result


def _at(x: int, points: Sequence[tuple[int, bytes]]) -> bytes:
    """Interpolate over GF(256); the inverse of a is a to the 254th."""
    out = bytearray(len(points[0][1]))
    for i, value in points:
        factor = 1
        for j, _ in points:
            if j != i:
                factor = _multiply(factor, _multiply(x ^ j, _power(i ^ j, 254)))
        out = bytearray(o ^ _multiply(factor, v) for o, v in zip(out, value, strict=True))
    return bytes(out)


def secret_of(mnemonics: Sequence[Sequence[str]]) -> bytes:
    """Give the 32 bytes of two shares of a 2-of-3 set."""
    numbers = _words()
    points, exponent = [], 0
    for words in mnemonics:
        bits = "".join(f"{numbers[w]:010b}" for w in words)
        assert bits[15] == "1", "extendable"
        exponent = int(bits[16:20], 2)
        assert bits[20:32] == "0" * 12, "one group of one"
        assert int(bits[36:40], 2) == 1, "two are needed"
        points.append((int(bits[32:36], 2), int(bits[40:-30], 2).to_bytes(32, "big")))
    encrypted, digest = _at(255, points), _at(254, points)

    assert hmac.digest(digest[4:], encrypted, "sha256")[:4] == digest[:4]
    left, right = encrypted[:16], encrypted[16:]
    for step in (3, 2, 1, 0):
        key = hashlib.pbkdf2_hmac("sha256", bytes([step]), right, (10_000 << exponent) // 4, 16)
        left, right = right, bytes(a ^ b for a, b in zip(left, key, strict=True))
    return right + left


def _polymod(values: Sequence[int]) -> int:
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for n, part in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= part if top >> n & 1 else 0
    return check


def identity_of(secret: bytes, prefix: str) -> str:
    """Write 32 bytes as an age identity (bech32)."""
    bits = "".join(f"{byte:08b}" for byte in secret).ljust(260, "0")
    data = [int(bits[n : n + 5], 2) for n in range(0, 260, 5)]
    expanded = [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix]
    check = _polymod([*expanded, *data, *[0] * 6]) ^ 1
    data += [check >> 5 * (5 - n) & 31 for n in range(6)]
    return f"{prefix}1{''.join(_CHARSET[d] for d in data)}".upper()


@pytest.mark.parametrize(
    ("suite", "prefix"), [("hybrid", "age-secret-key-pq-"), ("x25519", "age-secret-key-")]
)
def test_two_printed_sheets_give_the_identity(suite: str, prefix: str, tmp_path: Path) -> None:
    clinic = Clinic(tmp_path / "clinic")
    to = clinic.root / "sheets"
    clinic.run(
        "vault", "init", "--no-input", "--recovery-dir", to, "--sheets", "text", "--suite", suite
    ).expect(0)
    words = []
    for number in (3, 1):
        text = (to / f"recovery-{number}-of-3.txt").read_text(encoding="ascii")
        found = dict(re.findall(r"(\d+) ([a-z]+)", text.partition("words:")[2].partition("end of words")[0]))
        words.append([found[str(n)] for n in range(1, 34)])
    sheets = [to / f"recovery-{number}-of-3.txt" for number in (1, 2)]
    made = clinic.root / "recovered.key"
    clinic.run("vault", "recovery", "combine", *sheets, "-o", made).expect(0)
    assert identity_of(secret_of(words), prefix) in made.read_text().split()
