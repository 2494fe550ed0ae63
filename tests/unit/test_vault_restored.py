"""An older state of a vault is put back: refused, until people say that they did it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.unit.test_officer_commands import Office, ids, office

__all__ = ["office"]


def _trust(office: Office, *words: str) -> int:
    place = ("--vault", str(office.vault))
    _, [shown] = office.run("vault", "trust", *place, "--format", "ndjson")
    return office.run("vault", "trust", shown["fingerprint"], *place, *words, "--format", "ndjson")[0]


def test_an_older_state_is_refused_until_it_is_said_to_be_restored(office: Office) -> None:
    first = ids(office.seal(office.photo(0)))
    old = office.folder / "old"
    shutil.copytree(office.vault, old)
    assert office.do("vault", "erase", first[0], "--reason", "asked")[0] == 0
    ledger = office.folder / "ledger.json"
    place = ("--vault", str(office.vault))
    assert office.run("vault", "ledger", *place, "--save", str(ledger))[0] == 0
    assert office.run("audit", "verify", *place)[0] == 0  # and remembers
    shutil.rmtree(office.vault)
    old.rename(office.vault)

    for pin in office.folder.rglob("pin.json"):  # as if a member had been added since
        pin.write_text(pin.read_text().replace('"version":1', '"version":2'))
    assert office.do("vault", "ls")[0] == 77
    assert _trust(office) == 0
    assert office.run("audit", "verify", *place)[0] == 4, "a pin alone forgets nothing"
    assert _trust(office, "--restored") == 0
    assert office.run("audit", "verify", *place)[0] == 0
    assert office.run("vault", "check", *place)[0] == 0
    assert office.listed() == set(first)
    assert list((office.folder / "state").rglob("log.checkpoint.before-*"))
    code, lines = office.do("vault", "erase", "--reapply", "--ledger", str(ledger))
    assert (code, lines[-1]["returned"], office.listed()) == (0, 1, set())
    events = office.do("audit", "ls")[1]
    [told] = [e for e in events if e.get("action") == "recovery"]
    details = dict(told["details"])
    assert details["step"] == "restored" and (details["version"], details["seen_version"]) == ("1", "2")
    assert int(details["seen_entries"]) > 1


def test_restored_needs_the_fingerprint_and_the_root_that_is_pinned(office: Office, tmp_path: Path) -> None:
    place = ("--vault", str(office.vault))
    before = {p: p.read_bytes() for p in (office.folder / "state").rglob("*") if p.is_file()}
    assert office.run("vault", "trust", *place, "--restored")[0] == 2
    assert office.run("vault", "trust", "0000", *place, "--restored")[0] == 77
    assert {p: p.read_bytes() for p in (office.folder / "state").rglob("*") if p.is_file()} == before


@pytest.mark.parametrize("words", [(), ("--restored",)])
def test_a_pinned_root_is_not_exchanged(office: Office, words: tuple[str, ...]) -> None:
    [folder] = (office.folder / "state").iterdir()
    pin = folder / "pin.json"
    pin.write_text(pin.read_text().replace("/root+", "/toor+"))
    assert _trust(office, *words) == 77
