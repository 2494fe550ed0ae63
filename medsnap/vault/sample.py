"""A share of the photos, another one each day, so that all have had their turn after a while."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date
from typing import Final

from medsnap.errors import UsageError

_WHOLE = 1 << 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """`percent` of all objects, chosen by `seed`: the same seed gives the same ones."""

    percent: float
    seed: str

    def takes(self, object_id: str) -> bool:
        """Say whether an object belongs to the sample."""
        found = hashlib.sha256(f"{self.seed}\0{object_id}".encode()).digest()
        return int.from_bytes(found[:8], "big") < self.percent / 100 * _WHOLE


NOTHING: Final = Sample(percent=0, seed="")


def parse(text: str, *, today: date, seed: str = "") -> Sample:
    """Read "5%" or "0.5%". Without a seed the day is it. Raises UsageError."""
    try:
        percent = float(text.strip().removesuffix("%"))
    except ValueError:
        percent = 0.0
    if not 0 < percent <= 100:
        raise UsageError("--sample needs a share of the photos", hint="--sample 5%")
    return Sample(percent=percent, seed=seed or today.isoformat())
