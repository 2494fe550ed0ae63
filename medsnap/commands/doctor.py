"""`medsnap doctor`: what is here, what is set and by whom, what is missing."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform as system

from medsnap import __version__
from medsnap.commands._shared import Io, Result, command
from medsnap.report.page import Block, Facts, Line, Table, Tone

_PACKAGES = (
    "typer",
    "rich",
    "pillow",
    "pillow-heif",
    "piexif",
    "cryptography",
    "pyyaml",
    "keyring",
    "pydicom",
)
_EXTRAS = {
    "detect": ("onnxruntime", "opencv-python-headless", "rapidocr", "zxing-cpp", "numpy"),
    "dct": ("jpeglib",),
}


def _installed(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


@command()
def doctor(io: Io) -> Result:
    """Show versions, extras, settings with their origin, and folders.

    Examples:

      medsnap doctor

      medsnap doctor --format json
    """
    packages = {name: _installed(name) for name in _PACKAGES}
    extras = {name: {p: _installed(p) for p in parts} for name, parts in _EXTRAS.items()}
    settings = {
        name: {"value": s.value, "origin": s.origin} for name, s in sorted(io.settings.values.items())
    }
    folders = {
        "state": str(io.settings.state),
        "cache": str(io.settings.cache),
        "models": str(io.settings.models),
    }
    missing = sorted(n for n, v in packages.items() if not v)
    absent = sorted(name for name, parts in extras.items() if not all(parts.values()))
    page: list[Block] = [
        Facts((("medsnap", __version__), ("python", system.python_version()), ("system", system.platform()))),
        Table(columns=("package", "version"), rows=tuple((n, v or "missing") for n, v in packages.items())),
        Table(
            columns=("setting", "value", "from"),
            rows=tuple((n, s["value"] or "-", s["origin"]) for n, s in settings.items()),
            wide="from",
        ),
        Facts(tuple(folders.items())),
    ]
    page += [Line(f"extra [{n}] is not complete: pip install 'medsnap[{n}]'", Tone.WARN) for n in absent]
    data = {
        "version": __version__,
        "packages": packages,
        "extras": extras,
        "settings": settings,
        "folders": folders,
        "missing": missing,
    }
    return Result(page=tuple(page), data=data)
