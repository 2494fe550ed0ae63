"""`keyring.yaml`: which key is whose, and until when. Read like a policy: strictly, with places."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Final

from medsnap.errors import KeyRefused, PolicyError
from medsnap.policy import signatures
from medsnap.policy.kinds import DATE, NUMBER, PERSON, SLUG, TEXT, Field, MapOf, Record, one_of
from medsnap.policy.nodes import Reader
from medsnap.policy.walk import Item, Walker

if TYPE_CHECKING:
    from medsnap.crypto.sshsig import SshKey
    from medsnap.policy.findings import LintFinding

FILE: Final = "keyring.yaml"
_HEAD: Final = re.compile(r"^keyring\s*:", re.MULTILINE)

_PERSON: Final = Record(
    fields={
        "key": Field(kind=TEXT, help="the public key: name+id+base64, or ssh-ed25519 …", required=True),
        "from": Field(kind=DATE, help="first day on which it may sign", required=True),
        "until": Field(kind=DATE, help="last day on which it may sign", required=True),
        "proof": Field(kind=TEXT, help="the key's signature over itself and its owner", required=True),
    }
)
RING: Final = Record(
    fields={
        "medsnap": Field(kind=one_of("schema version", "1"), help="version of this language", required=True),
        "keyring": Field(kind=SLUG, help="its name", required=True),
        "version": Field(kind=NUMBER, help="whole number that only grows", required=True),
        "people": Field(
            kind=MapOf(key=PERSON, value=_PERSON), help="who signs with which key", required=True
        ),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RingKey:
    """One person's public key; `ssh` is set where OpenSSH signs."""

    person: str
    public: bytes
    text: str
    first: date
    last: date
    where: str
    ssh: SshKey | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ring:
    """A keyring; `digest` is the SHA-256 of the file as it is."""

    id: str
    version: int
    digest: str
    keys: Mapping[str, RingKey]

    def subject(self, before: str) -> signatures.Subject:
        """Return what is signed when this ring follows the ring of digest `before` ("" for none)."""
        return signatures.Subject(
            domain=signatures.RING, id=self.id, version=self.version, digest=self.digest, effective=before
        )


def is_ring(text: str) -> bool:
    """Say whether a text is a keyring and no policy."""
    return _HEAD.search(text) is not None


def load(path: Path) -> Ring:
    """Read a keyring file. Raises InputMissing, PolicyError with its findings."""
    from medsnap.policy.loading import read_text

    return load_text(read_text(path), str(path))


def lint(text: str, name: str) -> tuple[LintFinding, ...]:
    """List what is wrong with a keyring's text."""
    return tuple(_read(text, name)[0].findings)


def may_be_named(person: str) -> bool:
    """Say whether a keyring and a policy can name a person so."""
    return re.fullmatch(PERSON.pattern, person) is not None


def load_text(text: str, name: str) -> Ring:
    """Make a ring of a text. Raises PolicyError (E130 for weak, shared and unproven keys)."""
    reader, tree, keys = _read(text, name)
    if reader.findings or tree is None:
        first = reader.findings[0]
        raise PolicyError(
            f"the keyring has errors; the first: {first.code} {first.message}",
            where=f"{name}:{first.line}:{first.column}",
            hint="no signature counts before the keyring is mended",
            findings=tuple(reader.findings),
        )
    return Ring(
        id=_text(tree, "keyring"),
        version=int(_text(tree, "version")),
        digest=hashlib.sha256(text.encode("utf-8")).hexdigest(),
        keys=keys,
    )


def _read(text: str, name: str) -> tuple[Reader, Item | None, dict[str, RingKey]]:
    reader = Reader(name)
    node = reader.read(text)
    if node is None and not reader.findings:
        reader.complain(1, 1, "E107", "the file is empty; start with 'medsnap: 1'")
    tree = Walker(reader, Path(name).name).walk(node, RING) if node is not None else None
    people = tree.get("people") if tree else None
    return reader, tree, _keys(reader, people) if people else {}


def _text(item: Item, key: str) -> str:
    found = item.get(key)
    return str(found.value) if found else ""


def _keys(reader: Reader, people: Item) -> dict[str, RingKey]:
    keys: dict[str, RingKey] = {}
    owners: dict[bytes, str] = {}
    for person, item in people.entries():
        try:
            key = _key(person, item)
        except KeyRefused as refused:
            reader.complain(item.line, item.column, "E130", f"the key of '{person}': {refused.message}")
            continue
        if key is None:
            continue
        other = owners.setdefault(key.public, person)
        if other != person:
            reader.complain(item.line, item.column, "E130", f"'{person}' has the key of '{other}'")
        keys[person] = key
    return keys


def _key(person: str, item: Item) -> RingKey | None:
    """Make one person's key; None when a part is missing (already complained of). Raises KeyRefused."""
    first, last = item.get("from"), item.get("until")
    if first is None or last is None or not isinstance(first.value, date) or not isinstance(last.value, date):
        return None
    public, text, ssh = public_key(person, _text(item, "key"))
    key = RingKey(
        person=person, public=public, text=text, first=first.value, last=last.value, where=item.where, ssh=ssh
    )
    kind, _, encoded = _text(item, "proof").partition(" ")
    try:
        raw = base64.b64decode(encoded, validate=True)
    except ValueError:
        raw = b""
    # Without it somebody could list another's key as his own and have him sign twice.
    if not signatures.verify(key, kind, raw, proof_message(person, text)):
        raise KeyRefused("the proof does not show that he holds the key")
    return key


def public_key(person: str, text: str) -> tuple[bytes, str, SshKey | None]:
    """Read a public key: 32 bytes, its canonical text, and the OpenSSH key if it is one.

    Raises KeyRefused for weak, broken and foreign keys, and for a native key in another's name.
    """
    from medsnap.crypto.note import Verifier
    from medsnap.crypto.sshsig import SshKey

    if text.startswith(("ssh-", "sk-")):
        key = SshKey.parse(text)
        return key.public, key.text, key
    verifier = Verifier.parse(text)
    if verifier.name != person:
        raise KeyRefused(f"is made out to '{verifier.name}'")
    return verifier.public, verifier.vkey, None


def proof_message(person: str, key_text: str) -> bytes:
    """Return what a person signs to show that the key is his."""
    return signatures.framed(signatures.PROOF, person, key_text)


def entry(key: RingKey, kind: str, proof: bytes) -> str:
    """Write a person's lines for `people:` of a keyring."""
    encoded = base64.b64encode(proof).decode("ascii")
    lines = (f"key: {key.text}", f"from: {key.first}", f"until: {key.last}", f"proof: {kind} {encoded}")
    return "".join((f"  {key.person}:\n", *(f"    {line}\n" for line in lines)))
