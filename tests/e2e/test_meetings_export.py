"""Two exports at once, and an export that is overtaken: by an erasure, a move, a kill."""

from __future__ import annotations

import os

import pytest

from tests.e2e import ward as w
from tests.e2e.ward import Ward

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")


def test_the_second_export_to_one_receiver_ends_at_once_and_nothing_gets_two_identities(ward: Ward) -> None:
    with ward.beside(*ward.export(), where=w.HOLDING) as first:
        busy = ward.run(*ward.export(into="elsewhere")).expect(75)
        assert "exports of fhir-r4 to 'ehr'" in busy.out
        assert ward.files("elsewhere") == set()
        assert not [name for name in ward.files() if name.endswith(".json")], "named before its receipt"
        first.goes_on().expect(0)
    again = ward.run(*ward.export(into="elsewhere")).expect(0)
    assert len(again.photos) == 3
    assert ward.files("elsewhere") == ward.files()
    for photo in ward.ids:
        assert len({r["identifiers"]["document"] for r in ward.receipts(photo)}) == 1
    ward.sound()


def test_what_another_run_sent_while_this_one_began_keeps_its_identity(ward: Ward) -> None:
    with ward.beside(*ward.export(into="elsewhere"), where="medsnap.vault.turns:sending") as second:
        ward.run(*ward.export()).expect(0)
        second.goes_on().expect(0)
    assert ward.files("elsewhere") == ward.files()
    ward.sound()


def test_exports_to_two_receivers_run_beside_each_other(ward: Ward) -> None:
    with ward.beside(*ward.export(), where=w.MADE, after=True) as first:
        ward.run(*ward.export("--target", "pacs", as_="dicom", into="pacs")).expect(0)
        first.goes_on().expect(0)
    assert len(ward.files()) == len(ward.files("pacs")) == 3
    assert all({r["target"] for r in ward.receipts(p)} == {"ehr", "pacs"} for p in ward.ids)
    ward.sound()


@pytest.mark.parametrize("removal", ["erase", "move"])
@pytest.mark.parametrize(("where", "after"), [(w.OPENING, False), (w.MADE, True)], ids=["unread", "read"])
def test_what_goes_before_it_is_sent_does_not_leave(
    ward: Ward, removal: str, where: str, after: bool
) -> None:
    gone = ward.ids[0]
    words = ward.erase(gone) if removal == "erase" else ward.move(gone)
    with ward.beside(*ward.export(), where=where, after=after) as export:
        ward.run(*words).expect(0)
        ran = export.goes_on().expect(3)
    told = {p["object"]: p for p in ran.photos}
    assert told[gone]["outcome"] == "held"
    assert "erased or moved while this ran" in told[gone]["reason"]
    assert {told[p]["outcome"] for p in ward.ids[1:]} == {"done"}
    assert ward.files() == {told[p]["file"] for p in ward.ids[1:]}
    steps = [(dict(e["details"]).get("step"), set(e["objects"])) for e in ward.events("export")]
    assert ("begin", set(ward.ids)) in steps
    assert ("stayed", {gone}) in steps, (
        "the log says that it was about to leave: it has to say that it did not"
    )
    ward.sound()


def test_a_removal_waits_for_receipts_and_then_tells_where_the_photo_went(ward: Ward) -> None:
    gone = ward.ids[0]
    with ward.beside(*ward.export(), where=w.RECEIPTS) as export:
        busy = ward.run(*ward.erase(gone)).expect(75)
        assert "members' lock" in busy.out
        assert "process" in busy.out
        export.goes_on().expect(0)
    ran = ward.run(*ward.erase(gone)).expect(0)
    assert w.summary(ran)["left"] == 1
    assert ward.listed() == set(ward.ids[1:])
    ward.sound()


def test_an_export_waits_for_a_removal_and_keeps_what_it_sent(ward: Ward) -> None:
    with ward.beside(*ward.erase(ward.ids[0]), where="medsnap.vault.erasures:write") as removal:
        busy = ward.run(*ward.export()).expect(75)
        assert "members' lock" in busy.out
        assert ward.files() == set()
        removal.goes_on().expect(0)
    assert len(ward.run(*ward.export()).expect(0).photos) == 2
    ward.sound()


@pytest.mark.parametrize("where", [w.HOLDING, w.NAMING])
def test_a_killed_export_sends_again_under_the_same_identity(ward: Ward, where: str) -> None:
    with ward.beside(*ward.export(), where=where) as export:
        export.dies()
    assert not [name for name in ward.files() if name.endswith(".json")]
    before = {p: [r["identifiers"] for r in ward.receipts(p)] for p in ward.ids}
    assert all(len(known) == (where == w.NAMING) for known in before.values())
    again = ward.run(*ward.export()).expect(0)
    assert ward.files() == {p["file"] for p in again.photos}, "nothing of the killed run is left"
    for photo in ward.ids:
        assert len({r["identifiers"]["document"] for r in ward.receipts(photo)}) == 1
    ward.sound()


@pytest.mark.parametrize("listed", [False, True])
@pytest.mark.parametrize(
    ("where", "after"), [("medsnap.vault.turns:sending", False), (w.MADE, True)], ids=["chosen", "made"]
)
def test_what_is_closed_before_it_is_sent_does_not_leave(
    ward: Ward, where: str, after: bool, listed: bool
) -> None:
    with ward.beside(*ward.export(), where=where, after=after) as export:
        ward.closes(ward.ids[0])
        if listed:
            ward.listed()  # takes the decision into the member's catalogue, which both runs share
        ran = export.goes_on().expect(3)
    told = {p["object"]: p for p in ran.photos}
    assert told[ward.ids[0]]["reason"] == "ehr: a person closed it"
    assert ward.files() == {told[p]["file"] for p in ward.ids[1:]}
    ward.sound()


def test_an_export_ends_where_the_directory_changes_and_nothing_of_it_is_left(ward: Ward) -> None:
    with ward.beside(*ward.export(), where=w.MADE, after=True) as export:
        ward.run("vault", "rotate", "general", "--root-key-file", ward.folder / "r").expect(0)
        assert "directory changed" in export.goes_on().expect(75).out
    assert ward.files() == set()
    ward.run(*ward.export()).expect(0)
    ward.sound()
