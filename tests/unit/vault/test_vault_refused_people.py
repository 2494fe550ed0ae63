"""Who may break the glass, and what a trial of recovery sheets says of rings that are broken."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from medsnap.errors import KeyRefused
from medsnap.model.codec import canonical, from_json
from medsnap.model.record import PhotoRow
from medsnap.model.study import Match, MatchState, Patient
from medsnap.vault import directory, emergency, recovery_trial, sheets
from medsnap.vault.directory import Directory
from medsnap.vault.keys import Keys

from .conftest import Kit
from .test_vault_commands import Shell, shell

__all__ = ["shell"]
OPEN_TO = ("physician",)


@dataclasses.dataclass(frozen=True, slots=True)
class Ward:
    """A vault with a physician, a custodian and somebody whose keys are no member's."""

    directory: Directory
    physician: Keys
    custodian: Keys
    stranger: Keys


@pytest.fixture
def ward(kit: Kit, another: Kit) -> Ward:
    physician, custodian = kit.member("dr", "general"), kit.member("custodian", "intimate")
    found = kit.host().directory
    roles = {"dr": OPEN_TO, "custodian": ("privacy-office",), "owner": ("*",)}
    members = tuple(dataclasses.replace(m, roles=roles[m.name]) for m in found.members)
    return Ward(dataclasses.replace(found, members=members), physician, custodian, another.owner)


REFUSED: dict[str, tuple[Callable[[Ward, Kit], tuple[Keys, Keys]], str]] = {
    "a stranger asks": (lambda w, k: (w.stranger, w.custodian), "no member who signs"),
    "a key that cannot sign": (
        lambda w, k: (dataclasses.replace(w.physician, signer=None), w.custodian), "no member who signs",
    ),
    "another role asks": (lambda w, k: (w.custodian, w.physician), "none of your roles"),
    "the role of everything is none": (lambda w, k: (k.owner, w.custodian), "none of your roles"),
    "a stranger's key": (lambda w, k: (w.physician, w.stranger), "no member's of this vault"),
    "his own key twice": (lambda w, k: (w.physician, w.physician), "another person than you"),
    "a file with both keys": (
        lambda w, k: (
            dataclasses.replace(w.physician, identities=(*w.physician.identities, *w.custodian.identities)),
            w.custodian,
        ),
        "another person than you",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_who_may_not_break_the_glass(what: str, ward: Ward, kit: Kit) -> None:
    keys, words = REFUSED[what]
    asker, custodian = keys(ward, kit)
    with pytest.raises(KeyRefused, match=words):
        emergency.pair(ward.directory, asker, custodian, open_to=OPEN_TO)


def test_two_people_may_and_what_ends_is_all_that_the_custodian_opens(ward: Ward) -> None:
    found = emergency.pair(ward.directory, ward.physician, ward.custodian, open_to=OPEN_TO)
    assert (found.asker.name, found.custodian.name) == ("dr", "custodian")
    assert found.due(ward.directory, "soon").epochs == (("intimate", 1),)
    auditor = dataclasses.replace(found, custodian=dataclasses.replace(found.custodian, auditor=True))
    assert auditor.due(ward.directory).epochs == (("intimate", 1), ("", ward.directory.auditors_epoch))


class _Read:
    """What a reader gives when somebody who may write has written strange records."""

    compartments = ("general",)

    def __init__(self, *events: dict[str, Any]) -> None:
        self.events = events
        self.problems: list[str] = []

    def rows(self) -> Iterator[tuple[str, dict[str, Any]]]:
        return iter(("general", e) for e in self.events)

    def note(self, where: str, what: str) -> None:
        self.problems.append(what)


def test_of_two_records_of_one_photo_the_first_names_the_patient(kit: Kit) -> None:
    [row] = kit.ingest([(b"photo", "general")])

    def event(mrn: str) -> dict[str, Any]:
        patient = Match(state=MatchState.MATCHED, patient=Patient(mrn=mrn, issuer="2.999.1"))
        plain: dict[str, Any] = json.loads(canonical(dataclasses.replace(row, match=patient)))
        assert from_json(PhotoRow, plain).match == patient
        return plain | {"event": "photo.add"}

    read = _Read({"event": "hold"}, event("1"), event("2"), event("3") | {"media": 7})
    found = emergency.find(read, "2")  # type: ignore[arg-type]
    assert (found.rows, found.could) == ([], {"general": 1})
    assert len(emergency.find(read, "1", "2.999.1").rows) == 1  # type: ignore[arg-type]
    assert emergency.find(read, "1", "2.999.2").rows == []  # type: ignore[arg-type]
    assert ["a record cannot be read" in what for what in read.problems] == [True] * 3


def _ring(found: Directory) -> str:
    return found.compartment("general").ring


@pytest.mark.parametrize(
    ("broken", "auditors"),
    [(_ring, True), (lambda found: found.auditors_ring, False)],
    ids=["a group's", "the auditors'"],
)
def test_a_broken_ring_fails_the_trial_of_sheets_and_is_named(
    broken: Callable[[Directory], str], auditors: bool, shell: Shell
) -> None:
    paper = shell.home / "paper"
    code, out, err = shell(
        "vault", "init", "--no-input", "--key-file", shell.key, "--recovery-dir", paper, "--suite", "x25519"
    )
    assert code == 0, out + err
    found = directory.load(shell.vault).directory
    secret = sheets.recover([sheets.load(paper / f"recovery-{n}-of-3.html") for n in (1, 2)], found)
    whole = recovery_trial.prove(shell.vault, found, secret)
    assert (whole.problems, whole.auditors) == ((), True)
    name = broken(found)
    path: Path = shell.vault / "keys" / name
    path.write_bytes(os.urandom(99))
    tried = recovery_trial.prove(shell.vault, found, secret)
    assert tried.auditors is auditors
    assert [name in p.where for p in tried.problems] == [True] * len(tried.problems) != []
    path.unlink()
    assert recovery_trial.prove(shell.vault, found, secret).problems != ()
