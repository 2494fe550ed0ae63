"""Settings: option > MEDSNAP_* > file given by --config > user file > system file > default.

There is no file that is picked up from the current folder: that folder may be somebody's dump, and
a dump must not choose the policy (docs/adr/0004).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from medsnap.errors import ConfigError, InputMissing

DEFAULTS: dict[str, str] = {
    "vault": "",
    "policy": "",
    "key_file": "",
    "key_command": "",
    "key_passphrase_command": "",
    "models": "",
    "state": "",
    "cache": "",
    "devices": "",
    "device_profile": "",
    "people": "",
    "consent": "",
    "checkpoint_days": "7",
    "jobs": "0",
    "site.name": "",
    "site.oid": "",
    "site.timezone": "",
}


@dataclass(frozen=True, slots=True)
class Setting:
    """One value and where it comes from, for `doctor`."""

    value: str
    origin: str


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings by dotted name, each with its origin."""

    values: Mapping[str, Setting]
    home: Path
    environment: Mapping[str, str]

    def get(self, name: str) -> str:
        """Return a value, "" when it is nowhere set."""
        found = self.values.get(name)
        return found.value if found else ""

    def path(self, name: str) -> Path | None:
        """Return a value as a path, None when it is nowhere set."""
        value = self.get(name)
        return Path(value).expanduser() if value else None

    def folder(self, name: str, variable: str, fallback: str) -> Path:
        """Return a folder: the setting, else `$variable/medsnap`, else `~/fallback/medsnap` (XDG)."""
        chosen = self.path(name)
        if chosen is not None:
            return chosen
        base = self.environment.get(variable, "")
        return (Path(base) if base else self.home / fallback) / "medsnap"

    @property
    def state(self) -> Path:
        """Folder of this host's pins, signing keys and journals."""
        return self.folder("state", "XDG_STATE_HOME", ".local/state")

    @property
    def cache(self) -> Path:
        """Folder of rebuildable catalogues."""
        return self.folder("cache", "XDG_CACHE_HOME", ".cache")

    @property
    def models(self) -> Path:
        """Folder of installed detector models."""
        chosen = self.path("models")
        return chosen if chosen is not None else self.folder("", "XDG_DATA_HOME", ".local/share") / "models"


def load(environment: Mapping[str, str], home: Path, given: Path | None = None) -> Settings:
    """Read all layers. Raises ConfigError with file and line, InputMissing for a missing --config."""
    values = {name: Setting(value, "default") for name, value in DEFAULTS.items()}
    user = Path(environment.get("XDG_CONFIG_HOME") or home / ".config") / "medsnap" / "config.toml"
    for path, origin in ((Path("/etc/medsnap/config.toml"), "system file"), (user, "user file")):
        if path.is_file():
            values |= _file(path, f"{origin} {path}")
    if given is not None:
        if not given.is_file():
            raise InputMissing("the configuration file does not exist", where=str(given))
        values |= _file(given, f"--config {given}")
    for name in DEFAULTS:
        variable = "MEDSNAP_" + name.upper().replace(".", "_")
        if environment.get(variable):
            values[name] = Setting(environment[variable], variable)
    return Settings(values, home, environment)


def _file(path: Path, origin: str) -> dict[str, Setting]:
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise ConfigError(f"the configuration is no TOML: {problem}", where=str(path)) from problem
    flat: dict[str, Setting] = {}
    _flatten(tree, "", flat, origin)
    known = set(DEFAULTS)
    for name in flat:
        if name not in known and not name.startswith("targets."):
            raise ConfigError(
                f"unknown setting '{name}'",
                where=str(path),
                hint="known: " + ", ".join(sorted(known)) + ", targets.NAME.folder",
            )
    return flat


def _flatten(tree: Mapping[str, object], prefix: str, flat: dict[str, Setting], origin: str) -> None:
    for key, value in tree.items():
        if isinstance(value, dict):
            _flatten(value, f"{prefix}{key}.", flat, origin)
        else:
            flat[prefix + key] = Setting(str(value), origin)
