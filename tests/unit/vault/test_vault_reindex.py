"""Taking in a whole vault: read straight and in segments, it gives what reading field by field would."""

from __future__ import annotations

import copy
import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medsnap.crypto.note import Signer
from medsnap.errors import Tampered
from medsnap.model.codec import CodecError, canonical, to_json
from medsnap.model.finding import FeatureState, State
from medsnap.model.photo import CaptureFacts
from medsnap.model.record import PhotoRow
from medsnap.model.study import Description, Match, MatchState, Patient, Visit
from medsnap.vault import catalogue as catalogues
from medsnap.vault import catalogue_order, commits
from medsnap.vault.catalogue import Catalogue, Filters
from medsnap.vault.catalogue_order import Order
from medsnap.vault.catalogue_postings import Postings
from medsnap.vault.catalogue_store import in_memory
from medsnap.vault.entries import Entry, entry_of, labels
from medsnap.vault.ids import random_id
from medsnap.vault.objects import ObjectDigests
from tests.builders.export import row as photo_row
from tests.builders.policy import ordinary

from .conftest import Kit

# Where each text of an entry stands, the first that is said; "!" where there must be one.
TEXTS: dict[str, tuple[str, ...]] = {
    "object": ("!seal.object",),
    "at": ("!at",),
    "source": ("!source_name",),
    "source_sha256": ("!source_sha256",),
    "captured": ("match.captured_at", "capture.captured_at"),
    "media": ("!media",),
    "state": ("!state",),
    "reason": ("reason",),
    "verb": ("!decision.verb",),
    "matched": ("!match.state",),
    "mrn": ("match.patient.mrn",),
    "issuer": ("match.patient.issuer",),
    "encounter": ("match.visit.encounter",),
    "accession": ("match.visit.accession",),
    "department": ("match.visit.department",),
    "body_site": ("match.description.body_site",),
    "device": ("device.asset", "match.asset"),
    "model": ("capture.model",),
}
SAID = tuple(f"match.description.{n}" for n in ("body_site", "laterality", "view", "reason", "lesion"))
PATHS = sorted({p.lstrip("!") for paths in TEXTS.values() for p in paths} | set(SAID))
PARTS = (
    "match.patient",
    "match.visit",
    "match.description",
    "capture",
    "device",
    "seal",
    "match",
    "decision",
)
VALUES = st.sampled_from([None, "", "x", "face", "Äther", 1, True, [], {}, ["x"]])


def full() -> PhotoRow:
    row = photo_row(b"photo", evidence=ordinary())
    seen = (
        FeatureState(feature="face", state=State.SEEN),
        FeatureState(feature="ear", state=State.NOT_CHECKED),
    )
    return dataclasses.replace(
        row,
        reason="held for a look",
        decision=dataclasses.replace(row.decision, features=seen, opened_by=("photographer",)),
        capture=CaptureFacts(captured_at="2026-05-01T10:00:00", model="iPad", make="Apple"),
        match=Match(
            state=MatchState.MATCHED,
            patient=Patient(mrn="4711", issuer="2.999.1"),
            visit=Visit(encounter="E1", department="Dermatology", accession="A7"),
            description=Description(
                body_site="Forearm", laterality="left", reason="follow_up", lesion="mole"
            ),
            asset="TAB-1",
        ),
    )


ROW: dict[str, Any] = to_json(full())


def at(event: Any, path: str) -> Any:
    for name in path.split("."):
        event = event.get(name) if isinstance(event, dict) else None
    return event


def put(event: dict[str, Any], path: str, value: object) -> None:
    *folders, last = path.split(".")
    for name in folders:
        inner = event.get(name)
        if not isinstance(inner, dict):
            return
        event = inner
    event[last] = value


def plainly(event: dict[str, Any]) -> dict[str, Any]:
    """What lists show of a row that fits, one path after the other."""
    found: dict[str, Any] = {}
    for field, paths in TEXTS.items():
        said = [at(event, path.lstrip("!")) for path in paths]
        found[field] = next(filter(None, said), said[-1])
    found["captured"], found["reason"] = found["captured"] or "", found["reason"] or ""
    found["text"] = "\n".join(filter(None, (at(event, path) for path in SAID)))
    return found


def fits(event: dict[str, Any]) -> bool:
    for paths in TEXTS.values():
        for path in paths:
            value = at(event, path.lstrip("!"))
            if not isinstance(value, str) and (path[0] == "!" or value is not None):
                return False
    if any(not isinstance(at(event, path), str | None) for path in SAID):
        return False
    if any(not isinstance(at(event, part), dict | None) for part in PARTS):
        return False
    patient = at(event, "match.patient")
    return not patient or all(isinstance(patient.get(name), str) for name in ("mrn", "issuer"))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.sampled_from((*PATHS, *PARTS)), VALUES), max_size=4))
def test_an_entry_is_what_stands_at_its_places(changes: list[tuple[str, object]]) -> None:
    event = copy.deepcopy(ROW)
    for path, value in changes:
        put(event, path, copy.deepcopy(value))
    try:
        entry = entry_of(event, "general")
    except CodecError:
        known = (at(event, "media"), at(event, "decision.verb"), at(event, "match.state"))
        same = (ROW["media"], ROW["decision"]["verb"], ROW["match"]["state"])
        lists = isinstance(at(event, "decision.features"), list) if at(event, "decision") else False
        assert not (fits(event) and known == same and lists)
        return
    assert fits(event)
    made = {f.name: getattr(entry, f.name) for f in dataclasses.fields(Entry)}
    assert {name: made[name] for name in (*TEXTS, "text")} == plainly(event)
    assert (entry.length, entry.compartment) == (ROW["seal"]["length"], "general")


WORDS = st.sampled_from(["", "face", "Face", " FACE", "left arm", "left", "ﬁ", "fi", "\ud800"])


@given(st.lists(st.tuples(WORDS, WORDS, WORDS, st.lists(WORDS, max_size=2), st.none() | WORDS), max_size=12))
def test_labels_of_a_segment_are_those_of_its_photos(
    said: list[tuple[str, str, str, list[str], str | None]],
) -> None:
    base = entry_of(ROW, "general")
    segment, expected = Postings(), dict[tuple[str, str], list[int]]()
    for n, (asset, model, text, features, mrn) in enumerate(said, start=3):
        entry = dataclasses.replace(
            base, device=asset, model=model, text=text, features=tuple(features), mrn=mrn, department=None
        )
        segment.add(n, entry)
        for label in set(labels(entry)):
            expected.setdefault(label, []).append(n)
    assert segment.labels() == expected


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.lists(st.text(max_size=2), max_size=9)), max_size=6))
def test_what_is_put_by_stands_in_the_order_once_it_is_merged(parts: list[tuple[bool, list[str]]]) -> None:
    store, n, keys = in_memory(b"secret", os.urandom), 0, []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalogue_order, "_FULL", 4)
        for by, texts in parts:
            part = [(text, "IMG", "0", n + i) for i, text in enumerate(texts)]
            n, keys = n + len(part), keys + part
            (Order(store).put_by if by else Order(store).insert)(part)
        if any(by and texts for by, texts in parts):
            with pytest.raises(Tampered):  # rather than a list that lacks photos
                list(Order(store).numbers())
        Order(store).merge()
        leaves = store.db.execute("SELECT count(*) FROM leaf").fetchone()[0]
    assert list(Order(store).numbers()) == [key[3] for key in sorted(keys)]
    assert leaves == len(json.loads(store.head("order") or b'{"leaves":[]}')["leaves"])


def commit(kit: Kit, *lines: bytes, rows: list[PhotoRow]) -> None:
    digests = [
        ObjectDigests(object=r.seal.object, payload=r.seal.payload, header=r.seal.payload) for r in rows
    ]
    draft = commits.Draft(lines={"general": [*map(canonical, rows), *lines]}, objects=digests)
    signer = Signer.parse_private(kit.new.ingest_key)
    kit.log.append(commits.write(kit.vault, kit.directory, draft, signer=signer, random=os.urandom).sha256)


def rows_like(row: PhotoRow, count: int, *, first: int = 0) -> list[PhotoRow]:
    return [
        dataclasses.replace(
            row,
            seal=dataclasses.replace(row.seal, object=random_id(os.urandom)),
            source_name=f"IMG_{(first + n) * 7 % 100:02}.jpg",
            source_sha256=f"{first + n:064x}",
        )
        for n in range(count)
    ]


def answers(kit: Kit, folder: Path | None) -> tuple[object, ...]:
    made = Catalogue(folder, random=os.urandom)
    made.refresh(kit.reader())
    made.prove()
    found = made.entries(), made.entries(Filters(feature="face")), made.sightings(), made.photos()
    made.close()
    return *found, sorted(made_evidence(kit))


def made_evidence(kit: Kit) -> list[tuple[str, str]]:
    made = Catalogue(None, random=os.urandom)
    made.refresh(kit.reader())
    return list(made.evidences())


def test_many_segments_answer_as_one(kit: Kit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (row,) = kit.ingest([(b"a photo", "general")])
    for start in range(0, 60, 20):
        commit(kit, rows=rows_like(row, 20, first=start))
    commit(kit, b'{"event":"unknown"}', rows=[])  # the last segment has nothing to write
    once = answers(kit, tmp_path / "once")
    monkeypatch.setattr(catalogues, "SEGMENT", 1)
    monkeypatch.setattr(catalogue_order, "_FULL", 8)
    assert answers(kit, tmp_path / "often") == once == answers(kit, None)
    later = Catalogue(
        tmp_path / "often", random=os.urandom
    )  # a file that others read takes in the next night
    commit(kit, rows=rows_like(row, 20, first=60))
    commit(kit, rows=rows_like(row, 20, first=80))
    later.refresh(kit.reader())
    later.prove()
    assert len(later.entries()) == 101
    assert [e.source for e in later.entries()] == sorted(e.source for e in later.entries())


def test_a_batch_whose_last_line_is_broken_counts_for_nothing(kit: Kit) -> None:
    (row,) = kit.ingest([(b"a photo", "general")])
    commit(kit, b'{"event":', rows=rows_like(row, 3))
    reader = kit.reader()
    catalogue = Catalogue(None, random=os.urandom)
    catalogue.refresh(reader)
    assert [e.object for e in catalogue.entries()] == [row.seal.object]
    assert any("no JSON" in problem.what for problem in reader.problems)


def test_what_holds_of_one_kind_of_event_is_said_of_no_other(kit: Kit) -> None:
    (row,) = kit.ingest([(b"a photo", "general")])
    first, last = rows_like(row, 2)
    commit(kit, b'{"event":"unknown"}', canonical(last) + b" ", rows=[first])
    digests = [ObjectDigests(object=last.seal.object, payload=last.seal.payload, header=last.seal.payload)]
    hold = b'{"event":"hold","id":"h","reason":"r","at":"2026-01-01T00:00:00Z"}'
    signer = Signer.parse_private(kit.new.ingest_key)
    lines = {"general": [b'{"event":"unknown"}', hold, canonical(last)]}
    draft = commits.Draft(lines=lines, objects=digests)
    kit.log.append(commits.write(kit.vault, kit.directory, draft, signer=signer, random=os.urandom).sha256)
    reader = kit.reader()
    catalogue = Catalogue(None, random=os.urandom)
    catalogue.refresh(reader)
    assert {e.object for e in catalogue.entries()} == {r.seal.object for r in (row, first, last)}
    said = [problem.what for problem in reader.problems]
    assert sum("does not know" in what for what in said) == 2  # once a commit
    assert sum("signer may not 'hold'" in what for what in said) == 1
    assert sum("does not fit its commit" in what for what in said) == 1


def test_evidence_that_is_no_text_spoils_its_own_row_alone(kit: Kit) -> None:
    (row,) = kit.ingest([(b"a photo", "general")])
    (other,) = rows_like(row, 1)
    event = to_json(other) | {"evidence": {"x": "\ud800"}}
    line = json.dumps(event).encode()
    digests = [ObjectDigests(object=other.seal.object, payload=other.seal.payload, header=other.seal.payload)]
    signer = Signer.parse_private(kit.new.ingest_key)
    draft = commits.Draft(lines={"general": [line]}, objects=digests)
    kit.log.append(commits.write(kit.vault, kit.directory, draft, signer=signer, random=os.urandom).sha256)
    reader = kit.reader()
    catalogue = Catalogue(None, random=os.urandom)
    catalogue.refresh(reader)
    assert [e.object for e in catalogue.entries()] == [row.seal.object]
    assert any("cannot be read by this medsnap (evidence)" in problem.what for problem in reader.problems)
