"""Events in the log: what stands in clear, what only auditors read, what is missing or altered."""

from __future__ import annotations

import hashlib
import json
import random
from pathlib import Path

import pytest

from medsnap.audit import events, store
from medsnap.audit.log import Log
from medsnap.crypto import age
from medsnap.crypto.note import generate
from medsnap.errors import Malformed, Tampered
from medsnap.model.event import Action, AuditEvent
from medsnap.model.photo import Sha256

RANDOM = random.Random(3).randbytes
SIGNER = generate("example.com/ingest", RANDOM)
AUDITOR = age.generate_identity(RANDOM)
AUDITORS = [age.recipient_of(AUDITOR)]
COMMIT = Sha256("ab" * 32)


def event(**changes: object) -> AuditEvent:
    fields: dict[str, object] = {
        "action": Action.OPEN, "at": "2026-03-01T08:00:00Z", "actor": "ingest-1", "objects": ("a" * 26,),
        "details": (("photos", "3"),),
    } | changes  # fmt: skip
    return AuditEvent(**fields)  # type: ignore[arg-type]


def record(log: Log, it: AuditEvent, commit: Sha256 | None = None) -> None:
    store.record(log, it, auditors=AUDITORS, signer=SIGNER, random=RANDOM, commit=commit)


def test_the_leaf_shows_time_and_digests_only() -> None:
    leaf, sealed = events.leaf(event(), AUDITORS, RANDOM, COMMIT)
    assert leaf == json.dumps(
        {"commit": COMMIT, "sealed": hashlib.sha256(sealed).hexdigest(), "t": "2026-03-01T08:00:00Z", "v": 1},
        sort_keys=True, separators=(",", ":"),
    ).encode()  # fmt: skip
    assert events.parse_leaf(leaf, "x") == events.Leaf(
        at="2026-03-01T08:00:00Z", sealed=Sha256(hashlib.sha256(sealed).hexdigest()), commit=COMMIT
    )


def test_the_sealed_event_is_an_age_file_of_json() -> None:
    _, sealed = events.leaf(event(), AUDITORS, RANDOM)
    plain = age.decrypt_bytes(sealed, [AUDITOR])
    assert len(plain) == 1024
    assert json.loads(plain)["action"] == "open"
    assert events.parse_event(plain, "x") == event()


@pytest.mark.parametrize(("objects", "size"), [(0, 1024), (1, 1024), (25, 1024), (60, 2048), (256, 8192)])
def test_sizes_say_little(objects: int, size: int) -> None:
    big = event(objects=tuple("b" * 26 for _ in range(objects)))
    for outcome in ("success", "vault.not-found"):
        _, sealed = events.leaf(event(objects=big.objects, outcome=outcome), AUDITORS, RANDOM)
        assert len(age.decrypt_bytes(sealed, [AUDITOR])) == size


def test_events_come_back_in_order_to_auditors_only(tmp_path: Path) -> None:
    log = Log(tmp_path, "example.com/log")
    all_events = [event(details=(("n", str(n)),)) for n in range(5)]
    for n, it in enumerate(all_events):
        record(log, it, Sha256(f"{n:064x}") if n % 2 else None)
    assert list(store.read_events(log, [AUDITOR])) == all_events
    assert list(store.commits(log)) == [Sha256(f"{n:064x}") for n in (1, 3)]
    assert store.check(log) == 5
    others = list(store.read_events(log, [age.generate_identity(RANDOM)]))
    assert others == list(store.read_events(log, []))
    assert all(isinstance(o, store.Opaque) and o.at == "2026-03-01T08:00:00Z" for o in others)


def test_missing_and_altered_events_are_found_and_shown(tmp_path: Path) -> None:
    log = Log(tmp_path, "example.com/log")
    for n in range(3):
        record(log, event(details=(("n", str(n)),)))
    digests = [leaf.sealed for leaf in store.leaves(log)]
    path = tmp_path / "sealed" / digests[1][:2] / digests[1]
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(Tampered, match="altered") as found:
        store.check(log)
    assert found.value.where.endswith("entry 1") and digests[1] in found.value.where
    shown = list(store.read_events(log, [AUDITOR]))
    assert [isinstance(s, store.Opaque) for s in shown] == [False, True, False]
    path.unlink()
    with pytest.raises(Tampered, match="missing"):
        store.check(log)


def test_an_event_that_could_not_be_logged_is_no_torn_log(tmp_path: Path) -> None:
    log = Log(tmp_path, "example.com/log")
    _, sealed = events.leaf(event(), AUDITORS, RANDOM)
    assert store.put(log, sealed) == store.put(log, sealed)
    assert log.size() == 0 and list(store.read_events(log, [AUDITOR])) == []


@pytest.mark.parametrize(
    "entry",
    [b"", b"{}", b"[1]", b"\xff", b'{"v":2}', b'{"v":1,"t":"x","sealed":"../../etc/passwd","commit":null}',
     b'{"v":1,"t":1,"sealed":"' + b"a" * 64 + b'","commit":null}',
     b'{"v":1,"t":"x","sealed":"' + b"A" * 64 + b'"}',
     b'{"v":1,"t":"x","sealed":"' + b"a" * 64 + b'","commit":"b"}', b"[" * 5000],
)  # fmt: skip
def test_foreign_leaves_are_refused(entry: bytes, tmp_path: Path) -> None:
    with pytest.raises(Malformed):
        events.parse_leaf(entry, "x")
    log = Log(tmp_path, "example.com/log")
    log.append([entry], SIGNER)
    with pytest.raises(Tampered, match=r"entry|log"):
        list(store.commits(log))


@pytest.mark.parametrize("text", [b"", b"{}", b"[]", b'{"action":"dance"}', b"[" * 5000, b"\xff"])
def test_foreign_events_are_refused(text: bytes) -> None:
    with pytest.raises(Malformed):
        events.parse_event(text, "x")
