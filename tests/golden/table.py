"""The golden table: what a scrub found in each trap, and the digest of what it wrote.

usage: python -m tests.golden.table     writes the table anew; read the difference before you commit it
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from medsnap.scrub import ScrubKeep, clean
from tests.golden.traps import TRAPS

KEEP = ScrubKeep(moving_alpha=True)
TABLE = Path(__file__).with_name("scrub_table.json")


def row(data: bytes) -> dict[str, Any]:
    """What the table holds of one file: carriers in the order of the report, digests of both files."""
    done = clean(data, keep=KEEP)
    found = [
        [c.kind.value, c.where, c.action.value, *(r.value for r in c.reveals)] for c in done.report.carriers
    ]
    return {
        "carriers": found,
        "sha256_in": hashlib.sha256(data).hexdigest(),
        "sha256_out": done.report.sha256_out,
        "size_in": len(data),
        "size_out": done.report.size_out,
    }


def table() -> dict[str, dict[str, Any]]:
    """Rebuild and scrub every trap."""
    return {name: row(build()) for name, build in TRAPS.items()}


def main() -> None:
    rows = (f"{json.dumps(name)}: {json.dumps(one)}" for name, one in table().items())
    TABLE.write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
