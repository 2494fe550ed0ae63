"""Code 128 (ISO/IEC 15417), code set B: enough for the number on a wristband."""

from __future__ import annotations

# Widths of bar, space, bar, space, bar, space for the values 0-102, start B (104) and stop (106);
# each takes seven characters here.
_WIDTHS = (
    "212222 222122 222221 121223 121322 131222 122213 122312 132212 221213 221312 231212 112232 122132 "
    "122231 113222 123122 123221 223211 221132 221231 213212 223112 312131 311222 321122 321221 312212 "
    "322112 322211 212123 212321 232121 111323 131123 131321 112313 132113 132311 211313 231113 231311 "
    "112133 112331 132131 113123 113321 133121 313121 211331 231131 213113 213311 213131 311123 311321 "
    "331121 312113 312311 332111 314111 221411 431111 111224 111422 121124 121421 141122 141221 112214 "
    "112412 122114 122411 142112 142211 241211 221114 413111 241112 134111 111242 121142 121241 114212 "
    "124112 124211 411212 421112 421211 212141 214121 412121 111143 111341 131141 114113 114311 411113 "
    "411311 113141 114131 311141 411131"
)
_START_B, _START_WIDTHS, _STOP_WIDTHS = 104, "211214", "2331112"


def widths(text: str) -> tuple[int, ...]:
    """Return the widths in modules of bars and spaces in turn, beginning with a bar; no quiet zones.

    Raises ValueError for characters outside ASCII 32-126.
    """
    values = [ord(c) - 32 for c in text]
    if any(not 0 <= v <= 94 for v in values):
        raise ValueError("code set B holds ASCII 32 to 126 only")
    check = (_START_B + sum(place * value for place, value in enumerate(values, 1))) % 103
    symbols = [_START_WIDTHS, *(_WIDTHS[7 * v : 7 * v + 6] for v in [*values, check]), _STOP_WIDTHS]
    return tuple(int(w) for symbol in symbols for w in symbol)
