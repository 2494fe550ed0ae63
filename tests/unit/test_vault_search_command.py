"""`vault ls` as a search, `vault reindex`, and a clip that is opened without being held in memory."""

from __future__ import annotations

import dataclasses
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from medsnap.cli import root
from medsnap.commands._main import run
from medsnap.model.finding import State
from medsnap.vault import objects
from medsnap.vault.reader import Reader
from tests.builders.decided import Decided, decided
from tests.builders.policy import given, ordinary


@pytest.fixture
def vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Decided:
    for name in ("MEDSNAP_POLICY",):
        monkeypatch.delenv(name, raising=False)
    for name in ("MEDSNAP_STATE", "MEDSNAP_CACHE"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    made = decided(tmp_path, tmp_path / "medsnap_state")
    made.add([ordinary(), ordinary(), ordinary(**given({"face": 0.99}))])
    made.add([ordinary(**given({"text": State.SEEN}))])
    monkeypatch.setenv("MEDSNAP_VAULT", str(made.vault))
    monkeypatch.setenv("MEDSNAP_KEY_FILE", str(made.owner))
    return made


def call(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, dict[str, Any], str]:
    code = run(root(), ["vault", *map(str, words), "--format", "json"])
    found = capsys.readouterr()
    return code, json.loads(found.out or "{}"), found.err


def test_a_search_by_feature_and_limit(vault: Decided, capsys: pytest.CaptureFixture[str]) -> None:
    code, everything, _ = call(capsys, "ls")
    assert code == 0 and everything["count"] == 4 and everything["more"] is False
    _, found, _ = call(capsys, "ls", "--feature", "face")
    assert [p["id"] for p in found["photos"]] == [vault.ids[2]]
    assert found["photos"][0]["features"] == ["face"]
    _, page, _ = call(capsys, "ls", "--limit", "3")
    assert page["photos"] == everything["photos"][:3] and page["more"] is True
    assert call(capsys, "ls", "--text", "nothing of the kind")[1]["count"] == 0


def test_records_are_the_same_one_at_a_time(vault: Decided, capsys: pytest.CaptureFixture[str]) -> None:
    photos = call(capsys, "ls")[1]["photos"]
    for limit, more in ((4, False), (3, True)):
        assert run(root(), ["vault", "ls", "--format", "ndjson", "--limit", str(limit)]) == 0
        *records, summary = map(json.loads, capsys.readouterr().out.splitlines())
        for record in records:
            record.pop("schema_version", None)
        assert records == photos[:limit] and (summary["count"], summary["more"]) == (limit, more)


def test_a_day_that_is_none_is_said(vault: Decided, capsys: pytest.CaptureFixture[str]) -> None:
    code, said, _ = call(capsys, "ls", "--since", "yesterday")
    assert code == 2 and "--since" in str(said) and "2026-03-01" in str(said)


def test_reindex_gives_the_same_lists(
    vault: Decided, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = call(capsys, "ls")[1]
    (old,) = (tmp_path / "medsnap_cache").rglob("catalogue-*.db")
    code, made, _ = call(capsys, "reindex")
    assert (code, made["photos"]) == (0, 4)
    (new,) = (tmp_path / "medsnap_cache").rglob("catalogue-*.db")
    assert new != old and call(capsys, "ls")[1] == before


def test_reindex_names_a_batch_that_is_broken(vault: Decided, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (vault.vault / "batches").iterdir():
        path.write_bytes(path.read_bytes()[:-1] + b"x")
    code, made, err = call(capsys, "reindex")
    assert code == 4 and made["photos"] == 0 and made["problems"] and "batch" in err


class _Clip:
    """64 MB that were never in memory at once."""

    length = 64 << 20

    def __iter__(self) -> Iterator[bytes]:
        for n in range(64):
            yield bytes([n]) * (1 << 20)


def test_a_large_clip_is_sealed_and_opened_in_little_memory(vault: Decided) -> None:
    reader = Reader(vault.vault, vault.directory, vault.keys.identities)
    row = next(e for _, e in reader.rows())
    from medsnap.model.codec import from_json
    from medsnap.model.seal import Seal
    from medsnap.vault.ids import random_id

    seal = from_json(Seal, row["seal"])
    name = random_id(vault.dice)
    objects.path_of(vault.vault, name).parent.mkdir(exist_ok=True)
    tracemalloc.start()
    placed = objects.put(
        vault.vault,
        name,
        _Clip(),
        length=_Clip.length,
        recipient=vault.directory.compartment(seal.compartment).recipient,
        random=vault.dice,
    )
    seal = dataclasses.replace(
        seal,
        object=name,
        payload=placed.digests.payload,
        plaintext=placed.plaintext,
        length=placed.length,
    )
    count = 0

    def weigh(chunk: bytes) -> None:
        nonlocal count
        count += len(chunk)

    reader.open_to(seal, weigh)  # type: ignore[arg-type]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == _Clip.length and peak < 8 << 20
