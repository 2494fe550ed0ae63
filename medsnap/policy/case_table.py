"""The table of test files (`*.test.yaml`, policy.md 3.7): what a case may say of a photo and expect."""

from __future__ import annotations

import re
from typing import Final

from medsnap.model.decision import CloudPhotos, DeviceClass, DeviceState, LeakKind, PersonalAccount
from medsnap.model.finding import State
from medsnap.policy.findings import shown
from medsnap.policy.kinds import (
    DATE,
    NAME,
    NUMBER,
    SLUG,
    TEXT,
    VERB,
    YES,
    Field,
    Kind,
    ListOf,
    MapOf,
    Record,
    Unreadable,
    Word,
    duration,
    one_of,
    yes,
)
from medsnap.policy.table import PURPOSES

UNKNOWN: Final = "unknown"  # a fact that nobody knows
_SCORE: Final = re.compile(r"0|1|0\.[0-9]{1,4}|1\.0{1,4}")


def _age(text: str) -> int | str:
    if text == UNKNOWN:
        return UNKNOWN
    if not re.fullmatch(r"[0-9]{1,3}", text) or int(text) > 150:
        raise Unreadable(f"'{shown(text)}' is no age in whole years, nor 'unknown'")
    return int(text)


def _state(text: str) -> State | float:
    if _SCORE.fullmatch(text):
        return float(text)
    try:
        return State(text)
    except ValueError:
        allowed = ", ".join(State)
        message = f"'{shown(text)}' is neither a score from 0 to 1 nor one of: {allowed}"
        raise Unreadable(message, "E102") from None


def _shared(text: str) -> object:
    return UNKNOWN if text == UNKNOWN else yes(text)


def _ago(text: str) -> object:
    return UNKNOWN if text == UNKNOWN else duration(text)


def _f(kind: Kind, text: str, *, required: bool = False) -> Field:
    return Field(kind=kind, help=text, required=required)


_USE: Final = one_of("use", "treatment", "teaching", "publication")
_GIVEN: Final = one_of(
    "consent",
    "implied",
    "verbal",
    "written",
    "verbal by guardian",
    "written by guardian",
    "refused",
    "withdrawn",
)

PHOTO: Final = Record(
    fields={
        "on": _f(DATE, "the day of the decision; the policy's first day if not said"),
        "department": _f(TEXT, "of the visit"),
        "device": _f(one_of("device class", *DeviceClass), "class of the device"),
        "asset": _f(TEXT, "the device's number in the inventory"),
        "os": _f(TEXT, "system and version, like 'ios 17.6'"),
        "last_seen": _f(Word(what="duration, or 'unknown'", read=_ago), "how long ago"),
        "state": _f(one_of("state", *DeviceState), "of the device"),
        "cloud_photos": _f(one_of("choice", *CloudPhotos), "whether the device sends photos to a cloud"),
        "personal_account": _f(one_of("choice", *PersonalAccount), "whether a private account is on it"),
        "shared": _f(Word(what="yes, no or unknown", read=_shared), "whether more than one person has it"),
        "operator": _f(YES, "who took it is named, and stands in people.csv"),
        "contradicted": _f(YES, "the file says it was another device"),
        "patient_age": _f(Word(what="age", read=_age), "whole years, or unknown"),
        "body_site": _f(TEXT, "a word, or unknown"),
        "laterality": _f(TEXT, "a word, or unknown"),
        "view": _f(TEXT, "a word, or unknown"),
        "reason": _f(TEXT, "a word, or unknown"),
        "lesion": _f(TEXT, "a word, or unknown"),
        "source": _f(ListOf(item=one_of("leak sign", *LeakKind), single=True), "signs of a detour"),
        "features": _f(
            MapOf(key=NAME, value=Word(what="score or state", read=_state)),
            "a detector's score, seen, not_seen, not_checked, doubtful, not_assessable",
        ),
        "looked": _f(YES, "people have looked for all other features; yes if not said"),
        "clinician": _f(MapOf(key=NAME, value=YES), "the clinician's word in the manifest"),
        "purpose": _f(one_of("purpose", *PURPOSES), "care if not said"),
        "consent": _f(MapOf(key=_USE, value=_GIVEN), "what is on record for a use"),
        "listed": _f(YES, "a manifest row covers it; yes if not said"),
        "understood": _f(YES, "the file could be read; yes if not said"),
    }
)

EXPECT: Final = Record(
    fields={
        "do": _f(VERB, "the verb"),
        "to": _f(SLUG, "the compartment"),
        "reviewers": _f(NUMBER, "how many people must look"),
        "decided_by": _f(TEXT, "the path of the strictest reason"),
        "provisional": _f(YES, "a fact is missing"),
        "may_leave_to": _f(ListOf(item=SLUG), "all targets that it may go to"),
        "whole_study": _f(YES, "the other photos of the visit follow"),
        "waived_by": _f(ListOf(item=TEXT, single=True), "all waivers that it needed"),
    }
)

TEST: Final = Record(
    fields={
        "policy": _f(TEXT, "the policy's file, beside this one", required=True),
        "waivers": _f(ListOf(item=TEXT), "waiver files that count as signed"),
        "given": _f(PHOTO, "what is so in every case"),
        "cases": _f(
            ListOf(
                item=Record(
                    fields={
                        "name": _f(TEXT, "what it shows", required=True),
                        "photo": _f(PHOTO, "how this photo differs"),
                        "expect": _f(EXPECT, "what must come out", required=True),
                    }
                )
            ),
            "the cases",
            required=True,
        ),
    }
)
