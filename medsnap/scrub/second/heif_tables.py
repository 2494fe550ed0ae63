"""Second reader: the tables of meta, accepted only in the one form and order that is written."""

from __future__ import annotations

from dataclasses import dataclass, field

from medsnap.errors import NotClean

Where = tuple[str, tuple[int, int]]  # "file", "idat" or "none", with start and stop


@dataclass(slots=True)
class Tables:
    """What meta says: items, places, references, properties."""

    primary: int = 0
    kinds: dict[int, str] = field(default_factory=dict)
    places: dict[int, Where] = field(default_factory=dict)
    references: list[tuple[str, int, tuple[int, ...]]] = field(default_factory=list)
    properties: list[tuple[str, bytes]] = field(default_factory=list)
    uses: dict[int, list[int]] = field(default_factory=dict)
    idat: tuple[int, int] = (0, 0)

    def targets(self, kind: str) -> dict[int, tuple[int, ...]]:
        """Give the references of one kind: source to targets."""
        return {source: targets for name, source, targets in self.references if name == kind}

    def property_names(self, item: int) -> set[str]:
        """Name the properties of an item."""
        return {self.properties[index - 1][0] for index in self.uses.get(item, [])}

    def property_values(self, item: int, name: str) -> list[bytes]:
        """Give an item's properties of one name."""
        chosen = (self.properties[index - 1] for index in self.uses.get(item, []))
        return [value for label, value in chosen if label == name]


class Eater:
    """Eats a stretch of the file from left to right; whatever is left over is not clean."""

    __slots__ = ("at", "end", "file", "label")

    def __init__(self, file: memoryview, at: int, end: int, label: str) -> None:
        self.file, self.at, self.end, self.label = file, at, end, label

    def fail(self, problem: str) -> NotClean:
        """Make the error for this place."""
        return NotClean(problem, where=f"{self.label}, byte {self.at}")

    def take(self, count: int) -> bytes:
        """Eat `count` bytes."""
        if count < 0 or self.at + count > self.end:
            raise self.fail("a field reaches past its box")
        self.at += count
        return bytes(self.file[self.at - count : self.at])

    def number(self, count: int) -> int:
        """Eat a big-endian number."""
        return int.from_bytes(self.take(count), "big")

    def exactly(self, expected: bytes) -> None:
        """Eat what must stand there."""
        if self.take(len(expected)) != expected:
            raise self.fail("other bytes than expected")

    def box(self) -> tuple[str, Eater]:
        """Eat a whole box: its name, and its body to be eaten."""
        size, name = self.number(4), self.take(4).decode("latin-1")
        body = self.at
        self.take(size - 8)
        return name, Eater(self.file, body, self.at, name)

    def named(self, name: str) -> Eater:
        """Eat a box that must be this one."""
        found, body = self.box()
        if found != name:
            raise self.fail(f"{name} does not stand where it should")
        return body

    def finish(self) -> None:
        """Refuse leftovers."""
        if self.at != self.end:
            raise self.fail("bytes that are not accounted for")


def read_tables(file: memoryview, at: int, end: int, *, exif: bool = False) -> Tables:
    """Read the body of meta, in which one Exif item may stand last if `exif`. Raises NotClean."""
    meta = Eater(file, at, end, "meta")
    tables = Tables()
    meta.exactly(bytes(4))
    hdlr = meta.named("hdlr")
    hdlr.exactly(bytes(8) + b"pict" + bytes(13))
    hdlr.finish()
    pitm = meta.named("pitm")
    pitm.exactly(bytes(4))
    tables.primary = pitm.number(2)
    pitm.finish()
    _iloc(meta.named("iloc"), tables)
    _iinf(meta.named("iinf"), tables, {"Exif"} if exif else set())
    name, body = meta.box()
    if name == "iref":
        _iref(body, tables)
        name, body = meta.box()
    if name != "iprp":
        raise meta.fail("iprp does not stand where it should")
    _iprp(body, tables)
    if meta.at < meta.end:
        idat = meta.named("idat")
        tables.idat = (idat.at, idat.end)
        if idat.at == idat.end:
            raise idat.fail("an empty idat box")
    meta.finish()
    _same_items(tables)
    return tables


def _iloc(iloc: Eater, tables: Tables) -> None:
    iloc.exactly(b"\1\0\0\0\x44\0")
    for _ in range(iloc.number(2)):
        item, method, reference, extents = (iloc.number(2) for _ in range(4))
        if item in tables.places or reference or method > 1 or extents > 1:
            raise iloc.fail("an item's place is not in the expected form")
        if extents == 0:
            if method:
                raise iloc.fail("an item without data claims a source")
            tables.places[item] = ("none", (0, 0))
            continue
        start, size = iloc.number(4), iloc.number(4)
        tables.places[item] = ("idat" if method else "file", (start, start + size))
    iloc.finish()


def _iinf(iinf: Eater, tables: Tables, more: set[str]) -> None:
    iinf.exactly(bytes(4))
    for _ in range(iinf.number(2)):
        infe = iinf.named("infe")
        if infe.number(4) not in (0x02000000, 0x02000001):
            raise infe.fail("an item entry of another version")
        item = infe.number(2)
        infe.exactly(bytes(2))
        kind = infe.take(4).decode("latin-1")
        infe.exactly(b"\0")
        infe.finish()
        if kind not in {"hvc1", "av01", "grid", "iovl", "iden"} | more or item in tables.kinds:
            raise infe.fail("an item that is no picture, or a repeated number")
        tables.kinds[item] = kind
    iinf.finish()


def _iref(iref: Eater, tables: Tables) -> None:
    iref.exactly(bytes(4))
    if iref.at == iref.end:
        raise iref.fail("an empty iref box")
    seen: set[tuple[str, int]] = set()
    while iref.at < iref.end:
        name, body = iref.box()
        source, count = body.number(2), body.number(2)
        targets = tuple(body.number(2) for _ in range(count))
        body.finish()
        about = name == "cdsc" and tables.kinds.get(source) == "Exif" and targets == (tables.primary,)
        if not (name in {"dimg", "auxl", "prem"} or about) or not targets or (name, source) in seen:
            raise body.fail("a reference that the picture does not need")
        seen.add((name, source))
        tables.references.append((name, source, targets))


def _iprp(iprp: Eater, tables: Tables) -> None:
    ipco = iprp.named("ipco")
    while ipco.at < ipco.end:
        name, body = ipco.box()
        tables.properties.append((name, body.take(body.end - body.at)))
    ipma = iprp.named("ipma")
    iprp.finish()
    wide = len(tables.properties) > 127
    ipma.exactly(bytes(3) + (b"\1" if wide else b"\0"))
    used: set[int] = set()
    for _ in range(ipma.number(4)):
        item, count = ipma.number(2), ipma.number(1)
        links = [ipma.number(2) & 0x7FFF if wide else ipma.number(1) & 0x7F for _ in range(count)]
        if item in tables.uses or not links or not all(0 < link <= len(tables.properties) for link in links):
            raise ipma.fail("a property link that leads nowhere")
        tables.uses[item] = links
        used.update(links)
    ipma.finish()
    count = len(tables.properties)
    if used != set(range(1, count + 1)) or len(set(tables.properties)) != count:
        raise ipma.fail("a property that no item uses, or a repeated one")


def _same_items(tables: Tables) -> None:
    """Every table speaks of the same items, numbered 1 to n."""
    items = set(range(1, len(tables.kinds) + 1))
    named = {number for _, source, targets in tables.references for number in (source, *targets)}
    fits = set(tables.kinds) == items and set(tables.places) == items and tables.primary in items
    if not fits or not named <= items or not set(tables.uses) <= items:
        raise NotClean("tables speak of different items", where="meta")
