"""Identifiers are random and kept, numbers count what left, times and texts are spelt honestly."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from medsnap.errors import Unsupported
from medsnap.export.ids import Numbering, Numbers, allot, match_digest, order
from medsnap.export.moment import captured, instant
from medsnap.export.site import Flag, burned_in, recognizable
from medsnap.export.text import described, exact, issuer_uri
from medsnap.model.photo import CaptureFacts, ObjectId, Sha256
from medsnap.model.receipt import Identifiers, Receipt
from medsnap.model.record import Intent, PhotoRow
from medsnap.model.study import Description, Patient, Visit
from tests.builders import export as make

JPEG = b"\xff\xd8\xff\xd9"


def photo(
    name: str, *, mrn: str = "T1", encounter: str | None = "E1", site: str = "forearm", at: str = "10"
) -> PhotoRow:
    return make.row(
        JPEG,
        object_id=name * 26,
        match=make.match(
            patient=Patient(mrn=mrn, issuer="2.999.1"),
            visit=Visit(encounter=encounter),
            description=Description(body_site=site, laterality="left"),
        ),
        capture=CaptureFacts(captured_at=f"2026-03-05T{at}:00:00"),
    )


def given(
    rows: list[PhotoRow], earlier: list[Receipt] | None = None, seed: int = 1
) -> dict[ObjectId, Identifiers]:
    return allot(rows, earlier or [], target="ehr", kind="dicom", random=make.stream(seed))


def receipt(row: PhotoRow, identifiers: Identifiers, *, target: str = "ehr", kind: str = "dicom") -> Receipt:
    return Receipt(
        object=row.seal.object, target=target, kind=kind, at="2026-03-06T08:00:00Z", identifiers=identifiers,
        digest=Sha256("0" * 64), match=match_digest(row.match),
    )  # fmt: skip


def test_one_visit_is_one_study_and_each_body_site_one_series() -> None:
    a, b, c, d = photo("a"), photo("b"), photo("c", site="foot"), photo("d", mrn="T2")
    ids = given([a, b, c, d])
    at = [ids[r.seal.object] for r in (a, b, c, d)]
    assert at[0].study_uid == at[1].study_uid == at[2].study_uid != at[3].study_uid
    assert at[0].series_uid == at[1].series_uid
    assert len({at[0].series_uid, at[2].series_uid, at[3].series_uid}) == 3
    assert len({i.sop_uid for i in at} | {i.document for i in at}) == 8


def test_without_a_visit_each_day_is_its_own_study() -> None:
    first = photo("a", encounter=None)
    later = replace(photo("b", encounter=None), capture=CaptureFacts(captured_at="2026-03-07T10:00:00"))
    ids = given([first, later])
    assert ids[first.seal.object].study_uid != ids[later.seal.object].study_uid


def test_identifiers_say_nothing_of_the_photo() -> None:
    assert given([photo("a")], seed=1) != given([photo("a")], seed=2)


def test_a_resend_keeps_identifiers_and_a_newcomer_joins_its_study() -> None:
    a, b = photo("a"), photo("b")
    first = given([a])[a.seal.object]
    again = given([a, b], [receipt(a, first)], seed=9)
    assert again[a.seal.object] == first
    assert again[b.seal.object].study_uid == first.study_uid
    assert again[b.seal.object].series_uid == first.series_uid


def test_another_match_target_or_kind_gets_new_identifiers() -> None:
    a = photo("a")
    first = given([a])[a.seal.object]
    moved = photo("a", mrn="T2")
    assert given([moved], [receipt(a, first)], seed=9)[a.seal.object].sop_uid != first.sop_uid
    for other in (receipt(a, first, target="pacs"), receipt(a, first, kind="fhir-r4")):
        assert given([a], [other], seed=9)[a.seal.object].sop_uid != first.sop_uid


def test_a_planned_identity_is_used_until_a_receipt_outranks_it() -> None:
    plain = photo("a")
    planned = given([plain], seed=5)[plain.seal.object]
    a = replace(
        plain,
        intents=(Intent(target="ehr", kind="dicom", identifiers=planned, match=match_digest(plain.match)),),
    )
    assert given([a], seed=9)[a.seal.object] == planned
    left = given([plain], seed=6)[plain.seal.object]
    assert given([a], [receipt(a, left)], seed=9)[a.seal.object] == left


def test_numbers_have_no_gap_where_a_photo_stayed() -> None:
    numbering = Numbering()
    rows = sorted([photo("a", at="09"), photo("b", at="10"), photo("c", at="11", site="foot")], key=order)
    assert numbering.peek(rows[0]) == Numbers(study=1, series=1, instance=1)
    numbering.take(rows[0])
    assert numbering.peek(rows[1]) == Numbers(study=1, series=1, instance=2)  # and stays
    assert numbering.peek(rows[2]) == Numbers(study=1, series=2, instance=1)
    numbering.take(rows[2])
    assert numbering.peek(rows[1]).instance == 2
    assert numbering.peek(photo("d", mrn="T2")) == Numbers(study=1, series=1, instance=1)


TIMES = {
    # manifest, camera, offset → DICOM DT, FHIR
    "camera with offset": (
        None, "2026-03-05T10:11:12", "+01:00", "20260305101112+0100", "2026-03-05T10:11:12+01:00",
    ),
    "camera without offset": (None, "2026-03-05T10:11:12", None, "20260305101112", "2026-03-05"),
    "manifest outranks": (
        "2026-03-05T09:00:00Z", "2026-03-05T10:11:12", None,
        "20260305090000+0000", "2026-03-05T09:00:00+00:00",
    ),
    "broken offset": (None, "2026-03-05T10:11:12", "+99:99", "20260305101112", "2026-03-05"),
    "a day confirms the camera": ("2026-03-05", "2026-03-05T10:11:12", None, "20260305101112", "2026-03-05"),
}  # fmt: skip


@pytest.mark.parametrize("name", TIMES)
def test_times_claim_no_offset_that_nobody_stated(name: str) -> None:
    manifest, camera, offset, dicom, fhir = TIMES[name]
    row = make.row(
        JPEG, match=make.match(captured_at=manifest), capture=CaptureFacts(captured_at=camera, offset=offset)
    )
    when = captured(row)
    assert when is not None
    assert (when.stamp, when.fhir) == (dicom, fhir)


@pytest.mark.parametrize(
    "camera", [None, "0000-00-00T00:00:00", "2026-03-05", "yesterday", "0001-01-01T00:00:00"]
)
def test_no_time_is_made_up(camera: str | None) -> None:
    assert captured(make.row(JPEG, capture=CaptureFacts(captured_at=camera))) is None


def test_a_day_that_contradicts_the_camera_gives_no_time_of_day() -> None:
    row = make.row(
        JPEG,
        match=make.match(captured_at="2026-03-04"),
        capture=CaptureFacts(captured_at="2026-03-05T10:00:00"),
    )
    assert captured(row) is None


def test_an_instant_is_utc() -> None:
    assert instant(make.NOW + timedelta(hours=1)) == "2026-03-06T09:00:00Z"


FLAGS = {
    "ruled out": ({"text": "not_seen", "barcode": "not_seen", "face": "not_seen"}, Flag.NO, Flag.NO),
    "text seen": ({"text": "seen", "barcode": "not_seen", "face": "not_seen"}, Flag.YES, Flag.NO),
    "text doubtful": ({"text": "doubtful", "barcode": "not_seen", "face": "seen"}, Flag.YES, Flag.YES),
    "nobody looked": ({}, Flag.YES, Flag.ABSENT),
    "barcode not checked": ({"text": "not_seen", "barcode": "not_checked"}, Flag.YES, Flag.ABSENT),
    "tattoo not checked": ({"face": "not_seen", "tattoo": "not_checked"}, Flag.YES, Flag.ABSENT),
    "tattoo seen": ({"face": "not_seen", "tattoo": "seen"}, Flag.YES, Flag.YES),
    "face doubtful": ({"face": "doubtful"}, Flag.YES, Flag.YES),
}


@pytest.mark.parametrize("name", FLAGS)
def test_flags_say_no_only_when_it_was_ruled_out(name: str) -> None:
    states, burned, visible = FLAGS[name]
    row = make.row(JPEG, decision=make.decision(features=make.features(**states)))
    assert (burned_in(row), recognizable(row)) == (burned, visible)


def test_described_text_cannot_split_or_steer() -> None:
    assert described("arm\\left\x1b[2J^x=\u202eevil\n end", 64) == "arm/left [2J/x/ evil end"
    assert described("x" * 100, 64) == "x" * 64
    assert described(None, 5) == ""


@pytest.mark.parametrize("text", ["", " T1", "T1 ", "T\\1", "T\n1", "T\u202e1", "T  1", "x" * 17])
def test_numbers_are_never_cleaned_or_cut(text: str) -> None:
    with pytest.raises(Unsupported):
        exact(text, 16, "number")


@pytest.mark.parametrize(
    ("issuer", "uri"),
    [
        ("1.2.3", "urn:oid:1.2.3"),
        ("urn:oid:1.2.3", "urn:oid:1.2.3"),
        ("https://h.example/mrn", "https://h.example/mrn"),
    ],
)
def test_issuers_as_uri(issuer: str, uri: str) -> None:
    assert issuer_uri(Patient(mrn="T1", issuer=issuer)) == uri


def test_an_issuer_that_is_no_uri_is_refused() -> None:
    with pytest.raises(Unsupported, match="neither"):
        issuer_uri(Patient(mrn="T1", issuer="General Hospital"))
