"""Keys, stanzas, armour and payloads that no honest program writes: each is refused by its own sentence."""

from __future__ import annotations

import base64
import io
import random
import sys
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from medsnap.crypto import age, armor, bech32, header, hybrid, scrypt, stream, x25519
from medsnap.crypto.header import Stanza
from medsnap.errors import KeyRefused, Malformed, MedsnapError, Tampered, TooLarge, Unsupported
from medsnap.model.seal import Suite

FILE_KEY = bytes(16)
X = age.generate_identity(random.Random(7).randbytes)
PQ = age.generate_identity(random.Random(7).randbytes, suite=Suite.HYBRID)
BODY = bytes(32)


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode().rstrip("=")


def age_file(*stanzas: Stanza, payload: bytes = bytes(32)) -> bytes:
    """A file whose header is whole, so that only the stanzas can be at fault."""
    return header.render(stanzas, FILE_KEY) + payload


SHARE = b64(bytes([9] + [0] * 31))
LOW = b64(bytes(32))  # the point of order one
CAPSULE = random.Random(3).randbytes(1120)


@pytest.mark.parametrize(
    ("args", "body", "error", "what"),
    [
        (("X25519",), BODY, Malformed, "exactly one argument"),
        (("X25519", SHARE, "more"), BODY, Malformed, "exactly one argument"),
        (("X25519", b64(bytes(31))), BODY, Malformed, "not 32 bytes"),
        (("X25519", LOW), BODY, Malformed, "low order"),
        (("X25519", SHARE), bytes(31), Malformed, "wrong length"),
        (("X25519", SHARE), bytes(48), Malformed, "wrong length"),
        (("X25519", SHARE[:-1] + "B"), BODY, Malformed, "canonical|broken"),
        (("X25519", SHARE + "="), BODY, Malformed, "canonical|broken"),
        (("mlkem768x25519",), BODY, Malformed, "exactly one argument"),
        (("mlkem768x25519", b64(CAPSULE[:-1])), BODY, Malformed, "wrong length"),
        (("mlkem768x25519", b64(CAPSULE)), bytes(31), Malformed, "wrong length"),
        (("mlkem768x25519", b64(CAPSULE[:-32] + bytes(32))), BODY, Malformed, "low order"),
        (("mlkem768x25519", b64(CAPSULE)), BODY, KeyRefused, "none of the keys"),
        (("scrypt", b64(bytes(16))), BODY, Malformed, "decimal work factor"),
        (("scrypt", b64(bytes(16)), "08"), BODY, Malformed, "decimal work factor"),
        (("scrypt", b64(bytes(16)), "+8"), BODY, Malformed, "decimal work factor"),
        (("scrypt", b64(bytes(15)), "8"), BODY, Malformed, "salt is not 16 bytes"),
        (("scrypt", b64(bytes(16)), "23"), BODY, TooLarge, "work factor exceeds"),
        (("scrypt", b64(bytes(16)), "1" * 4000), BODY, TooLarge, "work factor exceeds"),
        (("scrypt", b64(bytes(16)), "8"), bytes(31), Malformed, "wrong length"),
        (("scrypt", b64(bytes(16)), "8"), BODY, KeyRefused, "none of the keys"),
        (("grease", "x"), b"", KeyRefused, "none of the keys"),
    ],
)
def test_a_stanza_that_nobody_makes_honestly(
    args: tuple[str, ...], body: bytes, error: type[MedsnapError], what: str
) -> None:
    with pytest.raises(error, match=what):
        age.decrypt_bytes(age_file(Stanza(args, body)), [X, PQ], ["passphrase"])


def test_a_passphrase_beside_other_recipients_is_refused() -> None:
    mine = x25519.Recipient(bech32.decode(age.recipient_of(X))[1]).wrap(FILE_KEY, random.Random(1).randbytes)
    other = scrypt.Recipient("passphrase", 8).wrap(FILE_KEY, random.Random(1).randbytes)
    for stanzas in ((mine, other), (other, mine), (other, other)):
        with pytest.raises(Malformed, match="beside others"):
            age.decrypt_bytes(age_file(*stanzas), [X], ["passphrase"])


def test_a_header_of_another_version_or_with_a_short_mac() -> None:
    whole = age_file(Stanza(("X25519", SHARE), BODY))
    with pytest.raises(Unsupported, match="another version"):
        age.decrypt_bytes(whole.replace(b"/v1\n", b"/v2\n", 1), [X])
    at = whole.index(b"\n--- ") + 5
    with pytest.raises(Malformed, match="MAC is not 32 bytes"):
        age.decrypt_bytes(whole[:at] + b64(bytes(31)).encode() + whole[at + 43 :], [X])
    with pytest.raises(Malformed, match="no stanza"):
        age.decrypt_bytes(age_file(), [X])


def test_keys_of_a_wrong_kind_or_length_are_refused_and_never_shown() -> None:
    low = bech32.decode(age.recipient_of(PQ))[1][:1184] + bytes(32)

    def seal(recipient: str) -> bytes:
        return age.encrypt_bytes(b"x", [recipient], random=random.Random(1).randbytes)

    cases: list[tuple[Callable[[str], object], str]] = [
        (age.recipient_of, bech32.encode("age-secret-key-", bytes(31)).upper()),
        (age.recipient_of, bech32.encode("age-secret-key-pq-", bytes(31)).upper()),
        (age.recipient_of, age.recipient_of(X)),
        (age.suite_of, X),
        (age.suite_of, bech32.encode("age", bytes(31))),
        (age.suite_of, bech32.encode("age1pq", bytes(32))),
        (age.suite_of, bech32.encode("age1pq", b"\xff" * (1184 + 32))),  # coefficients beyond q
        (seal, bech32.encode("age1pq", low)),
    ]
    for call, text in cases:
        with pytest.raises(KeyRefused) as refused:
            call(text)
        said = f"{refused.value.message} {refused.value.where} {refused.value.hint}"
        assert text not in said and text[12:40] not in said


def test_without_hybrid_keys_in_the_library_a_hybrid_key_is_unsupported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.hpke", None)
    monkeypatch.delattr("cryptography.hazmat.primitives.hpke", raising=False)
    with pytest.raises(Unsupported, match="no hybrid keys"):
        hybrid.Identity(bytes(32))


def test_a_passphrase_for_which_memory_does_not_suffice(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: object) -> object:
        raise MemoryError

    sealed = age.encrypt_passphrase(b"x", "p", random=random.Random(1).randbytes, work_factor=12)
    monkeypatch.setattr(scrypt, "Scrypt", full)
    with pytest.raises(TooLarge, match="needs 4 MiB"):
        age.decrypt_bytes(sealed, [], ["p"])


@pytest.mark.parametrize(
    ("lines", "what"),
    [
        (["AAAA", "AAAA"], "wrong length"),  # a short line that is not the last
        (["A" * 65], "wrong length"),
        (["A" * 64, ""], "wrong length"),
        (["AA*A"], "broken"),
        (["A"], "broken"),
        (["AAB="], "broken|canonical"),  # spare bits that are not zero
    ],
)
def test_armour_that_could_be_spelt_otherwise(lines: list[str], what: str) -> None:
    text = "\n".join([armor.BEGIN.decode(), *lines, armor.END.decode(), ""]).encode()
    with pytest.raises(Malformed, match=what):
        armor.decode(text)


def test_an_empty_last_chunk_is_refused_but_for_an_empty_file() -> None:
    key = bytes(32)
    aead = ChaCha20Poly1305(key)
    first = aead.encrypt(bytes(12), bytes(stream.CHUNK), None)
    empty = aead.encrypt(bytes(10) + b"\x01\x01", b"", None)
    nothing = aead.encrypt(bytes(11) + b"\x01", b"", None)
    assert stream.open_bytes(key, nothing) == b""
    with pytest.raises(Tampered, match="empty last chunk"):
        stream.open_bytes(key, first + empty)
    with pytest.raises(Tampered, match="empty last chunk"):
        list(stream.opened(key, io.BytesIO(first + empty)))


class Dripping(io.BytesIO):
    """A source that gives less than was asked for, as a pipe does."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(size, 1000) if size and size > 0 else size)


def test_a_source_that_drips_gives_the_same_bytes() -> None:
    data = random.Random(1).randbytes(70_000)
    sealed = age.encrypt_bytes(data, [age.recipient_of(X)], random=random.Random(2).randbytes)
    assert b"".join(map(bytes, age.decrypted(Dripping(sealed), [X]))) == data
    with pytest.raises(Tampered):
        list(age.decrypted(Dripping(sealed[:-1]), [X]))


def test_a_file_without_payload_has_no_digest() -> None:
    for size in (0, 16, 31):
        with pytest.raises(Malformed, match="no payload"):
            age.payload_digest(io.BytesIO(age_file(Stanza(("grease",), b""), payload=bytes(size))))
