"""Read a scrubbed WebP byte by byte: nothing may stand in it that this reader does not expect.

Written from RFC 9649 apart from the rewriter; it shares no code with it or with medsnap.formats.
"""

from __future__ import annotations

from dataclasses import dataclass

from medsnap.errors import NotClean
from medsnap.model.photo import MediaType
from medsnap.model.rewrite import Buffer
from medsnap.scrub.second import exif, icc


@dataclass(frozen=True, slots=True)
class _Chunk:
    kind: bytes
    body: memoryview
    at: int


def account(data: Buffer, media: MediaType) -> tuple[tuple[str, str], ...]:
    """Account for every byte of a scrubbed WebP. Raises NotClean; returns what rendering depends on."""
    view = memoryview(data)
    if (
        media is not MediaType.WEBP
        or len(view) < 20
        or bytes(view[:4]) != b"RIFF"
        or bytes(view[8:12]) != b"WEBP"
    ):
        raise NotClean("this is no WebP", where="byte 0")
    if int.from_bytes(view[4:8], "little") + 8 != len(view):
        raise NotClean("the RIFF size is not the size of the file", where="byte 4")
    chunks = _split(view, 12)
    facts = {"orientation": "1"}
    if chunks[0].kind == b"VP8X":
        _extended(chunks, facts)
    elif len(chunks) != 1 or not _is_frame(chunks):
        raise NotClean("a simple WebP holds one picture and nothing else", where="byte 12")
    return tuple(facts.items())


def _split(view: memoryview, base: int) -> list[_Chunk]:
    chunks: list[_Chunk] = []
    at = base
    while at < len(view):
        length = int.from_bytes(view[at + 4 : at + 8], "little")
        stop = at + 8 + length
        padded = stop + (length & 1)
        if at + 8 > len(view) or padded > len(view):
            raise NotClean("a chunk reaches past the end", where=f"byte {at}")
        if padded != stop and view[stop] != 0:
            raise NotClean("a pad byte is not zero", where=f"byte {stop}")
        chunks.append(_Chunk(bytes(view[at : at + 4]), view[at + 8 : stop], at))
        at = padded
    return chunks


def _is_frame(chunks: list[_Chunk]) -> bool:
    """Say whether these chunks are one coded picture: VP8L, VP8, or ALPH and VP8."""
    kinds = [c.kind for c in chunks]
    if kinds not in ([b"VP8 "], [b"VP8L"], [b"ALPH", b"VP8 "]):
        return False
    body = chunks[-1].body
    if kinds[-1] == b"VP8L":
        return len(body) > 5 and body[0] == 0x2F and body[4] >> 5 == 0
    if len(body) <= 10 or bytes(body[3:6]) != b"\x9d\x01\x2a" or body[0] & 1:
        return False
    return len(kinds) == 1 or _is_alpha(chunks[0].body, body)


def _is_alpha(alpha: memoryview, frame: memoryview) -> bool:
    """Say whether transparency that is not compressed has a byte for each pixel and no more (2.7.1.2)."""
    if not alpha or alpha[0] >> 6:
        return False
    width, height = (int.from_bytes(frame[at : at + 2], "little") & 0x3FFF for at in (6, 8))
    return alpha[0] & 3 == 1 or len(alpha) == 1 + width * height


def _extended(chunks: list[_Chunk], facts: dict[str, str]) -> None:
    head, rest = chunks[0], chunks[1:]
    flags = head.body[0] if len(head.body) == 10 else 0xFF
    if flags & 0xC5 or any(head.body[1:4]):
        raise NotClean("VP8X claims XMP or sets reserved bits", where="byte 12")
    if bool(flags & 0x20) != bool(rest and rest[0].kind == b"ICCP"):
        raise NotClean("the ICC flag and the ICCP chunk disagree", where="byte 12")
    if flags & 0x20:
        _profile(rest.pop(0), facts)
    if bool(flags & 0x08) != bool(rest and rest[-1].kind == b"EXIF"):
        raise NotClean("the Exif flag and the EXIF chunk disagree", where="byte 12")
    if flags & 0x08:
        _exif(rest.pop(), facts)
    if flags & 0x02:
        _animation(rest)
    elif not _is_frame(rest):
        raise NotClean("something stands beside the picture", where=f"byte {rest[0].at if rest else 12}")


def _profile(chunk: _Chunk, facts: dict[str, str]) -> None:
    profile = bytes(chunk.body)
    size = int.from_bytes(profile[:4], "big")
    if profile[36:40] != b"acsp" or not 128 < size <= len(profile):
        raise NotClean("the colour profile is none", where=f"byte {chunk.at}")
    if len(profile) - size > 3 or profile[size:].strip(b"\x00"):
        raise NotClean("bytes follow the colour profile", where=f"byte {chunk.at}")
    facts.update(icc.facts("icc", profile))


def _exif(chunk: _Chunk, facts: dict[str, str]) -> None:
    said = exif.read(bytes(chunk.body))
    if said is None or "colour" in said:
        raise NotClean("the Exif holds more or other than it may", where=f"byte {chunk.at}")
    facts.update(said)


def _animation(chunks: list[_Chunk]) -> None:
    if len(chunks) < 2 or chunks[0].kind != b"ANIM" or len(chunks[0].body) != 6:
        raise NotClean("the animation lacks ANIM or frames", where="byte 12")
    for chunk in chunks[1:]:
        where = f"byte {chunk.at}"
        if chunk.kind != b"ANMF" or len(chunk.body) < 24 or chunk.body[15] & 0xFC:
            raise NotClean("something stands between the frames", where=where)
        if not _is_frame(_split(chunk.body, 16)):
            raise NotClean("a frame holds more than its picture", where=where)
