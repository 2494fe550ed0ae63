"""Write the vocabularies that the policy reads; the same tables always give the same bytes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from vocabulary.groups import SCHEME, Concept, edition, members, source
from vocabulary.judge import Side, intimate, side_of
from vocabulary.words import LATERALITY, SITES, VIEWS, derived

DATA: Final = Path(__file__).parent.parent / "medsnap" / "policy" / "data"
SETS: Final = {"dicom-anatomy": [4, 4031], "dicom-dermatology": [4029]}
_LICENCE: Final = (
    "SNOMED CT codes of the DICOM subset only; others need a licence of SNOMED International (docs/POLICY.md)"
)


def files() -> dict[str, str]:
    """Make all vocabularies: name of the file → its text. Raises LookupError for a site nobody has judged."""
    return {"sites.json": _sites(), "laterality.json": _laterality(), "views.json": _views()}


def _sites() -> str:
    concepts = members(4, 4031, 4029)
    taken = {word.lower() for concept in concepts for word in (concept.meaning, *concept.others)}
    taken |= {word for words in SITES.values() for word in words}
    unknown = SITES.keys() - {concept.code for concept in concepts}
    if unknown:
        raise LookupError(f"words for codes that no group lists: {sorted(unknown)}")
    rows = [_site(concept, taken) for concept in concepts]
    _once(rows)
    head = {
        "source": edition(),
        "licence": _LICENCE,
        "judgements": "paired, midline, side, sensitive and also are medsnap's own (vocabulary/)",
        "scheme": SCHEME,
        "groups": source(4, 4031, 4029),
        "sets": SETS,
    }
    return _text(head, "sites", rows)


def _site(concept: Concept, taken: set[str]) -> dict[str, object]:
    rule = side_of(concept.meaning)
    own = [word.lower() for word in concept.others] + list(SITES.get(concept.code, ()))
    own += [word for word in derived(concept) if word not in taken]
    row: dict[str, object] = {"code": concept.code, "meaning": concept.meaning, "cid": list(concept.groups)}
    row |= {"paired": rule.side is Side.PAIRED, "midline": rule.side is Side.MIDLINE, "rule": rule.name}
    if rule.side is Side.NAMED:
        row["side"] = "left" if "left" in concept.meaning.lower() else "right"
    return row | {
        "sensitive": any(intimate(word) for word in (concept.meaning, *concept.others)),
        "also": own,
    }


def _once(rows: Iterable[Mapping[str, object]]) -> None:
    """Refuse a word of two sites: which one a photo shows would depend on the order of a file."""
    said: dict[str, object] = {}
    for row in rows:
        also = row["also"]
        for word in (row["meaning"], *(also if isinstance(also, list) else ())):
            plain = str(word).lower()
            if said.setdefault(plain, row["code"]) != row["code"]:
                raise LookupError(f"'{plain}' is a word for {said[plain]} and for {row['code']}")


def _laterality() -> str:
    rows = []
    for concept in members(244):
        word, also = LATERALITY[concept.code]
        rows.append({"code": concept.code, "meaning": concept.meaning, "word": word, "also": list(also)})
    head = {"source": edition(), "licence": _LICENCE, "scheme": SCHEME, "groups": source(244)}
    return _text(head, "sides", rows)


def _views() -> str:
    head = {
        "source": "medsnap's own list: DICOM PS3.16 has no context group for the views of a photograph",
    }
    rows = [{"term": term, "meaning": meaning, "also": list(also)} for term, (meaning, also) in VIEWS.items()]
    return _text(head, "views", rows)


def _text(head: Mapping[str, object], name: str, rows: Iterable[Mapping[str, object]]) -> str:
    """Print one row a line, so that a change of the standard is a change of its lines."""
    lines = [f"  {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}," for key, value in head.items()]
    listed = ",\n".join("    " + json.dumps(row, ensure_ascii=False) for row in rows)
    return "{\n" + "\n".join(lines) + f'\n  "{name}": [\n{listed}\n  ]\n}}\n'


def write(folder: Path = DATA) -> tuple[str, ...]:
    """Write what differs from the files of a folder and name it."""
    changed = []
    for name, text in files().items():
        path = folder / name
        if not path.is_file() or path.read_text("utf-8") != text:
            path.write_text(text, encoding="utf-8", newline="\n")
            changed.append(name)
    return tuple(changed)
