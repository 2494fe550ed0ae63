"""The tags that may stand in a scrubbed TIFF or DNG, with their types and counts, for the second reader."""

from __future__ import annotations

from dataclasses import dataclass

_S, _L, _SL, _R, _SR, _U, _A = (3,), (4,), (3, 4), (5,), (10,), (1, 7), (2,)


@dataclass(frozen=True, slots=True)
class Rule:
    """`count` is a number, "n" (samples), "1n", "v" (values of a sample) or "*" (any)."""

    kinds: tuple[int, ...]
    count: int | str = 1

    def fits(self, count: int, samples: int, bits: int) -> bool:
        """Say whether this count may stand."""
        levels = 1 << bits if bits <= 16 else 0
        match self.count:
            case "1n":
                return count in (1, samples)
            case "<n":
                return 1 <= count <= samples
            case "2n":
                return count in (2, 2 * samples)
            case "6n":
                return count in (6, 2 * samples)
            case "v":
                return count == levels > 0
            case "3v":
                return count == 3 * levels > 0
            case "v3v":
                return count in (levels, 3 * levels) and levels > 0
            case "*":
                return 0 < count < 1 << 24
        return count == self.count


_TIFF: dict[int, Rule] = {
    254: Rule(_SL), 255: Rule(_S), 256: Rule(_SL), 257: Rule(_SL), 258: Rule(_S, "1n"), 259: Rule(_SL),
    262: Rule(_SL), 266: Rule(_S), 274: Rule(_S), 277: Rule(_SL), 278: Rule(_SL), 280: Rule(_S, "1n"),
    281: Rule(_S, "1n"), 282: Rule(_R), 283: Rule(_R), 284: Rule(_S), 290: Rule(_S), 291: Rule(_S, "v"),
    292: Rule(_SL), 293: Rule(_SL), 296: Rule(_S), 297: Rule(_S, 2), 301: Rule(_S, "v3v"), 317: Rule(_S),
    318: Rule(_R, 2), 319: Rule(_R, 6), 320: Rule(_S, "3v"), 322: Rule(_SL), 323: Rule(_SL), 332: Rule(_S),
    334: Rule(_S), 336: Rule((1, 3), "2n"), 338: Rule(_S, "<n"), 339: Rule(_S, "1n"),
    340: Rule((1, 3, 4, 6, 8, 9, 11, 12), "1n"), 341: Rule((1, 3, 4, 6, 8, 9, 11, 12), "1n"),
    347: Rule(_U, "*"), 529: Rule(_R, 3), 530: Rule(_S, 2), 531: Rule(_S), 532: Rule(_R, "6n"),
    34675: Rule(_U, "*"),
    273: Rule((4, 16), "*"), 279: Rule((4, 16), "*"), 324: Rule((4, 16), "*"), 325: Rule((4, 16), "*"),
}  # fmt: skip


def rules(*, dng: bool) -> dict[int, Rule]:
    """Return the tags of a TIFF, or of a DNG."""
    return _TIFF if not dng else _TIFF
