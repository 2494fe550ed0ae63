"""A stolen ingest host signs what it likes: every other photo stays to be seen, and the fault is named.

The signatures verify, so nothing but the readers stands between such bytes and all members.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from dataclasses import replace

import pytest

from medsnap.crypto.age import encrypt_bytes
from medsnap.crypto.note import Signer, sign_note
from medsnap.errors import KeyRefused, Tampered
from medsnap.model.codec import canonical
from medsnap.vault import batches, check, check_open, commits, confirmed
from medsnap.vault.catalogue import Catalogue
from medsnap.vault.commits import BatchRef, Commit, sha256_of
from medsnap.vault.files import write_new
from medsnap.vault.ids import random_id

from .conftest import COMPARTMENTS, Kit

Body = Callable[[Kit, str], bytes]  # a batch of "general" in a commit


def sign(kit: Kit, commit: Commit | dict[str, object], *, head: str = "medsnap commit") -> str:
    """Sign anything as a commit and let the log name it; returns the commit's name."""
    text = canonical(commit).decode()
    note = sign_note(f"{head}\n{text}\n", [Signer.parse_private(kit.new.ingest_key)])
    name = str(json.loads(text).get("commit"))
    write_new(kit.vault / "commits" / name, note)
    kit.log.append(sha256_of(note))
    return name


def commit_of(kit: Kit, general: Body) -> str:
    """Sign a commit whose batches are whole but that of `general`."""
    name = random_id(os.urandom)
    refs = []
    for key in kit.directory.compartments:
        data = (
            general(kit, name)
            if key.name == "general"
            else batches.seal(
                batches.text([batches.head(kit.directory.vault, name, key.name)]),
                4096,
                key.recipient,
                random=os.urandom,
            )
        )
        ref = BatchRef(batch=random_id(os.urandom), sha256=sha256_of(data))
        write_new(kit.vault / "batches" / ref.batch, data)
        refs.append(ref)
    return sign(
        kit, Commit(commit=name, vault=kit.directory.vault, directory=1, objects=(), batches=tuple(refs))
    )


def sealed(*lines: bytes, head: Callable[[bytes], bytes] = lambda line: line) -> Body:
    def made(kit: Kit, name: str) -> bytes:
        first = head(batches.head(kit.directory.vault, name, "general"))
        body = batches.text([first, *lines])
        return batches.seal(body, 1 << 13, kit.directory.compartment("general").recipient, random=os.urandom)

    return made


def inner(data: Callable[[Kit], bytes]) -> Body:
    """A line that was sealed before a crash, of these bytes."""

    def made(kit: Kit, name: str) -> bytes:
        line = canonical({"event": "sealed", "age": base64.b64encode(data(kit)).decode()})
        return sealed(line)(kit, name)

    return made


def to_general(kit: Kit, text: bytes) -> bytes:
    return encrypt_bytes(text, [kit.directory.compartment("general").recipient], random=os.urandom)


def foreign(kit: Kit) -> bytes:
    return encrypt_bytes(b"{}", [kit.directory.compartment("intimate").recipient], random=os.urandom)


def headed(**changes: object) -> Callable[[bytes], bytes]:
    return lambda line: canonical({**json.loads(line), **changes})


BATCHES: list[tuple[str, Body, str]] = [
    ("no age file", lambda kit, name: b"rubbish", "missing or broken"),
    ("nothing", lambda kit, name: b"", "missing or broken"),
    ("another version of age", lambda kit, name: b"age-encryption.org/v9\n", "missing or broken"),
    ("a header without end", lambda kit, name: b"age-encryption.org/v1\n-> a " + b"a" * (5 << 20), "broken"),
    ("an age file that is cut off", lambda kit, name: sealed()(kit, name)[:-1], "missing or broken"),
    ("a line that is no JSON", sealed(b"{"), "is no JSON"),
    ("JSON without end", sealed(b"[" * 6000), "is no JSON"),
    ("a line that is no object", sealed(b"[]"), "is no object"),
    ("another format", sealed(head=headed(format=2)), "another format"),
    ("another vault's", sealed(head=headed(vault="x")), "belongs elsewhere"),
    ("another compartment's", sealed(head=headed(compartment="intimate")), "belongs elsewhere"),
    ("no head", sealed(head=lambda line: b"{}"), "another format"),
    ("a sealed line that is no base64", sealed(b'{"age":"*","event":"sealed"}'), "does not open"),
    ("a sealed line without age", sealed(b'{"event":"sealed"}'), "does not open"),
    ("a sealed line that is no age file", inner(lambda kit: b"rubbish"), "does not open"),
    ("a sealed line for another key", inner(foreign), "does not open"),
    ("a sealed line that is no JSON", inner(lambda kit: to_general(kit, b"{\n")), "is no JSON"),
]


@pytest.mark.parametrize(("general", "said"), [b[1:] for b in BATCHES], ids=[b[0] for b in BATCHES])
def test_a_batch_that_cannot_be_read_hides_no_other_photo(
    kit: Kit, photos: list[bytes], general: Body, said: str
) -> None:
    (row,) = kit.ingest([(photos[0], "general")])
    commit_of(kit, general)
    catalogue = Catalogue(None, random=os.urandom)
    reader = kit.reader()
    catalogue.refresh(reader)
    assert [r.seal.object for r in catalogue.photos()] == [row.seal.object]
    assert any(said in p.what for p in reader.problems), reader.problems
    assert any("cannot be listed" in p.what for p in reader.problems)
    assert reader.incomplete
    nurse = kit.reader(kit.member("nurse", "intimate"))
    assert list(nurse.rows()) == [] and nurse.problems == [], "whom it does not concern hears nothing"


ROWS: list[tuple[str, bytes, str]] = [
    ("an unknown event", b'{"event":"later"}', "does not know"),
    ("an event of another kind", b'{"event":7}', "does not know"),
    ("no event", b"{}", "does not know"),
    ("an opening", b'{"event":"photo.open"}', "may not 'open'"),
    ("a row without a seal", b'{"event":"photo.add"}', "does not fit"),
    ("a row with a list for a seal", b'{"event":"photo.add","seal":[]}', "does not fit"),
    ("two heads", b'{"event":"batch"}', "does not know"),
]


@pytest.mark.parametrize(("line", "said"), [r[1:] for r in ROWS], ids=[r[0] for r in ROWS])
def test_a_row_that_nobody_may_write_is_passed_over(
    kit: Kit, photos: list[bytes], line: bytes, said: str
) -> None:
    (row,) = kit.ingest([(photos[0], "general")])
    commit_of(kit, sealed(line))
    reader = kit.reader()
    assert [e["seal"]["object"] for _, e in reader.rows()] == [row.seal.object]
    assert [p.what for p in reader.problems if said in p.what]
    found = check_open.open_all(kit.reader())
    assert (found.photos, found.failed) == (1, [])
    assert [p for p in found.problems if said in p.what]


def test_a_sealed_line_is_opened_one_level_deep(kit: Kit, photos: list[bytes]) -> None:
    """A line in a line in a line would make the reader work without end; a head within moves nothing."""
    (row,) = kit.ingest([(photos[0], "general")])
    again = canonical({"event": "sealed", "age": base64.b64encode(b"x").decode()})
    head = batches.head(kit.directory.vault, "a" * 26, "general")
    commit_of(kit, inner(lambda k: to_general(k, batches.text([again, head, b'{"event":"later"}']))))
    reader = kit.reader()
    assert [e["seal"]["object"] for _, e in reader.rows()] == [row.seal.object]
    assert [p.what for p in reader.problems] == [
        "holds an event that this medsnap does not know; it was passed over"
    ]


def fields(kit: Kit) -> dict[str, object]:
    return {
        "commit": random_id(os.urandom),
        "vault": kit.directory.vault,
        "directory": 1,
        "objects": [],
        "batches": [],
        "format": 1,
    }


COMMITS: list[tuple[str, dict[str, object], type[Exception], str]] = [
    ("a newer format", {"format": 2}, KeyRefused, "newer format"),
    ("another vault", {"vault": "x"}, Tampered, "another name or vault"),
    ("a field missing", {"batches": None}, Tampered, "cannot be read"),
    ("a path for a batch", {"batches": [{"batch": "../../x", "sha256": "0" * 64}]}, Tampered, "no id"),
    (
        "a path for an object",
        {"objects": [{"object": "../x", "payload": "0" * 64, "header": "0" * 64}]},
        Tampered,
        "no id",
    ),
]


@pytest.mark.parametrize(("changes", "error", "said"), [c[1:] for c in COMMITS], ids=[c[0] for c in COMMITS])
def test_a_commit_that_cannot_be_read_is_named_by_all(
    kit: Kit, photos: list[bytes], changes: dict[str, object], error: type[Exception], said: str
) -> None:
    (row,) = kit.ingest([(photos[0], "general")])
    name = sign(kit, fields(kit) | changes)
    with pytest.raises(error, match=said):
        commits.read(kit.vault, name, kit.directory)
    reader = kit.reader()
    assert [e["seal"]["object"] for _, e in reader.rows()] == [row.seal.object]
    assert any(said in p.what for p in reader.problems) and reader.incomplete


def test_a_signed_text_that_is_no_commit_is_refused(kit: Kit) -> None:
    name = sign(kit, fields(kit), head="medsnap erasure")
    with pytest.raises(Tampered, match="cannot be read"):
        commits.read(kit.vault, name, kit.directory)


def test_what_does_not_verify_confirms_nothing(kit: Kit, photos: list[bytes]) -> None:
    """Who may not be believed must not say either that a host knows the newest directory."""
    (host,) = confirmed.confirmations(kit.vault, kit.directory)
    assert (host.seen, host.done) == (None, False)
    kit.ingest([(photos[0], "general")])
    (host,) = confirmed.confirmations(kit.vault, kit.directory)
    assert (host.seen, host.wanted, host.done) == (1, 1, True)
    newer = replace(kit.directory, version=5)
    sign(kit, fields(kit) | {"vault": "x", "directory": 5})
    (kit.vault / "commits" / "not-an-id").write_bytes(b"")
    (host,) = confirmed.confirmations(kit.vault, newer)
    assert (host.seen, host.done) == (1, False)


def test_a_check_names_each_of_them(kit: Kit, photos: list[bytes]) -> None:
    kit.ingest([(photos[0], "general")])
    good = check.check(kit.vault, root_vkey=kit.directory.root, logged=set(kit.log))
    assert good.problems == []
    name = sign(kit, fields(kit) | {"format": 2})
    report = check.check(kit.vault, root_vkey=kit.directory.root, logged=set(kit.log))
    assert any(name in p.where and "newer format" in p.what for p in report.problems)
    assert len(COMPARTMENTS) == len(kit.directory.compartments)
