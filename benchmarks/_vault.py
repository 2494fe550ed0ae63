"""Made-up vaults for benchmarks: rows as long as real ones, commits and batches without their objects.

The rows are what the packaged hospital policy decides on ordinary photos, about 8 KB of JSON each, of
20 photos a patient over ten years; `short` leaves the decision's reasons out, for a million of them.
"""

# ruff: noqa: PLC0415 - medsnap's own start is measured
from __future__ import annotations

import hashlib
import os
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medsnap.model.record import PhotoRow
    from medsnap.model.seal import Seal
    from medsnap.vault.directory import Directory
    from medsnap.vault.keys import Keys

GROUPS = ("general", "identifiable", "intimate", "safeguarding")
_START = datetime(2016, 1, 1, tzinfo=UTC)
_SITES = ("forearm", "chest", "foot", "back", "face", "scalp", "hand", "thigh")
_REASONS = ("follow-up of wound", "new lesion", "burn, day 3", "pressure ulcer", "before surgery")


@dataclass(frozen=True, slots=True)
class Made:
    """A vault, its ingest host's folder, and its owner."""

    vault: Path
    host: Path
    directory: Directory
    owner: Keys
    ingest_key: str


def make(root: Path, groups: tuple[str, ...] = GROUPS) -> Made:
    """Make an empty vault and its ingest host's folder."""
    from medsnap.model.seal import Suite
    from medsnap.vault import host
    from medsnap.vault.create import create
    from medsnap.vault.keys import Keys

    now = datetime.now(UTC)
    made = create(
        root / "vault",
        compartments=groups,
        member="m.lee",
        suite=Suite.X25519,
        now=now,
        random=os.urandom,
        expires=now + timedelta(days=365),
    )
    mark = host.Pin(vault=made.directory.vault, root=made.directory.root, version=made.directory.version)
    folder = root / "state" / made.directory.vault
    host.write_pin(folder, mark)
    host.write_ingest_key(folder, made.ingest_key)
    owner = Keys(
        identities=(made.member_identity,),
        signer=made.member_signer,
        root_vkey=made.directory.root,
        vault=made.directory.vault,
    )
    return Made(root / "vault", folder, made.directory, owner, made.ingest_key)


@cache
def _model() -> PhotoRow:
    """One photo as the hospital's policy decides it."""
    from medsnap import policy
    from medsnap.model.photo import CaptureFacts, MediaType, ObjectId, Sha256
    from medsnap.model.record import PhotoRow
    from medsnap.model.seal import Seal
    from medsnap.model.study import Match, MatchState
    from tests.builders.policy import HOSPITAL, NOW, given, ordinary

    evidence = ordinary(**given({"face": 0.2}))
    digest = Sha256("0" * 64)
    return PhotoRow(
        seal=Seal(
            object=ObjectId("a" * 26), compartment="general", epoch=1, plaintext=digest, length=2_400_000,
            payload=digest, media=MediaType.JPEG,
        ),
        state="done", source_name="IMG.jpg", source_sha256=digest, source_size=2_400_000,
        media=MediaType.JPEG, at="2026-01-01T00:00:00Z", decision=policy.decide(HOSPITAL, evidence, NOW),
        match=Match(state=MatchState.MATCHED, description=evidence.description), device=evidence.device,
        capture=CaptureFacts(make="Apple", model="iPad (10th generation)", width=4032, height=3024),
        width=4032, height=3024, software="medsnap", evidence=evidence,
    )  # fmt: skip


def row(seal: Seal, number: int) -> PhotoRow:
    """Make the row of a photo; what it can be found by follows from its number."""
    from medsnap.model.photo import Sha256
    from medsnap.model.study import Patient, Visit

    model, told = _model(), _told(number)
    described = replace(
        model.match.description, body_site=told["SITE"], reason=told["REASON"], laterality="left"
    )
    match = replace(
        model.match,
        patient=Patient(mrn=told["MRN"], issuer="2.999.1"),
        visit=Visit(encounter=told["ENCOUNTER"], department=told["DEPARTMENT"]),
        description=described,
        asset=told["ASSET"],
    )
    assert model.capture is not None
    return replace(
        model,
        seal=seal,
        source_name=told["SOURCE"],
        source_sha256=Sha256(told["DIGEST"]),
        match=match,
        capture=replace(model.capture, captured_at=told["TAKEN"]),
        decision=replace(model.decision, compartment=seal.compartment),
    )


def _told(number: int) -> dict[str, str]:
    patient = (number * 7919) % 1_000_003 // 20
    taken = _START + timedelta(minutes=(number * 104_729) % 5_256_000)
    return {
        "SITE": _SITES[number % 8],
        "REASON": _REASONS[number % 5],
        "MRN": f"{patient:07}",
        "ENCOUNTER": f"E-{number // 4}",
        "DEPARTMENT": ("dermatology", "wound-care")[number % 2],
        "ASSET": f"WARD-TAB-{number % 40:02}",
        "SOURCE": f"DCIM/IMG_{number % 10_000:04}.jpg",
        "DIGEST": f"{number:064x}",
        "TAKEN": taken.strftime("%Y-%m-%dT%H:%M:%S"),
    }


@cache
def _template(short: bool) -> str:
    """One row as JSON with the words that `_told` fills in."""
    from medsnap.model.codec import canonical
    from medsnap.model.photo import MediaType, ObjectId, Sha256
    from medsnap.model.seal import Seal

    seal = Seal(
        object=ObjectId("OBJECT"), compartment="GROUP", epoch=1, payload=Sha256("PAYLOAD"),
        plaintext=Sha256("PAYLOAD"), length=2_400_000, media=MediaType.JPEG,
    )  # fmt: skip
    made = row(seal, 0)
    if short:
        made = replace(made, evidence=None, decision=replace(made.decision, votes=(), features=()))
    text = canonical(made).decode()
    for word, value in _told(0).items():
        text = text.replace(f'"{value}"', f'"{word}"')
    return text


_WORD = re.compile('"([A-Z]+)"')


def fill(
    made: Made, photos: int, *, per_commit: int = 256, short: bool = False, seed: int = 1
) -> Iterator[int]:
    """Commit that many photos without objects, most of them in the first group; yields how many so far."""
    from medsnap.crypto.note import Signer
    from medsnap.model.photo import ObjectId, Sha256
    from medsnap.vault import commits
    from medsnap.vault.ids import random_id
    from medsnap.vault.objects import ObjectDigests

    dice = random.Random(seed).randbytes
    signer = Signer.parse_private(made.ingest_key)
    groups = [key.name for key in made.directory.compartments]
    parts = _WORD.split(_template(short))  # text, word, text, word, … text
    for start in range(0, photos, per_commit):
        lines: dict[str, list[bytes]] = {}
        digests = []
        for number in range(start, min(start + per_commit, photos)):
            name = ObjectId(random_id(dice))
            digest = Sha256(hashlib.sha256(name.encode()).hexdigest())
            group = groups[0 if number % 10 else number // 10 % len(groups)]
            told = _told(number) | {"OBJECT": name, "GROUP": group, "PAYLOAD": digest}
            text = "".join(f'"{told.get(p, p)}"' if n % 2 else p for n, p in enumerate(parts))
            lines.setdefault(group, []).append(text.encode())
            digests.append(ObjectDigests(object=name, payload=digest, header=digest))
        draft = commits.Draft(lines=lines, objects=digests)
        commits.write(made.vault, made.directory, draft, signer=signer, random=dice)
        yield min(start + per_commit, photos)
