"""Plan a TIFF without metadata: fresh directories with an allow-list of tags, strips as the same bytes."""

from __future__ import annotations

import hashlib

from medsnap.errors import Malformed, MedsnapError, TooLarge, Unsupported
from medsnap.formats import tiff as tolerant
from medsnap.formats import tiff_file
from medsnap.formats.tiff_file import Directory, Field, View
from medsnap.model.carrier import CarrierAction, CarrierKind, Reveals
from medsnap.model.photo import MediaType
from medsnap.model.rewrite import Buffer, Keep, Rewrite
from medsnap.scrub import exif, icc, lzw, tiff_carriers, tiff_coded, tiff_jpeg, tiff_page, tiff_write
from medsnap.scrub import tiff_tags as tags
from medsnap.scrub.core import Assembly, ScrubKeep
from medsnap.scrub.tiff_page import Picture
from medsnap.scrub.tiff_tags import Tags, Value
from medsnap.scrub.tiff_write import Block, Page

_COMPRESSIONS = frozenset(
    {
        tiff_page.UNCOMPRESSED,
        tiff_page.LZW,
        tiff_page.JPEG,
        tiff_page.DEFLATE,
        tiff_page.DEFLATE_OLD,
        tiff_page.PACKBITS,
    }
)
_PHOTOMETRICS = frozenset({0, 1, 2, 3, 4, 5, 6, 8, 9})
_RAW = frozenset({32803, 34892})
_INDEXED = 3


def plan(data: Buffer, media: MediaType, keep: ScrubKeep) -> Rewrite:
    """Plan the rewrite of a TIFF. Raises Malformed, Unsupported, TooLarge."""
    view = tiff_file.view(data)
    found = tolerant.read(data)
    out = Assembly()
    pages = [_page(data, tags_, name, keep, out) for name, tags_ in _select(data, view, out)]
    profiled = any(value.tag == tags.ICC for value in pages[0].values)
    if exif.says_adobe_rgb(found) and not profiled:
        raise Unsupported(
            "only the Exif says that the colours are Adobe RGB", hint="embed the profile with an image editor"
        )
    tiff_carriers.note_exif(data, found, out)
    tiff_write.write(view.header, pages, out)
    return finish(out, view, pages, media)


def finish(out: Assembly, view: View, pages: list[Page], media: MediaType) -> Rewrite:
    """Note what rendering depends on, and return the Rewrite."""
    header = view.header
    orientation = next((header.number(v.data) for v in pages[0].values if v.tag == tags.ORIENTATION), 1)
    digest = hashlib.sha256()
    for number, page in enumerate(pages):
        for value in sorted(page.values, key=lambda v: v.tag):
            digest.update(f"{value.tag} {value.type} {value.count} ".encode() + value.data)
            if value.tag == tags.ICC:
                out.render(f"icc of page {number}" if number else "icc", icc.digest(value.data))
    out.render("orientation", str(orientation))
    out.render("byte order", header.order)
    out.render("pages", str(len(pages)))
    out.render("tags", digest.hexdigest())
    return out.finish(media, orientation=orientation)


def _select(data: Buffer, view: View, out: Assembly) -> list[tuple[str, Tags]]:
    """Return the directories of the full pictures; note the others."""
    chosen: list[tuple[str, Tags]] = []
    for number, directory in enumerate(view.chain):
        found = Tags(data, view.header, directory, tags.PAGE)
        name = f"IFD{number}"
        reduced = bool(found.number(tags.SUBFILE, 0) & 1) or found.number(255, 1) == 2
        bare = not found.fields.keys() & {tags.WIDTH, tags.STRIP_OFFSETS, tags.TILE_OFFSETS}
        if not number and reduced:
            raise Unsupported("the first picture is a reduced one, as in raw files", where=f"{name}, byte 0")
        if number + 1 < len(view.chain):
            check_values(directory)
        if number and (reduced or bare):
            tiff_carriers.note_directory(directory, name, out, reduced=reduced or bare)
        else:
            chosen.append((name, found))
        _below(data, view, directory, name, out)
    return chosen


def check_values(directory: Directory) -> None:
    """Refuse a directory with a value outside the file: some readers stop there, others go on."""
    for field in directory.fields:
        if not field.whole and field.type in tolerant.SIZES:
            raise Malformed("a value lies outside the file", where=tiff_file.where(field))


def _below(data: Buffer, view: View, directory: Directory, name: str, out: Assembly) -> None:
    """Note the pictures below SubIFDs (Technical Note 1), which go; a raw picture there is refused."""
    field = directory.get(tags.SUB_DIRECTORIES)
    if field is None or not field.whole or field.count > 64:
        return
    for number, offset in enumerate(tiff_file.numbers(data, view.header, field)):
        try:
            below = tiff_file.directory(data, view.header, offset)
            found = Tags(data, view.header, below, {})
            photometric, subfile = found.number(tags.PHOTOMETRIC, 0), found.number(tags.SUBFILE, 0)
        except MedsnapError:
            continue  # it goes, whatever it is
        if photometric in _RAW:
            raise Unsupported("a raw picture lies in a sub-directory", where=f"{name}, byte {offset}")
        tiff_carriers.note_directory(below, f"{name} SubIFD{number}", out, reduced=bool(subfile & 1))


def _page(data: Buffer, found: Tags, name: str, keep: ScrubKeep, out: Assembly) -> Page:
    picture = tiff_page.picture(found, _COMPRESSIONS, _PHOTOMETRICS, len(data))
    values: list[Value] = []
    for field in found.fields.values():
        value = found.value(field.tag, picture.shape)
        if field.tag in tags.PLACES:
            continue
        if value is not None and _stays(value, picture, keep):
            values.append(_fresh(value, field, keep, out))
        else:
            tiff_carriers.note_field(data, field, name, out)
    return Page(tuple(values), blocks(data, picture, tiff_jpeg.BASELINE, out), picture.tiled)


def _stays(value: Value, picture: Picture, keep: ScrubKeep) -> bool:
    """Say whether a value of the right form stays: by what the caller keeps, and by what reads it."""
    match value.tag:
        case tags.ORIENTATION:
            return keep.orientation and 1 <= picture.tags.number(tags.ORIENTATION, 1) <= 8
        case tags.COLOUR_MAP:
            return picture.photometric == _INDEXED
        case tags.JPEG_TABLES:
            return picture.compression == tiff_page.JPEG
        case tags.ICC:
            return keep.icc and icc.usable(value.data)
    return True


def _fresh(value: Value, field: Field, keep: ScrubKeep, out: Assembly) -> Value:
    """Return the value as it will be written. Raises Malformed, Unsupported."""
    where, made = tiff_file.where(field), value.data
    if value.tag == tags.JPEG_TABLES:
        made = tiff_jpeg.tables(value.data, where)
    elif value.tag == tags.ICC:
        icc.check(value.data, where)
        made = value.data if keep.icc_text else icc.anew(value.data, where)
        action = CarrierAction.KEPT if made == value.data else CarrierAction.REWRITTEN
        says = (Reveals.RENDERING,)
        out.carrier(CarrierKind.ICC, "ICC profile", field.start, field.stop, action=action, reveals=says)
    return Value(value.tag, value.type, len(made), made) if made is not value.data else value


def blocks(data: Buffer, picture: Picture, frames: frozenset[int], out: Assembly) -> tuple[Block, ...]:
    """Return what is kept of each strip or tile: its coded data up to their end."""
    made: list[Block] = []
    seen: dict[tuple[int, int], Block] = {}
    coded = sum(unit.stop - unit.start for unit in picture.units)
    if picture.compression == tiff_page.LZW and coded > lzw.MAX_CODED:
        raise TooLarge("too much LZW data", where=f"byte {picture.units[0].start}")
    for unit in picture.units:
        key = (unit.start, unit.stop)
        if key not in seen:
            if picture.compression == tiff_page.JPEG:
                steps = tiff_jpeg.stream(data, unit.start, unit.stop, frames, out)
            else:
                stop = tiff_coded.end(data, unit, picture.compression)
                steps = (Keep(unit.start, stop, True),)
                if stop < unit.stop:
                    says = (Reveals.OTHER,)
                    out.carrier(CarrierKind.TRAILER, "behind a strip", stop, unit.stop, reveals=says)
            last = max(s.stop for s in steps if isinstance(s, Keep))
            seen[key] = Block(unit.start, last, steps, tiff_jpeg.length(steps))
        made.append(seen[key])
    return tuple(made)
