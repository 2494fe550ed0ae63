"""How a device manager's export becomes the inventory: which heading is which column, which word which.

A mapping is a TOML file. Four are packaged; a hospital may write its own.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Final

from medsnap.errors import ConfigError, InputMissing
from medsnap.intake.days import Order
from medsnap.intake.devices import CANONICAL
from medsnap.model.decision import CloudPhotos, DeviceState, PersonalAccount

MANAGED: Final = "managed"  # a column of mappings only: "no" leaves the row out
MAX_BYTES: Final = 256 << 10
_COLUMNS: Final = (*CANONICAL, MANAGED, "exported")
_YES_NO: Final = ("yes", "no")
_WORDS: Final[dict[str, tuple[str, ...]]] = {
    "class": ("managed", "personal"),
    "shared": _YES_NO,
    MANAGED: _YES_NO,
    "state": (DeviceState.IN_USE, DeviceState.LOST, DeviceState.RETIRED),
    "cloud_photos": (CloudPhotos.OFF, CloudPhotos.ON),
    "personal_account": (PersonalAccount.NONE, PersonalAccount.PRESENT),
}
_KEYS: Final = ("source", "dates", "columns", "always", "values")


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnMapping:
    """One manager's export: headings by column (the first that is there counts), words by column."""

    name: str
    source: str
    columns: Mapping[str, tuple[str, ...]]
    always: Mapping[str, str] = field(default_factory=dict)  # where the export has no such column
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # column → folded word → ours
    dates: Order | None = None


def fold(text: str) -> str:
    """Take case, spaces and signs away: what headings and words are compared by."""
    return "".join(c for c in text.casefold() if c.isalnum())


def packaged_names() -> tuple[str, ...]:
    """Name the packaged mappings."""
    return tuple(
        sorted(f.name.removesuffix(".toml") for f in _folder().iterdir() if f.name.endswith(".toml"))
    )


def _folder() -> Any:
    return resources.files("medsnap.intake").joinpath("mappings")


def load(profile: str) -> ColumnMapping:
    """Load a packaged mapping by its name, or a file. Raises ConfigError with the key, InputMissing."""
    if profile in packaged_names():
        return parse(_folder().joinpath(f"{profile}.toml").read_bytes(), profile)
    path = Path(profile).expanduser()
    if not path.is_file():
        near = difflib.get_close_matches(profile, packaged_names(), n=1)
        guess = f"did you mean '{near[0]}'? " if near else ""
        hint = f"{guess}packaged are: {', '.join(packaged_names())}; or name a TOML file"
        raise InputMissing("there is no such profile, and no such file", where=profile, hint=hint)
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    return parse(data, str(path))


def parse(data: bytes, name: str) -> ColumnMapping:
    """Make a mapping of the bytes of a TOML file. Raises ConfigError with the key that is wrong."""
    if len(data) > MAX_BYTES:
        raise ConfigError("the mapping is too large", where=name)
    try:
        tree = tomllib.loads(data.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise ConfigError(f"the mapping is no TOML: {problem}"[:300], where=name) from problem
    _known(tree, _KEYS, name, "key")
    columns = {
        key: _texts(found, f"columns.{key}", name) for key, found in _part(tree, "columns", name).items()
    }
    always = {key: _text(found, f"always.{key}", name) for key, found in _part(tree, "always", name).items()}
    _known(columns, _COLUMNS, name, "column")
    _known(always, _COLUMNS, name, "column")
    for needed in ("asset", "class"):
        if needed not in columns and needed not in always:
            raise ConfigError(f"the mapping has no column '{needed}'", where=f"{name}: columns")
    return ColumnMapping(
        name=Path(name).stem,
        source=" ".join(_text(tree.get("source", ""), "source", name).split()),
        columns=columns,
        always=always,
        values=_values(_part(tree, "values", name), name),
        dates=_order(tree, name),
    )


def _values(part: dict[str, Any], name: str) -> dict[str, dict[str, str]]:
    _known(part, tuple(_WORDS), name, "column with words of its own")
    made: dict[str, dict[str, str]] = {}
    for column, words in part.items():
        if not isinstance(words, dict):
            raise ConfigError(f"'values.{column}' is no table", where=name)
        _known(words, _WORDS[column], name, "word")
        theirs: dict[str, str] = {}
        for ours, said in words.items():
            for word in _texts(said, f"values.{column}.{ours}", name):
                if theirs.setdefault(fold(word), ours) != ours:
                    raise ConfigError(f"'{word[:40]}' means two things", where=f"{name}: values.{column}")
        made[column] = theirs
    return made


def words_of(column: str) -> tuple[str, ...]:
    """Return the closed set of words of a column; () for free text and days."""
    return _WORDS.get(column, ())


def _known(part: Mapping[str, Any], allowed: tuple[str, ...], name: str, what: str) -> None:
    for key in part:
        if key not in allowed:
            near = difflib.get_close_matches(key, allowed, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(allowed)}"
            raise ConfigError(f"unknown {what} '{key[:40]}'", where=name, hint=hint)


def _part(tree: Mapping[str, Any], key: str, name: str) -> dict[str, Any]:
    found = tree.get(key, {})
    if not isinstance(found, dict):
        raise ConfigError(f"'{key}' is no table", where=name, hint=f"write [{key}]")
    return found


def _texts(value: Any, key: str, name: str) -> tuple[str, ...]:
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not all(isinstance(text, str) and text.strip() for text in listed):
        raise ConfigError(f"'{key}' needs one or more texts", where=name, hint=f'{key} = ["…"]')
    return tuple(listed)


def _text(value: Any, key: str, name: str) -> str:
    if not isinstance(value, str):
        raise ConfigError(f"'{key}' needs a text", where=name)
    return value


def _order(tree: Mapping[str, Any], name: str) -> Order | None:
    said = tree.get("dates")
    if said is None:
        return None
    if said not in tuple(Order):
        raise ConfigError("'dates' needs 'mdy' or 'dmy'", where=name)
    return Order(said)
