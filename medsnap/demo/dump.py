"""Make the made-up day: a folder as two devices would be dumped, and the lists that go with it."""

from __future__ import annotations

import hashlib
import io
import os
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from medsnap.demo import clip, code128, draw, lists, phones
from medsnap.demo.cast import SHOTS, Shot

if TYPE_CHECKING:
    from PIL import Image

_LIVE = "7D1F3C0A-DE30-4000-8000-0000000DE300"
_BESIDE = (  # files of a real dump that are no photos of ours: each is skipped with its reason
    ("WARD-TAB-07/DCIM/.thumbnails/IMG_0413.JPG", "jpeg"),
    ("PRIVATE-PHONE/DCIM/Camera/.trashed-1790000000-20260101_090000.jpg", "jpeg"),
    ("PRIVATE-PHONE/DCIM/Camera/.pending-1790000001-20260101_102200.jpg", "jpeg"),
    ("WARD-TAB-07/notes.txt", "text"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoDay:
    """Where everything of the made-up day lies."""

    folder: Path
    dump: Path  # what `ingest` takes
    manifest: Path
    people: Path
    devices: Path
    shots: tuple[Shot, ...]  # in the order of the day; file names are below `dump`
    beside: int  # files that are skipped


def make(folder: Path, *, seed: int, now: date, department: str = "wound-care") -> DemoDay:
    """Make the day below `folder`: the same bytes for the same seed, day and department.

    `department` must be one of the policy's. The folder is created; files in it are replaced.
    """
    dump = folder / "dump"
    shots = tuple(_dated(shot, now) for shot in SHOTS)
    digests: dict[str, str] = {}
    for number, shot in enumerate(shots):
        taken = datetime.combine(now, time(8, 40), UTC) + timedelta(minutes=6 * number)
        files = _files(shot, taken, _chance(seed, shot.file), number)
        for name, data in files.items():
            _write(dump / name, data, taken)
        digests[shot.file] = hashlib.sha256(files[shot.file]).hexdigest()
    for name, kind in _BESIDE:
        data = _small(_chance(seed, name)) if kind == "jpeg" else b"charger is in room 3\n"
        _write(dump / _renamed(name, now), data, datetime.combine(now, time(7), UTC))
    made = {
        "manifest": lists.manifest(shots, digests, now, department),
        "people": lists.people(now),
        "devices": lists.devices(now),
    }
    for name, text in made.items():
        _write(folder / f"{name}.csv", text.encode("utf-8"), datetime.combine(now, time(12), UTC))
    return DemoDay(
        folder=folder,
        dump=dump,
        manifest=folder / "manifest.csv",
        people=folder / "people.csv",
        devices=folder / "devices.csv",
        shots=shots,
        beside=len(_BESIDE),
    )


def _chance(seed: int, name: str) -> Random:
    return Random(f"{seed} {name}")  # noqa: S311 - noise and wounds, nothing secret


def _dated(shot: Shot, now: date) -> Shot:
    return replace(shot, file=_renamed(shot.file, now))


def _renamed(name: str, now: date) -> str:
    return name.replace("20260101", now.strftime("%Y%m%d"))


def _write(path: Path, data: bytes, at: datetime) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.utime(path, (at.timestamp(), at.timestamp()))


def _files(shot: Shot, taken: datetime, rng: Random, number: int) -> dict[str, bytes]:
    """All files of one photo by name; a Live Photo has two."""
    phone = phones.TABLET if shot.file.startswith(phones.TABLET.asset) else phones.PRIVATE
    raster = _picture(shot, rng, number)  # as the sensor lies; Exif says how the device was held
    live = _LIVE if shot.kind == "live" else ""
    exif = phones.exif(phone, raster, taken, orientation=shot.orientation, live=live)
    xmp = phones.xmp(phone)
    match shot.kind:
        case "heic" | "live":
            files = {shot.file: _heic(raster, exif, xmp)}
            if live:
                film = clip.movie(brand=b"qt  ", payload=rng.randbytes(240_000), identifier=_LIVE)
                files[shot.file.removesuffix(".HEIC") + ".MOV"] = film
            return files
        case "motion":
            return {shot.file: _motion(raster, exif, phone, rng)}
        case "webp":
            return {shot.file: _saved(raster, "WEBP", quality=82, exif=exif, xmp=xmp)}
        case "png":
            return {shot.file: _screen(raster, phone)}
        case "bare":
            return {shot.file: _saved(raster.resize((1280, 960)), "JPEG", quality=60)}
        case "corrupt":
            return {shot.file: _jpeg(raster, exif, xmp)[:3000]}
        case _:
            return {shot.file: _jpeg(raster, exif, xmp)}


def _picture(shot: Shot, rng: Random, number: int) -> Image.Image:
    if shot.kind == "png":
        return draw.screenshot(("Ward 7 (invented)", "Demo, Ada    0070011", "Demo, Ben    0070042"))
    if shot.kind == "label" and shot.patient:
        lines = (f"{shot.patient.name}  (invented)", f"MRN {shot.patient.mrn}", "Northside Demo Ward 7")
        return draw.wristband(rng, lines=lines, modules=code128.widths(shot.patient.mrn))
    tone = (shot.patient.years if shot.patient else number) % 5
    return draw.skin(rng, tone=tone, ruler=shot.view != "close-up")


def _saved(picture: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def _small(rng: Random) -> bytes:
    return _saved(draw.skin(rng, tone=2).resize((160, 120)), "JPEG", quality=70)


def _jpeg(raster: Image.Image, exif: bytes, xmp: bytes) -> bytes:
    icc = phones.profile()
    return _saved(raster, "JPEG", quality=88, exif=exif, xmp=xmp, icc_profile=icc)


def _heic(raster: Image.Image, exif: bytes, xmp: bytes) -> bytes:
    import pillow_heif

    pillow_heif.register_heif_opener()
    # Without thread pools the encoder writes the same bytes on any number of cores.
    coder = {"preset": "ultrafast", "x265:pools": "none"}
    icc = phones.profile()
    return _saved(raster, "HEIF", quality=60, exif=exif, xmp=xmp, icc_profile=icc, enc_params=coder)


def _motion(raster: Image.Image, exif: bytes, phone: phones.Phone, rng: Random) -> bytes:
    """A motion photo (Android motion photo format 1.0): the MP4 lies behind the JPEG."""
    film = clip.movie(brand=b"mp42", payload=rng.randbytes(180_000))
    extra = (
        ' xmlns:GCamera="http://ns.google.com/photos/1.0/camera/" GCamera:MotionPhoto="1"'
        ' GCamera:MotionPhotoVersion="1" GCamera:MotionPhotoPresentationTimestampUs="1500000"'
        ' xmlns:Container="http://ns.google.com/photos/1.0/container/"'
        ' xmlns:Item="http://ns.google.com/photos/1.0/container/item/"'
    )
    items = (
        '<Container:Directory><rdf:Seq><rdf:li rdf:parseType="Resource"><Container:Item'
        ' Item:Mime="image/jpeg" Item:Semantic="Primary" Item:Length="0" Item:Padding="0"/></rdf:li>'
        '<rdf:li rdf:parseType="Resource"><Container:Item Item:Mime="video/mp4"'
        f' Item:Semantic="MotionPhoto" Item:Length="{len(film)}" Item:Padding="0"/></rdf:li></rdf:Seq>'
        "</Container:Directory>"
    )
    return _jpeg(raster, exif, phones.xmp(phone, description=items, extra=extra)) + film


def _screen(picture: Image.Image, phone: phones.Phone) -> bytes:
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    comment = (
        '<exif:UserComment><rdf:Alt><rdf:li xml:lang="x-default">Screenshot</rdf:li></rdf:Alt>'
        "</exif:UserComment>"
    )
    packet = phones.xmp(phone, description=comment).decode("utf-8")
    info.add_itxt("XML:com.adobe.xmp", packet)
    return _saved(picture, "PNG", pnginfo=info)
