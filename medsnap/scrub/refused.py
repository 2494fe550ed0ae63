"""Formats that medsnap does not scrub: each is refused with what was seen in it, as far as that is cheap.

Nothing here decides; the list may miss what it does not look for, and says so by never saying "clean".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from medsnap.errors import MedsnapError, Unsupported
from medsnap.formats import embedded, tiff
from medsnap.model.carrier import Reveals
from medsnap.model.photo import MediaType
from medsnap.model.rewrite import Buffer, Rewrite
from medsnap.scrub import exif
from medsnap.scrub.core import ScrubKeep

_HEAD = 4 << 20  # bytes in which a packet or a box is looked for
_MAX_BOXES = 1000
_EXIF_BOX = b"JpgTiffExif->JP2"
_XMP_BOX = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_IPTC_BOX = bytes.fromhex("33c7a4d2b81d4723a0baf1a3e097ad38")
_CANON = (b"CMT1", b"CMT2", b"CMT3", b"CMT4")  # the Exif parts of a CR3, each a TIFF structure
_T = TypeVar("_T")
_Seen = Iterator[tuple[Reveals, ...]]


def plan(data: Buffer, media: MediaType, keep: ScrubKeep) -> Rewrite:
    """Refuse the file. Raises Unsupported, always."""
    _ = keep
    seen = seen_in(data, media)
    words = f"; seen in it: {', '.join(what.value for what in seen)}" if seen else ""
    hint = "seal it as it came with medsnap ingest, or convert it on the device"
    if media is MediaType.PDF:  # which ingest leaves where it is, too
        hint = "medsnap takes photos and clips only: file documents another way"
    raise Unsupported(f"medsnap cannot scrub {media.value}{words}", hint=hint)


def seen_in(data: Buffer, media: MediaType) -> tuple[Reveals, ...]:
    """Return what a file of these formats gives away, each once; () where nothing was recognised."""
    found: set[Reveals] = set()
    for says in (*_LOOKS.get(media, _nothing)(data), *_packet(data)):
        found.update(says)
    return tuple(what for what in Reveals if what in found - {Reveals.OTHER, Reveals.RENDERING})


def _nothing(_: Buffer) -> _Seen:
    return iter(())


def _packet(data: Buffer) -> _Seen:
    """Look for an XMP packet, wherever it stands."""
    head = bytes(memoryview(data)[:_HEAD])
    at = head.find(b"<x:xmpmeta")
    if at >= 0:
        stop = head.find(b"</x:xmpmeta>", at)
        yield exif.xmp_reveals(head[at : stop if stop > 0 else len(head)])


def _raw(data: Buffer) -> _Seen:
    view = memoryview(data)
    head = bytes(view[:16])
    if head[:2] in (b"II", b"MM"):  # Olympus and Panasonic write a version of their own
        version = b"\x2a\x00" if head[:2] == b"II" else b"\x00\x2a"
        yield exif.reveals(head[:2] + version + bytes(view[4:]))
    elif head.startswith(b"FUJIFILMCCD-RAW"):
        start = int.from_bytes(view[84:88], "big")
        payload = _quietly(lambda: embedded.exif(view[start:], MediaType.JPEG))
        if payload:
            yield exif.reveals(payload)
    elif head[4:8] == b"ftyp":
        whole = bytes(view[:_HEAD])
        for name in _CANON:
            at = whole.find(name)
            if at >= 4:
                size = int.from_bytes(whole[at - 4 : at], "big")
                says = exif.reveals(whole[at + 4 : at - 4 + size])
                yield (Reveals.PLACE,) if name == b"CMT4" and _has_place(whole[at + 4 :]) else says
        if whole.find(b"THMB") >= 0 or whole.find(b"PRVW") >= 0:
            yield (Reveals.THUMBNAIL,)


def _has_place(payload: bytes) -> bool:
    """Say whether the first directory, a GPS one, holds a latitude (tag 2)."""
    return any(e.tag == 2 and e.value.strip(b"\x00") for e in tiff.read(payload, follow=False).entries)


def _boxes(data: Buffer) -> _Seen:
    """Look into the boxes of JPEG XL and JPEG 2000 (ISO/IEC 18181-2, 15444-1 annex I)."""
    for kind, body in _top(memoryview(data)):
        if kind == b"Exif":
            yield exif.reveals(body[4 + int.from_bytes(body[:4], "big") :])
        elif kind == b"uuid" and body[:16] == _EXIF_BOX:
            yield exif.reveals(body[16:])
        elif kind in (b"xml ", b"brob") or body[:16] == _XMP_BOX:
            yield exif.xmp_reveals(body)
        elif body[:16] == _IPTC_BOX and kind == b"uuid":
            yield (Reveals.PERSON, Reveals.PLACE, Reveals.TIME)
        elif kind == b"jumb":
            yield (Reveals.HISTORY, Reveals.PERSON, Reveals.DEVICE)


def _top(view: memoryview) -> Iterator[tuple[bytes, bytes]]:
    """Yield type and content of the boxes of a file, each up to some MiB, as far as they can be read."""
    at = 0
    for _ in range(_MAX_BOXES):
        size, kind, head = int.from_bytes(view[at : at + 4], "big"), bytes(view[at + 4 : at + 8]), 8
        if size == 1:
            size, head = int.from_bytes(view[at + 8 : at + 16], "big"), 16
        stop = at + size if size else len(view)
        if not at + head <= stop <= len(view):
            return
        yield kind, bytes(view[at + head : min(stop, at + head + _HEAD)])
        at = stop


_WORDS: tuple[tuple[bytes, Reveals], ...] = (
    (b"/Author", Reveals.PERSON),
    (b"/Title", Reveals.PERSON),
    (b"/CreationDate", Reveals.TIME),
    (b"/ModDate", Reveals.TIME),
    (b"/Producer", Reveals.HISTORY),
    (b"/EmbeddedFile", Reveals.IMAGE),
)


def _document(data: Buffer) -> _Seen:
    whole = bytes(memoryview(data)[:_HEAD])
    yield tuple(what for word, what in _WORDS if word in whole)


def _quietly(look: Callable[[], _T]) -> _T | None:
    try:
        return look()
    except MedsnapError:
        return None


_LOOKS: dict[MediaType, Callable[[Buffer], _Seen]] = {
    MediaType.RAW: _raw,
    MediaType.JXL: _boxes,
    MediaType.JP2: _boxes,
    MediaType.PDF: _document,
}
