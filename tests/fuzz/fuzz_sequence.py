"""Any bytes as an image sequence, HEIF or AVIF."""

from medsnap.model.photo import MediaType
from tests.fuzz._target import Target, check_family
from tests.golden.traps import SEQUENCES

TARGET = Target(
    name="sequence",
    check=check_family(MediaType.HEIF_SEQUENCE, MediaType.AVIF_SEQUENCE),
    seeds=lambda: (build() for build in SEQUENCES.values()),
    words=(
        b"ftyp", b"msf1", b"hevc", b"avis", b"mif1", b"meta", b"pitm", b"iinf", b"infe", b"iloc", b"iprp",
        b"moov", b"mvhd", b"trak", b"tkhd", b"mdia", b"hdlr", b"pict", b"auxv", b"auxi", b"ccst", b"stbl",
        b"stsd", b"stts", b"stsc", b"stsz", b"stco", b"co64", b"stss", b"tref", b"auxl", b"thmb", b"mdat",
        b"udta", b"free", b"hvc1", b"av01", b"hvcC", b"av1C", b"Exif", b"mime", b"sgpd", b"sbgp",
    ),
)  # fmt: skip
