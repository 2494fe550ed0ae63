"""`medsnap doctor`: what is here, what is set and by whom, what is missing."""

from __future__ import annotations

import importlib.metadata
import platform as system
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

from medsnap import __released__, __version__
from medsnap.commands._shared import Io, Result, command
from medsnap.errors import MedsnapError
from medsnap.report.page import Block, Facts, Line, Table, Tone

_PACKAGES = (
    "typer", "rich", "pillow", "pillow-heif", "piexif", "cryptography", "pyyaml", "keyring", "pydicom"
)  # fmt: skip
_SOON = timedelta(days=180)  # sheets have to be fetched from safes
_EXTRAS = {
    "detect": ("onnxruntime", "opencv-python-headless", "rapidocr", "zxing-cpp", "numpy"),
    "dct": ("jpeglib",),
}


@command()
def doctor(io: Io) -> Result:
    """Show versions, extras, settings with their origin, and whether models, policy and vault are well.

    It changes nothing and always ends with 0: it tells, it does not judge.

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
    checks = list(_checks(io))
    places = _sources(io)
    versions = {"medsnap": __version__, "python": system.python_version(), "system": system.platform()}
    page: list[Block] = [
        Facts(tuple(versions.items())),
        Line(),
        Table(columns=("package", "version"), rows=tuple((n, v or "missing") for n, v in packages.items())),
        Line(),
        Table(
            columns=("setting", "value", "from"),
            rows=tuple((n, s["value"] or "-", s["origin"]) for n, s in settings.items()),
            wide="value",
        ),
        Line(),
        Facts(tuple(folders.items())),
        Line(),
        Table(columns=("check", "state", "what to do"), rows=tuple(checks), wide="what to do"),
        *_shown(places),
    ]
    page += [
        Line(f"extra [{name}] is not complete: pip install 'medsnap[{name}]'", Tone.WARN)
        for name, parts in extras.items()
        if not all(parts.values())
    ]
    data = {
        "versions": versions,
        "packages": packages,
        "extras": extras,
        "settings": settings,
        "folders": folders,
        "key_sources": [dict(zip(("source", "use", "state"), p, strict=True)) for p in places],
        "checks": [dict(zip(("check", "state", "hint"), c, strict=True)) for c in checks],
    }
    return Result(page=tuple(page), data=data)


def _installed(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _shown(places: list[tuple[str, str, str]]) -> list[Block]:
    if not places:
        return []
    return [
        Line(),
        Table(
            columns=("key from", "use", "what is known of it"), rows=tuple(places), wide="what is known of it"
        ),
    ]


def _checks(io: Io) -> Iterator[tuple[str, str, str]]:
    """Ask each part how it is; an error is told with its own hint."""
    parts: tuple[tuple[str, Callable[[Io], tuple[str, str]]], ...] = (
        ("medsnap's age", _age),
        ("models", _models),
        ("policy", _policy),
        ("vault", _vault),
        ("ingest host", _host),
        ("break-glass", _emergency),
        ("log's checkpoint", _witness),
        ("your key", _key),
    )
    for name, ask in parts:
        try:
            state, hint = ask(io)
        except MedsnapError as problem:
            state, hint = problem.message, problem.hint
        yield name, state, hint


def _age(io: Io) -> tuple[str, str]:
    """Say how old this medsnap is, and whether the policy still lets it decide (`software`)."""
    from medsnap import policy
    from medsnap.commands._photos import policy_path
    from medsnap.pipeline import THIS
    from medsnap.policy.software_votes import too_old

    today = io.now.date()
    state = f"released {__released__}, {(today - date.fromisoformat(__released__)).days} days ago"
    if not io.settings.get("policy"):
        return state, "set MEDSNAP_POLICY to see whether the policy finds it new enough"
    loaded = policy.load(policy_path(io, None), now=io.now)
    problems = [f"{path}: {because}" for path, because in too_old(loaded, THIS, today)]
    return state, f"{'; '.join(problems)}: photos wait; install a newer medsnap" if problems else ""


def _models(io: Io) -> tuple[str, str]:
    from medsnap.detect import models

    states = models.verify(io.settings.models)
    bad = sorted({str(m.state) for m in states if str(m.state) != "ok"})
    if not bad:
        return f"{len(states)} installed, digests right", ""
    return ", ".join(bad), "medsnap models install; until then features are 'not checked'"


def _policy(io: Io) -> tuple[str, str]:
    from medsnap import policy

    if not io.settings.get("policy"):
        return "none set", "set MEDSNAP_POLICY, or give --policy"
    from medsnap.commands._photos import policy_path

    loaded = policy.load(policy_path(io, None), now=io.now)
    span, ref = loaded.in_force, loaded.ref
    inside = span.first <= io.now.date() <= span.last
    return f"{ref.policy} {ref.version}, {ref.signed}, {'in date' if inside else 'NOT in date'}", ""


def _place(io: Io) -> Path | None:
    return io.settings.path("vault")


def _vault(io: Io) -> tuple[str, str]:
    from medsnap.vault import directory

    place = _place(io)
    if place is None:
        return "none set", "set MEDSNAP_VAULT, or give --vault"
    named = directory.load(place).directory
    left = datetime.fromisoformat(named.expires) - io.now
    todo = "the keeper of the root key signs a new directory: medsnap vault recovery renew --set root"
    state = f"{named.vault}, suite {named.suite}, {len(named.compartments)} locked groups"
    return f"{state}, directory good until {named.expires[:10]}", todo if left < _SOON else ""


def _host(io: Io) -> tuple[str, str]:
    from medsnap.vault import directory
    from medsnap.vault.host import Host

    place = _place(io)
    if place is None:
        return "-", ""
    vault_id = directory.load(place).directory.vault
    host = Host.open(io.settings.state / vault_id, place, io.now)
    return f"pinned, may add photos as {host.signer.name}", ""


def _emergency(io: Io) -> tuple[str, str]:
    """Say whether a break-glass is open, or over and not ended."""
    from medsnap.commands import _glass
    from medsnap.vault import directory

    place = _place(io)
    glass = _glass.found(place, directory.load(place).directory, io.now) if place is not None else None
    if glass is None:
        return "-" if place is None else "none waits for its end", ""
    todo = f"{_glass.END}: new keys for {', '.join(glass.groups)}"
    return f"{'OVERDUE: ' if glass.over else ''}{glass.when}", todo


def _witness(io: Io) -> tuple[str, str]:
    """Say when a checkpoint of the log last left this host, and warn when that is too long ago."""
    from medsnap.commands import _shipping
    from medsnap.vault import directory

    place = _place(io)
    if place is None:
        return "-", ""
    days = _shipping.most(io.settings.get("checkpoint_days"))
    left = _shipping.last(io.settings.state / directory.load(place).directory.vault)
    todo = "without one elsewhere nobody sees that the log was rewritten: medsnap audit checkpoint"
    if left is None:
        return "none is known to have left this host", todo
    ago = _shipping.age(left, io.now)
    state = f"left {ago} day{'' if ago == 1 else 's'} ago, {left.size} entries ({left.to})"
    return state, f"none for {days} days: medsnap audit checkpoint" if ago >= days else ""


def _key(io: Io) -> tuple[str, str]:
    from medsnap.commands._vault import find_keys

    place = _place(io)
    if place is None:
        return "-", ""
    keys = find_keys(io, place, None)
    return "found" if len(keys.identities) == 1 else f"found, {len(keys.identities)} identities", ""


def _sources(io: Io) -> list[tuple[str, str, str]]:
    """List the places of a key in the order in which they are asked; only what the first holds is used."""
    from medsnap.commands._vault import key_places
    from medsnap.vault.key_sources import sources, unlocking_state

    place = _place(io)
    try:
        found = list(sources(key_places(io, place))) if place is not None else []
    except MedsnapError:
        return []  # the check of the vault says what is wrong with it
    if not found:
        return []
    first = next((s.name for s in found if s.ready), "")
    state, given = unlocking_state(io.settings.environment, io.settings.get("key_passphrase_command"))
    listed = [(s.name, "used" if s.name == first else "set" if s.ready else "-", s.state) for s in found]
    return [*listed, ("its passphrase", "set" if given else "-", state)]
