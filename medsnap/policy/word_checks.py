"""What lint checks of the words of a policy: sites, their codes and synonyms, views and reasons (V2, V3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from medsnap.policy import sites
from medsnap.policy.findings import meant, shown
from medsnap.policy.walk import Item

_NOTHING = Item({}, "", 0)
Said = tuple[Item, str, str]  # where, code of the finding, sentence


@dataclass(frozen=True, slots=True)
class WordChecks:
    """`own` is what a file says, `whole` adds what its parent and baseline say."""

    own: Item
    whole: Item

    def run(self) -> Iterator[Said]:
        """Go through all words of the file."""
        known = sites.chosen(_codes(self.whole), _local(self.whole))
        yield from self._synonyms(known)
        for rule in _at(self.own, "rules").items():
            for word in _at(rule, "when", "body_site").items():
                yield from _site(word, known)
            for key in ("view", "reason"):
                yield from self._listed(key, _at(rule, "when", key).items())
        views = _at(self.own, "detection", "cannot_appear_in").entries()
        yield from self._listed("view", (Item(view, item.file, item.line) for view, item in views))

    def _listed(self, key: str, said: Iterator[Item]) -> Iterator[Said]:
        """Find views and reasons that the vocabulary lacks: a rule for one would never speak."""
        listed = _at(self.whole, "vocabulary", key).texts()
        known = {sites.normal(word) for word in listed}
        for item in said:
            word = str(item.value)
            if sites.normal(word) not in known:
                yield item, "E102", f"unknown {key} '{shown(word)}'{meant(word, listed)}"

    def _synonyms(self, known: sites.Sites) -> Iterator[Said]:
        plain = sites.packaged()
        means: dict[str, tuple[str, sites.Site]] = {}
        for word, term in _at(self.own, "vocabulary", "body_site", "also_called").entries():
            text = str(term.value)
            target, already = plain.find(text), plain.find(word)
            before = means.get(sites.normal(word))
            if (wrong := plain.wrong_code(text)) is not None and target is None:
                yield term, "E120", wrong
            elif target is None:
                guess = meant(text, known.terms)
                yield term, "E121", f"'{shown(word)}' means '{shown(text)}', which is no term{guess}"
            elif already is not None and already.code != target.code:
                yield term, *_taken(word, already, target)
            elif before is not None and before[1].code != target.code:
                two = f"'{before[1].meaning}' and '{target.meaning}'"
                yield (
                    term,
                    "E121",
                    f"'{shown(word)}' means two terms: {two} ('{shown(before[0])}' is the same)",
                )
            else:
                yield from _outside(term, target, known)
                means.setdefault(sites.normal(word), (word, target))


def _taken(word: str, already: sites.Site, target: sites.Site) -> tuple[str, str]:
    if sites.code_of(word):
        return "E120", f"{shown(word)} is the code of '{already.meaning}', not of '{target.meaning}'"
    return "E121", f"'{shown(word)}' is already a word for '{already.meaning}'"


def _site(word: Item, known: sites.Sites) -> Iterator[Said]:
    """Check a site that a rule names: by its term, its code, or both."""
    text = str(word.value)
    found = known.find(text)
    if found is not None:
        yield from _outside(word, found, known)
    elif (wrong := known.wrong_code(text)) is not None:
        yield word, "E120", wrong
    else:
        yield word, "E102", f"unknown body site '{shown(text)}'{meant(text, known.terms)}"


def _outside(item: Item, site: sites.Site, known: sites.Sites) -> Iterator[Said]:
    """Find a site of DICOM that the code sets of the policy leave out."""
    if not known.lists(site):
        where = " and ".join(site.sets)
        message = f"'{site.meaning}' stands in {where}, not in {', '.join(known.codes)}; add it to 'codes'"
        yield item, "E120", message


def _at(item: Item, *path: str) -> Item:
    for key in path:
        item = item.get(key) or _NOTHING
    return item


def _codes(whole: Item) -> tuple[str, ...]:
    return _at(whole, "vocabulary", "body_site", "codes").texts()


def _local(whole: Item) -> dict[str, str]:
    called = _at(whole, "vocabulary", "body_site", "also_called").entries()
    return {sites.normal(word): sites.normal(str(term.value)) for word, term in called}
