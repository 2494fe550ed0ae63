"""A move cut off at any step: the vault is sound as it lies there, and the photo is in it once."""

from __future__ import annotations

from pathlib import Path

from medsnap.audit import store
from medsnap.vault import check
from tests.faulty_disk import Recorder, restore, unsynced, watched

from . import moves
from .world import make_world


def test_a_move_that_was_cut_off_is_no_damage_and_shows_the_photo_once(tmp_path: Path) -> None:
    with unsynced():
        world = make_world(tmp_path / "w")
        world.shoot(1, 2)
        world.ingest()
        recorder = Recorder(world.root, seed=1)
        with watched(recorder):
            assert moves.moved(world)
        groups = set()
        for label, image in recorder.images.values():
            restore(world.root, image)
            logged = set(store.commits(world.log()))
            report = check.check(world.vault, root_vkey=world.new.directory.root, logged=logged)
            assert report.problems == [], label
            assert world.stored() == world.expected(1, 2), label
            groups.add(moves.row(world, 2)[0])
    assert len(groups) == 2, "before the one step it lay in its old group, after it in the new one"
