"""The reference page of the policy language (docs/POLICY.md), made from the table and from baseline."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from medsnap.policy.audit_rules import RULES, SOURCES
from medsnap.policy.findings import CODES
from medsnap.policy.kinds import Field, Kind, ListOf, MapOf, Record, Word
from medsnap.policy.loading import load
from medsnap.policy.nouns import Policy
from medsnap.policy.packaged import BASELINE, packaged
from medsnap.policy.table import ROOT

MARK: Final = "<!-- Below this line the page is made from medsnap/policy: edit the tables there. -->"
_NEEDS: Final = {  # what a rule is checked with, where the catalogue and the log are not enough
    "L6": "`--dump DIR`: a device, or a later dump of it",
    "S2": "`--sample N`: photos are decoded; pixels are compared where `ingest --verify-pixels` ran",
    "E3": "`--sent DIR`, or the targets' folders of the settings",
    "S1": "the second reading at intake; with `--sample N` a scrub of stored photos that must find nothing",
    "G3": "loading: a department's milder line is an error (E201), so no audit ever sees one",
    "V3": "the catalogue; that a code means its term is an error of `policy lint` (E120)",
    "R1": "the vault's objects, its legal holds, and the signed notes of what was expired or erased",
    "F10": "the catalogue; medsnap makes no covered copies yet, so there are none to look at",
    "S4": "receipts; medsnap shifts no times yet, so nothing goes to a target that asks for it",
}


def page(existing: str) -> str:
    """Return the whole page as Markdown: what people wrote down to the mark, and below it the tables."""
    written, mark, _ = existing.partition(MARK)
    if not mark:
        raise ValueError("the page has lost the mark below which it is generated")
    baseline = load(packaged(BASELINE))
    made = [*_keys(baseline), "", *_features(baseline), "", *_audit(), "", *_codes(), ""]
    return f"{written}{MARK}\n\n" + "\n".join(made)


def _audit() -> Iterator[str]:
    yield "## What the audit checks"
    yield ""
    yield "`medsnap audit report` answers each rule with ok, warn, violation, or not yet and what it needs."
    yield ""
    yield "| rule | asks | sources | key | checked with |"
    yield "|---|---|---|---|---|"
    for rule in RULES:
        needs = _NEEDS.get(rule.id, "the log" if rule.id == "A2" else "the catalogue")
        needs = "the policy and its signatures" if rule.id in ("G1", "G2", "G4") else needs
        yield f"| {rule.id} | {rule.words} | {rule.sources} | `{rule.key}` | {needs} |"
    yield ""
    yield from (f"- {short}: {full}" for short, full in SOURCES.items())


def _keys(baseline: Policy) -> Iterator[str]:
    yield "## Keys"
    yield ""
    yield "| key | value | baseline | says |"
    yield "|---|---|---|---|"
    for path, known in _fields("", ROOT):
        star = "\\*" if known.required else ""
        yield f"| `{path}`{star} | {kind_words(known.kind)} | {_default(baseline, path)} | {known.help} |"
    yield ""
    yield "\\* required where its section is written. `governance` and `review` are required in every policy."


def _fields(path: str, kind: Kind) -> Iterator[tuple[str, Field]]:
    """Go through all keys below a kind; `…` stands for a free name."""
    match kind:
        case Record():
            for name, known in kind.fields.items():
                below = f"{path}.{name}".lstrip(".")
                yield below, known
                yield from _fields(below, known.kind)
        case MapOf():
            yield from _fields(f"{path}.…", kind.value)
        case ListOf(item=Record()):
            yield from _fields(f"{path}[]", kind.item)


def kind_words(kind: Kind) -> str:
    """Say in words what a kind holds."""
    match kind:
        case Word():
            if kind.allowed and len(kind.allowed) <= 6:
                return " \\| ".join(f"`{word}`" for word in kind.allowed)
            return kind.what
        case ListOf():
            inner = kind_words(kind.item)
            return f"{inner}, or a list" if kind.single else f"list: {inner}"
        case MapOf():
            return f"{kind.key.what} → {kind_words(kind.value)}"
        case Record():
            return f"mapping, or {kind.short}" if kind.short.isalpha() else "mapping"


def _default(baseline: Policy, path: str) -> str:
    value: object = baseline.settings
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    own = path in ("medsnap", "policy", "version", "title") or path.startswith(("in_force.f", "in_force.u"))
    if own or isinstance(value, (dict, type(None))):
        return ""
    if isinstance(value, list):
        return "" if value and isinstance(value[0], dict) else f"`[{', '.join(map(str, value))}]`"
    return f"`{value}`"


def _features(baseline: Policy) -> Iterator[str]:
    yield "## Features"
    yield ""
    yield "A feature that is none of these counts as `anything_else`."
    yield ""
    yield "| feature | baseline | cleared by |"
    yield "|---|---|---|"
    for name, rule in baseline.features.items():
        to = f" → {rule.to}" if rule.to else ""
        cleared = ", ".join(baseline.detection.may_clear.get(name, ())) or "people only"
        yield f"| `{name}` | {rule.verb}{to} | {cleared} |"


def _codes() -> Iterator[str]:
    yield "## Codes of `policy lint`"
    yield ""
    yield "| code | meaning |"
    yield "|---|---|"
    for code, meaning in CODES.items():
        yield f"| {code} | {meaning} |"
