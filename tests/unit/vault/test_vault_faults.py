"""Every operation, stopped at every step of the disk: nothing lost, nothing doubled, run again, clean.

To have an operation stopped here, add a row to `CASES`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

import pytest

from medsnap.audit import copying, store
from medsnap.commands import _vault as command
from medsnap.errors import MedsnapError
from medsnap.vault import check, copy_place, membership, policies, trial, writer
from medsnap.vault import copy as copies
from medsnap.vault.change import Authority
from medsnap.vault.directory import FILE, WriterVerb, load
from medsnap.vault.governing import pin_policy
from tests.faulty_disk import (
    AtOnce,
    Failing,
    Image,
    Last,
    Recorder,
    Short,
    Watcher,
    restore,
    unsynced,
    watched,
)

from . import moves, recoveries, removals, strays
from .strays import rings_put_aside
from .world import World, make_world, taken_in


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An operation that is to outlive any fault.

    `prepare` makes the world before it, `act` runs it and says whether it did all of its work; it is
    run again after a fault. `settled` asserts what is true once it has run to its end. `together`
    objects get their names in one go, `aside` of the sealing of the next ones.
    """

    prepare: Callable[[World], None]
    act: Callable[[World], bool]
    settled: Callable[[World], None]
    together: int = writer.PLACE_EVERY
    aside: type[Executor] = AtOnce

    @contextlib.contextmanager
    def on(self, watcher: Watcher) -> Iterator[None]:
        """Run on a faulting disk."""
        with watched(watcher, self.aside), pytest.MonkeyPatch.context() as patch:
            patch.setattr(writer, "PLACE_EVERY", self.together)
            yield


def _sound(world: World) -> None:
    """The vault is clean, and log and commits tell the same."""
    log = world.log()
    log.verify(world.verifiers())
    logged = list(store.commits(log))
    assert len(logged) == len(set(logged)), "a commit stands twice in the log"
    store.check(log)
    report = check.check(world.vault, root_vkey=world.new.directory.root, logged=set(logged))
    assert report.problems == []
    assert not list((world.vault / "tmp").glob("*.part"))


def _shot(*numbers: int) -> Callable[[World], None]:
    return lambda world: world.shoot(*numbers)


def _ingested(world: World) -> bool:
    return taken_in(world.ingest())


def _all_once(*numbers: int) -> Callable[[World], None]:
    def settled(world: World) -> None:
        assert world.stored() == world.expected(*numbers)
        assert len(list(world.dump.iterdir())) == len(numbers)

    return settled


def _ingested_one(world: World) -> None:
    world.shoot(1)
    world.ingest()


def _ingested_two(world: World) -> None:
    world.shoot(1, 2)
    world.ingest()


def _ingested_three(world: World) -> None:
    world.shoot(1, 2, 3)
    world.ingest()


def _erased_since(world: World) -> None:
    """A copy that still has what was erased from the vault."""
    _ingested_three(world)
    _copied(world)
    removals.erased(world)


def _copy_lacks_it(world: World) -> None:
    removals.is_gone(world)
    _same_files(world.vault, world.copy)
    found = trial.trial(world.copy, world.new.directory, (world.new.recovery_identity,))
    assert (found.problems, found.opened.photos) == ([], 2)


def _moved_since(world: World) -> None:
    """A copy that has a photo where it was before it was moved."""
    _ingested_two(world)
    _copied(world)
    moves.moved(world)


def _second_night(world: World) -> None:
    world.shoot(1, 2)
    world.ingest()
    world.shoot(3, 4)


def _grown(world: World) -> None:
    """A vault with a copy that is a night old."""
    world.shoot(1)
    world.ingest()
    _copied(world)
    world.shoot(2)
    world.ingest()


def _copied(world: World) -> bool:
    log, signed = world.log(), load(world.vault)
    head = copying.snapshot(log, world.verifiers())
    with copy_place.begun(world.vault, world.copy, signed):
        report = copies.copy(world.vault, world.copy, signed, logged=set(store.commits(log)))
        copying.copy(log, command.log_of(world.copy, signed.directory), head)
    return not report.problems


def _copy_is_whole(world: World) -> None:
    _same_files(world.vault, world.copy)
    log = command.log_of(world.copy, load(world.copy).directory)
    log.verify(world.verifiers())
    report = check.check(world.copy, root_vkey=world.new.directory.root, logged=list(store.commits(log)))
    assert report.problems == []
    found = trial.trial(world.copy, world.new.directory, (world.new.recovery_identity,))
    assert (found.problems, found.opened.photos) == ([], 2)


def _same_files(one: Path, other: Path) -> None:
    """The same truth in both: all but locks and unfinished things."""

    def truth(root: Path) -> dict[str, bytes]:
        parts = ("directory", "keys", "objects", "batches", "commits", "erasures", "policies", "log")
        found = (p for part in parts for p in ((root / part).rglob("*"), [root / part])[part == FILE])
        files = (p for p in found if p.is_file() and p.name != "lock" and not p.name.endswith(".tmp"))
        return {str(p.relative_to(root)): p.read_bytes() for p in files}

    assert truth(one) == truth(other)


def _authority(world: World) -> Authority:
    return Authority(
        root_key=world.new.root_key, identities=(world.new.recovery_identity,), random=os.urandom
    )


def _guest(world: World) -> membership.Newcomer:
    """The same person with the same keys however often it is tried."""
    if world.guest is None:
        world.guest = membership.new_keys(world.new.directory, "guest", os.urandom)
    return membership.Newcomer(
        name="guest",
        recipient=world.guest.recipients[0],
        vkey=world.guest.vkey,
        compartments=("general", "identifiable"),
        verbs=(WriterVerb.RECEIPT,),
    )


def _with_guest(world: World) -> None:
    world.shoot(1)
    world.ingest()
    _member_added(world)


def _member_added(world: World) -> bool:
    """Add the guest unless the directory has him: what a person does who looks and tries again."""
    before = world.host_directory()
    if before.member("guest") is None:
        membership.add(world.vault, before, _guest(world), _authority(world))
    rings_put_aside(world)
    return True


def _member_removed(world: World) -> bool:
    before = world.host_directory()
    if before.member("guest") is not None:
        membership.remove(world.vault, before, "guest", _authority(world))
    rings_put_aside(world)
    return True


def _rotated(world: World) -> bool:
    before = world.host_directory()
    if before.compartment("intimate").epoch == 1:
        membership.new_epoch(world.vault, before, ["intimate", "general"], _authority(world), auditors=True)
    rings_put_aside(world)
    return True


def _epoch_has_begun(world: World) -> None:
    world.shoot(2)
    world.ingest()
    assert world.stored() == world.expected(1, 2)
    directory = world.host_directory()
    assert [k.epoch for k in directory.compartments] == [2, 1, 2, 1]
    assert directory.auditors_epoch == 2


def _pinned(world: World) -> bool:
    text = b"keyring: of the board\n"
    ring = hashlib.sha256(text).hexdigest()
    before = world.host_directory()
    if before.keyring != ring:
        pin_policy(world.vault, before, _authority(world), policy="p", lowest=3, ring=ring, ring_text=text)
    return True


def _is_pinned(world: World) -> None:
    directory = world.host_directory()
    assert (directory.policy_root, directory.policy_lowest, directory.unsigned_allowed) == ("p", 3, False)
    assert policies.recall(world.vault, directory.keyring or "") == b"keyring: of the board\n"
    assert world.stored() == world.expected(1)


def _guest_opens(world: World) -> None:
    assert world.guest is not None
    assert world.stored() == world.expected(1)
    assert world.reader(world.guest).compartments == ("general", "identifiable")
    assert world.reader(world.owner).compartments == tuple(k.name for k in world.new.directory.compartments)


def _guest_is_out(world: World) -> None:
    assert world.guest is not None
    assert world.stored() == world.expected(1)
    assert world.reader(world.guest).compartments == ()
    epochs = {k.name: k.epoch for k in world.host_directory().compartments}
    assert (epochs["general"], epochs["identifiable"], epochs["intimate"]) == (2, 2, 1)


CASES: dict[str, Case] = {
    "ingest": Case(prepare=_shot(1, 2, 3), act=_ingested, settled=_all_once(1, 2, 3)),
    "a second ingest": Case(prepare=_second_night, act=_ingested, settled=_all_once(1, 2, 3, 4), together=1),
    "ingest, named as late as can be": Case(
        prepare=_shot(1, 2, 3), act=_ingested, settled=_all_once(1, 2, 3), together=2, aside=Last
    ),
    "copy": Case(prepare=_ingested_two, act=_copied, settled=_copy_is_whole),
    "a second copy": Case(prepare=_grown, act=_copied, settled=_copy_is_whole),
    "member add": Case(prepare=_ingested_one, act=_member_added, settled=_guest_opens),
    "member remove": Case(prepare=_with_guest, act=_member_removed, settled=_guest_is_out),
    "new epoch": Case(prepare=_ingested_one, act=_rotated, settled=_epoch_has_begun),
    "recovery renew": Case(
        prepare=_ingested_one,
        act=lambda w: recoveries.renewed(w, _authority(w), rings_put_aside),
        settled=recoveries.new_sheets_open,
    ),
    "break-glass end": Case(
        prepare=_with_guest,
        act=lambda w: recoveries.ended(w, _authority(w), rings_put_aside),
        settled=_guest_is_out,
    ),
    "pin a policy": Case(prepare=_ingested_one, act=_pinned, settled=_is_pinned),
    "erase": Case(prepare=_ingested_three, act=removals.erased, settled=removals.is_gone),
    "expire": Case(prepare=_ingested_three, act=removals.expired, settled=removals.is_gone),
    "move": Case(prepare=_ingested_two, act=moves.moved, settled=moves.has_moved),
    "a copy after an erasure": Case(prepare=_erased_since, act=_copied, settled=_copy_lacks_it),
    "a copy after a move": Case(prepare=_moved_since, act=_copied, settled=_copy_is_whole),
    "repair": Case(prepare=strays.left, act=strays.put_aside, settled=strays.are_kept),
}


@dataclass(frozen=True, slots=True)
class Start:
    """A prepared world as an image, and its secrets."""

    world: World
    image: Image

    def fresh(self) -> World:
        restore(self.world.root, self.image)
        return self.world


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    with unsynced():
        yield


@pytest.fixture(scope="module", params=list(CASES))
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


@pytest.fixture(scope="module")
def start(case: Case, quick: None) -> Iterator[Start]:
    memory = Path("/dev/shm")  # thousands of small folders come and go
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        world = make_world(Path(folder) / "w")
        case.prepare(world)
        image = {
            str(p.relative_to(world.root)): None if p.is_dir() else p.read_bytes()
            for p in world.root.rglob("*")
        }
        yield Start(world, image)


def _finish(case: Case, world: World, label: str) -> None:
    """Run again on a good disk; all must be as if nothing had happened."""
    try:
        assert case.act(world), "the work was not done"
        case.settled(world)
        _sound(world)
    except (AssertionError, MedsnapError) as failed:
        raise AssertionError(f"after {label}: {failed} {getattr(failed, 'where', '')}") from failed


def test_a_crash_before_any_step_loses_and_doubles_nothing(case: Case, start: Start) -> None:
    world = start.fresh()
    recorder = Recorder(world.root, seed=int(os.environ.get("MEDSNAP_SEED", "1")))
    with case.on(recorder):
        assert case.act(world)
    recorder.before("the end", None)
    case.settled(world)
    assert recorder.steps > 5
    for label, image in recorder.images.values():
        restore(world.root, image)
        _finish(case, world, label)


@pytest.mark.parametrize("full", [True, False], ids=["full", "broken"])
def test_a_disk_that_fails_at_any_step_loses_and_doubles_nothing(
    case: Case, start: Start, full: bool
) -> None:
    at = 0
    while True:
        at += 1
        world = start.fresh()
        failing = Failing(at, full=full)
        done = False
        try:
            with case.on(failing):
                done = case.act(world)
        except MedsnapError:
            pass
        if not failing.struck:
            assert done
            break
        _finish(case, world, f"a {'full' if full else 'broken'} disk at step {at}")
    assert at > 5


def test_short_writes_are_written_on(case: Case, start: Start) -> None:
    world = start.fresh()
    with case.on(Short()):
        assert case.act(world)
    case.settled(world)
    _sound(world)
