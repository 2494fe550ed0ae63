"""Plan a GIF without metadata: frames as the same bytes, with their timing, loop count and profile.

What stays is written anew but for colour tables and coded pixels: screen, controls, descriptors. Each
LZW stream is followed to its end, and what stands behind it is cut.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from medsnap.errors import Malformed, TooLarge, Unsupported
from medsnap.formats import gif
from medsnap.formats.gif import Block, Part
from medsnap.model.carrier import CarrierAction, CarrierKind, Reveals
from medsnap.model.photo import MediaType
from medsnap.model.rewrite import Buffer, Rewrite
from medsnap.scrub import exif, icc, lzw
from medsnap.scrub.core import Assembly, ScrubKeep, tail_kind

_LOOPS = (b"NETSCAPE2.0", b"ANIMEXTS1.0")
_PROFILE = b"ICCRGBG1012"
_MAX_PROFILE = 16 << 20  # bytes
_MAX_PIXELS = 4 << 30  # over all frames


@dataclass(slots=True)
class _State:
    out: Assembly = field(default_factory=Assembly)
    control: bytes = b""  # of the next image
    waiting: Block | None = None  # the block that gave it
    loop: bytes = b""
    profile: Block | None = None
    pixels: int = 0
    frames: int = 0
    empty: bool = True  # no frame has a coded byte
    shown: list[bytes] = field(default_factory=list)  # controls and descriptors, as written


def plan(data: Buffer, media: MediaType, keep: ScrubKeep) -> Rewrite:
    """Plan the rewrite of a GIF. Raises Malformed, Unsupported, TooLarge."""
    view = gif.view(data)
    if view.size > lzw.MAX_CODED:
        raise TooLarge("too much LZW data", where="byte 0")
    state = _State()
    out = state.out
    state.loop = _loop(data, view)
    out.keep(0, view.first)
    out.insert(state.loop)
    if keep.icc:
        _profile(data, view, state, keep)
    for block in view.blocks:
        if block.part is Part.IMAGE:
            _image(data, block, state)
        elif block.label == gif.CONTROL and block.part is Part.EXTENSION:
            _control(data, block, state)
        elif block is not state.profile and not _is_loop(data, block):
            _note(data, out, block)
    if state.empty:
        raise Malformed("the GIF holds no picture", where=f"byte {view.first}")
    out.insert(b"\x3b")
    _end(data, view, state)
    screen = bytes(memoryview(data)[: view.first])
    out.render("orientation", "1")
    out.render("screen", screen[: gif.HEAD].hex())
    out.render("frames", str(state.frames))
    out.render("colours, timing and places", hashlib.sha256(screen + b"".join(state.shown)).hexdigest())
    if state.loop:
        out.render("loop", str(int.from_bytes(state.loop[16:18], "little")))
    return out.finish(media)


def _is_loop(data: Buffer, block: Block) -> bool:
    return block.label == gif.APPLICATION and gif.joined(data, block, 12)[:11] in _LOOPS


def _loop(data: Buffer, view: gif.View) -> bytes:
    """Return the loop block, with nothing but its count: the last one in the file (as browsers take it)."""
    found = b""
    for block in view.blocks:
        if _is_loop(data, block):
            for start, stop in block.parts[1:]:
                if stop - start == 3 and data[start] & 7 == 1:
                    name = gif.joined(data, block, 11)
                    found = b"\x21\xff\x0b" + name + b"\x03\x01" + bytes(data[start + 1 : stop]) + b"\x00"
    return found


def _profile(data: Buffer, view: gif.View, state: _State, keep: ScrubKeep) -> None:
    """Keep the first colour profile that is one (ICC.1:2022 annex B.6)."""
    for block in view.blocks:
        if block.label != gif.APPLICATION or gif.joined(data, block, 11) != _PROFILE:
            continue
        where = f"application extension, byte {block.start}"
        if block.parts[0][1] - block.parts[0][0] != len(_PROFILE):
            raise Unsupported("the name of the profile block runs on", where=where)
        content = gif.joined(data, block, _MAX_PROFILE)[len(_PROFILE) :]
        if not icc.usable(content):
            continue
        if state.profile is not None:
            if bytes(data[block.start : block.stop]) != bytes(data[state.profile.start : state.profile.stop]):
                raise Unsupported("the GIF holds two colour profiles", where=where)
            continue
        icc.check(content, where)
        fresh = content if keep.icc_text else icc.anew(content, where)
        state.profile = block
        action, says = CarrierAction.KEPT, (Reveals.RENDERING,)
        if fresh == content:
            state.out.keep(block.start, block.stop)
        else:
            parts = (fresh[at : at + 255] for at in range(0, len(fresh), 255))
            cut = b"".join(bytes((len(part),)) + part for part in parts)
            state.out.insert(b"\x21\xff\x0b" + _PROFILE + cut + b"\x00")
            action = CarrierAction.REWRITTEN
        state.out.carrier(
            CarrierKind.ICC, "ICCRGBG1012", block.start, block.stop, action=action, reveals=says
        )
        state.out.render("icc", icc.digest(fresh))


def _control(data: Buffer, block: Block, state: _State) -> None:
    """Take a graphic control for the next image (GIF89a 23); what readers would disagree on is refused."""
    where = f"graphic control extension, byte {block.start}"
    content = bytes(data[block.parts[0][0] : block.parts[0][1]]) if block.parts else b""
    if len(content) < 4:
        raise Malformed("a graphic control is too short", where=where)
    if len(content) > 4 or len(block.parts) > 1:
        state.out.carrier(
            CarrierKind.UNKNOWN, "graphic control", block.start, block.stop, reveals=(Reveals.OTHER,)
        )
    fresh = bytes((content[0] & 0x1F,)) + content[1:4]
    if state.control and not _overrides(fresh[0], state.control[0]):
        raise Unsupported("two graphic controls of one frame differ", where=where)
    state.control, state.waiting = fresh, block


def _overrides(flags: int, before: int) -> bool:
    """Say whether readers agree that a control replaces the one before: some add up what both set."""
    return flags & 1 >= before & 1 and (bool(flags & 0x1C) or not before & 0x1C)


def _image(data: Buffer, block: Block, state: _State) -> None:
    where = f"image, byte {block.start}"
    descriptor = bytes(data[block.start : block.start + 10])
    width, height = (int.from_bytes(descriptor[k : k + 2], "little") for k in (5, 7))
    state.pixels += width * height
    state.frames += 1
    if state.pixels > _MAX_PIXELS or state.frames > gif.MAX_FRAMES:
        raise TooLarge("the GIF has too many frames or pixels", where=where)
    if not width or not height:
        raise Malformed("a frame has no pixels", where=where)
    head = b"\x21\xf9\x04" + state.control + b"\x00" if state.control else b""
    head += descriptor[:9] + bytes((descriptor[9] & 0xE7,))
    state.control, state.waiting = b"", None
    state.shown.append(head)
    state.out.insert(head)
    view = memoryview(data)
    end = lzw.gif_end((view[a:b] for a, b in block.parts), data[block.body], width * height, where)
    state.empty &= not end.used
    if not end.whole and block.whole and bytes(view[block.stop :]) != b"\x3b":
        raise Unsupported("a frame is short: readers go on in what follows", where=where)
    _pixels(block, end.used, state.out)


def _pixels(block: Block, used: int, out: Assembly) -> None:
    """Keep colour table and sub-blocks up to the end of the stream; the last one may get a new length."""
    at, stop = block.start + 10, block.body + 1
    for first, last in block.parts:
        stop = min(last, first + used)
        if stop < last:
            out.keep(at, first - 1, coded=True)
            out.insert(bytes((stop - first,)))
            at = first
        used -= stop - first
        if not used:
            break
    out.keep(at, stop, coded=True)
    out.insert(b"\x00")
    behind = block.stop - block.whole
    if stop < behind:
        says = (Reveals.OTHER,)
        out.carrier(CarrierKind.TRAILER, "behind the LZW stream", stop, behind, reveals=says)


def _end(data: Buffer, view: gif.View, state: _State) -> None:
    out = state.out
    if state.waiting is not None:
        block, says = state.waiting, (Reveals.OTHER,)
        out.carrier(CarrierKind.UNKNOWN, "graphic control of no frame", block.start, block.stop, reveals=says)
    if not view.has_trailer:
        out.render("end", "the trailer was missing and is written")
        if view.end < view.size:
            out.carrier(CarrierKind.UNKNOWN, "cut block", view.end, view.size, reveals=(Reveals.OTHER,))
    elif view.end < view.size:
        kind, reveals = tail_kind(data, view.end)
        out.carrier(kind, "after the trailer", view.end, view.size, reveals=(reveals,))


_APPLICATIONS: tuple[tuple[bytes, CarrierKind, tuple[Reveals, ...]], ...] = (
    (b"XMP Data", CarrierKind.XMP, ()),
    (b"ICCRGBG1", CarrierKind.ICC, (Reveals.OTHER,)),
    (b"C2PA_GIF", CarrierKind.C2PA, (Reveals.HISTORY, Reveals.PERSON, Reveals.DEVICE)),
)


def _note(data: Buffer, out: Assembly, block: Block) -> None:
    kind, name = CarrierKind.UNKNOWN, f"extension {block.label:02X}"
    says: tuple[Reveals, ...] = (Reveals.OTHER,)
    if block.part is Part.PADDING:
        kind, name = CarrierKind.PADDING, "between blocks"
    elif block.label == gif.COMMENT:
        kind, name, says = CarrierKind.COMMENT, "comment extension", (Reveals.PERSON,)
    elif block.label == gif.PLAIN_TEXT:
        kind, name, says = CarrierKind.TEXT, "plain text extension", (Reveals.PERSON,)
    elif block.label == gif.APPLICATION:
        head = gif.joined(data, block, 11)
        kind, name = CarrierKind.APPLICATION, "application extension"
        for prefix, known, reveals in _APPLICATIONS:
            if head.startswith(prefix):
                kind, says = known, reveals or _xmp(data, out, block)
    out.carrier(kind, name, block.start, block.stop, reveals=says)


def _xmp(data: Buffer, out: Assembly, block: Block) -> tuple[Reveals, ...]:
    if not out.look():
        return (Reveals.OTHER,)
    return exif.xmp_reveals(bytes(memoryview(data)[block.start : min(block.stop, block.start + (1 << 20))]))
