"""What counts when: who has a key to the log, or had one, or only the storage, changes no order and no right.

The log says at which place each commit counts, and by that who may do what and which decision is the last.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from medsnap.audit import store
from medsnap.crypto.note import Signer
from medsnap.errors import KeyRefused, Tampered
from medsnap.model.codec import canonical
from medsnap.model.event import Action, AuditEvent
from medsnap.model.photo import Sha256
from medsnap.vault import commits, copy, copy_place, erasure, erasures, membership, objects
from medsnap.vault.change import Authority
from medsnap.vault.directory import FILE, Directory, WriterVerb, load
from medsnap.vault.erasures import Erasure
from medsnap.vault.keys import Keys
from medsnap.vault.objects import path_of
from medsnap.vault.reader import Reader
from tests.e2e.tampering import Check, Past, Run, commit_as, enter, files, first_erased, reader_of, where
from tests.unit.vault.conftest import NOW
from tests.unit.vault.removals import officer
from tests.unit.vault.world import World

ID = "former" + "a" * 20


def _first(world: World) -> tuple[str, dict[str, Any]]:
    """Give the group and the row of one photo."""
    return next(iter(reader_of(world).rows()))


def _opened_and_closed(world: World) -> tuple[str, str, str]:
    """Let a reviewer open a photo and close it again; the photo, its verb and the commit that opened it."""
    group, row = _first(world)
    name, decided = row["seal"]["object"], row["decision"]
    opening = decided | {"verb": "accept", "may_leave_to": ["ehr"]}
    made = [
        commit_as(
            world,
            world.new.member_signer,
            {group: [json.dumps({"event": event, "object": name, "decision": decision}).encode()]},
        )
        for event, decision in (("photo.open", opening), ("photo.decide", decided))
    ]
    return name, decided["verb"], made[0]


def _verbs(world: World, medsnap: Run, code: int) -> dict[str, str]:
    """List as somebody who has seen nothing before."""
    shutil.rmtree(world.root / "cache", ignore_errors=True)
    found = medsnap("vault", "ls", "--format", "json").expect(code)
    return {p["id"]: p["verb"] for p in json.loads(found.out)["photos"]}


def _log_by(world: World, private: str, commit: Sha256) -> None:
    event = AuditEvent(action=Action.EXPORT, at=NOW.isoformat(), actor="x")
    store.record(
        world.log(),
        event,
        auditors=[load(world.vault).directory.auditors],
        signer=Signer.parse_private(private),
        random=os.urandom,
        commit=commit,
    )


def test_a_commit_that_is_logged_again_stays_where_it_was(
    world: World, medsnap: Run, check: Check, past: Past
) -> None:
    """Who may only write receipts names the opening once more, after what closed the photo."""
    name, verb, opening = _opened_and_closed(world)
    _log_by(world, past.exporter.signer, commits.digest(world.vault, opening))
    assert _verbs(world, medsnap, 0)[name] == verb != "accept"
    found = check()
    assert (found.code, found.places) == (4, ["log"])
    assert "twice" in found.text


def test_a_line_more_under_an_opening_does_not_make_it_the_last(world: World, medsnap: Run) -> None:
    """Lines of unknown keys are ignored, so the commit is whole; but it is not the one that the log names."""
    name, verb, opening = _opened_and_closed(world)
    path = world.vault / "commits" / opening
    path.write_bytes(path.read_bytes() + f"— nobody {base64.b64encode(bytes(68)).decode()}\n".encode())
    assert _verbs(world, medsnap, 4)[name] == verb != "accept"


def test_a_log_that_is_gone_is_no_log_that_has_not_begun(world: World, medsnap: Run) -> None:
    name, verb, _ = _opened_and_closed(world)
    shutil.rmtree(world.vault / "log")
    assert _verbs(world, medsnap, 4)[name] == verb != "accept"
    assert "no log any more" in medsnap("vault", "ls").expect(4).err
    assert "no log any more" in medsnap("export", "all", "--as", "fhir", "-o", "out", "-n").expect(4).err


def test_an_old_directory_with_its_rings_and_history_is_told_by_the_commits(
    world: World, check: Check, past: Past
) -> None:
    """Nobody here has seen the newer one; but it stands in what was committed under it."""
    for name in (FILE, "keys", "directories"):
        place, old = world.vault / name, past.at("first") / "vault" / name
        shutil.rmtree(place) if place.is_dir() else place.unlink(missing_ok=True)
        if old.exists():
            shutil.copytree(old, place) if old.is_dir() else shutil.copy(old, place)
    shutil.rmtree(world.state)
    found = check()
    [newer] = [p for p in found.told["problems"] if p["where"].startswith("commits/")]
    assert found.code == 4
    assert "an old one was put back" in newer["what"]


# ── an object that is named twice ────────────────────────────────────────────────────────────


def test_an_object_is_exchanged_and_named_again(world: World, check: Check) -> None:
    """The thief of the ingest key signs for his own bytes in the place of a photo."""
    _, row = _first(world)
    name = row["seal"]["object"]
    path_of(world.vault, name).unlink()
    placed = objects.put(
        world.vault,
        name,
        [b"his"],
        length=3,
        recipient=world.host().directory.compartments[0].recipient,
        random=os.urandom,
    )
    commit = commit_as(world, world.new.ingest_key, {}, placed.digests)
    found = check()
    assert (found.code, sorted(found.places)) == (
        4,
        [f"commits/{commit}", where(path_of(world.vault, name), world)],
    )


def test_an_officer_does_not_erase_what_another_group_had_before(world: World, check: Check) -> None:
    """The thief of the ingest key puts a record of a hidden photo where the officer sees it."""
    home, row = _first(world)
    name = row["seal"]["object"]
    signed = next(s for s in reader_of(world).commits() if name in {o.object for o in s.commit.objects})
    [one] = [o for o in signed.commit.objects if o.object == name]
    group = next(k.name for k in world.host_directory().compartments if k.name != home)
    false = canonical(row | {"seal": row["seal"] | {"compartment": group}})
    commit_as(world, world.new.ingest_key, {group: [false]}, one)

    def erased(shut: frozenset[str]) -> None:
        order = tuple(store.commits(world.log()))
        identities = world.owner.identities
        reader = Reader(world.vault, world.host_directory(), identities, order=order, shut=shut)
        with erasure.alone(world.vault):
            erasure.erase(world.vault, world.host_directory(), reader, {name}, officer(world))

    with pytest.raises(Tampered, match="may be another group's"):
        erased(frozenset({home}))
    assert path_of(world.vault, name).exists()
    assert check().code == 4
    erased(frozenset())  # whoever opens its own group may, however often somebody named it again
    assert not path_of(world.vault, name).exists()


# ── somebody who was an officer ──────────────────────────────────────────────────────────────


@pytest.fixture
def former(world: World) -> Iterator[Keys]:
    """An officer who laid a hold on every photo of the first night, and was then taken out."""
    rules = Authority(
        root_key=world.new.root_key, identities=(world.new.recovery_identity,), random=os.urandom
    )
    keys = membership.new_keys(world.new.directory, "former", os.urandom)
    groups = tuple(key.name for key in world.host_directory().compartments)
    newcomer = membership.Newcomer(
        name="former",
        recipient=keys.recipients[0],
        vkey=keys.vkey,
        compartments=groups,
        verbs=(WriterVerb.HOLD, WriterVerb.ERASE, WriterVerb.LOG),
    )
    membership.add(world.vault, world.host_directory(), newcomer, rules)
    hold = {"event": "hold", "id": "h" * 26, "reason": "court", "at": NOW.isoformat(), "by": "former"}
    group, row = _first(world)
    line = canonical(hold | {"object": row["seal"]["object"]})
    commit_as(world, keys.signer, {group: [line]})

    def announce(_after: Directory) -> int:
        enter(world, None)
        return len(list(store.commits(world.log())))

    leaving = Authority(
        root_key=world.new.root_key,
        identities=(world.new.recovery_identity,),
        random=os.urandom,
        announce=announce,
    )
    membership.remove(world.vault, world.host_directory(), "former", leaving)
    yield keys


def _his_note(world: World, former: Keys) -> Erasure:
    """Sign the erasure of a photo that the hold does not matter for, by a key that was good once."""
    note = first_erased(world, ID)
    writer = world.host_directory().writer(former.vkey)
    assert writer is not None and writer.verbs == () and writer.had("erase")
    erasures.write(world.vault, note, Signer.parse_private(former.signer), writer)
    return note


def test_his_beginning_is_not_finished_by_another(world: World, former: Keys, check: Check) -> None:
    note = _his_note(world, former)
    (world.vault / "tmp" / f"{ID}.erasing").write_bytes(canonical({"names": ()}))
    size = world.log().size()
    with pytest.raises(KeyRefused, match="may not remove photos"):
        erasure.finish(world.vault, world.host_directory(), officer(world))
    assert path_of(world.vault, note.objects[0].object).exists()
    assert world.log().size() == size
    assert f"erasures/{ID}" in check().places


def test_his_erasure_takes_nothing_out_of_a_copy(
    world: World, former: Keys, check: Check, tmp_path: Path
) -> None:
    """The thief of the ingest key enters it into the log; the copy is all that is left of the photo."""
    _his_note(world, former)
    _log_by(
        world, world.new.ingest_key, Sha256(commits.sha256_of((world.vault / "erasures" / ID).read_bytes()))
    )
    signed = load(world.vault)
    with copy_place.begun(world.vault, tmp_path / "copy", signed):
        report = copy.copy(world.vault, tmp_path / "copy", signed, logged=tuple(store.commits(world.log())))
    assert (report.objects, report.erased) == (5, 0)
    assert [p.where for p in report.problems] == [f"erasures/{ID}"]
    assert len(files(tmp_path / "copy" / "objects")) == 5
    assert check().code == 4


def test_his_hold_stands_although_the_log_was_cut(
    world: World, former: Keys, medsnap: Run, past: Past
) -> None:
    """Without its place in the log nobody knows that the hold is older than his leaving."""
    _, row = _first(world)
    name = str(row["seal"]["object"])
    assert "court" in medsnap("vault", "legal-hold", "ls").expect(0).out
    shutil.rmtree(world.vault / "log")
    shutil.copytree(past.at("last") / "vault" / "log", world.vault / "log")
    shutil.rmtree(world.root / "cache")
    for _ in range(2):
        assert (
            "a legal hold may stand in it"
            in medsnap("vault", "erase", name, "--reason", "asked").expect(4).err
        )
    assert path_of(world.vault, name).exists()
