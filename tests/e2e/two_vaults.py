"""Two vaults that are alike but for photos which some people must not know of, and those people."""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.builders import export, jpeg
from tests.e2e.in_process import run
from tests.helpers import POLICY_FOR_ALL, Ran, digests
from tests.unit.vault.world import photo

GROUPS = ("general", "identifiable", "intimate", "safeguarding")
_FEATURES = (
    "face", "partial_face", "tattoo", "birthmark", "scar", "piercing", "jewellery", "fingerprint", "text",
    "barcode", "document", "other_person",
)  # fmt: skip
_TARGETS = """\
  all:
    as: [fhir-r4, dicom]
    may_carry: [general, identifiable, intimate]
    labels_enforced: {tested: 2026-01-12, by: s.kim}
"""
_OPEN = "\n".join(f"  {f}: accept" for f in _FEATURES)
_HIDES = """\
rules:
  - id: injuries
    when: {reason: injury}
    do: restrict
    to: intimate
    because: Only the seniors may know of these.
break_glass: {open_to: [photo-desk], lasts: 4 hours, tell: [privacy-office]}
"""
POLICY = (
    POLICY_FOR_ALL.replace("  ehr:", f"{_TARGETS}  ehr:")
    .replace("intimate:     {open_to: [photo-desk]}", "intimate:     {open_to: [senior]}")
    .replace("review:", f"features:\n{_OPEN}\n{_HIDES}review:")
)
EVERY_VERB = (
    "receipt", "log", "look", "describe", "decide", "open", "consent", "hold", "expire", "erase", "move"
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """Somebody who runs a command: his key, what the vault's directory gives him, and his machine."""

    name: str
    groups: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()
    auditor: bool = False
    keyless: bool = False
    host: bool = False  # his machine is the ingest host

    def environment(self, stage: Path) -> dict[str, str]:
        """Give what this person's shell has."""
        own = {
            "HOME": str(stage / "home"),
            "LANG": "C.UTF-8",
            "TERM": "dumb",
            "COLUMNS": "200",
            "MEDSNAP_VAULT": str(stage / "vault"),
            "MEDSNAP_STATE": str(stage / ("host" if self.host else "state")),
            "MEDSNAP_CACHE": str(stage / "cache"),
            "MEDSNAP_MODELS": str(stage / "no-models"),
            "MEDSNAP_POLICY": str(stage / "work" / "policy.yaml"),
        }
        return own if self.keyless else own | {"MEDSNAP_KEY_FILE": str(stage / "keys" / f"{self.name}.key")}


_SEEN = GROUPS[:2]
ROLES = (
    Role(name="member", groups=_SEEN, roles=("photo-desk",), verbs=EVERY_VERB),
    Role(name="exporter", groups=_SEEN, roles=("photo-desk",), verbs=("receipt", "log")),
    Role(name="auditor", groups=_SEEN, roles=("photo-desk",), verbs=("log",), auditor=True),
    # holds the hidden group's key, but no role to which the policy opens its photos
    Role(name="without-role", groups=GROUPS, roles=("photo-desk",), verbs=EVERY_VERB[1:]),
    Role(name="operator", keyless=True),
    Role(name="ingest-host", keyless=True, host=True),
)
OWNER = Role(name="owner", host=True)
OFFICER = Role(name="officer", groups=GROUPS, roles=("*",), verbs=EVERY_VERB)


def _put(source: str, target: str) -> None:
    """Link what is never written again, copy the rest; a test looks whether the images stay as they were."""
    place = Path(source)
    if place.parent.name in ("batches", "commits", "sealed") or place.parents[1].name in (
        "objects",
        "sealed",
    ):
        os.link(source, target)
    else:
        shutil.copyfile(source, target)
        shutil.copymode(source, target)


@dataclass(slots=True)
class Pair:
    """Images of both vaults, and the one folder that either is put into before a command runs."""

    root: Path
    ids: dict[str, str] = field(default_factory=dict)
    made: dict[str, dict[str, str]] = field(default_factory=dict)  # digests of each image when it was new

    @property
    def stage(self) -> Path:
        """Where commands see the vault: the same path for both."""
        return self.root / "stage"

    def image(self, which: str) -> Path:
        """Give the folder that holds one of them at rest."""
        return self.root / which

    def put(self, which: str) -> None:
        """Make the stage anew from an image."""
        shutil.rmtree(self.stage, ignore_errors=True)
        shutil.copytree(self.image(which), self.stage, copy_function=_put)

    def run(self, role: Role, words: Sequence[str], seed: str = "") -> Ran:
        """Run a command on the stage as somebody."""
        environment = role.environment(self.stage)
        return run(words, environment=environment, cwd=self.stage / "work", seed=seed or " ".join(words))

    def files(self) -> dict[str, str]:
        """Digest what lies in the working folder, by name."""
        return digests(self.stage / "work")


def _row(name: str, visit: int, reason: str) -> dict[str, str]:
    return {
        "file": name,
        "mrn": f"M{visit:05d}",
        "issuer": "2.999.1.7",
        "birth_date": "1970-01-01",
        "encounter": f"E{visit}",
        "department": "clinic",
        "device": "TAB-1",
        "body_site": "forearm",
        "laterality": "left",
        "view": "regional",
        "reason": reason,
        "operator": "r.lind",
        "captured_at": "2026-03-02T10:15:00",
        "features": "intimate_region=no; other_person=no",
        "consent": "teaching=written",
    }


def _csv(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


# Hidden photos are of the same patients and visits as visible ones, and of a patient of their own.
# One of them lay where everybody could see it, and was sent and held there, before it was moved.
_VISITS = {1: 1, 2: 1, 3: 2, 4: 3, 51: 1, 52: 2, 53: 9, 54: 9, 55: 1}
_VISIBLE, _HIDDEN, _MOVED = (1, 2, 3, 4), (51, 52, 53, 54), 55
_SHOTS = {1: 1, 51: 1, 4: 2, 53: 2, 2: 3, 55: 3}  # three hidden photos are copies of visible ones


def _taken(number: int) -> bytes:
    """A tiny photo of its own, or one large enough that its copy is known again."""
    if number not in _SHOTS:
        return photo(number)
    plain = export.encode(export.picture().rotate(60 * _SHOTS[number]), "JPEG", quality=90)
    return plain[:2] + jpeg.segment(0xFE, b"photo %d" % number) + plain[2:]


def photo_lists(
    work: Path, visits: Mapping[int, int], *, hidden: Container[int] = (), without_site: Container[int] = ()
) -> None:
    """Write the three lists and the policy for photos by number, each with the number of its visit."""
    rows = [
        _row(f"P{n}.jpg", visit, "injury" if n in hidden else "assessment")
        | ({"body_site": "", "laterality": ""} if n in without_site else {})
        for n, visit in visits.items()
    ]
    _csv(work / "manifest.csv", rows)
    _csv(work / "devices.csv", [{"asset": "TAB-1", "class": "managed"}])
    person = {"staff_id": "r.lind", "roles": "clinical-staff", "from": "2000-01-01", "until": "2090-01-01"}
    _csv(work / "people.csv", [person])
    (work / "policy.yaml").write_text(POLICY, encoding="utf-8")


def _lists(work: Path) -> None:
    photo_lists(work, _VISITS, hidden=_HIDDEN)
    (work / "stricter.yaml").write_text(
        POLICY.replace("version: 1", "version: 2").replace("personal: accept", "personal: quarantine"),
        encoding="utf-8",
    )
    consent = {
        "mrn": "M00002",
        "issuer": "2.999.1.7",
        "purpose": "teaching",
        "given": "written",
        "on": "2026-03-01",
    }
    _csv(work / "consent.csv", [consent])
    _csv(work / "taken-back.csv", [consent | {"mrn": f"M0000{n}", "given": "withdrawn"} for n in (1, 3, 9)])
    (work / "new.jpg").write_bytes(photo(90))
    (work / "more").mkdir(exist_ok=True)
    for number in (91, 92):
        (work / "more" / f"N{number}.jpg").write_bytes(photo(number))


class Builder:
    """Builds on the stage, one command after the other; each must end well."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.work = pair.stage / "work"

    def do(self, role: Role, *words: str, seed: str = "") -> Ran:
        return self.pair.run(role, words, seed).expect(0)

    def ingest(self, dump: str, *numbers: int) -> dict[int, str]:
        """Take photos in; give their ids by number. The first one names the randomness."""
        folder = self.pair.stage / dump
        folder.mkdir(exist_ok=True)
        for number in numbers:
            (folder / f"P{number}.jpg").write_bytes(_taken(number))
        lists = ("--manifest", "manifest.csv", "--devices", "devices.csv", "--people", "people.csv")
        ran = self.do(
            OWNER, "ingest", str(folder), *lists, "--no-detect", "--format", "ndjson", seed=str(numbers[0])
        )  # fmt: skip
        records = [json.loads(line) for line in ran.out.splitlines()]
        return {int(r["source"][1:-4]): r["object"] for r in records if r["type"] == "photo"}

    def member(self, role: Role) -> None:
        """Let somebody make his key, and add him."""
        key, lines = f"../keys/{role.name}.key", f"{role.name}.member"
        self.do(OWNER, "vault", "member", "key", role.name, "--key-file", key, "-o", lines)
        given = [w for name in role.groups for w in ("--compartment", name)]
        given += [w for name in role.roles for w in ("--role", name)]
        given += [w for verb in role.verbs for w in ("--verb", verb)]
        given += ["--auditor"] if role.auditor else []
        sheet = ("--root-key-file", "../keys/recovery.key")
        self.do(OWNER, "vault", "member", "add", role.name, "--recipient", lines, *given, *sheet)
        (self.work / lines).unlink()


def build(root: Path) -> Pair:
    """Make both vaults: one without the hidden photos, one with them and with what was done with them."""
    pair = Pair(root)
    make = Builder(pair)
    for name in ("work", "home", "keys", "state"):
        (pair.stage / name).mkdir(parents=True)
    _lists(make.work)
    places = ("--recovery-file", "../keys/recovery.key", "--policy", "policy.yaml")
    make.do(OWNER, "vault", "init", "--suite", "x25519", "--no-input", *places)
    for empty in (pair.stage / "vault" / "objects").iterdir():
        empty.rmdir()  # a thousand empty folders in each copy: they are made anew when needed
    for role in (*ROLES, OFFICER):
        if not role.keyless:
            make.member(role)
    first = make.ingest("dump", 1, 2, 3)
    make.do(ROLES[1], "export", "--as", "fhir", "--target", "ehr", "-o", "../sent", first[1], first[3])
    make.do(ROLES[0], "consent", "import", "consent.csv")
    shutil.rmtree(pair.stage / "cache")
    _lists(make.work)
    shutil.copytree(pair.stage, pair.image("base"))
    seen: dict[str, dict[int, str]] = {}
    for which, hidden in (("without", ()), ("with", _HIDDEN)):
        shutil.rmtree(pair.stage)
        shutil.copytree(pair.image("base"), pair.stage)
        found: dict[int, str] = {}
        if hidden:
            found |= make.ingest("dump", *hidden[:2], hidden[-1], _MOVED)  # a commit of their own
            pair.ids["hold"] = _live(make, found[hidden[0]], found[hidden[-1]])
            pair.ids["moved"] = _move(make, found[_MOVED])
        found |= make.ingest("tonight", 4, *hidden[2:-1])  # and among others
        seen[which] = first | found
        shutil.rmtree(pair.stage / "cache", ignore_errors=True)
        for dump in ("dump", "tonight"):  # what lies at the source is no secret of the vault
            shutil.rmtree(pair.stage / dump)
        shutil.copytree(pair.stage, pair.image(which))
        pair.made[which] = digests(pair.image(which))
    assert {n: seen["with"][n] for n in _VISIBLE} == {n: seen["without"][n] for n in _VISIBLE}
    pair.ids |= {f"p{n}": made for n, made in seen["with"].items()}
    return pair


def _move(make: Builder, name: str) -> str:
    """Send and hold a photo where people see it, and move it out of their sight; gives its new id."""
    make.do(ROLES[1], "export", name, "--as", "fhir", "--target", "ehr", "-o", "../sent")
    make.do(OFFICER, "vault", "legal-hold", "add", name, "--reason", "court")
    words = ("--to", "intimate", "--reason", "a scar", "--policy", "policy.yaml", "--format", "json")
    moved = make.do(OFFICER, "vault", "move", name, *words).json
    shutil.rmtree(make.pair.stage / "sent")
    return str(moved["photos"][0]["now"])


def _live(make: Builder, hidden: str, erased: str) -> str:
    """Somebody who may: opens, sends and holds a hidden photo, and erases another; gives the hold."""
    make.do(OWNER, "vault", "open", hidden, "-o", "../opened.jpg")
    make.do(OWNER, "export", hidden, "--as", "dicom", "--target", "all", "-o", "../sent")
    held = make.do(
        OFFICER, "vault", "legal-hold", "add", hidden, "--reason", "court", "--format", "json"
    ).json
    make.do(OFFICER, "vault", "erase", erased, "--reason", "asked")
    for left in ("opened.jpg", "sent"):
        place = make.pair.stage / left
        place.unlink() if place.is_file() else shutil.rmtree(place)
    return str(held["holds"][0]["hold"])
