"""Facts of votes in plain words, for readers who know neither scores nor names with underscores."""

from __future__ import annotations

import re
from typing import Final

from medsnap.model.decision import Decision, Verb, Vote
from medsnap.policy.picture_votes import LOOKS, SUSPECT
from medsnap.policy.waiver import PREFIX

SAID: Final = " — "  # between the facts and the policy's own reason, in Vote.because
_SCORE: Final = re.compile(r"([a-z0-9_. -]+) ([01]\.[0-9]{2}), (certain|suspect) at [01]\.[0-9]{2}")
_LIFTS: Final = re.compile(r"lifts .+? \(.+?: (.+)\) until ([0-9-]{10})")
_SHOWN: Final = {
    "face": "a face",
    "partial_face": "part of a face",
    "ear": "an ear",
    "tattoo": "a tattoo",
    "scar": "a scar",
    "birthmark": "a birthmark",
    "piercing": "a piercing",
    "unique_lesion": "a lesion like no other",
    "anomaly": "an unusual feature of the body",
    "fingerprint": "a readable fingerprint",
    "palm": "a readable palm",
    "iris": "an iris",
    "gruesome": "something gruesome",
    "deceased": "somebody who has died",
    "barcode": "a barcode",
    "document": "a document",
    "screen": "a screen",
    "badge": "a badge",
    "uniform_name": "a name on a uniform",
    "place": "where it was taken",
    "device_serial": "a serial number",
    "implant": "an implant",
    "other_person": "another person",
    "intimate_region": "an intimate region",
    "anything_else": "something else that may tell who it is",
}
_DOES: Final = {
    Verb.ACCEPT: "nothing against it",
    Verb.REDACT: "covered for others{place}",
    Verb.RESTRICT: "locked away{place}",
    Verb.QUARANTINE: "waits for a person{place}",
    Verb.REJECT: "not taken in",
    Verb.SAFEGUARD: "safeguarded{place}",
}


def shows(feature: str) -> str:
    """Name a feature as a thing that a picture shows."""
    return _SHOWN.get(feature, feature.replace("_", " "))


def fact(vote: Vote, decision: Decision) -> str:
    """Return the facts of a reason as a clause."""
    facts = vote.because.partition(SAID)[0]
    if vote.path == SUSPECT:
        return f"a person must look, because {_scores(facts)}"
    section, _, name = vote.path.partition(".")
    if section == "features":
        scored = _SCORE.fullmatch(facts)
        how = f"a detector is {_percent(scored[2])} sure" if scored else facts.removeprefix(f"{name} ")
        return f"it shows {shows(name)}" + (f" ({how})" if how else "")
    if vote.path == LOOKS:
        settled = "everything that could tell who it is was looked for"
        facts = facts.replace("looked for", "looked yet for:", 1) if vote.verb > Verb.ACCEPT else settled
    if vote.path.startswith(PREFIX):
        return _waived(vote)
    if vote.path == "devices.managed":
        facts = facts.replace(" is managed", " is a device that the hospital manages")
    for known in decision.features:
        if "_" in known.feature:
            facts = facts.replace(known.feature, known.feature.replace("_", " "))
    return facts


def _waived(vote: Vote) -> str:
    """Say what an exception lifts, and why it was made."""
    facts, _, why = vote.because.partition(SAID)
    found = _LIFTS.fullmatch(facts)
    if found is None:
        return facts
    return f"{found[1]}, and an exception until {found[2]} allows that" + (f": {why}" if why else "")


def _scores(facts: str) -> str:
    """Write "a detector is 41% sure of a face" for each score."""
    said = []
    for part in facts.split("; "):
        scored = _SCORE.fullmatch(part)
        said.append(f"a detector is {_percent(scored[2])} sure of {shows(scored[1])}" if scored else part)
    return " and ".join(said)


def _percent(score: str) -> str:
    return f"{round(float(score) * 100)}%"


def reasons(decision: Decision) -> tuple[tuple[str, str], ...]:
    """Return each reason as a sentence, strictest first, and the line of the policy that says so."""
    told = []
    for vote in decision.votes:
        place = f" ({vote.compartment})" if vote.compartment else ""
        facts = fact(vote, decision)
        does = _DOES[vote.verb].format(place=place)
        told.append((f"{does}: {facts}" if facts else does, f"{vote.where}, {vote.path}"))
    return tuple(told)
