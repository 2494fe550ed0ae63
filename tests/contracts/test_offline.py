"""Detection is offline: no library that it loads may report anywhere or leave a trace of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests.helpers import Clinic


def test_looking_at_photos_leaves_nothing_in_the_home_folder(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    clinic = Clinic(tmp_path / "clinic")
    photo = tmp_path / "photo.png"
    Image.effect_noise((200, 160), 40).convert("RGB").save(photo)
    # ONNX Runtime reports by itself except where it finds CI or its own switch in the environment
    assert not {"CI", "ORT_DISABLE_TELEMETRY"} & set(clinic.environment)
    ran = clinic.run("classify", photo, "--policy", "hospital", "--format", "json")
    [entry] = ran.json["photos"]
    states = {f["feature"]: f for f in entry["decision"]["features"]}
    assert "barcode" in states, "no detector looked: this test would prove nothing"
    assert not [p for p in clinic.root.rglob("*") if p.is_file()]
