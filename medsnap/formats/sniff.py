"""The media type of a file, by its bytes and never by its name."""

from __future__ import annotations

from medsnap.model.photo import MediaType
from medsnap.model.rewrite import Buffer

_HEAD = 4096  # bytes looked at for the fixed signatures and the ftyp box
_BARE_MOVIE = frozenset({b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})  # QuickTime without ftyp
_TIFF_MAGIC = frozenset({b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+"})
_RAW_MAGIC = frozenset({b"IIRO", b"IIRS", b"MMOR", b"IIU\x00"})  # Olympus ORF, Panasonic RW2
_RAW_TAGS = frozenset({0x828D, 0x828E, 0x014A, 0x8845, 0xC640, 0x7000, 0x7010})  # CFA, CR2 slices, Sony
_RAW_PHOTOMETRIC = frozenset({32803, 34892})  # colour filter array, linear raw
_DNG_VERSION = 0xC612

# ISO/IEC 23008-12 annex B and C, AV1 image format 1.1: the major brand decides, then the compatible ones.
_BRANDS: dict[bytes, MediaType] = {
    b"avif": MediaType.AVIF,
    b"avis": MediaType.AVIF_SEQUENCE,
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis"), MediaType.HEIC),
    **dict.fromkeys((b"hevc", b"hevx", b"hevm", b"hevs", b"msf1"), MediaType.HEIF_SEQUENCE),
    b"crx ": MediaType.RAW,
    b"jp2 ": MediaType.JP2,
    b"jpx ": MediaType.JP2,
    b"jxl ": MediaType.JXL,
    b"qt  ": MediaType.MOV,
}
_ANY_HEIF = frozenset({b"mif1", b"mif2", b"mif3", b"miaf", b"MiHE", b"MiHB", b"MiAB", b"1pic"})


def sniff(data: Buffer) -> MediaType:
    """Return the media type by content; UNKNOWN for anything not listed in MediaType."""
    head = bytes(memoryview(data)[:_HEAD])
    if head.startswith(b"\xff\xd8\xff"):
        return MediaType.JPEG
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return MediaType.PNG
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return MediaType.WEBP
    if head[:6] in (b"GIF87a", b"GIF89a"):
        return MediaType.GIF
    if head[4:8] == b"ftyp":
        return _by_brand(head)
    if head[:4] in _TIFF_MAGIC:
        return _tiff(data)
    return _by_signature(head)


def _by_signature(head: bytes) -> MediaType:
    if head[:4] in _RAW_MAGIC or head.startswith((b"FUJIFILMCCD-RAW", b"FOVb")):
        return MediaType.RAW
    if head.startswith((b"\xff\x0a", b"\x00\x00\x00\x0cJXL \r\n\x87\n")):
        return MediaType.JXL
    if head.startswith((b"\x00\x00\x00\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51")):
        return MediaType.JP2
    if head[:2] == b"BM" and len(head) >= 26 and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return MediaType.BMP
    if head.startswith(b"%PDF-"):
        return MediaType.PDF
    if head.startswith(b"8BPS\x00"):
        return MediaType.PSD
    if head[4:8] in _BARE_MOVIE and len(head) >= 16:
        return MediaType.MOV
    return _foreign_clip(head)


def _foreign_clip(head: bytes) -> MediaType:
    """Name films that cameras write and medsnap does not scrub: one must not pass for no clip at all."""
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return MediaType.AVI
    if head.startswith(b"\x1a\x45\xdf\xa3"):  # EBML
        return MediaType.MATROSKA
    if head.startswith(b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"):
        return MediaType.ASF
    if head.startswith((b"\x00\x00\x01\xba", b"\x00\x00\x01\xb3")) or _transport(head):
        return MediaType.MPEG
    return MediaType.UNKNOWN


def _transport(head: bytes) -> bool:
    """Say whether packets of 188 bytes follow each other, or of 192 with a time before each (AVCHD)."""
    return any(
        all(head[at : at + 1] == b"G" for at in range(first, first + 4 * size, size))
        for first, size in ((0, 188), (4, 192))
    )


_BMP_HEADERS = frozenset({12, 16, 40, 52, 56, 64, 108, 124})


def _by_brand(head: bytes) -> MediaType:
    size = int.from_bytes(head[:4], "big")
    stop = min(len(head), max(size, 16))
    major = head[8:12]
    compatible = {head[at : at + 4] for at in range(16, stop - 3, 4)}
    if major in _BRANDS:
        return _BRANDS[major]
    if major in _ANY_HEIF or (compatible & _ANY_HEIF and not compatible & {b"isom", b"mp42", b"mp41"}):
        for brand in (b"avif", b"heic", b"heix", b"heim", b"heis"):
            if brand in compatible:
                return _BRANDS[brand]
        return MediaType.HEIF
    return MediaType.MOV if b"qt  " in compatible else MediaType.MP4


def _tiff(data: Buffer) -> MediaType:
    from medsnap.formats import tiff

    if bytes(memoryview(data)[8:10]) == b"CR":
        return MediaType.RAW  # Canon CR2 writes its own mark behind the TIFF header
    first = {e.tag: e for e in tiff.read(data, follow=False).entries}
    if _DNG_VERSION in first:
        return MediaType.DNG
    photometric = first.get(0x0106)
    if photometric is not None and photometric.integer in _RAW_PHOTOMETRIC:
        return MediaType.RAW
    if first.keys() & (_RAW_TAGS - {0x014A}):
        return MediaType.RAW
    make = first.get(0x010F)
    if make is not None and 0x014A in first and make.ascii.upper().startswith(_RAW_MAKERS):
        return MediaType.RAW  # NEF, ARW, PEF …: a reduced picture in IFD0, the raw one below SubIFDs
    return MediaType.TIFF


_RAW_MAKERS = ("NIKON", "SONY", "PENTAX", "SAMSUNG", "HASSELBLAD", "KODAK", "LEICA")
