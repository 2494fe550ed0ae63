"""Audit checks of what the catalogue says of each photo (L5, S3, V2-V4, F1, A1)."""

from __future__ import annotations

from datetime import datetime

from medsnap.model.decision import Verb
from medsnap.model.finding import State
from medsnap.model.record import PhotoRow
from medsnap.policy.auditing import Answer, Case, Verdict, judge, photos_said
from medsnap.policy.sites import SIDES, normal


def filed_soon(case: Case) -> Answer:
    """L5."""
    late = [p.object for p in case.photos if _days_late(p.row) > 1]
    good = "each photo with a known time was taken in within a day or two"
    return judge(
        late, good, "taken in more than a day after capture", "empty the devices daily", Verdict.WARN
    )


def _days_late(row: PhotoRow) -> int:
    taken = row.match.captured_at or (row.capture.captured_at if row.capture else None)
    if not taken:
        return 0
    sealed = datetime.fromisoformat(row.at).date()
    return (sealed - datetime.fromisoformat(taken).date()).days


def who_when_how(case: Case) -> Answer:
    """S3."""
    bad = [p.object for p in case.photos if not _known(p.row)]
    good = "each photo has its operator, its time and its device in the catalogue"
    return judge(bad, good, "operator, time or device is missing", "complete the manifest", Verdict.WARN)


def _known(row: PhotoRow) -> bool:
    taken = row.match.captured_at or (row.capture.captured_at if row.capture else None)
    return bool(taken and row.match.operator and row.device and row.device.asset)


def coded(case: Case) -> Answer:
    """V3: a site that was given has a code; that the code means the term, lint proves (E120)."""
    sites = case.policy.vocabulary.sites
    given = [p for p in case.photos if p.row.match.description.body_site]
    bad = [p for p in given if sites.find(p.row.match.description.body_site) is None]
    open_ = [p.object for p in bad if p.receipts or p.row.decision.verb < Verb.QUARANTINE]
    todo = "correct the site in the manifest, or map it under vocabulary.body_site.also_called"
    if bad and not open_:
        return judge([p.object for p in bad], "", "waits, its site has no code", todo, Verdict.WARN)
    good = f"{photos_said(len(given))} with a site, each with its code"
    return judge(open_, good, "opened or sent although its site has no code", todo)


def terms(case: Case) -> Answer:
    """V2: words that were given stand in the vocabulary."""
    words = case.policy.vocabulary

    def bad(row: PhotoRow) -> bool:
        said = row.match.description
        site = words.sites.find(said.body_site)
        unknown = said.body_site and (site is None or not words.sites.lists(site))
        view = said.view and words.view and normal(said.view) not in words.view
        reason = said.reason and words.reason and normal(said.reason) not in words.reason
        return bool(unknown or view or reason)

    found = [p.object for p in case.photos if bad(p.row)]
    todo = "correct the word in the manifest, or add it under vocabulary"
    return judge(
        found, "each word that was given is known", "described in words that nobody knows", todo, Verdict.WARN
    )


def sides(case: Case) -> Answer:
    """V4: a side at a site in the midline, or another one than its term says."""
    sites = case.policy.vocabulary.sites

    def bad(row: PhotoRow) -> bool:
        site, side = sites.find(row.match.description.body_site), row.match.description.laterality
        if site is None or side not in SIDES:
            return False
        return site.midline or site.laterality not in (None, side)

    found = [p.object for p in case.photos if bad(p.row)]
    todo = "ask the clinician; correct the manifest"
    return judge(found, "no site without sides was given one", "a side is named where there is none", todo,
                  Verdict.WARN)  # fmt: skip


def statements(case: Case) -> Answer:
    """F1: each photo says of each feature: there, not there, or not looked."""
    wanted = set(case.policy.features)
    bad = [p.object for p in case.photos if not wanted <= {f.feature for f in p.row.decision.features}]
    unlooked = sum(any(f.state is State.NOT_CHECKED for f in p.row.decision.features) for p in case.photos)
    good = f"each photo speaks of all {len(wanted)} features; on {unlooked} nobody has looked for some"
    return judge(bad, good, "a feature has no statement", "medsnap policy apply")


def existence(case: Case) -> Answer:
    """A1: a photo lies at least as deep as its decision says."""
    policy = case.policy
    bad = [
        p.object
        for p in case.photos
        if policy.rank(p.row.seal.compartment) < policy.rank(p.row.decision.compartment)
    ]
    good = "each photo is sealed in the group that its decision names"
    return judge(bad, good, "sealed in a group that more people open than may", "medsnap policy apply")
