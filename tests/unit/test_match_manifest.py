"""Whose photo it is: rows by file, content and folder, and everything that speaks against a match."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medsnap.errors import ConfigError
from medsnap.match import manifest
from medsnap.model.photo import CaptureFacts, Sha256
from medsnap.model.study import Match, MatchState

CONTENT = Sha256(hashlib.sha256(b"photo").hexdigest())
OTHER = Sha256(hashlib.sha256(b"another").hexdigest())
HEAD = (
    "file,sha256,folder,mrn,issuer,birth_date,encounter,accession,captured_at,body_site,laterality,features\n"
)
SURE = "7,2.999.1,1970-01-01,E1,,,,,"


def made(*rows: str) -> manifest.Manifest:
    return manifest.parse((HEAD + "\n".join(rows) + "\n").encode(), "m.csv")


def match(*rows: str, path: str = "W/a.jpg", facts: CaptureFacts | None = None) -> Match:
    return made(*rows).match(path, CONTENT, facts or CaptureFacts())


MATCHED, REVIEW, UNMATCHED, CONFLICT = (
    MatchState.MATCHED,
    MatchState.NEEDS_REVIEW,
    MatchState.UNMATCHED,
    MatchState.CONFLICT,
)


@pytest.mark.parametrize(
    ("rows", "state", "says"),
    [
        (["W/a.jpg,,,7,2.999.1,1970-01-01,,,,,,"], MATCHED, "birth date"),
        (["W/a.jpg,,,7,2.999.1,,E1,,,,,"], MATCHED, "visit"),
        (["W/a.jpg,,,7,2.999.1,,,A1,,,,"], MATCHED, "accession"),
        ([f",{CONTENT},,{SURE}"], MATCHED, ""),
        ([f",,W,{SURE}"], MATCHED, ""),
        ([f",,.,{SURE}"], MATCHED, ""),
        ([f"w/a.jpg,,,{SURE}"], UNMATCHED, "no row"),
        ([f",,W/b,{SURE}", f",{OTHER},,{SURE}"], UNMATCHED, "no row"),
        (["W/a.jpg,,,7,,1970-01-01,E1,,,,,"], REVIEW, "no issuer"),
        (["W/a.jpg,,,7,2.999.1,,,,,,,"], REVIEW, "only one"),
        (["W/a.jpg,,,,,1970-01-01,E1,,,,,"], REVIEW, "no patient number"),
        (["W/a.jpg,,,,,,,,,hand,,"], REVIEW, "no patient number"),
        ([f"a.jpg,,,{SURE}"], REVIEW, "other files may bear"),
        ([f"W/a.jpg,{CONTENT},,{SURE}"], MATCHED, ""),
        ([f"W/a.jpg,{OTHER},,{SURE}"], CONFLICT, "another content"),
        ([f"renamed.jpg,{CONTENT},,{SURE}"], MATCHED, ""),
        ([f"W/a.jpg,,,{SURE}", "W/a.jpg,,,8,2.999.1,,E2,,,,,"], CONFLICT, "patient number"),
        ([f"W/a.jpg,,,{SURE}", f",{CONTENT},,8,2.999.1,1970-01-01,E1,,,,,"], CONFLICT, "patient number"),
        ([f"W/a.jpg,,,{SURE}", ",,W,8,2.999.1,,E1,,,,,"], CONFLICT, "patient number"),
        ([f"W/a.jpg,,,{SURE}", ",,W,,,,E9,,,,,"], CONFLICT, "encounter"),
        (["W/a.jpg,,,7,2.999.1,,,,,,,", ",,W,,,,E1,,,,,"], MATCHED, "visit"),
        ([f"W/a.jpg,,,{SURE}", "W/a.jpg,,,7,2.999.1,,E1,,,hand,,"], MATCHED, ""),
        (["W/a.jpg,,,7,2.999.1,,E1,,,hand,left,", "W/a.jpg,,,,,,,,,hand,right,"], CONFLICT, "laterality"),
        ([f"W/a.jpg,,,{SURE}", "W/b.jpg,,,7,2.999.1,1971-01-01,,,,,,"], CONFLICT, "two birth dates"),
        ([f"W/a.jpg,,,{SURE}", "W/b.jpg,,,8,2.999.1,,E1,,,,,"], CONFLICT, "visit to two patients"),
        ([f"W/a.jpg,,,{SURE}", "W/b.jpg,,,7,2.888.1,,E1,,,,,"], CONFLICT, "visit to two patients"),
        (["W/a.jpg,,,7,2.999.1,2026-01-02,,,2026-01-01,,,"], CONFLICT, "before the patient's birth"),
    ],
)  # fmt: skip
def test_states(rows: list[str], state: MatchState, says: str) -> None:
    found = match(*rows)
    assert (found.state, says in " ".join(found.reasons)) == (state, True)
    assert found.listed == (state is not UNMATCHED)
    assert found.manifest is not None


@pytest.mark.parametrize(
    ("written", "facts", "state"),
    [
        ("2026-03-02T10:00", {"captured_at": "2026-03-02T10:31:00"}, MATCHED),
        ("2026-03-02", {"captured_at": "2026-03-03T23:00:00"}, MATCHED),
        ("2026-03-02", {"captured_at": "2026-03-04T00:10:00"}, REVIEW),
        ("2026-03-02T10:00", {"captured_at": "2026-03-03T10:01:00"}, REVIEW),
        ("2026-03-02T23:00Z", {"captured_at": "2026-03-04T00:30:00", "offset": "+02:00"}, MATCHED),
        ("2026-03-02T10:00", {"captured_at": "2021-01-01T00:00:00"}, REVIEW),
        ("", {"captured_at": "2021-01-01T00:00:00"}, MATCHED),
        ("2026-03-02", {}, MATCHED),
    ],
)
def test_the_cameras_clock_is_a_witness(written: str, facts: dict[str, str], state: MatchState) -> None:
    row = f"W/a.jpg,,,7,2.999.1,1970-01-01,E1,,{written},,,"
    assert match(row, facts=CaptureFacts(**facts)).state is state  # type: ignore[arg-type]


def test_a_bare_day_keeps_the_cameras_time_and_a_time_replaces_it() -> None:
    facts = CaptureFacts(captured_at="2026-03-02T10:31:00")
    row = "W/a.jpg,,,7,2.999.1,,E1,,{},,,"
    assert match(row.format("2026-03-02"), facts=facts).captured_at is None
    assert match(row.format("2026-03-02T09:00"), facts=facts).captured_at == "2026-03-02T09:00:00"


@pytest.mark.parametrize(
    ("orientation", "side", "state"), [(2, "left", REVIEW), (2, "both", MATCHED), (6, "left", MATCHED)]
)
def test_mirrored_pictures_need_a_look_at_left_and_right(
    orientation: int, side: str, state: MatchState
) -> None:
    row = f"W/a.jpg,,,7,2.999.1,,E1,,,hand,{side},"
    assert match(row, facts=CaptureFacts(orientation=orientation)).state is state


def test_a_bare_name_is_enough_where_no_other_file_bears_it() -> None:
    whole = made(f"a.jpg,,,{SURE}")
    assert whole.over(["W/a.jpg", "V/b.jpg"]).match("W/a.jpg", CONTENT, CaptureFacts()).state is MATCHED
    assert whole.over(["W/a.jpg", "V/a.jpg"]).match("W/a.jpg", CONTENT, CaptureFacts()).state is REVIEW
    assert whole.match("a.jpg", CONTENT, CaptureFacts()).state is MATCHED


def test_the_closer_row_describes_and_the_folder_fills_its_blanks() -> None:
    found = match(
        "W/a.jpg,,,7,2.999.1,,,,,hand,,tattoo=no; scar=no",
        ",,W,,,1970-01-01,,,,foot,left,tattoo=yes",
    )
    assert found.state is MATCHED
    assert (found.description.body_site, found.description.laterality) == ("hand", "left")
    assert found.features == (("scar", False), ("tattoo", True))  # once seen, it stays seen


def test_a_lesion_keeps_its_number() -> None:
    text = "file,mrn,issuer,birth_date,lesion_id\nW/a.jpg,7,2.999.1,1970-01-01,L-3\n"
    found = manifest.parse(text.encode(), "m.csv").match("W/a.jpg", CONTENT, CaptureFacts())
    assert (found.state, found.description.lesion) == (MATCHED, "L-3")


def test_deeper_folders_stand_over_wider_ones() -> None:
    found = match(",,W/x,7,2.999.1,,E1,,,hand,,", ",,W,,,,,,,foot,right,", path="W/x/a.jpg")
    assert (found.state, found.description.body_site, found.description.laterality) == (
        MATCHED,
        "hand",
        "right",
    )


def test_names_are_compared_in_one_unicode_form() -> None:
    assert match(f"W/ü.jpg,,,{SURE}", path="W/u\u0308.jpg").state is MATCHED


@pytest.mark.parametrize(
    ("row", "where", "message"),
    [
        (f",,,{SURE}", "m.csv:2:1", "names no photo"),
        (f"a.jpg,,W,{SURE}", "m.csv:2:8", "a folder and a photo"),
        (f".,,,{SURE}", "m.csv:2:1", "names no file"),
        ("a.jpg,,,7,2.999.1,1970-13-01,,,,,,", "m.csv:2:19", "no such day"),
        ("a.jpg,,,7,2.999.1,,,,,,up,", "m.csv:2:24", "left, right, both or none"),
        ("a.jpg,,,7,2.999.1,,,,,,,tattoo", "m.csv:2:25", "yes or no"),
    ],
)
def test_errors_name_line_and_column(row: str, where: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        made(row)
    assert caught.value.where == where


def test_loads_a_file_and_records_its_digest(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text(HEAD + f"W/a.jpg,,,{SURE}\n")
    assert manifest.load(path).digest == hashlib.sha256(path.read_bytes()).hexdigest()


def test_reasons_never_hold_a_number_or_name() -> None:
    found = match(f"W/a.jpg,,,{SURE}", "W/a.jpg,,,424242,2.999.1,,ENC-9,,,,,")
    assert not any(secret in " ".join(found.reasons) for secret in ("424242", "ENC-9", "a.jpg", "1970"))


ROWS = st.lists(
    st.tuples(
        st.sampled_from(["W/a.jpg,,", f",{CONTENT},", ",,W", ",,."]),
        st.sampled_from(["", "7", "8"]),
        st.sampled_from(["", "2.999.1", "2.999.2"]),
        st.sampled_from(["", "1970-01-01", "1980-01-01"]),
        st.sampled_from(["", "E1", "E2"]),
    ),
    min_size=1,
    max_size=4,
)


@given(ROWS)
def test_matched_means_two_identifiers_and_no_row_that_names_another(rows: list[tuple[str, ...]]) -> None:
    found = match(*(f"{a},{m},{i},{b},{e},,,,," for a, m, i, b, e in rows))
    if found.state is not MATCHED:
        return
    assert found.patient is not None
    assert found.patient.birth_date or found.visit.encounter
    for column in range(1, 5):
        assert len({row[column] for row in rows if row[column]}) <= 1


@given(ROWS, st.randoms())
def test_the_order_of_rows_never_matters(rows: list[tuple[str, ...]], rng: object) -> None:
    lines = [f"{a},{m},{i},{b},{e},,,,," for a, m, i, b, e in rows]
    assert match(*lines).state is match(*reversed(lines)).state


def test_rows_that_name_nothing_in_the_dump_are_found() -> None:
    listed = made(
        f"W/a.jpg,,,{SURE}",
        f"a.jpg,,,{SURE}",
        f"W/other.jpg,,,{SURE}",
        f",,W,{SURE}",
        f",,DCIM/W,{SURE}",
        f",,.,{SURE}",
        f",{OTHER},,{SURE}",
        f"gone.jpg,{CONTENT},,{SURE}",
    )
    assert listed.idle(["W/a.jpg", "V/b/c.jpg"]) == (4, 6)
    assert listed.idle([]) == (2, 3, 4, 5, 6)
