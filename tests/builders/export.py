"""Made-up rows and pictures for the export tests; nothing in them was ever a patient."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

from medsnap.model.decision import Decision, DeviceEvidence, PolicyRef, Verb
from medsnap.model.finding import FeatureState, State
from medsnap.model.photo import CaptureFacts, MediaType, ObjectId, Sha256
from medsnap.model.record import PhotoRow
from medsnap.model.seal import Seal
from medsnap.model.study import Description, Match, MatchState, Patient, Visit
from tests.builders import jpeg as coded

profile = coded.profile
NOW = datetime(2026, 3, 6, 8, 0, tzinfo=UTC)


def features(**states: str) -> tuple[FeatureState, ...]:
    return tuple(FeatureState(feature=name, state=State(state)) for name, state in states.items())


def decision(**changes: Any) -> Decision:
    given: dict[str, Any] = {
        "verb": Verb.ACCEPT,
        "compartment": "general",
        "votes": (),
        "decided_by": "features.face",
        "policy": PolicyRef(
            policy="little-clinic", version=1, digest="0" * 64, effective="1" * 64, baseline=1
        ),
        "at": "2026-03-05T12:00:00Z",
        "evidence": "2" * 64,
        "may_leave_to": ("ehr", "pacs"),
        "features": features(text="not_seen", barcode="not_seen", face="not_seen"),
    }
    return Decision(**(given | changes))


def match(**changes: Any) -> Match:
    given: dict[str, Any] = {
        "state": MatchState.MATCHED,
        "patient": Patient(mrn="T1", issuer="2.999.1", birth_date=date(1970, 1, 1)),
        "visit": Visit(encounter="E1", accession="A1", department="Surgery"),
        "description": Description(body_site="forearm", laterality="left", view="close-up", reason="wound"),
        "operator": "a.osei",
    }
    return Match(**(given | changes))


def row(
    photo: bytes, media: MediaType = MediaType.JPEG, *, object_id: str = "a" * 26, **changes: Any
) -> PhotoRow:
    sha = Sha256(hashlib.sha256(photo).hexdigest())
    given: dict[str, Any] = {
        "seal": Seal(
            object=ObjectId(object_id), compartment="general", epoch=1, payload=sha, plaintext=sha,
            length=len(photo), media=media,
        ),
        "state": "done",
        "source_name": "IMG_0001.JPG",
        "source_sha256": sha,
        "source_size": len(photo),
        "media": media,
        "at": "2026-03-05T12:00:00Z",
        "decision": decision(),
        "match": match(),
        "capture": CaptureFacts(
            make="Apple", model="iPhone 15", captured_at="2026-03-05T10:11:12", offset="+01:00"
        ),
        "device": DeviceEvidence(asset="WARD-TAB-07", os="ios", os_version="17.6"),
    }  # fmt: skip
    return PhotoRow(**(given | changes))


def picture(size: tuple[int, int] = (96, 64), mode: str = "RGB") -> Any:
    """A picture without symmetry, so that no wrong turn can look right."""
    from PIL import Image

    noise = (
        Image.radial_gradient("L").resize(size).transform(size, Image.Transform.AFFINE, (1, 0.3, 5, 0, 1, 9))
    )
    ramp = Image.linear_gradient("L").resize(size)
    if mode == "L":
        return Image.composite(noise, ramp, ramp.rotate(90).resize(size))
    return Image.merge("RGB", (noise, ramp, ramp.rotate(90).resize(size)))


def encode(image: Any, form: str, **options: Any) -> bytes:
    if form == "HEIF":
        import pillow_heif

        pillow_heif.register_heif_opener()
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def jpeg(size: tuple[int, int] = (96, 64), mode: str = "RGB", **options: Any) -> bytes:
    return encode(picture(size, mode), "JPEG", **({"quality": 90} | options))


def stream(seed: int = 1) -> Callable[[int], bytes]:
    import random

    return random.Random(seed).randbytes
