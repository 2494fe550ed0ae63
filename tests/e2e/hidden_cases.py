"""What is typed of each command, for two vaults alike but for photos which the caller must not know of.

`{p1}` … `{p4}` are ids of photos that members may know of, `{p51}` … `{p53}` those of hidden ones, `{no}` is
the id of nothing. A command of the tree that is missing here fails the test.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

_HEX = re.compile(r"\b[0-9a-f]{64}\b")
_NUMBER = re.compile(r"\d+(\.\d+)?")
_SPACES = re.compile(r"[ ─]+")
_CODED = re.compile(r"[A-Za-z0-9+/]{43,}={0,2}")


def as_written(text: str) -> str:
    """Compare byte for byte."""
    return text


def counts(text: str) -> str:
    """Compare all but numbers, digests, signatures and the width of columns."""
    return _SPACES.sub(" ", _NUMBER.sub("#", _CODED.sub("<coded>", _HEX.sub("<digest>", text))))


def entries(text: str) -> str:
    """Compare all but numbers and how many rows there are: one line of each kind stands for all."""
    return "\n".join(dict.fromkeys(_ids(counts(text)).splitlines()))


def _ids(text: str) -> str:
    return re.sub(r"\b[a-z2-7#]{26}\b", "<id>", text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One line to type.

    `works` names somebody for whom it ends with `code`: a case that everybody is refused would compare
    refusals only. `sees` is why texts may differ at all, and `settle` what then stays equal; for roles in
    `told` nothing of the texts need be. `copies`: what it writes is the storage once more.
    """

    words: str
    works: str = "member"
    code: int = 0
    sees: str = ""
    settle: Callable[[str], str] = as_written
    told: tuple[str, ...] = ()
    copies: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NoVault:
    """A command that is not run because it takes no vault at all: the test looks at its options."""

    because: str


STORAGE = "amendments 3 and 8: who reads the storage sees counts, sizes and times of commits"
LOG = "amendment 9: the log's length and root are for everybody; its events are for auditors"


def _same(*lines: str, works: str = "member", code: int = 0) -> tuple[Case, ...]:
    return tuple(Case(words=line, works=works, code=code) for line in lines)


def _sees(
    why: str,
    settle: Callable[[str], str],
    *lines: str,
    works: str = "member",
    told: str = "",
    copies: bool = False,
    code: int = 0,
) -> tuple[Case, ...]:
    names = tuple(told.split())
    return tuple(
        Case(words=line, works=works, code=code, sees=why, settle=settle, told=names, copies=copies)
        for line in lines
    )


_SEARCHES = (
    "", "--format json", "--format ndjson", "--state done --verb restrict", "--compartment intimate",
    "--mrn M00001", "--mrn M00009", "--encounter E9", "--department clinic --device TAB-1 --format json",
    "--body-site forearm --since 2026-01-01", "--text assessment", "--limit 4 --format json",
    "--repeats", "--repeats --format json", "--waiting", "--waiting --format ndjson",
    "--feature face --match matched --until 2026-12-31 -v",
)  # fmt: skip
_GLASS = "--reason unconscious --custodian-key ../keys/exporter.key -o glass --policy policy.yaml"
_EVERYBODY = "member exporter auditor without-role operator ingest-host"
_LISTS = "--manifest manifest.csv --devices devices.csv --people people.csv --no-detect"

CASES: dict[str, tuple[Case, ...] | NoVault] = {
    "demo": NoVault(because="makes a vault of its own"),
    "scan": _same("new.jpg", "new.jpg --format json -v", code=1),
    "scrub": _same("new.jpg -o clean --format json"),
    "classify": _same("new.jpg --format ndjson", code=1),
    "ingest": (
        *_same(f"new.jpg {_LISTS} --format ndjson", works="ingest-host"),
        *_same(f"new.jpg {_LISTS} -n"),
        # hidden photos of an earlier dump: their sources are gone, and with them what the host knew (4)
        *_same(f"more {_LISTS} -v --report report.ndjson", works="ingest-host"),
    ),
    "export": (
        *_same("--as fhir -o out", "all --as dicom -o out --format json", "--as fhir -o out --target ehr -n"),
        *_same("--as dicom -o out --target all --format ndjson", "{p1} {p4} --as fhir -o out"),
        *_same("{p1} {p4} --as fhir -o out --distinct", "{p1} --as dicom -o out --target all --format json"),
        *_same("{p51} --as fhir -o out", "{no} --as fhir -o out", "{p1} {p53} --as dicom -o out", code=66),
        *_same("{p55} --as fhir -o out", "{moved} --as dicom -o out", code=66),
    ),
    "vault init": _same("--vault another --suite x25519 --no-input --key-file a.key --recovery-file r.key"),
    "vault ls": _same(*_SEARCHES),
    "vault show": (
        *_same("{p1}", "{p1} --format json", "{p4}", "{p1:.8}"),
        *_same("{p51}", "{p53} --format json", "{no}", "{p55}", "{moved} --format json", code=66),
        *_same("{p51:.8}", "{moved:.6}", code=66),
    ),
    "vault open": (
        *_same("{p1} -o out.jpg", "{p4} -o out.jpg --format json"),
        *_same("{p51} -o out.jpg", "{p52} -o out.jpg --format json", "{no} -o out.jpg", code=66),
        *_same("{p55} -o out.jpg", "{moved} -o out.jpg", code=66),
    ),
    "vault check": (
        *_sees(STORAGE, counts, "", "--format json", works="operator"),
        *_sees(STORAGE, counts, "--open", "--open --format json", "--repair -n", "--sample 50% --seed s"),
    ),
    "vault copy": _sees(STORAGE, counts, "copy", "copy --format json", works="operator", copies=True),
    "vault restore-test": _sees(
        STORAGE, counts, "../vault --recovery-file ../keys/member.key",
        "../vault --recovery-file ../keys/member.key --format json", code=3,
    ),
    "vault reindex": _same("", "--format json"),
    "vault trust": (
        *_same("", "--format json", works="operator"),
        *_same("--restored --format json", works="operator", code=2),
        *_same("0000 --restored", works="operator", code=77),
    ),
    "vault member key": _same("new.person --key-file new.key -o new.member", works="operator"),
    "vault member add": _same(
        "new --recipient {recipient} --compartment general", "x --recipient {recipient} --compartment z",
        code=77,
    ),
    "vault member change": _same("exporter --compartment intimate", "nobody --role x -n", code=77),
    "vault member remove": _same("exporter", "nobody", code=77),
    "vault member ls": _same("", "--format json", works="operator"),
    "vault host key": _same("ingest-2", works="operator", code=77),
    "vault host add": _same("ingest-2 --vkey nothing", code=77),
    # who has two sheets opens everything, so nothing is hidden from him: here somebody tries without
    "vault recovery test": _same("none-1.html none-2.html", code=66),
    "vault recovery combine": _same("none-1.html none-2.html -o all.key", code=66),
    "vault recovery sheets": _same("--recovery-file none.key -o sheets", code=66),
    # the custodian's key opens what the caller's own opens: together they know of no hidden photo
    "vault break-glass open": (
        *_same(f"--patient M00001 {_GLASS}"),
        *_same(f"--patient M00009 {_GLASS}", f"--patient M77777 {_GLASS} --format json", code=66),
    ),
    "vault break-glass end": _same("", "--keep-custodian --format json", code=77),
    "vault prove": _same("", "--format json"),
    "vault expire": _same("--policy policy.yaml --plan due.json", "--policy policy.yaml -n --format json"),
    "vault erase": (
        *_same("{p1} --reason asked", "--patient M00001 --reason asked --format json"),
        *_same("--patient M00009 --reason asked", "{p51} --reason asked", code=66),
        *_same("{p54} --reason asked", "{no} --reason asked -n", code=66),
        *_same("--reapply --format json"),
        *_same("{p55} --reason asked", "{moved} --reason asked -n", code=66),
    ),
    "vault move": (
        *_same("{p1} --to identifiable --reason seen", "--patient M00001 --to identifiable --reason a -n"),
        *_same("--reason again", "--reason again -n --format json", "{p1} {p4} --reason a --open"),
        *_same("{p1} --to intimate --reason seen", code=77),
        *_same("{p1} {p4} --to intimate --reason seen --format json", works="without-role"),
        *_same("{p51} --to general --reason seen", "{no} --to general --reason seen -n", code=66),
        *_same("{p55} --to general --reason seen", "{moved} --reason seen --open", code=66),
        *_same("--patient M00009 --to identifiable --reason seen", code=66),
    ),
    "vault ledger": _sees(STORAGE, entries, "", "--save ledger.json", works="operator", told=_EVERYBODY),
    "vault legal-hold add": (
        *_same("{p1} --reason court", "--patient M00001 --reason court --format json"),
        *_same("--patient M00009 --reason court"),
        *_same("{p51} --reason court", "{no} --reason court --format json", code=66),
        *_same("{p55} --reason court", "{moved} --reason court", code=66),
    ),
    "vault legal-hold ls": _same("", "--all --format json"),
    "vault legal-hold release": _same("{no} --reason closed", "{hold} --reason closed", code=66),
    "vault recovery renew": _same("--set recovery -o sheets", code=77),
    "vault rotate": _same("general", "intimate", code=77),
    "policy lint": _same("policy.yaml"),
    "policy test": _same("hospital", code=66),
    "policy show": _same("policy.yaml"),
    "policy explain": (
        *_same("{p1}", "{p4} --format json", "{p2} --as photo-desk"),
        *_same("{p51}", "{p53} --format json", "{no}", "{p55}", "{moved}", code=66),
    ),
    "policy diff": (
        *_same("policy.yaml stricter.yaml", "policy.yaml stricter.yaml --vault ../vault --format json"),
        *_same("stricter.yaml policy.yaml --vault ../vault"),
    ),
    "policy apply": _same("stricter.yaml", "stricter.yaml -n --format json", "stricter.yaml --open"),
    "policy replay": _same("", "--format json"),
    "policy sign": _same("policy.yaml --as a.osei --seat clinical --to-sign bytes --yes"),
    "policy status": _same("policy.yaml", "policy.yaml --format json"),
    "policy key": _same("a.osei --key-file person.key"),
    "policy pin": _same("ring.yaml --policy policy.yaml --root-key ../keys/{role}.key", code=77),
    "consent import": _same("consent.csv", "consent.csv --format json", "taken-back.csv"),
    "consent withdraw": _same(
        "--patient M00001 --purpose teaching", "--patient M00001 --purpose care --format json",
        "--patient M00009 --purpose care", "--patient M00003 --purpose care -n",
    ),
    "consent ls": _same("", "--patient M00009 --format json", "--purpose teaching"),
    "device import": _same("devices.csv --profile intune -n", code=78),
    "device ls": _same("--devices devices.csv"),
    "device check": _same("TAB-1 --devices devices.csv"),
    "models install": NoVault(because="fetches files"),
    "models ls": _same(""),
    "models verify": _same("", code=69),
    "audit verify": _sees(LOG, counts, "", "--format json", works="operator"),
    "audit ls": _sees(LOG, entries, "", "--format ndjson", works="auditor", told="auditor"),
    "audit checkpoint": _sees(LOG, counts, "", "--format json", works="operator", told=_EVERYBODY),
    "audit proof": (
        *_sees(LOG, counts, "1", "0 --format json", works="operator", told=_EVERYBODY),
        *_sees(LOG, counts, "--object {p1}", told=_EVERYBODY),
        *_same("--object {p51}", "--object {p53} --format json", "--object {no}", code=66),
        *_same("--object {p55}", "--object {moved} --format json", code=66),
    ),
    "audit export": _sees(LOG, entries, "-o events.ndjson", works="auditor", told="auditor"),
    "audit report": (
        *_sees(LOG, counts, "--policy policy.yaml", "--policy policy.yaml --format json", told="auditor"),
        # a patient's photos are found as far as the caller's own catalogue knows them, for auditors too
        *_same("--patient M00001", "--patient M00001 --format json", works="auditor"),
        *_same("--patient M00009", works="auditor"),
        *_sees(LOG, counts, "--member exporter", "--as-of 2026-05-01", works="auditor", told="auditor"),
        *_sees(LOG, counts, "--period 2026-01-01..2026-12-31", works="auditor", told="auditor"),
    ),
    "doctor": _same("", "--format json", works="operator"),
}  # fmt: skip
