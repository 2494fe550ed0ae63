"""devices.csv: the inventory of phones and tablets, and what it says to a claimed device.

A device is claimed by --asset, a manifest row or the landing folder; see `claims` for what EXIF can do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Final, TypeVar

from medsnap.formats import csv_table as table
from medsnap.formats.csv_table import Row, Table
from medsnap.intake import claims
from medsnap.intake.columns import require
from medsnap.model.decision import CloudPhotos, DeviceClass, DeviceEvidence, DeviceState, PersonalAccount
from medsnap.model.photo import CaptureFacts

# What only words of our own fill has no other spelling: a manager's "Status" says something else.
COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "asset": ("asset_tag", "asset_id", "device", "device_name", "name", "tag"),
    "owner": ("assigned_to", "user", "department", "ward"),
    "class": ("ownership", "management", "type", "owned_by", "device_class"),
    "shared": (),
    "make": ("manufacturer", "vendor", "brand"),
    "model": ("device_model", "model_name", "product"),
    "os": ("platform", "operating_system"),
    "os_version": ("version", "osversion", "os_release"),
    "last_seen": ("last_check_in", "last_sync", "last_contact", "seen"),
    "last_user": (),
    "cloud_photos": (),
    "personal_account": (),
    "state": (),
    "enrolled_from": (),
    "enrolled_until": (),
    "exported": ("exported_at", "export_date", "inventory_date", "as_of"),
}
CANONICAL: Final = tuple(name for name in COLUMNS if name != "exported")
_MANAGED = frozenset(
    {"managed", "corporate", "company", "organization", "organisation", "hospital", "cope", "cobo"}
)
_PERSONAL = frozenset({"personal", "private", "byod", "user", "employee"})
_SYSTEMS = {
    "ipados": "ios",
    "iphone os": "ios",
    "iphoneos": "ios",
    "ios": "ios",
    "ios/ipados": "ios",
    "apple ios": "ios",
    "apple": "ios",
}
_MAX_NAME: Final = 80  # characters: the search for the version goes back and forth
_YES_NO: Final = {"yes": True, "true": True, "no": False, "false": False}
_EXPORTED = re.compile(r"exported\s+(?:on|at)?\s*:?\s*(\d{4}-\d\d-\d\d)", re.IGNORECASE)

_Word = TypeVar("_Word", bound=StrEnum)


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One row of the inventory."""

    asset: str
    device_class: DeviceClass
    owner: str | None = None
    shared: bool | None = None  # None: not known
    make: str | None = None
    model: str | None = None
    os: str | None = None  # "ios" (iPadOS too) or "android", else as it stands
    os_version: str | None = None
    last_seen: date | None = None
    last_user: str | None = None
    cloud_photos: CloudPhotos = CloudPhotos.UNKNOWN
    personal_account: PersonalAccount = PersonalAccount.UNKNOWN
    state: DeviceState = DeviceState.UNKNOWN
    enrolled_from: date | None = None
    enrolled_until: date | None = None


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
        does not know, gives class unknown. A day that is still to come is a day not known.
        """
        device = self.devices.get(asset.casefold()) if asset else None
        if device is None:
            return DeviceEvidence(
                asset=asset,
                claimed_by=claimed_by if asset else None,
                contradictions=tuple(claims.clock(facts, today)),
                inventory_date=_past(self.on, today),
            )
        return DeviceEvidence(
            device_class=device.device_class,
            asset=device.asset,
            claimed_by=claimed_by,
            os=device.os,
            os_version=device.os_version,
            last_seen=_past(device.last_seen, today),
            owner=device.owner,
            contradictions=tuple(claims.contradictions(device, facts, today)),
            inventory_date=_past(self.on, today),
            shared=device.shared,
            last_user=device.last_user,
            state=device.state,
            cloud_photos=device.cloud_photos,
            personal_account=device.personal_account,
        )


def claimed(
    inventory: Inventory | None, claimed_by: Mapping[str, str | None], facts: CaptureFacts, today: date
) -> DeviceEvidence:
    """Take the first of the claims that is one: the option, then the manifest's row, then the folder."""
    by, asset = next(((by, asset) for by, asset in claimed_by.items() if asset is not None), (None, None))
    if inventory is None:
        return DeviceEvidence(asset=asset, claimed_by=by)
    return inventory.claim(asset, by, facts, today)


def _past(day: date | None, today: date) -> date | None:
    """Drop a day that is still to come: it would keep an inventory fresh for ever."""
    return day if day is None or day <= today + claims.SLACK else None


def load(path: Path) -> Inventory:
    """Read devices.csv. Raises ConfigError with file:line:column, InputMissing, IoFailed."""
    source = table.read(path, COLUMNS, strict=False)
    require(source, COLUMNS, "asset", "class")
    devices: dict[str, Device] = {}
    days: list[date] = []
    said = [day for day in (exported_on(source),) if day]
    for row in source.rows:
        device = _device(source, row)
        if device.asset.casefold() in devices:
            raise source.wrong(row, "asset", "stands in an earlier line as well")
        devices[device.asset.casefold()] = device
        said += [day for day in (table.day(source, row, "exported"),) if day]
        days += [day for day in (device.last_seen,) if day]
    return Inventory(digest=source.digest, on=max(said or days, default=None), devices=devices)


def exported_on(source: Table) -> date | None:
    """Read "exported on YYYY-MM-DD" of the comment lines before the heading."""
    for note in source.notes:
        found = _EXPORTED.search(note)
        if found:
            try:
                return date.fromisoformat(found[1])
            except ValueError:
                return None
    return None


def _device(source: Table, row: Row) -> Device:
    asset, said = row.text("asset"), row.text("class").casefold()
    if not asset:
        raise source.wrong(row, "asset", "is empty")
    if said not in _MANAGED | _PERSONAL:
        raise source.wrong(row, "class", "needs managed or personal")
    name, version = system(row.text("os"), row.text("os_version"))
    begins, ends = table.day(source, row, "enrolled_from"), table.day(source, row, "enrolled_until")
    if begins and ends and ends < begins:
        raise source.wrong(row, "enrolled_until", "lies before 'enrolled_from'")
    return Device(
        asset=asset,
        device_class=DeviceClass.MANAGED if said in _MANAGED else DeviceClass.PERSONAL,
        owner=row.text("owner") or None,
        shared=_shared(source, row),
        make=row.text("make") or None,
        model=row.text("model") or None,
        os=name or None,
        os_version=version or None,
        last_seen=table.day(source, row, "last_seen"),
        last_user=row.text("last_user") or None,
        cloud_photos=_word(source, row, "cloud_photos", CloudPhotos),
        personal_account=_word(source, row, "personal_account", PersonalAccount),
        state=_word(source, row, "state", DeviceState),
        enrolled_from=begins,
        enrolled_until=ends,
    )


def system(name: str, version: str) -> tuple[str, str]:
    """Split "iPadOS 17.6" and name the family: "ios", "android", else the words as they stand."""
    plain, version = name.strip().casefold()[:_MAX_NAME].strip(), version.strip()
    if not version and (split := re.fullmatch(r"([a-z /()-]+?)\s+(\d[\d.]*)", plain)):
        plain, version = split[1], split[2]
    if plain.startswith("android"):  # "Android (fully managed)", "Android Enterprise"
        plain = "android"
    return _SYSTEMS.get(plain, plain), version


def _shared(source: Table, row: Row) -> bool | None:
    said = row.text("shared").casefold()
    if said in ("", "unknown"):
        return None
    if said not in _YES_NO:
        raise source.wrong(row, "shared", "needs yes, no or unknown")
    return _YES_NO[said]


def _word(source: Table, row: Row, column: str, kind: type[_Word]) -> _Word:
    said = re.sub(r"[\s-]+", "_", row.text(column).casefold())
    try:
        return kind(said or "unknown")
    except ValueError as misfit:
        raise source.wrong(row, column, f"needs {', '.join(kind)}") from misfit
