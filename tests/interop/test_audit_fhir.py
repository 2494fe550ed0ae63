"""Two FHIR validators that others wrote judge the AuditEvents, of every kind of event that there is."""

from __future__ import annotations

import copy
import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from medsnap.audit import fhir
from medsnap.audit.events import Leaf
from medsnap.model.event import Action, AuditEvent
from medsnap.model.photo import Sha256
from tests.conftest import absent

pytestmark = pytest.mark.interop
PLACE = fhir.Place(origin=f"medsnap/{'v' * 26}", vault="v" * 26)
_JUDGE = """
import json, sys
sys.path.insert(0, sys.argv[1])
import check_fhir
told = {}
for name, text in json.load(sys.stdin).items():
    told[name] = [check_fhir.by_fhirkit(text), check_fhir.by_pyrofile(text)]
print(json.dumps(told))
"""


def judged(checkers: Path, texts: dict[str, str]) -> dict[str, list[list[str]]]:
    ran = subprocess.run(
        [sys.executable, "-c", _JUDGE, str(checkers)], input=json.dumps(texts), capture_output=True,
        text=True, timeout=120, check=False,
    )  # fmt: skip
    if ran.returncode == 2:
        absent(f"one of the validators ({ran.stdout.strip()})", "MEDSNAP_REQUIRE_TOOLS")
    assert ran.returncode == 0, ran.stderr
    told: dict[str, list[list[str]]] = json.loads(ran.stdout.splitlines()[-1])
    return told


def resource(action: Action, **changes: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "action": action, "at": "2026-03-01T08:00:00+00:00", "actor": f"{'v' * 26}/ingest-1",
        "objects": ("a" * 26, "b" * 26), "details": (("photos", "3"), ("member", "m.lee"), ("can", "x")),
        "software": "medsnap 0.1.0",
    } | changes  # fmt: skip
    digest = hashlib.sha256(str(action).encode()).hexdigest()
    leaf = Leaf(at=fields["at"], sealed=Sha256(digest), commit=Sha256("c0" * 32))
    return fhir.audit_event(7, leaf, AuditEvent(**fields), PLACE)


def test_every_kind_of_event_has_its_code() -> None:
    assert set(fhir.KINDS) == set(Action)


def test_validators_accept_every_kind_of_event(checkers: Path) -> None:
    made = {str(action): json.dumps(resource(action)) for action in Action}
    made["refused"] = json.dumps(resource(Action.OPEN_REFUSED, outcome="vault.not-found"))
    made["bare"] = json.dumps(resource(Action.VERIFY, objects=(), details=(), software=""))
    made["released"] = json.dumps(resource(Action.HOLD, details=(("step", "release"),)))
    made["bundle"] = json.dumps(fhir.bundle([resource(Action.OPEN), resource(Action.EXPORT)]))
    assert judged(checkers, made) == {name: [[], []] for name in made}


def test_the_validators_bite(checkers: Path) -> None:
    good = resource(Action.OPEN)
    spoiled: dict[str, dict[str, Any]] = {
        n: copy.deepcopy(good) for n in ("recorded", "agent", "time", "source")
    }
    del spoiled["recorded"]["recorded"]
    del spoiled["source"]["source"]
    spoiled["agent"]["agent"] = []
    spoiled["time"]["recorded"] = "yesterday"
    told = judged(checkers, {name: json.dumps(value) for name, value in spoiled.items()})
    assert [name for name, (one, other) in told.items() if not one and not other] == []


def test_an_event_says_no_more_than_it_has() -> None:
    made = json.dumps(resource(Action.DIRECTORY))
    assert '"can"' not in made and "110136" in made
    assert resource(Action.OPEN)["outcome"] == "0" and "outcomeDesc" not in resource(Action.OPEN)
    refused = resource(Action.OPEN, outcome="integrity")
    assert (refused["outcome"], refused["outcomeDesc"]) == ("4", "integrity")
    assert resource(Action.OPEN)["id"] == hashlib.sha256(b"open").hexdigest()
