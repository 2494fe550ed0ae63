"""The parameters that rendering depends on, read from the source as it came, for the report."""

from __future__ import annotations

from hashlib import sha256

from medsnap.formats.heif_view import HeifView
from medsnap.scrub.core import Assembly, ScrubKeep
from medsnap.scrub.heif_image import Image
from medsnap.scrub.heif_select import Selection
from medsnap.scrub.icc import anew, usable

_DEFAULT = ScrubKeep()


def describe(
    out: Assembly,
    source: memoryview,
    found: HeifView,
    chosen: Selection,
    images: tuple[Image, ...],
    *,
    keep: ScrubKeep = _DEFAULT,
) -> None:
    """Note size, turns, colour and alpha; the second reader says the same of the output, or it is refused."""
    out.render("orientation", "1")  # irot and imir stay in place and turn the picture
    transforms = []
    for box, _ in found.properties_of(found.primary):
        body = bytes(source[box.body : box.stop])
        if box.type == b"colr" and body[:4] != b"nclx" and usable(body[4:]) and not keep.icc_text:
            body = body[:4] + anew(body[4:], f"colr, byte {box.start}")
        line = _line(box.type, body)
        if line is not None:
            out.render(*line)
        if box.type in (b"irot", b"imir", b"clap"):
            transforms.append(box.name)
    out.render("transforms", " ".join(transforms))  # their order counts (23008-12, 6.5.10)
    out.render("coded images", str(sum(1 for image in images if image.spans)))
    out.render("alpha planes", str(len(chosen.alphas)))


def without_icc(out: Assembly, keep: ScrubKeep) -> None:
    """Forget the profile where the caller does not want it kept."""
    if not keep.icc:
        out.rendering = [line for line in out.rendering if line[0] != "icc"]


def _line(kind: bytes, body: bytes) -> tuple[str, str] | None:
    match kind:
        case b"ispe":
            return "size", f"{int.from_bytes(body[4:8], 'big')}x{int.from_bytes(body[8:12], 'big')}"
        case b"irot":
            return "rotation", f"{90 * (body[0] & 3)} degrees anticlockwise"
        case b"imir":
            return "mirror", "left-right" if body[0] & 1 else "top-bottom"
        case b"clap":
            return "crop", body.hex()
        case b"pasp":
            return "pixel shape", f"{int.from_bytes(body[:4], 'big')}:{int.from_bytes(body[4:], 'big')}"
        case b"colr" if body[:4] == b"nclx":
            codes = [int.from_bytes(body[at : at + 2], "big") for at in (4, 6, 8)]
            return "colour", "/".join(map(str, codes)) + (" full range" if body[10] >> 7 else " video range")
        case b"colr" if body[:4] in (b"prof", b"rICC") and usable(body[4:]):
            return "icc", sha256(body[4:]).hexdigest()
    return None
