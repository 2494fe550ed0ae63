"""Plan a PNG or APNG without metadata: an allow-list of chunks, compressed picture data as the same bytes.

Each zlib stream is followed to its end: bytes behind it within IDAT or fdAT (an earlier, larger
picture, CVE-2023-21036) are cut, and the last chunk gets a new length and CRC.
"""

from __future__ import annotations

import zlib

from medsnap.errors import Malformed, TooLarge, Unsupported
from medsnap.formats import png, tiff
from medsnap.formats.embedded import png_exif, png_keyword, png_text
from medsnap.formats.png import Chunk
from medsnap.model.carrier import CarrierAction, CarrierKind, Reveals
from medsnap.model.photo import MediaType
from medsnap.model.rewrite import Buffer, Rewrite
from medsnap.scrub import exif, icc, png_streams
from medsnap.scrub.core import Assembly, ScrubKeep, tail_kind
from medsnap.scrub.keep import Fresh, choose, note, payload, render

# Ancillary chunks that rendering needs, with the lengths they may have (PNG 11.3). Each stands once,
# before IDAT.
_ONCE: dict[bytes, tuple[int, ...]] = {
    b"gAMA": (4,),
    b"cHRM": (32,),
    b"sRGB": (1,),
    b"cICP": (4,),
    b"mDCV": (24,),
    b"cLLI": (8,),
    b"sBIT": (1, 2, 3, 4),
    b"pHYs": (9,),
    b"bKGD": (1, 2, 6),
    b"acTL": (8,),
}
_MAX_RAW = 2 << 30  # bytes of scanlines: 200 MP of 16-bit RGB + alpha are 1.6 GB


def plan(data: Buffer, media: MediaType, keep: ScrubKeep) -> Rewrite:
    """Plan the rewrite of a PNG. Raises Malformed, Unsupported, TooLarge."""
    view = png.view(data)
    if view.header.raw_size() > _MAX_RAW:
        raise TooLarge("the picture has too many pixels", where="chunk IHDR, byte 8")
    out = Assembly()
    old = png_exif(data, view)
    first = tiff.read(old, follow=keep.from_exif) if old is not None else tiff.Tiff()
    fresh = choose(first, keep)
    streams = png_streams.find(data, view)
    out.insert(png.SIGNATURE)
    seen: set[bytes] = set()
    for chunk in view.chunks:
        if chunk.type == b"IEND":
            continue
        if chunk.type == b"PLTE" and view.header.colour != 3:
            # 11.2.2: in true colour it only suggests colours to old screens; no pixel depends on it.
            out.carrier(CarrierKind.UNKNOWN, "PLTE", chunk.start, chunk.stop, reveals=(Reveals.OTHER,))
        elif chunk.critical or chunk.start in streams.frames:
            _picture(data, out, chunk, streams)
        elif chunk.type == b"iCCP" and keep.icc and not seen & {b"iCCP", b"IDAT"}:
            _icc(data, out, chunk, keep)
        elif _wanted(data, chunk, seen, view, animated=streams.animated):
            out.keep(chunk.start, chunk.stop)
        else:
            _note(data, out, chunk, Fresh() if b"eXIf" in seen else fresh)
        seen.add(chunk.type)
        if chunk.type == b"IHDR" and (written := payload(fresh)):
            out.insert(png.chunk_bytes(b"eXIf", written))
    out.insert(png.chunk_bytes(b"IEND", b""))
    if view.end < view.size:
        kind, reveals = tail_kind(data, view.end)
        where = "after IEND" if view.has_iend else "behind the last whole chunk"
        out.carrier(kind, where, view.end, view.size, reveals=(reveals,))
    out.render("orientation", str(fresh.orientation))
    render(out, fresh)
    out.render("header", png.body(data, view.chunks[0]).hex())
    return out.finish(media, orientation=fresh.orientation)


def _picture(data: Buffer, out: Assembly, chunk: Chunk, streams: png_streams.Streams) -> None:
    """Keep IHDR, PLTE, IDAT, fcTL, fdAT; cut what stands behind the end of a zlib stream."""
    if not png.crc_ok(data, chunk):
        raise Malformed("the CRC of a chunk is wrong", where=f"chunk {chunk.name}, byte {chunk.start}")
    if chunk.type not in (b"IHDR", b"PLTE", b"IDAT", b"fcTL", b"fdAT"):
        raise Unsupported(f"the PNG holds {chunk.name}", where=f"chunk {chunk.name}, byte {chunk.start}")
    stop = streams.cut.get(chunk.start, chunk.body_stop)
    coded = chunk.type in (b"IDAT", b"fdAT")
    if stop == chunk.body_stop:
        out.keep(chunk.start, chunk.stop, coded=coded)
        return
    out.carrier(
        CarrierKind.TRAILER,
        f"{chunk.name} behind the zlib stream",
        stop,
        chunk.body_stop,
        reveals=(Reveals.IMAGE,),
    )
    if stop == chunk.body:
        return  # nothing of this chunk belongs to the picture
    out.insert((stop - chunk.body).to_bytes(4, "big") + chunk.type)
    out.keep(chunk.body, stop, coded=coded)
    out.insert(zlib.crc32(memoryview(data)[chunk.start + 4 : stop]).to_bytes(4, "big"))


def _wanted(data: Buffer, chunk: Chunk, seen: set[bytes], view: png.View, *, animated: bool) -> bool:
    """Say whether an ancillary chunk stays: known, first of its kind, in place, of its exact length."""
    if chunk.type in seen or b"IDAT" in seen or not png.crc_ok(data, chunk):
        return False
    length = chunk.body_stop - chunk.body
    if chunk.type == b"tRNS":
        limit = {0: (2,), 2: (6,), 3: range(1, 257)}.get(view.header.colour, ())
        return length in limit
    if chunk.type == b"acTL" and not animated:
        return False
    return length in _ONCE.get(chunk.type, ())


def _icc(data: Buffer, out: Assembly, chunk: Chunk, keep: ScrubKeep) -> None:
    """Keep the profile under a neutral name; its compressed bytes stay where they are sound."""
    content = png.body(data, chunk)
    name, _, rest = content.partition(b"\x00")
    profile, sound = png_streams.profile(rest[1:]) if rest[:1] == b"\x00" else (None, False)
    if profile is None or not icc.usable(profile) or not png.crc_ok(data, chunk):
        _note(data, out, chunk, Fresh())
        return
    icc.check(profile, f"chunk iCCP, byte {chunk.start}")
    body = chunk.body + len(name) + 2
    if not keep.icc_text:
        fresh = icc.anew(profile, f"chunk iCCP, byte {chunk.start}")
        sound, profile = sound and fresh == profile, fresh
    if sound and name == b"icc":
        out.keep(chunk.start, chunk.stop)
    elif sound:
        fresh = png.chunk_bytes(b"iCCP", b"icc\x00\x00" + rest[1:])
        out.insert(fresh[:13])
        out.keep(body, chunk.body_stop)
        out.insert(fresh[-4:])
    else:
        out.insert(png.chunk_bytes(b"iCCP", b"icc\x00\x00" + zlib.compress(profile, 9)))
    action = CarrierAction.KEPT if sound else CarrierAction.REWRITTEN
    out.carrier(CarrierKind.ICC, "iCCP", chunk.start, chunk.stop, action=action, reveals=(Reveals.RENDERING,))
    out.render("icc", icc.digest(profile))


_TEXT_KINDS: tuple[tuple[bytes, CarrierKind], ...] = (
    (b"XML:com.adobe.xmp", CarrierKind.XMP),
    (b"Raw profile type xmp", CarrierKind.XMP),
    (b"Raw profile type exif", CarrierKind.EXIF),
    (b"Raw profile type APP1", CarrierKind.EXIF),
    (b"Raw profile type iptc", CarrierKind.IPTC),
    (b"Raw profile type 8bim", CarrierKind.IPTC),
    (b"Raw profile type ic", CarrierKind.ICC),
)


def _note(data: Buffer, out: Assembly, chunk: Chunk, fresh: Fresh) -> None:
    if chunk.type == b"eXIf":
        old = png.body(data, chunk).removeprefix(exif.EXIF_PREFIX)
        note(out, fresh, old, "eXIf", span=(chunk.start, chunk.body_stop))
    elif chunk.type in (b"tEXt", b"zTXt", b"iTXt"):
        _note_text(data, out, chunk)
    elif chunk.type == b"tIME":
        out.carrier(CarrierKind.TIME, "tIME", chunk.start, chunk.stop, reveals=(Reveals.TIME,))
    elif chunk.type == b"caBX":
        says = (Reveals.HISTORY, Reveals.PERSON, Reveals.DEVICE)
        out.carrier(CarrierKind.C2PA, "caBX", chunk.start, chunk.stop, reveals=says)
    else:
        kind = CarrierKind.ICC if chunk.type == b"iCCP" else CarrierKind.UNKNOWN
        out.carrier(kind, chunk.name, chunk.start, chunk.stop, reveals=(Reveals.OTHER,))


def _text_reveals(data: Buffer, chunk: Chunk, kind: CarrierKind) -> tuple[Reveals, ...]:
    text = png_text(data, chunk)
    if kind is CarrierKind.XMP:
        return exif.xmp_reveals(text)
    old = png_streams.raw_exif(text)
    return exif.reveals(old) if old else (Reveals.OTHER,)


def _note_text(data: Buffer, out: Assembly, chunk: Chunk) -> None:
    keyword = png_keyword(data, chunk)
    kind = next((k for word, k in _TEXT_KINDS if keyword.startswith(word)), CarrierKind.TEXT)
    says: tuple[Reveals, ...] = (Reveals.PERSON,)
    if kind in (CarrierKind.XMP, CarrierKind.EXIF):
        says = _text_reveals(data, chunk, kind) if out.look() else (Reveals.OTHER,)
    elif keyword in (b"Creation Time", b"date:create", b"date:modify"):
        says = (Reveals.TIME,)
    out.carrier(kind, chunk.name, chunk.start, chunk.stop, reveals=says)
