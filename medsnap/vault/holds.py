"""Legal holds in the catalogue: what may be neither expired nor erased, and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from medsnap.model.codec import from_json, to_json
from medsnap.model.record import HOLD, HoldRow, PhotoRow, ReleaseRow

NAME: Final = "hold"  # what these events lie beside in the catalogue; no photo's id


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A hold and, where it has ended, its release."""

    row: HoldRow
    release: ReleaseRow | None = None

    def binds(self, photo: PhotoRow) -> bool:
        """Say whether this hold, still standing, is on a photo. A number without its issuer means any."""
        if self.release is not None:
            return False
        if self.row.object is not None:
            return self.row.object == photo.seal.object
        patient = photo.match.patient
        return patient is not None and self.row.mrn == patient.mrn and self.row.issuer in ("", patient.issuer)


def checked(event: dict[str, Any]) -> dict[str, Any]:
    """Return a hold or a release as it is kept. Raises CodecError."""
    kind = HoldRow if event["event"] == HOLD else ReleaseRow
    kept: dict[str, Any] = to_json(from_json(kind, event))
    return kept


def standing(events: Iterable[dict[str, Any]]) -> tuple[Hold, ...]:
    """List all holds in the order of their days, each with its release. Order decides nothing."""
    rows: dict[str, HoldRow] = {}
    releases: dict[str, ReleaseRow] = {}
    for event in events:
        if event["event"] == HOLD:
            row = from_json(HoldRow, event)
            rows.setdefault(row.id, row)
        else:
            release = from_json(ReleaseRow, event)
            releases.setdefault(release.id, release)
    found = sorted(rows.values(), key=lambda row: (row.at, row.id))
    return tuple(Hold(row=row, release=releases.get(row.id)) for row in found)


def binding(holds: Iterable[Hold], photo: PhotoRow) -> tuple[Hold, ...]:
    """Return the holds that are on a photo."""
    return tuple(hold for hold in holds if hold.binds(photo))
