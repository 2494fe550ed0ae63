"""`medsnap policy lint`, `show` and `explain` through the command line."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from medsnap import policy
from medsnap.cli import root
from medsnap.commands._main import run
from medsnap.model.decision import Decision
from medsnap.model.photo import MediaType, Sha256
from medsnap.model.record import PhotoRow
from medsnap.model.seal import Suite
from medsnap.model.study import Match, MatchState
from medsnap.vault import host, keys, membership, pins, policies
from medsnap.vault.create import create
from medsnap.vault.host import Host
from medsnap.vault.writer import Writer
from tests.builders.decided import logged
from tests.builders.policy import HOSPITAL, NOW, given, ordinary


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MEDSNAP_VAULT", "MEDSNAP_KEY_FILE", "MEDSNAP_POLICY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("MEDSNAP_STATE", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.chdir(tmp_path)


def call(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = run(root(), ["policy", *map(str, words)])
    out, err = capsys.readouterr()
    return code, out, err


BAD = "medsnap: 1\npolicy: a\nversion: 1\nfeatures:\n  tatoo: accept\n"


def test_lint_prints_place_and_code_and_ends_with_78(capsys: pytest.CaptureFixture[str]) -> None:
    Path("bad.yaml").write_text(BAD, "utf-8")
    code, out, _ = call(capsys, "lint", "bad.yaml", policy.packaged("hospital"))
    assert code == 78
    assert "bad.yaml:5:3: E102 unknown feature 'tatoo'; did you mean 'tattoo'?" in out


def test_lint_as_lines_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    Path("bad.yaml").write_text(BAD, "utf-8")
    code, out, _ = call(capsys, "lint", "bad.yaml", "--format", "ndjson")
    *findings, summary = map(json.loads, out.splitlines())
    assert (code, summary["errors"], summary["type"]) == (78, len(findings) - summary["warnings"], "summary")
    found = next(f for f in findings if f["code"] == "E102")
    assert (found["file"], found["line"], found["column"], found["severity"]) == ("bad.yaml", 5, 3, "error")


def test_lint_of_good_policies_is_0_and_of_none_66(capsys: pytest.CaptureFixture[str]) -> None:
    files = [policy.packaged(name) for name in policy.packaged_names()]
    assert call(capsys, "lint", *files)[0] == 0
    assert call(capsys, "lint", "none.yaml")[0] == 66


def test_show_tells_own_lines_and_with_effective_those_of_baseline(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out, _ = call(capsys, "show", "little-clinic")
    assert code == 0
    assert "little-clinic.yaml:18" in out
    assert "baseline-1.yaml" not in out
    _, out, _ = call(capsys, "show", "little-clinic", "--effective", "--format", "json")
    shown = {s["path"]: s for s in json.loads(out)["settings"]}
    assert shown["features.face"]["where"].startswith("baseline-1.yaml:")


def test_show_of_a_bad_policy_is_78(capsys: pytest.CaptureFixture[str]) -> None:
    Path("bad.yaml").write_text(BAD, "utf-8")
    code, _, err = call(capsys, "show", "bad.yaml")
    assert code == 78
    assert "policy lint" in err


@dataclass(frozen=True)
class Site:
    vault: Path
    owner: Path
    clerk: Path  # a member of `general` only
    open: str
    hidden: str


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A vault with an open photo and one in a locked group, its owner, and a clerk without the group."""
    dice = random.Random(3).randbytes
    vault, state = tmp_path / "vault", tmp_path / "host"
    made = create(
        vault,
        compartments=policy.compartments(HOSPITAL),
        member="m.lee",
        suite=Suite.X25519,
        now=NOW,
        random=dice,
        expires=NOW + timedelta(days=3650),
    )
    mark = pins.Pin(vault=made.directory.vault, root=made.directory.root, version=made.directory.version)
    pins.write_pin(state, mark)
    host.write_ingest_key(state, made.ingest_key)
    plain = policy.decide(HOSPITAL, ordinary(), NOW)
    face = policy.decide(HOSPITAL, ordinary(**given({"face": 0.93})), NOW)
    ids = [_sealed(vault, state, decision, dice) for decision in (plain, face)]
    owner = keys.Keys(
        identities=(made.member_identity,),
        signer=made.member_signer,
        root_vkey=made.directory.root,
        vault=made.directory.vault,
    )
    _, clerk = membership.add_member(
        vault,
        made.directory,
        opener=owner.identities,
        root_key=made.root_key,
        name="clerk",
        compartments=["general"],
        roles=("*",),
        verbs=[],
        random=dice,
    )
    files = [tmp_path / "owner.key", tmp_path / "clerk.key"]
    for path, held in zip(files, (owner, clerk), strict=True):
        keys.save_file(path, keys.render(held, "a test"), random=dice)
    return Site(vault, files[0], files[1], ids[0], ids[1])


def _sealed(vault: Path, state: Path, decision: Decision, dice: Callable[[int], bytes]) -> str:
    photo = decision.evidence.encode()
    source = Sha256(hashlib.sha256(photo).hexdigest())
    opened = Host.open(state, vault, NOW)
    enter = logged(vault, opened.directory, opened.signer, dice)
    with Writer(opened, now=lambda: NOW, random=dice, log=enter) as writer:
        seal = writer.seal(
            [photo], source=source, compartment=decision.compartment, media=MediaType.JPEG, length=len(photo)
        )
        row = PhotoRow(
            seal=seal,
            state="done",
            source_name="IMG_1.jpg",
            source_sha256=source,
            source_size=len(photo),
            media=MediaType.JPEG,
            at=decision.at,
            decision=decision,
            match=Match(state=MatchState.UNMATCHED),
        )
        writer.add(decision.compartment, row)
        writer.commit()
    return seal.object


def test_explain(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(
        capsys, "explain", site.hidden, "--vault", site.vault, "--key-file", site.owner, "--format", "json"
    )
    assert code == 0, out + err
    said = json.loads(out)
    why = "it shows a face (a detector is 93% sure)."
    assert said["sentences"][0] == f"Kept for the medical illustration, because: {why}"
    assert any("hospital.yaml:67" in line for line in said["sentences"])


def test_explain_for_people_at_80_columns(
    site: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    code, out, err = call(capsys, "explain", site.hidden, "--vault", site.vault, "--key-file", site.owner)
    assert code == 0, err
    assert all(len(line) <= 80 for line in out.splitlines())
    assert "hospital.yaml:67" in out


def test_hidden_and_absent_give_the_same_answer(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    seen = []
    for name in (site.hidden, "a" * 26):
        told = call(capsys, "explain", name, "--vault", site.vault, "--key-file", site.clerk)
        seen.append(tuple(str(part).replace(name, "ID") for part in told))
    assert seen[0] == seen[1]
    assert seen[0][0] == "66"
    assert call(capsys, "explain", site.open, "--vault", site.vault, "--key-file", site.clerk)[0] == 0


def test_explain_as_a_mistyped_role_names_the_roles(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    digest = hashlib.sha256(HOSPITAL.text.encode()).hexdigest()
    policies.keep(site.vault, digest, HOSPITAL.text.encode())  # as an ingest does
    own = ("--vault", site.vault, "--key-file", site.owner)
    told = {call(capsys, "explain", photo, "--as", "clnical-staff", *own) for photo in (site.open, "a" * 26)}
    ((code, out, err),) = told  # whatever photo is asked for
    assert (code, out) == (2, "")
    said = " ".join(err.split())
    assert "no policy of this vault knows the role 'clnical-staff'; did you mean 'clinical-staff'?" in said
    assert "name one of: clinical-staff, emergency-physician, medical-illustration," in said
    assert call(capsys, "explain", site.open, "--as", "clinical-staff", *own)[0] == 0
    assert call(capsys, "explain", site.hidden, "--as", "clinical-staff", *own)[0] == 66
