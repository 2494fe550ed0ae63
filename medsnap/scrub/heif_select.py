"""Which items the picture needs: the primary one, what it is derived from, its alpha planes."""

from __future__ import annotations

from dataclasses import dataclass

from medsnap.errors import Malformed, Unsupported
from medsnap.formats.heif_view import HeifView, Reference
from medsnap.scrub.heif_properties import alpha_urn

CODED = frozenset((b"hvc1", b"av01"))
DERIVED = frozenset((b"grid", b"iovl", b"iden"))
MAX_DEPTH = 8  # derivations of derivations

# References from a kept item that only describe; any other kind could be needed to decode it.
_DESCRIBING = frozenset((b"thmb", b"cdsc", b"auxl", b"prem", b"eroi"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The items that stay, in the file's order, and the references among them."""

    items: tuple[int, ...]
    references: tuple[Reference, ...]
    alphas: frozenset[int]


def select(source: memoryview, found: HeifView) -> Selection:
    """Choose the items that stay. Raises Malformed, Unsupported (23008-12, 6.4 and 6.6)."""
    dimg = _derivations(found)
    kept = _needed(found, dimg, {found.primary})
    alphas = _alphas(source, found, kept)
    kept |= _needed(found, dimg, set(alphas))
    _refuse_unknown_references(found, kept)
    return Selection(
        items=tuple(number for number in found.items if number in kept),
        references=_references(found, kept, alphas, dimg),
        alphas=alphas,
    )


def _derivations(found: HeifView) -> dict[int, tuple[int, ...]]:
    dimg: dict[int, tuple[int, ...]] = {}
    for reference in found.references:
        if reference.type == b"dimg":
            if reference.source in dimg:
                raise Malformed("an image is derived twice", where=f"iref, item {reference.source}")
            dimg[reference.source] = reference.targets
    return dimg


def _needed(found: HeifView, dimg: dict[int, tuple[int, ...]], roots: set[int]) -> set[int]:
    """Collect items and all they are derived from, level by level; a loop never ends the levels."""
    kept: set[int] = set()
    level = roots
    for _ in range(MAX_DEPTH):
        if not level:
            return kept
        following: set[int] = set()
        for number in level:
            if _kind(found, number) in DERIVED:
                following.update(dimg.get(number, ()))
        kept |= level
        level = following
    raise Malformed(
        "images are derived from each other in a loop or too deep", where=f"iref, item {min(roots)}"
    )


def _kind(found: HeifView, number: int) -> bytes:
    item = found.items.get(number)
    if item is None:
        raise Malformed("an image that does not exist is used", where=f"iinf, item {number}")
    if item.protected:
        raise Unsupported("the picture is encrypted", where=f"iinf, {item.label}")
    if item.type not in CODED | DERIVED:
        raise Unsupported(
            "the picture is coded in a way that medsnap cannot check", where=f"iinf, {item.label}"
        )
    return item.type


def _alphas(source: memoryview, found: HeifView, kept: set[int]) -> frozenset[int]:
    """Find the alpha planes of kept items; a second one for the same picture is refused (6.5.8)."""
    planes: dict[int, int] = {}
    for reference in found.references:
        if reference.type != b"auxl" or not _is_alpha(source, found, reference.source):
            continue
        for target in kept.intersection(reference.targets):
            if planes.setdefault(target, reference.source) != reference.source:
                raise Unsupported("a picture has two alpha planes", where=f"iref, item {target}")
    if kept.intersection(planes.values()):
        raise Malformed("a picture is its own alpha plane", where="iref")
    return frozenset(planes.values())


def _is_alpha(source: memoryview, found: HeifView, number: int) -> bool:
    return any(
        box.type == b"auxC" and alpha_urn(bytes(source[box.body : min(box.stop, box.body + 64)]))
        for box, _ in found.properties_of(number)
    )


def _refuse_unknown_references(found: HeifView, kept: set[int]) -> None:
    for reference in found.references:
        known = reference.type in _DESCRIBING or reference.type == b"dimg"
        if reference.source in kept and not known:
            raise Unsupported(
                "the picture depends on another in a way that medsnap does not know",
                where=f"iref, item {reference.source}",
            )


def _references(
    found: HeifView, kept: set[int], alphas: frozenset[int], dimg: dict[int, tuple[int, ...]]
) -> tuple[Reference, ...]:
    """Build the references among kept items anew, one of each kind for each item."""
    gathered: dict[tuple[bytes, int], dict[int, None]] = {}
    for reference in found.references:
        if reference.type in (b"auxl", b"prem") and reference.source in kept:
            allowed = kept - alphas if reference.type == b"auxl" else alphas
            row = gathered.setdefault((reference.type, reference.source), {})
            row.update(dict.fromkeys(target for target in reference.targets if target in allowed))
    links = []
    for number in (number for number in found.items if number in kept):
        plane = b"auxl" if number in alphas else b"prem"
        parts = dimg.get(number, ()) if found.items[number].type in DERIVED else ()
        for kind, targets in ((b"dimg", parts), (plane, tuple(gathered.get((plane, number), ())))):
            if targets:
                links.append(Reference(type=kind, source=number, targets=targets))
    return tuple(links)
