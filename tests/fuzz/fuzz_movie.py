"""Any bytes as a MOV or an MP4, whole or in fragments."""

from medsnap.model.photo import MediaType
from tests.builders import movie as m
from tests.fuzz._target import Target, check_family
from tests.golden.traps import MOVIES

TARGET = Target(
    name="movie",
    check=check_family(MediaType.MP4, MediaType.MOV),
    seeds=lambda: (*(build() for build in MOVIES.values()), m.fragmented()),
    words=(
        b"ftyp", b"isom", b"qt  ", b"moov", b"mvhd", b"trak", b"tkhd", b"edts", b"elst", b"mdia", b"mdhd",
        b"hdlr", b"vide", b"soun", b"meta", b"minf", b"vmhd", b"smhd", b"gmhd", b"dinf", b"dref", b"url ",
        b"alis", b"stbl", b"stsd", b"avc1", b"avcC", b"hvc1", b"hvcC", b"mp4a", b"esds", b"wave", b"stts",
        b"ctts", b"stss", b"stsc", b"stsz", b"stz2", b"stco", b"co64", b"sdtp", b"sgpd", b"sbgp", b"cslg",
        b"tref", b"cdsc", b"udta", b"uuid", b"free", b"skip", b"wide", b"mdat", b"moof", b"mfhd", b"traf",
        b"tfhd", b"tfdt", b"trun", b"mvex", b"trex", b"sidx", b"mfra", b"mebx", b"keys", b"ilst", b"colr",
    ),
)  # fmt: skip
