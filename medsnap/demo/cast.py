"""Who appears in the made-up day, and which photos are taken. Every name and number is invented."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

ISSUER = "2.999.1.7"  # 2.999 is the arc for examples (ITU-T X.660)
OPERATOR = "r.lind"


@dataclass(frozen=True, slots=True, kw_only=True)
class Invented:
    """A patient who does not exist."""

    name: str
    mrn: str
    encounter: str
    years: int  # whole years before the day of the demo, roughly

    def birth_date(self, today: date) -> date:
        """A day that makes the patient `years` old on the day of the demo."""
        return date(today.year - self.years - (1 if today.month < 3 else 0), 2, 17)


ADA = Invented(name="Demo, Ada", mrn="0070011", encounter="E-26-1001", years=58)
BEN = Invented(name="Demo, Ben", mrn="0070042", encounter="E-26-1002", years=71)
CLEO = Invented(name="Demo, Cleo", mrn="0070057", encounter="E-26-1003", years=34)
DEV = Invented(name="Demo, Dev", mrn="0070063", encounter="E-26-1004", years=66)
EVA = Invented(name="Demo, Eva", mrn="0070078", encounter="E-26-1005", years=45)
FINN = Invented(name="Demo, Finn", mrn="0070081", encounter="E-26-1006", years=9)
GUL = Invented(name="Demo, Gul", mrn="0070099", encounter="E-26-1007", years=52)

PATIENTS = (ADA, BEN, CLEO, DEV, EVA, FINN, GUL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """One photo of the day: where it lies, what is special, and what the manifest says of it."""

    file: str  # below the dump
    story: str  # in plain words, for the reader of the demo
    kind: str = "jpeg"  # jpeg heic live webp png motion label bare corrupt
    orientation: int = 1
    patient: Invented | None = None
    site: str = ""
    side: str = ""
    view: str = "regional"
    reason: str = "wound"
    listed_by: str = "file"  # file, sha256, folder, or "" for a photo that no row names
    blank: tuple[str, ...] = field(default=())  # columns that its row leaves out


_TAB = "WARD-TAB-07/DCIM/100APPLE"
_SERIES = "WARD-TAB-07/DCIM/101APPLE"
_PHONE = "PRIVATE-PHONE/DCIM/Camera"

SHOTS: tuple[Shot, ...] = (
    Shot(file=f"{_TAB}/IMG_0411.HEIC", story="a HEIC from the ward's tablet", kind="heic",
         patient=ADA, site="forearm", side="left"),
    Shot(file=f"{_TAB}/IMG_0412.HEIC", story="a Live Photo: a still and three seconds of film", kind="live",
         patient=ADA, site="forearm", side="left", view="close-up"),
    Shot(file=f"{_TAB}/IMG_0413.JPG", story="held upright, so the camera stored it turned", orientation=6,
         patient=BEN, site="lower leg", side="right"),
    Shot(file=f"{_TAB}/IMG_0414.JPG", story="the same leg, closer",
         patient=BEN, site="lower leg", side="right", view="close-up"),
    Shot(file=f"{_TAB}/IMG_0415.JPG", story="taken with the tablet upside down; its row names the content",
         orientation=3, patient=CLEO, site="hand", side="left", listed_by="sha256"),
    Shot(file=f"{_TAB}/IMG_0416.JPG", story="turned the other way", orientation=8,
         patient=CLEO, site="hand", side="left", view="close-up"),
    Shot(file=f"{_SERIES}/IMG_0417.JPG", story="a series: one row names its folder",
         patient=DEV, site="foot", side="right", listed_by="folder", reason="follow-up"),
    Shot(file=f"{_SERIES}/IMG_0418.JPG", story="the second of the series", orientation=6,
         patient=DEV, site="foot", side="right", listed_by="folder", reason="follow-up"),
    Shot(file=f"{_SERIES}/IMG_0419.JPG", story="the third of the series",
         patient=DEV, site="foot", side="right", listed_by="folder", reason="follow-up"),
    Shot(file=f"{_TAB}/IMG_0420.JPG", story="an operation wound; without a birth date the age is not known",
         patient=EVA, site="abdomen", reason="operation", blank=("birth_date",)),
    Shot(file=f"{_TAB}/IMG_0421.JPG", story="a shoulder", patient=EVA, site="shoulder", side="right"),
    Shot(file=f"{_TAB}/IMG_0422.JPG", story="a child's knee; the clinician says that nothing intimate shows",
         patient=FINN, site="knee", side="left"),
    Shot(file=f"{_TAB}/IMG_0423.JPG", story="a groin: a sensitive site stays until somebody has looked",
         patient=GUL, site="groin", side="left", blank=("features",)),
    Shot(file=f"{_TAB}/IMG_0424.JPG", story="its row has a number but no second identifier",
         patient=GUL, site="knee", side="right", blank=("birth_date", "encounter")),
    Shot(file=f"{_TAB}/IMG_0425.JPG", story="the label of a wristband: name, number and barcode",
         kind="label", patient=BEN, listed_by=""),
    Shot(file=f"{_TAB}/IMG_0426.JPG", story="a file that broke while it was copied", kind="corrupt",
         patient=BEN, site="lower leg", side="right"),
    Shot(file=f"{_PHONE}/20260101_101500.MP.jpg", story="a motion photo: a film hides behind the picture",
         kind="motion", patient=CLEO, site="hand", side="left"),
    Shot(file=f"{_PHONE}/20260101_101730.webp", story="a WebP from the private phone", kind="webp",
         listed_by=""),
    Shot(file="PRIVATE-PHONE/Pictures/Screenshots/Screenshot_20260101-102000.png",
         story="a screenshot of a patient list", kind="png", listed_by=""),
    Shot(file="PRIVATE-PHONE/WhatsApp/Media/WhatsApp Images/Sent/IMG-20260101-WA0003.jpg",
         story="sent by a messenger, which stripped the camera's data", kind="bare",
         patient=DEV, site="foot", side="right"),
)  # fmt: skip
