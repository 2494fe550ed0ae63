"""The path of one photo and the loop beside it: claims of device, evidence, visits, exit codes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medsnap import batch, pipeline, policy, sealing
from medsnap.errors import Exit, IoFailed
from medsnap.intake import devices, people, reading
from medsnap.match import manifest
from medsnap.model.decision import DeviceClass, Verb
from medsnap.model.finding import FeatureState, State
from medsnap.model.outcome import Done, Failed, Held, RunSummary, Skipped
from medsnap.model.photo import Candidate, CaptureFacts, MediaType, Sha256, Source
from medsnap.model.private import Private
from medsnap.model.study import MatchState
from medsnap.pipeline import Examination, Rules
from medsnap.workers import Lost

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
HEAD = (
    "file,mrn,issuer,birth_date,encounter,department,device,"
    "body_site,laterality,view,reason,operator,features\n"
)
DEVICES = (
    "asset,class,make,model,os,os_version,last_seen\nWARD-TAB-07,managed,Apple,iPad,ios,18.1,2026-11-23\n"
)


def candidate(path: Path, relative: str = "", landing: str | None = None) -> Candidate:
    found = path.stat()
    source = Source(
        path=path,
        relative=Private(relative or path.name),
        size=found.st_size,
        mtime_ns=found.st_mtime_ns,
        device=found.st_dev,
        inode=found.st_ino,
    )
    return Candidate(source=source, media=MediaType.JPEG, landing=landing)


def photo(folder: Path, name: str, landing: str | None = None) -> Candidate:
    path = folder / Path(name).name
    path.write_bytes(name.encode())
    return candidate(path, name, landing)


def seen(item: Candidate, **facts: str) -> Examination:
    data = item.source.path.read_bytes()
    captured = CaptureFacts(make="Apple", model="iPad", captured_at="2026-11-24T08:00:00", **facts)
    return Examination(sha256=Sha256(hashlib.sha256(data).hexdigest()), size=len(data), facts=captured)


def rules(folder: Path, *rows: str, name: str = "hospital", asset: str | None = None) -> Rules:
    lists = {"m.csv": HEAD + "".join(row + "\n" for row in rows), "d.csv": DEVICES}
    lists["p.csv"] = "staff_id,roles,from,until\nr.lind,nurse,2026-01-01,2026-12-31\n"
    for file, text in lists.items():
        (folder / file).write_text(text)
    return Rules(
        policy=policy.load(policy.packaged(name)),
        now=NOW,
        manifest=manifest.load(folder / "m.csv"),
        inventory=devices.load(folder / "d.csv"),
        people=people.load(folder / "p.csv"),
        asset=asset,
    )


def row(
    file: str, *, born: str = "1970-01-01", reason: str = "wound", visit: str = "E1", device: str = ""
) -> str:
    whose = f"{file},M1,2.999.1,{born},{visit},surgery,{device}"
    return f"{whose},forearm,left,regional,{reason},r.lind,intimate_region=no"


@pytest.mark.parametrize(
    ("asset", "device", "landing", "claimed"),
    [
        ("WARD-TAB-07", "OTHER", "ELSE", ("WARD-TAB-07", "--asset", DeviceClass.MANAGED)),
        (None, "WARD-TAB-07", "ELSE", ("WARD-TAB-07", "manifest", DeviceClass.MANAGED)),
        (None, "", "WARD-TAB-07", ("WARD-TAB-07", "folder", DeviceClass.MANAGED)),
        (None, "", "ELSE", ("ELSE", "folder", DeviceClass.UNKNOWN)),
        (None, "", None, (None, None, DeviceClass.UNKNOWN)),
    ],
)
def test_a_device_is_claimed_by_option_then_row_then_folder(
    tmp_path: Path,
    asset: str | None,
    device: str,
    landing: str | None,
    claimed: tuple[str | None, str | None, DeviceClass],
) -> None:
    item = photo(tmp_path, "a.jpg", landing)
    settled = pipeline.settle(rules(tmp_path, row("a.jpg", device=device), asset=asset), item, seen(item))
    found = settled.evidence.device
    assert (found.asset, found.claimed_by, found.device_class) == claimed


def test_evidence_knows_the_age_on_the_day_of_capture_and_the_operator(tmp_path: Path) -> None:
    item = photo(tmp_path, "a.jpg")
    given_ = rules(tmp_path, row("a.jpg", born="2008-11-25"))
    evidence = pipeline.settle(given_, item, seen(item)).evidence
    assert evidence.patient_age == 17
    assert evidence.operator is not None
    assert evidence.operator.staff_id == "r.lind"
    assert evidence.listed
    assert [(s.feature, s.seen, s.role) for s in evidence.statements] == [
        ("intimate_region", False, "clinician")
    ]


def test_evidence_never_names_the_patient_or_the_file(tmp_path: Path) -> None:
    from medsnap.model.codec import canonical

    item = photo(tmp_path, "Anna_Beispiel.jpg")
    settled = pipeline.settle(rules(tmp_path, row("Anna_Beispiel.jpg")), item, seen(item))
    text = canonical(settled.evidence).decode() + canonical(settled.decision).decode()
    assert "Anna" not in text
    assert "M1" not in text


def test_without_a_manifest_nothing_is_matched(tmp_path: Path) -> None:
    item = photo(tmp_path, "a.jpg")
    given_ = replace(rules(tmp_path), manifest=None)
    settled = pipeline.settle(given_, item, seen(item))
    assert settled.match.state is MatchState.UNMATCHED
    assert settled.decision.may_leave_to == ()


def test_what_is_not_understood_is_quarantined_and_stays(tmp_path: Path) -> None:
    item = photo(tmp_path, "a.jpg")
    held = replace(seen(item), held="the file is cut off")
    decision = pipeline.settle(rules(tmp_path, row("a.jpg")), item, held).decision
    assert decision.verb >= Verb.QUARANTINE
    assert decision.may_leave_to == ()


class FakePool:
    """Stands for the workers: gives what the test says, in order."""

    def __init__(self, *answers: Examination | Lost) -> None:
        self.answers = answers

    def map(self, items: Iterable[Candidate]) -> Iterator[tuple[Candidate, Examination | Lost]]:
        yield from zip(items, self.answers, strict=True)


def test_one_photo_of_a_visit_decides_for_its_neighbours(tmp_path: Path) -> None:
    """M17: a child's injury puts the whole visit, earlier photos too, where the rule says."""
    items = [photo(tmp_path, name) for name in ("a.jpg", "b.jpg", "c.jpg")]
    given_ = rules(
        tmp_path,
        row("a.jpg", born="2018-01-01"),
        row("b.jpg", born="1970-01-01", visit="E2"),
        row("c.jpg", born="2018-01-01", reason="injury"),
    )
    given_ = replace(given_, manifest=manifest.load(tmp_path / "m.csv"))
    ordered = batch.by_visit(items, given_)
    assert [c.source.path.name for c in ordered] == ["a.jpg", "c.jpg", "b.jpg"]
    pool = FakePool(*(seen(c) for c in ordered))
    judged = {j.candidate.source.path.name: j for j in batch.judge(items, pool, given_)}  # type: ignore[arg-type]
    paths = {name: [v.path for v in j.settled.decision.votes] for name, j in judged.items() if j.settled}
    assert "rules.child-injury" in paths["a.jpg"]
    assert "rules.child-injury" in paths["c.jpg"]
    assert "rules.child-injury" not in paths["b.jpg"]
    a = judged["a.jpg"].settled
    assert a is not None
    assert a.decision.compartment == "safeguarding"


def test_photos_of_no_visit_are_no_neighbours_and_come_one_by_one(tmp_path: Path) -> None:
    items = [photo(tmp_path, name) for name in ("x.jpg", "y.jpg", "z.jpg")]
    given_ = rules(tmp_path, row("elsewhere.jpg", born="2018-01-01", reason="injury"))
    asked = 0

    class Counting(FakePool):
        def map(self, items: Iterable[Candidate]) -> Iterator[tuple[Candidate, Examination | Lost]]:
            nonlocal asked
            for pair in super().map(items):
                asked += 1
                yield pair

    found = batch.judge(items, Counting(*(seen(c) for c in items)), given_)  # type: ignore[arg-type]
    first = next(found)
    assert asked == 1
    for judged in (first, *found):
        assert judged.settled is not None
        assert not [v for v in judged.settled.decision.votes if "another photo" in v.because]


def test_rows_that_name_the_bytes_bring_a_visit_together_too(tmp_path: Path) -> None:
    items = [photo(tmp_path, name) for name in ("a.jpg", "x.jpg", "c.jpg")]
    given_ = rules(tmp_path)
    digests = [seen(c).sha256 for c in items]
    head = "sha256" + HEAD.removeprefix("file")
    rows = (
        row(digests[0], born="2018-01-01"),
        row(digests[2], born="2018-01-01", reason="injury"),
    )
    (tmp_path / "by-content.csv").write_text(head + "\n".join(rows))
    given_ = replace(given_, manifest=manifest.load(tmp_path / "by-content.csv"))
    pool = FakePool(*(seen(c) for c in items))
    judged = {j.candidate.source.path.name: j for j in batch.judge(items, pool, given_)}  # type: ignore[arg-type]
    assert len(judged) == 3
    said = {n: [v.because for v in j.settled.decision.votes] for n, j in judged.items() if j.settled}
    assert any("another photo" in why for why in said["a.jpg"])
    assert not any("another photo" in why for why in said["x.jpg"])


def test_a_file_that_kills_its_worker_is_held_with_its_own_digest(tmp_path: Path) -> None:
    item = photo(tmp_path, "a.jpg")
    lost = Lost("worker.died", "the process that examined the file died")
    (judged,) = batch.judge([item], FakePool(lost), rules(tmp_path, row("a.jpg")))  # type: ignore[arg-type]
    assert judged.seen is not None
    assert judged.seen.held == lost.reason
    assert judged.seen.sha256 == hashlib.sha256(b"a.jpg").hexdigest()


def test_a_file_that_cannot_be_read_has_no_digest(tmp_path: Path) -> None:
    item = photo(tmp_path, "a.jpg")
    lost = Lost("io", "the file cannot be read")
    (judged,) = batch.judge([item], FakePool(lost), rules(tmp_path, row("a.jpg")))  # type: ignore[arg-type]
    assert judged.seen is None
    assert judged.lost == lost


def test_a_file_exchanged_for_a_link_or_grown_is_not_read(tmp_path: Path) -> None:
    item = photo(tmp_path, "a.jpg")
    item.source.path.write_bytes(b"longer than before")
    with pytest.raises(IoFailed, match="changed"), reading.opened(item.source):
        pass
    other = tmp_path / "b.jpg"
    other.write_bytes(b"a.jpg")
    item.source.path.unlink()
    item.source.path.symlink_to(other)
    with pytest.raises(IoFailed), reading.opened(item.source):
        pass


FEATURE = FeatureState(feature="intimate_region", state=State.SEEN)


@pytest.mark.parametrize(
    ("verb", "provisional", "feature", "original"),
    [
        (Verb.RESTRICT, (), FEATURE, False),
        (Verb.SAFEGUARD, (), replace(FEATURE, state=State.NOT_CHECKED), True),
        (Verb.SAFEGUARD, ("patient_age",), replace(FEATURE, state=State.NOT_CHECKED), False),
        (Verb.SAFEGUARD, ("patient_age",), FEATURE, True),
        (Verb.SAFEGUARD, ("patient_age",), replace(FEATURE, state=State.DOUBTFUL), True),
    ],
)
def test_only_evidence_is_sealed_as_it_came(
    tmp_path: Path, verb: Verb, provisional: tuple[str, ...], feature: FeatureState, original: bool
) -> None:
    item = photo(tmp_path, "a.jpg")
    decision = pipeline.settle(rules(tmp_path, row("a.jpg")), item, seen(item)).decision
    changed = replace(decision, verb=verb, provisional=provisional, features=(feature,))
    assert sealing.seals_original(changed) is original


NAME = Private("x")
OUTCOMES = st.sampled_from(
    [
        Done(source=NAME),
        Done(source=NAME, waits=True),
        Done(source=NAME, already=True),
        Held(source=NAME, reason="r"),
        Skipped(source=NAME, reason="r"),
        Failed(source=NAME, error="io", reason="r"),
    ]
)


@given(st.lists(OUTCOMES, max_size=12))
def test_counts_add_up_and_any_failure_shows_in_the_exit_code(
    outcomes: list[Done | Held | Skipped | Failed],
) -> None:
    summary = RunSummary.of(outcomes)
    assert summary.total == len(outcomes)
    bad = any(isinstance(o, Held | Failed) for o in outcomes)
    assert (batch.exit_code(summary) is Exit.PARTIAL) is bad
    waiting = any(isinstance(o, Done) and o.waits for o in outcomes)
    code = batch.exit_code(summary, fail_on_review=True)
    assert code is (Exit.PARTIAL if bad else Exit.REVIEW if waiting else Exit.OK)


@pytest.mark.parametrize(
    ("number", "where", "ends"),
    [(28, "/vault", True), (30, "/vault", True), (13, "/vault", True), (2, "/vault", False), (5, "", False)],
)
def test_an_unusable_vault_stops_the_run_and_one_bad_file_does_not(
    number: int, where: str, ends: bool
) -> None:
    problem = IoFailed("cannot be written", where=where)  # a source's error never says where
    problem.__cause__ = OSError(number, "because")
    assert batch.stops(problem) is ends


def test_today_is_a_parameter(tmp_path: Path) -> None:
    item = photo(tmp_path, "a.jpg")
    late = replace(rules(tmp_path, row("a.jpg")), now=datetime(2040, 1, 1, tzinfo=UTC))
    decision = pipeline.settle(late, item, seen(item)).decision
    assert not decision.policy.in_force
    assert decision.at.startswith("2040-01-01")
    assert date.fromisoformat(decision.at[:10]) == date(2040, 1, 1)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("captured_at: keep", ("keep", "remove")),
        ("device: keep", ("remove", "keep")),
        ("captured_at: catalogue", ("remove", "remove")),
    ],
)
def test_the_policy_says_what_stays_in_the_file(said: str, kept: tuple[str, str]) -> None:
    text = policy.packaged("little-clinic").read_text() + f"\nscrub: {{{said}}}\n"
    keep = pipeline.keep_of(policy.load_text(text, "p.yaml"))
    assert (keep.captured_at, keep.device) == kept


def test_a_rehearsal_refuses_what_ingest_would_refuse(tmp_path: Path) -> None:
    """A dry run and scan tell what the run itself would: a rejected photo is not 'sealed'."""
    item = photo(tmp_path, "a.jpg")
    given_ = rules(tmp_path, row("a.jpg"))
    settled = pipeline.settle(given_, item, seen(item))
    refused = replace(settled, decision=replace(settled.decision, verb=Verb.REJECT))
    told = batch.would(batch.Judged(candidate=item, seen=seen(item), settled=refused), given_)
    assert told == sealing.rejected(item.source)
    assert batch.exit_code(RunSummary.of([told])) is Exit.PARTIAL


class BadSector:
    """A stream on a card that gives an I/O error."""

    def read(self, length: int) -> bytes:
        raise OSError(5, "Input/output error")

    def seek(self, offset: int) -> int:
        return offset


def test_a_bad_sector_of_the_source_is_not_blamed_on_the_vault() -> None:
    """An error without a place costs one photo; one with a place stops the run (batch.stops)."""
    from medsnap.model.rewrite import Keep, Rewrite

    span = Rewrite(media=MediaType.MOV, steps=(Keep(0, 4),), carriers=())
    for pieces in (reading.whole(BadSector()), reading.rewritten(span, BadSector())):  # type: ignore[arg-type]
        with pytest.raises(IoFailed) as caught:
            list(pieces)
        assert not batch.stops(caught.value)
