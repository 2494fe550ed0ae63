"""A clinic in a folder: its vault, its keys, its ingest host, and medsnap as a child process."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from medsnap.commands._shared import Io
from medsnap.formats.sniff import sniff
from medsnap.intake import camera

ROOT = Path(__file__).resolve().parent.parent
POLICIES = ROOT / "policies"
MEDSNAP = (sys.executable, "-m", "medsnap")
POLICY_FOR_ALL = """\
medsnap: 1
policy: all-that-can-be-read
version: 1
title: Everything that can be read may leave
in_force: {from: 2026-01-01, until: 2099-12-31}
governance:
  body: Board
  seats: {clinical: [a.osei], it: [j.roy], ehr: [s.kim], executive: [p.wahl]}
compartments:
  general:      {open_to: [clinic-staff]}
  identifiable: {open_to: [photo-desk]}
  intimate:     {open_to: [photo-desk]}
  safeguarding: {open_to: [safeguarding-lead]}
departments: {clinic: [a.osei]}
devices: {managed: accept, personal: accept, unknown: accept}
sources:
  messaging_app: accept
  cloud_copy: accept
  screenshot: accept
  edited: accept
  no_camera_data: accept
review: {by: [photo-desk], within: 2 days}
exports:
  ehr:  {as: fhir-r4, may_carry: [general, identifiable]}
  pacs: {as: dicom, may_carry: [general, identifiable], unlooked: send}
"""


@dataclass(frozen=True, slots=True)
class Ran:
    """What a child process said and how it ended."""

    command: str
    code: int
    out: str
    err: str

    def expect(self, code: int) -> Ran:
        """Fail with everything that was said when the exit code is another."""
        told = f"$ {self.command}\nexit {self.code}, expected {code}\n{self.out[-3000:]}\n{self.err[-3000:]}"
        assert self.code == code, told
        assert "Traceback" not in self.err, told
        return self

    @property
    def json(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The NDJSON records on stdout."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def photos(self) -> list[dict[str, Any]]:
        """The records without the summary."""
        return [line for line in self.lines if line["type"] == "photo"]

    @property
    def summary(self) -> dict[str, Any]:
        """The last record, which holds the counts."""
        last = self.lines[-1]
        assert last["type"] == "summary"
        return last


@dataclass(slots=True)
class Clinic:
    """Everything of one vault below one folder; each command runs with this clinic's settings only."""

    root: Path
    more: dict[str, str] = field(default_factory=dict)  # further environment

    def __post_init__(self) -> None:
        self.root.mkdir(exist_ok=True, parents=True)
        (self.root / "home").mkdir(exist_ok=True)

    @property
    def vault(self) -> Path:
        """The vault's folder."""
        return self.root / "vault"

    @property
    def key(self) -> Path:
        """The owner's key file."""
        return self.root / "keys" / "owner.key"

    @property
    def recovery(self) -> Path:
        """The recovery sheet."""
        return self.root / "keys" / "recovery.key"

    @property
    def state(self) -> Path:
        """The ingest host's folder of all vaults."""
        return self.root / "host"

    @property
    def host(self) -> Path:
        """The ingest host's folder of this vault."""
        [folder] = self.state.iterdir()
        return folder

    @property
    def host_environment(self) -> dict[str, str]:
        """What the ingest host has: no key file, no home of anybody."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.root / "home"),
            "LANG": "C.UTF-8",
            "MEDSNAP_STATE": str(self.state),
            "MEDSNAP_CACHE": str(self.root / "cache"),
            "MEDSNAP_VAULT": str(self.vault),
            "MEDSNAP_MODELS": str(self.root / "no-models"),
            **self.more,
        }

    @property
    def environment(self) -> dict[str, str]:
        """What the owner has: the same and the key file."""
        return {**self.host_environment, "MEDSNAP_KEY_FILE": str(self.key)}

    def init(self, *arguments: str) -> Clinic:
        """Make the vault."""
        self.run("vault", "init", "--no-input", "--recovery-file", self.recovery, *arguments).expect(0)
        return self

    def run(
        self,
        *arguments: str | Path,
        timeout: float = 300,
        environment: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stdin: int = subprocess.DEVNULL,
        wrapper: Sequence[str] = (),
        **more: Any,
    ) -> Ran:
        """Run medsnap to its end; `wrapper` is a program that starts it, with its options."""
        words = [str(a) for a in arguments]
        ended = subprocess.run(
            [*wrapper, *MEDSNAP, *words],
            env=dict(self.environment if environment is None else environment),
            stdin=stdin,
            capture_output=True,
            timeout=timeout,
            check=False,
            cwd=cwd or self.root,
            **more,
        )
        out, err = (stream.decode("utf-8", "strict") for stream in (ended.stdout, ended.stderr))
        return Ran("medsnap " + " ".join(words), ended.returncode, out, err)

    def start(
        self, *arguments: str | Path, environment: Mapping[str, str] | None = None, **more: Any
    ) -> subprocess.Popen[bytes]:
        """Start medsnap in a process group of its own; who calls ends it."""
        streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
        return subprocess.Popen(
            [*MEDSNAP, *map(str, arguments)],
            env=dict(self.environment if environment is None else environment),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            cwd=self.root,
            **streams,
        )

    def ingest(self, *arguments: str | Path, policy: str | Path = "hospital", **more: Any) -> Ran:
        """Take photos in without detectors, as NDJSON."""
        return self.run(
            "ingest", *arguments, "--policy", str(policy), "--no-detect", "--format", "ndjson", **more
        )

    def listed(self) -> list[dict[str, Any]]:
        """Give `vault ls` as the owner."""
        photos = self.run("vault", "ls", "--format", "json").expect(0).json["photos"]
        assert isinstance(photos, list)
        return photos

    def objects(self) -> set[str]:
        """Name the objects that lie in the vault."""
        return {p.name for p in (self.vault / "objects").rglob("*") if p.is_file()}


def stop_clock(patch: pytest.MonkeyPatch, now: datetime) -> None:
    """Let every command that runs in this process believe that it is `now`."""
    patch.setitem(Io.__init__.__kwdefaults__ or {}, "clock", lambda: now)


def without_ids(photos: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Drop what two runs may not share: ids, times of sealing, and which of several alike came first."""
    return [{k: v for k, v in photo.items() if k not in ("id", "at", "repeat")} for photo in photos]


def mere_mortal() -> tuple[str, ...]:
    """Give the wrapper under which the modes of files hold for root too; skips where there is none."""
    if not hasattr(os, "geteuid"):
        pytest.skip("needs POSIX modes")
    if os.geteuid() != 0:
        return ()
    program = shutil.which("setpriv")
    if program is None:
        pytest.skip("root may do everything here, and there is no setpriv to give that up")
    return program, "--bounding-set=-dac_override,-dac_read_search"


def digests(folder: Path) -> dict[str, str]:
    """Hash every file below a folder, by relative name."""
    files = (p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): sha256(p) for p in files}


def sha256(path: Path) -> str:
    """Hash a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def manifest_rows(corpus: Path) -> list[dict[str, str]]:
    """Read the corpus' own list of photos."""
    with (corpus / "photos" / "MANIFEST.csv").open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def write_csv(path: Path, rows: Sequence[Mapping[str, str]]) -> Path:
    """Write a side file."""
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def clinic_lists(folder: Path, photos: Iterable[Path]) -> dict[str, Path]:
    """Write manifest, devices, people and a lenient policy under which each of these photos may leave."""
    rows = [
        {
            "sha256": sha256(photo),
            "mrn": f"M{number:05d}",
            "issuer": "2.999.1.7",
            "birth_date": "1970-01-01",
            "encounter": f"E{number}",
            "department": "clinic",
            "device": "TAB-1",
            "body_site": "forearm",
            "laterality": "left",
            "view": "regional",
            "reason": "assessment",
            "operator": "r.lind",
            "features": "intimate_region=no; other_person=no",
            "captured_at": "" if _has_day(photo) else "2026-03-02T10:15:00",
        }
        for number, photo in enumerate(sorted(photos))
    ]
    device = {"asset": "TAB-1", "class": "managed"}  # no make: photos of many cameras contradict none
    person = {"staff_id": "r.lind", "roles": "clinical-staff", "from": "2000-01-01", "until": "2090-01-01"}
    policy = folder / "all.yaml"
    policy.write_text(POLICY_FOR_ALL, encoding="utf-8")
    return {
        "manifest": write_csv(folder / "manifest.csv", rows),
        "devices": write_csv(folder / "devices.csv", [device]),
        "people": write_csv(folder / "people.csv", [person]),
        "policy": policy,
    }


def _has_day(photo: Path) -> bool:
    """Say whether the camera wrote a time; a list that gives another one would contradict it."""
    data = photo.read_bytes()
    return bool(camera.facts(data, sniff(data)).captured_at)


def options(lists: Mapping[str, Path]) -> list[str]:
    """Spell the lists as options."""
    return [word for name, path in lists.items() if name != "policy" for word in (f"--{name}", str(path))]
