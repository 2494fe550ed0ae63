"""GIFs with every trap: what is added holds SECRET."""

from __future__ import annotations

from tests.builders.jpeg import SECRET, profile

PALETTE = bytes(range(0, 192, 16)) * 1  # four colours


def screen(width: int = 8, height: int = 6, *, version: bytes = b"GIF89a") -> bytes:
    """Header, logical screen descriptor and a global table of four colours."""
    size = width.to_bytes(2, "little") + height.to_bytes(2, "little")
    return version + size + b"\x91\x00\x00" + PALETTE


def sub_blocks(content: bytes, size: int = 255) -> bytes:
    """Cut content into data sub-blocks, with the terminator."""
    parts = (content[at : at + size] for at in range(0, len(content), size))
    return b"".join(bytes((len(p),)) + p for p in parts) + b"\x00"


def extension(label: int, content: bytes) -> bytes:
    """Any extension."""
    return b"\x21" + bytes((label,)) + sub_blocks(content)


def application(name: bytes, content: bytes) -> bytes:
    """An application extension; its name is a sub-block of its own."""
    return b"\x21\xff\x0b" + name + sub_blocks(content)


def control(delay: int = 10, *, flags: int = 0x04, index: int = 0) -> bytes:
    """A graphic control extension."""
    return extension(0xF9, bytes((flags,)) + delay.to_bytes(2, "little") + bytes((index,)))


def codes(pixels: bytes, *, minimum: int = 2, end: bool = True, clear: int = 2) -> bytes:
    """LZW data of literals only: a clear code before every `clear` pixels keeps the codes narrow."""
    start = 1 << minimum
    listed: list[int] = []
    for at in range(0, len(pixels), clear):
        listed += [start, *pixels[at : at + clear]]
    listed += [start + 1] * end
    whole = sum(code << (minimum + 1) * k for k, code in enumerate(listed))
    return whole.to_bytes(-(-(minimum + 1) * len(listed) // 8), "little")


def pixels(width: int = 8, height: int = 6, seed: int = 1) -> bytes:
    """Indices of a small pattern."""
    return bytes((x * 3 + y + seed) % 4 for y in range(height) for x in range(width))


def image(
    data: bytes | None = None,
    *,
    width: int = 8,
    height: int = 6,
    flags: int = 0,
    size: int = 255,
    seed: int = 1,
) -> bytes:
    """An image block; `data` are LZW bytes, cut into sub-blocks of `size`."""
    at = bytes(4) + width.to_bytes(2, "little") + height.to_bytes(2, "little")
    content = codes(pixels(width, height, seed)) if data is None else data
    return b"\x2c" + at + bytes((flags,)) + b"\x02" + sub_blocks(content, size)


def file(*blocks: bytes, tail: bytes = b"", version: bytes = b"GIF89a") -> bytes:
    """A whole file; `tail` stands behind the trailer."""
    return screen(version=version) + b"".join(blocks) + b"\x3b" + tail


LOOP = application(b"NETSCAPE2.0", b"\x01\x05\x00")
COMMENT = extension(0xFE, SECRET)
PLAIN = b"\x21\x01\x0c" + bytes(12) + sub_blocks(SECRET)
XMP = (
    b"\x21\xff\x0bXMP DataXMP" + b"<x:xmpmeta exif:GPSLatitude='1'>" + SECRET
    + b"\x01" + bytes(range(255, -1, -1)) + b"\x00"
)  # fmt: skip
PROFILE = application(b"ICCRGBG1012", profile())


def encoded(mode: str = "P", frames: int = 1, size: tuple[int, int] = (37, 29)) -> bytes:
    """A file as Pillow writes it, with a comment."""
    import io

    from PIL import Image

    out = io.BytesIO()
    first, *others = [
        Image.effect_noise(size, 20 * n).convert("RGB").quantize(40 + n) if mode == "P"
        else Image.effect_noise(size, 20 * n).convert(mode)
        for n in range(1, frames + 1)
    ]  # fmt: skip
    options = {"save_all": True, "append_images": others, "loop": 3, "duration": 70} if others else {}
    first.save(out, "GIF", comment=SECRET, **options)
    return out.getvalue()
