"""The administrator's lists, devices.csv and people.csv: where they come from, and how old they are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from medsnap.commands._shared import Io
from medsnap.errors import MedsnapError, UsageError
from medsnap.report.page import Line, Tone

if TYPE_CHECKING:
    from medsnap.intake.devices import Inventory
    from medsnap.intake.people import People
    from medsnap.model.record import Lists
    from medsnap.policy import LintFinding, Policy
    from medsnap.policy.signatures import InOffice

STALE = "W305"


def inventory(io: Io, given: Path | None, dump: Sequence[Path] = ()) -> Inventory | None:
    """Read the inventory of the option, else of the settings. Raises UsageError where a dump brings it."""
    from medsnap.intake import devices

    path = given if given is not None else io.settings.path("devices")
    return devices.load(_outside(path, dump, "inventory")) if path is not None else None


def people(io: Io, given: Path | None, dump: Sequence[Path] = ()) -> People | None:
    """Read the staff list of the option, else of the settings. Raises UsageError where a dump brings it."""
    from medsnap.intake import people as staff

    path = given if given is not None else io.settings.path("people")
    return staff.load(_outside(path, dump, "staff list")) if path is not None else None


def _outside(path: Path, dump: Sequence[Path], what: str) -> Path:
    """Whoever fills a dump could enrol his own phone, or make himself a reviewer (policy.md M7)."""
    real = path.resolve()
    for root in dump:
        base = root.resolve()
        if base == real or base in real.parents:
            raise UsageError(
                f"the {what} lies inside the dump",
                hint="it counts only from an administrator's folder, which nobody else can write",
            )
    return path


def in_office(io: Io, given: People | None = None) -> InOffice | None:
    """Return the test whether somebody stood in the staff list on a day; None where there is no list.

    Without a list that was `given`, that of the settings counts.
    """
    known = given if given is not None else people(io, None)
    if known is None:
        return None

    def test(person: str, day: date) -> bool:
        return known.person(person, day) is not None

    return test


def used(lists: Lists | None) -> tuple[Line, ...]:
    """Say which lists took part in a decision, each by the beginning of its SHA-256."""
    if lists is None:
        return ()
    named = {"manifest": lists.manifest, "inventory": lists.inventory, "people": lists.people}
    named["consents"] = lists.consents
    day = f" of {lists.inventory_on}" if lists.inventory_on else ""
    said = [f"{name}{day if name == 'inventory' else ''} {d[:12]}" for name, d in named.items() if d]
    return (Line(f"Lists (sha256): {', '.join(said) or 'none were given'}.", Tone.QUIET),)


def warn_stale(io: Io, policy: Policy, found: Inventory | None) -> None:
    """Warn of an inventory that the policy calls too old, with its age (D4)."""
    from medsnap.policy.device_votes import stale

    said = stale(policy, found.on, io.now.date()) if found is not None else ""
    if said:
        io.warn(f"{STALE} {said}; export it again from the device manager")


def lint(io: Io, file: Path, given: Path | None) -> list[LintFinding]:
    """Find W305 for a policy: the inventory given, the one that it names beside it, or of the settings."""
    from medsnap import policy as policies
    from medsnap.policy.device_votes import stale

    try:
        loaded = policies.load(file, now=io.now)
    except MedsnapError:
        return []  # lint says itself what is wrong with it, or it is a waiver, a keyring, a test
    beside = file.parent / (loaded.devices.inventory or "")
    path = given if given is not None else (beside if beside.is_file() else io.settings.path("devices"))
    if path is None:
        return []
    try:
        found = inventory(io, path)
        said = stale(loaded, found.on, io.now.date()) if found is not None else ""
    except MedsnapError as wrong:
        said = f"the inventory cannot be read: {wrong.message} ({wrong.where})"
    place = loaded.where("devices.inventory") or loaded.where("devices")
    name, _, line = place.rpartition(":")
    own = name == file.name and line.isdigit()
    return [_finding(file, int(line) if own else 1, said)] if said else []


def _finding(file: Path, line: int, said: str) -> LintFinding:
    from medsnap.policy import LintFinding, Severity

    return LintFinding(
        file=str(file), line=line, column=1, code=STALE, message=said, severity=Severity.WARNING
    )
