"""What lists and searches show of a photo: a few fields, taken from its row without decoding all of it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from medsnap.model.codec import CodecError
from medsnap.model.decision import Verb
from medsnap.model.finding import State
from medsnap.model.photo import MediaType
from medsnap.model.study import MatchState

_WORD: Final = re.compile(r"\w+")
_VERBS: Final = frozenset(str(verb) for verb in Verb)
_MEDIA: Final = frozenset(media.value for media in MediaType)
_MATCHED: Final = frozenset(state.value for state in MatchState)
_NOTICED: Final = frozenset((State.SEEN.value, State.DOUBTFUL.value))
_TEXT: Final = frozenset((str,))
_SAID: Final = _TEXT | {type(None)}
_DESCRIBED: Final = ("body_site", "laterality", "view", "reason", "lesion")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of a list: found without decoding the whole row."""

    object: str
    compartment: str
    at: str
    source: str
    source_sha256: str
    captured: str  # "" when nobody says
    media: str
    length: int
    state: str
    reason: str
    verb: str  # of the decision that holds now
    matched: str
    mrn: str | None
    issuer: str | None
    encounter: str | None
    accession: str | None
    department: str | None
    body_site: str | None = None
    device: str | None = None  # the asset that was claimed
    model: str | None = None  # of the camera
    features: tuple[str, ...] = ()  # seen, or doubtful
    text: str = ""  # of the description, its parts one a line
    opened_by: tuple[str, ...] = ()  # roles, by the decision that holds now


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which photos to list; None means all. Words and names compare without regard to case, numbers not."""

    state: str | None = None
    verb: str | None = None
    compartment: str | None = None
    matched: str | None = None
    mrn: str | None = None
    issuer: str | None = None
    encounter: str | None = None
    department: str | None = None
    body_site: str | None = None
    device: str | None = None  # asset, or the camera's model
    feature: str | None = None
    text: str | None = None  # every word of it stands in the description
    since: str | None = None  # captured on this day or later, YYYY-MM-DD
    until: str | None = None  # captured on this day or earlier
    roles: frozenset[str] | None = None  # the caller's: what none of them may open does not exist

    def labels(self) -> tuple[tuple[str, str], ...]:
        """Name what a photo must be labelled with: (field, value), all of them."""
        exact = ((n, getattr(self, n)) for n in _EXACT)
        loose = ((n, folded(v)) for n in _LOOSE if (v := getattr(self, n)) is not None)
        given = [(n, v) for n, v in exact if v is not None]
        return (*given, *loose, *(("text", word) for word in words(self.text or "")))

    def admit(self, entry: Entry) -> bool:
        """Say whether a photo is wanted."""
        if self.roles is not None and self.roles.isdisjoint(entry.opened_by):
            return False
        if any((v := getattr(self, n)) is not None and v != getattr(entry, n) for n in _EXACT):
            return False
        if self.since is not None and (not entry.captured or entry.captured[:10] < self.since):
            return False
        if self.until is not None and (not entry.captured or entry.captured[:10] > self.until):
            return False
        wanted = self.labels()
        return not wanted or set(wanted) <= set(labels(entry))


_EXACT: Final = ("state", "verb", "compartment", "matched", "mrn", "issuer", "encounter")
_LOOSE: Final = ("department", "body_site", "device", "feature")
_FOLDED: Final = {name: name for name in ("department", "body_site", "device")} | {"model": "device"}
SEARCHED: Final = (*_EXACT, *_FOLDED, "features", "text")  # fields of an entry


def labels(entry: Entry) -> Iterator[tuple[str, str]]:
    """Yield what a photo can be found by: (field, value). Photos of one label share a blind tag."""
    for name in SEARCHED:
        yield from labels_of(name, getattr(entry, name))


def labels_of(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield what a photo can be found by because of one field of its entry; None says nothing."""
    if name in _FOLDED:
        if value:
            yield _FOLDED[name], folded(value)
    elif name == "features":
        for feature in value:
            yield "feature", folded(feature)
    elif name == "text":
        for word in words(value):
            yield "text", word
    elif value is not None:
        yield name, value


def folded(text: str) -> str:
    """Return a text as it is compared: compatibility forms, case and the spaces around it gone."""
    return unicodedata.normalize("NFKC", text).casefold().strip()


def words(text: str) -> tuple[str, ...]:
    """Split a text into the words that it can be searched by, each once."""
    return tuple(dict.fromkeys(_WORD.findall(folded(text).replace("_", " "))))


def entry_of(event: Mapping[str, Any], compartment: str) -> Entry:
    """Take from a photo.add event what lists show. Raises CodecError."""
    seal, match = _part(event, "seal"), _part(event, "match")
    decision = _part(event, "decision")
    patient, visit = _maybe(match, "patient"), _maybe(match, "visit")
    at, source, digest, state = _texts(event, "at", "source_name", "source_sha256", "state")
    mrn, issuer = _texts(patient, "mrn", "issuer") if patient else (None, None)
    encounter, accession, department = _said(visit, "encounter", "accession", "department")
    told = _said(_maybe(match, "description"), *_DESCRIBED)
    model, taken = _said(_maybe(event, "capture"), "model", "captured_at")
    listed, asset = _said(match, "captured_at", "asset")
    (reason,) = _said(event, "reason")
    (claimed,) = _said(_maybe(event, "device"), "asset")
    return Entry(
        object=_text(seal, "object"),
        compartment=compartment,
        at=at,
        source=source,
        source_sha256=digest,
        captured=listed or taken or "",
        media=_one_of(event, "media", _MEDIA),
        length=_number(seal, "length"),
        state=state,
        reason=reason or "",
        verb=_one_of(decision, "verb", _VERBS),
        matched=_one_of(match, "state", _MATCHED),
        mrn=mrn,
        issuer=issuer,
        encounter=encounter,
        accession=accession,
        department=department,
        body_site=told[0],
        device=claimed or asset,
        model=model,
        features=_noticed(decision),
        text="\n".join(filter(None, told)),
        opened_by=_roles(decision),
    )


def _noticed(decision: Mapping[str, Any]) -> tuple[str, ...]:
    """Name the features that were seen or are doubtful, as the decision fused them."""
    found = decision.get("features", [])
    if not isinstance(found, list):
        raise CodecError("features", "needs a list")
    try:
        return tuple(sorted({_text(f, "feature") for f in found if f["state"] in _NOTICED}))
    except (KeyError, TypeError):
        raise CodecError("features", "needs objects with a state") from None


def _roles(decision: Mapping[str, Any]) -> tuple[str, ...]:
    roles = decision.get("opened_by", [])
    if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
        raise CodecError("opened_by", "needs a list of texts")
    return tuple(roles)


def _part(parent: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = parent.get(name)
    if not isinstance(value, dict):
        raise CodecError(name, "needs an object")
    return value


def _maybe(parent: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    value = parent.get(name)
    if value is None or isinstance(value, dict):
        return value
    raise CodecError(name, "needs an object")


def _text(parent: Mapping[str, Any], name: str) -> str:
    value = parent.get(name)
    if not isinstance(value, str):
        raise CodecError(name, "needs text")
    return value


def _texts(parent: Mapping[str, Any], *names: str) -> Sequence[str]:
    """Return several texts: a million entries are made one after the other, and calls cost the most."""
    found: list[Any] = [*map(parent.get, names)]
    if not _TEXT.issuperset(map(type, found)):
        return [_text(parent, name) for name in names]
    return found


def _said(parent: Mapping[str, Any] | None, *names: str) -> Sequence[str | None]:
    """Return several texts, None for each that is not there."""
    if parent is None:
        return (None,) * len(names)
    found = [*map(parent.get, names)]
    if not _SAID.issuperset(map(type, found)):
        return [None if parent.get(name) is None else _text(parent, name) for name in names]
    return found


def _number(parent: Mapping[str, Any], name: str) -> int:
    value = parent.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise CodecError(name, "needs a number")
    return value


def _one_of(parent: Mapping[str, Any], name: str, known: frozenset[str]) -> str:
    value = _text(parent, name)
    if value not in known:
        raise CodecError(name, "is not known")
    return value
