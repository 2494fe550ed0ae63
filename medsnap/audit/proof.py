"""Proofs that an entry stands in the log, for people who have not got the log (C2SP tlog-proof)."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass

from medsnap.audit import checkpoint as heads
from medsnap.audit import merkle
from medsnap.audit.checkpoint import Checkpoint
from medsnap.audit.log import Log
from medsnap.crypto.note import Verifier
from medsnap.errors import KeyRefused, Malformed, Tampered

HEAD = "c2sp.org/tlog-proof@v1"
SUFFIX = ".tlog-proof"
MAX_BYTES = 1 << 20
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,17})", re.ASCII)
_MAX_HASHES = 64  # a tree of 2**63 entries has no longer path


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """An entry's place, its path to the root, and the checkpoint with that root.

    `extra` holds the entry itself, as the log has it: it is hashed, so it needs no trust.
    """

    index: int
    path: tuple[bytes, ...]
    checkpoint: Checkpoint
    extra: bytes


def make(log: Log, index: int, verifiers: Sequence[Verifier]) -> Proof:
    """Prove one entry under the log's current checkpoint, and try the proof. Raises Tampered.

    Raises ValueError for an index that the checkpoint does not cover.
    """
    head = log.head()
    if head is None or not 0 <= index < head.size:
        raise ValueError("needs an entry of the log")
    entry = next(log.entries(index))
    proof = Proof(index=index, path=log.inclusion_proof(index), checkpoint=head, extra=entry)
    try:
        return verify(encode(proof), verifiers)
    except (KeyRefused, Malformed) as broken:
        raise Tampered(broken.message, where="log/checkpoint") from None


def encode(proof: Proof) -> bytes:
    """Write a proof as the standard says."""
    lines = [HEAD, *([f"extra {_base64(proof.extra)}"] if proof.extra else []), f"index {proof.index}"]
    lines += map(_base64, proof.path)
    return ("\n".join(lines) + "\n\n").encode("ascii") + proof.checkpoint.note


def verify(data: bytes, verifiers: Sequence[Verifier]) -> Proof:
    """Read a proof and check signature and path; needs nothing but the log's public keys.

    Raises Malformed, KeyRefused when no known key signed the checkpoint, Tampered when the path
    does not lead to its root.
    """
    index, path, extra, note = _parse(data)
    head = heads.parse(note, verifiers)
    if not merkle.verify_inclusion(merkle.leaf_hash(extra), index, head.size, path, head.root):
        raise Tampered(f"the proof does not lead from entry {index} to the signed root", where="proof")
    return Proof(index=index, path=path, checkpoint=head, extra=extra)


def _parse(data: bytes) -> tuple[int, tuple[bytes, ...], bytes, bytes]:
    if len(data) > MAX_BYTES:
        raise Malformed("is too large for a proof", where="proof")
    front, gap, note = data.partition(b"\n\n")
    lines = front.decode("ascii", "replace").split("\n")
    if not gap or lines[0] != HEAD:
        raise Malformed("is no proof of a log (c2sp.org/tlog-proof@v1)", where="proof, line 1")
    extra, at = b"", 1
    if len(lines) > at and lines[at].startswith("extra "):
        extra, at = _unbase64(lines[at].removeprefix("extra "), at), at + 1
    found = _INDEX.fullmatch(lines[at]) if len(lines) > at else None
    if found is None:
        raise Malformed("the line with the index is missing", where=f"proof, line {at + 1}")
    hashes = lines[at + 1 :]
    if len(hashes) > _MAX_HASHES:
        raise Malformed("the path is too long", where="proof")
    path = tuple(_unbase64(text, n, merkle.HASH) for n, text in enumerate(hashes, start=at + 1))
    return int(found[1]), path, extra, note


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _unbase64(text: str, line: int, size: int | None = None) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        raw = b""
    if not raw or _base64(raw) != text or size not in (None, len(raw)):
        raise Malformed("this is no base 64 as it is written in proofs", where=f"proof, line {line + 1}")
    return raw
