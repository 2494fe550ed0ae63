"""What every format's planted secrets must meet: gone, or refused without a word of them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Container
from pathlib import Path
from typing import Any

import pytest

from medsnap.errors import MedsnapError
from medsnap.formats.sniff import sniff
from medsnap.model.carrier import CarrierKind
from medsnap.model.photo import MediaType
from medsnap.raster import same_pixels
from medsnap.scrub import clean, scrub
from medsnap.scrub.apply import Scrubbed
from tests.builders.jpeg import SECRET


def gone(data: bytes, kinds: set[CarrierKind]) -> tuple[Scrubbed, bytes]:
    """Scrub a file with a secret: these carriers and no others go, the pixels stay, nothing is left to do."""
    done = clean(data)
    out = done.data(data)
    assert SECRET not in out
    assert {c.kind for c in done.report.carriers} == kinds
    assert same_pixels(data, out)
    assert scrub(out) == out
    return done, out


def refused(data: bytes, kind: type[MedsnapError]) -> None:
    """Refuse a file, and do not repeat its secret."""
    with pytest.raises(kind) as caught:
        clean(data)
    assert SECRET.decode() not in f"{caught.value.message}{caught.value.where}{caught.value.hint}"


def corpus_scrubbed(corpus: Path, wanted: Container[MediaType], source: Path, target: Path) -> None:
    """Copy the corpus' files of these formats to `source`, and what the scrub makes of them to `target`."""
    for path in sorted((corpus / "photos").iterdir()):
        data = path.read_bytes()
        if sniff(data) not in wanted:
            continue
        (source / path.name).write_bytes(data)
        try:
            done = clean(data)
        except MedsnapError:
            continue
        (target / path.name).write_bytes(done.data(data))


def verdicts(oracle: Path, source: Path, target: Path, records: Path) -> list[dict[str, Any]]:
    """Let the independent oracle judge each pair of files; `records` is where it may write."""
    words = [sys.executable, str(oracle), str(source), str(target), "--json", str(records), "--summary-only"]
    subprocess.run(words, check=False, capture_output=True)
    return [json.loads(line) for line in records.read_text().splitlines()]
