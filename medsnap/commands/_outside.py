"""A checkpoint that was kept outside the vault, in whichever form it left it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from medsnap.commands._shared import Io
from medsnap.errors import InputMissing, UsageError

_MAX = 1 << 20

SinceOption = Annotated[
    str | None,
    typer.Option(
        "--since",
        metavar="FILE|LINE",
        help="A checkpoint of this log that was kept elsewhere: a file, or the line itself.",
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """A note, not verified, and the digest of the ledger that left with it ("" without one)."""

    note: bytes
    ledger: str = ""


def outside(io: Io, since: str | None, vault: Path) -> Outside | None:
    """Read the checkpoint: a signed note, or a text with a checkpoint's line.

    Raises InputMissing, UsageError, Malformed for a line that is cut off.
    """
    from medsnap.audit import shipped

    if since is None:
        return None
    data = since.encode("utf-8", "replace") if shipped.WORD in since else _file(io, Path(since), vault)
    line = shipped.read(_text(data).decode("utf-8", "replace"))
    return Outside(note=line.note, ledger=line.ledger) if line is not None else Outside(note=data)


def _file(io: Io, path: Path, vault: Path) -> bytes:
    if path.resolve().is_relative_to(vault.resolve()):
        io.warn("this checkpoint lies in the vault itself, so it proves nothing; keep one elsewhere")
    try:
        with path.open("rb") as handle:
            data = handle.read(_MAX + 1)
    except OSError as failure:
        raise InputMissing(f"the checkpoint cannot be read: {failure.strerror}", where=str(path)) from failure
    if len(data) > _MAX:
        raise UsageError(
            "this file is too large for a checkpoint", where=str(path), hint="give the line itself"
        )
    return data


def _text(data: bytes) -> bytes:
    """Return the text of a mail that was saved as it came; other files are what they are.

    Mail programs write a long line as quoted-printable or base64.
    """
    if b"content-transfer-encoding:" not in data.lower():
        return data
    from email import message_from_bytes

    try:
        parts = [part for part in message_from_bytes(data).walk() if part.get_content_type() == "text/plain"]
        texts = [part.get_payload(decode=True) for part in parts]
    except RecursionError:  # parts within parts, thousands of them
        return data
    return b"\n".join(text for text in texts if isinstance(text, bytes)) or data
