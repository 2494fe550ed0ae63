"""What the vault's commands answer to a word that nothing bears, and to a stray file."""

from __future__ import annotations

import pytest

from .test_vault_commands import Shell, _ingest, made, shell

__all__ = ["made", "shell"]


@pytest.mark.parametrize(
    ("option", "word", "told"),
    [
        ("--state", "hold", "one of: done, held"),
        ("--verb", "rejct", "accept, redact"),
        ("--match", "sure", "matched, needs-review"),
        ("--compartment", "genral", "general, identifiable"),
        ("--until", "2026-03-09", "--since lies after --until"),
    ],
)
def test_a_word_that_no_photo_can_have_is_no_empty_list(
    made: Shell, option: str, word: str, told: str
) -> None:
    since = ("--since", "2026-03-10") if option == "--until" else ()
    code, out, err = made("vault", "ls", "--key-file", made.key, option, word, *since)
    assert (code, out) == (2, "")
    assert told in " ".join(err.split())


def test_an_empty_list_says_so_once_and_one_photo_is_one(made: Shell, photos: list[bytes]) -> None:
    assert made("vault", "ls", "--key-file", made.key)[1] == "no photos\n"
    _ingest(made, (photos[3], "general"))
    assert "1 photo in general\n" in made("vault", "ls", "--key-file", made.key)[1]


def test_rotate_names_the_groups_that_there_are(made: Shell) -> None:
    code, _, err = made("vault", "rotate", "intimat", "--root-key-file", made.home / "recovery.key")
    assert code == 2
    assert "one of: general, identifiable, intimate, safeguarding" in " ".join(err.split())


def test_a_stray_file_is_sent_to_repair_and_a_lost_one_to_the_copy(made: Shell, photos: list[bytes]) -> None:
    (made.vault / "objects" / "ab").mkdir(exist_ok=True)
    (made.vault / "objects" / "ab" / "junk").write_bytes(b"junk")
    code, out, _ = made("vault", "check")
    assert code == 4
    assert "--repair puts aside" in out
    assert "from a copy" not in out
    (one,) = _ingest(made, (photos[3], "general"))
    (made.vault / "objects" / one[:2] / one).unlink()
    _, out, _ = made("vault", "check")
    assert "--repair puts aside" in out
    assert "from a copy" in out


def test_a_member_key_says_what_to_send(made: Shell) -> None:
    words = ("vault", "member", "key", "a.sommer", "--key-file", made.home / "a.key")
    assert "Send the printed lines" in " ".join(made(*words)[2].split())
    sent = made.home / "a.member"
    assert f"Send{sent}" in "".join(made(*words, "-o", sent)[2].split())  # a long path is folded


def test_a_restore_test_with_a_members_key_says_that_no_sheet_was_tried(made: Shell) -> None:
    code, _, err = made("vault", "restore-test", made.vault, "--recovery-file", made.key)
    assert code == 0
    assert "no recovery sheet" in " ".join(err.split())
    words = ("vault", "restore-test", made.vault, "--recovery-file", made.home / "recovery.key")
    assert "no recovery sheet" not in made(*words)[2]


def test_a_restore_test_of_no_copy_speaks_of_copies(made: Shell) -> None:
    words = ("vault", "restore-test", made.home / "none", "--recovery-file", made.home / "recovery.key")
    code, _, err = made(*words)
    assert code == 66
    assert "there is no copy here" in err
    assert "vault init" not in err


def test_a_dash_is_no_file(made: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(made.home)
    (one,) = _ingest(made, (b"photo", "general"))
    for words in (
        ("vault", "open", one, "-o", "-", "--key-file", made.key),
        ("vault", "ls", "-o", "-", "--key-file", made.key),
        ("audit", "checkpoint", "-o", "-"),
        ("vault", "copy", "-"),
    ):
        code, _, err = made(*words)
        assert code == 2 and "'-' is no file" in err, words
    assert not (made.home / "-").exists()


def test_a_copy_that_was_cut_off_is_sent_to_vault_copy_and_not_to_repair(made: Shell) -> None:
    _ingest(made, (b"photo", "general"))
    copy = made.home / "copy"
    assert made("vault", "copy", copy)[0] == 0
    (copy / "log" / "checkpoint").unlink()
    code, out, _ = made("vault", "check", "--vault", copy)
    assert code == 4 and "medsnap vault copy goes on" in " ".join(out.split()) and "--repair" not in out


def test_a_table_ends_somewhere_and_says_so(
    made: Shell, photos: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    _ingest(made, (photos[3], "general"), (photos[4], "intimate"))
    monkeypatch.setattr("medsnap.commands.vault_ls.PAGE", 1)
    words = ("vault", "ls", "--key-file", made.key)
    out = " ".join(made(*words)[1].split())
    assert "1 photo in" in out and "there are more: --limit shows as many" in out
    assert "2 photos in" in made(*words, "--limit", "2")[1]
    assert made.json(*words)["count"] == 2, "programs are given all of it"
