"""The night's script and units of OPERATIONS, as they are printed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.builders import export as make
from tests.helpers import POLICIES, ROOT, Clinic

LISTS = {
    "today.csv": "file,mrn,issuer,birth_date\nT-1/MEIER.JPG,4711,2.999.1,1960-02-17\n",
    "devices.csv": "asset,class\nT-1,managed\n",
    "people.csv": "staff_id,roles,from,until\nr.lind,clinician,2024-06-07,\n",
}
pytestmark = pytest.mark.skipif(shutil.which("sh") is None, reason="the lines are for a shell")


def _blocks(kind: str) -> list[str]:
    text = (ROOT / "docs" / "OPERATIONS.md").read_text(encoding="utf-8")
    [part] = re.findall(r"<!-- night:.*?-->\n(.*?)<!-- /night -->", text, flags=re.DOTALL)
    return re.findall(rf"```{kind}\n(.*?)```", part, flags=re.DOTALL)


@pytest.fixture
def clinic(tmp_path: Path) -> Clinic:
    made = Clinic(tmp_path / "clinic")
    now = datetime.now(UTC).date()
    span = f"in_force: {{from: {now - timedelta(days=30)}, until: {now + timedelta(days=300)}}}"
    text = (POLICIES / "hospital.yaml").read_text(encoding="utf-8")
    (tmp_path / "policy.yaml").write_text(re.sub(r"(?m)^in_force: .*$", span, text), encoding="utf-8")
    (tmp_path / "landing" / "T-1").mkdir(parents=True)
    (tmp_path / "landing" / "T-1" / "MEIER.JPG").write_bytes(make.jpeg())
    (tmp_path / "lists").mkdir()
    for name, text in LISTS.items():
        (tmp_path / "lists" / name).write_text(text, encoding="utf-8")
    words = ("--no-input", "--recovery-file", made.recovery, "--policy", tmp_path / "policy.yaml")
    made.run("vault", "init", *words).expect(0)
    for name in ("out", "reports", "other-host"):
        (tmp_path / name).mkdir()
    return made


def _night(clinic: Clinic) -> tuple[int, str, str]:
    root = clinic.root.parent
    script = _blocks("sh")[0]
    places = {
        "/srv/vault": clinic.vault, "/srv/landing": root / "landing", "/srv/out/ehr": root / "out",
        "/etc/medsnap/hospital.yaml": root / "policy.yaml", "/srv/lists/today.csv": root / "lists/today.csv",
        "/srv/lists": root / "lists", "/mnt/second-disk/vault": root / "second",
        "/mnt/other-host": root / "other-host", "/var/log/medsnap": root / "reports",
    }  # fmt: skip
    for name, place in places.items():
        assert name in script, name
        script = script.replace(name, str(place))
    environment = {k: v for k, v in clinic.host_environment.items() if k != "MEDSNAP_VAULT"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}"
    ran = subprocess.run(
        ["sh", "-c", script], capture_output=True, text=True, env=environment, cwd=root, check=False
    )
    return ran.returncode, ran.stdout, ran.stderr


def test_the_night_s_script_runs_and_leaves_a_report_a_copy_and_a_witness(clinic: Clinic) -> None:
    root = clinic.root.parent
    code, out, err = _night(clinic)
    assert code in (0, 3), err
    report = [json.loads(line) for line in (root / "reports" / "last.ndjson").read_text().splitlines()]
    assert report[-1]["type"] == "summary" and report[-1]["at"][:4] == str(datetime.now(UTC).year)
    assert report[-1]["policy"]["in_force"] is True
    assert {"waits", "left", "failed", "held"} <= set(report[-1])
    [witness] = (root / "other-host").iterdir()
    clinic.run("audit", "verify", "--vault", root / "second", "--since", witness).expect(0)
    names = {Path(str(r["source"])).name for r in report if r["type"] == "photo"}
    assert names and not any(name in err for name in names), "standard error goes into a journal"
    policy = root / "policy.yaml"
    over = re.sub(
        r"(?m)^in_force: .*$", "in_force: {from: 2020-01-01, until: 2020-02-01}", policy.read_text()
    )
    policy.write_text(over, encoding="utf-8")
    assert _night(clinic)[0] == 78, "nothing leaves any more: not one more quiet night"
    last = (root / "reports" / "last.ndjson").read_text().splitlines()[-1]
    assert json.loads(last)["policy"]["in_force"] is False
    shutil.rmtree(clinic.vault)
    code, out, err = _night(clinic)
    assert code == 66 and "no medsnap vault here" in out + err


def test_the_units_are_what_systemd_reads(tool: Callable[[str], str], tmp_path: Path) -> None:
    program = tool("systemd-analyze")
    files = []
    for text in _blocks("ini"):
        name = re.findall(r"# /etc/systemd/system/(\S+)", text)[0]
        path = tmp_path / name
        path.write_text(text.replace("/usr/local/sbin/medsnap-night", "/bin/true"))
        files.append(str(path))
    assert len(files) == 2
    ran = subprocess.run([program, "verify", *files], capture_output=True, text=True, check=False)
    assert ran.returncode == 0 and str(tmp_path) not in ran.stderr, ran.stderr
