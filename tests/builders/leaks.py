"""Made paths and files with the signs that they truly bear: the table by which the leak signs are judged.

Some rows are there to be hard: a folder that bears a patient's surname and a messenger's name, a screenshot
that was renamed. What the product gets wrong stays in the table and counts.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from medsnap.intake import camera, sources
from medsnap.model.decision import LeakKind, LeakSign
from medsnap.model.photo import Candidate, Companion, CompanionKind, MediaType, Source
from medsnap.model.private import Private

MESSENGER, CLOUD, SCREEN = LeakKind.MESSAGING_APP, LeakKind.CLOUD_COPY, LeakKind.SCREENSHOT
EDITED, BARE = LeakKind.EDITED, LeakKind.NO_CAMERA_DATA


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A file as it would lie in a dump, and the signs that it bears in truth."""

    path: str
    data: bytes
    media: MediaType = MediaType.JPEG
    truth: frozenset[LeakKind] = frozenset()
    sidecar: bool = False

    def signs(self) -> tuple[LeakSign, ...]:
        """Return what intake finds."""
        beside = (
            (Companion(kind=CompanionKind.TAKEOUT_JSON, source=_source("x.json")),) if self.sidecar else ()
        )
        candidate = Candidate(source=_source(self.path), media=self.media, companions=beside)
        return sources.found(candidate, camera.facts(self.data, self.media), self.data)


def _source(path: str) -> Source:
    return Source(path=Path("/dump") / path, relative=Private(path), size=1, mtime_ns=0, device=0, inode=0)


@cache
def picture(form: str = "JPEG", size: tuple[int, int] = (64, 48), *, quality: int = 90, **exif: Any) -> bytes:
    """Make a picture; with `make=` it has a phone's EXIF of that size, or of `was`."""
    from PIL import Image

    image = Image.linear_gradient("L").resize(size).convert("RGB")
    out = io.BytesIO()
    options: dict[str, Any] = {"quality": quality} if form in ("JPEG", "WEBP") else {}
    if exif:
        made = Image.Exif()
        made[0x010F], made[0x0110] = exif.get("make", "Apple"), exif.get("model", "iPhone 14")
        if "software" in exif:
            made[0x0131] = exif["software"]
        inner = made.get_ifd(0x8769)
        inner[0x829A] = 0.01
        inner[0xA002], inner[0xA003] = exif.get("was", size)
        options["exif"] = made
    image.save(out, form, **options)
    return out.getvalue()


def phone(**exif: Any) -> bytes:
    """A photo as a phone writes it."""
    return picture(make="Apple", **exif)


def with_segment(data: bytes, marker: int, payload: bytes) -> bytes:
    """Put a segment behind SOI."""
    return data[:2] + bytes((0xFF, marker)) + (len(payload) + 2).to_bytes(2, "big") + payload + data[2:]


def without_apps(data: bytes) -> bytes:
    """Take out every APPn and COM segment, as `exiftool -all=` leaves it."""
    from medsnap.formats import jpeg

    parts = jpeg.headers(data)
    gone = [p for p in parts if p.name.startswith("APP") or p.name == "COM"]
    for part in reversed(gone):
        data = data[: part.start] + data[part.stop :]
    return data


def own_tables(data: bytes) -> bytes:
    """Change the first table a little, as cameras have tables of their own."""
    from medsnap.formats import jpeg

    table = next(p for p in jpeg.headers(data) if p.name == "DQT")
    at = table.body + 20
    return data[:at] + bytes((data[at] + 1,)) + data[at + 1 :]


def _names() -> list[Case]:
    straight = [
        "DCIM/100APPLE/IMG_0001.JPG", "DCIM/Camera/20260302_103105.jpg", "IMG_20260302_103105.jpg",
        "DCIM/Camera/PXL_20260302_093105123.MP.jpg", "DCIM/100MEDIA/DSC_0001.JPG", "IMG_0042 (1).JPG",
        "WARD-TAB-07/DCIM/IMG_0007.JPG", "Ward 3/photos/forearm left.jpg", "signals/IMG_0009.JPG",
        "linear scars/IMG_0010.JPG", "DCIM/Camera/MVIMG_20260302_103105.jpg", "clouds/IMG_0011.JPG",
        "Slack/IMG_0012.JPG",  # a surname
        "IMG_0013 (conflicting wounds).JPG",
    ]  # fmt: skip
    marked = {
        "WhatsApp/Media/WhatsApp Images/IMG-20260302-WA0003.jpg": MESSENGER,
        "Downloads/IMG-20260302-WA0004.jpg": MESSENGER,
        "WhatsApp Image 2026-03-02 at 10.31.05.jpeg": MESSENGER,
        "Telegram/photo_5@02-03-2026_10-31-05.jpg": MESSENGER,
        "photo_2026-03-02_10-31-05.jpg": MESSENGER,
        "Signal/signal-2026-03-02-10-31-05-123.jpg": MESSENGER,
        "Pictures/Viber Images/IMG_1.jpg": MESSENGER,
        "WeiXin/mmexport1709371865123.jpg": MESSENGER,
        "received_1234567890.jpeg": MESSENGER,
        "FB_IMG_1709371865123.jpg": MESSENGER,
        "Threema/threema-20260302-103105.jpg": MESSENGER,
        "KakaoTalk/KakaoTalk_20260302_103105.jpg": MESSENGER,
        "bluetooth/IMG_0001.JPG": MESSENGER,
        "Email attachments/IMG_0001.JPG": MESSENGER,
        "Pictures/Messages/IMG_0002.JPG": MESSENGER,  # no pattern knows this one
        "Takeout/Google Photos/Photos from 2026/IMG_0001.JPG": CLOUD,
        "iCloud Photos/IMG_0001.JPG": CLOUD,
        "OneDrive - Northside/IMG_0001.JPG": CLOUD,
        "Dropbox/Camera Uploads/2026-03-02 10.31.05.jpg": CLOUD,
        "IMG_0001 (Ward's conflicted copy 2026-03-02).jpg": CLOUD,
        "IMG_0001.sync-conflict-20260302-103105-ABCDEFG.jpg": CLOUD,
        "My Drive/IMG_0001.JPG": CLOUD,
        "Nextcloud/InstantUpload/IMG_0001.JPG": CLOUD,
        "Shared Albums/IMG_0001.JPG": CLOUD,
        "DCIM/Screenshots/IMG_0001.JPG": SCREEN,
        "Screenshot_20260302-103105.jpg": SCREEN,
        "Bildschirmfoto 2026-03-02 um 10.31.05.jpg": SCREEN,
        "Capture d’écran 2026-03-02.jpg": SCREEN,
    }
    plain = [Case(path=path, data=phone()) for path in straight]
    return plain + [Case(path=p, data=phone(), truth=frozenset({kind})) for p, kind in marked.items()]


def _files() -> list[Case]:
    bare, own = picture(), own_tables(picture())
    apple = b"Photoshop 3.0\x008BIM\x04\x25\x00\x00\x00\x00\x00\x10" + bytes.fromhex(
        "d41d8cd98f00b204e9800998ecf8427e"
    )
    facebook = b"Photoshop 3.0\x008BIM\x04\x04\x00\x00\x00\x00\x00\x20\x1c\x02\x28\x00\x1aFBMD0a000a700200"
    toolkit = (
        b'http://ns.adobe.com/xap/1.0/\x00<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="Image::ExifTool 12"/>'
    )
    canvas = with_canvas(picture(quality=92))
    rows: list[tuple[str, bytes, set[LeakKind]]] = [
        ("stripped of all", without_apps(own), {BARE}),
        ("stripped, JFIF left", own, {BARE}),
        ("coded again", bare, {BARE}),
        ("coded again at a messenger's size", picture(size=(1600, 24)), {BARE}),
        ("a browser's canvas", canvas, {BARE}),
        ("of ffmpeg", with_segment(without_apps(bare), 0xFE, b"Lavc59.37.100\x00"), {BARE, EDITED}),
        ("of GD", with_segment(bare, 0xFE, b"CREATOR: gd-jpeg v1.0 (using IJG JPEG v62)"), {BARE, EDITED}),
        ("saved on an iPhone", with_segment(phone(), 0xED, apple), {EDITED}),
        ("from Facebook", with_segment(bare, 0xED, facebook), {BARE, MESSENGER}),
        ("changed by ExifTool", with_segment(phone(), 0xE1, toolkit), {EDITED}),
        ("saved for the web", with_segment(phone(), 0xEC, b"Ducky\x00\x01\x00\x04\x00\x00\x00<"), {EDITED}),
        ("by Snapseed", phone(software="Snapseed 2.0"), {EDITED}),
        ("by GIMP", phone(software="GIMP 2.10.32"), {EDITED}),
        ("by an editor nobody knows", phone(software="Wundkamera Pro"), {EDITED}),
        ("scaled", phone(was=(4032, 3024)), {EDITED}),
        ("cut square", phone(was=(64, 64)), {EDITED}),
        ("turned, numbers left", phone(was=(48, 64)), set()),
        ("with a comment of the camera", with_segment(phone(), 0xFE, b"AppleMark"), set()),
        ("of another phone", picture(make="samsung", model="SM-S911B", software="S911BXXS3AYB3"), set()),
        ("of a Pixel", picture(make="Google", model="Pixel 7", software="HDR+ 1.0.621982163zd"), set()),
        ("of a camera with Nikon Transfer", picture(make="NIKON", software="Nikon Transfer 1.1 W"), set()),
    ]  # fmt: skip
    return [
        Case(path=f"made/{n:02} {name}.jpg", data=data, truth=frozenset(kinds))
        for n, (name, data, kinds) in enumerate(rows)
    ]


def with_canvas(data: bytes) -> bytes:
    """Make it begin as Chromium's canvas does: JFIF without density, an sRGB profile of 456 bytes."""
    start = data.index(b"JFIF\x00")
    head = data[: start + 7] + b"\x00\x00\x01\x00\x01" + data[start + 12 :]
    body = b"ICC_PROFILE\x00\x01\x01" + bytes(456)
    end = start + 14
    return head[:end] + b"\xff\xe2" + (len(body) + 2).to_bytes(2, "big") + body + head[end:]


def _others() -> list[Case]:
    from PIL import Image, PngImagePlugin

    out, info = io.BytesIO(), PngImagePlugin.PngInfo()
    info.add_text("date:create", "2026-03-02T10:31:05+00:00")
    info.add_text("date:modify", "2026-03-02T10:31:05+00:00")
    Image.new("RGB", (40, 30)).save(out, "PNG", pnginfo=info)
    png = MediaType.PNG
    screen, cut = picture("PNG", (1170, 2532)), picture("PNG", (1170, 1500))
    screened, edited = frozenset({SCREEN, BARE}), frozenset({EDITED})
    return [
        Case(path="renamed.png", data=screen, media=png, truth=screened),
        Case(path="cut screenshot.png", data=cut, media=png, truth=screened),
        Case(path="IMG_0001.png", data=picture("PNG", make="Apple"), media=png, truth=edited),
        Case(path="magick.png", data=out.getvalue(), media=png, truth=frozenset({EDITED, BARE})),
        Case(path="drawn.png", data=picture("PNG"), media=png, truth=frozenset({BARE})),
        Case(path="Takeout/a/IMG_0002.JPG", data=phone(), truth=frozenset({CLOUD})),
        Case(path="export/IMG_0002.JPG", data=phone(), truth=frozenset({CLOUD}), sidecar=True),
        Case(path="export/IMG_0003-edited.JPG", data=phone(), truth=frozenset({CLOUD})),
    ]  # fmt: skip


@cache
def cases() -> tuple[Case, ...]:
    """Return the whole table."""
    return (*_names(), *_files(), *_others())


@dataclass(slots=True)
class Score:
    """Counts of one sign over a table."""

    right: int = 0
    false: int = 0
    missed: int = 0

    @property
    def precision(self) -> float:
        """Share of the flags that are right; 1 where there is none."""
        return self.right / (self.right + self.false) if self.right + self.false else 1.0

    @property
    def recall(self) -> float:
        """Share of the bearers that are flagged; 1 where there is none."""
        return self.right / (self.right + self.missed) if self.right + self.missed else 1.0


def scored(table: tuple[Case, ...]) -> tuple[dict[LeakKind, Score], list[tuple[Case, LeakKind, str]]]:
    """Count each sign over a table; and the rows that it got wrong, in words."""
    scores = {kind: Score() for kind in LeakKind}
    wrong = []
    for case in table:
        found = {sign.kind: sign.because for sign in reversed(case.signs())}
        for kind, score in scores.items():
            score.right += kind in found and kind in case.truth
            if kind in found and kind not in case.truth:
                score.false += 1
                wrong.append((case, kind, f"false alarm: {found[kind]}"))
            if kind in case.truth and kind not in found:
                score.missed += 1
                wrong.append((case, kind, "missed"))
    return scores, wrong
