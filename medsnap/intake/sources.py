"""Signs that a photo has already been elsewhere (policy `sources`); evidence never names the file."""

from __future__ import annotations

import re
from collections.abc import Iterator

from medsnap.errors import Malformed, TooLarge, Unsupported
from medsnap.formats import embedded
from medsnap.intake import leak_tables, marks
from medsnap.intake.marks import Marks
from medsnap.model.decision import LeakKind, LeakSign
from medsnap.model.photo import Candidate, CaptureFacts, CompanionKind, Kind, MediaType
from medsnap.model.rewrite import Buffer

NO_MARKS = Marks()
_NO_CAMERA_WRITES = {MediaType.PNG: "PNG", MediaType.GIF: "GIF"}  # some camera apps do write WebP


def signs(
    candidate: Candidate, facts: CaptureFacts, xmp: bytes | None, written: Marks = NO_MARKS
) -> tuple[LeakSign, ...]:
    """List the signs that a photo passed a messenger or cloud, is a screenshot, edited or bare.

    `xmp` is the photo's XMP packet, if it has one, `written` what its container says. Each sign has its
    evidence in words.
    """
    folders = candidate.source.relative.reveal().replace("\\", "/").split("/")
    name = folders.pop()
    folders = folders or [candidate.source.path.parent.name]  # a file given by itself
    text = (xmp or b"")[: 1 << 20].decode("utf-8", "replace")
    every = [
        *_named(LeakKind.MESSAGING_APP, leak_tables.MESSENGERS, folders, name),
        *_named(LeakKind.CLOUD_COPY, leak_tables.CLOUDS, folders, name),
        *_companions(candidate),
        *_screenshot(candidate, facts, folders, name, text),
        *_edited(facts, text),
        *_converted(candidate.media, facts),
        *written.signs,
        *_bare(candidate, facts, written.bare),
    ]
    return tuple(dict.fromkeys(every))


def found(candidate: Candidate, facts: CaptureFacts, data: Buffer) -> tuple[LeakSign, ...]:
    """List the signs of a photo whose bytes are at hand; what cannot be read is no evidence here."""
    xmp = _xmp(data, candidate.media)
    return signs(candidate, facts, xmp, marks.read(data, candidate.media, xmp))


def _xmp(data: Buffer, media: MediaType) -> bytes | None:
    try:
        return embedded.xmp(data, media)
    except (Malformed, Unsupported, TooLarge):
        return None


def _named(
    kind: LeakKind, table: tuple[tuple[str, str, str], ...], folders: list[str], name: str
) -> Iterator[LeakSign]:
    for who, folder_pattern, name_pattern in table:
        if any(re.fullmatch(folder_pattern, folder, re.IGNORECASE) for folder in folders):
            yield LeakSign(kind=kind, because=f"it lies in a folder of {who}")
        elif name_pattern and re.fullmatch(name_pattern, name, re.IGNORECASE):
            yield LeakSign(kind=kind, because=f"it is named as {who} names pictures")


def _companions(candidate: Candidate) -> Iterator[LeakSign]:
    kinds = {companion.kind for companion in candidate.companions}
    if CompanionKind.TAKEOUT_JSON in kinds:
        yield LeakSign(kind=LeakKind.CLOUD_COPY, because="a Google Takeout sidecar lies beside it")


def _screenshot(
    candidate: Candidate, facts: CaptureFacts, folders: list[str], name: str, xmp: str
) -> Iterator[LeakSign]:
    kind = LeakKind.SCREENSHOT
    if leak_tables.SCREENSHOT_NAME.fullmatch(name) or any(
        leak_tables.SCREENSHOT_FOLDER.fullmatch(f) for f in folders
    ):
        yield LeakSign(kind=kind, because="its name or folder says screenshot")
    if leak_tables.XMP_SCREENSHOT.search(xmp):
        yield LeakSign(kind=kind, because="its metadata says screenshot")
    if candidate.media is MediaType.PNG and not facts.has_exposure and facts.width and facts.height:
        size = min(facts.width, facts.height), max(facts.width, facts.height)
        if size in leak_tables.SCREENS:
            because = f"a PNG of {facts.width}×{facts.height}, the size of a screen, without exposure data"
            yield LeakSign(kind=kind, because=because)


def _edited(facts: CaptureFacts, xmp: str) -> Iterator[LeakSign]:
    tools = [facts.software or "", *(found[1] for found in leak_tables.XMP_TOOL.finditer(xmp))]
    editor = next((m[0] for tool in tools if (m := leak_tables.EDITORS.search(tool))), None)
    if editor:
        yield LeakSign(kind=LeakKind.EDITED, because=f"its metadata names an editor ({editor})")
    if _other_size(facts):
        because = (
            f"its metadata speak of {facts.exif_width}×{facts.exif_height} pixels,"
            f" the picture has {facts.width}×{facts.height}: cut or scaled after it was taken"
        )
        yield LeakSign(kind=LeakKind.EDITED, because=because)


def _converted(media: MediaType, facts: CaptureFacts) -> Iterator[LeakSign]:
    form = _NO_CAMERA_WRITES.get(media)
    if form and facts.has_camera_data:
        because = f"it has a camera's data, and no camera writes {form}: another program made it"
        yield LeakSign(kind=LeakKind.EDITED, because=because)


def _other_size(facts: CaptureFacts) -> bool:
    """Compare whichever way up: some phones turn the picture and leave the numbers."""
    if not (facts.exif_width and facts.exif_height and facts.width and facts.height):
        return False
    return sorted((facts.exif_width, facts.exif_height)) != sorted((facts.width, facts.height))


def _bare(candidate: Candidate, facts: CaptureFacts, looks: str) -> Iterator[LeakSign]:
    if candidate.media.kind is Kind.PHOTO and not facts.has_camera_data:
        if candidate.media is MediaType.RAW:
            looks = "the camera data of this raw format cannot be read"
        because = f"no camera make, model or exposure: {looks or 'another program wrote or stripped it'}"
        yield LeakSign(kind=LeakKind.NO_CAMERA_DATA, because=because)
