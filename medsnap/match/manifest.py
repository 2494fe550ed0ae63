"""The manifest: a CSV that says whose photos these are. Only `matched` photos leave the vault."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from medsnap.formats import csv_table as table
from medsnap.match import judge, merge, rows
from medsnap.match.rows import Entry, Said
from medsnap.model.photo import CaptureFacts, Sha256
from medsnap.model.study import Match, MatchState

_SPELLINGS = {column: spellings for column, (spellings, _) in rows.COLUMNS.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A manifest with its indexes; `digest` is the SHA-256 of the file as it was read."""

    digest: str
    entries: tuple[Entry, ...]
    shared: frozenset[str] | None = None  # base names borne twice in the dump; None: not surveyed
    _files: Mapping[str, tuple[Entry, ...]] = field(repr=False)
    _digests: Mapping[str, tuple[Entry, ...]] = field(repr=False)
    _folders: Mapping[str, tuple[Entry, ...]] = field(repr=False)
    _doubts: judge.Doubts = field(repr=False)

    def over(self, relatives: Iterable[str]) -> Manifest:
        """Return this manifest, knowing all files of the dump: a row may then name a file by its
        base name alone, as long as no other file of the dump bears it."""
        seen: set[str] = set()
        twice: set[str] = set()
        for relative in relatives:
            base = _normal(relative).rpartition("/")[2]
            (twice if base in seen else seen).add(base)
        return replace(self, shared=frozenset(twice))

    def idle(self, relatives: Iterable[str]) -> tuple[int, ...]:
        """Return the lines of rows whose file or folder is not in the dump; rows by SHA-256 are left out."""
        files: set[str] = set()
        folders = {""}
        for relative in relatives:
            path = _normal(relative)
            files |= {path, path.rpartition("/")[2]}
            while path:
                path = path.rpartition("/")[0]
                folders.add(path)
        return tuple(
            e.line
            for e in self.entries
            if (e.folder is not None and e.folder not in folders)
            or (e.file is not None and e.sha256 is None and e.file not in files)
        )

    def match(self, relative: str, sha256: Sha256, captured: CaptureFacts) -> Match:
        """Say whose photo this is: the rows of its content, its file and its folders together."""
        path = _normal(relative)
        closest, problems, doubts = self._closest(path, sha256)
        folders = self._enclosing(path)
        if not closest and not folders:
            reason = "no row of the manifest names this photo"
            return Match(state=MatchState.UNMATCHED, reasons=(reason,), manifest=self.digest)
        said, found = merge.together([e.said for e in closest]) if closest else (Said(), ())
        problems += found
        for level in folders:
            wider, found = merge.together([e.said for e in level])
            said, more = merge.override(said, wider)
            problems += found + more
        return judge.judge(
            said, captured, problems=problems, unsure=doubts, whole=self._doubts, manifest=self.digest
        )

    def _closest(self, path: str, sha256: Sha256) -> tuple[list[Entry], tuple[str, ...], tuple[str, ...]]:
        """Rows that name this photo itself, with what contradicts them and what leaves a doubt."""
        base = path.rpartition("/")[2]
        named = list(self._files.get(path, ()))
        doubts: tuple[str, ...] = ()
        bare = self._files.get(base, ()) if base != path else ()
        if bare and not named and (self.shared is None or base in self.shared):
            doubts = ("a row names a file without its folder, and other files may bear that name",)
        named += [e for e in bare if not named]
        problems: tuple[str, ...] = ()
        if any(e.sha256 not in (None, sha256) for e in named):
            problems = ("a row names this file, but with another content (sha256)",)
        content = [e for e in self._digests.get(sha256, ()) if e not in named]
        return named + content, problems, doubts

    def _enclosing(self, path: str) -> list[tuple[Entry, ...]]:
        """Rows of the folders around the photo, the innermost first."""
        levels: list[tuple[Entry, ...]] = []
        folder = path.rpartition("/")[0]
        while folder:
            levels.append(self._folders.get(folder, ()))
            folder = folder.rpartition("/")[0]
        levels.append(self._folders.get("", ()))
        return [level for level in levels if level]


def load(path: Path) -> Manifest:
    """Read a manifest. Raises ConfigError with file:line:column, InputMissing, IoFailed."""
    return _manifest(table.read(path, _SPELLINGS, strict=True))


def parse(data: bytes, name: str) -> Manifest:
    """Read a manifest from bytes; `name` stands in messages."""
    return _manifest(table.parse(data, name, _SPELLINGS, strict=True))


def _manifest(source: table.Table) -> Manifest:
    entries = tuple(rows.entry(source, row) for row in source.rows)
    return Manifest(
        digest=source.digest,
        entries=entries,
        _files=_index((e.file, e) for e in entries),
        _digests=_index((e.sha256, e) for e in entries),
        _folders=_index((e.folder, e) for e in entries),
        _doubts=judge.doubts(e.said for e in entries),
    )


def _index(pairs: Iterable[tuple[str | None, Entry]]) -> Mapping[str, tuple[Entry, ...]]:
    index: defaultdict[str, list[Entry]] = defaultdict(list)
    for key, item in pairs:
        if key is not None:
            index[key].append(item)
    return {key: tuple(items) for key, items in index.items()}


def _normal(relative: str) -> str:
    return unicodedata.normalize("NFC", relative.replace("\\", "/"))
