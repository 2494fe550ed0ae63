"""The consent register: days decide, a withdrawal stands, a guardian speaks for a child (C1–C3)."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given as examples
from hypothesis import strategies as st

from medsnap.errors import ConfigError, UsageError
from medsnap.match import consents
from medsnap.model.consent import Consent, Given, joined, overlay, register
from medsnap.model.study import Patient

TODAY = date(2026, 11, 24)
PATIENT = Patient(mrn="T1", issuer="2.999.1")


def said(
    given: Given, days_ago: int, *, use: str = "teaching", issuer: str = "2.999.1", **more: object
) -> Consent:
    on = TODAY - timedelta(days=days_ago)
    return Consent(mrn="T1", issuer=issuer, use=use, given=given, on=on, **more)  # type: ignore[arg-type]


def word(*rows: Consent) -> str | None:
    return dict(register(rows).said(PATIENT, TODAY)).get("teaching")


@pytest.mark.parametrize(
    ("rows", "holds"),
    [
        ([], None),
        ([said(Given.WRITTEN, 5)], "written"),
        ([said(Given.WRITTEN, 5), said(Given.WITHDRAWN, 2)], "withdrawn"),
        ([said(Given.WITHDRAWN, 2), said(Given.WRITTEN, 1)], "written"),
        ([said(Given.WITHDRAWN, 2), said(Given.WRITTEN, 2)], "withdrawn"),  # the same day: it stands
        ([said(Given.REFUSED, 9, issuer="")], "refused"),  # whoever gave the number
        ([said(Given.REFUSED, 9, issuer="2.999.2")], None),  # another patient with that number
        ([said(Given.WRITTEN, -1)], "ended"),  # does not hold yet
        ([said(Given.WRITTEN, 9, until=TODAY - timedelta(days=1))], "ended"),
        ([said(Given.WRITTEN, 9, until=TODAY)], "written"),
        ([said(Given.VERBAL, 1), said(Given.WRITTEN, 9)], "verbal"),  # the newest word
        ([said(Given.WRITTEN, 9, by_guardian=True)], "written by guardian"),
        ([said(Given.WRITTEN, 9, use="publication")], None),
    ],
)
def test_what_the_register_says_today(rows: list[Consent], holds: str | None) -> None:
    assert word(*rows) == holds
    assert word(*reversed(rows)) == holds


@examples(
    st.lists(
        st.builds(
            said, st.sampled_from(Given), st.integers(-2, 9), issuer=st.sampled_from(("2.999.1", "2.999.2"))
        ),
        max_size=6,
    ),
    st.integers(0, 9),
)
def test_a_withdrawal_stops_whatever_was_agreed_before_it(rows: list[Consent], days: int) -> None:
    later = [row for row in rows if row.on > TODAY - timedelta(days=days) and not row.given.stops]
    if not [row for row in later if row.issuer == PATIENT.issuer]:
        assert word(*rows, said(Given.WITHDRAWN, days)) in ("withdrawn", "refused")


def test_where_the_register_speaks_the_photos_own_row_can_only_refuse() -> None:
    own = (("teaching", "written"), ("publication", "written"), ("treatment", "refused"))
    register_says = (("teaching", "withdrawn"), ("treatment", "verbal"))
    assert dict(overlay(own, register_says)) == {
        "publication": "written", "treatment": "verbal", "teaching": "withdrawn",
    }  # fmt: skip
    assert ("treatment", "refused") in overlay(own, register_says)
    assert joined(own, None, PATIENT, TODAY) == own
    assert joined(own, register([said(Given.WITHDRAWN, 1)]), None, TODAY) == own  # nobody's photo


HEAD = "mrn;issuer;purpose;given;on;until;by\n"


def read(folder: Path, body: str, issuer: str = "", head: str = HEAD) -> tuple[Consent, ...]:
    path = folder / "consent.csv"
    path.write_text(head + body, "utf-8")
    return consents.load(path, today=TODAY, issuer=issuer).consents


def test_a_register_is_read_as_the_manifest_is(tmp_path: Path) -> None:
    rows = read(
        tmp_path,
        "007;urn:oid:2.999.1;care;declined;;;\n08;2.999.1;Teaching;written;2026-11-01;2027-11-01;parent\n",
    )
    assert rows[0] == Consent(mrn="007", issuer="2.999.1", use="treatment", given=Given.REFUSED, on=TODAY)
    assert rows[1].by_guardian
    assert rows[1].until == date(2027, 11, 1)


@pytest.mark.parametrize(
    ("line", "column", "problem"),
    [
        ("SECRET-9;2.999.1;teaching;perhaps;2026-11-01;;", "given", "needs one of"),
        ("SECRET-9;2.999.1;fun;written;2026-11-01;;", "purpose", "needs one of"),
        ("SECRET-9;;teaching;written;2026-11-01;;", "issuer", "who gave the number"),
        ("SECRET-9;2.999.1;teaching;written;;;", "on", "needs its day"),
        ("SECRET-9;2.999.1;teaching;written;2026-11-25;;", "on", "in the future"),
        ("SECRET-9;2.999.1;teaching;written;2026-11-02;2026-11-01;", "until", "before"),
        ("SECRET-9;2.999.1;teaching;written;2026-11-01;;nurse", "by", "guardian"),
        (";2.999.1;teaching;written;2026-11-01;;", "mrn", "empty"),
        ("9.9E+05;2.999.1;teaching;written;2026-11-01;;", "mrn", "spreadsheet"),
    ],
)
def test_a_mistake_has_its_place_and_no_number_of_a_patient(
    tmp_path: Path, line: str, column: str, problem: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, line + "\n")
    told = f"{caught.value.message} {caught.value.where} {caught.value.hint}"
    assert problem in told
    assert f"'{column}'" in told
    assert "consent.csv:2:" in told
    assert "SECRET" not in told
    assert "9.9E+05" not in told


def test_a_register_in_a_dump_is_refused(tmp_path: Path) -> None:
    inside = tmp_path / "dump" / "DCIM" / "consent.csv"
    inside.parent.mkdir(parents=True)
    inside.write_text(HEAD, "utf-8")
    link = tmp_path / "consent.csv"
    link.symlink_to(inside)
    for path in (inside, link):
        with pytest.raises(UsageError, match="lies in the dump"):
            consents.outside(path, [tmp_path / "dump"])
    consents.outside(tmp_path / "other.csv", [tmp_path / "dump"])
