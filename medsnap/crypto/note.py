"""Signed notes (C2SP signed-note): text that people can read, with the keys that stand for it."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from medsnap.crypto import ed25519
from medsnap.errors import KeyRefused, Malformed

_TYPE = b"\x01"  # Ed25519 ("Signature types")
_PRIVATE = "PRIVATE+KEY+"
_DASH = "— "
_MAX_SIGNATURES = 100


def _key_id(name: str, public: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + _TYPE + public).digest()[:4]


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _unbase64(text: str) -> bytes | None:
    """Decode canonical base 64; None for anything else."""
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        return None
    return raw if _base64(raw) == text else None


def _checked_name(name: str) -> str:
    """Refuse names that would break a signature line or look like another."""
    if not name or "+" in name or not name.isprintable() or any(c.isspace() for c in name):
        raise KeyRefused("the name of a signing key is empty or holds a space, a plus or a control character")
    return name


def _parse_key(text: str, what: str) -> tuple[str, bytes, bytes]:
    """Split `name+id+base64(type, key)`; return name, id and key. The text is never repeated."""
    name, _, rest = text.strip().partition("+")
    digits, _, encoded = rest.partition("+")
    raw = _unbase64(encoded)
    if raw is None or len(raw) != 33 or raw[:1] != _TYPE or len(digits) != 8:
        raise KeyRefused(f"this is no {what} of a signed note")
    try:
        return _checked_name(name), bytes.fromhex(digits), raw[1:]
    except ValueError:
        raise KeyRefused(f"this is no {what} of a signed note") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verifier:
    """A public key and its name; `vkey` is its text, `name+id+base64`."""

    name: str
    public: bytes

    @classmethod
    def parse(cls, vkey: str) -> Verifier:
        """Read a vkey; raise KeyRefused when it is broken, not canonical or weak."""
        name, key_id, public = _parse_key(vkey, "public key")
        if _key_id(name, public) != key_id:
            raise KeyRefused("name and key of the public key do not belong together")
        ed25519.check_public(public)
        return cls(name=name, public=public)

    @property
    def key_id(self) -> bytes:
        """Four bytes that, with the name, tell which key made a signature line."""
        return _key_id(self.name, self.public)

    @property
    def vkey(self) -> str:
        """The key as text."""
        return f"{self.name}+{self.key_id.hex()}+{_base64(_TYPE + self.public)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """A secret signing key and its name; its repr shows the name only."""

    name: str
    seed: bytes = field(repr=False)

    @classmethod
    def parse_private(cls, text: str) -> Signer:
        """Read `PRIVATE+KEY+name+id+base64`; raise KeyRefused."""
        text = text.strip()
        if not text.startswith(_PRIVATE):
            raise KeyRefused("this is no private key of a signed note", hint=f"it begins with {_PRIVATE}")
        name, key_id, seed = _parse_key(text[len(_PRIVATE) :], "private key")
        if _key_id(name, ed25519.public_of(seed)) != key_id:
            raise KeyRefused("name and key of the private key do not belong together")
        return cls(name=name, seed=seed)

    @property
    def verifier(self) -> Verifier:
        """The public half."""
        return Verifier(name=self.name, public=ed25519.public_of(self.seed))

    @property
    def vkey(self) -> str:
        """The public key as text."""
        return self.verifier.vkey

    def private(self) -> str:
        """Return the secret key as text, for a key file only."""
        public = ed25519.public_of(self.seed)
        return f"{_PRIVATE}{self.name}+{_key_id(self.name, public).hex()}+{_base64(_TYPE + self.seed)}"

    def sign(self, text: str) -> str:
        """Return the signature line for a note's text."""
        signature = ed25519.sign(self.seed, text.encode())
        return f"{_DASH}{self.name} {_base64(self.verifier.key_id + signature)}\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedNote:
    """A verified text, and the vkeys of the known keys that signed it, each once."""

    text: str
    signers: tuple[str, ...]


def generate(name: str, random: Callable[[int], bytes]) -> Signer:
    """Make a new signing key; raise KeyRefused for a name that notes cannot carry."""
    return Signer(name=_checked_name(name), seed=random(ed25519.SEED))


def fingerprint(vkey: str) -> str:
    """Return SHA-256 of the key's text in groups of four, for people to compare by eye or phone."""
    digits = hashlib.sha256(Verifier.parse(vkey).vkey.encode()).hexdigest()
    return " ".join(digits[i : i + 4] for i in range(0, len(digits), 4))


_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")


def _has_controls(text: str) -> bool:
    return _CONTROL.search(text) is not None


def sign_note(text: str, signers: Sequence[Signer]) -> bytes:
    """Return the note of a text that ends in a newline; raise Malformed for a text notes cannot carry."""
    if not text.endswith("\n") or _has_controls(text):
        raise Malformed("the text of a note must end in a newline and hold no control characters")
    return (text + "\n" + "".join(s.sign(text) for s in signers)).encode()


def _split(data: bytes) -> tuple[str, list[str]]:
    try:
        whole = data.decode("utf-8")
    except UnicodeDecodeError as problem:
        raise Malformed("the note is no UTF-8", where=f"byte {problem.start}") from None
    text, gap, lines = whole.rpartition("\n\n")
    if not gap or not lines.endswith("\n") or _has_controls(whole):
        raise Malformed("the note has no signatures, is cut off or holds control characters")
    signatures = lines[:-1].split("\n")
    if len(signatures) > _MAX_SIGNATURES:
        raise Malformed(f"the note has more than {_MAX_SIGNATURES} signatures")
    return text + "\n", signatures


def _parse_signature(line: str, number: int) -> tuple[str, bytes, bytes]:
    """Return name, key id and signature of a signature line."""
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    raw = _unbase64(encoded)
    if not line.startswith(_DASH) or not name or "+" in name or raw is None or len(raw) < 5:
        raise Malformed("a signature line is broken", where=f"signature {number}")
    return name, raw[:4], raw[4:]


def open_note(data: bytes, verifiers: Sequence[Verifier]) -> OpenedNote:
    """Return the text when at least one known key signed it and no known key's signature is wrong.

    Raises Malformed for bytes that are no note, KeyRefused for wrong or missing signatures.
    """
    text, lines = _split(data)
    known: dict[tuple[str, bytes], Verifier] = {}
    for verifier in verifiers:
        # Two keys of one name and id would make the result depend on their order.
        if known.setdefault((verifier.name, verifier.key_id), verifier) != verifier:
            raise KeyRefused("two of the known keys share name and id")
    signers: dict[str, None] = {}
    message = text.encode()
    for number, line in enumerate(lines, 1):
        name, key_id, signature = _parse_signature(line, number)
        found = known.get((name, key_id))
        if found is None:
            continue
        if not ed25519.verify(found.public, signature, message):
            raise KeyRefused("the signature of a known key does not verify", where=f"signature {number}")
        signers[found.vkey] = None
    if not signers:
        raise KeyRefused("no known key signed this note")
    return OpenedNote(text=text, signers=tuple(signers))
