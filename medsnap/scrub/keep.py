"""What a clinic may want to keep, chosen from the old Exif and written anew: time, make and model.

Nothing is copied: each value is read, checked against the one form it may have, and written into a
fresh Exif. What does not have that form is dropped.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime

from medsnap.formats import tiff
from medsnap.model.carrier import CarrierAction, CarrierKind, Reveals
from medsnap.scrub import exif
from medsnap.scrub.core import Assembly, ScrubKeep

_NAME = re.compile(r"[ -~]{1,64}")  # of a maker or a model: printable ASCII
_STAMP = re.compile(r"([12]\d{3})[:-](\d\d)[:-](\d\d)[ T](\d\d):(\d\d):(\d\d)(?!\d)")
_OFFSET = re.compile(r"[+-](0\d|1[0-4]):[0-5]\d")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fresh:
    """What the fresh Exif says. Empty fields are not written."""

    orientation: int = 1  # 1-8; 1 is not written
    adobe_rgb: bool = False
    make: str = ""
    model: str = ""
    taken: str = ""  # DateTimeOriginal, "YYYY:MM:DD hh:mm:ss"
    offset: str = ""  # OffsetTimeOriginal, "+01:00"

    @property
    def names(self) -> tuple[str, ...]:
        """Name what is kept beyond what rendering needs."""
        said = (("make", self.make), ("model", self.model), ("time", self.taken), ("offset", self.offset))
        return tuple(name for name, value in said if value)

    @property
    def reveals(self) -> tuple[Reveals, ...]:
        """Say what the copy still tells."""
        told = ((Reveals.TIME, self.taken), (Reveals.DEVICE, self.make or self.model))
        return tuple(what for what, value in told if value)


def choose(found: tiff.Tiff, keep: ScrubKeep, *, adobe_rgb: bool = False) -> Fresh:
    """Choose from the old Exif what goes into the fresh one."""
    device = keep.device == "keep"
    taken = _taken(found, day=keep.captured_at == "day") if keep.captured_at != "remove" else ""
    return Fresh(
        orientation=found.orientation if keep.orientation else 1,
        adobe_rgb=adobe_rgb,
        make=_text(found, "IFD0", 0x010F, _NAME) if device else "",
        model=_text(found, "IFD0", 0x0110, _NAME) if device else "",
        taken=taken,
        offset=_offset(found) if taken and keep.captured_at == "keep" else "",
    )


def _text(found: tiff.Tiff, ifd: str, tag: int, form: re.Pattern[str]) -> str:
    entry = found.get(ifd, tag)
    text = entry.ascii if entry is not None and entry.type == 2 else ""
    return text if form.fullmatch(text) else ""


def _offset(found: tiff.Tiff) -> str:
    return _text(found, "Exif", 0x9011, _OFFSET)


def _taken(found: tiff.Tiff, *, day: bool) -> str:
    """Return DateTimeOriginal; to the day, the clock reads 00:00:00, so that every reader gets the day."""
    entry = found.get("Exif", 0x9003)
    stamp = _STAMP.match(entry.ascii) if entry is not None and entry.type == 2 else None
    if stamp is None:
        return ""
    year, month, date, hour, minute, second = stamp.groups()
    try:
        datetime.fromisoformat(f"{year}-{month}-{date}T{hour}:{minute}:{second}")
    except ValueError:
        return ""  # a clock that was never set
    return f"{year}:{month}:{date} " + ("00:00:00" if day else f"{hour}:{minute}:{second}")


def payload(fresh: Fresh) -> bytes:
    """Write the fresh Exif without its prefix, in one canonical form; b"" where there is nothing to say.

    IFD0, Exif IFD, interoperability IFD, each with its long values behind it, big-endian (Exif 3.0, 4.6).
    """
    if fresh.orientation != 1 and fresh == Fresh(orientation=fresh.orientation):
        return exif.minimal(fresh.orientation)[len(exif.EXIF_PREFIX) :]
    interop = [(0x0001, 2, b"R03\x00")] if fresh.adobe_rgb else []
    inner = [(tag, 2, _ascii(text)) for tag, text in ((0x9003, fresh.taken), (0x9011, fresh.offset)) if text]
    if interop:
        inner += [(0xA001, 3, b"\xff\xff"), (0xA005, 4, bytes(4))]
    outer = [(tag, 2, _ascii(text)) for tag, text in ((0x010F, fresh.make), (0x0110, fresh.model)) if text]
    if fresh.orientation != 1:
        outer.append((tiff.ORIENTATION, 3, fresh.orientation.to_bytes(2, "big")))
    if inner:
        outer.append((0x8769, 4, bytes(4)))
    if not outer:
        return b""
    below = 8 + _size(outer)
    last = below + _size(inner)
    pointers = {0x8769: below, 0xA005: last}
    directories = ((8, outer), (below, inner), (last, interop))
    return b"MM\x00*\x00\x00\x00\x08" + b"".join(
        _directory(at, entries, pointers) for at, entries in directories if entries
    )


_Entry = tuple[int, int, bytes]  # tag, type, value
_WIDTH = {2: 1, 3: 2, 4: 4}


def _ascii(text: str) -> bytes:
    return text.encode("ascii") + b"\x00"


def _even(value: bytes) -> bytes:
    return value + bytes(len(value) & 1)


def _size(entries: list[_Entry]) -> int:
    if not entries:
        return 0
    return 6 + 12 * len(entries) + sum(len(_even(v)) for _, _, v in entries if len(v) > 4)


def _directory(at: int, entries: list[_Entry], pointers: dict[int, int]) -> bytes:
    made, behind = len(entries).to_bytes(2, "big"), b""
    place = at + 6 + 12 * len(entries)
    for tag, kind, value in entries:
        made += tag.to_bytes(2, "big") + kind.to_bytes(2, "big")
        made += (len(value) // _WIDTH[kind]).to_bytes(4, "big")
        if tag in pointers:
            made += pointers[tag].to_bytes(4, "big")
        elif len(value) <= 4:
            made += value.ljust(4, b"\x00")
        else:
            made += (place + len(behind)).to_bytes(4, "big")
            behind += _even(value)
    return made + bytes(4) + behind


def render(out: Assembly, fresh: Fresh) -> None:
    """Note what the fresh Exif says; of what is kept by wish, only the digest."""
    if fresh.adobe_rgb:
        out.render("colour", "Adobe RGB (R03)")
    if not fresh.names:
        return
    out.render("kept", ", ".join(fresh.names) + " " + hashlib.sha256(payload(fresh)).hexdigest())


def note(
    out: Assembly,
    fresh: Fresh,
    old: bytes,
    where: str,
    *,
    span: tuple[int, int],
    found: tiff.Tiff | None = None,
) -> None:
    """Note the Exif at source[span], whose payload is `old`, and what of it is kept by wish."""
    start, stop = span
    exif.note(out, old, where, start, stop, found=found, written=payload(fresh), told=fresh.reveals)
    if old != payload(fresh):
        note_kept(out, fresh, where, span=span)


def note_kept(out: Assembly, fresh: Fresh, where: str, *, span: tuple[int, int] = (0, 0)) -> None:
    """Note what is kept by wish, if anything is."""
    if fresh.names:
        action, says = CarrierAction.KEPT, fresh.reveals
        out.carrier(CarrierKind.EXIF, f"{where}, written anew", *span, action=action, reveals=says)
