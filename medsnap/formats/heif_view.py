"""What a HEIF file says of itself, as nouns: items, places, references, properties (ISO/IEC 23008-12)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from medsnap.errors import Malformed, Unsupported
from medsnap.formats.bmff import Box, printable

Span: TypeAlias = tuple[int, int]  # start and stop, bytes from the start of the file


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One entry of iinf (ISO/IEC 14496-12, 8.11.6). Name and content type are foreign bytes."""

    id: int
    type: bytes
    name: bytes
    content_type: bytes
    hidden: bool
    protected: bool
    box: Box

    @property
    def label(self) -> str:
        """The item for people: type and number."""
        return f"{printable(self.type)} item {self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """Where the bytes of an item lie (8.11.3); a length of 0 means to the end of the source."""

    construction: int  # 0 file, 1 idat, 2 another item
    data_reference: int  # 0: this file
    extents: tuple[tuple[int, int], ...]  # offset with its base, length


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """One typed reference from an item to others (8.11.12)."""

    type: bytes
    source: int
    targets: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Association:
    """One property of an item: a 1-based index into ipco, and whether a reader must know it (8.11.14)."""

    index: int
    essential: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class HeifView:
    """The boxes and tables of one file; nothing is judged, all bounds of the tables are checked."""

    size: int  # bytes of the file
    boxes: tuple[Box, ...]
    framed: int  # bytes covered by boxes; what follows is no box
    brands: tuple[bytes, ...]  # the major brand first
    meta: Box
    meta_boxes: tuple[Box, ...]
    handler: bytes
    handler_name: bytes
    primary: int
    items: Mapping[int, Item]
    locations: Mapping[int, Location]
    references: tuple[Reference, ...]
    properties: tuple[Box, ...]
    associations: Mapping[int, tuple[Association, ...]]
    idat: Box | None
    same_file: frozenset[int]  # data references that mean this file

    def spans(self, item: int) -> tuple[Span, ...]:
        """Give the places of an item's bytes. Raises Malformed, Unsupported."""
        place = self.locations.get(item)
        if place is None:
            return ()
        if place.construction > 1 or place.data_reference not in self.same_file:
            raise Unsupported("an image is built from other items or lies in another file",
                              where=f"iloc, item {item}")  # fmt: skip
        low, high = self._source(place, item)
        found = []
        for offset, length in place.extents:
            start = low + offset
            stop = start + length if length else high
            if not low <= start < stop <= high:
                raise Malformed("an item reaches past the end of its data", where=f"iloc, item {item}")
            found.append((start, stop))
        return tuple(found)

    def clipped(self, item: int) -> tuple[Span, ...]:
        """Give what there is of an item's bytes, for a report: never an error."""
        place = self.locations.get(item)
        if place is None or place.construction > 1 or place.data_reference not in self.same_file:
            return ()
        if place.construction == 1 and self.idat is None:
            return ()
        low, high = self._source(place, item)
        wanted = ((low + offset, min(low + offset + length, high)) for offset, length in place.extents)
        return tuple((start, stop) for start, stop in wanted if start < stop)

    def _source(self, place: Location, item: int) -> Span:
        if place.construction == 0:
            return 0, self.size
        if self.idat is None:
            raise Malformed("an item lies in an idat box that does not exist", where=f"iloc, item {item}")
        return self.idat.body, self.idat.stop

    def properties_of(self, item: int) -> tuple[tuple[Box, bool], ...]:
        """List an item's properties in their order, each with its essential mark. Raises Malformed."""
        found = []
        for link in self.associations.get(item, ()):
            if link.index == 0:  # "no property", 8.11.14.3
                continue
            if link.index > len(self.properties):
                raise Malformed("a property that does not exist is used", where=f"ipma, item {item}")
            found.append((self.properties[link.index - 1], link.essential))
        return tuple(found)
