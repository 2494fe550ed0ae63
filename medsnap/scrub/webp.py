"""Plan a WebP without metadata: an allow-list of chunks, coded frames as the same bytes (RFC 9649)."""

from __future__ import annotations

from medsnap.errors import Malformed, Unsupported
from medsnap.formats import riff, tiff
from medsnap.formats.embedded import without_prefix
from medsnap.formats.riff import Chunk
from medsnap.model.carrier import CarrierAction, CarrierKind, Reveals
from medsnap.model.photo import MediaType
from medsnap.model.rewrite import Buffer, Insert, Keep, Rewrite
from medsnap.scrub import icc
from medsnap.scrub.core import Assembly, ScrubKeep, tail_kind
from medsnap.scrub.exif import xmp_reveals
from medsnap.scrub.keep import Fresh, choose, note, payload, render

_CODED = (b"VP8 ", b"VP8L")


def plan(data: Buffer, media: MediaType, keep: ScrubKeep) -> Rewrite:
    """Plan the rewrite of a WebP. Raises Malformed, Unsupported, TooLarge."""
    view = riff.view(data)
    body = Assembly()
    extended = view.first(b"VP8X")
    fresh = choose(_first_exif(data, view, keep), keep)
    written = payload(fresh)
    profile = _profile(data, view, body, keep) if keep.icc else None
    animated = extended is not None and _flags(data, extended) & riff.ANIMATION_FLAG
    kept = _animation(data, view, body) if animated else _still(view, body)
    if profile is not None:
        kept.add(profile.start)
    if written:
        body.insert(riff.chunk_bytes(b"EXIF", written))
    for chunk in view.chunks:
        if chunk.start not in kept and chunk is not extended:
            _note(data, body, chunk, fresh if chunk is view.first(b"EXIF") else Fresh())
    if view.end < view.size:
        kind, reveals = tail_kind(data, view.end)
        body.carrier(kind, "after the RIFF form", view.end, view.size, reveals=(reveals,))
    head = _extended(data, view, exif=bool(written), profile=profile is not None)
    render(body, fresh)
    return _assemble(body, head, media, fresh.orientation)


def _assemble(body: Assembly, head: bytes, media: MediaType, orientation: int) -> Rewrite:
    """Put the RIFF header with the right size in front of the planned chunks."""
    out = Assembly(carriers=body.carriers, rendering=body.rendering)
    length = 4 + len(head) + sum(s.stop - s.start if isinstance(s, Keep) else len(s.data) for s in body.steps)
    out.insert(b"RIFF" + length.to_bytes(4, "little") + b"WEBP" + head)
    for step in body.steps:
        if isinstance(step, Insert):
            out.insert(step.data)
        else:
            out.keep(step.start, step.stop, coded=step.coded)
    out.render("orientation", str(orientation))
    return out.finish(media, orientation=orientation)


def _flags(data: Buffer, extended: Chunk) -> int:
    raw = riff.body(data, extended, 11)
    if len(raw) != 10:
        raise Malformed("VP8X has a wrong length", where=f"chunk VP8X, byte {extended.start}")
    return raw[0]


def _extended(data: Buffer, view: riff.View, *, exif: bool, profile: bool) -> bytes:
    """Return a fresh VP8X with true flags, or nothing where a simple file does (RFC 9649 2.7)."""
    old = view.first(b"VP8X")
    if old is None and not exif and not profile:
        return b""
    size = riff.canvas(data, view)
    if size is None or not all(size):
        raise Malformed("the size of the picture cannot be read", where="byte 12")
    keep = riff.ALPHA_FLAG | riff.ANIMATION_FLAG
    flags = _flags(data, old) & keep if old else riff.ALPHA_FLAG * riff.has_alpha(data, view)
    flags |= riff.ICC_FLAG * profile | riff.EXIF_FLAG * exif
    width, height = (n - 1 for n in size)
    content = bytes((flags, 0, 0, 0)) + width.to_bytes(3, "little") + height.to_bytes(3, "little")
    return riff.chunk_bytes(b"VP8X", content)


def _first_exif(data: Buffer, view: riff.View, keep: ScrubKeep) -> tiff.Tiff:
    chunk = view.first(b"EXIF")
    if chunk is None:
        return tiff.Tiff()
    return tiff.read(without_prefix(riff.body(data, chunk)), follow=keep.from_exif)


def _profile(data: Buffer, view: riff.View, body: Assembly, keep: ScrubKeep) -> Chunk | None:
    chunk = view.first(b"ICCP")
    content = riff.body(data, chunk) if chunk is not None else b""
    if chunk is None or not icc.usable(content):
        return None
    icc.check(content, f"chunk ICCP, byte {chunk.start}")
    fresh = content if keep.icc_text else icc.anew(content, f"chunk ICCP, byte {chunk.start}")
    action, says = CarrierAction.KEPT, (Reveals.RENDERING,)
    if fresh == content:
        _keep(body, chunk)
    else:
        body.insert(riff.chunk_bytes(b"ICCP", fresh))
        action = CarrierAction.REWRITTEN
    body.carrier(CarrierKind.ICC, "ICCP", chunk.start, chunk.stop, action=action, reveals=says)
    body.render("icc", icc.digest(fresh))
    return chunk


def _keep(body: Assembly, chunk: Chunk, *, coded: bool = False) -> None:
    """Keep a chunk as it is, but for the pad byte, which is written as zero."""
    body.keep(chunk.start, chunk.body_stop, coded=coded)
    body.insert(b"\x00" * (chunk.body_stop - chunk.start & 1))


def _still(view: riff.View, body: Assembly) -> set[int]:
    """Keep the picture: VP8L, or VP8 with the ALPH that stands before it."""
    beside = view.first(b"ANMF")
    if beside is not None:
        raise Unsupported("a still picture holds frames", where=f"chunk ANMF, byte {beside.start}")
    kept = _frame(view.chunks, body, allow_alpha=view.first(b"VP8X") is not None)
    if not kept:
        raise Malformed("the WebP holds no picture", where="byte 12")
    return kept


def _frame(chunks: tuple[Chunk, ...], body: Assembly, *, allow_alpha: bool) -> set[int]:
    alpha: Chunk | None = None
    if sum(c.type in _CODED for c in chunks) > 1:
        raise Unsupported("two pictures stand where one should", where=f"byte {chunks[0].start}")
    for chunk in chunks:
        if chunk.type == b"ALPH" and alpha is None and allow_alpha:
            alpha = chunk
        elif chunk.type in _CODED:
            if chunk.type == b"VP8L":
                alpha = None
            used = [c for c in (alpha, chunk) if c is not None]
            for part in used:
                _keep(body, part, coded=True)
            return {c.start for c in used}
    return set()


def _animation(data: Buffer, view: riff.View, body: Assembly) -> set[int]:
    """Keep ANIM and every ANMF, each with its frame and no other chunk (RFC 9649 2.7.1.1)."""
    control = view.first(b"ANIM")
    if control is None or control.body_stop - control.body != 6:
        raise Malformed("the animation has no ANIM chunk", where="chunk ANIM")
    _keep(body, control)
    kept = {control.start}
    for chunk in view.chunks:
        if chunk.type == b"ANMF":
            _animation_frame(data, body, chunk)
            kept.add(chunk.start)
    if len(kept) == 1:
        raise Malformed("the animation has no frame", where="chunk ANMF")
    return kept


def _animation_frame(data: Buffer, body: Assembly, chunk: Chunk) -> None:
    where = f"chunk ANMF, byte {chunk.start}"
    if chunk.body_stop - chunk.body < 24:
        raise Malformed("a frame of the animation is too short", where=where)
    head = riff.body(data, chunk, 16)
    parts = riff.chunks(data, chunk.body + 16, chunk.body_stop)
    inner = Assembly()
    used = _frame(parts, inner, allow_alpha=True)
    if not used:
        raise Unsupported("a frame of the animation holds no picture", where=where)
    length = 16 + sum(s.stop - s.start if isinstance(s, Keep) else len(s.data) for s in inner.steps)
    body.insert(b"ANMF" + length.to_bytes(4, "little") + head[:15] + bytes((head[15] & 3,)))
    for step in inner.steps:
        if isinstance(step, Insert):
            body.insert(step.data)
        else:
            body.keep(step.start, step.stop, coded=step.coded)
    for part in parts:
        if part.start not in used:
            _note(data, body, part, Fresh())


def _note(data: Buffer, body: Assembly, chunk: Chunk, fresh: Fresh) -> None:
    if chunk.type == b"EXIF":
        old = without_prefix(riff.body(data, chunk))
        note(body, fresh, old, "EXIF", span=(chunk.start, chunk.body_stop))
        return
    kind = CarrierKind.UNKNOWN
    says: tuple[Reveals, ...] = (Reveals.OTHER,)
    if chunk.type[:3] == b"XMP":
        kind, says = CarrierKind.XMP, xmp_reveals(riff.body(data, chunk, 1 << 20))
    elif chunk.type == b"C2PA":
        kind, says = CarrierKind.C2PA, (Reveals.HISTORY, Reveals.PERSON, Reveals.DEVICE)
    elif chunk.type == b"ICCP":
        kind = CarrierKind.ICC
    elif chunk.type in (*_CODED, b"ALPH", b"ANMF", b"ANIM"):
        kind, says = CarrierKind.SECONDARY_IMAGE, (Reveals.IMAGE,)
    body.carrier(kind, chunk.name, chunk.start, chunk.stop, reveals=says)
