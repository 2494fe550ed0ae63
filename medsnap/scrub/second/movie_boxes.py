"""Second reader of movies: small tools to eat boxes in the one order that is written."""

from __future__ import annotations

import sys
from array import array
from typing import Protocol

from medsnap.errors import NotClean
from medsnap.model.rewrite import Buffer
from medsnap.scrub.second.heif_tables import Eater


class Readable(Protocol):
    """A file that is looked at in stretches: bytes, a memoryview, or one that is not built yet."""

    def __len__(self) -> int:
        """Length in bytes."""

    def __getitem__(self, part: slice, /) -> Buffer:
        """Give a stretch."""


def following(eater: Eater) -> str:
    """Name the box that comes next; nothing at the end."""
    return bytes(eater.file[eater.at + 4 : eater.at + 8]).decode("latin-1") if eater.at < eater.end else ""


def maybe(eater: Eater, name: str) -> Eater | None:
    """Eat the box if it is this one."""
    return eater.named(name) if following(eater) == name else None


def column(raw: bytes, width: int) -> array[int]:
    """Read big-endian numbers of 4 or 8 bytes."""
    found = array({4: "I", 8: "Q"}[width], raw)
    if sys.byteorder == "little":
        found.byteswap()
    return found


def rows(eater: Eater, head: bytes, width: int) -> bytes:
    """Eat a table of counted rows behind a fixed head, to the end of its box."""
    eater.exactly(head)
    found = eater.take(eater.number(4) * width)
    eater.finish()
    return found


def span(file: Readable, at: int) -> tuple[str, int, int]:
    """Read a top-level box header: name, where its body begins, where it ends."""
    head = bytes(file[at : at + 16])
    size, body = int.from_bytes(head[:4], "big"), at + 8
    if size == 1 and len(head) == 16:
        size, body = int.from_bytes(head[8:], "big"), at + 16
        if size < 1 << 32:
            raise NotClean("a long size for a short box", where=f"byte {at}")
    if at + size > len(file) or size < body - at:
        raise NotClean("a box does not fit", where=f"byte {at}")
    return head[4:8].decode("latin-1"), body, at + size
