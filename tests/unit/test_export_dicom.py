"""The DICOM file: bitstream untouched, honest attributes, nothing that nobody asked for."""

from __future__ import annotations

import io
from typing import Any

import pydicom
import pytest
from pydicom.encaps import generate_frames
from pydicom.tag import Tag

from medsnap.errors import Unsupported
from medsnap.export.dicom import input_profile, wrap
from medsnap.export.ids import Numbers, allot
from medsnap.export.prepare import As, Prepared, prepare
from medsnap.export.site import Code, Site
from medsnap.model.photo import CaptureFacts, MediaType
from medsnap.model.record import PhotoRow
from medsnap.model.study import Description, Patient, Visit
from medsnap.policy.sites import packaged
from tests.builders import export as make


def wrapped(row: PhotoRow, photo: bytes, *, code: Code | None = None) -> bytes:
    made = prepare(row, photo, as_=As.DICOM)
    assert isinstance(made, Prepared), made
    identifiers = allot([row], [], target="pacs", kind="dicom", random=make.stream())[row.seal.object]
    return wrap(
        made, row, identifiers, now=make.NOW, site=Site(name="Little Clinic"),
        numbers=Numbers(study=1, series=2, instance=3), site_code=code,
    )  # fmt: skip


def read(data: bytes) -> pydicom.Dataset:
    return pydicom.dcmread(io.BytesIO(data))


def export(photo: bytes | None = None, media: MediaType = MediaType.JPEG, **changes: Any) -> pydicom.Dataset:
    photo = make.jpeg() if photo is None else photo
    return read(wrapped(make.row(photo, media, **changes), photo))


@pytest.mark.parametrize("extra", [0, 1], ids=["even", "odd"])
def test_the_fragment_is_the_scrubbed_jpeg(extra: int) -> None:
    photo = make.jpeg(subsampling=2)
    for quality in range(90, 60, -1):  # find one of each parity
        if len(photo) % 2 == extra:
            break
        photo = make.jpeg(subsampling=2, quality=quality)
    assert len(photo) % 2 == extra
    data = export(photo)
    frames = list(generate_frames(data.PixelData, number_of_frames=1))
    assert frames == [photo + b"\0" * extra]
    assert data.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.4.50"


def test_plain_samples_are_written_uncompressed() -> None:
    photo = make.encode(make.picture((91, 61)), "PNG")
    data = export(photo, MediaType.PNG)
    assert data.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
    assert data.PhotometricInterpretation == "RGB"
    assert data.PixelData == make.picture((91, 61)).tobytes() + b"\0"
    assert data.LossyImageCompression == "00"
    assert "LossyImageCompressionRatio" not in data


def test_who_where_and_when() -> None:
    data = export()
    assert (data.PatientID, data.IssuerOfPatientID, data.PatientBirthDate) == ("T1", "2.999.1", "19700101")
    qualifier = data.IssuerOfPatientIDQualifiersSequence[0]
    assert (qualifier.UniversalEntityID, qualifier.UniversalEntityIDType) == ("2.999.1", "ISO")
    assert (data.AccessionNumber, data.AdmissionID) == ("A1", "E1")
    assert (data.StudyDate, data.StudyTime, data.AcquisitionDateTime) == (
        "20260305", "101112", "20260305101112+0100",
    )  # fmt: skip
    assert (data.TimezoneOffsetFromUTC, data.InstanceCreationTime) == ("+0100", "090000")
    assert (data.StudyID, data.SeriesNumber, data.InstanceNumber) == ("1", 2, 3)
    assert (data.Modality, data.ImageLaterality) == ("XC", "L")
    assert data.PatientName == ""


def test_an_unknown_offset_is_claimed_nowhere() -> None:
    data = export(capture=CaptureFacts(captured_at="2026-03-05T10:11:12"))
    assert "TimezoneOffsetFromUTC" not in data
    assert "InstanceCreationDate" not in data
    assert data.AcquisitionDateTime == "20260305101112"


def test_identity_stays_and_the_policy_is_named() -> None:
    data = export()
    assert data.PatientIdentityRemoved == "NO"
    assert data.DeidentificationMethod[1:] == ["policy little-clinic 1", "1" * 64, "policy unsigned"]
    assert data.LongitudinalTemporalInformationModified == "UNMODIFIED"
    equipment = data.ContributingEquipmentSequence[0]
    assert equipment.PurposeOfReferenceCodeSequence[0].CodeValue == "109103"
    assert equipment.ContributionDateTime == "20260306080000+0000"


@pytest.mark.parametrize(
    ("states", "burned", "visible"),
    [
        ({"text": "not_seen", "barcode": "not_seen", "face": "not_seen"}, "NO", "NO"),
        ({"text": "not_seen", "barcode": "seen", "face": "seen"}, "YES", "YES"),
        ({}, "YES", None),
    ],
)
def test_flags_agree_with_the_catalogue(states: dict[str, str], burned: str, visible: str | None) -> None:
    data = export(decision=make.decision(features=make.features(**states)))
    assert data.BurnedInAnnotation == burned
    assert data.get("RecognizableVisualFeatures") == visible


@pytest.mark.parametrize(
    ("side", "image", "modifier"),
    [("left", "L", "7771000"), ("right", "R", "24028007"), ("both", "B", "51440002"), ("none", "U", None)],
)
def test_body_site_and_side_are_coded(side: str, image: str, modifier: str | None) -> None:
    photo = make.jpeg()
    row = make.row(photo, match=make.match(description=Description(body_site="forearm", laterality=side)))
    data = read(wrapped(row, photo, code=Code("14975008", "Forearm")))
    region = data.AnatomicRegionSequence[0]
    assert (region.CodeValue, region.CodingSchemeDesignator, region.CodeMeaning) == (
        "14975008",
        "SCT",
        "Forearm",
    )
    assert data.ImageLaterality == image
    found = region.get("AnatomicRegionModifierSequence")
    assert (found[0].CodeValue if found else None) == modifier


def test_an_unknown_side_is_said_to_be_unknown() -> None:
    data = export(match=make.match(description=Description(body_site="forearm")))
    assert "ImageLaterality" not in data
    assert data.Laterality in {"", None}


def test_an_unpaired_site_needs_no_side() -> None:
    photo = make.jpeg()
    row = make.row(photo, match=make.match(description=Description(body_site="abdomen")))
    data = read(wrapped(row, photo, code=Code("818981001", "Abdomen", paired=False)))
    assert data.ImageLaterality == "U"


def test_a_side_in_the_words_of_the_site_is_coded() -> None:
    """The words are enough for the policy, so they must not reach the archive as a side unknown."""
    photo = make.jpeg()
    found = packaged().find("left hand")
    assert found is not None
    code = Code(found.code, found.meaning, found.paired, found.laterality)
    row = make.row(photo, match=make.match(description=Description(body_site="left hand")))
    data = read(wrapped(row, photo, code=code))
    assert data.ImageLaterality == "L"
    assert data.AnatomicRegionSequence[0].AnatomicRegionModifierSequence[0].CodeValue == "7771000"


def test_the_profile_gets_the_input_class_and_only_that_changes() -> None:
    profile = make.profile()
    data = export(make.jpeg(icc_profile=profile))
    made = bytes(data.ICCProfile)[: len(profile)]
    assert made[12:16] == b"scnr"
    assert made[:12] + b"mntr" + made[16:84] + profile[84:100] + made[100:] == profile
    assert made[84:100] == bytes(16)  # the profile ID no longer fits: "not calculated"
    assert len(input_profile(profile + b"x")) % 2 == 0


def test_grey_has_no_planar_configuration() -> None:
    data = export(make.jpeg(mode="L"))
    assert data.PhotometricInterpretation == "MONOCHROME2"
    assert "PlanarConfiguration" not in data


@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_every_ycbcr_jpeg_is_ybr_full_422(subsampling: int) -> None:
    assert export(make.jpeg(subsampling=subsampling)).PhotometricInterpretation == "YBR_FULL_422"


def test_a_reencoded_picture_is_derived_and_a_turned_one_is_not() -> None:
    heic = export(make.encode(make.picture(), "HEIF"), MediaType.HEIC)
    assert list(heic.ImageType) == ["DERIVED", "PRIMARY"]
    assert "HEIC" in heic.DerivationDescription
    assert (heic.LossyImageCompression, heic.LossyImageCompressionMethod) == ("01", "ISO_10918_1")
    pytest.importorskip("jpeglib")
    turned = export(make.jpeg(), orientation=6)
    assert list(turned.ImageType) == ["ORIGINAL", "PRIMARY"]
    assert (turned.Rows, turned.Columns) == (96, 64)
    assert "without loss" in turned.DerivationDescription


def test_no_private_attribute_no_gps_and_no_word_of_the_file_name() -> None:
    photo = make.jpeg()
    raw = wrapped(make.row(photo, source_name="Jane Doe knee.jpg"), photo)
    data = read(raw)
    assert b"Jane" not in raw
    for element in data.iterall():
        assert not element.tag.is_private
        assert not Tag(0x0016, 0x0070) <= element.tag <= Tag(0x0016, 0x008E)


def test_hostile_words_stay_one_value() -> None:
    described = Description(body_site="arm\\left", view="a\\b", laterality="left")
    data = export(match=make.match(description=described, operator="x^y\\z", visit=Visit(department="A\\B")))
    assert data.SeriesDescription == "arm/left, left"
    assert data.InstitutionalDepartmentName == "A/B"
    assert data.ImageComments == "view: a/b"


BAD = {
    "no time": ({"capture": None}, "when the photo was taken"),
    "no patient": ({"match": make.match(patient=None)}, "no patient"),
    "long accession": ({"match": make.match(visit=Visit(accession="x" * 17))}, "accession number"),
    "split number": (
        {"match": make.match(patient=Patient(mrn="T\\1", issuer="2.999.1"))},
        "patient's number",
    ),
    "long number": (
        {"match": make.match(patient=Patient(mrn="9" * 65, issuer="2.999.1"))},
        "patient's number",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_missing_or_unfit_fact_is_refused_never_cut(name: str) -> None:
    changes, words = BAD[name]
    with pytest.raises(Unsupported, match=words):
        export(**changes)


def test_the_same_input_gives_the_same_file() -> None:
    photo = make.jpeg()
    assert wrapped(make.row(photo), photo) == wrapped(make.row(photo), photo)
