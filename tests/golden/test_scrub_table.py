"""Each trap is rebuilt, scrubbed and compared with the golden table: a change of either is seen."""

from __future__ import annotations

import json

import pytest

from medsnap.formats.sniff import sniff
from medsnap.scrub import clean
from tests.builders import heif, jpeg
from tests.golden.table import KEEP, TABLE, row
from tests.golden.traps import TRAPS

GOLDEN = json.loads(TABLE.read_text(encoding="utf-8"))


def test_the_table_names_every_trap() -> None:
    assert list(GOLDEN) == list(TRAPS), "python -m tests.golden.table writes it anew"


@pytest.mark.parametrize("name", TRAPS)
def test_trap(name: str) -> None:
    data = TRAPS[name]()
    assert row(data) == GOLDEN[name]


@pytest.mark.parametrize("name", TRAPS)
def test_no_secret_is_left_and_nothing_is_left_to_do(name: str) -> None:
    data = TRAPS[name]()
    output = clean(data, keep=KEEP).data(data)
    assert jpeg.SECRET not in output
    assert heif.SECRET not in output
    assert sniff(output) is sniff(data)
    assert clean(output, keep=KEEP).data(output) == output
