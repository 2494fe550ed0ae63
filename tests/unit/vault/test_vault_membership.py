"""Members come and go: what is written, what opens, what a kill leaves, what a former key may."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from medsnap import disk
from medsnap.crypto import age
from medsnap.crypto.note import Signer, generate
from medsnap.errors import KeyRefused, Locked, MedsnapError, NotFound, UsageError
from medsnap.model.codec import canonical
from medsnap.model.receipt import Identifiers, Receipt
from medsnap.model.record import RECEIPT, ReceiptRow
from medsnap.platform import kernel_lock
from medsnap.vault import change, commits, confirmed, membership, rings
from medsnap.vault.change import Authority
from medsnap.vault.check import check
from medsnap.vault.directory import WRITER_TERMS, Directory, digest_of, load
from medsnap.vault.keys import Keys
from medsnap.vault.membership import Newcomer
from medsnap.vault.reader import Reader

from .conftest import Kit

WRITES = ("receipt", "log")


def authority(kit: Kit, log: list[Directory] | None = None, keys: Sequence[Keys] = ()) -> Authority:
    def announce(after: Directory) -> int:
        if log is not None:
            log.append(after)
        return len(kit.log)

    return Authority(
        root_key=kit.new.root_key,
        identities=tuple(i for k in keys or (kit.owner,) for i in k.identities),
        random=os.urandom,
        announce=announce,
    )


def remove(kit: Kit, name: str) -> Directory:
    return membership.remove(kit.vault, kit.host().directory, name, authority(kit))


@pytest.fixture
def nurse(kit: Kit) -> Keys:
    return kit.member("nurse", "general", "identifiable", verbs=WRITES)


def written(kit: Kit, act: Callable[[], object]) -> set[str]:
    before = kit.files()
    act()
    after = kit.files()
    return {name for name, data in after.items() if before.get(name) != data} - {"lock"}


def test_a_change_writes_the_directory_its_former_version_and_a_ring_a_group(
    kit: Kit, photos: list[bytes]
) -> None:
    kit.ingest([(p, "general") for p in photos])
    assert len(written(kit, lambda: kit.member("nurse", "general"))) == 3
    assert len(written(kit, lambda: kit.member("desk", "general", "intimate"))) == 4
    assert len(written(kit, lambda: remove(kit, "desk"))) == 4
    assert len(written(kit, lambda: _changes(kit)["rotate"](kit))) == 4
    assert check(kit.vault, root_vkey=kit.directory.root).problems == []


def test_a_former_member_opens_nothing_sealed_later(kit: Kit, nurse: Keys, photos: list[bytes]) -> None:
    (old,) = kit.ingest([(photos[0], "general")])
    held = kit.reader(nurse)
    ring_before = rings.compartment_identities(
        kit.vault, kit.host().directory.compartment("general"), nurse.identities
    )
    after = remove(kit, "nurse")
    assert after.compartment("general").epoch == 2 and after.compartment("intimate").epoch == 1
    (new,) = kit.ingest([(photos[1], "general")])
    assert new.seal.epoch == 2
    with pytest.raises(NotFound):
        kit.reader(nurse).open(new.seal.object)
    # with all that he ever had, in his own program: no object, no batch, no ring of later
    stolen = [*nurse.identities, *(ring_before or ())]
    opened = set()
    for path in kit.vault.rglob("*"):
        if path.is_file() and path.read_bytes().startswith(b"age-encryption.org/"):
            try:
                age.decrypt_bytes(path.read_bytes(), stolen)
            except KeyRefused:
                continue
            opened.add(path.name)
    assert old.seal.object in opened and new.seal.object not in opened
    assert not opened & {k.ring for k in after.compartments}
    last = commits.read(kit.vault, _newest(kit), after)
    assert not opened & {b.batch for b in last.commit.batches}
    # whoever stays opens both
    owner = kit.reader()
    assert (owner.open(old.seal.object), owner.open(new.seal.object)) == (photos[0], photos[1])
    assert owner.problems == []
    assert held.open(old.seal.object) == photos[0], "what he had open stays open: said, not hidden"


def _newest(kit: Kit) -> str:
    found = {p.name: commits.read(kit.vault, p.name, kit.host().directory) for p in _commits(kit)}
    return max(found, key=lambda n: kit.log.index(found[n].sha256))


def _commits(kit: Kit) -> list[Path]:
    return [p for p in (kit.vault / "commits").iterdir() if not p.name.startswith(".")]


def test_recovery_and_the_rest_open_every_epoch(kit: Kit, nurse: Keys, photos: list[bytes]) -> None:
    rows = []
    for n in range(3):
        rows += kit.ingest([(photos[n], "identifiable")])
        membership.new_epoch(kit.vault, kit.host().directory, ["identifiable"], authority(kit))
    sheet = Keys(identities=(kit.new.recovery_identity,))
    for keys in (nurse, kit.owner, sheet):
        reader = Reader(kit.vault, kit.host().directory, keys.identities, order=kit.log)
        assert [reader.open(r.seal.object) for r in rows] == photos[:3]
    assert [r.seal.epoch for r in rows] == [1, 2, 3]
    ring = rings.unwrap(
        kit.vault / "keys" / kit.host().directory.compartment("identifiable").ring,
        kit.host().directory.compartment("identifiable").ring_sha256,
        sheet.identities,
    )
    assert ring is not None and len(ring) == 4


def _receipt(kit: Kit, keys: Keys, target: str, object_id: str, *, log: bool = True) -> None:
    row = ReceiptRow(
        receipt=Receipt(
            object=object_id,  # type: ignore[arg-type]
            target=target,
            kind="fhir-r4",
            at="2026-05-01T12:00:00+00:00",
            identifiers=Identifiers(study_uid="1", series_uid="1", sop_uid="1", document="1"),
            digest="0",  # type: ignore[arg-type]
            state="written",
        )
    )
    draft = commits.Draft(lines={"general": [canonical(row)]})
    signed = commits.write(
        kit.vault, kit.host().directory, draft, signer=Signer.parse_private(keys.signer), random=os.urandom
    )
    if log:
        kit.log.append(signed.sha256)


def _targets(kit: Kit) -> tuple[list[str], list[str]]:
    reader = kit.reader()
    found = [e["receipt"]["target"] for _, e in reader.rows() if e["event"] == RECEIPT]
    return found, [p.what for p in reader.problems]


def test_what_a_former_member_wrote_stays_and_what_he_signs_later_does_not_count(
    kit: Kit, nurse: Keys, photos: list[bytes]
) -> None:
    (row,) = kit.ingest([(photos[0], "general")])
    _receipt(kit, nurse, "before", row.seal.object)
    _receipt(kit, nurse, "not-in-the-log", row.seal.object, log=False)
    after = remove(kit, "nurse")
    assert WRITER_TERMS in after.requires and nurse.vkey not in after.log_vkeys
    _receipt(kit, nurse, "after", row.seal.object)
    found, problems = _targets(kit)
    assert found == ["before"]
    assert set(problems) == {"an event was ignored: its signer may not 'receipt'"} and len(problems) == 2


def test_an_ingest_key_is_retired_alike(kit: Kit, photos: list[bytes]) -> None:
    (old,) = kit.ingest([(photos[0], "general")])
    state = kit.host()
    after = remove(kit, "ingest-1")
    assert [k.epoch for k in after.compartments] == [1, 1, 1]
    with pytest.raises(KeyRefused, match="does not let this machine's key add"):
        kit.host()
    forged = commits.write(
        kit.vault, state.directory, commits.Draft(lines={}), signer=state.signer, random=os.urandom
    )
    kit.log.append(forged.sha256)
    reader = Reader(kit.vault, after, kit.owner.identities, order=kit.log)
    assert reader.open(old.seal.object) == photos[0]
    with pytest.raises(UsageError, match="no member"):
        membership.remove(kit.vault, after, "ingest-1", authority(kit))


def test_the_log_is_told_before_the_directory_changes(kit: Kit, nurse: Keys) -> None:
    before = (kit.vault / "directory").read_bytes()
    told: list[Directory] = []

    def announce(after: Directory) -> int:
        told.append(after)
        assert (kit.vault / "directory").read_bytes() == before
        raise Locked("the log is busy")

    right = dataclasses.replace(authority(kit), announce=announce)
    with pytest.raises(Locked):
        membership.remove(kit.vault, kit.host().directory, "nurse", right)
    assert [d.version for d in told] == [3]
    assert (kit.vault / "directory").read_bytes() == before
    assert check(kit.vault, root_vkey=kit.directory.root).problems == []


def test_each_version_names_the_one_before(kit: Kit) -> None:
    before = (kit.vault / "directory").read_bytes()
    kit.member("nurse", "general")
    after = load(kit.vault).directory
    assert (after.version, after.before) == (2, digest_of(before))


class Killed(BaseException):
    """The process is gone."""


STEPS = ("create", "write", "sync", "sync_folder", "link", "replace", "unlink")


def _changes(kit: Kit) -> dict[str, Callable[[Kit], Directory]]:
    public = membership.new_keys(kit.directory, "desk", os.urandom).recipients[0]
    new = Newcomer(name="desk", recipient=public, compartments=("general", "intimate"))
    return {
        "add": lambda k: membership.add(k.vault, k.host().directory, new, authority(k)),
        "remove": lambda k: remove(k, "nurse"),
        "rotate": lambda k: membership.new_epoch(
            k.vault, k.host().directory, ["general", "intimate"], authority(k)
        ),
    }


@pytest.mark.parametrize("what", ["add", "remove", "rotate"])
def test_a_kill_at_any_step_leaves_the_old_vault_or_the_new_one(
    what: str, kit: Kit, photos: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    kit.member("nurse", "general", "intimate")
    rows = kit.ingest([(photos[0], "general"), (photos[1], "intimate")])
    act, start = _changes(kit)[what], kit.host().directory.version
    for folder in (kit.vault / "objects").iterdir():
        with contextlib.suppress(OSError):  # a thousand empty folders need not be copied each time
            folder.rmdir()
    seen = set()
    for k in range(200):
        copy = Kit(kit.root.parent / f"{what}{k}", kit.new, list(kit.log))
        shutil.copytree(kit.root, copy.root)
        steps = iter([True] * k)

        def struck(real: Callable[..., object], steps: Iterator[bool] = steps) -> Callable[..., object]:
            def step(*args: object, **more: object) -> object:
                if not next(steps, False):
                    raise Killed
                return real(*args, **more)

            return step

        with monkeypatch.context() as patch:
            for name in STEPS:
                patch.setattr(disk, name, struck(getattr(disk, name)))
            try:
                act(copy)
            except Killed:
                pass
            else:
                break
        now = copy.host().directory
        seen.add(now.version - start)
        if now.version == start:
            now = act(copy)
        reader = Reader(copy.vault, now, copy.owner.identities, order=copy.log)
        assert [reader.open(r.seal.object) for r in rows] == photos[:2], k
        left = membership.new_epoch(copy.vault, now, ["general"], authority(copy))
        assert left.version == start + 2
        assert check(copy.vault, root_vkey=kit.directory.root).problems == [], k
        shutil.rmtree(copy.root)
    assert k > 10 and seen == {0, 1}


def test_two_changes_at_once_are_refused(kit: Kit) -> None:
    old = kit.host().directory
    kit.member("nurse", "general")
    with pytest.raises(Locked, match="changed the directory"):
        membership.new_epoch(kit.vault, old, ["general"], authority(kit))
    with kernel_lock(kit.vault / change.LOCK, what="the vault"), pytest.raises(Locked):
        membership.new_epoch(kit.vault, kit.host().directory, ["general"], authority(kit))


def _new(kit: Kit, **more: object) -> Newcomer:
    held = membership.new_keys(kit.directory, "x", os.urandom)
    given: dict[str, object] = {"name": "x", "recipient": held.recipients[0], "vkey": held.vkey}
    return Newcomer(**{**given, **more})  # type: ignore[arg-type]


WRONG: dict[str, Callable[[Kit], Newcomer]] = {
    "a taken name": lambda k: _new(k, name="owner"),
    "a reserved name": lambda k: _new(k, name="ingest-1"),
    "a name that is a path": lambda k: _new(k, name="../x"),
    "another suite": lambda k: _new(
        k, recipient=age.recipient_of(age.generate_identity(os.urandom, suite=age.Suite.HYBRID))
    ),
    "a key of somebody": lambda k: _new(k, recipient=k.directory.members[0].recipient),
    "the recovery key": lambda k: _new(k, recipient=k.directory.recovery),
    "a signing key of somebody": lambda k: _new(k, vkey=k.directory.writers[0].vkey),
    "no key": lambda k: _new(k, recipient="age1nonsense"),
    "no such group": lambda k: _new(k, compartments=("secret",)),
    "the verb of ingest": lambda k: _new(k, verbs=("add",)),
    "no such verb": lambda k: _new(k, verbs=("dance",)),
    "verbs without a key": lambda k: _new(k, vkey="", verbs=("log",)),
    "a broken signing key": lambda k: _new(k, vkey="x+00+AA"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_newcomer_that_nobody_means_is_refused(what: str, kit: Kit) -> None:
    before = kit.files()
    with pytest.raises(MedsnapError):
        membership.add(kit.vault, kit.directory, WRONG[what](kit), authority(kit))
    assert kit.files() == before


def test_who_cannot_open_a_group_cannot_give_it_or_change_it(kit: Kit, nurse: Keys) -> None:
    before = kit.files()
    for act in (
        lambda d: membership.add(
            kit.vault, d, _new(kit, compartments=("intimate",)), authority(kit, keys=[nurse])
        ),
        lambda d: membership.new_epoch(kit.vault, d, ["general", "intimate"], authority(kit, keys=[nurse])),
        lambda d: membership.remove(kit.vault, d, "nurse", authority(kit, keys=[nurse])),
    ):
        with pytest.raises(KeyRefused):
            act(kit.host().directory)
        assert kit.files() == before
    foreign = dataclasses.replace(authority(kit), root_key=generate("x/root", os.urandom).private())
    with pytest.raises(KeyRefused, match="root key"):
        membership.new_epoch(kit.vault, kit.host().directory, ["general"], foreign)
    assert kit.files() == before


@pytest.mark.parametrize("name", ["recovery", "root", "nobody"])
def test_who_is_no_member_is_not_removed(name: str, kit: Kit) -> None:
    with pytest.raises(UsageError, match="no member"):
        remove(kit, name)
    with pytest.raises(UsageError, match="last member"):
        remove(kit, "owner")


def test_an_auditor_who_goes_loses_the_log_too(kit: Kit) -> None:
    directory, held = membership.add_member(
        kit.vault, kit.host().directory, opener=kit.owner.identities, root_key=kit.new.root_key, name="audit",
        compartments=(), verbs=(), random=os.urandom, auditor=True,
    )  # fmt: skip
    assert rings.compartment_identities(kit.vault, directory.auditors_key, held.identities)
    after = remove(kit, "audit")
    assert after.auditors_epoch == 2 and after.auditors_past == (directory.auditors,)
    assert rings.compartment_identities(kit.vault, after.auditors_key, held.identities) is None
    opened = rings.compartment_identities(kit.vault, after.auditors_key, kit.owner.identities)
    assert opened is not None and [age.recipient_of(i) for i in opened] == [
        directory.auditors,
        after.auditors,
    ]


def test_hosts_confirm_by_writing(kit: Kit, nurse: Keys, photos: list[bytes]) -> None:
    def state() -> list[tuple[int | None, bool]]:
        found = confirmed.confirmations(kit.vault, kit.host().directory)
        assert [c.host for c in found] == ["ingest-1"]
        return [(c.seen, c.done) for c in found]

    assert state() == [(None, False)]
    kit.ingest([(photos[0], "general")])
    assert state() == [(2, True)]
    remove(kit, "nurse")
    assert state() == [(2, False)]
    kit.ingest([(photos[1], "general")])
    assert state() == [(3, True)]
