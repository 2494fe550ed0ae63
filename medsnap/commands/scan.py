"""`medsnap scan` and `medsnap classify`: read only, one code, one record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medsnap.commands import _forecast, _photos, _waivers
from medsnap.commands._consents import ConsentOption
from medsnap.commands._shared import Io, Result, command
from medsnap.errors import Exit
from medsnap.model.decision import Verb
from medsnap.model.outcome import Outcome, RunSummary
from medsnap.model.study import MatchState
from medsnap.report.page import Block, Line, Table, Tone

if TYPE_CHECKING:
    from medsnap.batch import Dump, Judged
    from medsnap.pipeline import Rules


@command()
def scan(
    io: Io,
    paths: _photos.Paths,
    *,
    policy: _photos.PolicyOption = None,
    manifest: _photos.ManifestOption = None,
    devices: _photos.DevicesOption = None,
    people: _photos.PeopleOption = None,
    asset: _photos.AssetOption = None,
    consent: ConsentOption = None,
    models: _photos.ModelsOption = None,
    detect: _photos.DetectOption = True,
    jobs: _photos.JobsOption = None,
    forecast: Annotated[
        bool,
        typer.Option("--forecast", help="Say how many would reach the record tonight, and why others wait."),
    ] = False,
) -> Result:
    """Say what is in these photos, where they have been, and what the policy would do. Writes nothing.

    Exit 1 when a photo would be quarantined or safeguarded, 3 when one is held, refused or unreadable.

    Examples:

      medsnap scan ./dump --policy hospital --manifest today.csv

      medsnap scan ./dump --policy hospital --manifest today.csv --forecast

      medsnap scan ./dump --policy hospital --format json
    """
    rules = _photos.rules(
        io, policy=policy, manifest=manifest, devices=devices, people=people, asset=asset,
        consent=consent, paths=paths,
    )  # fmt: skip
    rules = _waivers.ahead(io, rules, _photos.policy_path(io, policy))
    found = _Look()
    ahead = _forecast.forecast(rules.policy) if forecast else None
    listed = []
    for judged, outcome in _judge(io, paths, rules, models=models, detect=detect, jobs=jobs):
        found.add(judged, outcome)
        io.record(_entry(judged, outcome))
        if ahead is not None:
            ahead.add(outcome, judged)
        if io.verbose:
            listed.append(_row(judged, outcome))
    hint = Line("-v lists each file; --format ndjson tells all that is known of it", Tone.QUIET)
    page = (
        *_photos.listing(("file", "outcome", "match", "decision", "note"), listed),
        *(found.page() if ahead is None else ahead.page()),
        _photos.unsigned(rules),
        *(() if io.verbose else (hint,)),
    )
    data = _photos.counts(found.summary) | {"policy": rules.policy.ref, "verbs": dict(found.verbs)}
    data["waivers"] = [waiver.id for waiver in rules.policy.waivers]
    if ahead is not None:
        data["forecast"] = ahead.data()
    return Result(page=page, data=data, exit=found.exit, records="photos")


@command()
def classify(
    io: Io,
    paths: _photos.Paths,
    *,
    policy: _photos.PolicyOption = None,
    manifest: _photos.ManifestOption = None,
    devices: _photos.DevicesOption = None,
    people: _photos.PeopleOption = None,
    asset: _photos.AssetOption = None,
    consent: ConsentOption = None,
    models: _photos.ModelsOption = None,
    jobs: _photos.JobsOption = None,
) -> Result:
    """Find identifying features in the pixels and decide. The features-and-decision half of scan.

    Boxes are pixels of the upright picture: left, top, width, height. Without models installed
    features are "not checked", never "not seen". The policy defaults to the packaged baseline.

    Examples:

      medsnap classify ./dump --format ndjson

      medsnap classify wound.jpg --policy hospital
    """
    chosen = policy or io.settings.get("policy") or "baseline-1"
    rules = _photos.rules(
        io, policy=chosen, manifest=manifest, devices=devices, people=people, asset=asset,
        consent=consent, paths=paths,
    )  # fmt: skip
    rules = _waivers.ahead(io, rules, _photos.policy_path(io, chosen))
    found = _Look()
    for judged, outcome in _judge(io, paths, rules, models=models, detect=True, jobs=jobs):
        found.add(judged, outcome)
        io.record(_features(judged, outcome))
    page = (*found.features_page(), _photos.unsigned(rules))
    data = _photos.counts(found.summary) | {"policy": rules.policy.ref}
    data["waivers"] = [waiver.id for waiver in rules.policy.waivers]
    return Result(page=page, data=data, exit=found.exit, records="photos")


def _judge(
    io: Io, paths: list[Path], rules: Rules, *, models: Path | None, detect: bool, jobs: int | None
) -> Iterator[tuple[Judged | None, Outcome]]:
    from medsnap import batch
    from medsnap.commands.ingest import surveyed
    from medsnap.intake.limits import Limits

    dump: Dump = batch.find(paths, Limits())
    rules = surveyed(io, rules, dump)
    for left in dump.left:
        yield None, left
    workers = _photos.pool(io, rules, models=models, detect=detect, jobs=jobs)
    with workers, io.progress("scan", len(dump.candidates)) as advance:
        for judged in batch.judge(dump.candidates, workers, rules):
            yield judged, batch.would(judged, rules)
            advance()


def _entry(judged: Judged | None, outcome: Outcome) -> dict[str, Any]:
    entry = _photos.entry(outcome)
    del entry["object"]
    if judged is None or judged.seen is None or judged.settled is None:
        return entry
    seen, settled = judged.seen, judged.settled
    return entry | {
        "media": judged.candidate.media,
        "sha256": seen.sha256,
        "carriers": seen.report.carriers if seen.report else [],
        "signs": seen.signs,
        "device": settled.evidence.device,
        "match": settled.match.state,
        "features": _boxes(judged),
        "decision": settled.decision,
    }


def _row(judged: Judged | None, outcome: Outcome) -> tuple[str, ...]:
    """Give the line of one file for -v: what becomes of it, whose it is, and the first reason."""
    note = getattr(outcome, "reason", "")
    if judged is None or judged.settled is None:
        return outcome.source.reveal(), outcome.name, "-", "-", note
    decision, match = judged.settled.decision, judged.settled.match
    why = note or next((f"{v.path} ({v.where})" for v in decision.votes), "")
    doubts = match.reasons if match.state != MatchState.MATCHED else ()
    # The list is in the hands of who reads this: a wrong word is quickest mended there.
    held = (v for v in decision.votes if v.verb >= Verb.QUARANTINE)
    words = tuple(v.because for v in held if v.path.startswith("vocabulary."))
    notes = "; ".join(filter(None, (why, *words, *doubts)))
    return outcome.source.reveal(), outcome.name, str(match.state), str(decision.verb), notes


def _features(judged: Judged | None, outcome: Outcome) -> dict[str, Any]:
    """The record of DESIGN 3: file, features with boxes, decision."""
    entry: dict[str, Any] = {"file": outcome.source, "outcome": outcome.name, "features": []}
    if judged is None or judged.seen is None or judged.settled is None:
        return entry | {"error": getattr(outcome, "reason", "")}
    if judged.seen.held:
        entry["error"] = judged.seen.held
    return entry | {"features": _boxes(judged), "decision": judged.settled.decision}


def _boxes(judged: Judged) -> list[dict[str, Any]]:
    seen = judged.seen
    if seen is None:
        return []
    width, height = seen.upright_size
    boxes = []
    for finding in seen.findings:
        region = finding.region
        box = [region.x * width, region.y * height, region.w * width, region.h * height]
        made: dict[str, Any] = {
            "kind": finding.feature,
            "box": [round(v) for v in box],
            "score": round(finding.score, 4),
            "by": str(finding.detector),
        }
        if finding.value is not None:
            made["text"] = finding.value
        boxes.append(made)
    return boxes


class _Look:
    """Counts for the page: what was found, where the photos have been, what the policy says."""

    def __init__(self) -> None:
        self.summary = RunSummary()
        self.verbs: Counter[str] = Counter()
        self.matches: Counter[str] = Counter()
        self.doubts: Counter[str] = Counter()
        self.reveals: Counter[str] = Counter()
        self.signs: Counter[str] = Counter()
        self.features: dict[str, Counter[str]] = {}
        self.reasons: Counter[tuple[str, str]] = Counter()
        self.leaves: Counter[str] = Counter()

    def add(self, judged: Judged | None, outcome: Outcome) -> None:
        from medsnap.scrub.report import revealed

        self.summary.add(outcome)
        if judged is None or judged.seen is None or judged.settled is None:
            return
        decision = judged.settled.decision
        self.verbs[str(decision.verb)] += 1
        matched = judged.settled.match
        self.matches[str(matched.state)] += 1
        if matched.state != MatchState.MATCHED:
            self.doubts.update(matched.reasons)
        self.signs.update({sign.kind.value.replace("_", " ") for sign in judged.seen.signs})
        self.leaves.update(decision.may_leave_to)
        for state in decision.features:
            self.features.setdefault(state.feature, Counter())[state.state.value] += 1
        winner = decision.votes[0]
        self.reasons[winner.path, winner.where] += 1
        if judged.seen.report is not None:
            self.reveals.update(str(what) for what in revealed(judged.seen.report.carriers))

    @property
    def exit(self) -> Exit:
        if self.summary.failed or self.summary.held:
            return Exit.PARTIAL
        strict = {str(v) for v in (Verb.QUARANTINE, Verb.REJECT, Verb.SAFEGUARD)}
        return Exit.VIOLATION if strict & set(self.verbs) else Exit.OK

    def page(self) -> list[Block]:
        return [
            *_photos.summary_page(self.summary, would="would be "),
            Line(),
            _counter("hidden in the files", self.reveals, "photos"),
            Line(),
            _counter("signs of having been elsewhere", self.signs, "photos"),
            Line(),
            _counter("whose photos they are", self.matches, "photos"),
            *_reasons("why not sure", self.doubts),
            Line(),
            _counter("what the policy would do", self.verbs, "photos"),
            *self._decided_by(),
            Line(),
            _counter("may leave to", self.leaves, "photos"),
        ]

    def _decided_by(self) -> list[Block]:
        if not self.reasons:
            return []
        rows = tuple((str(n), path, where) for (path, where), n in self.reasons.most_common(12))
        table = Table(columns=("photos", "decided by", "where"), rows=rows, right=("photos",), wide="where")
        return [Line(), table]

    def features_page(self) -> list[Block]:
        states = ("seen", "doubtful", "not_seen", "not_checked", "not_assessable")
        rows = tuple(
            (name, *(str(found[s] or "") for s in states)) for name, found in sorted(self.features.items())
        )
        columns = ("feature", *(s.replace("_", " ") for s in states))
        table = Table(columns=columns, rows=rows, right=columns[1:], empty="no photos")
        return [table, Line(), _counter("what the policy says", self.verbs, "photos")]


def _reasons(title: str, counted: Counter[str]) -> list[Block]:
    if not counted:
        return []
    rows = tuple((str(n), reason) for reason, n in counted.most_common(8))
    return [Line(), Table(columns=("photos", title), rows=rows, right=("photos",), wide=title)]


def _counter(title: str, counted: Counter[str], unit: str) -> Block:
    if not counted:
        return Line(f"{title}: nothing", Tone.QUIET)
    return Table(
        columns=(title, unit), rows=tuple((k, str(n)) for k, n in counted.most_common()), right=(unit,)
    )
