"""`medsnap scan --forecast`: every photo counted once, with the line that keeps it back."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from medsnap import policy
from medsnap.cli import root
from medsnap.commands import _forecast
from medsnap.commands._main import run
from medsnap.demo import dump
from medsnap.demo.dump import DemoDay
from medsnap.export.prepare import As, Held, Request, answer
from medsnap.model.decision import Verb, Vote
from medsnap.model.photo import MediaType
from tests.helpers import digests


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> DemoDay:
    return dump.make(tmp_path_factory.mktemp("forecast"), seed=1, now=datetime.now(UTC).date())


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MEDSNAP_VAULT", "MEDSNAP_KEY_FILE", "MEDSNAP_POLICY", "MEDSNAP_PEOPLE", "MEDSNAP_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    for name in ("MEDSNAP_STATE", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))


def scan(capsys: pytest.CaptureFixture[str], day: DemoDay, *words: object) -> tuple[int, str, str]:
    lists = ("--devices", day.devices, "--people", day.people, "--no-detect", "--jobs", 1)
    code = run(root(), list(map(str, ("scan", day.dump, *lists, *words))))
    out, err = capsys.readouterr()
    return code, out, err


def test_every_photo_counts_once_and_reasons_name_their_line(
    capsys: pytest.CaptureFixture[str], day: DemoDay
) -> None:
    before = digests(day.folder)
    words = ("--manifest", day.manifest, "--policy", "hospital", "--forecast", "--format", "json")
    _, out, _ = scan(capsys, day, *words)
    told = json.loads(out)
    ahead = told["forecast"]
    photos = [p for p in told["photos"] if p.get("decision") or p["outcome"] == "failed"]
    assert ahead["photos"] == len(day.shots) == len(photos)
    kinds = ("leaves", "waits", "stays", "not_ours", "failed")
    assert sum(ahead[k] for k in kinds) == ahead["photos"]
    leaving = [
        p for p in photos
        if p["outcome"] == "done" and p["match"] == "matched" and "ehr" in p["decision"]["may_leave_to"]
    ]  # fmt: skip
    assert ahead["leaves"] == len(leaving) >= 10
    for kind in ("waits", "stays"):
        assert sum(r["photos"] for r in ahead[f"{kind}_because"]) == ahead[kind] > 0
    said = {r["path"]: r["where"] for r in ahead["waits_because"]}
    assert "manifest" in said  # whose photo it is has to be confirmed
    line = int(said["devices.personal"].rpartition(":")[2])
    text = policy.packaged("hospital").read_text(encoding="utf-8").splitlines()[line - 1]
    assert text.lstrip().startswith("personal:")
    assert digests(day.folder) == before


def test_people_read_one_sentence_first(capsys: pytest.CaptureFixture[str], day: DemoDay) -> None:
    _, out, _ = scan(capsys, day, "--manifest", day.manifest, "--policy", "hospital", "--forecast")
    first = " ".join(out.split("\n\n")[0].split())
    assert first.startswith("Of 20 photos ")
    assert "would reach ehr the same night" in first


def test_without_a_manifest_none_leaves(capsys: pytest.CaptureFixture[str], day: DemoDay) -> None:
    _, out, _ = scan(capsys, day, "--policy", "hospital", "--forecast", "--format", "json")
    ahead = json.loads(out)["forecast"]
    assert (ahead["leaves"], ahead["targets"]) == (0, {})


def test_a_policy_without_a_target_of_care_has_no_forecast(
    capsys: pytest.CaptureFixture[str], day: DemoDay
) -> None:
    code, _, err = scan(capsys, day, "--policy", "baseline-1", "--forecast")
    assert code == 2
    assert "nothing to forecast" in " ".join(err.split())


@pytest.mark.parametrize(
    ("path", "because", "words"),
    [
        ("detection.suspect_at", "face 0.41, suspect at 0.20; other_person 0.30, suspect at 0.20",
         "in doubt: face, other person"),
        ("devices.managed.seen_within", "last seen 23 days ago", "last seen … days ago"),
        ("devices.managed.os_at_least", "iOS 17.1.2 is older than 17.6", "iOS … is older than …"),
        ("sources.messaging_app", "it lies in a folder of WhatsApp", "it lies in a folder of WhatsApp"),
    ],
)  # fmt: skip
def test_words_go_without_what_differs_from_photo_to_photo(path: str, because: str, words: str) -> None:
    vote = Vote(verb=Verb.QUARANTINE, path=path, where="p.yaml:1", because=because)
    assert _forecast._plain(vote) == words


def test_forecast_and_export_agree_on_what_can_be_written() -> None:
    def fits(media: MediaType) -> bool:
        made = answer(Request(photo=b"\xff\xd8", media=media, orientation=1, as_=As.FHIR))
        return not (isinstance(made, Held) and "fits neither" in made.reason)

    assert {m for m in MediaType if fits(m)} == set(_forecast.TRAVELS)
