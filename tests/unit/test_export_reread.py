"""A file that left, read again: what of its labels and flags would be noticed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest

from medsnap.export.ids import random_uid, random_uuid
from medsnap.export.prepare import As
from medsnap.export.reread import file_name, problems
from medsnap.export.run import Exported, export_photo
from medsnap.export.site import Site
from medsnap.model.photo import Sha256
from medsnap.model.receipt import Identifiers, Receipt
from medsnap.model.record import PhotoRow
from tests.builders.export import NOW, decision, features, jpeg, row, stream
from tests.builders.policy import CLINIC

PHOTO = jpeg()
ROW = row(PHOTO)


def exported(as_: As) -> tuple[bytes, Receipt]:
    dice = stream()
    ids = Identifiers(
        study_uid=random_uid(dice), series_uid=random_uid(dice), sop_uid=random_uid(dice),
        document=random_uuid(dice).urn,
    )  # fmt: skip
    target = next(e for e in CLINIC.exports if e.takes(as_.value))
    made = export_photo(
        ROW, PHOTO, target=target, as_=as_, identifiers=ids, now=NOW, site=Site(), policy=CLINIC
    )
    assert isinstance(made, Exported)
    [(name, data)] = made.files
    assert name == file_name(made.receipt)
    return data, made.receipt


def judged(data: bytes, receipt: Receipt, of: PhotoRow = ROW, label: str = "N") -> tuple[str, ...]:
    """Judge a file that its receipt vouches for."""
    given = Sha256(hashlib.sha256(data).hexdigest())
    fields = {name: getattr(receipt, name) for name in Receipt.__slots__}
    return problems(data, Receipt(**{**fields, "digest": given}), of, label)


@pytest.mark.parametrize("as_", list(As))
def test_what_was_written_is_right(as_: As) -> None:
    data, receipt = exported(as_)
    assert problems(data, receipt, ROW, "N") == ()
    assert problems(data + b"\n", receipt, ROW, "N") == ("the file is not the one that was written",)


def _drop(kind: str, *path: str) -> Callable[[list[dict[str, Any]]], None]:
    def change(found: list[dict[str, Any]]) -> None:
        here: Any = next(resource for resource in found if resource["resourceType"] == kind)
        for key in path[:-1]:
            here = here[key]
        del here[path[-1]]

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_drop("DocumentReference", "securityLabel"), "securityLabel"),  # nhsconnect/gpconnect 1223
        (_drop("DocumentReference", "meta", "security"), "meta.security) of DocumentReference"),
        (_drop("Binary", "meta"), "meta.security) of Binary"),
        (_drop("Media", "meta"), "meta.security) of Media"),
        (lambda found: found.remove(found[2]), "no Media"),
    ],
)
def test_a_bundle_without_a_label(change: Callable[[list[dict[str, Any]]], None], said: str) -> None:
    data, receipt = exported(As.FHIR)
    log = json.loads(data)
    resources = [entry["resource"] for entry in log["entry"]]
    change(resources)
    log["entry"] = [{"resource": resource} for resource in resources]
    [found] = judged(json.dumps(log).encode(), receipt)
    assert said in found


def test_labels_of_another_group_are_wrong_on_each_part() -> None:
    data, receipt = exported(As.FHIR)
    assert len(judged(data, receipt, label="V")) == 4


def test_flags_that_do_not_agree_with_the_catalogue() -> None:
    data, receipt = exported(As.DICOM)
    seen = row(PHOTO, decision=decision(features=features(text="seen", barcode="not_seen", face="seen")))
    found = judged(data, receipt, seen)
    assert ["0028,0301" in found[0], "0028,0302" in found[1]] == [True, True]


@pytest.mark.parametrize("as_", list(As))
@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"entry": [1]}', b"\xff\xd8", b"null"])
def test_what_cannot_be_read_is_said(as_: As, data: bytes) -> None:
    _, receipt = exported(as_)
    assert len(judged(data, receipt)) >= 1
