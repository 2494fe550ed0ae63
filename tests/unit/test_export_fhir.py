"""The bundle: links, digests, labels, and what makes a second sending harmless."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from medsnap.errors import Unsupported
from medsnap.export.fhir import bundle, bundle_json
from medsnap.export.ids import allot
from medsnap.export.prepare import As, Prepared, prepare
from medsnap.export.site import Code, Site
from medsnap.model.photo import CaptureFacts, MediaType
from medsnap.model.record import PhotoRow
from medsnap.model.study import Patient
from tests.builders import export as make

Json = dict[str, Any]


def made(row: PhotoRow, photo: bytes, **options: Any) -> Json:
    ready = prepare(row, photo, as_=As.FHIR)
    assert isinstance(ready, Prepared), ready
    identifiers = allot([row], [], target="ehr", kind="fhir-r4", random=make.stream())[row.seal.object]
    return bundle(ready, row, identifiers, now=make.NOW, site=Site(name="Little Clinic"), **options)


def export(photo: bytes | None = None, media: MediaType = MediaType.JPEG, **changes: Any) -> Json:
    photo = make.jpeg() if photo is None else photo
    return made(make.row(photo, media, **changes), photo)


def resource(found: Json, kind: str) -> Json:
    return next(e["resource"] for e in found["entry"] if e["resource"]["resourceType"] == kind)


def walk(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key, inner
            yield from walk(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from walk(inner)


def test_the_attachment_is_the_photo_with_its_digest() -> None:
    photo = make.jpeg()
    found = export(photo)
    binary, document = resource(found, "Binary"), resource(found, "DocumentReference")
    attachment = document["content"][0]["attachment"]
    assert base64.b64decode(binary["data"]) == photo
    assert attachment["size"] == len(photo)
    assert base64.b64decode(attachment["hash"]) == hashlib.sha1(photo).digest()
    assert binary["contentType"] == attachment["contentType"] == "image/jpeg"
    assert "data" not in attachment
    assert "docStatus" not in document


def test_every_link_meets_an_entry_of_the_bundle() -> None:
    found = export()
    urls = [e["fullUrl"] for e in found["entry"]]
    assert len(set(urls)) == len(urls)
    links = [v for k, v in walk(found) if k in {"reference", "url"} and str(v).startswith("urn:uuid:")]
    assert len(links) >= 8
    assert set(links) <= set(urls)


def test_every_entry_with_an_identifier_is_conditional_on_it() -> None:
    for entry in export()["entry"]:
        numbers = entry["resource"].get("identifier")
        condition = entry["request"].get("ifNoneExist")
        assert bool(numbers) == bool(condition), entry["resource"]["resourceType"]
        if numbers:
            assert condition == f"identifier={numbers[0]['system']}|{numbers[0]['value']}"


def test_an_asset_tag_cannot_change_the_query() -> None:
    from medsnap.model.decision import DeviceEvidence

    found = export(device=DeviceEvidence(asset="TAB 7&_id=1|x"))
    entry = next(
        e for e in found["entry"] if "ifNoneExist" in e["request"] and e["request"]["url"] == "Device"
    )
    assert entry["request"]["ifNoneExist"] == "identifier=urn:medsnap:asset-tag|TAB%207%26_id%3D1%7Cx"


def test_a_second_making_is_the_same_bytes() -> None:
    photo = make.jpeg()
    row = make.row(photo)
    assert bundle_json(made(row, photo)) == bundle_json(made(row, photo))
    assert json.loads(bundle_json(made(row, photo)))["type"] == "transaction"


@pytest.mark.parametrize(
    ("compartment", "given", "code"),
    [
        ("general", None, "N"),
        ("identifiable", None, "R"),
        ("intimate", None, "V"),
        ("new", None, "V"),
        ("new", "R", "R"),
    ],
)
def test_the_label_stands_on_document_and_listing(compartment: str, given: str | None, code: str) -> None:
    photo = make.jpeg()
    row = make.row(photo, decision=make.decision(compartment=compartment))
    found = made(row, photo, confidentiality=given)
    document = resource(found, "DocumentReference")
    assert document["securityLabel"][0]["coding"][0]["code"] == code
    for kind in ("DocumentReference", "Media", "Binary"):
        assert resource(found, kind)["meta"]["security"][0]["code"] == code
    assert "unsigned" in document["securityLabel"][1]["text"]


def test_one_patient_by_number_and_issuer_everywhere() -> None:
    found = export()
    subjects = [v for k, v in walk(found) if k == "subject"]
    assert len(subjects) == 2
    assert subjects[0] == subjects[1]
    assert subjects[0]["identifier"]["system"] == "urn:oid:2.999.1"
    assert subjects[0]["identifier"]["value"] == "T1"


def test_provenance_names_policy_and_both_digests_of_a_derived_picture() -> None:
    photo = make.encode(make.picture(), "HEIF")
    found = export(photo, MediaType.HEIC)
    provenance = resource(found, "Provenance")
    assert "urn:sha256:" + "1" * 64 in provenance["policy"]
    assert any("unsigned" in p for p in provenance["policy"])
    assert provenance["activity"]["text"] == "derived picture"
    assert "quality 95" in provenance["entity"][0]["what"]["display"]

    def named(data: bytes) -> str:
        return "ni:///sha-256;" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")

    sent = base64.b64decode(resource(found, "Binary")["data"])
    assert provenance["entity"][0]["what"]["identifier"]["value"] == named(photo)
    assert provenance["target"][2]["identifier"]["value"] == named(sent)


def test_a_time_without_offset_becomes_a_day() -> None:
    found = export(capture=CaptureFacts(captured_at="2026-03-05T10:11:12"))
    document = resource(found, "DocumentReference")
    assert document["context"]["period"]["start"] == "2026-03-05"
    assert document["content"][0]["attachment"]["creation"] == "2026-03-05"
    assert document["date"] == "2026-03-06T08:00:00Z"


def test_without_time_device_and_visit_nothing_is_made_up() -> None:
    from medsnap.model.study import Description, Visit

    bare = make.match(visit=Visit(), description=Description(), operator=None)
    found = export(capture=None, device=None, match=bare)
    document = resource(found, "DocumentReference")
    assert "context" not in document
    assert "creation" not in document["content"][0]["attachment"]
    assert "bodySite" not in resource(found, "Media")
    assert all(v not in ({}, [], "", None) for _, v in walk(found))


def test_the_body_site_is_coded_with_its_side() -> None:
    photo = make.jpeg()
    media = resource(made(make.row(photo), photo, site_code=Code("14975008", "Forearm")), "Media")
    assert media["bodySite"]["coding"][0]["code"] == "14975008"
    assert media["bodySite"]["text"] == "left forearm"
    assert (media["width"], media["height"]) == (96, 64)


def test_a_site_that_names_its_side_names_it_once() -> None:
    from medsnap.model.study import Description

    photo = make.jpeg()
    row = make.row(photo, match=make.match(description=Description(body_site="left hand", laterality="left")))
    code = Code("85151006", "Left hand", True, "left")
    assert resource(made(row, photo, site_code=code), "Media")["bodySite"]["text"] == "left hand"


def test_no_word_of_the_file_name() -> None:
    assert b"Jane" not in bundle_json(export(source_name="Jane Doe.jpg"))


@pytest.mark.parametrize(
    ("patient", "words"),
    [
        (None, "no patient"),
        (Patient(mrn="T1", issuer="General"), "neither"),
        (Patient(mrn=" T1", issuer="2.999.1"), "patient's number"),
    ],
)
def test_a_patient_that_cannot_be_named_exactly_is_refused(patient: Patient | None, words: str) -> None:
    with pytest.raises(Unsupported, match=words):
        export(match=make.match(patient=patient))
