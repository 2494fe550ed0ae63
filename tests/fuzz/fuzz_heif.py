"""Any bytes as a HEIC or AVIF still."""

from medsnap.model.photo import MediaType
from tests.fuzz._target import Target, check_family
from tests.golden.traps import AVIFS, HEICS

TARGET = Target(
    name="heif",
    check=check_family(MediaType.HEIC, MediaType.AVIF, MediaType.HEIF),
    seeds=lambda: (build() for build in (*HEICS.values(), *AVIFS.values())),
    words=(
        b"ftyp", b"heic", b"mif1", b"avif", b"meta", b"hdlr", b"pict", b"pitm", b"iinf", b"infe", b"iloc",
        b"iref", b"dimg", b"auxl", b"thmb", b"cdsc", b"prem", b"iprp", b"ipco", b"ipma", b"ispe", b"hvcC",
        b"av1C", b"colr", b"nclx", b"prof", b"pixi", b"irot", b"imir", b"clap", b"pasp", b"auxC", b"idat",
        b"mdat", b"free", b"uuid", b"mpvd", b"grpl", b"altr", b"tmap", b"grid", b"iden", b"iovl", b"hvc1",
        b"av01", b"Exif", b"mime", b"uri ", b"dinf", b"dref", b"url ",
    ),
)  # fmt: skip
