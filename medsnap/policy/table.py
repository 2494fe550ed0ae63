"""The one table of the policy language: section, key, kind, help.

Validation, typed values, the reference page and the JSON Schema all come from it.
"""

from __future__ import annotations

from typing import Final

from medsnap.model.decision import DeviceClass, LeakKind
from medsnap.policy.kinds import (
    COMPARTMENT,
    DATE,
    DEPARTMENT,
    DETECTOR,
    DURATION,
    FEATURE,
    KEEP,
    NAME,
    NEW_ROLE,
    NUMBER,
    PATH,
    PERSON,
    ROLE,
    SEAT,
    SHARE,
    SLUG,
    TEXT,
    VERB,
    VERSION,
    YES,
    Field,
    Kind,
    ListOf,
    MapOf,
    Record,
    Word,
    one_of,
)

CODE_SETS: Final = ("dicom-anatomy", "dicom-dermatology")
DESCRIPTIONS: Final = ("body_site", "laterality", "view", "reason", "lesion")
PURPOSES: Final = ("care", "teaching", "publication")
DEFAULT_LABELS: Final = {"general": "N", "identifiable": "R"}  # every other compartment: V
NEVER_CLEARED: Final = ("intimate_region", "other_person")  # by a clinician's word in a manifest (M7)


def _f(kind: Kind, text: str, *, required: bool = False) -> Field:
    return Field(kind=kind, help=text, required=required)


_DO: Final = {
    "do": _f(VERB, "what happens", required=True),
    "to": _f(COMPARTMENT, "the compartment the original goes into"),
    "reviewers": _f(NUMBER, "how many people must say that it is not there"),
}
VERB_RULE: Final = Record(fields=_DO, short="do", whole=True, rule=True)

_WHEN: Final = Record(
    fields={
        "feature": _f(ListOf(item=FEATURE, single=True), "seen or doubtful"),
        "department": _f(ListOf(item=DEPARTMENT, single=True), "of the visit"),
        "reason": _f(ListOf(item=TEXT, single=True), "for the photo"),
        "view": _f(ListOf(item=TEXT, single=True), "of the photo"),
        "body_site": _f(ListOf(item=TEXT, single=True), "a term or code of the vocabulary"),
        "patient_younger_than": _f(NUMBER, "whole years on the day of capture"),
        "device": _f(ListOf(item=one_of("device class", *DeviceClass), single=True), "class of the device"),
        "source": _f(ListOf(item=one_of("leak sign", *LeakKind), single=True), "sign of a detour"),
        "purpose": _f(ListOf(item=one_of("purpose", *PURPOSES), single=True), "of the photo"),
    }
)

_RULE: Final = Record(
    fields={
        "id": _f(SLUG, "its name in reasons", required=True),
        "when": _f(_WHEN, "all of these must be so; a missing fact counts as so", required=True),
        **_DO,
        "whole_study": _f(YES, "the other photos of the visit follow into the compartment"),
        "because": _f(TEXT, "the reason in words, printed with each decision", required=True),
    },
    rule=True,
)

_EXPORT: Final = Record(
    fields={
        "as": _f(
            ListOf(item=one_of("form", "fhir-r4", "dicom", "pdf", "folder"), single=True),
            "the form, or forms, it takes",
            required=True,
        ),
        "purpose": _f(one_of("purpose", *PURPOSES), "care if not said"),
        "may_carry": _f(ListOf(item=COMPARTMENT), "compartments whose originals may go there", required=True),
        "dates": _f(one_of("dates", "keep", "shift"), "capture times as they are, or shifted per patient"),
        "patient_portal": _f(one_of("portal rule", "hold", "release"), "may the patient's portal show it"),
        "unlooked": _f(
            one_of("choice", "send", "wait"),
            "photos that nobody has looked at yet; unsaid: send with fhir-r4, else wait",
        ),
        "labels_enforced": _f(
            Record(
                fields={
                    "tested": _f(DATE, "the day somebody tried it", required=True),
                    "by": _f(PERSON, "who tried it", required=True),
                }
            ),
            "the receiver was seen to hide what is labelled R or V",
        ),
        "heic_as": _f(one_of("form", "jpeg-95", "jpeg-ls"), "how a HEIC photo leaves, declared derived"),
    }
)

_SOURCE_WORDS: Final = {
    LeakKind.MESSAGING_APP: "passed a messaging app",
    LeakKind.CLOUD_COPY: "came back from a cloud",
    LeakKind.SCREENSHOT: "is a screenshot",
    LeakKind.EDITED: "was edited",
    LeakKind.NO_CAMERA_DATA: "has lost its camera data",
}
_NOT_LISTED: Final = one_of("choice", "leave", "quarantine")
_MISSING: Final = one_of("choice", "send", "quarantine")
_SCRUB: Final = one_of("choice", "keep", "catalogue", "remove")

_IDENTITY: Final = {
    "medsnap": _f(
        one_of("schema version", "1"), "version of this language; it fixes the baseline too", required=True
    ),
    "policy": _f(SLUG, "its name", required=True),
    "version": _f(NUMBER, "whole number that only grows", required=True),
    "title": _f(TEXT, "for people"),
    "in_force": _f(
        Record(
            fields={
                "from": _f(DATE, "first day", required=True),
                "until": _f(DATE, "last day", required=True),
                "grace": _f(DURATION, "care goes on this long after the last day"),
            }
        ),
        "when it holds; outside, photos are sealed and wait",
        required=True,
    ),
    "extends": _f(Word(what="policy@version"), "the parent's policy and version, like northside@4"),
    "department": _f(SLUG, "whose policy it is"),
}

_GOVERNANCE: Final = {
    "governance": _f(
        Record(
            fields={
                "body": _f(TEXT, "the governing body", required=True),
                "seats": _f(
                    MapOf(
                        key=SEAT,
                        value=Record(
                            fields={
                                "people": _f(ListOf(item=PERSON), "who sits there", required=True),
                                "sign": _f(NUMBER, "signatures needed, 1 if not said"),
                            },
                            short="people",
                        ),
                    ),
                    "clinical, it, ehr and executive; nobody sits twice",
                    required=True,
                ),
            },
            whole=True,
        ),
        "who decides",
    ),
    "departments": _f(
        MapOf(key=SLUG, value=ListOf(item=PERSON)), "who signs for each; photos of others wait for a person"
    ),
    "departments_may_relax": _f(ListOf(item=PATH), "what a department's own policy may loosen"),
    "waivers": _f(
        Record(
            fields={
                "signed_by": _f(ListOf(item=SEAT), "seats that sign one", required=True),
                "at_most": _f(DURATION, "longest time", required=True),
                "never_for": _f(ListOf(item=PATH), "rules without exception"),
            },
            whole=True,
        ),
        "exceptions that end",
    ),
}

_FACTS: Final = {
    "vocabulary": _f(
        Record(
            fields={
                "required": _f(ListOf(item=one_of("description", *DESCRIPTIONS)), "must be given"),
                "when_missing": _f(
                    Record(fields={key: _f(_MISSING, f"when {key} is missing") for key in DESCRIPTIONS}),
                    "what a missing one does; laterality is asked for paired sites only",
                ),
                "body_site": _f(
                    Record(
                        fields={
                            "codes": _f(
                                ListOf(item=one_of("code set", *CODE_SETS), single=True),
                                "lists of sites: CID 4 and 4031, or CID 4029; a department's adds",
                            ),
                            "also_called": _f(MapOf(key=TEXT, value=TEXT), "local words and their term"),
                        }
                    ),
                    "terms for body sites",
                ),
                "view": _f(ListOf(item=TEXT), "terms for views"),
                "reason": _f(ListOf(item=TEXT), "terms for reasons"),
            }
        ),
        "how every photo is described",
    ),
    "devices": _f(
        Record(
            fields={
                "inventory": _f(TEXT, "file from the device manager"),
                "inventory_max_age": _f(DURATION, "older: a warning"),
                "managed": _f(
                    Record(
                        fields={
                            **_DO,
                            "os_at_least": _f(MapOf(key=NAME, value=VERSION), "oldest system allowed"),
                            "seen_within": _f(DURATION, "last seen by the device manager"),
                        },
                        short="do",
                        whole=True,
                        rule=True,
                    ),
                    "a device that the hospital manages",
                ),
                "personal": _f(VERB_RULE, "a private device"),
                "unknown": _f(VERB_RULE, "no row in the inventory, or the file contradicts it"),
                "lost": _f(VERB_RULE, "a device that the inventory says is lost"),
                "retired": _f(VERB_RULE, "a device that the inventory says is no longer in use"),
                "state": _f(
                    one_of("choice", "any", "in_use"), "in_use: what is not known to be in use waits"
                ),
                "cloud_photos": _f(
                    one_of("choice", "any", "not_on", "off"),
                    "photos go to a cloud by themselves; off: what is not known counts as on",
                ),
                "personal_account": _f(
                    one_of("choice", "any", "not_present", "none"),
                    "on a managed device; none: what is not known counts as present",
                ),
                "operator": _f(
                    one_of("choice", "any", "if_shared", "unless_own"),
                    "photos that need an operator of people.csv: of shared devices, or of all but one's own",
                ),
            }
        ),
        "which devices may take photos",
    ),
    "software": _f(
        Record(
            fields={
                "not_older_than": _f(DURATION, "since medsnap's own release; older: photos wait"),
                "at_least": _f(VERSION, "oldest version of medsnap; older: photos wait"),
            }
        ),
        "medsnap's own age",
    ),
    "sources": _f(
        Record(
            fields={
                **{
                    str(kind): _f(VERB_RULE, f"a photo that {words}") for kind, words in _SOURCE_WORDS.items()
                },
                "not_listed": _f(
                    Record(
                        fields={str(c): _f(_NOT_LISTED, f"on a device that is {c}") for c in DeviceClass},
                        short="*",
                    ),
                    "photos that no manifest row covers: leave them alone, or quarantine",
                ),
            }
        ),
        "signs that a photo has already been elsewhere",
    ),
    "manifest": _f(
        Record(fields={"may_clear": _f(ListOf(item=FEATURE), "features that the clinician's 'no' settles")}),
        "what the capturing clinician's word in a manifest may lower",
    ),
}

_RULES: Final = {
    "scrub": _f(
        Record(
            fields={
                "orientation": _f(_SCRUB, "how the picture is turned"),
                "colour_profile": _f(_SCRUB, "ICC profile"),
                "captured_at": _f(_SCRUB, "capture time"),
                "device": _f(_SCRUB, "make and model"),
                "everything_else": _f(one_of("choice", "remove"), "all the rest"),
            }
        ),
        "what happens to metadata",
    ),
    "compartments": _f(
        MapOf(
            key=SLUG,
            value=Record(
                fields={
                    "open_to": _f(ListOf(item=NEW_ROLE), "roles that may open it", required=True),
                    "label": _f(one_of("label", "N", "R", "V"), "HL7 confidentiality code on exports"),
                    "others_see": _f(one_of("choice", "nothing"), "what everybody else sees"),
                }
            ),
            merges=False,
        ),
        "in order: a photo goes into the last one that any reason names",
    ),
    "detection": _f(
        Record(
            fields={
                "certain_at": _f(SHARE, "at or above: the feature is there"),
                "suspect_at": _f(SHARE, "between the two a person must look"),
                "person_looks": _f(
                    one_of("choice", "every_photo", "before_opening", "when_unsure"),
                    "when a person must have looked",
                ),
                "cannot_appear_in": _f(MapOf(key=TEXT, value=ListOf(item=FEATURE)), "per view"),
                "may_clear": _f(
                    MapOf(key=FEATURE, value=ListOf(item=DETECTOR, single=True)),
                    "detectors whose silence means 'not seen': name, name@model digest or name/version",
                ),
            }
        ),
        "how far detectors are trusted",
    ),
    "features": _f(MapOf(key=FEATURE, value=VERB_RULE), "what each identifying feature does to a photo"),
    "rules": _f(ListOf(item=_RULE), "cases that need more than one condition"),
    "review": _f(
        Record(
            fields={
                "by": _f(ListOf(item=ROLE), "roles that look", required=True),
                "within": _f(DURATION, "how soon"),
                "keep_in": _f(COMPARTMENT, "where a photo waits that no reason sends elsewhere"),
            },
            whole=True,
        ),
        "who looks at what waits",
    ),
}

_USE: Final = {
    "consent": _f(
        MapOf(
            key=one_of("use", "treatment", "teaching", "publication"),
            value=Record(
                fields={
                    "need": _f(
                        one_of("consent", "implied", "verbal", "written"),
                        "what must be recorded",
                        required=True,
                    ),
                    "show": _f(one_of("choice", "original", "redacted"), "original, or only a covered copy"),
                    "reviewers": _f(NUMBER, "people who must agree"),
                },
                short="need",
                whole=True,
            ),
        ),
        "what each use needs",
    ),
    "break_glass": _f(
        Record(
            fields={
                "open_to": _f(ListOf(item=NEW_ROLE), "roles", required=True),
                "lasts": _f(DURATION, "how long", required=True),
                "tell": _f(ListOf(item=NEW_ROLE), "who is told", required=True),
                "never": _f(ListOf(item=COMPARTMENT), "compartments it never opens"),
            },
            whole=True,
        ),
        "emergency access; off if not said",
    ),
    "retention": _f(
        Record(
            fields={
                "keep": _f(KEEP, "from capture on"),
                "minors_until_age": _f(NUMBER, "at least until this birthday"),
                "off_the_device_within": _f(DURATION, "gone from the device"),
            }
        ),
        "how long; a legal hold always wins",
    ),
    "exports": _f(MapOf(key=SLUG, value=_EXPORT), "where photos may go"),
}

ROOT: Final = Record(fields={**_IDENTITY, **_GOVERNANCE, **_FACTS, **_RULES, **_USE})
