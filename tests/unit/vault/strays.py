"""Files nobody put into the vault on purpose, rings that no directory names: `vault check --repair`."""

from __future__ import annotations

from medsnap.audit import store
from medsnap.vault import check, repair

from .world import World


def rings_put_aside(world: World) -> None:
    """`vault check --repair`: rings that the directory does not name are no loss and no harm."""
    report = check.check(world.vault, root_vkey=world.new.directory.root)
    repair.carry_out(world.vault, repair.plan(world.vault, report))


def left(world: World) -> None:
    world.shoot(1)
    world.ingest()
    for stray in ("objects/ab/Thumbs.db", "keys/strange.age", f"batches/{'a' * 26}", f"tmp/{'a' * 26}.part"):
        path = world.vault / stray
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(stray.encode())


def put_aside(world: World) -> bool:
    report = check.check(
        world.vault, root_vkey=world.new.directory.root, logged=set(store.commits(world.log()))
    )
    repair.carry_out(world.vault, repair.plan(world.vault, report))
    return True


def are_kept(world: World) -> None:
    assert world.stored() == world.expected(1)
    kept = [p.read_bytes() for p in (world.vault / "tmp").rglob("*") if p.is_file()]
    assert len(kept) == len(set(kept)) == 4
