"""The second reader of HEIF: walks a scrubbed file byte by byte and refuses all it does not know.

Written apart from the rewriter on purpose: a mistake there must not be repeated here. It accepts one
form only: ftyp, meta, mdat, every table in its shortest version, every byte of use to the picture.
"""

from __future__ import annotations

from medsnap.errors import NotClean
from medsnap.model.photo import MediaType
from medsnap.model.rewrite import Buffer
from medsnap.scrub.second import exif
from medsnap.scrub.second.heif_facts import facts
from medsnap.scrub.second.heif_pictures import check_pictures
from medsnap.scrub.second.heif_tables import Tables, read_tables

STILL_BRANDS = {
    "mif1", "mif2", "mif3", "miaf", "heic", "heix", "heim", "heis", "MiHB", "MiHE", "MiHA", "MiPr",
    "avif", "MA1A", "MA1B", "avio",
}  # fmt: skip
STILLS = {MediaType.HEIC, MediaType.HEIF, MediaType.AVIF}


def account(data: Buffer, media: MediaType) -> tuple[tuple[str, str], ...]:
    """Account for every byte of a scrubbed still; returns what rendering depends on. Raises NotClean."""
    if media not in STILLS:
        raise NotClean("a file of this type cannot be checked", where=media.value)
    file = memoryview(data)
    if _has_tracks(file):
        from medsnap.scrub.second import sequence

        return sequence.account(file, media)
    meta = _ftyp(file)
    mdat, name = _header(file, meta)
    if name != b"meta":
        _refuse("no meta box after ftyp", meta)
    end, name = _header(file, mdat)
    if name != b"mdat" or end != len(file):
        _refuse("mdat is not the last box", mdat)
    tables = read_tables(file, meta + 8, mdat, exif=True)
    kept = _kept(file, tables)
    reachable(tables)
    _covered(tables, mdat + 8, end)
    check_pictures(file, tables)
    return (*facts(tables), *kept.items())


def _kept(file: memoryview, tables: Tables) -> dict[str, str]:
    """Read the Exif item, take it out of the items, and return what is kept in it by wish."""
    found = [item for item, kind in tables.kinds.items() if kind == "Exif"]
    if not found:
        return {}
    source, (start, stop) = tables.places[found[0]]
    content = bytes(file[start:stop])
    said = exif.read(content[10:]) if content[:10] == b"\0\0\0\6Exif\0\0" else None
    alone = len(found) == 1 and found[0] not in tables.uses and tables.targets("cdsc").keys() == {found[0]}
    if source != "file" or not alone or said is None or set(said) != {"kept"}:
        raise NotClean("the Exif item holds more or other than it may", where=f"item {found[0]}")
    del tables.kinds[found[0]]
    tables.references[:] = [row for row in tables.references if row[0] != "cdsc"]
    return said


def _refuse(problem: str, at: int) -> None:
    raise NotClean(problem, where=f"byte {at}")


def _header(file: memoryview, at: int) -> tuple[int, bytes]:
    """Read a box with a plain 32-bit size: its end and its name."""
    end = at + int.from_bytes(file[at : at + 4], "big")
    if not at + 8 <= end <= len(file):
        _refuse("a box does not fit", at)
    return end, bytes(file[at + 4 : at + 8])


def _has_tracks(file: memoryview) -> bool:
    """Say whether a moov box stands where the media data of a still would be."""
    meta = int.from_bytes(file[:4], "big")
    after = meta + int.from_bytes(file[meta : meta + 4], "big")
    return bytes(file[after + 4 : after + 8]) == b"moov"


def _ftyp(file: memoryview) -> int:
    end, name = _header(file, 0)
    if name != b"ftyp" or end < 16 or end > 16 + 4 * len(STILL_BRANDS) or end % 4:
        _refuse("the file type box is not as expected", 0)
    if any(file[12:16]):
        _refuse("the file type has a minor version", 12)
    major = bytes(file[8:12]).decode("latin-1")
    others = [bytes(file[at : at + 4]).decode("latin-1") for at in range(16, end, 4)]
    if major not in STILL_BRANDS or not set(others) <= STILL_BRANDS or len(others) != len(set(others)):
        _refuse("an unknown or repeated brand", 8)
    return end


def reachable(tables: Tables) -> None:
    """Every item is the primary one, made into it, or an alpha plane of what is."""
    made_of, planes, premultiplied = (tables.targets(kind) for kind in ("dimg", "auxl", "prem"))
    planes_of: dict[int, list[int]] = {}
    for plane, targets in planes.items():
        for target in targets:
            planes_of.setdefault(target, []).append(plane)
    reached: set[int] = set()
    waiting = [tables.primary]
    while waiting:
        item = waiting.pop()
        if item not in reached:
            reached.add(item)
            waiting.extend(made_of.get(item, ()))
            waiting.extend(planes_of.get(item, ()))
    if reached != set(tables.kinds):
        raise NotClean("an item that the picture does not need", where="iinf")
    if any(len(found) > 1 for found in planes_of.values()):
        raise NotClean("a picture with two alpha planes", where="iref")
    for source, targets in premultiplied.items():
        if not set(targets) <= set(planes):
            raise NotClean("a reference to something else than an alpha plane", where=f"iref, item {source}")


def _covered(tables: Tables, start: int, stop: int) -> None:
    """Every byte of mdat and of idat belongs to an item; two items share all their bytes or none."""
    _tiled(sorted({place for source, place in tables.places.values() if source == "file"}), start, stop)
    low, high = tables.idat
    described = sorted(place for source, place in tables.places.values() if source == "idat")
    _tiled([(low + a, low + b) for a, b in described], low, high)


def _tiled(spans: list[tuple[int, int]], start: int, stop: int) -> None:
    at = start
    for low, high in spans:
        if low != at or high <= low:
            _refuse("bytes that belong to no item, or to two", at)
        at = high
    if at != stop:
        _refuse("bytes that belong to no item", at)
