"""Signs that a photo has been elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from medsnap.intake.sources import signs
from medsnap.model.decision import LeakKind, LeakSign
from medsnap.model.photo import Candidate, CaptureFacts, Companion, CompanionKind, MediaType, Source
from medsnap.model.private import Private

CAMERA = CaptureFacts(make="Apple", model="iPhone", has_exposure=True, width=4032, height=3024)


def source(relative: str) -> Source:
    path = Path("/dump") / relative
    return Source(path=path, relative=Private(relative), size=1, mtime_ns=0, device=0, inode=0)


def look(
    relative: str,
    facts: CaptureFacts = CAMERA,
    xmp: bytes | None = None,
    *,
    media: MediaType = MediaType.JPEG,
    beside: CompanionKind | None = None,
) -> tuple[LeakSign, ...]:
    companions = (Companion(kind=beside, source=source("x")),) if beside else ()
    return signs(Candidate(source=source(relative), media=media, companions=companions), facts, xmp)


@pytest.mark.parametrize(
    ("relative", "kind"),
    [
        ("IMG-20260302-WA0003.jpg", LeakKind.MESSAGING_APP),
        ("WhatsApp/Media/WhatsApp Images/Sent/a.jpg", LeakKind.MESSAGING_APP),
        ("WhatsApp Image 2026-03-02 at 10.31.05.jpeg", LeakKind.MESSAGING_APP),
        ("photo_2026-03-02_10-31-05.jpg", LeakKind.MESSAGING_APP),
        ("photo_5@02-03-2026_10-31-05.jpg", LeakKind.MESSAGING_APP),
        ("signal-2026-03-02-10-31-05-123.jpg", LeakKind.MESSAGING_APP),
        ("IMG-3f2a9c0d1e4b5a6f7c8d-V.jpg", LeakKind.MESSAGING_APP),
        ("mmexport1709371865123.jpg", LeakKind.MESSAGING_APP),
        ("received_1234567890.jpeg", LeakKind.MESSAGING_APP),
        ("bluetooth/IMG_1.jpg", LeakKind.MESSAGING_APP),
        ("Takeout/Google Photos/Photos from 2026/a.jpg", LeakKind.CLOUD_COPY),
        ("Dropbox/Camera Uploads/a.jpg", LeakKind.CLOUD_COPY),
        ("a (Ward's conflicted copy 2026-03-02).jpg", LeakKind.CLOUD_COPY),
        ("OneDrive - Northside/a.jpg", LeakKind.CLOUD_COPY),
        ("Shared Albums/a.jpg", LeakKind.CLOUD_COPY),
        ("a.sync-conflict-20260302-103105-ABCDEFG.jpg", LeakKind.CLOUD_COPY),
        ("DCIM/Screenshots/a.png", LeakKind.SCREENSHOT),
        ("Screenshot_20260302-103105.png", LeakKind.SCREENSHOT),
        ("Bildschirmfoto 2026-03-02 um 10.31.05.png", LeakKind.SCREENSHOT),
    ],
)
def test_names_and_folders(relative: str, kind: LeakKind) -> None:
    found = look(relative)
    assert kind in {sign.kind for sign in found}
    assert len(Path(relative).stem) < 8 or not any(Path(relative).stem in s.because for s in found)


@pytest.mark.parametrize(
    "relative",
    [
        "WARD-TAB-07/DCIM/100APPLE/IMG_0413.JPG",
        "DCIM/Camera/20260302_103105.jpg",
        "DCIM/Camera/PXL_20260302_103105123.MP.jpg",
        "IMG_20260302_103105.jpg",
        "online clinic/IMG_1.jpg",
        "received.jpg",
        "photo_1.jpg",
        "wound (1).jpg",
    ],
)
def test_ordinary_names_say_nothing(relative: str) -> None:
    assert look(relative) == ()


@pytest.mark.parametrize(
    ("facts", "media", "screen"),
    [
        (CaptureFacts(width=1080, height=2400), MediaType.PNG, True),
        (CaptureFacts(width=2400, height=1080), MediaType.PNG, True),
        (CaptureFacts(width=1080, height=2400, has_exposure=True), MediaType.PNG, False),
        (CaptureFacts(width=1080, height=2401), MediaType.PNG, False),
        (CaptureFacts(width=1080, height=1920), MediaType.JPEG, False),
    ],
)
def test_screen_sized_pngs(facts: CaptureFacts, media: MediaType, screen: bool) -> None:
    assert (LeakKind.SCREENSHOT in {s.kind for s in look("a", facts, media=media)}) is screen


def test_metadata_that_says_screenshot() -> None:
    xmp = b'<exif:UserComment><rdf:Alt><rdf:li xml:lang="x-default">Screenshot</rdf:li></rdf:Alt>'
    assert [s.kind for s in look("a", xmp=xmp)] == [LeakKind.SCREENSHOT]


@pytest.mark.parametrize(
    ("software", "xmp", "edited"),
    [
        ("Adobe Photoshop 21.0 (Macintosh)", None, True),
        ("17.6.1", None, False),
        ("HDR+ 1.0.621982163zd", None, False),
        ("S911BXXU3AWF7", None, False),
        (None, b'xmp:CreatorTool="Snapseed 2.0"', True),
        (None, b"<xmp:CreatorTool>17.6</xmp:CreatorTool>", False),
        (None, b"<stEvt:softwareAgent>Adobe Lightroom</stEvt:softwareAgent>", True),
        (None, b"<dc:description>seen in Photoshop</dc:description>", False),
    ],
)
def test_editors(software: str | None, xmp: bytes | None, edited: bool) -> None:
    facts = CaptureFacts(make="Apple", software=software)
    assert [s.kind for s in look("a", facts, xmp)] == [LeakKind.EDITED] * edited


def test_bare_photos_and_takeout() -> None:
    assert [s.kind for s in look("a", CaptureFacts())] == [LeakKind.NO_CAMERA_DATA]
    assert look("a", CaptureFacts(), media=MediaType.MOV) == ()
    assert [s.kind for s in look("a", beside=CompanionKind.TAKEOUT_JSON)] == [LeakKind.CLOUD_COPY]


def test_a_file_given_by_itself_is_judged_by_its_folder() -> None:
    alone = Source(
        path=Path("/x/WhatsApp Images/a.jpg"),
        relative=Private("a.jpg"),
        size=1,
        mtime_ns=0,
        device=0,
        inode=0,
    )
    found = signs(Candidate(source=alone, media=MediaType.JPEG), CAMERA, None)
    assert [s.kind for s in found] == [LeakKind.MESSAGING_APP]
