"""What lint checks beyond single values: limits, seats, compartments, exports, synonyms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise

from medsnap.model.decision import Verb
from medsnap.policy import sites
from medsnap.policy.findings import LintFinding, Severity
from medsnap.policy.kinds import SEATS
from medsnap.policy.table import DEFAULT_LABELS, NEVER_CLEARED
from medsnap.policy.walk import Item
from medsnap.policy.word_checks import WordChecks

ENDS_SOON = timedelta(days=60)


@dataclass(frozen=True, slots=True)
class Check:
    """One file under check: `own` is what it says, `whole` adds baseline's answers."""

    name: str  # the path as it was given, for findings
    own: Item
    whole: Item
    baseline: bool
    now: datetime | None

    def run(self) -> Iterator[LintFinding]:
        """Go through all checks."""
        yield from self._identity()
        yield from self._dates()
        yield from self._thresholds()
        yield from self._seats()
        yield from self._compartments()
        yield from self._carried()
        yield from self._words()
        yield from self._clearing()
        yield from self._rules()
        yield from self._findable()

    def _say(self, item: Item, code: str, message: str, *, line: int = 0) -> LintFinding:
        severity = Severity.WARNING if code.startswith("W") else Severity.ERROR
        return LintFinding(
            file=self.name,
            line=line or max(item.line, 1),
            column=item.column,
            code=code,
            message=message,
            severity=severity,
        )

    def _identity(self) -> Iterator[LintFinding]:
        if self.baseline or self.own.get("extends") is not None:
            return
        for section, why in (("governance", "who decides"), ("review", "who looks at what waits")):
            if self.own.get(section) is None:
                yield self._say(self.own, "E107", f"the section '{section}' is missing: {why}", line=1)
        if self.own.get("departments") is None:
            yield self._say(
                self.own, "W306", "no 'departments' are listed, so every photo waits for a person", line=1
            )

    def _dates(self) -> Iterator[LintFinding]:
        span = self.own.get("in_force")
        first, last = (span.get("from"), span.get("until")) if span else (None, None)
        if (
            first is None
            or last is None
            or not (isinstance(first.value, date) and isinstance(last.value, date))
        ):
            return
        if last.value < first.value:
            yield self._say(last, "E111", f"'until' {last.value} is before 'from' {first.value}")
        elif self.now is not None and last.value - self.now.date() < ENDS_SOON:
            yield self._say(
                last, "W304", f"the policy ends on {last.value}; have its successor signed before"
            )

    def _thresholds(self) -> Iterator[LintFinding]:
        part = self.whole.get("detection")
        certain, suspect = (part.get("certain_at"), part.get("suspect_at")) if part else (None, None)
        if certain is None or suspect is None:
            return
        if (
            isinstance(certain.value, float)
            and isinstance(suspect.value, float)
            and suspect.value > certain.value
        ):
            own = self.own.get("detection")
            at = (own.get("suspect_at") or own.get("certain_at") or own) if own else self.own
            yield self._say(
                at, "E111", f"suspect_at {suspect.value:.2f} is above certain_at {certain.value:.2f}"
            )

    def _seats(self) -> Iterator[LintFinding]:
        governance = self.own.get("governance")
        seats = governance.get("seats") if governance else None
        if seats is None:
            return
        taken: dict[str, str] = {}
        for seat, item in seats.entries():
            people = item.get("people")
            names = people.texts() if people else ()
            for person in names:
                if person in taken:
                    yield self._say(item, "E130", f"'{person}' sits in '{taken[person]}' and in '{seat}'")
                taken.setdefault(person, seat)
            sign = item.get("sign")
            needed = sign.value if sign is not None and isinstance(sign.value, int) else 1
            if needed > len(names):
                yield self._say(
                    sign or item, "E131", f"'{seat}' needs {needed} signatures and has {len(names)} people"
                )
        for seat in SEATS:
            if seats.get(seat) is None:
                yield self._say(seats, "E130", f"the seat '{seat}' is missing")

    def _compartments(self) -> Iterator[LintFinding]:
        own = self.own.get("compartments")
        if own is None:
            return
        listed = list(own.entries())
        if not listed or listed[0][0] != "general":
            yield self._say(own, "E107", "the first compartment must be 'general'")
        for (before, wide), (after, narrow) in pairwise(listed):
            if len(_open_to(narrow)) > len(_open_to(wide)):
                yield self._say(narrow, "W302", f"'{after}' is open to more roles than '{before}' before it")
        names = {name for name, _ in listed}
        missing: dict[str, list[str]] = {}
        for path, target in self._targets():
            if target.file != self.own.file and str(target.value) not in names:
                missing.setdefault(str(target.value), []).append(f"{target.where} ({path})")
        for name, lines in missing.items():  # one finding each: most of baseline sends to 'identifiable'
            more = f" and {len(lines) - 1} more" if lines[1:] else ""
            send = "send" if more else "sends"
            message = f"the compartment '{name}' is missing; {lines[0]}{more} {send} photos there"
            yield self._say(own, "E107", message)

    def _targets(self) -> Iterator[tuple[str, Item]]:
        """Go through every `to` of the whole policy."""
        for section in ("features", "sources", "devices"):
            for name, item in (self.whole.get(section) or self.own).entries():
                to = item.get("to")
                if to is not None:
                    yield f"{section}.{name}", to
        for rule in (self.whole.get("rules") or Item((), "", 0)).items():
            to, named = rule.get("to"), rule.get("id")
            if to is not None:
                yield f"rules.{named.value if named else ''}", to

    def _carried(self) -> Iterator[LintFinding]:
        compartments = self.whole.get("compartments")
        for name, export in (self.own.get("exports") or Item({}, "", 0)).entries():
            carry = export.get("may_carry")
            for item in carry.items() if carry and export.get("labels_enforced") is None else ():
                group = str(item.value)
                if _label(group, compartments.get(group) if compartments else None) == "V":
                    message = (
                        f"'{name}' may carry '{group}' (label V), but nobody has tested that it hides such"
                    )
                    yield self._say(item, "E220", message + " photos; add labels_enforced or leave it out")

    def _words(self) -> Iterator[LintFinding]:
        for item, code, message in WordChecks(self.own, self.whole).run():
            yield self._say(item, code, message)

    def _clearing(self) -> Iterator[LintFinding]:
        manifest = self.own.get("manifest")
        listed = manifest.get("may_clear") if manifest else None
        for item in listed.items() if listed else ():
            if item.value in NEVER_CLEARED:
                yield self._say(item, "E103", f"'{item.value}' is never cleared by a word in a manifest")

    def _rules(self) -> Iterator[LintFinding]:
        seen: dict[str, int] = {}
        for rule in (self.own.get("rules") or Item((), "", 0)).items():
            named, when = rule.get("id"), rule.get("when")
            if named is not None:
                name = str(named.value)
                if name in seen:
                    yield self._say(
                        named, "E101", f"the rule '{name}' is written twice (first on line {seen[name]})"
                    )
                seen.setdefault(name, named.line)
            if when is not None and not when.value:
                yield self._say(when, "E107", "'when' is empty; a rule needs at least one fact")

    def _findable(self) -> Iterator[LintFinding]:
        """Warn of a feature that every view rules out: nothing and nobody would ever look for it."""
        views, features = self._at("vocabulary", "view"), self._at("features")
        ruled_out = {
            sites.normal(view): item for view, item in self._at("detection", "cannot_appear_in").entries()
        }
        listed = [ruled_out.get(sites.normal(view)) for view in views.texts()]
        if not listed or None in listed:
            return
        everywhere = set.intersection(*(set(item.texts()) for item in listed if item is not None))
        own = self.own.get("detection") or self.own
        at = own.get("cannot_appear_in") or own
        for name, rule in features.entries():
            do = rule.get("do")
            if name in everywhere and do is not None and do.value is not Verb.ACCEPT:
                yield self._say(
                    at, "W303", f"'{name}' cannot appear in any view, so nobody ever looks for it"
                )

    def _at(self, *path: str) -> Item:
        found: Item | None = self.whole
        for key in path:
            found = found.get(key) if found is not None else None
        return found or Item((), "", 0)


def _open_to(compartment: Item) -> tuple[str, ...]:
    roles = compartment.get("open_to")
    return roles.texts() if roles else ()


def _label(name: str, compartment: Item | None) -> str:
    said = compartment.get("label") if compartment else None
    return str(said.value) if said else DEFAULT_LABELS.get(name, "V")
