"""Waiver files (`waivers/*.yaml`, policy.md 3.7): read, and held against the policy's limits (E210)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Final

from medsnap.errors import PolicyError
from medsnap.model.decision import LeakKind, Verb
from medsnap.policy.digest import file_digest
from medsnap.policy.findings import LintFinding, meant, shown
from medsnap.policy.kinds import DATE, PATH, SLUG, TEXT, Field, Kind, Record, Word, one_of
from medsnap.policy.loading import load_text, read_text
from medsnap.policy.nodes import Reader
from medsnap.policy.nouns import Policy
from medsnap.policy.parents import beside, named_policy
from medsnap.policy.sites import Sites
from medsnap.policy.waiver import Narrow, Waiver
from medsnap.policy.walk import Item, Walker


def _f(kind: Kind, text: str, *, required: bool = False) -> Field:
    return Field(kind=kind, help=text, required=required)


WAIVER: Final = Record(
    fields={
        "medsnap": _f(one_of("schema version", "1"), "version of this language", required=True),
        "waiver": _f(
            Word(what="name", pattern=r"[A-Za-z0-9][A-Za-z0-9-]{0,62}"), "its number", required=True
        ),
        "policy": _f(SLUG, "the policy that it makes an exception from", required=True),
        "rule": _f(PATH, "the one rule that is lifted, like devices.personal", required=True),
        "for": _f(
            Record(
                fields={
                    "department": _f(TEXT, "of the visit"),
                    "device": _f(TEXT, "the device's number in the inventory"),
                    "view": _f(TEXT, "of the photo"),
                    "reason": _f(TEXT, "for the photo"),
                    "body_site": _f(TEXT, "of the photo"),
                }
            ),
            "whose photos; all must be so",
            required=True,
        ),
        "do": _f(one_of("action", "accept"), "the rule's vote is left out", required=True),
        "from": _f(DATE, "first day; at once if not said"),
        "until": _f(DATE, "last day", required=True),
        "because": _f(TEXT, "the reason in words", required=True),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """A waiver file as read: what it says, and the findings so far."""

    tree: Item | None
    findings: list[LintFinding]


def load_waiver(path: Path, policy: Policy, *, now: datetime) -> Waiver:
    """Read a waiver. Raises InputMissing, PolicyError with its lint findings.

    Whether its signatures are good is for `signatures` to say: lint knows nothing of them.
    """
    text = read_text(path)
    findings = lint_waiver(text, str(path), policy, now=now)
    tree = _read(text, str(path)).tree
    if findings or tree is None:
        first = findings[0]
        raise PolicyError(
            f"the waiver has an error: {first.code} {first.message}",
            where=f"{path}:{first.line}:{first.column}",
            hint="run 'medsnap policy lint' on the file to see all of them",
            findings=findings,
        )
    return _waiver(tree, text, policy)


def kept_waiver(text: str, name: str, policy: Policy) -> Waiver | None:
    """Read a waiver that counted once, for a replay; None for a text that is none."""
    found = _read(text, name)
    return None if found.tree is None or found.findings else _waiver(found.tree, text, policy)


def lint_waiver(text: str, name: str, policy: Policy | None, *, now: datetime) -> tuple[LintFinding, ...]:
    """List what is wrong with a waiver; without its policy that alone is E203."""
    found = _read(text, name)
    findings = found.findings
    if found.tree is not None:
        tree = found.tree

        def say(item: Item | None, code: str, message: str) -> LintFinding:
            at = item or tree
            return LintFinding(file=name, line=max(at.line, 1), column=at.column, code=code, message=message)

        if policy is None:
            wanted = tree.get("policy")
            said = shown(str(wanted.value)) if wanted else ""
            message = f"no file of the policy '{said}' lies beside it or in the folder above"
            findings.append(say(wanted, "E203", message))
        else:
            findings += _checked(tree, policy, now.date(), say)
    return tuple(sorted(findings, key=lambda f: (f.line, f.column, f.code)))


def policy_of(path: Path, text: str) -> Policy | None:
    """Find the policy that a waiver names, beside its file or in the folder above."""
    tree = _read(text, str(path)).tree
    wanted = tree.get("policy") if tree is not None else None
    if wanted is None:
        return None
    for folder in (path.parent, path.parent.parent):
        source = named_policy(folder, str(wanted.value))
        if source is not None:
            try:
                return load_text(source.text, source.name, parents=beside(folder))
            except PolicyError:
                return None  # lint of the policy itself tells why
    return None


def _read(text: str, name: str) -> _Read:
    reader = Reader(name)
    node = reader.read(text)
    if node is None and not reader.findings:
        reader.complain(1, 1, "E107", "the file is empty; start with 'medsnap: 1'")
    tree = Walker(reader, Path(name).name).walk(node, WAIVER) if node is not None else None
    return _Read(tree=tree, findings=list(reader.findings))


Say = Callable[[Item | None, str, str], LintFinding]


def _checked(tree: Item, policy: Policy, today: date, say: Say) -> Iterator[LintFinding]:
    named = tree.get("policy")
    if named is not None and str(named.value) not in (policy.ref.policy, policy.root):
        yield say(named, "E203", f"the policy here is '{policy.ref.policy}', not '{shown(str(named.value))}'")
    yield from _rule(tree, policy, say)
    yield from _length(tree, policy, today, say)
    yield from _width(tree, policy.vocabulary.sites, say)


def _rule(tree: Item, policy: Policy, say: Say) -> Iterator[LintFinding]:
    item = tree.get("rule")
    if item is None:
        return
    path, known = str(item.value), waivable(policy)
    if policy.waiver_limits is None:
        yield say(item, "E210", "the policy allows no waivers: it has no section 'waivers'")
    elif path not in known:
        yield say(item, "E102", f"no rule '{shown(path)}' that a waiver could lift{meant(path, known)}")
    elif path in policy.waiver_limits.never_for or known[path] is Verb.SAFEGUARD:
        yield say(item, "E210", f"'{path}' is never waived ({policy.where(path)})")


def _length(tree: Item, policy: Policy, today: date, say: Say) -> Iterator[LintFinding]:
    until, first = _date(tree, "until"), _date(tree, "from")
    limits = policy.waiver_limits
    if until is None or limits is None:
        return
    start = first or today
    if first is not None and until < first:
        yield say(tree.get("until"), "E111", f"'until' {until} is before 'from' {first}")
    if until - start > limits.at_most:
        most = limits.at_most.days
        yield say(
            tree.get("until"), "E210", f"it lasts {(until - start).days} days; the policy allows {most}"
        )


def _width(tree: Item, sites: Sites, say: Say) -> Iterator[LintFinding]:
    """One device is narrow; otherwise a department and one more fact."""
    narrow = tree.get("for")
    said = {key for key, _ in narrow.entries()} if narrow else set()
    if "device" not in said and not ("department" in said and len(said) > 1):
        yield say(narrow, "E210", "too wide: name a device, or a department with a view, reason or body site")
    site = narrow.get("body_site") if narrow else None
    if site is not None and sites.find(str(site.value)) is None:
        word = str(site.value)
        yield say(site, "E102", f"unknown body site '{shown(word)}'{meant(word, sites.words())}")


def waivable(policy: Policy) -> dict[str, Verb]:
    """List the rules that a waiver may name, with what each does."""
    devices = policy.devices
    found = {f"features.{name}": rule.verb for name, rule in policy.features.items()}
    found |= {rule.path: rule.verb for rule in policy.rules}
    found |= {f"sources.{kind}": policy.sources[kind].verb for kind in map(str, LeakKind)}
    found |= {"devices.managed": devices.managed.rule.verb, "devices.personal": devices.personal.verb}
    found |= {"devices.unknown": devices.unknown.verb}
    found |= {"devices.retired": devices.retired.verb}  # what is lost has no exception
    asked = ("state", "cloud_photos", "personal_account", "operator")
    limits = ("devices.managed.os_at_least", "devices.managed.seen_within", *(f"devices.{a}" for a in asked))
    held = [*limits, *(f"vocabulary.{key}" for key in policy.vocabulary.required)]
    return found | dict.fromkeys(held, Verb.QUARANTINE)


def _date(tree: Item, key: str) -> date | None:
    found = tree.get(key)
    return found.value if found is not None and isinstance(found.value, date) else None


def _text(tree: Item, *path: str) -> str | None:
    found: Item | None = tree
    for key in path:
        found = found.get(key) if found is not None else None
    return str(found.value) if found is not None else None


def _waiver(tree: Item, text: str, policy: Policy) -> Waiver:
    site = policy.vocabulary.sites.find(_text(tree, "for", "body_site"))
    name = tree.get("waiver") or tree
    return Waiver(
        id=str(name.value),
        policy=_text(tree, "policy") or "",
        rule=_text(tree, "rule") or "",
        narrow=Narrow(
            department=_text(tree, "for", "department"),
            device=_text(tree, "for", "device"),
            view=_text(tree, "for", "view"),
            reason=_text(tree, "for", "reason"),
            body_site=site.code if site else None,
        ),
        first=_date(tree, "from"),
        until=_date(tree, "until") or date.min,
        because=_text(tree, "because") or "",
        where=name.where,
        digest=file_digest(text),
        text=text,
    )
