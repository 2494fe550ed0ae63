"""Second reader: each item and property holds what its standard says, and not a byte more."""

from __future__ import annotations

from collections.abc import Callable

from medsnap.errors import NotClean
from medsnap.scrub.second.heif_streams import check_av1, check_av1c, check_hevc, check_hvcc
from medsnap.scrub.second.heif_tables import Tables

ALPHA_NAMES = (b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0", b"urn:mpeg:hevc:2015:auxid:1\0")


def _colour(value: bytes) -> bool:
    if value[:4] == b"nclx":
        return len(value) == 11 and value[10] in (0, 0x80)
    stated = int.from_bytes(value[4:8], "big")
    surplus = len(value) - 4 - stated
    marked = value[:4] in (b"prof", b"rICC") and value[40:44] == b"acsp"
    return marked and 0 <= surplus <= 3 and not any(value[4 + stated :])


# What each property may look like (23008-12, 6.5; AV1-AVIF, 2.3; 14496-12, 12.1).
PROPERTIES: dict[str, Callable[[bytes], bool]] = {
    "ispe": lambda v: len(v) == 12 and not any(v[:4]),
    "pixi": lambda v: len(v) >= 5 and not any(v[:4]) and len(v) == 5 + v[4],
    "irot": lambda v: len(v) == 1 and v[0] < 4,
    "imir": lambda v: len(v) == 1 and v[0] < 2,
    "clap": lambda v: len(v) == 32,
    "pasp": lambda v: len(v) == 8,
    "clli": lambda v: len(v) == 4,
    "mdcv": lambda v: len(v) == 24,
    "lsel": lambda v: len(v) == 2,
    "a1op": lambda v: len(v) == 1,
    "auxC": lambda v: not any(v[:4]) and v[4:] in ALPHA_NAMES,
    "colr": _colour,
    "hvcC": check_hvcc,
    "av1C": check_av1c,
}


def check_pictures(file: memoryview, tables: Tables) -> None:
    """Check all properties and all data of all items. Raises NotClean."""
    for name, value in tables.properties:
        known = PROPERTIES.get(name)
        if known is None or not known(value):
            raise NotClean("a property that is unknown or too long", where="ipco")
    made_of = tables.targets("dimg")
    planes, alpha = _planes(tables, made_of)
    checked: set[tuple[int, str, bytes]] = set()  # tiles may share their bytes
    for item, kind in tables.kinds.items():
        where = f"item {item}"
        marked = "auxC" in tables.property_names(item)
        if (item in planes and not marked) or (marked and item not in alpha):
            raise NotClean("an alpha mark on a picture that is no alpha plane", where=where)
        source, (start, stop) = tables.places[item]
        inputs = len(made_of.get(item, ()))
        if kind in ("hvc1", "av01"):
            if source != "file" or inputs:
                raise NotClean("a coded picture at an unexpected place", where=where)
            setup = _setup(tables, item, kind)
            if (start, kind, setup) not in checked:
                checked.add((start, kind, setup))
                _coded(file[start:stop], setup, kind, where)
        else:
            low = tables.idat[0]
            data = bytes(file[low + start : low + stop]) if source == "idat" else b""
            _derived(kind, data, inputs, where, source)


def _planes(tables: Tables, made_of: dict[int, tuple[int, ...]]) -> tuple[set[int], set[int]]:
    """Find the alpha planes, and with them the tiles they are made of, which may carry the mark too."""
    planes = set(tables.targets("auxl"))
    alpha: set[int] = set()
    waiting = list(planes)
    while waiting:
        item = waiting.pop()
        if item not in alpha:
            alpha.add(item)
            waiting.extend(made_of.get(item, ()))
    return planes, alpha


def _setup(tables: Tables, item: int, kind: str) -> bytes:
    found = tables.property_values(item, "hvcC" if kind == "hvc1" else "av1C")
    if len(found) != 1:
        raise NotClean("a picture without one decoder configuration", where=f"item {item}")
    return found[0]


def _coded(data: memoryview, setup: bytes, kind: str, where: str) -> None:
    if not (check_hevc(data, setup[21] % 4 + 1) if kind == "hvc1" else check_av1(data)):
        raise NotClean("coded data that holds something else than one picture", where=where)


def _derived(kind: str, data: bytes, inputs: int, where: str, source: str) -> None:
    """Check the lengths of derivations (23008-12, 6.6.2)."""
    if kind == "iden":
        fits = source == "none" and inputs == 1
    else:
        fits = source == "idat" and len(data) >= 8 and data[0] == 0 and data[1] < 2 and inputs > 0
        step = 4 if fits and data[1] else 2
        if fits and kind == "grid":
            fits = len(data) == 4 + 2 * step and inputs == (data[2] + 1) * (data[3] + 1)
        elif fits:
            fits = len(data) == 10 + 2 * step + 2 * step * inputs
    if not fits:
        raise NotClean("a derived picture that does not fit its inputs", where=where)
