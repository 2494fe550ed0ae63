"""One photo as a DICOM VL Photographic Image (PS3.3 A.32.4): the JPEG bitstream stays as it is.

pydicom writes the attributes; the pixel element is framed by hand, so that megabytes are neither
parsed nor copied. No private attribute, no GPS (0016,007x), nothing that the policy did not see.
"""

from __future__ import annotations

import io
import struct
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from medsnap import __version__
from medsnap.errors import Unsupported
from medsnap.export.ids import Numbers
from medsnap.export.moment import Moment, captured
from medsnap.export.prepare import Prepared
from medsnap.export.site import Code, Flag, Site, burned_in, recognizable
from medsnap.export.text import described, exact, issuer_oid
from medsnap.model.photo import MediaType
from medsnap.model.receipt import Identifiers
from medsnap.model.record import PhotoRow
from medsnap.model.study import Patient

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

VL_PHOTOGRAPHIC: Final = "1.2.840.10008.5.1.4.1.1.77.1.4"
EXPLICIT_LITTLE_ENDIAN: Final = "1.2.840.10008.1.2.1"
JPEG_BASELINE: Final = "1.2.840.10008.1.2.4.50"
JPEG_EXTENDED: Final = "1.2.840.10008.1.2.4.51"
IMPLEMENTATION: Final = "2.25.184537106432157907382466312090458713299"  # drawn once for medsnap
_LATERALITY: Final = {"left": "L", "right": "R", "both": "B", "none": "U"}  # (0020,0062)
_SIDES: Final = {
    "left": ("7771000", "Left"),
    "right": ("24028007", "Right"),
    "both": ("51440002", "Right and left"),
}
_MAX_SIDE: Final = 65_535  # Rows and Columns are US


def wrap(
    prepared: Prepared,
    row: PhotoRow,
    identifiers: Identifiers,
    *,
    now: datetime,
    site: Site,
    numbers: Numbers,
    site_code: Code | None = None,
) -> bytes:
    """Write one DICOM file (PS3.10). Raises Unsupported when a fact that DICOM needs is missing."""
    when, patient = captured(row), row.match.patient
    if when is None:
        raise Unsupported(
            "when the photo was taken is not known, and DICOM needs it",
            hint="give captured_at with date and time in the manifest",
        )
    if patient is None:
        raise Unsupported("the photo has no patient")
    if max(prepared.width, prepared.height) > _MAX_SIDE:
        raise Unsupported(f"a side is longer than {_MAX_SIDE} pixels")
    from pydicom.dataset import Dataset

    data = Dataset()
    _general(data, identifiers, when, now)
    _patient(data, patient)
    _deidentification(data, row)
    _study(data, row, identifiers.study_uid, when, numbers.study)
    _series(data, row, identifiers.series_uid, numbers.series)
    _equipment(data, row, site)
    _image(data, prepared, row, when, numbers)
    _anatomy(data, row, site_code)
    _pixels(data, prepared)
    _provenance(data, prepared, now)
    syntax = _transfer_syntax(prepared)
    return _file(data, syntax, identifiers.sop_uid, prepared.bitstream)


def _transfer_syntax(prepared: Prepared) -> str:
    if prepared.media is None:
        return EXPLICIT_LITTLE_ENDIAN
    known = {0: JPEG_BASELINE, 1: JPEG_EXTENDED}
    if prepared.media is not MediaType.JPEG or prepared.sof not in known:
        raise Unsupported("DICOM has no transfer syntax for this coding")
    return known[prepared.sof]


def _file(data: Dataset, syntax: str, sop_uid: str, pixels: bytes) -> bytes:
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import UID

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(VL_PHOTOGRAPHIC)
    meta.MediaStorageSOPInstanceUID = UID(sop_uid)
    meta.TransferSyntaxUID = UID(syntax)
    meta.ImplementationClassUID = UID(IMPLEMENTATION)
    meta.ImplementationVersionName = f"MEDSNAP {__version__}"[:16]
    data.file_meta = meta
    head = io.BytesIO()
    data.save_as(head, enforce_file_format=True)
    pad = b"\0" * (len(pixels) & 1)
    tag = b"\xe0\x7f\x10\x00OB\0\0"
    if syntax == EXPLICIT_LITTLE_ENDIAN:
        framed = (tag + struct.pack("<I", len(pixels) + len(pad)), pixels, pad)
    else:  # PS3.5 A.4: an empty offset table, one fragment, the sequence delimiter
        item = b"\xfe\xff\x00\xe0"
        start = (
            tag + b"\xff\xff\xff\xff" + item + b"\0\0\0\0" + item + struct.pack("<I", len(pixels) + len(pad))
        )
        framed = (start, pixels, pad + b"\xfe\xff\xdd\xe0\0\0\0\0")
    return b"".join((head.getbuffer(), *framed))


def _general(data: Dataset, identifiers: Identifiers, when: Moment, now: datetime) -> None:
    data.SpecificCharacterSet = "ISO_IR 192"
    data.SOPClassUID = VL_PHOTOGRAPHIC
    data.SOPInstanceUID = identifiers.sop_uid
    if when.at.tzinfo is not None and when.offset:
        # only then: the offset would be claimed for every date in the file (PS3.3 C.12.1.1.8)
        local = Moment(now.astimezone(when.at.tzinfo))
        data.TimezoneOffsetFromUTC = when.offset
        data.InstanceCreationDate, data.InstanceCreationTime = local.date, local.time


def _patient(data: Dataset, patient: Patient) -> None:
    data.PatientName = ""  # type 2: the receiver knows the name, the manifest does not
    data.PatientID = exact(patient.mrn, 64, "patient's number")
    data.PatientBirthDate = patient.birth_date.strftime("%Y%m%d") if patient.birth_date else ""
    data.PatientSex = ""
    oid = issuer_oid(patient)
    data.IssuerOfPatientID = exact(oid or patient.issuer, 64, "issuer of the patient's number")
    data.IssuerOfPatientIDQualifiersSequence = [
        _item(
            UniversalEntityID=oid or patient.issuer,
            UniversalEntityIDType="ISO" if oid else "URI",
            IdentifierTypeCode="MR",
        )
    ]


def _deidentification(data: Dataset, row: PhotoRow) -> None:
    policy = row.decision.policy
    data.PatientIdentityRemoved = "NO"
    data.DeidentificationMethod = [
        described(f"medsnap {__version__}: metadata removed, pixels kept", 64),
        described(f"policy {policy.policy} {policy.version}", 64),
        described(policy.effective, 64),
        described(f"policy {policy.signed}", 64),
    ]
    data.LongitudinalTemporalInformationModified = "UNMODIFIED"


def _study(data: Dataset, row: PhotoRow, study_uid: str, when: Moment, number: int) -> None:
    visit = row.match.visit
    data.StudyInstanceUID = study_uid
    data.StudyDate, data.StudyTime = when.date, when.time
    data.StudyID = str(number)
    data.StudyDescription = "Clinical photography"
    data.ReferringPhysicianName = ""
    data.AccessionNumber = exact(visit.accession, 16, "accession number") if visit.accession else ""
    if visit.encounter:
        data.AdmissionID = exact(visit.encounter, 64, "number of the visit")


def _series(data: Dataset, row: PhotoRow, series_uid: str, number: int) -> None:
    place = row.match.description
    data.Modality = "XC"
    data.SeriesInstanceUID = series_uid
    data.SeriesNumber = number
    words = [described(place.body_site, 40), described(place.laterality, 16)]
    data.SeriesDescription = ", ".join(w for w in words if w) or "Clinical photographs"
    if row.match.operator:
        data.OperatorsName = described(row.match.operator, 62) + "^"  # a staff id in the place of a name


def _equipment(data: Dataset, row: PhotoRow, site: Site) -> None:
    if site.name:
        data.InstitutionName = described(site.name, 64)
    if row.match.visit.department:
        data.InstitutionalDepartmentName = described(row.match.visit.department, 64)
    facts, device = row.capture, row.device
    data.Manufacturer = described(facts.make, 64) if facts else ""
    if facts and facts.model:
        data.ManufacturerModelName = described(facts.model, 64)
    if device and device.asset:
        # the hospital's asset tag: the phone's own serial number was removed for a reason
        data.DeviceSerialNumber = exact(device.asset, 64, "asset tag")
    if device and device.os:
        data.SoftwareVersions = described(f"{device.os} {device.os_version or ''}", 64)


def _image(data: Dataset, prepared: Prepared, row: PhotoRow, when: Moment, numbers: Numbers) -> None:
    data.ImageType = ["DERIVED" if prepared.derived else "ORIGINAL", "PRIMARY"]
    data.InstanceNumber = numbers.instance
    data.ContentDate, data.ContentTime = when.date, when.time
    data.AcquisitionDateTime = when.stamp
    data.PatientOrientation = ""
    data.AcquisitionContextSequence = []
    data.BurnedInAnnotation = burned_in(row).value
    if (visible := recognizable(row)) is not Flag.ABSENT:
        data.RecognizableVisualFeatures = visible.value
    if prepared.how:
        data.DerivationDescription = described(prepared.how, 1024)
    place = row.match.description
    words = [f"{n}: {described(v, 200)}" for n, v in (("view", place.view), ("reason", place.reason)) if v]
    if words:
        data.ImageComments = "; ".join(words)
    data.LossyImageCompression = "01" if prepared.was_lossy else "00"
    if prepared.lossy:
        data.LossyImageCompressionMethod = [method for method, _ in prepared.lossy]
        data.LossyImageCompressionRatio = [f"{ratio:.2f}" for _, ratio in prepared.lossy]


def _anatomy(data: Dataset, row: PhotoRow, code: Code | None) -> None:
    side = row.match.description.laterality
    if side in (None, "none") and code is not None and code.side is not None:
        side = code.side
    if side in _LATERALITY:
        data.ImageLaterality = _LATERALITY[side]
    elif code is not None and not code.paired:
        data.ImageLaterality = "U"
    else:
        data.Laterality = ""  # type 2C: empty says unknown
    if code is None:
        return
    region = _coded(code.value, "SCT", code.meaning)
    if side in _SIDES:
        value, meaning = _SIDES[side]
        region.AnatomicRegionModifierSequence = [_coded(value, "SCT", meaning)]
    data.AnatomicRegionSequence = [region]


def _pixels(data: Dataset, prepared: Prepared) -> None:
    colour = prepared.channels == 3
    data.SamplesPerPixel = prepared.channels
    # YBR_FULL_422 is the term for every YCbCr JPEG, whatever its subsampling (PS3.5 8.2.1)
    coded = "RGB" if prepared.media is None else "YBR_FULL_422"
    data.PhotometricInterpretation = coded if colour else "MONOCHROME2"
    if colour:
        data.PlanarConfiguration = 0
    data.Rows, data.Columns = prepared.height, prepared.width
    data.BitsAllocated = data.BitsStored = 8
    data.HighBit, data.PixelRepresentation = 7, 0
    if prepared.icc is not None:
        data.ICCProfile = input_profile(prepared.icc)


def input_profile(icc: bytes) -> bytes:
    """Give an ICC profile the input class `scnr` that (0028,2000) asks for (PS3.3 C.11.15).

    The profile ID (bytes 84-99) would no longer fit and becomes "not calculated"; length is even.
    """
    made = icc
    if icc[12:16] not in {b"scnr", b"spac"}:
        made = icc[:12] + b"scnr" + icc[16:84] + b"\0" * 16 + icc[100:]
    return made + b"\0" * (len(made) & 1)


def _provenance(data: Dataset, prepared: Prepared, now: datetime) -> None:
    words = f"sealed photo sha256 {prepared.source_digest}"
    if prepared.how:
        words += f"; {prepared.how}"
    data.ContributingEquipmentSequence = [
        _item(
            PurposeOfReferenceCodeSequence=[_coded("109103", "DCM", "Modifying Equipment")],
            Manufacturer="medsnap",
            ManufacturerModelName="medsnap",
            SoftwareVersions=__version__,
            ContributionDateTime=Moment(now.astimezone(UTC)).stamp,
            ContributionDescription=described(words, 1024),
        )
    ]


def _coded(value: str, scheme: str, meaning: str) -> Dataset:
    return _item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=described(meaning, 64))


def _item(**attributes: Any) -> Dataset:
    from pydicom.dataset import Dataset

    item = Dataset()
    for keyword, value in attributes.items():
        setattr(item, keyword, value)
    return item
