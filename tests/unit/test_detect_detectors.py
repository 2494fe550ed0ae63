"""All detectors behind one door: what is said when one is absent, altered, fails, or sees nothing."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from medsnap.detect import Detectors, cards, models
from medsnap.detect.detectors import Seeker
from medsnap.detect.picture import Picture
from medsnap.errors import DetectorError
from medsnap.model.finding import Detector, Finding, Reading, Region, State
from medsnap.model.photo import MediaType

pytest.importorskip("numpy")
pytest.importorskip("onnxruntime")
pytest.importorskip("cv2")


def picture(width: int = 200, height: int = 120, form: str = "PNG", orientation: int = 1) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    image = Image.linear_gradient("L").resize((width, height)).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(out, form, exif=exif)
    return out.getvalue()


def barcode(text: str, width: int = 400) -> bytes:
    """A photo-like PNG with one QR code on grey."""
    import zxingcpp
    from PIL import Image

    code = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode)
    symbol = Image.fromarray(code.to_image(scale=4))
    canvas = Image.new("RGB", (width, width), (200, 190, 185))
    canvas.paste(symbol, (40, 60))
    out = io.BytesIO()
    canvas.save(out, "PNG")
    return out.getvalue()


def told(readings: tuple[Reading, ...]) -> dict[str, tuple[State | None, str]]:
    return {r.feature: (r.state, r.because) for r in readings}


@dataclass
class Fixed:
    """A detector that answers always the same."""

    identity: Detector
    answer: tuple[Finding, ...] = ()
    fails: bool = False
    saw: list[tuple[Finding, ...]] = field(default_factory=list)

    def find(self, picture: Picture, found: tuple[Finding, ...]) -> tuple[Finding, ...]:
        self.saw.append(found)
        if self.fails:
            raise DetectorError("centerface failed (RuntimeException)")
        return self.answer


def finding(card: cards.Card, score: float) -> Finding:
    box = Region(x=0.1, y=0.1, w=0.2, h=0.2)
    return Finding(feature=card.feature, region=box, score=score, detector=card.identity)


def with_fixed(**answers: Fixed) -> Detectors:
    opened: dict[str, Seeker] = {c.name: answers.get(c.feature, Fixed(c.identity)) for c in cards.CARDS}
    return Detectors(None, dict(opened))


class TestAbsence:
    def test_no_folder_means_not_checked_and_barcodes_still_run(self) -> None:
        look = Detectors.load(None).look(picture(), MediaType.PNG)
        assert told(look.readings) == {
            "face": (State.NOT_CHECKED, "no model installed"),
            "partial_face": (State.NOT_CHECKED, "no model installed"),
            "text": (State.NOT_CHECKED, "no model installed"),
            "barcode": (None, ""),
        }
        assert look.problem is None

    def test_an_empty_folder_means_not_checked(self, tmp_path: Path) -> None:
        readings = told(Detectors.load(tmp_path).look(picture(), MediaType.PNG).readings)
        assert readings["face"] == readings["text"] == (State.NOT_CHECKED, "no model installed")

    def test_an_altered_model_is_never_run(self, tmp_path: Path) -> None:
        (tmp_path / "centerface.onnx").write_bytes(b"something else")
        readings = told(Detectors.load(tmp_path).look(picture(), MediaType.PNG).readings)
        assert readings["face"] == (State.NOT_ASSESSABLE, "model altered")
        assert readings["partial_face"] == (State.NOT_ASSESSABLE, "model altered")

    def test_one_altered_file_of_three_spoils_the_text_detector(self, tmp_path: Path) -> None:
        for model in cards.TEXT.models:
            (tmp_path / model.file).write_bytes(b"\x00")
        assert told(Detectors.load(tmp_path).look(picture(), MediaType.PNG).readings)["text"] == (
            State.NOT_ASSESSABLE,
            "model altered",
        )

    def test_a_model_that_became_a_folder_is_no_crash(self, tmp_path: Path) -> None:
        (tmp_path / "centerface.onnx").mkdir()
        state, because = told(Detectors.load(tmp_path).look(picture(), MediaType.PNG).readings)["face"]
        assert state is State.NOT_ASSESSABLE
        assert "cannot be read" in because
        assert models.verify(tmp_path)[0].state is models.Presence.ALTERED

    def test_without_the_extra_the_photo_is_still_measured(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import sys

        for name in ("numpy", "cv2", "onnxruntime", "rapidocr", "zxingcpp"):
            monkeypatch.setitem(sys.modules, name, None)  # type: ignore[arg-type]
        look = Detectors.load(None).look(picture(), MediaType.PNG)
        assert (look.width, look.height, look.problem) == (200, 120, None)
        assert set(told(look.readings).values()) == {(State.NOT_CHECKED, "the detect extra is not installed")}


class TestLook:
    def test_a_broken_picture_is_a_problem_and_nothing_is_assessable(self) -> None:
        look = Detectors.load(None).look(picture()[:60], MediaType.PNG)
        assert look.problem
        assert {r.state for r in look.readings} == {State.NOT_ASSESSABLE}
        assert {r.feature for r in look.readings} == {"face", "partial_face", "text", "barcode"}

    @pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff", b"\x00" * 400])
    def test_any_bytes_give_a_look(self, data: bytes) -> None:
        assert Detectors.load(None).look(data, MediaType.JPEG).problem

    def test_more_pixels_than_allowed(self) -> None:
        look = Detectors.load(None).look(picture(), MediaType.PNG, max_pixels=100)
        assert look.problem
        assert all(r.state is State.NOT_ASSESSABLE for r in look.readings)

    def test_sizes_are_those_of_the_upright_picture(self) -> None:
        look = with_fixed().look(picture(200, 120, "JPEG", orientation=6), MediaType.JPEG)
        assert (look.width, look.height) == (120, 200)

    def test_nothing_found_is_the_score_nought(self) -> None:
        readings = with_fixed().look(picture(), MediaType.PNG).readings
        assert [(r.score, r.state) for r in readings] == [(0.0, None)] * 4

    def test_the_reading_has_the_best_score(self) -> None:
        found = Fixed(cards.FACE.identity, (finding(cards.FACE, 0.4), finding(cards.FACE, 0.9)))
        look = with_fixed(face=found).look(picture(), MediaType.PNG)
        assert look.readings[0].score == 0.9
        assert len(look.findings) == 2

    def test_a_failing_detector_is_not_assessable_and_the_others_go_on(self) -> None:
        look = with_fixed(face=Fixed(cards.FACE.identity, fails=True)).look(picture(), MediaType.PNG)
        assert told(look.readings)["face"] == (
            State.NOT_ASSESSABLE,
            "centerface failed (RuntimeException)",
        )
        assert [r.score for r in look.readings[1:]] == [0.0, 0.0, 0.0]

    def test_later_detectors_see_what_was_found_before(self) -> None:
        text = Fixed(cards.TEXT.identity, (finding(cards.TEXT, 0.7),))
        codes = Fixed(cards.BARCODE.identity)
        with_fixed(text=text, barcode=codes).look(picture(), MediaType.PNG)
        assert codes.saw == [text.answer]

    @pytest.mark.parametrize("found", [False, True])
    def test_in_a_tiny_picture_only_what_is_seen_counts(self, found: bool) -> None:
        answer = (finding(cards.FACE, 0.6),) if found else ()
        look = with_fixed(face=Fixed(cards.FACE.identity, answer)).look(picture(40, 40), MediaType.PNG)
        face = look.readings[0]
        assert (face.score, face.state) == ((0.6, None) if found else (None, State.NOT_ASSESSABLE))

    def test_the_first_frame_proves_nothing_for_the_others(self) -> None:
        look = with_fixed().look(picture(form="GIF"), MediaType.GIF)
        assert {(r.state, r.because) for r in look.readings} == {
            (State.NOT_ASSESSABLE, "only the first frame was looked at")
        }


class TestBarcodes:
    def test_a_symbol_is_found_read_and_boxed(self) -> None:
        look = Detectors.load(None).look(barcode("MRN 4711"), MediaType.PNG)
        (code,) = look.findings
        assert code.feature == "barcode"
        assert code.score == 1.0
        assert code.value is not None
        assert code.value.reveal() == "MRN 4711"
        assert "4711" not in repr(look)
        box = code.region
        assert box.x * 400 <= 56
        assert box.y * 400 <= 76
        assert (box.x + box.w) * 400 >= 40 + 21 * 4

    def test_a_picture_without_one(self) -> None:
        look = Detectors.load(None).look(picture(), MediaType.PNG)
        assert look.findings == ()
        assert look.readings[-1].score == 0.0


def test_cards_name_the_detectors_of_the_baseline() -> None:
    assert {(c.name, c.feature) for c in cards.CARDS if c.may_clear} == {
        ("centerface", "face"),
        ("ppocr-v4", "text"),
        ("zxing-cpp", "barcode"),
    }
    assert all(c.measured and c.blind_spots for c in cards.CARDS)


@pytest.mark.parametrize("card", cards.CARDS, ids=lambda c: c.name)
def test_the_documentation_says_what_the_card_says(card: cards.Card) -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "FEATURES.md").read_text(encoding="utf-8")
    assert f"### {card.feature}: `{card.name}` {card.version}" in text
    assert all(line in text for line in (card.settings, *card.measured, *card.blind_spots))
    assert all(model.sha256 in text for model in card.models)
