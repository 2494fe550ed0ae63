"""A checkpoint as one line of text, to be kept where nobody who holds the vault can reach.

The line holds all of the signed note, so the note comes back from it byte for byte; in a mail, in a
syslog message, in a file, or typed from paper.

    medsnap-checkpoint/1 ORIGIN SIZE ROOT SIGNER+BASE64 … [ledger:SHA256]
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from medsnap.audit import checkpoint as heads
from medsnap.audit.checkpoint import Checkpoint
from medsnap.errors import Malformed

WORD = "medsnap-checkpoint/1"
_LEDGER = "ledger:"
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_DASH = "\N{EM DASH} "
_MAX_SIGNERS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipped:
    """A checkpoint's note, and the digest of the ledger of erasures at that time ("" without one)."""

    note: bytes
    ledger: str = ""


def line(head: Checkpoint, ledger: str = "") -> str:
    """Write a checkpoint as one line. Raises Malformed for a note that one line cannot hold."""
    body, _, signatures = head.note.decode("utf-8").partition("\n\n")
    words = [WORD, *body.split("\n")]
    words += [text.removeprefix(_DASH).replace(" ", "+", 1) for text in signatures.splitlines()]
    words += [_LEDGER + ledger] if ledger else []
    text = " ".join(words)
    if read(text) != Shipped(note=head.note, ledger=ledger):
        raise Malformed("this checkpoint has lines that medsnap does not write", where="log/checkpoint")
    return text


def read(text: str) -> Shipped | None:
    """Find the line in a text: a mail, a line of a syslog, a file. None when there is none.

    Mail programs break long lines and quote them; spaces, line ends and `>` mean nothing. The last
    line of several counts. Raises Malformed for one that is cut off. The note is NOT verified.
    """
    _, found, rest = text.rpartition(WORD)
    if not found:
        return None
    words = [word for raw in rest.split() if (word := raw.strip('>",;'))]  # of a mail, of JSON
    if len(words) < 4:
        raise Malformed("the checkpoint's line is cut off", where="checkpoint", hint="it ends in a signature")
    origin, size, root, *more = words
    signed: list[str] = []
    ledger = ""
    for word in more[: _MAX_SIGNERS + 1]:
        name, plus, signature = word.partition("+")
        if word.startswith(_LEDGER) and _DIGEST.fullmatch(word.removeprefix(_LEDGER)):
            ledger = word.removeprefix(_LEDGER)
            break
        if not plus or not _is_base64(signature):
            break  # what a mail or a log writes behind it
        signed.append(f"{_DASH}{name} {signature}\n")
    note = f"{origin}\n{size}\n{root}\n\n{''.join(signed)}".encode()
    heads.parse_unverified(note)
    if not signed:
        raise Malformed("the checkpoint's line has no signature", where="checkpoint")
    return Shipped(note=note, ledger=ledger)


def _is_base64(text: str) -> bool:
    try:
        return len(base64.b64decode(text, validate=True)) > 4  # a key id and a signature
    except ValueError:
        return False
