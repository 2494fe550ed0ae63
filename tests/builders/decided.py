"""A vault whose catalogue holds decided photos, written as commits without their objects."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from medsnap import policy
from medsnap.audit import store
from medsnap.audit.log import Log
from medsnap.crypto.note import Signer
from medsnap.model.codec import canonical
from medsnap.model.decision import Decision, Evidence
from medsnap.model.event import Action, AuditEvent
from medsnap.model.photo import MediaType, ObjectId, Sha256
from medsnap.model.record import PhotoRow
from medsnap.model.seal import Seal, Suite
from medsnap.model.study import Match, MatchState
from medsnap.policy import Policy
from medsnap.vault import commits, keys, membership, pins, policies
from medsnap.vault.create import create
from medsnap.vault.directory import Directory
from medsnap.vault.ids import random_id
from medsnap.vault.objects import ObjectDigests
from tests.builders.policy import HOSPITAL, NOW

UNMATCHED = Match(state=MatchState.UNMATCHED)


def logged(
    vault: Path, directory: Directory, signer: Signer, dice: Callable[[int], bytes]
) -> Callable[[Sha256, tuple[str, ...]], None]:
    """Give what enters a commit into the vault's log, as ingest does."""
    log = Log(vault / "log", directory.origin)

    def enter(commit: Sha256, objects: tuple[str, ...]) -> None:
        event = AuditEvent(action=Action.INGEST, at=NOW.isoformat(), actor="ingest-1", objects=objects)
        store.record(log, event, auditors=[directory.auditors], signer=signer, random=dice, commit=commit)

    return enter


@dataclass(slots=True)
class Decided:
    """The vault, its owner's key file, a member's key file by name, and the ids in order."""

    vault: Path
    state: Path
    directory: Directory
    root_key: str
    owner: Path
    dice: Callable[[int], bytes]
    ingest_key: str
    ids: list[str]

    @property
    def keys(self) -> keys.Keys:
        return keys.load_file(self.owner)

    def add(
        self,
        evidence: Iterable[Evidence],
        rules: Policy = HOSPITAL,
        *,
        now: datetime = NOW,
        keep: bool = True,
        begins: str = "",
        decide: Callable[[Policy, Evidence, datetime], Decision] = policy.decide,
        match: Match = UNMATCHED,
    ) -> Sequence[str]:
        """Commit photos with this evidence as the ingest host would."""
        rows = [self._row(e, decide(rules, e, now), keep, begins, match) for e in evidence]
        lines: dict[str, list[bytes]] = {}
        for row in rows:
            lines.setdefault(row.decision.compartment, []).append(canonical(row))
        objects = [
            ObjectDigests(object=r.seal.object, header=r.seal.payload, payload=r.seal.payload) for r in rows
        ]
        signer = Signer.parse_private(self.ingest_key)
        draft = commits.Draft(lines=lines, objects=objects)
        signed = commits.write(self.vault, self.directory, draft, signer=signer, random=self.dice)
        logged(self.vault, self.directory, signer, self.dice)(signed.sha256, tuple(o.object for o in objects))
        policies.keep(self.vault, rules.ref.digest, rules.text.encode())
        made = [row.seal.object for row in rows]
        self.ids += made
        return made

    def _row(self, evidence: Evidence, decision: Decision, keep: bool, begins: str, match: Match) -> PhotoRow:
        name = ObjectId(begins + random_id(self.dice)[len(begins) :])
        digest = Sha256(hashlib.sha256(name.encode()).hexdigest())
        seal = Seal(
            object=name,
            compartment=decision.compartment,
            epoch=1,
            plaintext=digest,
            length=10,
            payload=digest,
            media=MediaType.JPEG,
        )
        return PhotoRow(
            seal=seal,
            state="done",
            source_name=f"IMG_{name[:6]}.jpg",
            source_sha256=digest,
            source_size=10,
            media=MediaType.JPEG,
            at=decision.at,
            decision=decision,
            match=replace(match, description=evidence.description),
            device=evidence.device,
            signs=evidence.signs,
            evidence=evidence if keep else None,
        )

    def member(self, name: str, groups: Sequence[str], verbs: Sequence[str]) -> Path:
        """Add a member; returns his key file."""
        self.directory, held = membership.add_member(
            self.vault,
            self.directory,
            opener=self.keys.identities,
            root_key=self.root_key,
            name=name,
            compartments=groups,
            roles=("*",),
            verbs=verbs,
            random=self.dice,
        )
        path = self.owner.with_name(f"{name}.key")
        keys.save_file(path, keys.render(held, "a test"), random=self.dice)
        return path


def decided(folder: Path, state: Path, rules: Policy = HOSPITAL) -> Decided:
    """Make a vault for a policy; its ingest host's folder lies below `state`."""
    dice = random.Random(5).randbytes
    made = create(
        folder / "vault",
        compartments=policy.compartments(rules),
        member="m.lee",
        suite=Suite.X25519,
        now=NOW,
        random=dice,
        expires=NOW + timedelta(days=3650),
    )
    directory = made.directory
    mark = pins.Pin(vault=directory.vault, root=directory.root, version=directory.version)
    pins.write_pin(state / directory.vault, mark)
    held = keys.Keys(
        identities=(made.member_identity,),
        signer=made.member_signer,
        root_vkey=directory.root,
        vault=directory.vault,
        member="m.lee",
    )
    owner = folder / "owner.key"
    keys.save_file(owner, keys.render(held, "a test"), random=dice)
    return Decided(
        vault=folder / "vault",
        state=state,
        directory=directory,
        root_key=made.root_key,
        owner=owner,
        dice=dice,
        ingest_key=made.ingest_key,
        ids=[],
    )
