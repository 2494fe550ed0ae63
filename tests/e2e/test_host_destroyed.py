"""The host is destroyed after a run: the lines of docs/OPERATIONS.md on a bare machine, as they stand."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from medsnap.demo import dump
from tests.helpers import POLICIES, ROOT, Clinic

LIMIT = 600  # seconds for all lines, on a busy machine; half a minute on an idle one


def _lines() -> list[str]:
    """Give the commands between the marks of the page, continued lines joined."""
    text = (ROOT / "docs" / "OPERATIONS.md").read_text(encoding="utf-8")
    [block] = re.findall(r"<!-- host-destroyed:.*?-->\n```sh\n(.*?)```\n<!-- /host", text, flags=re.DOTALL)
    return block.replace("\\\n", " ").splitlines()


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """The packaged hospital, in force whenever this runs: its break_glass.never closes safeguarding."""
    now = datetime.now(UTC).date()  # commands have no option for the clock
    span = f"in_force: {{from: {now - timedelta(days=30)}, until: {now + timedelta(days=300)}}}"
    text = (POLICIES / "hospital.yaml").read_text(encoding="utf-8")
    path = tmp_path / "hospital.yaml"
    path.write_text(re.sub(r"(?m)^in_force: .*$", span, text), encoding="utf-8")
    return path


def test_a_copy_two_sheets_of_each_set_and_a_checkpoint_are_enough(
    tmp_path: Path, policy: Path, record_property: Callable[[str, object], None]
) -> None:
    day = dump.make(tmp_path / "day", seed=3, now=datetime.now(UTC).date())
    old = Clinic(tmp_path / "old")
    paper = tmp_path / "paper"
    old.run("vault", "init", "--no-input", "--recovery-dir", paper, "--policy", policy).expect(0)
    lists = ("--manifest", day.manifest, "--devices", day.devices, "--people", day.people)
    took = old.ingest(day.dump, *lists, policy=policy)
    listed = {p["id"]: p for p in old.listed()}
    assert len(listed) == len({p["object"] for p in took.photos if p.get("object")}) >= 10
    kept = tmp_path / "other-host"
    kept.mkdir()
    shutil.copy(old.vault / "log" / "checkpoint", kept / "medsnap-checkpoint")
    old.run("vault", "copy", tmp_path / "second" / "vault").expect(0)
    shutil.rmtree(old.root)  # vault, keys, state, cache: all of the host

    bare = tmp_path / "bare"
    new = Clinic(bare, more={"MEDSNAP_POLICY": str(policy)})
    landing = bare / "landing"
    landing.mkdir()
    shutil.copy(next(p for p in sorted(day.dump.rglob("*.JPG"))), landing / "NEW.JPG")
    with (landing / "NEW.JPG").open("ab") as handle:
        handle.write(b"\0")  # another file than any of before
    shutil.copytree(paper, bare / "sheets")
    root = re.findall(r"root:</dt><dd[^>]*>([0-9a-f ]+)<", (paper / "root-1-of-3.html").read_text())[0]
    places = {
        "/mnt/second-disk": str(tmp_path / "second"), "/srv/vault": str(new.vault),
        "/mnt/other-host": str(kept), "/srv/landing": str(landing), "FINGERPRINT": root,
        "--policy hospital": f"--policy {policy} --no-detect",
    }  # fmt: skip
    environment = {k: v for k, v in new.host_environment.items() if k != "MEDSNAP_VAULT"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    said: dict[str, list[str]] = {}
    begun = time.monotonic()
    for line in _lines():
        typed = line
        for name, place in places.items():
            typed = typed.replace(name, place)
        words = shlex.split(typed)
        if words[0] == "rm":
            (bare / words[1]).unlink()
            continue
        assert words[0] == "medsnap"
        if words[1:3] == ["vault", "member"]:
            opened = _open_all(new, bare / "root.key", listed, environment)
            assert set(opened) == set(listed) - _closed(listed), "before the key is destroyed"
        ran = new.run(*words[1:], environment=environment, cwd=bare)
        assert ran.code in ((0, 3) if words[1] == "ingest" else (0,)), f"{line}\n{ran.out}\n{ran.err}"
        assert "Traceback" not in ran.err
        said.setdefault(" ".join(words[1:3]), []).append(" ".join(ran.out.split()))
    seconds = time.monotonic() - begun
    record_property("seconds", round(seconds, 1))
    assert seconds < LIMIT
    [tried] = said["vault restore-test"]
    assert "Every committed photo opens." in tried
    assert f"opened {len(listed)} photos" in tried
    size = int((kept / "medsnap-checkpoint").read_text().splitlines()[1])
    assert len(said["audit verify"]) == 2
    assert all(re.search(rf"outside checkpoint [^0-9]*{size}\b", text) for text in said["audit verify"])

    # the log went on: the same tree, longer, signed by the new host, with the change of hosts in it
    vault = ("--vault", new.vault, "--format", "json")
    since = ("--since", kept / "medsnap-checkpoint")
    ran = new.run("audit", "verify", *since, *vault, environment=environment).expect(0)
    assert ran.json["witnessed"] == size < ran.json["size"]
    assert ran.json["signers"][0].split("+")[0].endswith("/ingest-2")
    new.run("vault", "check", *vault, environment=environment).expect(0)
    members = new.run("vault", "member", "ls", *vault, environment=environment).expect(0).json
    assert [(h["host"], h["confirmed"]) for h in members["hosts"]] == [("ingest-2", True)]
    assert members["removed"] == ["ingest-1"]


def _closed(listed: dict[str, dict[str, object]]) -> set[str]:
    return {name for name, photo in listed.items() if photo["compartment"] == "safeguarding"}


def _open_all(
    clinic: Clinic, key: Path, listed: dict[str, dict[str, object]], environment: dict[str, str]
) -> list[str]:
    """List with the key of the general sheets; open three photos and compare them with their records."""
    words = ("--vault", clinic.vault, "--key-file", key)
    ran = clinic.run("vault", "ls", "--format", "json", *words, environment=environment).expect(0)
    found = [p["id"] for p in ran.json["photos"]]
    for name in sorted(found)[:3]:
        to = clinic.root / name
        opened = clinic.run(
            "vault", "open", name, "-o", to, "--format", "json", *words, environment=environment
        ).expect(0)
        assert to.stat().st_size == opened.json["bytes"] == listed[name]["length"]
    return found


def test_a_copy_that_was_forged_is_not_taken_for_the_vault(tmp_path: Path) -> None:
    """Somebody gives back another vault in the place of the copy: the sheets know their root."""
    real, forged = Clinic(tmp_path / "real"), Clinic(tmp_path / "forged")
    for clinic in (real, forged):
        clinic.run(
            "vault", "init", "--no-input", "--recovery-dir", clinic.root / "s", "--suite", "x25519"
        ).expect(0)
    sheets = [real.root / "s" / f"recovery-{n}-of-3.html" for n in (1, 2)]
    flags = [word for sheet in sheets for word in ("--sheet", sheet)]
    for words in (
        ("vault", "restore-test", forged.vault, *flags),
        ("vault", "recovery", "combine", *sheets, "-o", tmp_path / "k", "--vault", forged.vault),
        ("vault", "recovery", "test", *sheets, "--vault", forged.vault),
    ):
        ran = real.run(*words, "--format", "json").expect(77)
        assert json.loads(ran.out.splitlines()[-1])["error"]["message"] == "this sheet is of another vault"
    assert not (tmp_path / "k").exists()
