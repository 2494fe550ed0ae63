"""age files: round trips, what `Written` says, and that nothing altered is ever released."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import random
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medsnap.crypto import age, armor
from medsnap.errors import KeyRefused, Malformed, MedsnapError, Tampered, TooLarge, Unsupported, UsageError
from medsnap.model.seal import Suite

CHUNK = 65536
SIZES = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 4 * CHUNK, 4 * CHUNK + 1, 9 * CHUNK + 17]


def source(seed: int) -> Callable[[int], bytes]:
    return random.Random(seed).randbytes


IDENTITY = {suite: age.generate_identity(source(7), suite=suite) for suite in Suite}
RECIPIENT = {suite: age.recipient_of(IDENTITY[suite]) for suite in Suite}
X = IDENTITY[Suite.X25519]
TO_X = RECIPIENT[Suite.X25519]


def stream(data: bytes, pieces: list[int]) -> tuple[bytes, age.Written]:
    """Seal `data` in pieces of these sizes, through one buffer that is overwritten each time."""
    buffer = bytearray(max([*pieces, 1]) if pieces else len(data) or 1)

    def chunks() -> Iterator[memoryview]:
        at = 0
        while at < len(data):
            size = min(pieces[at % len(pieces)] if pieces else len(data), len(data) - at)
            buffer[:size] = data[at : at + size]
            yield memoryview(buffer)[:size]
            at += size

    out = bytearray()
    written = age.encrypt(chunks(), [TO_X], out.extend, random=source(1))
    return bytes(out), written


def test_published_keys_give_their_published_recipients() -> None:
    identity = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX"
    assert age.recipient_of(identity) == "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"
    hybrid = "AGE-SECRET-KEY-PQ-1XX76JRALNLXDMEW0CRK45QMCCH4X06SE84UN3VPM33W6HWDX0H3SK3ZQFR"
    recipient = age.recipient_of(hybrid)
    assert recipient.startswith("age1pq1x34nzsvr0rxjsgdn8zgyhfe8j7ceq5r9rdelkjuh3y235jzxshfg87pzf5zrqtzdxz95")
    assert recipient.endswith("heyty7saeq0d3fzv49zc0k") and len(recipient) == 1959


@pytest.mark.parametrize("suite", list(Suite))
@pytest.mark.parametrize("size", SIZES)
def test_what_is_sealed_opens_again(suite: Suite, size: int) -> None:
    data = source(size)(size)
    sealed = age.encrypt_bytes(data, [RECIPIENT[suite]], random=source(3))
    assert age.decrypt_bytes(sealed, [IDENTITY[suite]]) == data
    assert b"".join(map(bytes, age.decrypted(io.BytesIO(sealed), [IDENTITY[suite]]))) == data


@pytest.mark.parametrize("size", SIZES)
def test_the_stream_equals_the_bytes_and_written_tells_the_truth(size: int) -> None:
    data = source(size)(size)
    sealed, written = stream(data, [])
    assert sealed == age.encrypt_bytes(data, [TO_X], random=source(1))
    assert (written.size, written.length) == (len(sealed), size)
    assert written.plaintext == hashlib.sha256(data).hexdigest()
    start = sealed.index(b"\n--- ") + 5 + 43 + 1
    assert written.payload == hashlib.sha256(sealed[start:]).hexdigest()
    assert age.payload_digest(io.BytesIO(sealed)) == written.payload
    again = age.encrypt([data], [TO_X], lambda _: None, random=source(1), hash_plaintext=False)
    assert again == dataclasses.replace(written, plaintext=age.Sha256(""))


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 3 * CHUNK), st.lists(st.integers(1, 2 * CHUNK + 3), min_size=1, max_size=4))
def test_how_the_plaintext_is_cut_changes_nothing(size: int, pieces: list[int]) -> None:
    data = source(size)(size)
    assert stream(data, pieces)[0] == stream(data, [])[0]


def test_every_recipient_opens_and_others_do_not() -> None:
    identities = [age.generate_identity(source(i)) for i in range(4)]
    sealed = age.encrypt_bytes(b"x", [age.recipient_of(i) for i in identities[:3]], random=source(0))
    for identity in identities[:3]:
        assert age.decrypt_bytes(sealed, [identities[3], identity]) == b"x"
    with pytest.raises(KeyRefused):
        age.decrypt_bytes(sealed, [identities[3]])
    with pytest.raises(KeyRefused):
        age.decrypt_bytes(sealed, [])


def test_no_recipient_and_mixed_suites_are_refused() -> None:
    with pytest.raises(UsageError):
        age.encrypt_bytes(b"x", [], random=source(0))
    with pytest.raises(KeyRefused):
        age.encrypt_bytes(b"x", list(RECIPIENT.values()), random=source(0))
    assert {age.suite_of(r): s for s, r in RECIPIENT.items()} == {s: s for s in Suite}


@pytest.mark.parametrize(
    "text",
    ["", "age1", TO_X[:-1] + "q", X, "age1" + TO_X[4:].upper(), "AGE-PLUGIN-X-1QQQQ", TO_X + "é"],
)
def test_what_is_no_recipient_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(KeyRefused) as refused:
        age.encrypt_bytes(b"x", [text], random=source(0))
    shown = refused.value.message + refused.value.where + refused.value.hint
    assert len(text) < 10 or text not in shown


def test_a_recipient_of_low_order_is_refused() -> None:
    from medsnap.crypto import bech32

    with pytest.raises(KeyRefused, match="low order"):
        age.encrypt_bytes(b"x", [bech32.encode("age", bytes(32))], random=source(0))


def test_passphrases() -> None:
    sealed = age.encrypt_passphrase(b"secret", "correct horse", random=source(0), work_factor=10)
    assert age.decrypt_bytes(sealed, [], ["wrong", "correct horse"]) == b"secret"
    with pytest.raises(KeyRefused):
        age.decrypt_bytes(sealed, [X], ["wrong"])
    with pytest.raises(UsageError):
        age.encrypt_passphrase(b"x", "", random=source(0))


def test_a_hostile_work_factor_costs_nothing() -> None:
    sealed = age.encrypt_passphrase(b"x", "p", random=source(0), work_factor=1)
    hostile = sealed.replace(b" 1\n", b" 23\n", 1)
    assert hostile != sealed
    with pytest.raises(TooLarge):
        age.decrypt_bytes(hostile, [], ["p"])


SEALED = age.encrypt_bytes(source(0)(CHUNK + 100), [TO_X], random=source(5))
PLAIN = source(0)(CHUNK + 100)
FULL = age.encrypt_bytes(PLAIN[:CHUNK], [TO_X], random=source(5))


def refuse(data: bytes, *kinds: type[MedsnapError]) -> None:
    """Both readers must refuse; the stream may have released only what was verified."""
    with pytest.raises(kinds):
        age.decrypt_bytes(data, [X])
    out = bytearray()
    if not armor.is_armored(data):
        with pytest.raises(kinds):
            for part in age.decrypted(io.BytesIO(data), [X]):
                out += part
    assert bytes(out) in (b"", PLAIN[:CHUNK])


@settings(deadline=None, max_examples=300)
@given(st.integers(0, len(SEALED) - 1), st.integers(1, 255))
def test_any_changed_byte_is_found(at: int, flip: int) -> None:
    changed = bytearray(SEALED)
    changed[at] ^= flip
    refuse(bytes(changed), Tampered, KeyRefused, Malformed, Unsupported)


@settings(deadline=None, max_examples=150)
@given(st.integers(0, len(SEALED) - 1))
def test_any_cut_is_found(size: int) -> None:
    refuse(SEALED[:size], Tampered, Malformed)


@settings(deadline=None, max_examples=50)
@given(st.sampled_from([SEALED, FULL]), st.integers(1, CHUNK + 200))
def test_anything_appended_is_found(sealed: bytes, extra: int) -> None:
    refuse(sealed + bytes(extra), Tampered)


def test_chunks_do_not_change_places_and_a_last_chunk_stays_last() -> None:
    start = SEALED.index(b"\n--- ") + 5 + 43 + 1 + 16
    first, second = SEALED[start : start + CHUNK + 16], SEALED[start + CHUNK + 16 :]
    refuse(SEALED[:start] + second + first, Tampered)
    refuse(SEALED[:start] + first, Tampered)
    refuse(SEALED[:start] + first + first + second, Tampered)


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=300), st.booleans())
def test_garbage_raises_only_errors_for_people(data: bytes, headed: bool) -> None:
    whole = (b"age-encryption.org/v1\n-> X25519 " if headed else b"") + data
    for call in (
        lambda: age.decrypt_bytes(whole, [X, IDENTITY[Suite.HYBRID]], ["p"]),
        lambda: age.payload_digest(io.BytesIO(whole)),
    ):
        with pytest.raises(MedsnapError):
            call()


def test_a_header_without_end_stops_at_its_limit() -> None:
    stanza = b"-> grease\n\n"
    with pytest.raises(TooLarge):
        age.decrypt_bytes(b"age-encryption.org/v1\n" + stanza * 5000, [X])
    with pytest.raises(TooLarge):
        age.decrypt_bytes(b"age-encryption.org/v1\n-> " + b"a" * (5 << 20), [X])


@pytest.mark.parametrize("size", [0, 1, 47, 48, 49, 96, 1000])
def test_armour_is_one_spelling(size: int) -> None:
    data = source(size)(size + 1)
    text = armor.encode(data)
    assert armor.is_armored(text) and armor.decode(b" \r\n" + text + b"\n\n") == data
    assert armor.decode(text.replace(b"\n", b"\r\n")) == data
    for broken in (text[:-40], text.replace(b"BEGIN", b"begin"), text.replace(b"\n", b" \n", 2), text + b"x"):
        with pytest.raises(Malformed):
            armor.decode(broken)
    armoured = armor.encode(SEALED)
    assert age.decrypt_bytes(armoured, [X]) == PLAIN
