"""Every operation, stopped at every step of the disk: nothing lost, nothing doubled, run again, clean.

To have an operation stopped here, add a row to `CASES`.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from medsnap.audit import store
from medsnap.errors import MedsnapError
from medsnap.vault import check
from tests.faulty_disk import Failing, Image, Recorder, Short, restore, unsynced, watched

from .world import World, make_world, taken_in


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An operation that is to outlive any fault.

    `prepare` makes the world before it, `act` runs it and says whether it did all of its work; it is
    run again after a fault. `settled` asserts what is true once it has run to its end.
    """

    prepare: Callable[[World], None]
    act: Callable[[World], bool]
    settled: Callable[[World], None]


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


def _second_night(world: World) -> None:
    world.shoot(1, 2)
    world.ingest()
    world.shoot(3, 4)


CASES: dict[str, Case] = {
    "ingest": Case(prepare=_shot(1, 2, 3), act=_ingested, settled=_all_once(1, 2, 3)),
    "a second ingest": Case(prepare=_second_night, act=_ingested, settled=_all_once(1, 2, 3, 4)),
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
    recorder = Recorder(world.root)
    with watched(recorder):
        assert case.act(world)
    recorder.before("the end", None)
    case.settled(world)
    assert recorder.steps > 20
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
            with watched(failing):
                done = case.act(world)
        except MedsnapError:
            pass
        if not failing.struck:
            assert done
            break
        _finish(case, world, f"a {'full' if full else 'broken'} disk at step {at}")
    assert at > 20


def test_short_writes_are_written_on(case: Case, start: Start) -> None:
    world = start.fresh()
    with watched(Short()):
        assert case.act(world)
    case.settled(world)
    _sound(world)
