"""The tags that a DNG needs to be rendered, those that may go, and those that are refused (DNG 1.7.1)."""

from __future__ import annotations

from medsnap.formats import tiff_file
from medsnap.scrub import tiff_tags as tags
from medsnap.scrub.tiff_tags import PAGE, Rule, Shape

VERSION, CAMERA, AS_SHOT_ICC, OPCODES = 50706, 50708, 50831, (51008, 51009, 51022)
CAMERA_SIGNATURE, PROFILE_SIGNATURE, NOISE = 50931, 50932, 51041
TABLES = {50938: 50937, 50939: 50937, 50982: 50981}  # data of a table, and the tag of its three dimensions

_BYTE, _SHORT, _LONG = frozenset({1}), frozenset({3}), frozenset({4})
_NUMBER, _RATIONAL, _SIGNED = frozenset({3, 4}), frozenset({5}), frozenset({10})
_LEVEL = frozenset({3, 4, 5})
_FLOAT, _DOUBLE, _OPAQUE = frozenset({11}), frozenset({12}), frozenset({7})
_PLANES = 8  # more colours than any sensor has


def _upto(most: int, least: int = 1) -> range:
    return range(least, most + 1)


def _rule(types: frozenset[int], most: int = 1, least: int | None = None) -> Rule:
    counts = _upto(most, most if least is None else least)
    return Rule(types, lambda _: counts, needed=True)


def _samples(shape: Shape) -> tuple[int, ...]:
    return (1, shape.samples)


_matrix = _rule(_SIGNED, 3 * _PLANES, 3)
_square = _rule(_SIGNED, _PLANES * _PLANES, 1)
_planes = _rule(_RATIONAL, _PLANES, 1)
_opcodes = _rule(_OPAQUE, 1 << 24, 4)

# Of the directory that holds the raw picture.
RAW: dict[int, Rule] = {
    **{
        tag: PAGE[tag]
        for tag in (
            tags.SUBFILE, tags.WIDTH, tags.HEIGHT, tags.BITS, tags.COMPRESSION, tags.PHOTOMETRIC,
            tags.FILL_ORDER, tags.SAMPLES, tags.ROWS, tags.PLANAR, 317, tags.TILE_WIDTH, tags.TILE_HEIGHT,
            339, tags.JPEG_TABLES,
        )
    },
    33421: _rule(_SHORT, 2),  # CFARepeatPatternDim
    33422: _rule(_BYTE, 64, 1),  # CFAPattern
    50710: _rule(_BYTE, _PLANES, 1),  # CFAPlaneColor
    50711: _rule(_SHORT),  # CFALayout
    50712: _rule(_SHORT, 1 << 16, 1),  # LinearizationTable
    50713: _rule(_SHORT, 2),  # BlackLevelRepeatDim
    50714: _rule(_LEVEL, 64 * _PLANES, 1),  # BlackLevel
    50715: _rule(_SIGNED, 1 << 16, 1),  # BlackLevelDeltaH
    50716: _rule(_SIGNED, 1 << 16, 1),
    50717: Rule(_NUMBER, _samples, needed=True),  # WhiteLevel
    50718: _rule(_RATIONAL, 2),  # DefaultScale
    50719: _rule(_LEVEL, 2),  # DefaultCropOrigin
    50720: _rule(_LEVEL, 2),  # DefaultCropSize
    50733: _rule(_LONG),  # BayerGreenSplit
    50737: _rule(_RATIONAL),  # ChromaBlurRadius
    50738: _rule(_RATIONAL),  # AntiAliasStrength
    50780: _rule(_RATIONAL),  # BestQualityScale
    50829: _rule(_NUMBER, 4),  # ActiveArea
    50830: Rule(_NUMBER, lambda _: range(4, 65, 4), needed=True),  # MaskedAreas
    50935: _rule(_RATIONAL),  # NoiseReductionApplied
    50974: _rule(_NUMBER, 2),  # SubTileBlockSize
    50975: _rule(_NUMBER),  # RowInterleaveFactor
    NOISE: Rule(_DOUBLE, lambda s: range(2, 2 * max(s.samples, _PLANES) + 1, 2), needed=True),
    51125: _rule(_RATIONAL, 4),  # DefaultUserCrop
    52547: _rule(_NUMBER),  # ColumnInterleaveFactor
    **dict.fromkeys(OPCODES, _opcodes),
}  # fmt: skip

# Of the first directory, for the whole file.
GLOBAL: dict[int, Rule] = {
    tags.ORIENTATION: PAGE[tags.ORIENTATION],
    VERSION: _rule(_BYTE, 4),
    50707: _rule(_BYTE, 4),  # DNGBackwardVersion
    CAMERA: Rule(frozenset({tiff_file.ASCII}), lambda _: range(1, 65), needed=True),
    **dict.fromkeys((50721, 50722, 50725, 50726, 50964, 50965, 50832), _matrix),
    **dict.fromkeys((50723, 50724), _square),  # CameraCalibration
    50727: _planes,  # AnalogBalance
    50728: _rule(frozenset({3, 5}), _PLANES, 1),  # AsShotNeutral
    50729: _rule(_RATIONAL, 2),  # AsShotWhiteXY
    50730: _rule(_SIGNED),  # BaselineExposure
    50731: _rule(_RATIONAL),
    50732: _rule(_RATIONAL),
    50734: _rule(_RATIONAL),  # LinearResponseLimit
    50739: _rule(_RATIONAL),  # ShadowScale
    50778: _rule(_SHORT),  # CalibrationIlluminant1
    50779: _rule(_SHORT),
    AS_SHOT_ICC: _rule(_OPAQUE, 1 << 24, 1),
    50879: _rule(_SHORT),  # ColorimetricReference
    50937: _rule(_LONG, 3),  # ProfileHueSatMapDims
    50938: _rule(_FLOAT, 1 << 20, 3),
    50939: _rule(_FLOAT, 1 << 20, 3),
    50940: Rule(_FLOAT, lambda _: range(4, 1 << 17, 2), needed=True),  # ProfileToneCurve
    50941: _rule(_LONG),  # ProfileEmbedPolicy
    50981: _rule(_LONG, 3),  # ProfileLookTableDims
    50982: _rule(_FLOAT, 1 << 20, 3),
    51107: _rule(_LONG),  # ProfileHueSatMapEncoding
    51108: _rule(_LONG),
    51109: _rule(frozenset({5, 10})),  # BaselineExposureOffset
    51110: _rule(_LONG),  # DefaultBlackRender
}

# Known not to change the picture: names, dates, serial numbers, digests, private data, previews.
SILENT = frozenset(
    {
        50709, 50735, 50736, 50740, 50741, 50781, 50827, 50828, CAMERA_SIGNATURE, PROFILE_SIGNATURE, 50933,
        50934, 50936, 50942, *range(50966, 50974), 51043, 51044, 51058, 51081, 51089, 51090, 51091, 51105,
        51111, 51112, 51113, 51114, *range(51177, 51182), 52526, 52528, 52536, 52545, 52548, 52550, 52552,
    }
)  # fmt: skip
NUMBERS = range(50706, 52600)  # where the tags of DNG lie: an unknown one may matter
