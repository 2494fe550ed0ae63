"""What a cell may say, and ages."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest

from medsnap.match import age, fields


@pytest.mark.parametrize(
    ("parser", "text", "value"),
    [
        (fields.path, r"WARD\a.jpg", "WARD/a.jpg"),
        (fields.path, "./x//y.jpg", "x/y.jpg"),
        (fields.path, "u\u0308.jpg", "ü.jpg"),
        (fields.path, ".", ""),
        (fields.sha256, "SHA256:" + "AB" * 32, "ab" * 32),
        (fields.number, "007", "007"),
        (fields.issuer, "urn:oid:2.999.1", "2.999.1"),
        (fields.issuer, "https://northside.example/mrn", "https://northside.example/mrn"),
        (fields.day, "2020-02-29", date(2020, 2, 29)),
        (fields.day, "20200229", date(2020, 2, 29)),
        (fields.moment, "2026-03-02", "2026-03-02"),
        (fields.moment, "2026:03:02 10:31", "2026-03-02T10:31:00"),
        (fields.moment, "2026-03-02T10:31:05.25Z", "2026-03-02T10:31:05+00:00"),
        (fields.moment, "2026-03-02T10:31+0100", "2026-03-02T10:31:00+01:00"),
        (fields.side, "L", "left"),
        (fields.side, "Bilateral", "both"),
        (fields.term, "  Lower   Leg ", "lower leg"),
        (fields.features, "Face=No; tattoo = YES", (("face", False), ("tattoo", True))),
        (fields.features, "palm print=not seen | ear=y", (("ear", True), ("palm_print", False))),
        (fields.features, "none", ()),
        (fields.features, "all", ()),
        (fields.features, "tattoo=; scar=unknown", ()),
        (fields.consent, "teaching=written, care=none", (("care", "none"), ("teaching", "written"))),
    ],
)  # fmt: skip
def test_reads(parser: Callable[[str], object], text: str, value: object) -> None:
    assert parser(text) == value
    assert not parser("")


@pytest.mark.parametrize(
    ("parser", "text"),
    [
        (fields.path, "/etc/passwd"),
        (fields.path, "C:\\x.jpg"),
        (fields.path, "a/../../b"),
        (fields.sha256, "abc"),
        (fields.number, "9.7E+07"),
        (fields.number, "12\u202e34"),
        (fields.number, "9" * 201),
        (fields.issuer, "Northside Hospital"),
        (fields.issuer, "urn:oid:2.999.x"),
        (fields.day, "03/04/2026"),
        (fields.day, "2026-02-30"),
        (fields.moment, "yesterday"),
        (fields.moment, "2026-02-30T10:00"),
        (fields.side, "sinister"),
        (fields.features, "birthmark"),
        (fields.features, "tattoo=maybe"),
        (fields.features, "tattoo=yes; tattoo=no"),
        (fields.consent, "research"),
        (fields.consent, "teaching=written; teaching=none"),
    ],
)
def test_refuses_without_repeating_the_cell(parser: Callable[[str], object], text: str) -> None:
    with pytest.raises(ValueError) as caught:
        parser(text)
    assert text not in str(caught.value)


@pytest.mark.parametrize(
    ("born", "on", "years"),
    [
        (date(2008, 2, 29), date(2026, 2, 28), 17),
        (date(2008, 2, 29), date(2026, 3, 1), 18),
        (date(2008, 5, 1), date(2026, 5, 1), 18),
        (date(2026, 5, 1), date(2026, 5, 1), 0),
        (date(2026, 5, 2), date(2026, 5, 1), None),
        (None, date(2026, 5, 1), None),
        (date(2008, 5, 1), None, None),
    ],
)
def test_age(born: date | None, on: date | None, years: int | None) -> None:
    assert age(born, on) == years
