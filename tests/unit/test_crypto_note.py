"""Signed notes and Ed25519: published examples, and everything that must be refused."""

from __future__ import annotations

import base64
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medsnap.crypto import ed25519, note
from medsnap.errors import KeyRefused, Malformed, MedsnapError

# The example of Go's golang.org/x/mod/sumdb/note, the origin of the format.
PETER_PUBLIC = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETER_SECRET = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
PETER_TEXT = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
)
PETER_NOTE = (
    PETER_TEXT + "\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXg"
    "KvqfqdngotpRZb6KE6RyyBwJnAM=\n"
).encode()

A = note.generate("example.com/a", random.Random(1).randbytes)
B = note.generate("example.com/b", random.Random(2).randbytes)
KNOWN = [note.Verifier.parse(A.vkey), note.Verifier.parse(B.vkey)]


def test_the_published_note_opens_and_is_made_again() -> None:
    opened = note.open_note(PETER_NOTE, [note.Verifier.parse(PETER_PUBLIC)])
    assert opened == note.OpenedNote(text=PETER_TEXT, signers=(PETER_PUBLIC,))
    signer = note.Signer.parse_private(PETER_SECRET)
    assert (signer.vkey, signer.private()) == (PETER_PUBLIC, PETER_SECRET)
    assert note.sign_note(PETER_TEXT, [signer]) == PETER_NOTE


def test_the_form_of_the_c2sp_example() -> None:
    text = "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n"
    lines = note.sign_note(text, [A]).decode().split("\n")
    assert "\n".join(lines[:5]) == text
    assert lines[4] == "" and lines[5].startswith("— example.com/a ") and lines[6:] == [""]
    assert note.open_note(note.sign_note(text, [A]), KNOWN).text == text


def test_unknown_signatures_are_ignored_and_known_ones_counted_once() -> None:
    other = note.generate("example.com/c", random.Random(3).randbytes)
    data = note.sign_note("text\n", [other, B, A, A])
    assert note.open_note(data, KNOWN).signers == (B.vkey, A.vkey)
    with pytest.raises(KeyRefused):
        note.open_note(note.sign_note("text\n", [other]), KNOWN)


def test_a_known_key_with_a_wrong_signature_spoils_the_note() -> None:
    good = note.sign_note("text\n", [A])
    forged = note.sign_note("other\n", [B]).split(b"\n\n")[1]
    with pytest.raises(KeyRefused, match="does not verify"):
        note.open_note(good + forged, KNOWN)
    assert note.open_note(good + forged, KNOWN[:1]).signers == (A.vkey,)


SIGNED = note.sign_note("line one\n\nline two\n", [A])


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(SIGNED) - 1), st.integers(1, 255))
def test_any_changed_byte_is_refused(at: int, flip: int) -> None:
    changed = bytearray(SIGNED)
    changed[at] ^= flip
    with pytest.raises((KeyRefused, Malformed)):
        note.open_note(bytes(changed), KNOWN)


BROKEN = {
    "empty": b"",
    "no signature": b"text\n\n",
    "no gap": b"text\n" + SIGNED.split(b"\n\n")[-1],
    "no last newline": SIGNED[:-1],
    "control character": note.sign_note("text\n", [A]).replace(b"text", b"te\tt"),
    "carriage return": SIGNED.replace(b"\n", b"\r\n"),
    "no UTF-8": b"\xff" + SIGNED,
    "hyphen for dash": SIGNED.replace("—".encode(), b"-"),
    "base64 with spare bits": SIGNED[:-3] + bytes([SIGNED[-3] + 1]) + b"=\n",
    "too many": b"text\n\n" + SIGNED.split(b"\n\n")[-1] * 101,
    "short signature": b"text\n\n" + "— example.com/a AAAA\n".encode(),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_note(name: str) -> None:
    with pytest.raises(Malformed):
        note.open_note(BROKEN[name], KNOWN)


@pytest.mark.parametrize("text", ["no newline", "tab\t\n", "nul\0\n", ""])
def test_texts_that_a_note_cannot_carry(text: str) -> None:
    with pytest.raises(Malformed):
        note.sign_note(text, [A])


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\u00a0b", "a\u2003b", "a\u202eb", "\0"])
def test_names_that_a_note_cannot_carry(name: str) -> None:
    with pytest.raises(KeyRefused):
        note.generate(name, random.Random(1).randbytes)


@pytest.mark.parametrize("text", [A.vkey, A.private()])
def test_broken_keys_are_refused_and_never_repeated(text: str) -> None:
    parse = note.Signer.parse_private if text.startswith("PRIVATE") else note.Verifier.parse
    parse(text)
    for at in range(0, len(text), 3):
        changed = text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]
        with pytest.raises(KeyRefused) as refused:
            parse(changed)  # type: ignore[operator]
        assert text[-20:-5] not in str(refused.value)


def test_the_secret_does_not_show() -> None:
    assert A.seed.hex() not in repr(A) and repr(A.seed) not in repr(A)


def test_fingerprints_are_for_people_and_differ() -> None:
    shown = note.fingerprint(A.vkey)
    assert [len(g) for g in shown.split(" ")] == [4] * 16
    assert shown == note.fingerprint(A.vkey + "\n") != note.fingerprint(B.vkey)


P = 2**255 - 19


def _torsion() -> list[bytes]:
    """All eight points of small order, made from a point of the curve times the large prime order."""
    from medsnap.crypto.ed25519 import _L, _add, _decode, _multiply

    found: set[bytes] = set()
    y = 2
    while len(found) < 8:
        y += 1
        point = _decode(y.to_bytes(32, "little"))
        if point is None:
            continue
        small = _multiply(_L, point)
        total = small
        for _ in range(8):
            inverse = pow(total[2], -1, P)
            x, y_ = total[0] * inverse % P, total[1] * inverse % P
            found.add((y_ | (x & 1) << 255).to_bytes(32, "little"))
            total = _add(total, small)
    return sorted(found)


@pytest.mark.parametrize("public", _torsion(), ids=lambda p: p.hex()[:8])
def test_keys_of_small_order_are_refused(public: bytes) -> None:
    with pytest.raises(KeyRefused):
        ed25519.check_public(public)
    key_id = note._key_id("weak", public).hex()
    with pytest.raises(KeyRefused):
        note.Verifier.parse(f"weak+{key_id}+{base64.b64encode(bytes([1]) + public).decode()}")


def test_the_identity_key_would_accept_one_signature_for_every_message() -> None:
    """Why small order matters: the library itself says yes."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    identity = (1).to_bytes(32, "little")
    for message in (b"one", b"two"):
        Ed25519PublicKey.from_public_bytes(identity).verify(identity + bytes(32), message)
        with pytest.raises(KeyRefused):
            ed25519.verify(identity, identity + bytes(32), message)


@pytest.mark.parametrize(
    "public",
    [b"", bytes(31), (P + 1).to_bytes(32, "little"), (P + 4).to_bytes(32, "little"), b"\xff" * 32,
     (1 | 1 << 255).to_bytes(32, "little"), (2).to_bytes(32, "little")],
    ids=["empty", "short", "one again", "above p", "all ones", "minus zero", "not on the curve"],
)  # fmt: skip
def test_keys_that_are_not_canonical_are_refused(public: bytes) -> None:
    with pytest.raises(KeyRefused):
        ed25519.check_public(public)


def test_a_second_spelling_of_a_point_is_refused() -> None:
    for y in range(19):  # only these have one: y + p still fits into 255 bits
        assert ed25519._decode((y + P).to_bytes(32, "little")) is None
    assert ed25519._decode((3).to_bytes(32, "little")) is not None


def test_a_key_with_a_small_part_is_refused() -> None:
    from medsnap.crypto.ed25519 import _add, _decode

    point, small = _decode(A.verifier.public), _decode(bytes(32))
    assert point and small
    total = _add(point, small)
    inverse = pow(total[2], -1, P)
    x, y = total[0] * inverse % P, total[1] * inverse % P
    with pytest.raises(KeyRefused, match="weak"):
        ed25519.check_public((y | (x & 1) << 255).to_bytes(32, "little"))


def test_rfc_8032_test_2() -> None:
    seed = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
    public = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
    signature = bytes.fromhex(
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )
    assert ed25519.public_of(seed) == public
    assert ed25519.sign(seed, b"\x72") == signature
    assert ed25519.verify(public, signature, b"\x72")
    assert not ed25519.verify(public, signature, b"\x73")
    assert not ed25519.verify(public, signature[:-1], b"\x72")


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_garbage_raises_only_errors_for_people(data: bytes) -> None:
    with pytest.raises(MedsnapError):
        note.open_note(data + b"\n\n" + data + b"\n", KNOWN)


def test_two_known_keys_of_one_name_and_id_are_refused() -> None:
    """The id has four bytes: a stranger finds two keys of one id in a second, and order must not decide."""
    seen: dict[bytes, note.Verifier] = {}
    source = random.Random(11).randbytes
    for _ in range(1 << 20):
        made = note.Verifier(name="example.com/a", public=source(32))
        twin = seen.setdefault(made.key_id, made)
        if twin is not made:
            break
    else:
        pytest.fail("no two keys of one id found")
    data = note.sign_note("text\n", [B])
    for known in ([twin, made, *KNOWN], [made, *KNOWN, twin]):
        with pytest.raises(KeyRefused, match="share name and id"):
            note.open_note(data, known)
    assert note.open_note(data, [twin, twin, *KNOWN]).signers == (B.vkey,)


@pytest.mark.parametrize("digits", ["c74f20ag", "c74f20a", "+c74f20a", "c7 4f20a", " c74f20"])
def test_an_id_that_is_no_hexadecimal_number_is_refused(digits: str) -> None:
    broken = PETER_PUBLIC.replace("c74f20a3", digits)
    with pytest.raises(KeyRefused) as refused:
        note.Verifier.parse(broken)
    assert digits not in refused.value.message
