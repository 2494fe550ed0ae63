"""Plan a DNG without metadata: one directory with the raw picture and what rendering needs.

Previews, thumbnails, maker notes and the Exif go; the tags of the first directory move to the raw one.
Whatever may change the picture and is not understood is refused.
"""

from __future__ import annotations

from dataclasses import dataclass

from medsnap.errors import Malformed, Unsupported
from medsnap.formats import tiff as tolerant
from medsnap.formats import tiff_file
from medsnap.formats.tiff_file import Directory, View
from medsnap.model.photo import MediaType
from medsnap.model.rewrite import Buffer, Rewrite
from medsnap.scrub import icc, tiff, tiff_carriers, tiff_jpeg, tiff_page, tiff_write
from medsnap.scrub import tiff_dng_tags as dng
from medsnap.scrub import tiff_tags as tags
from medsnap.scrub.core import Assembly, ScrubKeep
from medsnap.scrub.tiff_page import Picture
from medsnap.scrub.tiff_tags import Tags, Value
from medsnap.scrub.tiff_write import Page

_COMPRESSIONS = frozenset({tiff_page.UNCOMPRESSED, tiff_page.JPEG, tiff_page.DEFLATE, tiff_page.DEFLATE_OLD})
_RAW = frozenset({32803, 34892})
_HINT = "seal it as it came with medsnap ingest, or convert it with the maker's program"
_SUBFILES = {4: "transparency mask", 8: "depth map", 16: "enhanced picture", 0x10004: "semantic mask"}


@dataclass(frozen=True, slots=True)
class _Found:
    first: Tags
    raw: Tags
    name: str  # of the directory of the raw picture


def plan(data: Buffer, media: MediaType, keep: ScrubKeep) -> Rewrite:
    """Plan the rewrite of a DNG. Raises Malformed, Unsupported, TooLarge."""
    view = tiff_file.view(data)
    out = Assembly()
    found = _find(data, view, out)
    _refuse(found)
    picture = tiff_page.picture(found.raw, _COMPRESSIONS, _RAW, len(data))
    values = _values(data, found, picture, keep, out)
    page = Page(values, tiff.blocks(data, picture, tiff_jpeg.LOSSLESS, out), picture.tiled)
    for unit, block in zip(picture.units, page.blocks, strict=True):
        if block.size != unit.stop - unit.start:  # raw data are not touched: a maker's reader may want them
            raise Unsupported(
                "the raw data hold more than the picture", where=f"byte {unit.start}", hint=_HINT
            )
    tiff_carriers.note_exif(data, tolerant.read(data), out)
    tiff_write.write(view.header, [page], out)
    return tiff.finish(out, view, [page], media)


def _find(data: Buffer, view: View, out: Assembly) -> _Found:
    """Find the one raw picture among the main chain and the SubIFDs of its directories."""
    first = Tags(data, view.header, view.chain[0], dng.GLOBAL)
    raw: list[tuple[str, Tags]] = []
    for name, directory in _all(data, view):
        found = Tags(data, view.header, directory, dng.RAW)
        subfile = found.number(tags.SUBFILE, 0)
        if subfile & 1:
            if directory is not view.chain[0]:
                tiff_carriers.note_directory(directory, name, out, reduced=True)
        elif subfile:
            what = _SUBFILES.get(subfile, f"picture of kind {subfile}")
            raise Unsupported(f"the DNG holds a {what}", where=f"{name}, byte {directory.start}", hint=_HINT)
        else:
            raw.append((name, found))
    if len(raw) != 1:
        raise Unsupported(f"the DNG holds {len(raw)} full pictures", where="byte 8", hint=_HINT)
    return _Found(first, raw[0][1], raw[0][0])


def _all(data: Buffer, view: View) -> list[tuple[str, Directory]]:
    found = [(f"IFD{number}", directory) for number, directory in enumerate(view.chain)]
    for name, directory in tuple(found):
        field = directory.get(tags.SUB_DIRECTORIES)
        if field is None:
            continue
        if field.count > 64:
            raise Unsupported("the DNG holds too many pictures", where=tiff_file.where(field))
        for number, offset in enumerate(tiff_file.numbers(data, view.header, field)):
            below = tiff_file.directory(data, view.header, offset)
            if below.get(tags.SUB_DIRECTORIES) is not None or any(d.start == offset for _, d in found):
                raise Unsupported("the pictures of the DNG are nested", where=f"directory, byte {offset}")
            found.append((f"{name} SubIFD{number}", below))
    return found


def _refuse(found: _Found) -> None:
    """Refuse a tag that may change the picture and is not understood."""
    for held in (found.first, found.raw):
        tiff.check_values(held.directory)
        for tag, field in held.fields.items():
            known = tag in dng.GLOBAL or tag in dng.RAW or tag in dng.SILENT
            if tag in dng.NUMBERS and not known:
                raise Unsupported(
                    f"tag {tag} of the DNG may change the picture",
                    where=tiff_file.where(field),
                    hint=_HINT,
                )
    camera, profile = (
        tiff_file.value(found.first.data, f).split(b"\x00")[0] if f is not None else b""
        for f in map(found.first.fields.get, (dng.CAMERA_SIGNATURE, dng.PROFILE_SIGNATURE))
    )
    if camera != profile:
        raise Unsupported(
            "the calibration of the camera is not that of the profile", where="IFD0", hint=_HINT
        )


def _values(
    data: Buffer, found: _Found, picture: Picture, keep: ScrubKeep, out: Assembly
) -> tuple[Value, ...]:
    values: dict[int, Value] = {}
    for tag, field in found.raw.fields.items():
        value = found.raw.value(tag, picture.shape)
        if value is not None:
            values[tag] = value
        elif tag not in tags.PLACES and tag not in dng.GLOBAL:
            tiff_carriers.note_field(data, field, found.name, out)
    for held in (found.raw, found.first):  # the first directory wins
        globals_ = Tags(data, held.header, held.directory, dng.GLOBAL)
        for tag in globals_.fields:
            value = globals_.value(tag, picture.shape)
            if value is not None and (tag != tags.ORIENTATION or keep.orientation):
                values[tag] = value
    if found.first.directory is not found.raw.directory:
        noise = Tags(data, found.first.header, found.first.directory, dng.RAW).value(dng.NOISE, picture.shape)
        if noise is not None:
            values.setdefault(dng.NOISE, noise)
        for tag, field in found.first.fields.items():
            if tag not in dng.GLOBAL and tag not in dng.RAW and tag not in tags.PLACES:
                tiff_carriers.note_field(data, field, "IFD0", out)
    return tuple(_checked(value, values, picture, found) for value in values.values())


def _checked(value: Value, values: dict[int, Value], picture: Picture, found: _Found) -> Value:
    """Look into the values that could hold more than numbers. Raises Malformed, Unsupported."""
    where = f"{found.name} tag {value.tag}"
    number = found.raw.header.number
    if value.tag == dng.CAMERA:
        text = value.data.split(b"\x00")[0]
        if not text or not all(0x20 <= c < 0x7F for c in text):
            raise Unsupported("the name of the camera model is no plain text", where=where)
        return Value(value.tag, value.type, len(text) + 1, text + b"\x00")
    if value.tag == dng.AS_SHOT_ICC:
        if not icc.usable(value.data):
            raise Unsupported("the colour profile of the camera is none", where=where)
        icc.check(value.data, where)
    elif value.tag in dng.OPCODES:
        _opcodes(value.data, where)
    elif value.tag in dng.TABLES:
        sizes = values.get(dng.TABLES[value.tag])
        wanted = 3
        for at in (0, 4, 8):
            wanted *= number(sizes.data[at : at + 4]) if sizes is not None else 0
        if value.count != wanted:
            raise Malformed("a colour table has a wrong size", where=where)
    elif value.tag == tags.JPEG_TABLES:
        if picture.compression != tiff_page.JPEG:
            raise Unsupported("JPEG tables stand where there is no JPEG", where=where)
        made = tiff_jpeg.tables(value.data, where)
        return Value(value.tag, value.type, len(made), made)
    return value


def _opcodes(data: bytes, where: str) -> None:
    """Walk a list of opcodes (DNG 1.7.1 chapter 7), big-endian whatever the file is; it fills its tag."""
    at = 4
    for _ in range(int.from_bytes(data[:4], "big")):
        if at + 16 > len(data):
            raise Malformed("a list of opcodes is cut short", where=where)
        opcode, size = (
            int.from_bytes(data[at : at + 4], "big"),
            int.from_bytes(data[at + 12 : at + 16], "big"),
        )
        if not 1 <= opcode <= 14:
            raise Unsupported(f"opcode {opcode} of the DNG is not known", where=where, hint=_HINT)
        at += 16 + size
    if at != len(data):
        raise Unsupported("bytes follow a list of opcodes", where=where)
