"""Readers of the tables in a HEIF meta box (ISO/IEC 14496-12, 8.11), each under a limit."""

from __future__ import annotations

from medsnap.errors import Malformed, TooLarge, Unsupported
from medsnap.formats.bmff import Box, children, cursor
from medsnap.formats.heif_view import Association, Item, Location, Reference

MAX_ITEMS = 16_384  # a 200-megapixel grid of 256-pixel tiles has about 3,100
MAX_LINKS = 131_072  # extents, references, associations: each kind


def _count(found: int, limit: int, what: str) -> None:
    if found > limit:
        raise TooLarge(f"the file holds more than {limit} {what}", where="meta")


def read_pitm(view: memoryview, box: Box) -> int:
    """Read the number of the primary item (8.11.4)."""
    fields = cursor(view, box)
    version = fields.uint(4) >> 24
    number = fields.uint(2 if version == 0 else 4)
    if fields.left:
        raise Malformed("pitm is longer than its one number", where=fields.where)
    return number


def read_hdlr(view: memoryview, box: Box) -> tuple[bytes, bytes]:
    """Read handler type and free name (8.4.3)."""
    fields = cursor(view, box)
    fields.take(8)
    handler = bytes(fields.take(4))
    fields.take(12)
    return handler, bytes(fields.take(fields.left)).strip(b"\0")


def read_iinf(view: memoryview, box: Box) -> dict[int, Item]:
    """Read the list of items (8.11.6). Entries before version 2 have no type and get an empty one."""
    fields = cursor(view, box)
    version = fields.uint(4) >> 24
    count = fields.uint(2 if version == 0 else 4)
    _count(count, MAX_ITEMS, "items")
    items: dict[int, Item] = {}
    for entry in children(view, fields.at, box.stop, "iinf"):
        if entry.type != b"infe":
            continue
        item = _read_infe(view, entry)
        if item.id in items:
            raise Malformed("two items have the same number", where=f"iinf, byte {entry.start}")
        items[item.id] = item
    return items


def _read_infe(view: memoryview, box: Box) -> Item:
    fields = cursor(view, box)
    head = fields.uint(4)
    version = head >> 24
    if version > 3:
        raise Unsupported("an item entry of an unknown version", where=fields.where)
    number = fields.uint(4 if version == 3 else 2)
    protected = fields.uint(2) != 0
    kind = bytes(fields.take(4)) if version >= 2 else b""
    name = fields.text()
    content = fields.text() if kind in (b"mime", b"") else b""
    return Item(
        id=number, type=kind, name=name, content_type=content,
        hidden=bool(head & 1), protected=protected, box=box,
    )  # fmt: skip


def read_iloc(view: memoryview, box: Box) -> dict[int, Location]:
    """Read where each item lies (8.11.3), versions 0 to 2."""
    fields = cursor(view, box)
    version = fields.uint(4) >> 24
    if version > 2:
        raise Unsupported("an iloc box of an unknown version", where=fields.where)
    sizes = fields.uint(2)
    offset_size, length_size, base_size = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
    index_size = sizes & 15 if version else 0
    if not {offset_size, length_size, base_size, index_size} <= {0, 4, 8}:
        raise Malformed("iloc has fields of an impossible size", where=fields.where)
    number_size = 4 if version == 2 else 2
    count = fields.uint(number_size)
    _count(count, MAX_ITEMS, "items")
    places: dict[int, Location] = {}
    total = 0
    for _ in range(count):
        number = fields.uint(number_size)
        construction = fields.uint(2) & 15 if version else 0
        data_reference = fields.uint(2)
        base = fields.uint(base_size)
        extents = []
        wanted = fields.uint(2)
        total += wanted
        _count(total, MAX_LINKS, "extents")  # an extent can be 0 bytes long here
        for _ in range(wanted):
            fields.take(index_size)
            offset = base + fields.uint(offset_size)
            extents.append((offset, fields.uint(length_size)))
        if number in places:
            raise Malformed("an item lies at two places", where=fields.where)
        places[number] = Location(
            construction=construction, data_reference=data_reference, extents=tuple(extents)
        )
    return places


def read_dinf(view: memoryview, box: Box) -> frozenset[int]:
    """Read which data references mean this same file (8.7.2); 0 always does."""
    same = {0}
    for dref in (inner for inner in children(view, box.body, box.stop, "dinf") if inner.type == b"dref"):
        for number, entry in enumerate(children(view, dref.body + 8, dref.stop, "dref"), 1):
            flags = view[entry.body : entry.body + 4]
            if len(flags) == 4 and entry.type in (b"url ", b"urn ") and flags[3] & 1:
                same.add(number)
    return frozenset(same)


def read_iref(view: memoryview, box: Box) -> tuple[Reference, ...]:
    """Read the references between items (8.11.12)."""
    fields = cursor(view, box)
    version = fields.uint(4) >> 24
    if version > 1:
        raise Unsupported("an iref box of an unknown version", where=fields.where)
    size = 4 if version else 2
    found, total = [], 0
    for entry in children(view, fields.at, box.stop, "iref"):
        inner = cursor(view, entry)
        source = inner.uint(size)
        count = inner.uint(2)
        total += count
        _count(total, MAX_LINKS, "references")
        targets = tuple(inner.uint(size) for _ in range(count))
        found.append(Reference(type=entry.type, source=source, targets=targets))
    return tuple(found)


def read_iprp(
    view: memoryview, box: Box
) -> tuple[tuple[Box, ...], dict[int, tuple[Association, ...]], tuple[Box, ...]]:
    """Read the properties, which item uses which, and the boxes that are neither (8.11.14)."""
    properties: tuple[Box, ...] | None = None
    links: dict[int, tuple[Association, ...]] = {}
    others = []
    for entry in children(view, box.body, box.stop, "iprp"):
        if entry.type == b"ipco":
            if properties is not None:
                raise Malformed("two ipco boxes", where=f"iprp, byte {entry.start}")
            properties = children(view, entry.body, entry.stop, "ipco")
        elif entry.type == b"ipma":
            _read_ipma(view, entry, links)
        else:
            others.append(entry)
    return properties or (), links, tuple(others)


def _read_ipma(view: memoryview, box: Box, links: dict[int, tuple[Association, ...]]) -> None:
    fields = cursor(view, box)
    head = fields.uint(4)
    number_size = 4 if head >> 24 else 2
    wide = head & 1
    count = fields.uint(4)
    _count(count, MAX_ITEMS, "items")
    total = sum(map(len, links.values()))
    for _ in range(count):
        number = fields.uint(number_size)
        found = []
        wanted = fields.uint(1)
        total += wanted
        _count(total, MAX_LINKS, "property links")
        for _ in range(wanted):
            value = fields.uint(2 if wide else 1)
            mark = 0x8000 if wide else 0x80
            found.append(Association(index=value & mark - 1, essential=bool(value & mark)))
        if number in links:
            raise Malformed("an item lists its properties twice", where=fields.where)
        links[number] = tuple(found)
