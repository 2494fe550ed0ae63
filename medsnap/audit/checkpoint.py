"""Checkpoints: origin, size and root of the tree as a signed note (C2SP tlog-checkpoint)."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass

from medsnap.audit.merkle import HASH
from medsnap.crypto.note import Signer, Verifier, open_note, sign_note
from medsnap.errors import Malformed

_SIZE = re.compile(r"0|[1-9][0-9]{0,17}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A tree head, and the bytes of the note it came in."""

    origin: str
    size: int
    root: bytes
    note: bytes = b""
    signers: tuple[str, ...] = ()  # vkeys that were verified

    @property
    def text(self) -> str:
        """The note's text."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode('ascii')}\n"


def sign(origin: str, size: int, root: bytes, signers: Sequence[Signer]) -> Checkpoint:
    """Make a signed checkpoint."""
    head = Checkpoint(origin=origin, size=size, root=root)
    note = sign_note(head.text, signers)
    return Checkpoint(origin=origin, size=size, root=root, note=note, signers=tuple(s.vkey for s in signers))


def _parse_text(text: str, note: bytes, signers: tuple[str, ...]) -> Checkpoint:
    lines = text.split("\n")
    if len(lines) < 4 or not all(lines[:-1]) or not _SIZE.fullmatch(lines[1]):
        raise Malformed("the checkpoint has not the lines origin, size and root", where="checkpoint")
    try:
        root = base64.b64decode(lines[2], validate=True)
    except ValueError:
        root = b""
    if len(root) != HASH or base64.b64encode(root).decode("ascii") != lines[2]:
        raise Malformed("the root hash is no 32 bytes in base 64", where="checkpoint, line 3")
    return Checkpoint(origin=lines[0], size=int(lines[1]), root=root, note=note, signers=signers)


def parse_unverified(note: bytes) -> Checkpoint:
    """Read a checkpoint without judging its signatures; raise Malformed."""
    text, gap, _ = note.rpartition(b"\n\n")
    if not gap:
        raise Malformed("the checkpoint is no signed note", where="checkpoint")
    try:
        return _parse_text(text.decode("utf-8") + "\n", note, ())
    except UnicodeDecodeError:
        raise Malformed("the checkpoint is no UTF-8", where="checkpoint") from None


def parse(note: bytes, verifiers: Sequence[Verifier]) -> Checkpoint:
    """Read a checkpoint that a known key signed; raise Malformed, KeyRefused."""
    opened = open_note(note, verifiers)
    return _parse_text(opened.text, note, opened.signers)
