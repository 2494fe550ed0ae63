"""A thief with all that the ingest host has, and the storage, tests guesses: names, numbers, photos he knows.

He needs no plaintext for that: a digest of a patient's number, with or without a key that lies on the host,
would answer a thousand guesses in a second.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import json
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.e2e.test_stolen_host import _decoded
from tests.e2e.two_vaults import OWNER, Builder, Pair, Role, photo_lists
from tests.unit.vault.world import photo

THIEF = Role(name="thief", keyless=True, host=True)
GUESSES = [f"M{n:05d}" for n in range(1000)]
TRUE, NIGHTS = range(100, 112), ("first", "second")
_WORD = re.compile(rb"[!-~]{8,}")
_HASHES = ("md5", "sha1", "sha256", "sha512", "blake2b", "blake2s", "sha3_256")
_WINDOW = 16  # bytes of a digest that have to be found


@pytest.fixture(scope="module")
def stolen(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """Twelve photos of twelve patients came in last night; tonight the tablet held others, lists included."""
    pair = Pair(tmp_path_factory.mktemp("stolen"))
    build = Builder(pair)
    for name in ("work", "home", "keys", "state"):
        (pair.stage / name).mkdir(parents=True)
    photo_lists(build.work, {n: n for n in (*TRUE, 201)})
    places = ("--recovery-file", "../keys/recovery.key", "--policy", "policy.yaml")
    build.do(OWNER, "vault", "init", "--suite", "x25519", "--no-input", *places)
    build.ingest("tablet", *TRUE)
    shutil.copytree(pair.stage, pair.image("first"))
    shutil.rmtree(pair.stage / "tablet")
    build.ingest("tablet", 201)
    shutil.copytree(pair.stage, pair.image("second"))
    return pair


def _files(folder: Path, *rooms: str) -> list[bytes]:
    """Read names and bytes of what a thief takes: not the landing folder, which is open to him anyway."""
    found = []
    for path in itertools.chain.from_iterable((folder / room).rglob("*") for room in rooms):
        found.append(str(path.relative_to(folder)).encode())
        found += [path.read_bytes()] if path.is_file() else []
    return found


def _taken(pair: Pair, night: str) -> list[bytes]:
    environment = [f"{k}={v}".encode() for k, v in THIEF.environment(pair.stage).items()]
    return [*_files(pair.image(night), "host", "cache", "state", "home", "vault"), *environment]


def _keys(pair: Pair, night: str) -> set[bytes]:
    """Give everything on the host that could be the key of a digest."""
    texts = _files(pair.image(night), "host", "cache", "state", "home")
    words = {word for text in texts for word in _WORD.findall(text)}
    words |= {part for word in words for part in re.split(rb"[\"',=:/+\s]", word) if len(part) >= 8}
    raw = {text for word in words for text in _decoded(word) if 8 <= len(text) <= 64}
    return {b""} | {word for word in words if len(word) <= 200} | raw | {text[-32:] for text in raw}


def _windows(texts: Iterable[bytes]) -> set[bytes]:
    return {text[at : at + _WINDOW] for text in texts for at in range(max(1, len(text) - _WINDOW + 1))}


def _written(value: bytes) -> Iterator[bytes]:
    yield value
    yield value.hex().encode()
    yield base64.b64encode(value)
    yield base64.b32encode(value).lower()


def _confirmed(guesses: Iterable[bytes], keys: Iterable[bytes], seen: set[bytes]) -> set[bytes]:
    """Name the guesses of which some digest, in some spelling, stands in what was taken."""
    right = set()
    digests = [(name, key) for key in keys for name in (_HASHES if not key else ("sha256",))]
    for guess in guesses:
        for name, key in digests:
            value = hmac.digest(key, guess, name) if key else hashlib.new(name, guess).digest()
            if any(text[:_WINDOW] in seen for text in _written(value)):
                right.add(guess)
    return right


@pytest.mark.parametrize("night", NIGHTS)
def test_no_name_and_no_number_is_listed(stolen: Pair, night: str) -> None:
    text = b"\0".join(_taken(stolen, night))
    for number in (*TRUE, 201):
        for word in (f"P{number}.jpg", f"M{number:05d}", "1970-01-01", "forearm", f'"E{number}"'):
            assert word.encode() not in text, word


def test_none_of_a_thousand_numbers_is_confirmed(stolen: Pair) -> None:
    seen, keys = _windows(_taken(stolen, "second")), _keys(stolen, "second")
    assert len(keys) > 20
    assert any(len(key) == 32 for key in keys), "not even the signing key was tried"
    issued = [f"2.999.1.7|{guess}" for guess in GUESSES]
    assert _confirmed([g.encode() for g in (*GUESSES, *issued)], keys, seen) == set()


def test_the_search_finds_a_number_that_a_host_would_keep(stolen: Pair) -> None:
    keys = _keys(stolen, "second")
    plain = hashlib.sha256(b"M00100").hexdigest().encode()
    secret = hmac.digest(max(k for k in keys if len(k) == 32), b"M00107", "sha256")
    seen = _windows([b"x" + plain, b"yy" + base64.b64encode(secret)])
    found = _confirmed([g.encode() for g in GUESSES[90:120]], keys, seen)
    assert found == {b"M00100", b"M00107"}


def test_a_photo_whose_source_is_gone_is_not_confirmed(stolen: Pair) -> None:
    """While it lies in the dump the journal knows it, as the dump itself does; a night later nothing does."""
    known = [photo(n) for n in TRUE]
    shown = [_sealed_form(stolen, n) for n in TRUE]
    assert all(a != b for a, b in zip(known, shown, strict=True)), "metadata was removed: two forms to try"
    keys = {b""}
    assert _confirmed(known, keys, _windows(_taken(stolen, "first"))) == set(known)
    keys = _keys(stolen, "second")
    assert _confirmed([*known, *shown], keys, _windows(_taken(stolen, "second"))) == set()
    assert _confirmed([photo(201)], {b""}, _windows(_taken(stolen, "second"))), "tonight's still lies there"


def _sealed_form(stolen: Pair, number: int) -> bytes:
    """Open a photo as its owner, to know it as it was sealed."""
    stolen.put("second")
    photos = json.loads(stolen.run(OWNER, ["vault", "ls", "--format", "json"]).expect(0).out)["photos"]
    [name] = [p["id"] for p in photos if p["source"] == f"P{number}.jpg"]
    stolen.run(OWNER, ["vault", "open", name, "-o", "one"]).expect(0)
    return (stolen.stage / "work" / "one").read_bytes()


def test_asking_the_host_itself_confirms_nothing(stolen: Pair) -> None:
    """Ingest on the stolen host says the same of a photo that was there as of one that never was."""
    answers = []
    for number in (TRUE[0], 177):
        stolen.put("second")
        folder = stolen.stage / "try"
        folder.mkdir()
        (folder / "x.jpg").write_bytes(photo(number))
        words = ["ingest", str(folder), "--no-detect", "--format", "ndjson"]
        answers.append(stolen.run(THIEF, words, seed="same").expect(0).out)
        for line in (["vault", "ls", "--mrn", "M00100"], ["vault", "show", "aaaaaaaa"], ["policy", "replay"]):
            refused = stolen.run(THIEF, line).expect(77)
            assert refused.out == ""
    assert '"already":false' in answers[0]
    assert answers[0] == answers[1]
