"""Turn a JPEG upright, or make it baseline, without decoding it: only coefficients move.

A quarter turn of a picture is a transposed and mirrored block grid plus the same done inside each
8 x 8 block; mirroring a block flips the sign of its odd frequencies. No coefficient is computed
anew, so nothing is lost. jpeglib does the entropy coding; markers are written by us.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from medsnap.errors import Malformed, TooLarge, Unsupported
from medsnap.raster.jpeg_header import JpegHeader, Segment, read_header

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Blocks = NDArray[np.int16]  # [block row, block column, vertical, horizontal frequency]

MAX_PIXELS: Final = 200_000_000
_CODING = frozenset({0xC0, 0xC1, 0xC2, 0xC4, 0xDA, 0xDB, 0xDD})  # SOF0-2 DHT SOS DQT DRI
_SOS, _DQT = 0xDA, 0xDB
_JFIF = bytes.fromhex("ffe000104a46494600010100000100010000")  # 1.01, aspect ratio 1:1, no thumbnail
_YCBCR, _GREY = 3, 1  # J_COLOR_SPACE of libjpeg
_MARKER_ROOM = 1 << 16  # our own JFIF is the only marker that a bare stream holds
_OPTIMIZE_CODING = 1 << 6  # jpeglib's flag: Huffman tables made for this picture


@dataclass(frozen=True, slots=True)
class _Turn:
    transpose: bool
    mirror: bool  # left to right, after the transposition
    flip: bool  # top to bottom, after the transposition


# EXIF 2.32, tag 0x0112: how the stored raster has to be turned to stand upright.
_TURNS: Final = {
    1: _Turn(False, False, False),
    2: _Turn(False, True, False),
    3: _Turn(False, True, True),
    4: _Turn(False, False, True),
    5: _Turn(True, False, False),
    6: _Turn(True, True, False),
    7: _Turn(True, True, True),
    8: _Turn(True, False, True),
}


def upright(data: bytes, orientation: int) -> bytes:
    """Return a baseline JPEG (SOF0) whose stored raster stands upright, without any loss.

    `orientation` is EXIF's 1-8; the colour profile and a YCbCr Adobe marker are kept, no other
    metadata is. Raises Unsupported where a loss would be needed (an edge block that is not full,
    16-bit tables, RGB, CMYK, 12 bit, arithmetic coding) or jpeglib is absent; Malformed; TooLarge.
    """
    if orientation not in _TURNS:
        raise Unsupported(f"orientation {orientation} is none of 1 to 8", where="JPEG orientation")
    header = read_header(data)
    refuse_unusual(header)
    turn = _TURNS[orientation]
    _refuse_partial_blocks(header, turn)
    planes, tables = _read(_bare(data, header), header)
    turned = [_turn_blocks(p, turn) for p in planes]
    turned_tables = [t.T if turn.transpose else t for t in tables]
    size = (header.width, header.height) if turn.transpose else (header.height, header.width)
    factors = [(c.h, c.v) if turn.transpose else (c.v, c.h) for c in header.components]
    if len(factors) == 1:
        factors = [(1, 1)]  # a single component has no neighbours to be sampled against
    coded = _write(turned, turned_tables, size, factors)
    result = _finish(coded, data, header)
    _prove(result, turned, turned_tables)
    return result


def refuse_unusual(header: JpegHeader) -> None:
    """Raise Unsupported for JPEGs outside 8-bit Huffman grey or YCbCr, naming the reason."""
    if header.sof not in {0, 1, 2}:
        raise Unsupported(
            f"a JPEG of kind SOF{header.sof} (lossless, hierarchical or arithmetic)", where="JPEG SOF"
        )
    if header.precision != 8:
        raise Unsupported(f"a JPEG of {header.precision} bits a sample", where="JPEG SOF")
    if len(header.components) == 4:
        raise Unsupported("a JPEG in CMYK colours", where="JPEG SOF")
    if len(header.components) not in {1, 3}:
        raise Unsupported(f"a JPEG of {len(header.components)} components", where="JPEG SOF")
    if header.rgb_coded or header.adobe not in {None, 0, 1}:
        raise Unsupported("a JPEG coded as RGB instead of YCbCr", where="JPEG APP14")
    if header.width * header.height > MAX_PIXELS:
        raise TooLarge(f"more than {MAX_PIXELS // 1_000_000} million pixels", where="JPEG SOF")


def _refuse_partial_blocks(header: JpegHeader, turn: _Turn) -> None:
    grey = len(header.components) == 1
    across = 8 * (1 if grey else max(c.h for c in header.components))
    down = 8 * (1 if grey else max(c.v for c in header.components))
    # An edge that is cut inside a block may stay right or bottom, never become left or top.
    mirrored, flipped = (turn.flip, turn.mirror) if turn.transpose else (turn.mirror, turn.flip)
    for wanted, length, block, name in (
        (mirrored, header.width, across, "wide"),
        (flipped, header.height, down, "high"),
    ):
        if wanted and length % block:
            raise Unsupported(
                f"the picture cannot be turned without loss: it is {length} pixels {name},"
                f" no multiple of its block of {block}",
                where="JPEG SOF",
            )


def _bare(data: bytes, header: JpegHeader) -> bytes:
    """Return only what decoding needs: libjpeg's own marker handling sees nothing foreign."""
    kept = [data[s.start : s.stop] for s in header.segments if s.marker in _CODING]
    return b"".join([b"\xff\xd8", _JFIF, *kept, b"\xff\xd9"])


def _turn_blocks(blocks: Blocks, turn: _Turn) -> Blocks:
    import numpy as np

    turned = blocks.transpose(1, 0, 3, 2) if turn.transpose else blocks
    signs = np.ones(8, np.int16)
    signs[1::2] = -1
    if turn.mirror:
        turned = turned[:, ::-1] * signs
    if turn.flip:
        turned = turned[::-1] * signs[:, None]
    return np.ascontiguousarray(turned, np.int16)


def _library() -> Any:
    """Return jpeglib's C functions: its Python layer prints paths and spills pixels to disk."""
    try:
        from jpeglib._bind import CJpegLib
    except ImportError as absent:
        raise Unsupported(
            "the picture can only be turned without loss by jpeglib, which is not installed",
            hint="install it with: pip install 'medsnap[dct]'",
        ) from absent
    return CJpegLib.get()


@contextmanager
def _memory_file(data: bytes = b"") -> Iterator[Path]:
    """Give a path to bytes that never reach a disk (Linux), else a file in a private folder."""
    if hasattr(os, "memfd_create") and Path("/proc/self/fd").is_dir():
        descriptor = os.memfd_create("medsnap", os.MFD_CLOEXEC)
        with os.fdopen(descriptor, "r+b") as handle:
            handle.write(data)
            handle.flush()
            yield Path(f"/proc/self/fd/{descriptor}")
        return
    with tempfile.TemporaryDirectory(prefix="medsnap-") as folder:  # mode 0700
        path = Path(folder) / "picture.jpg"
        path.write_bytes(data)
        yield path


def _grid(header: JpegHeader) -> list[tuple[int, int]]:
    """Blocks down and across of each component (T.81 A.1.1 and A.2.4)."""
    tallest, widest = max(c.v for c in header.components), max(c.h for c in header.components)
    return [
        (-(-header.height * c.v // (8 * tallest)), -(-header.width * c.h // (8 * widest)))
        for c in header.components
    ]


def _read(stream: bytes, header: JpegHeader) -> tuple[list[Blocks], list[NDArray[np.uint16]]]:
    """Read the coefficients of each component and its quantisation table, both as 8 x 8."""
    import ctypes

    import numpy as np

    planes = [np.zeros((rows, columns, 8, 8), np.int16) for rows, columns in _grid(header)]
    tables = np.zeros((4, 8, 8), np.uint16)
    numbers = np.zeros(4, np.int16)
    pointers = [ctypes.c_void_p(p.ctypes.data) for p in planes] + [None] * (4 - len(planes))
    library = _library()
    with _memory_file(stream) as path:
        # read_jpeg_dct closes a file it never opened when the header is broken; this call does not
        good = library.read_jpeg_markers(os.fsencode(path), ctypes.create_string_buffer(_MARKER_ROOM))
        good = good and library.read_jpeg_dct(
            os.fsencode(path), *pointers,
            ctypes.c_void_p(tables.ctypes.data), ctypes.c_void_p(numbers.ctypes.data),
        )  # fmt: skip
    if not good:
        raise Malformed("the coded picture data cannot be read", where="JPEG SOS")
    return planes, [tables[numbers[i]] for i in range(len(planes))]


def _write(
    planes: list[Blocks],
    tables: list[NDArray[np.uint16]],
    size: tuple[int, int],
    factors: list[tuple[int, int]],
) -> bytes:
    """Write coefficients as one baseline scan; `size` is height, width; `factors` are v, h."""
    import ctypes

    import numpy as np

    shared = len(tables) == 3 and bool((tables[1] == tables[2]).all())
    slots = [0, 1, 1] if shared else list(range(len(tables)))
    quant = np.ascontiguousarray(np.stack(tables), np.uint16)
    numbers = np.array((slots + [-1] * 4)[:4], np.int16)
    grid = np.array([p.shape[:2] for p in planes], np.int32)
    sampling = np.array(factors, np.int32)
    pointers = [ctypes.c_void_p(p.ctypes.data) for p in planes] + [None] * (4 - len(planes))
    with _memory_file() as path:
        good = _library().write_jpeg_dct(
            None, os.fsencode(path), *pointers,
            (ctypes.c_int * 2)(*size), ctypes.c_void_p(grid.ctypes.data),
            ctypes.c_void_p(sampling.ctypes.data), _YCBCR if len(planes) == 3 else _GREY, len(planes),
            ctypes.c_void_p(quant.ctypes.data), -1, ctypes.c_void_p(numbers.ctypes.data),
            0, None, None, None, ctypes.c_uint(_OPTIMIZE_CODING), ctypes.c_uint(0xFFFFFFFF),
        )  # fmt: skip
        coded = path.read_bytes()
    if not good:
        raise Unsupported("the turned picture could not be coded", where="JPEG SOS")
    return coded


def _finish(coded: bytes, source: bytes, header: JpegHeader) -> bytes:
    """Put JFIF, the colour profile and the Adobe marker before the coding segments."""
    made = read_header(coded)
    if made.sof != 0:
        raise Unsupported("the picture's tables do not fit a baseline JPEG", where="JPEG DQT")
    ids = {c.id: number for number, c in enumerate(made.components, 1)}
    parts = [b"\xff\xd8", _JFIF]
    parts += [source[s.start : s.stop] for s in header.segments if _is_icc(source, s)]
    if header.adobe == 1:
        parts.append(bytes.fromhex("ffee000e4164 6f6265 0064 0000 0000 01"))
    parts += [_renumbered(coded, s, ids) for s in made.segments if s.marker in _CODING]
    return b"".join([*parts, b"\xff\xd9"])


def _is_icc(data: bytes, segment: Segment) -> bool:
    return segment.marker == 0xE2 and data[segment.start + 4 : segment.start + 16] == b"ICC_PROFILE\0"


def _renumbered(data: bytes, segment: Segment, ids: dict[int, int]) -> bytes:
    """Give the components the numbers 1 to 3 that JFIF demands (jpeglib counts from 0)."""
    raw = bytearray(data[segment.start : segment.stop])
    if 0xC0 <= segment.marker <= 0xC2:
        positions = range(10, 10 + 3 * raw[9], 3)
    elif segment.marker == _SOS:
        positions = range(5, 5 + 2 * raw[4], 2)
    else:
        return bytes(raw)
    for at in positions:
        raw[at] = ids[raw[at]]
    return bytes(raw)


def _prove(result: bytes, planes: list[Blocks], tables: list[NDArray[np.uint16]]) -> None:
    """Read the result again: every coefficient and table must be the one that was meant."""
    header = read_header(result)
    again, tables_again = _read(_bare(result, header), header)
    same = len(again) == len(planes) and all(
        a.shape == p.shape and bool((a == p).all()) and bool((t == u).all())
        for a, p, t, u in zip(again, planes, tables_again, tables, strict=True)
    )
    if not same:
        raise Unsupported("the turned picture does not hold the same coefficients", where="JPEG SOS")
