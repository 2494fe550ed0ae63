"""Which files of one folder belong together: a photo, its live clip, its sidecars and edits."""

from __future__ import annotations

import bisect
import mmap
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medsnap.errors import MedsnapError
from medsnap.formats import embedded, tiff
from medsnap.intake import archive, live, names
from medsnap.model.photo import ArchiveKind, CompanionKind, Kind, MediaType, Source
from medsnap.model.rewrite import Buffer

_STILLS = (MediaType.HEIC, MediaType.HEIF, MediaType.JPEG)  # in the order in which a clip chooses
_CLIPS = (MediaType.MOV, MediaType.MP4)
_READ = 64 << 20  # bytes of a member that is read for an identifier
_SIDECARS = {".aae": CompanionKind.AAE, ".xmp": CompanionKind.XMP}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An ordinary file of the folder: its name, what stat said, and its type by content."""

    name: str
    source: Source
    media: MediaType
    archive: bool = False
    packed: ArchiveKind | None = None  # an archive that is read as a folder
    takeout: bool = False  # it reads like a sidecar of Google Takeout

    @property
    def kind(self) -> Kind:
        """Say whether this is a photo, a clip or something else."""
        return self.media.kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouped:
    """Names of companions by the name of their photo, and sidecars that have none."""

    of: Mapping[str, tuple[tuple[CompanionKind, str], ...]]
    taken: frozenset[str]  # companions: they get no outcome of their own
    orphans: frozenset[str]


def group(files: Sequence[Found]) -> Grouped:
    """Group the files of one folder. Names decide; identifiers of a Live Photo can only veto."""
    return _Grouping(files).run()


class _Grouping:
    def __init__(self, files: Sequence[Found]) -> None:
        self.files = files
        self.stems: defaultdict[str, list[Found]] = defaultdict(list)
        for file in files:
            self.stems[names.stem(file.name)].append(file)
        self.media = {f.name.casefold(): f for f in files if f.kind is not Kind.OTHER}
        self.sorted = sorted(self.media)
        self.of: defaultdict[str, list[tuple[CompanionKind, str]]] = defaultdict(list)
        self.taken: set[str] = set()
        self.orphans: set[str] = set()

    def run(self) -> Grouped:
        for file in self.files:
            self._edited(file)
        for file in self.files:
            self._sidecar(file)
        for still, clip in _live_pairs(self.stems, self.taken):
            self._give(still, CompanionKind.LIVE_CLIP, clip)
        return Grouped(
            of={name: tuple(sorted(found)) for name, found in self.of.items()},
            taken=frozenset(self.taken),
            orphans=frozenset(self.orphans),
        )

    def _give(self, owner: Found, kind: CompanionKind, companion: Found) -> None:
        self.of[owner.name].append((kind, companion.name))
        self.taken.add(companion.name)

    def _edited(self, file: Found) -> None:
        original = names.apple_original(file.name)
        if original is None or file.kind is Kind.OTHER:
            return
        owner = next((f for f in self.stems.get(original, ()) if f.kind is Kind.PHOTO), None)
        if owner:
            self._give(owner, CompanionKind.EDITED, file)

    def _sidecar(self, file: Found) -> None:
        kind = _sidecar_kind(file)
        if kind is None:
            return
        takeout = kind is CompanionKind.TAKEOUT_JSON
        owner = self._takeout_owner(file) if takeout else self._owner(file)
        if owner:
            self._give(owner, kind, file)
        elif file.takeout or not takeout:
            self.orphans.add(file.name)

    def _owner(self, file: Found) -> Found | None:
        whole = file.name[:-4].casefold()  # IMG_1.JPG.xmp belongs to IMG_1.JPG, IMG_1.xmp to IMG_1.*
        exact = self.media.get(whole)
        if exact is not None and exact.name not in self.taken:
            return exact
        near = self.stems.get(names.apple_original(file.name) or whole, ())
        return next((f for f in near if f.kind is not Kind.OTHER and f.name not in self.taken), None)

    def _takeout_owner(self, file: Found) -> Found | None:
        wanted = names.takeout_photo(file.name)
        if wanted is None:
            return None
        exact = self.media.get(wanted.photo)
        if exact is None:
            exact = next((f for f in self.stems.get(wanted.photo, ()) if f.kind is not Kind.OTHER), None)
        if exact is None and wanted.cut:
            exact = self._beginning_with(wanted.photo)
        return exact if exact is not None and exact.name not in self.taken else None

    def _beginning_with(self, prefix: str) -> Found | None:
        """The only photo whose name begins so; None where there are two."""
        at = bisect.bisect_left(self.sorted, prefix)
        begins = [name for name in self.sorted[at : at + 2] if name.startswith(prefix)]
        return self.media[begins[0]] if len(begins) == 1 else None


def _sidecar_kind(file: Found) -> CompanionKind | None:
    if file.kind is not Kind.OTHER:
        return None
    folded = file.name.casefold()
    if folded.endswith(".json"):
        return CompanionKind.TAKEOUT_JSON
    return _SIDECARS.get(folded[-4:])


def _live_pairs(stems: Mapping[str, list[Found]], taken: set[str]) -> list[tuple[Found, Found]]:
    pairs: list[tuple[Found, Found]] = []
    for together in stems.values():
        clips = [f for f in together if f.media in _CLIPS and f.name not in taken]
        stills = [f for f in together if f.media in _STILLS and f.name not in taken]
        stills.sort(key=lambda f: _STILLS.index(f.media))
        for clip, still in zip(clips, stills, strict=False):
            if _may_pair(still, clip):
                pairs.append((still, clip))
    return pairs


def _may_pair(still: Found, clip: Found) -> bool:
    """Two identifiers that differ tell two cameras apart whose counters met at one number."""
    identifiers = _identifier(still), _identifier(clip)
    if None in identifiers:
        return clip.media is MediaType.MOV  # an MP4 beside a photo is a clip of its own, unless it says so
    return identifiers[0] == identifiers[1]


def _view(source: Source) -> Buffer | None:
    with source.path.open("rb") as handle:
        if source.member is None:
            # Not closed by hand: an error's traceback may still hold views of it.
            return memoryview(mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ))
        if source.size > _READ or source.member.kind not in (ArchiveKind.ZIP, ArchiveKind.TAR):
            return None  # a compressed tar would be unpacked from its beginning for each file
        return archive.reader(handle, source).read()


def _identifier(file: Found) -> str | None:
    try:
        view = _view(file.source)
        if view is None:
            return None
        if file.kind is Kind.CLIP:
            return live.of_clip(view)
        payload = embedded.exif(view, file.media)
    except (OSError, ValueError, MedsnapError):
        return None
    note = tiff.read(payload).get("Exif", live.MAKER_NOTE) if payload else None
    return live.of_maker_note(note.value) if note else None
