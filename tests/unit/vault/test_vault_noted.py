"""What was looked at, verified or refused stands in the log, where a key at hand may write it."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

import pytest

from medsnap.crypto.note import generate
from medsnap.vault.check import check
from medsnap.vault.ids import random_id
from medsnap.vault.keys import load_file, render, save_file

from .test_vault_commands import Shell, _state, shell
from .test_vault_members_commands import _add, _ingest, made

__all__ = ["made", "shell"]


def _last(shell: Shell, count: int = 1) -> list[dict[str, Any]]:
    entries = shell.json("audit", "ls", "--key-file", shell.key)["entries"]
    return [e | {"details": dict(e["details"])} for e in entries[-count:]]


def _size(shell: Shell) -> int:
    return len(shell.json("audit", "ls", "--key-file", shell.key)["entries"])


def test_a_record_that_was_read_and_one_that_was_refused(made: Shell) -> None:
    nurse = _add(made, "nurse", "--compartment", "general", "--role", "clinical-staff")
    seen = _ingest(made, os.urandom(700), "general", "clinical-staff")
    hidden = _ingest(made, os.urandom(700), "intimate", "clinical-staff")
    absent = random_id(os.urandom)
    words = ("vault", "show", "--key-file", nurse)
    assert made(*words, seen[:8])[0] == 0
    [read] = _last(made)
    assert (read["action"], read["actor"], read["objects"]) == ("show", "nurse", [seen])
    for name in (hidden, absent, "A. Beispiel"):
        assert made(*words, name)[0] == 66
    refused = _last(made, 3)
    assert [(e["action"], e["outcome"], e["objects"]) for e in refused] == [
        ("show", "vault.not-found", [hidden]),
        ("show", "vault.not-found", [absent]),
        ("show", "vault.not-found", []),
    ], "what was typed is written where it is an id: it could be a name"
    code, out, err = made("audit", "report", "--member", "nurse", "--key-file", made.key)
    assert code == 0, err
    assert "read the record" in " ".join(out.split())


def test_a_check_without_keys_is_an_entry_of_this_host_or_of_the_key_given(made: Shell) -> None:
    name = _ingest(made, os.urandom(700), "general")
    assert made("vault", "check")[0] == 0
    [entry] = _last(made)
    assert (entry["action"], entry["actor"], entry["outcome"]) == ("verify", "ingest-1", "success")
    assert entry["details"] == {"of": "vault", "objects": "1", "problems": "0"}
    assert made("vault", "check", "--sample", "100%", "--key-file", made.key)[0] == 0
    [entry] = _last(made)
    assert (entry["actor"], entry["details"]["sample"]) == ("owner", "100%")
    place = made.vault / "objects" / name[:2] / name
    place.write_bytes(place.read_bytes() + b"x")
    assert made("vault", "check")[0] == 4
    [entry] = _last(made)
    assert (entry["outcome"], entry["details"]["problems"]) == ("integrity", "1")
    size = _size(made)
    assert made("vault", "check", "--open", "--key-file", made.key)[0] == 4
    assert [e["action"] for e in _last(made, _size(made) - size)] == ["check", "check"], "no third one"


@pytest.mark.parametrize("stranger", [True, False], ids=["a stranger", "a forged directory"])
def test_who_has_no_key_and_no_pin_leaves_no_entry(made: Shell, stranger: bool) -> None:
    before = (made.vault / "log" / "checkpoint").read_bytes()
    if stranger:
        _state(made).rename(made.home / "away")
    else:
        data = (made.vault / "directory").read_bytes()
        (made.vault / "directory").write_bytes(data.replace(b'"version": 1', b'"version": 2'))
    code, _out, err = made("vault", "check")
    assert code == (0 if stranger else 4) and "could not be written" not in err
    assert (made.vault / "log" / "checkpoint").read_bytes() == before


def test_a_copy_stays_a_copy_when_it_is_checked(made: Shell) -> None:
    _ingest(made, os.urandom(700), "general")
    copy = made.home / "copy"
    assert made("vault", "copy", copy)[0] == 0
    before = (copy / "log" / "checkpoint").read_bytes()
    assert made("vault", "check", "--vault", copy, "--key-file", made.key)[0] == 0
    assert (copy / "log" / "checkpoint").read_bytes() == before


def test_a_proof_that_fails_is_told(made: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    from medsnap.vault import proofs

    real = proofs._try
    monkeypatch.setattr(proofs, "_try", lambda r, key, rnd: key.name != "intimate" and real(r, key, rnd))
    assert made("vault", "prove", "--key-file", made.key)[0] == 0
    begun, told = _last(made, 2)
    assert (begun["action"], begun["outcome"]) == ("prove", "success")
    assert (told["action"], told["outcome"], told["details"]) == ("prove", "integrity", {"shut": "intimate"})


def test_every_byte_of_a_proof_is_judged_and_named(made: Shell) -> None:
    assert made("vault", "prove", "--key-file", made.key)[0] == 0
    [proof] = (made.vault / "proofs").iterdir()
    data = proof.read_bytes()
    assert check(made.vault).good
    for at in (*range(0, len(data), 37), len(data) - 1):
        changed = bytearray(data)
        changed[at] ^= 1 << at % 8
        proof.write_bytes(bytes(changed))
        assert [p.where for p in check(made.vault).problems] == [f"proofs/{proof.name}"], at
    proof.write_bytes(data)
    proof.rename(proof.with_name(random_id(os.urandom)))
    assert not check(made.vault).good


def test_a_key_that_is_not_the_root_is_refused_and_told(made: Shell) -> None:
    """Somebody with a root key of before, or of another vault, tries each change of the directory."""
    sheet = load_file(made.home / "rec.key")
    other = generate(f"{sheet.vault}/root", os.urandom).private()
    wrong = made.home / "wrong.key"
    save_file(wrong, render(dataclasses.replace(sheet, root_key=other), "x"), random=os.urandom)
    key = made.home / "h.vkey"
    key.write_text(generate(f"{sheet.vault}/ingest-2", os.urandom).vkey)
    changes = {
        "host-add": ("host", "add", "ingest-2", "--vkey", key),
        "recovery-renew": ("recovery", "renew", "--set", "recovery", "-o", made.home / "sheets"),
        "rotate": ("rotate", "general"),
        "member-change": ("member", "change", "owner", "--role", "r"),
    }
    for change, words in changes.items():
        code, _, err = made("vault", *words, "--root-key-file", wrong, "--key-file", made.key)
        assert code == 77 and "not the root key of this vault" in err, change
        [entry] = _last(made)
        assert (entry["action"], entry["actor"], entry["outcome"], entry["details"]["change"]) == (
            "directory", "owner", "vault.key-refused", change,
        )  # fmt: skip
    assert list((made.home / "sheets").iterdir()) == []
