"""What every fuzz target shares: what must hold for any bytes, and where the first bytes come from."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from medsnap.errors import MedsnapError
from medsnap.formats.sniff import sniff
from medsnap.model.photo import MediaType
from medsnap.scrub import ScrubKeep, clean, registry

FINDINGS = Path(__file__).resolve().parent.parent / "golden" / "findings"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One parser under fire: `check` raises for a finding, `seeds` are small files to start from."""

    name: str
    check: Callable[[bytes], None]
    seeds: Callable[[], Iterable[bytes]]
    words: tuple[bytes, ...] = ()  # of the format, for the fuzzer's dictionary

    def findings(self) -> list[Path]:
        """Files that once were findings."""
        return sorted(FINDINGS.glob(f"{self.name}-*"))


def check_scrub(data: bytes, media: MediaType, keep: ScrubKeep = ScrubKeep()) -> None:  # noqa: B008
    """Scrub as `media`: a proven copy of that type that scrubs to itself, or a MedsnapError."""
    try:
        done = clean(data, media, keep=keep)
    except MedsnapError:
        return
    output = done.data(data)
    assert len(output) == done.report.size_out
    registry.second_reader(media).account(output, media)
    again = clean(output, sniff(output), keep=keep)
    assert again.data(output) == output, "a second scrub changes the copy"
    assert again.report.orientation == done.report.orientation


def check_family(*family: MediaType) -> Callable[[bytes], None]:
    """Make a check for several types with one parser: each file is taken as what its bytes say."""

    def check(data: bytes) -> None:
        media = sniff(data)
        check_scrub(data, media if media in family else family[0])

    return check
