"""Recovery sheets as people use them: made, read back, tried, combined, renewed; and what is refused."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from medsnap.crypto.age import recipient_of
from medsnap.crypto.note import fingerprint
from medsnap.errors import KeyRefused, Malformed
from medsnap.report.sheet import html
from medsnap.vault import directory, keys, recovery, rings, sheets
from medsnap.vault.directory import Directory

from .conftest import Kit
from .test_vault_commands import Shell, shell
from .test_vault_members_commands import _ingest

__all__ = ["shell"]
Sheets = Callable[..., list[Path]]


@pytest.fixture
def made(shell: Shell) -> Shell:
    code, out, err = shell(
        "vault", "init", "--no-input", "--key-file", shell.key, "--recovery-dir", shell.home / "paper",
        "--suite", "x25519", "--compartment-never", "safeguarding",
    )  # fmt: skip
    assert code == 0, out + err
    return shell


def paper(shell: Shell, kind: str, *numbers: int, folder: str = "paper") -> list[Path]:
    return [shell.home / folder / f"{kind}-{n}-of-3.html" for n in numbers]


def _directory(shell: Shell) -> Directory:
    return directory.load(shell.vault).directory


# ── the sheet ────────────────────────────────────────────────────────────────────────────────


def test_a_sheet_is_read_back_from_html_text_and_bare_words(kit: Kit) -> None:
    secret = recovery.secret_of(kit.new.recovery_identity)
    one, two, three = sheets.split(secret, recovery.GENERAL, kit.directory, day="2026-05-01")
    for text in (html(one), sheets.as_text(one)):
        read = sheets.parse(text, where="x")
        assert (read.share, read.vault) == (one.share, kit.directory.vault)
        assert not set(one.share.words) & set(repr(read).replace("'", " ").split())
    bare = sheets.parse(" ".join(w[:4] for w in two.share.words), where="x")
    assert (bare.share, bare.vault, bare.root) == (two.share, "", "")
    # a grid that was read down the columns, with other marks
    numbered = list(enumerate(three.share.words, start=1))
    columns = "\n".join(f"{n}. {word}" for n, word in numbered[::-1])
    assert sheets.parse(columns, where="x").share == three.share
    assert sheets.recover([bare, sheets.parse(html(one), where="x")], kit.directory).secrets == {
        recovery.GENERAL: secret
    }


def test_no_page_holds_words_of_two_shares(made: Shell) -> None:
    files = sorted((made.home / "paper").iterdir())
    assert [f.name for f in files] == [
        f"{kind}-{n}-of-3.html" for kind in ("recovery", "recovery-closed", "root") for n in (1, 2, 3)
    ]
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert file.stat().st_mode & 0o777 == 0o600
        assert len(re.findall(r"<td>", text)) == 33
        assert not re.search(r"(?i)https?:|src=|@import|AGE-SECRET|PRIVATE\+KEY", text), "it loads nothing"
        assert sheets.load(file).share.number == int(file.name.split("-of-")[0][-1])


def test_a_word_that_is_missing_or_there_twice_is_named(kit: Kit) -> None:
    one = sheets.split(bytes(32), recovery.GENERAL, kit.directory, day="2026-05-01")[0]
    text = sheets.as_text(one)
    without = re.sub(r"(?m)\b17 [a-z]+", "", text, count=1)
    with pytest.raises(Malformed, match="word 17 is missing"):
        sheets.parse(without, where="x")
    with pytest.raises(Malformed, match="word 1 stands there twice"):
        sheets.parse(text.replace("words:", "words:\n 1 zero", 1), where="x")


def test_a_sheet_of_another_vault_or_root_is_refused(kit: Kit, another: Kit) -> None:
    secret = recovery.secret_of(kit.new.recovery_identity)
    pair = [
        sheets.parse(html(s), where="x") for s in sheets.split(secret, "recovery", kit.directory, day="d")
    ]
    with pytest.raises(KeyRefused, match="another vault"):
        sheets.recover(pair[:2], another.directory)
    words = [sheets.parse(" ".join(p.share.words), where="x") for p in pair]
    with pytest.raises(KeyRefused, match="another vault, or to a set"):
        sheets.recover(words[:2], another.directory)
    forged = dataclasses.replace(kit.directory, root=another.directory.root)
    with pytest.raises(KeyRefused, match="another root than the sheet"):
        sheets.recover(pair[:2], forged)


# ── who opens what ───────────────────────────────────────────────────────────────────────────


def test_each_set_opens_its_own_rings_and_the_root_opens_none(made: Shell) -> None:
    found = _directory(made)
    assert (found.closed, found.requires) == (
        ("safeguarding",),
        ("erasures", "moves", "directory-history", "two-recoveries"),
    )
    opened = {}
    for kind in recovery.KINDS:
        read = [sheets.load(path) for path in paper(made, kind, 1, 3)]
        held = recovery.keys_of(sheets.recover(read, found), found)
        opened[kind] = {
            key.name
            for key in (*found.compartments, found.auditors_key)
            if rings.compartment_identities(made.vault, key, held.identities) is not None
        }
        assert bool(held.root_key) == (kind == recovery.ROOT), "who unlocks does not sign"
    assert opened == {
        "recovery": {"general", "identifiable", "intimate", ""},
        "recovery-closed": {"safeguarding"},
        "root": set(),
    }


def test_recovery_test_opens_one_photo_of_each_group_and_is_logged(made: Shell) -> None:
    photo = os.urandom(999)
    kept = [_ingest(made, photo, group) for group in ("general", "safeguarding", "general")]
    told = made.json("vault", "recovery", "test", *paper(made, "recovery", 2, 3))
    assert told["ok"] and told["logged"]
    assert (told["opened"], told["shut"]) == (["general", "identifiable", "intimate"], ["safeguarding"])
    assert [p["compartment"] for p in told["photos"]] == ["general"]
    assert told["photos"][0]["object"] in (kept[0], kept[2])
    told = made.json("vault", "recovery", "test", *paper(made, "recovery-closed", 1, 2))
    assert (told["opened"], told["auditors"]) == (["safeguarding"], False)
    assert told["photos"] == [{"compartment": "safeguarding", "object": kept[1]}]
    events = made.json("audit", "ls", "--key-file", made.key)["entries"]
    used = [e for e in events if e["action"] == "recovery"]
    assert [(e["actor"], dict(e["details"]), len(e["objects"])) for e in used] == [
        ("recovery", {"step": "test", "sets": "recovery"}, 0),
        (
            "recovery",
            {
                "step": "tested", "sets": "recovery", "shut": "safeguarding",
                "opened": "general identifiable intimate",
            },
            1,
        ),
        ("recovery-closed", {"step": "test", "sets": "recovery-closed"}, 0),
        (
            "recovery-closed",
            {
                "step": "tested", "sets": "recovery-closed", "opened": "safeguarding",
                "shut": "general identifiable intimate",
            },
            1,
        ),
    ]  # fmt: skip


def test_a_photo_that_does_not_open_fails_the_test(made: Shell) -> None:
    name = _ingest(made, os.urandom(999), "general")
    place = made.vault / "objects" / name[:2] / name
    data = bytearray(place.read_bytes())
    data[-1] ^= 1
    place.write_bytes(data)
    code, out, _ = made("vault", "recovery", "test", *paper(made, "recovery", 1, 2))
    assert code == 4 and "do NOT open" in out and name in "".join(out.split())
    last = made.json("audit", "ls", "--key-file", made.key)["entries"][-1]
    assert (last["action"], last["outcome"], dict(last["details"])["problems"]) == (
        "recovery", "integrity", "1",
    )  # fmt: skip


def test_a_ring_that_the_general_sheets_open_too_fails_the_test(made: Shell) -> None:
    """Were a closed group wrapped to the general sheets as well, the test would say so."""
    from medsnap.vault import recovery_trial

    found = _directory(made)
    secret = sheets.recover([sheets.load(p) for p in paper(made, "recovery", 1, 2)], found)
    more = dataclasses.replace(found, closed=("intimate", "safeguarding"))
    proof = recovery_trial.prove(made.vault, more, secret)
    assert ["must not open it" in p.what for p in proof.problems] == [True]


@pytest.mark.parametrize(
    ("given", "code", "what"),
    [
        ([("recovery", 1)], 77, "one sheet alone opens nothing"),
        ([("recovery", 1), ("recovery", 1)], 77, "the same sheet was given twice"),
        ([("recovery", 1), ("root", 2)], 77, "not of one set"),
        ([("recovery", 1), ("recovery", 2), ("root", 2)], 77, "not of one set"),
        ([("none", 1)], 66, "there is no such sheet"),
        ([], 2, "nobody can be asked"),
    ],
)
def test_wrong_sheets_are_told_apart(made: Shell, given: list[tuple[str, int]], code: int, what: str) -> None:
    files = [path for kind, number in given for path in paper(made, kind, number)]
    before = (made.vault / "log" / "checkpoint").read_bytes()
    for command in (["test"], ["combine", "-o", made.home / "out.key"]):
        said = made("vault", "recovery", *command, *files, "--no-input")
        assert said[0] == code and what in " ".join(said[2].split()), said
    assert not (made.home / "out.key").exists()
    if code != 77:
        assert (made.vault / "log" / "checkpoint").read_bytes() == before, "no sheet was tried"
        return
    tried = made.json("audit", "ls", "--key-file", made.key)["entries"][-2:]
    assert [(e["action"], e["actor"], e["outcome"], e["details"]) for e in tried] == [
        ("recovery", "ingest-1", "vault.key-refused", [["step", step]]) for step in ("test", "combine")
    ], "by the host where it was tried, for want of another key"


def test_a_wrong_word_names_sheet_and_number(made: Shell) -> None:
    good, bad = paper(made, "recovery", 1, 2)
    text = bad.read_text(encoding="utf-8")
    word = re.findall(r"<b>7</b> ([a-z]+)", text)[0]
    other = "acid" if word != "acid" else "acne"
    bad.write_text(text.replace(f"<b>7</b> {word}", f"<b>7</b> {other}"), encoding="utf-8")
    code, _, err = made("vault", "recovery", "test", good, bad)
    said = " ".join(err.split())
    assert code == 3 and "word 7 is wrong" in said and "recovery-2-of-3.html" in said.replace(" ", "")
    assert other not in said.split()


# ── keys of sheets ───────────────────────────────────────────────────────────────────────────


def test_combined_sheets_are_a_key_file_that_works_everywhere(made: Shell) -> None:
    photo = os.urandom(4_000)
    name = _ingest(made, photo, "safeguarding")
    key, root = made.home / "recovered.key", made.home / "root.key"
    files = [*paper(made, "recovery", 1, 2), *paper(made, "recovery-closed", 2, 3)]
    assert made("vault", "recovery", "combine", *files, "-o", key)[0] == 0
    assert key.stat().st_mode & 0o777 == 0o600
    assert made("vault", "open", name, "-o", made.home / "a.jpg", "--key-file", key)[0] == 0
    assert (made.home / "a.jpg").read_bytes() == photo
    code, _, err = made("vault", "rotate", "general", "--root-key-file", key, "--key-file", key)
    assert code == 77 and "holds no root key" in err
    made("vault", "recovery", "combine", *paper(made, "root", 2, 3), "-o", root)
    assert keys.load_file(root).identities == ()
    assert made("vault", "ls", "--key-file", root)[0] == 77, "the root opens nothing"
    assert made("vault", "rotate", "general", "--root-key-file", root, "--key-file", key)[0] == 0
    assert made("vault", "recovery", "combine", *files, "-o", key)[0] == 73, "a key is never replaced"
    assert made("vault", "recovery", "combine", *files, "-o", made.vault / "k")[0] == 2


def test_the_one_file_of_a_small_site_can_be_split_later(shell: Shell) -> None:
    sheet = shell.home / "all.key"
    assert shell("vault", "init", "--no-input", "--key-file", shell.key, "--recovery-file", sheet)[0] == 0
    words = ("vault", "recovery", "sheets", "--recovery-file", sheet, "-o", shell.home / "paper")
    assert json.loads(shell(*words, "--format", "json")[1])["sets"] == ["recovery", "root"]
    assert shell(*words)[0] == 73, "a sheet is never replaced"
    key = shell.home / "again.key"
    files = [*paper(shell, "recovery", 2, 3), *paper(shell, "root", 1, 2)]
    assert shell("vault", "recovery", "combine", *files, "-o", key)[0] == 0
    one, other = keys.load_file(sheet), keys.load_file(key)
    assert (one.identities, one.root_key, one.signer) == (other.identities, other.root_key, other.signer)


def test_init_refuses_before_it_makes_anything(shell: Shell) -> None:
    (shell.home / "paper").mkdir()
    (shell.home / "paper" / "root-2-of-3.html").touch()
    words = ("vault", "init", "--no-input", "--key-file", shell.key)
    for given, code in (
        (["--recovery-dir", shell.home / "paper"], 73),
        (["--recovery-dir", shell.vault / "paper"], 2),
        (["--recovery-dir", shell.home / "p", "--recovery-file", shell.home / "f"], 2),
        (["--recovery-dir", shell.home / "p", "--compartment-never", "nothing"], 2),
        ([], 2),
    ):
        assert shell(*words, *given)[0] == code, given
        assert not (shell.vault / "directory").exists() and not shell.key.exists()


# ── renewed ──────────────────────────────────────────────────────────────────────────────────


def _renew(shell: Shell, *words: object, folder: str = "new") -> None:
    root = shell.home / "root.key"
    if not root.exists():
        shell("vault", "recovery", "combine", *paper(shell, "root", 1, 2), "-o", root)
    code, out, err = shell(
        "vault", "recovery", "renew", *words, "-o", shell.home / folder, "--root-key-file", root,
        "--key-file", shell.key,
    )  # fmt: skip
    assert code == 0, out + err


def test_renewed_sheets_open_all_and_the_old_ones_nothing_new(made: Shell) -> None:
    before, after = os.urandom(700), os.urandom(800)
    old = _ingest(made, before, "general")
    read = [sheets.load(p) for p in paper(made, "recovery", 1, 2)]
    held = recovery.keys_of(sheets.recover(read, _directory(made)), _directory(made))
    stolen = rings.compartment_identities(
        made.vault, _directory(made).compartment("general"), held.identities
    )
    _renew(made, "--set", "recovery")
    new = _ingest(made, after, "general")
    now = _directory(made)
    ring = now.compartment("general")
    assert rings.compartment_identities(made.vault, ring, held.identities) is None
    assert recipient_of(stolen[-1]) != ring.recipient, "what the old sheets gave opens no new photo"  # type: ignore[index]
    assert made("vault", "recovery", "test", *paper(made, "recovery", 1, 2))[0] == 77
    assert made("vault", "recovery", "test", *paper(made, "recovery-closed", 1, 2))[0] == 0
    replaced = made.home / "replaced.key"
    keys.save_file(replaced, keys.render(held, "x"), random=os.urandom)
    code, _, err = made("vault", "restore-test", made.vault, "--recovery-file", replaced)
    assert code == 77 and "neither this vault's recovery nor a member's" in " ".join(err.split())
    key = made.home / "r.key"
    made("vault", "recovery", "combine", *paper(made, "recovery", 1, 2, folder="new"), "-o", key)
    for name, photo in ((old, before), (new, after)):
        assert made("vault", "open", name, "-o", made.home / name, "--key-file", key)[0] == 0
        assert (made.home / name).read_bytes() == photo
    assert made("vault", "check")[0] == 0


def test_a_group_can_be_closed_later(made: Shell) -> None:
    _renew(made, "--compartment-never", "intimate")
    assert _directory(made).closed == ("intimate", "safeguarding")
    told = made.json("vault", "recovery", "test", *paper(made, "recovery", 1, 2))
    assert told["ok"] and told["shut"] == ["intimate", "safeguarding"]
    told = made.json("vault", "recovery", "test", *paper(made, "recovery-closed", 1, 3, folder="new"))
    assert told["ok"] and told["opened"] == ["intimate", "safeguarding"]


def test_a_new_root_is_followed_and_the_old_one_s_sheets_sign_nothing(made: Shell) -> None:
    old = fingerprint(_directory(made).root)
    _renew(made, "--set", "root")
    now = _directory(made)
    new = fingerprint(now.root)
    assert new != old and now.version == 2
    assert datetime.fromisoformat(now.expires) > datetime.now(UTC) + timedelta(days=3650)
    assert made("vault", "check")[0] == made("vault", "ls", "--key-file", made.key)[0] == 0
    code, _, err = made("vault", "recovery", "test", *paper(made, "root", 1, 2))
    assert code == 77 and "a set that was replaced" in err
    told = made.json("vault", "recovery", "test", *paper(made, "root", 1, 3, folder="new"))
    assert told["ok"] and told["root"]
    # the other sheets name the root of before, which signed for the new one
    told = made.json("vault", "recovery", "test", *paper(made, "recovery", 1, 3))
    assert told["ok"] and told["sets"] == ["recovery"]
    words = ("vault", "rotate", "general", "--key-file", made.key, "--root-key-file")
    code, _, err = made(*words, made.home / "root.key")
    assert code == 77 and "not the root key of this vault" in err
    made("vault", "recovery", "combine", *paper(made, "root", 1, 2, folder="new"), "-o", made.home / "2.key")
    assert made(*words, made.home / "2.key")[0] == 0
    assert made("vault", "trust", old)[0] == 77
    assert made("vault", "trust", new)[0] == 0
    assert made("vault", "copy", made.home / "copy")[0] == 0
    sheets_ = (*paper(made, "recovery", 1, 2), *paper(made, "recovery-closed", 1, 2))
    options = [word for sheet in sheets_ for word in ("--sheet", sheet)]
    assert made("vault", "restore-test", made.home / "copy", *options)[0] == 0


def test_a_renewal_that_fails_leaves_no_sheets(made: Shell) -> None:
    root, stranger = made.home / "root.key", made.home / "s.key"
    made("vault", "recovery", "combine", *paper(made, "root", 1, 2), "-o", root)
    made("vault", "recovery", "combine", *paper(made, "recovery-closed", 1, 2), "-o", stranger)
    before = (made.vault / "directory").read_bytes()
    words = ("--set", "recovery", "--root-key-file", root, "--key-file", stranger)
    code, _, err = made("vault", "recovery", "renew", *words, "-o", made.home / "new")
    assert code == 77 and "does not open" in err
    assert list((made.home / "new").iterdir()) == []
    assert (made.vault / "directory").read_bytes() == before
    for wrong in (["--set", "x"], [], ["--compartment-never", "x"]):
        assert (
            made("vault", "recovery", "renew", *wrong, "-o", made.home / "n", "--root-key-file", root)[0] == 2
        )


def test_a_copy_that_was_tried_with_one_set_is_not_called_broken(made: Shell, photos: list[bytes]) -> None:
    _ingest(made, photos[3], "general")
    _ingest(made, photos[4], "safeguarding")
    assert made("vault", "copy", made.home / "copy")[0] == 0

    def tried(*sets: str) -> tuple[int, Any]:
        files = [file for kind in sets for file in paper(made, kind, 1, 2)]
        words = ["vault", "restore-test", made.home / "copy"]
        code, out, _ = made(*words, *(w for f in files for w in ("--sheet", f)), "--format", "json")
        return code, json.loads(out)

    code, told = tried("recovery")
    assert (code, told["ok"], told["photos"], told["not_tried"]) == (3, False, 1, 1)
    assert (told["other_set"], told["locked"], told["lost"]) == (["safeguarding"], [], [])
    code, told = tried("recovery-closed")
    assert (code, told["photos"], told["not_tried"], len(told["other_set"])) == (3, 1, 1, 3)
    code, told = tried("recovery", "recovery-closed")
    assert (code, told["ok"], told["photos"], told["not_tried"], told["other_set"]) == (0, True, 2, 0, [])
    next((made.home / "copy" / "objects").rglob("??????????????????????????")).unlink()
    assert tried("recovery")[0] == 4
