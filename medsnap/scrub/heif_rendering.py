"""The parameters of a HEIF file that rendering depends on, for the report."""

from __future__ import annotations

from hashlib import sha256

from medsnap.formats.heif_view import HeifView
from medsnap.scrub.core import Assembly
from medsnap.scrub.heif_image import Image, Property
from medsnap.scrub.heif_select import Selection


def describe(out: Assembly, found: HeifView, chosen: Selection, images: tuple[Image, ...]) -> None:
    """Note size, rotation, mirror, crop, colour, alpha and the number of coded images."""
    primary = next(image for image in images if image.id == found.primary)
    for prop in primary.properties:
        line = _line(prop)
        if line is not None:
            out.render(*line)
    out.render("coded images", str(sum(1 for image in images if image.spans)))
    out.render("alpha planes", str(len(chosen.alphas)))


def _line(prop: Property) -> tuple[str, str] | None:
    body = prop.payload
    match prop.type:
        case b"ispe":
            return "size", f"{int.from_bytes(body[4:8], 'big')}x{int.from_bytes(body[8:], 'big')}"
        case b"irot":
            return "rotation", f"{90 * body[0]} degrees anticlockwise"
        case b"imir":
            return "mirror", "left-right" if body[0] else "top-bottom"
        case b"clap":
            return "crop", body.hex()
        case b"pasp":
            return "pixel shape", f"{int.from_bytes(body[:4], 'big')}:{int.from_bytes(body[4:], 'big')}"
        case b"colr" if body[:4] == b"nclx":
            codes = [int.from_bytes(body[at : at + 2], "big") for at in (4, 6, 8)]
            return "colour", "/".join(map(str, codes)) + (" full range" if body[10] else " video range")
        case b"colr":
            return "icc", sha256(body[4:]).hexdigest()
    return None
