"""Types by content: the first bytes decide, never a name."""

from __future__ import annotations

import pytest

from medsnap.formats.sniff import sniff
from medsnap.model.photo import MediaType as M
from tests.builders import jpeg as j
from tests.builders import png as p
from tests.builders import webp as w


def ftyp(major: bytes, *compatible: bytes) -> bytes:
    content = major + bytes(4) + b"".join(compatible)
    return (8 + len(content)).to_bytes(4, "big") + b"ftyp" + content + bytes(32)


def raw(tag: int, value: int, *, make: bytes = b"NIKON CORPORATION") -> bytes:
    entries = [(0x010F, 2, len(make) + 1, make + b"\x00"), (tag, 4, 1, value.to_bytes(4, "big"))]
    return j.tiff(*entries)


CASES: dict[str, tuple[bytes, M]] = {
    "jpeg": (j.base(), M.JPEG),
    "png": (p.picture(), M.PNG),
    "webp": (w.riff(w.frame()), M.WEBP),
    "wave": (b"RIFF\x24\x00\x00\x00WAVEfmt ", M.UNKNOWN),
    "gif": (b"GIF89a" + bytes(20), M.GIF),
    "heic": (ftyp(b"heic", b"mif1", b"heic"), M.HEIC),
    "heic by compatible brand": (ftyp(b"mif1", b"mif1", b"heic"), M.HEIC),
    "heif of another codec": (ftyp(b"mif1", b"mif1", b"jpeg"), M.HEIF),
    "avif": (ftyp(b"avif", b"mif1", b"miaf"), M.AVIF),
    "avif by compatible brand": (ftyp(b"mif1", b"avif"), M.AVIF),
    "avif sequence": (ftyp(b"avis", b"avif", b"msf1"), M.AVIF_SEQUENCE),
    "heif sequence": (ftyp(b"hevc", b"msf1", b"mif1"), M.HEIF_SEQUENCE),
    "burst": (ftyp(b"msf1", b"hevc"), M.HEIF_SEQUENCE),
    "mp4": (ftyp(b"isom", b"iso2", b"avc1", b"mp41"), M.MP4),
    "mov": (ftyp(b"qt  ", b"qt  "), M.MOV),
    "mov without ftyp": (b"\x00\x00\x00\x08wide\x00\x00\x10\x00mdat", M.MOV),
    "cr3": (ftyp(b"crx ", b"crx ", b"isom"), M.RAW),
    "jp2": (b"\x00\x00\x00\x0cjP  \r\n\x87\n" + bytes(9), M.JP2),
    "jxl box": (b"\x00\x00\x00\x0cJXL \r\n\x87\n" + bytes(9), M.JXL),
    "jxl stream": (b"\xff\x0a\xfa\x1f", M.JXL),
    "bmp": (b"BM" + bytes(8) + b"\x36\0\0\0\x28\0\0\0" + bytes(40), M.BMP),
    "text that begins with BM": (b"BMW is a maker of cars, says the note", M.UNKNOWN),
    "pdf": (b"%PDF-1.7\n", M.PDF),
    "photoshop": (b"8BPS\0\1" + bytes(20), M.PSD),
    "avi": (b"RIFF\x00\x01\x00\x00AVI LIST", M.AVI),
    "matroska, webm": (b"\x1a\x45\xdf\xa3\x9f\x42\x86", M.MATROSKA),
    "windows media": (bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"), M.ASF),
    "mpeg program stream": (b"\x00\x00\x01\xba\x44", M.MPEG),
    "mpeg transport stream": ((b"G" + bytes(187)) * 4, M.MPEG),
    "avchd": ((bytes(4) + b"G" + bytes(187)) * 4, M.MPEG),
    "a transport stream that is cut short": ((b"G" + bytes(187)) * 3, M.UNKNOWN),
    "text that begins with G": (b"G" * 187, M.UNKNOWN),
    "sound": (b"RIFF\x00\x01\x00\x00WAVEfmt ", M.UNKNOWN),
    "tiff": (j.tiff((0x0106, 3, 1, j.short(2))), M.TIFF),
    "dng": (j.tiff((0xC612, 1, 4, b"\x01\x04\x00\x00")), M.DNG),
    "nef": (raw(0x014A, 0), M.RAW),
    "tiff with a sub-IFD of no camera maker": (raw(0x014A, 0, make=b"Scanner"), M.TIFF),
    "colour filter array": (j.tiff((0x0106, 3, 1, j.short(32803))), M.RAW),
    "cr2": (b"II*\x00\x10\x00\x00\x00CR\x02\x00" + bytes(20), M.RAW),
    "orf": (b"IIRO\x08\x00\x00\x00", M.RAW),
    "raf": (b"FUJIFILMCCD-RAW 0201", M.RAW),
    "empty": (b"", M.UNKNOWN),
    "text": (b"name;mrn\n", M.UNKNOWN),
    "zip": (b"PK\x03\x04" + bytes(30), M.UNKNOWN),
}


@pytest.mark.parametrize("name", CASES)
def test_type_by_content(name: str) -> None:
    data, media = CASES[name]
    assert sniff(data) is media
    assert sniff(memoryview(data)) is media
    assert sniff(bytearray(data)) is media
