"""Compare two pictures that were not compared when they were taken in: whoever exports holds the keys."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import TYPE_CHECKING, Final

from medsnap.errors import NotFound, Tampered
from medsnap.model.codec import to_json
from medsnap.model.photo import Kind
from medsnap.model.repeat import Repeat, Sameness, Shot
from medsnap.vault.repeats import compare, facts_of, shot_of
from medsnap.workers import Limits, Lost, Pool

if TYPE_CHECKING:
    from medsnap.model.photo import MediaType, ObjectId
    from medsnap.model.record import PhotoRow
    from medsnap.vault.session import Session

_LIMITS: Final = Limits(seconds=120.0)


@dataclass(slots=True, kw_only=True)
class SecondLook:
    """Pictures are decoded in a child without keys, which starts with the first one. A context manager."""

    session: Session
    _pool: Pool[tuple[bytes, MediaType], str | None] = field(
        default_factory=lambda: Pool("medsnap.raster.likeness:serve", None, jobs=1, limits=_LIMITS)
    )
    _shots: dict[ObjectId, Shot] = field(default_factory=dict)

    def __enter__(self) -> SecondLook:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.__exit__(kind, value, trace)

    def __call__(self, row: PhotoRow, doubt: Repeat) -> Repeat | None:
        """Judge a doubt again with both pictures; None when they turn out to be two shots."""
        other = self.session.catalogue.photo(doubt.object)
        found = compare(self._shot(row), self._shot(other))
        if found.sameness is Sameness.DIFFERENT:
            return None
        return replace(doubt, sameness=found.sameness, because=found.because)

    def _shot(self, row: PhotoRow) -> Shot:
        name = row.seal.object
        if name not in self._shots:
            known = shot_of(facts_of(to_json(row)))
            self._shots[name] = known if known.likeness else replace(known, likeness=self._seen(row) or "")
        return self._shots[name]

    def _seen(self, row: PhotoRow) -> str | None:
        """Return a picture's fingerprint; None where it does not open or decode."""
        if row.media.kind is not Kind.PHOTO or row.state != "done":
            return None
        try:
            photo = self.session.reader.open_seal(row.seal)
        except (Tampered, NotFound):  # or it was erased or moved while this ran
            return None
        _, made = next(self._pool.map([(photo, row.media)]))
        return None if isinstance(made, Lost) else made
