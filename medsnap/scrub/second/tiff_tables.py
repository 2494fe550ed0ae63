"""The tags that may stand in a scrubbed TIFF or DNG, with their types and counts, for the second reader."""

from __future__ import annotations

from dataclasses import dataclass

_S, _L, _SL, _R, _SR, _U, _A = (3,), (4,), (3, 4), (5,), (10,), (1, 7), (2,)


@dataclass(frozen=True, slots=True)
class Rule:
    """`count` is a number, a range "2-64", "1n", "<n", "2n", "6n" (n samples), "v" (values of one) or "*"."""

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
        if isinstance(self.count, str):
            low, _, high = self.count.partition("-")
            return int(low) <= count <= int(high)
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


_RAW_TAGS = (
    254,
    256,
    257,
    258,
    259,
    262,
    266,
    274,
    277,
    278,
    284,
    317,
    322,
    323,
    339,
    347,
    273,
    279,
    324,
    325,
)
_M, _B, _F = Rule(_SR, "3-24"), (1,), (11,)
_DNG: dict[int, Rule] = {
    **{tag: _TIFF[tag] for tag in _RAW_TAGS},
    33421: Rule(_S, 2), 33422: Rule(_B, "1-64"), 50706: Rule(_B, 4), 50707: Rule(_B, 4),
    50708: Rule(_A, "2-64"), 50710: Rule(_B, "1-8"), 50711: Rule(_S), 50712: Rule(_S, "1-65536"),
    50713: Rule(_S, 2),
    50714: Rule((3, 4, 5), "1-512"), 50715: Rule(_SR, "1-65536"), 50716: Rule(_SR, "1-65536"),
    50717: Rule(_SL, "1n"), 50718: Rule(_R, 2), 50719: Rule((3, 4, 5), 2), 50720: Rule((3, 4, 5), 2),
    50721: _M, 50722: _M, 50723: Rule(_SR, "1-64"), 50724: Rule(_SR, "1-64"), 50725: _M, 50726: _M,
    50727: Rule(_R, "1-8"), 50728: Rule((3, 5), "1-8"), 50729: Rule(_R, 2), 50730: Rule(_SR), 50731: Rule(_R),
    50732: Rule(_R), 50733: Rule(_L), 50734: Rule(_R), 50737: Rule(_R), 50738: Rule(_R), 50739: Rule(_R),
    50778: Rule(_S), 50779: Rule(_S), 50780: Rule(_R), 50829: Rule(_SL, 4), 50830: Rule(_SL, "4-64"),
    50831: Rule((7,), "*"), 50832: _M, 50879: Rule(_S), 50935: Rule(_R), 50937: Rule(_L, 3),
    50938: Rule(_F, "3-1048576"), 50939: Rule(_F, "3-1048576"), 50940: Rule(_F, "4-131072"), 50941: Rule(_L),
    50964: _M, 50965: _M, 50974: Rule(_SL, 2), 50975: Rule(_SL), 50981: Rule(_L, 3),
    50982: Rule(_F, "3-1048576"), 51008: Rule((7,), "*"), 51009: Rule((7,), "*"), 51022: Rule((7,), "*"),
    51041: Rule((12,), "2-64"), 51107: Rule(_L), 51108: Rule(_L), 51109: Rule((5, 10)), 51110: Rule(_L),
    51125: Rule(_R, 4), 52547: Rule(_SL),
}  # fmt: skip


def rules(*, dng: bool) -> dict[int, Rule]:
    """Return the tags of a TIFF, or of a DNG."""
    return _DNG if dng else _TIFF


def misfit(tag: int, value: bytes) -> bool:
    """Say whether the value of a DNG tag holds something else than it should: text, opcodes, a profile."""
    if tag == 50708:
        return value[-1:] != b"\0" or not all(31 < c < 127 for c in value[:-1])
    if tag == 50831:
        size = int.from_bytes(value[:4], "big")
        return value[36:40] != b"acsp" or not 0 <= len(value) - size <= 3 or any(value[size:])
    if tag not in (51008, 51009, 51022):
        return False
    left, at = int.from_bytes(value[:4], "big"), 4
    while left and at < len(value):
        if not 0 < int.from_bytes(value[at : at + 4], "big") < 15:
            return True
        at += 16 + int.from_bytes(value[at + 12 : at + 16], "big")
        left -= 1
    return bool(left) or at != len(value)
