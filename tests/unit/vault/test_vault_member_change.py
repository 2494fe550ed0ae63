"""A member stays and what he may changes: what he then opens, what he no longer does, what is refused."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from medsnap.errors import KeyRefused, MedsnapError, UsageError
from medsnap.vault import directory, member_change, rings
from medsnap.vault.change import Authority
from medsnap.vault.check import check
from medsnap.vault.directory import ERASURES, WRITER_TERMS
from medsnap.vault.keys import Keys
from medsnap.vault.member_change import Wish

from .conftest import Kit
from .test_vault_commands import Shell, shell
from .test_vault_members_commands import _add, _ingest, made

__all__ = ["made", "shell"]


def _authority(kit: Kit, keys: Keys | None = None) -> Authority:
    return Authority(
        root_key=kit.new.root_key,
        identities=(keys or kit.owner).identities,
        random=os.urandom,
        announce=lambda _after: len(kit.log),
    )


def _alter(kit: Kit, **wish: object) -> directory.Directory:
    now = kit.host().directory
    return member_change.alter(kit.vault, now, "nurse", Wish(**wish), _authority(kit))  # type: ignore[arg-type]


@pytest.fixture
def nurse(kit: Kit) -> Keys:
    return kit.member("nurse", "general", "identifiable", verbs=("receipt", "log"))


def test_what_is_given_opens_with_all_its_past(kit: Kit, nurse: Keys, photos: list[bytes]) -> None:
    (old,) = kit.ingest([(photos[0], "intimate")])
    before = {k.name: (k.epoch, k.ring) for k in kit.host().directory.compartments}
    after = _alter(kit, give=("intimate",))
    assert after.member("nurse").compartments == ("general", "identifiable", "intimate")  # type: ignore[union-attr]
    assert kit.reader(nurse).open(old.seal.object) == photos[0]
    now = {k.name: (k.epoch, k.ring) for k in after.compartments}
    assert now["general"] == before["general"] and now["intimate"][0] == 1, "no new epoch, no other ring"
    assert check(kit.vault, root_vkey=kit.directory.root).problems == []


def test_what_is_taken_opens_nothing_sealed_later_and_the_rest_stays(
    kit: Kit, nurse: Keys, photos: list[bytes]
) -> None:
    kit.ingest([(photos[0], "identifiable")])
    mine = rings.compartment_identities(
        kit.vault, kit.host().directory.compartment("identifiable"), nurse.identities
    )
    after = _alter(kit, take=("identifiable",))
    assert [k.epoch for k in after.compartments] == [1, 2, 1]
    new, kept = kit.ingest([(photos[1], "identifiable"), (photos[2], "general")])
    reader = kit.reader(nurse)
    assert reader.compartments == ("general",) and reader.problems == []
    assert reader.open(kept.seal.object) == photos[2]
    ring = after.compartment("identifiable")
    for held in (nurse.identities, (*nurse.identities, *(mine or ()))):
        assert rings.compartment_identities(kit.vault, ring, held) is None
    assert kit.reader().open(new.seal.object) == photos[1]


def test_giving_and_taking_at_once_turns_each_ring_once(kit: Kit, nurse: Keys) -> None:
    before = kit.files()
    after = _alter(kit, give=("intimate",), take=("general",), auditor=True)
    assert [k.epoch for k in after.compartments] == [2, 1, 1] and after.auditors_epoch == 1
    assert kit.reader(nurse).compartments == ("identifiable", "intimate")
    new = [name for name in kit.files() if name.startswith("keys/") and name not in before]
    assert len(new) == 3
    again = _alter(kit, auditor=False)
    assert again.auditors_epoch == 2
    assert rings.unwrap(
        kit.vault / "keys" / again.auditors_ring, again.auditors_ring_sha256, nurse.identities
    ) is None  # fmt: skip


def test_a_verb_counts_from_then_on_and_what_was_signed_before_stays(kit: Kit, nurse: Keys) -> None:
    kit.log.extend(["x"] * 5)  # type: ignore[list-item]
    after = _alter(kit, verbs=("decide", "erase"), without_verbs=("receipt",))
    writer = after.writer(nurse.vkey)
    assert writer is not None and set(writer.verbs) == {"log", "decide", "erase"}
    assert [set(writer.verbs_at(n)) for n in (4, 5, None)] == [
        {"receipt", "log"}, set(writer.verbs), set(writer.verbs),
    ]  # fmt: skip
    assert {WRITER_TERMS, ERASURES} <= set(after.requires)
    roles = _alter(kit, roles=("desk",))
    assert roles.writer(nurse.vkey) == writer and roles.member("nurse").roles == ("desk",)  # type: ignore[union-attr]
    assert _alter(kit, without_roles=("desk",)).member("nurse").roles == ()  # type: ignore[union-attr]


WRONG: dict[str, Wish] = {
    "nothing": Wish(),
    "what he has": Wish(give=("general",), verbs=("log",), auditor=False),
    "what he has not": Wish(take=("intimate",)),
    "a role that he has not": Wish(without_roles=("desk",)),
    "both at once": Wish(give=("intimate",), take=("intimate",)),
    "no such group": Wish(give=("secret",)),
    "the verb of ingest": Wish(verbs=("add",)),
    "no such verb": Wish(verbs=("dance",)),
    "no name of a role": Wish(roles=("Über",)),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_change_that_nobody_means_is_refused(what: str, kit: Kit, nurse: Keys) -> None:
    before = kit.files()
    with pytest.raises(MedsnapError):
        member_change.alter(kit.vault, kit.host().directory, "nurse", WRONG[what], _authority(kit))
    assert kit.files() == before


def test_the_last_member_of_a_group_keeps_it_and_who_cannot_open_it_gives_it_to_nobody(
    kit: Kit, nurse: Keys
) -> None:
    now = kit.host().directory
    with pytest.raises(UsageError, match="last member who opens 'intimate'"):
        member_change.alter(kit.vault, now, "owner", Wish(take=("intimate",)), _authority(kit))
    with pytest.raises(KeyRefused, match="cannot give it"):
        member_change.alter(kit.vault, now, "nurse", Wish(give=("intimate",)), _authority(kit, nurse))
    with pytest.raises(UsageError, match="no member 'nobody'"):
        member_change.planned(now, "nobody", Wish(auditor=True))
    mute = dataclasses.replace(now.member("nurse"), vkey="")  # type: ignore[type-var]
    bare = dataclasses.replace(now, members=(mute,))
    with pytest.raises(UsageError, match="signing key"):
        member_change.planned(bare, "nurse", Wish(verbs=("log",)))


# ── as people do it ──────────────────────────────────────────────────────────────────────────


def _listed(shell: Shell, key: Path) -> set[str]:
    return {p["id"] for p in shell.json("vault", "ls", "--key-file", key)["photos"]}


@pytest.fixture
def change(made: Shell) -> Callable[..., str]:
    def run(*words: object) -> str:
        rest = ("--root-key-file", made.home / "rec.key")
        code, out, err = made("vault", "member", "change", "nurse", *words, *rest)
        assert code == 0, out + err
        return " ".join(out.split())

    return run


def test_a_member_s_lists_follow_what_he_has(
    made: Shell, change: Callable[..., str], photos: list[bytes]
) -> None:
    key = _add(made, "nurse", "--compartment", "general", "--role", "clinical-staff")
    one = _ingest(made, photos[0], "general", "clinical-staff")
    two = _ingest(made, photos[1], "intimate", "clinical-staff")
    desk = _ingest(made, photos[2], "general", "photo-desk")
    assert _listed(made, key) == {one}
    said = change("--compartment", "intimate", "-n")
    assert "Nothing was changed" in said and _listed(made, key) == {one}
    assert "he opens its photos, those of before too" in change("--compartment", "intimate")
    assert _listed(made, key) == {one, two}, "his catalogue takes up what lay there before"
    change("--role", "photo-desk")
    assert _listed(made, key) == {one, two, desk}
    said = change("--without", "intimate", "--without-role", "photo-desk")
    assert "'intimate' sealed before epoch 2" in said and "epoch 2 begins" in said
    assert "ingest-1" in said, "hosts that have not confirmed"
    assert _listed(made, key) == {one}
    three = _ingest(made, photos[3], "intimate", "clinical-staff")
    for hidden in (two, three):
        there = made("vault", "show", hidden, "--key-file", key)
        assert there[0] == 66 and there == made("vault", "show", "a" * 26, "--key-file", key)
    assert _listed(made, key) == {one}
    assert made("vault", "check")[0] == 0


def test_the_log_says_what_was_given_and_taken_and_what_was_refused(
    made: Shell, change: Callable[..., str]
) -> None:
    _add(made, "nurse", "--compartment", "general")
    change("--compartment", "intimate", "--auditor", "--verb", "decide")
    change("--without", "general", "--no-auditor")
    words = ("vault", "member", "change", "nurse", "--without", "intimate", "--root-key-file")
    assert made(*words, made.home / "nurse.key")[0] == 77, "no root key"
    told = made.json("audit", "ls", "--key-file", made.key)["entries"]
    said = [dict(e["details"]) for e in told if e["action"] == "directory"]
    first, second = (d for d in said if d.get("change") == "member-change")
    assert (first["given"], first["verbs"]) == ("intimate auditors", "log look decide")
    assert (second["taken"], second.get("given")) == ("general auditors", None)
    data = json.loads(made("vault", "member", "ls", "--format", "json")[1])
    assert data["members"][1]["compartments"] == ["intimate"] and not data["members"][1]["auditor"]
