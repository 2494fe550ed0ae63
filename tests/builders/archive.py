"""Archives with every trap, made byte by byte."""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
import zlib
from dataclasses import dataclass

FOLDER, LINK, DEVICE = 0o040755 << 16, 0o120777 << 16, 0o020666 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One member of a ZIP; every field can lie."""

    name: bytes = b"a.jpg"
    content: bytes = b""
    method: int = 8
    flags: int = 0
    outer: int = 0  # external attributes
    size: int | None = None
    packed: int | None = None
    crc32: int | None = None
    local_name: bytes | None = None
    data: bytes | None = None  # what stands in the archive
    header: int | None = None  # where the directory says that its header lies


def raw_deflate(content: bytes) -> bytes:
    """Compress as ZIP does."""
    made = zlib.compressobj(9, zlib.DEFLATED, -15)
    return made.compress(content) + made.flush()


def zipped(*parts: Part, tail: bytes = b"", between: bytes = b"") -> bytes:
    """A whole ZIP."""
    body, table = b"", b""
    for part in parts:
        data = raw_deflate(part.content) if part.method == 8 else part.content
        data = data if part.data is None else part.data
        size = len(part.content) if part.size is None else part.size
        packed = len(data) if part.packed is None else part.packed
        crc = zlib.crc32(part.content) if part.crc32 is None else part.crc32
        common = struct.pack("<HHHHIII", part.flags, part.method, 0, 0x5A21, crc, packed, size)
        local = part.name if part.local_name is None else part.local_name
        at = len(body) if part.header is None else part.header
        body += b"PK\x03\x04\x14\x00" + common + struct.pack("<HH", len(local), 0) + local + data
        table += b"PK\x01\x02\x14\x03\x14\x00" + common
        table += struct.pack("<HHHHHII", len(part.name), 0, 0, 0, 0, part.outer, at) + part.name
    body += between
    end = struct.pack("<HHHHIIH", 0, 0, len(parts), len(parts), len(table), len(body), len(tail))
    return body + table + b"PK\x05\x06" + end + tail


def library_zip(files: dict[str, bytes], *, stored: bool = False, wide: bool = False) -> bytes:
    """A ZIP as Python's own library writes it, maybe with zip64 fields and descriptors."""
    out = io.BytesIO()
    packing = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(out, "w", packing) as archive:
        for name, content in files.items():
            if wide:
                with archive.open(name, "w", force_zip64=True) as handle:
                    handle.write(content)
            else:
                archive.writestr(name, content)
    return out.getvalue()


def library_tar(files: dict[str, bytes], mode: str = "w", *, form: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar as Python's own library writes it; mode "w:gz" and its like compress."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode, format=form) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(content), 1_700_000_000
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def header(name: bytes = b"a.jpg", size: int = 0, kind: bytes = b"0", *, link: bytes = b"") -> bytes:
    """One tar header with its sum."""
    head = name.ljust(100, b"\x00") + b"0000644\x00" + b"0000000\x00" * 2 + b"%011o\x00" % size
    head += b"%011o\x00" % 1_700_000_000 + b" " * 8 + kind + link.ljust(100, b"\x00") + b"ustar\x0000"
    head = head.ljust(512, b"\x00")
    return head[:148] + b"%06o\x00 " % sum(head) + head[156:]


def member(name: bytes, content: bytes, kind: bytes = b"0") -> bytes:
    """One tar member with its padding."""
    return header(name, len(content), kind) + content + bytes(-len(content) % 512)


def pax(**records: bytes) -> bytes:
    """A pax header for the member that follows."""
    text = b""
    for key, value in records.items():
        rest = b" " + key.replace("_", ".").encode() + b"=" + value + b"\n"
        length = len(rest) + len(str(len(rest) + 2))
        text += str(length).encode() + rest
    return member(b"pax", text, b"x")
