"""Make `vault-1/`, a vault of format 1 in each suite, with its keys: what was sealed once opens for ever.

    python -m tests.golden.make_vault_1 FOLDER

It is not made anew when the code changes: that an old medsnap made it is the point. A later format gets a
vault of its own beside it. The keys open nothing else; the photos are made up.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.e2e.two_vaults import OWNER, Builder, Pair, Role, photo_lists

SUITES = ("x25519", "hybrid")
READER = Role(name="reader", groups=("general", "identifiable"), roles=("photo-desk",), verbs=("log", "look"))
NUMBERS, HIDDEN = (1, 2, 3), (3,)  # the third one lies in the group `intimate`


def _lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def make(target: Path, suite: str) -> None:
    """Seal three photos in two groups; send one, open one, record a consent; take a member in."""
    with tempfile.TemporaryDirectory() as folder:
        pair = Pair(Path(folder))
        build = Builder(pair)
        for name in ("work", "home", "keys", "state"):
            (pair.stage / name).mkdir(parents=True)
        photo_lists(build.work, {n: n for n in NUMBERS}, hidden=HIDDEN)
        places = ("--recovery-file", "../keys/recovery.key", "--policy", "policy.yaml")
        build.do(OWNER, "vault", "init", "--suite", suite, "--no-input", *places, seed=f"golden {suite}")
        build.member(READER)
        ids = build.ingest("dump", *NUMBERS)
        build.do(OWNER, "export", ids[1], "--as", "fhir", "--target", "ehr", "-o", "../sent")
        build.do(OWNER, "vault", "open", ids[2], "-o", "../opened.jpg")
        build.do(OWNER, "consent", "withdraw", "--patient", "M00002", "--purpose", "teaching")
        known = {
            "photos": _lines(build.do(OWNER, "vault", "ls", "--format", "ndjson").out)[:-1],
            "events": _lines(build.do(OWNER, "audit", "ls", "--format", "ndjson").out)[:-1],
            "consents": _lines(build.do(OWNER, "consent", "ls", "--format", "ndjson").out)[:-1],
            "hidden": [ids[n] for n in HIDDEN],
            "sent": ids[1],
            "plain": {ids[n]: _plaintext(build, ids[n]) for n in NUMBERS},
        }
        place = target / suite
        place.mkdir(parents=True)
        shutil.copytree(pair.stage / "vault", place / "vault", ignore=shutil.ignore_patterns("lock", "tmp"))
        shutil.copytree(pair.stage / "keys", place / "keys")
        (place / "known.json").write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")


def _plaintext(build: Builder, object_id: str) -> str:
    """Give the digest of a sealed photo, from the row of its owner."""
    shown = json.loads(build.do(OWNER, "vault", "show", object_id, "--format", "json").out)
    return str(shown["photo"]["seal"]["plaintext"])


if __name__ == "__main__":
    for each in SUITES:
        make(Path(sys.argv[1]), each)
