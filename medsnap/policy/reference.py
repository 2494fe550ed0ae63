"""The reference page of the policy language (docs/POLICY.md), made from the table and from baseline."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from medsnap.policy.findings import CODES
from medsnap.policy.kinds import Field, Kind, ListOf, MapOf, Record, Word
from medsnap.policy.loading import load
from medsnap.policy.nouns import Policy
from medsnap.policy.packaged import BASELINE, packaged
from medsnap.policy.table import ROOT

_INTRO: Final = """\
# The policy language

A policy is one YAML file that a governing body can read. It decides which photos open, to whom, and
where they may go. This page is made from the table in `medsnap/policy/table.py`; a test keeps them in
step.

- **Votes.** Each fact about a photo casts one vote: its device, where it has been, each feature seen
  in it, each rule that fits, each description or consent that is missing. A vote names a verb, a
  locked group, and the line of the policy that says so.
- **The strictest wins**: the highest verb, the last locked group in the list, the largest number of
  reviewers. The order of lines and rules never matters.
- **Verbs**, mildest first: `accept` open to staff; `redact` the original is locked away, others get a
  covered copy; `restrict` locked away, others see no sign of it; `quarantine` the same, and a person
  must look; `reject` not taken in, the source stays untouched; `safeguard` sealed as it came, one
  role is told, nothing is copied, rejected or purged.
- **A missing fact counts against opening.** In a rule's `when` it is taken as so; the decision is
  provisional and made again when the fact arrives. A word outside the vocabulary is a missing fact.
- **Silence is strict.** What a policy does not say, `policies/baseline-1.yaml` says; reasons then
  name its line.
- **Plain notation.** Every value is text until this table types it (`off` stays a word). Refused:
  keys written twice, anchors, aliases, tags, merge keys, second documents, invisible characters.
- **A department extends the hospital**: `extends: northside@4`, the parent's file beside its own.
  Words of the vocabulary add, mappings merge by key. A line may only tighten; a milder one is an
  error that shows both lines, unless the parent lists its path under `departments_may_relax`.
- **A waiver ends.** A file `waivers/*.yaml` lifts one rule for one device or one narrow kind of photo,
  no longer than `waivers.at_most`; every other reason stands, and each decision that it changed says so.
- Checked but not acted on yet: `break_glass`, `retention`, the choices of `scrub`.

`medsnap policy lint FILE` checks a policy, a waiver or a test file; `policy show FILE --effective`
prints a policy with what its parent and baseline add; `policy explain ID` tells why a sealed photo was
decided as it was; `policy test FILE.test.yaml` runs the cases of a policy, and with `--weaken` lowers
each of its lines by one step and names those that no case notices.

## Who must have looked (`detection.person_looks`)

A detector may say *not seen* only for the features under `detection.may_clear`; for all others its
silence is *not checked*.

- `every_photo`: a photo waits until a person has looked for every feature.
- `before_opening`: until then only reviewers can open it; an ordinary photo still reaches a care
  target (site stated and not sensitive, age known, for a child also the clinician's word, nobody else
  and nothing intimate seen or suspected), unless the target says `unlooked: wait`.
- `when_unsure`: as before, but a feature that a trusted detector cleared needs no person.
"""


def page() -> str:
    """Return the whole page as Markdown."""
    baseline = load(packaged(BASELINE))
    return "\n".join([_INTRO, *_keys(baseline), "", *_features(baseline), "", *_codes(), ""])


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
