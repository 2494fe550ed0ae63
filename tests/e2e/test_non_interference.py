"""Hidden means absent: two vaults alike but for hidden photos, every command, every role, byte for byte.

Compared are standard output, standard error, exit code and every file left in the working folder. Not
compared is what lies in the vault and on the ingest host, whose counts the storage shows to whoever reads it
(amendment 8), and the member's own cache: it keeps the names of the commits it has taken in, so it counts
them too. It is sealed to the member, and what the next command makes of it is compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from medsnap.cli import TABLE, _load
from medsnap.crypto import age
from medsnap.errors import KeyRefused
from medsnap.vault import keys
from medsnap.vault.directory import load
from medsnap.vault.rings import compartment_identities
from tests.contracts.test_help import leaves
from tests.e2e.hidden_cases import CASES, Case, NoVault
from tests.e2e.two_vaults import OWNER, ROLES, Pair, Role, build
from tests.helpers import digests

COMMANDS = dict(leaves(TABLE))
RECIPIENT = age.recipient_of(age.generate_identity(lambda size: b"\x07" * size))


_WHAT_READS = (
    "vault ls --format json", "vault show {p51}", "vault open {p1} -o out", "vault reindex", "consent ls",
    "export all --as fhir -o out", "vault erase --patient M00001 --reason asked", "policy replay", "doctor",
)  # fmt: skip


class Said(NamedTuple):
    """All that somebody learns of one command."""

    code: int
    out: str
    err: str
    files: dict[str, str]


@pytest.fixture(scope="module")
def pair(module_path: Path) -> Pair:
    return build(module_path)


def _words(pair: Pair, name: str, case: Case, role: Role) -> list[str]:
    typed = case.words.format(**pair.ids, no="a" * 26, role=role.name, recipient=RECIPIENT)
    return [*name.split(), *typed.split()]


def _said(pair: Pair, which: str, name: str, case: Case, role: Role) -> Said:
    pair.put(which)
    ran = pair.run(role, _words(pair, name, case, role))
    told = role.name in case.told
    out, err = ("", "") if told else (case.settle(ran.out), case.settle(ran.err))
    return Said(ran.code, out, err, {} if told or case.copies else pair.files())


def test_each_command_of_the_tree_has_a_case() -> None:
    assert set(CASES) == set(COMMANDS), "a new command needs a case, a removed one none"


@pytest.mark.parametrize("name", CASES)
def test_hidden_photos_change_nothing(name: str, pair: Pair) -> None:
    cases = CASES[name]
    if isinstance(cases, NoVault):
        options = {option.name for option in _load(COMMANDS[name]).params}
        assert "vault" not in options, f"{name} takes a vault, so it needs cases"
        return
    assert cases, name
    for case in cases:
        for role in ROLES:
            without, with_ = (_said(pair, which, name, case, role) for which in ("without", "with"))
            assert without == with_, f"{role.name}: medsnap {name} {case.words}"
            if role.name == case.works:
                assert with_.code == case.code, f"{role.name}: medsnap {name} {case.words}: {with_}"
            assert with_.code != 70, with_


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.unlink()  # it may be the image's file under another name
    path.write_bytes(data)


def _hidden_batches(pair: Pair) -> list[Path]:
    """Name the batches of the group that members do not open."""
    key = keys.load_file(pair.stage / "keys" / f"{OWNER.name}.key")
    vault = pair.stage / "vault"
    ring = compartment_identities(vault, load(vault).directory.compartment("intimate"), key.identities)
    return [path for path in (vault / "batches").iterdir() if _opens(path, ring)]


def _opens(path: Path, ring: Sequence[str]) -> bool:
    try:
        age.decrypt_bytes(path.read_bytes(), ring)
    except KeyRefused:
        return False
    return True


@pytest.mark.parametrize("line", _WHAT_READS)
def test_what_is_broken_of_hidden_photos_changes_nothing_either(line: str, pair: Pair) -> None:
    """Only `vault check`, which reads the storage, tells that an object or a batch is broken."""
    words = line.format(**pair.ids).split()
    for role in ROLES[:2]:
        said = []
        for broken in (False, True):
            pair.put("with")
            if broken:
                for number in (51, 52, 53):
                    name = pair.ids[f"p{number}"]
                    _flip(pair.stage / "vault" / "objects" / name[:2] / name)
                found = _hidden_batches(pair)
                assert len(found) > 3
                for path in found:
                    _flip(path)
            ran = pair.run(role, words)
            said.append(Said(ran.code, ran.out, ran.err, pair.files()))
        assert said[0] == said[1], f"{role.name}: medsnap {line}"
        assert said[0].code in (0, 66, 77)


def test_who_may_know_of_them_does_see_them(pair: Pair) -> None:
    """The comparison can tell the vaults apart: everything above would else be equal for no reason."""
    case = Case(words="--format json")
    without, with_ = (_said(pair, which, "vault ls", case, OWNER) for which in ("without", "with"))
    assert without != with_
    assert with_.out.count('"id"') == without.out.count('"id"') + 4
    for number in ("p51", "p52", "p53", "moved"):
        assert pair.ids[number] in with_.out
        assert pair.ids[number] not in without.out


def test_who_may_know_of_both_photos_of_a_shot_is_told(pair: Pair) -> None:
    """Of three visible photos hidden ones are copies: what the commands above kept to themselves."""
    case = Case(words="--repeats --format ndjson")
    without, with_ = (_said(pair, which, "vault ls", case, OWNER) for which in ("without", "with"))
    assert '"repeat":{' not in without.out
    assert (with_.out.count('"same-bytes"'), with_.out.count('"may-be-same-shot"')) == (2, 1)


def test_no_command_wrote_into_a_file_that_an_image_shares(pair: Pair) -> None:
    """The stage links batches, commits and objects, which medsnap never writes a second time."""
    assert {which: digests(pair.image(which)) for which in ("without", "with")} == pair.made
