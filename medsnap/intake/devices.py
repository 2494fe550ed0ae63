"""devices.csv: the inventory of phones and tablets, and what it says to a claimed device.

A device is claimed by --asset, a manifest row or the landing folder. EXIF can contradict the claim,
never prove it (policy M18): anybody can write EXIF.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from medsnap.formats import csv_table as table
from medsnap.formats.csv_table import Row, Table
from medsnap.intake.columns import require
from medsnap.model.decision import DeviceClass, DeviceEvidence
from medsnap.model.photo import CaptureFacts

_COLUMNS = {
    "asset": ("asset_tag", "asset_id", "device", "device_name", "name", "tag"),
    "owner": ("assigned_to", "user", "department", "ward"),
    "class": ("ownership", "management", "type", "owned_by", "device_class"),
    "make": ("manufacturer", "vendor", "brand"),
    "model": ("device_model", "model_name", "product"),
    "os": ("platform", "operating_system"),
    "os_version": ("version", "osversion", "os_release"),
    "last_seen": ("last_check_in", "last_sync", "last_contact", "seen"),
    "exported": ("exported_at", "export_date", "inventory_date", "as_of"),
}
_MANAGED = frozenset(
    {"managed", "corporate", "company", "organization", "organisation", "hospital", "cope", "cobo"}
)
_PERSONAL = frozenset({"personal", "private", "byod", "user", "employee"})
_SYSTEMS = {"ipados": "ios", "iphone os": "ios", "iphoneos": "ios", "ios": "ios", "ios/ipados": "ios"}
_VERSION = re.compile(r"\d{1,3}(\.\d{1,3}){0,3}")
_APPLE_CODE = re.compile(r"(iphone|ipad|ipod)\d+,\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One row of the inventory."""

    asset: str
    device_class: DeviceClass
    owner: str | None = None
    make: str | None = None
    model: str | None = None
    os: str | None = None  # "ios" (iPadOS too) or "android", else as it stands
    os_version: str | None = None
    last_seen: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """All devices by case-folded asset; `on` is the day of the inventory, by its own content."""

    digest: str
    on: date | None
    devices: Mapping[str, Device]

    def claim(
        self, asset: str | None, claimed_by: str | None, facts: CaptureFacts, today: date
    ) -> DeviceEvidence:
        """Look a claimed device up, and list where the photo's camera data contradicts the claim.

        `claimed_by` is "--asset", "manifest" or "folder". No claim, or a claim that the inventory
        does not know, gives class unknown.
        """
        device = self.devices.get(asset.casefold()) if asset else None
        if device is None:
            return DeviceEvidence(
                asset=asset,
                claimed_by=claimed_by if asset else None,
                contradictions=tuple(_clock(facts, today)),
                inventory_date=self.on,
            )
        return DeviceEvidence(
            device_class=device.device_class,
            asset=device.asset,
            claimed_by=claimed_by,
            os=device.os,
            os_version=device.os_version,
            last_seen=device.last_seen,
            owner=device.owner,
            contradictions=(*_contradictions(device, facts), *_clock(facts, today)),
            inventory_date=self.on,
        )


def load(path: Path) -> Inventory:
    """Read devices.csv. Raises ConfigError with file:line:column, InputMissing, IoFailed."""
    source = table.read(path, _COLUMNS, strict=False)
    require(source, _COLUMNS, "asset", "class")
    devices: dict[str, Device] = {}
    exported: list[date] = []
    for row in source.rows:
        device = _device(source, row)
        if device.asset.casefold() in devices:
            raise source.wrong(row, "asset", "stands in an earlier line as well")
        devices[device.asset.casefold()] = device
        exported += [d for d in (table.day(source, row, "exported"), device.last_seen) if d]
    return Inventory(digest=source.digest, on=max(exported, default=None), devices=devices)


def _device(source: Table, row: Row) -> Device:
    asset, said = row.text("asset"), row.text("class").casefold()
    if not asset:
        raise source.wrong(row, "asset", "is empty")
    if said not in _MANAGED | _PERSONAL:
        raise source.wrong(row, "class", "needs managed or personal")
    system = row.text("os").casefold()
    version = row.text("os_version")
    if not version and (split := re.fullmatch(r"([a-z /]+?)\s+(\d[\d.]*)", system)):
        system, version = split[1], split[2]  # "iPadOS 17.6"
    return Device(
        asset=asset,
        device_class=DeviceClass.MANAGED if said in _MANAGED else DeviceClass.PERSONAL,
        owner=row.text("owner") or None,
        make=row.text("make") or None,
        model=row.text("model") or None,
        os=_SYSTEMS.get(system, system) or None,
        os_version=version or None,
        last_seen=table.day(source, row, "last_seen"),
    )


def _contradictions(device: Device, facts: CaptureFacts) -> Iterator[str]:
    if facts.make and device.make and not _same_make(facts.make, device.make):
        yield f"camera says make {facts.make[:40]}, inventory says {device.make[:40]}"
    elif facts.model and device.model and not _same_model(facts.model, device.model):
        yield f"camera says model {facts.model[:40]}, inventory says {device.model[:40]}"
    if facts.make and device.os:
        apple = facts.make.casefold() == "apple"
        if apple != (device.os == "ios") and device.os in ("ios", "android"):
            yield f"camera says make {facts.make[:40]}, inventory says {device.os}"
    if device.os == "ios" and facts.make and facts.make.casefold() == "apple":
        yield from _newer(device, facts)


def _newer(device: Device, facts: CaptureFacts) -> Iterator[str]:
    """iOS writes its version as Software. An old photo may name an older one; a newer one than the
    inventory saw after the photo was taken is impossible."""
    written, known = _version(facts.software), _version(device.os_version)
    taken = _day(facts)
    if written is None or known is None or written <= known:
        return
    if taken is None or device.last_seen is None or taken <= device.last_seen:
        yield f"camera says iOS {facts.software}, inventory says {device.os_version} on a later day"


def _clock(facts: CaptureFacts, today: date) -> Iterator[str]:
    taken = _day(facts)
    if taken and taken > today + timedelta(days=1):
        yield "the camera's clock says a day in the future"


def _day(facts: CaptureFacts) -> date | None:
    try:
        return date.fromisoformat(facts.captured_at[:10]) if facts.captured_at else None
    except ValueError:
        return None


def _version(text: str | None) -> tuple[int, ...] | None:
    if not text or not _VERSION.fullmatch(text.strip()):
        return None  # Android writes a build name there, which says nothing of the version
    numbers = [int(n) for n in text.strip().split(".")]
    return tuple(numbers + [0] * (4 - len(numbers)))


def _plain(text: str) -> str:
    return " ".join(re.sub(r"[^a-z0-9,]+", " ", text.casefold()).split())


def _same_make(camera: str, inventory: str) -> bool:
    a, b = _plain(camera), _plain(inventory)
    return a in b or b in a or a.split()[0] == b.split()[0] if a and b else True


def _same_model(camera: str, inventory: str) -> bool:
    """Compare with each of the models of the cell ("SM-S911B|Galaxy S23") that can be compared."""
    verdicts = [_verdict(_plain(camera), _plain(one)) for one in re.split(r"[|/]", inventory)]
    known = [verdict for verdict in verdicts if verdict is not None]
    return any(known) or not known


def _verdict(a: str, b: str) -> bool | None:
    """Names compare with names and codes with codes; 'sm s911b' says nothing of 'galaxy a54': None."""
    codes = [bool(_APPLE_CODE.fullmatch(model)) for model in (a, b)]
    if any(codes):  # 'ipad13,4' and 'ipad pro' are of one family, which is all that can be said
        return a == b if all(codes) else (None if a[:4] == b[:4] else False)
    return None if _is_code(a) != _is_code(b) else a in b or b in a


def _is_code(model: str) -> bool:
    """'sm s911b' and 'kb2003' are codes; 'galaxy s23' and 'pixel 8' are names."""
    return bool(re.fullmatch(r"(sm|rmx|cph|xt|gt|m|v)? ?[a-z]{0,3}\d{3,}[a-z0-9]*", model))
