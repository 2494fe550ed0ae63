"""Reading tables: encodings, delimiters, quotes, and the place of every mistake."""

from __future__ import annotations

import contextlib
import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medsnap.errors import ConfigError, InputMissing, MedsnapError
from medsnap.formats import csv_table as table

COLUMNS = {"file": ("path",), "mrn": ("patient_id",), "side": ()}


def read(text: str | bytes, *, strict: bool = True) -> table.Table:
    data = text if isinstance(text, bytes) else text.encode()
    return table.parse(data, "m.csv", COLUMNS, strict=strict)


@pytest.mark.parametrize(
    "data",
    [
        b"file,mrn\na.jpg,007\n",
        b"\xef\xbb\xbffile;mrn\r\na.jpg;007\r\n",
        b"file\tmrn\na.jpg\t007",
        "file,mrn\na.jpg,007\n".encode("utf-16"),
        b"sep=;\nfile;mrn\na.jpg;007\n",
        b"# a remark, with commas\nfile,mrn\na.jpg,007\n",
        b"\n\n File , Patient-ID \n\n a.jpg , 007 \n,\n",
        b'"file","mrn"\n"a.jpg","007"\n',
    ],
    ids=["plain", "bom-semicolon-crlf", "tab", "utf16", "sep-line", "remark", "blanks", "quoted"],
)
def test_one_table_in_many_spellings(data: bytes) -> None:
    (row,) = read(data).rows
    assert (row.text("file"), row.text("mrn"), row.text("side")) == ("a.jpg", "007", "")


@pytest.mark.parametrize(
    ("text", "where", "message"),
    [
        ("", "m.csv:1:1", "empty"),
        ("file,mrm\n", "m.csv:1:6", "did you mean 'mrn'"),
        ("file,mrn,file\n", "m.csv:1:10", "twice"),
        ("file,mrn\na,b,c\n", "m.csv:2:5", "more cells"),
        ('file,mrn\na,"b\n', "m.csv:2:3", "never closed"),
        ('file,mrn\n"a"b,c\n', "m.csv:2:4", "after a closing"),
        (b"file,mrn\na,\xff\n", "m.csv:2:1", "UTF-8"),
    ],
)
def test_mistakes_have_a_place(text: str | bytes, where: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        read(text)
    assert caught.value.where == where


def test_places_count_lines_inside_quotes() -> None:
    rows = read('file,mrn\n"a\nb",1\nc,"2\n2",\n').rows
    assert [(r.line, r.column("mrn")) for r in rows] == [(2, 4), (4, 3)]
    assert rows[0].text("file") == "a\nb"


def test_a_table_without_headings_is_refused_without_printing_its_patients() -> None:
    with pytest.raises(ConfigError) as caught:
        read("Zaphod Beeblebrox,1942\nTricia McMillan,1951\n")
    assert "Zaphod" not in str(caught.value) + caught.value.hint + caught.value.where


def test_unknown_columns_pass_where_they_may() -> None:
    assert read("file,colour\na,red\n", strict=False).columns == ("file",)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputMissing):
        table.read(tmp_path / "none.csv", COLUMNS, strict=True)


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=8)


@given(st.lists(st.tuples(CELL, CELL), max_size=6))
def test_agrees_with_the_csv_module(rows: list[tuple[str, str]]) -> None:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, quoting=csv.QUOTE_ALL).writerows([("file", "mrn"), *rows])
    wanted = [(a.strip(), b.strip()) for a, b in rows if a.strip() or b.strip()]
    for module in (table,):
        made = module.parse(buffer.getvalue().encode(), "m.csv", COLUMNS, strict=True)
        assert [(r.text("file"), r.text("mrn")) for r in made.rows] == wanted


@given(st.binary(max_size=60))
def test_any_bytes_end_in_a_table_or_an_error_for_people(data: bytes) -> None:
    with contextlib.suppress(MedsnapError):
        assert read(b"file,mrn\n" + data).digest


def test_a_day_is_written_year_first_or_not_at_all() -> None:
    source = table.parse(b"file,side\na,2026-02-30\nb,\nc,2026-03-01T10:00\n", "m.csv", COLUMNS, strict=True)
    wrong, blank, right = source.rows
    with pytest.raises(ConfigError, match="YYYY-MM-DD") as refused:
        table.day(source, wrong, "side")
    assert refused.value.where == "m.csv:2:3"
    assert "2026-02-30" not in refused.value.message
    assert table.day(source, blank, "side") is None
    assert str(table.day(source, right, "side")) == "2026-03-01"
    assert table.missing(source, "mrn").where == "m.csv:1:1"


def test_what_cannot_be_held_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "MAX_BYTES", 1 << 20)
    with pytest.raises(ConfigError, match="larger than 1 MiB"):
        read(b"file\n" + bytes(1 << 20))
    monkeypatch.setattr(table, "MAX_ROWS", 3)
    assert len(read("file\na\nb\nc\n").rows) == 3
    with pytest.raises(ConfigError, match="more than 3 rows") as refused:
        read("file\na\nb\nc\nd\n")
    assert refused.value.where.startswith("m.csv:")
    with pytest.raises(ConfigError, match="cells"):
        read("file\n" + "," * (table.MAX_COLUMNS + 1) + "\n")
    with pytest.raises(MedsnapError):
        table.read(tmp_path, COLUMNS, strict=True)


def test_notes_stand_before_the_headings() -> None:
    found = read("# exported 2026-03-01\n\n#by hand\nfile,mrn\na,b\n")
    assert found.notes == ("exported 2026-03-01", "by hand")
    assert table.parse(b"file\na\n", "m.csv", COLUMNS, strict=True).notes == ()
