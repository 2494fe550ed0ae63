"""How messengers, clouds, editors and screens name what they leave behind (observed, not normative)."""

from __future__ import annotations

import re

# (who, folder name, file name): each matches the whole name, case-insensitive; "" matches nothing
MESSENGERS = (
    ("WhatsApp", r"whatsapp.*|com\.whatsapp.*", r"(img|vid)-\d{8}-wa\d{4,}.*|whatsapp (image|video) .*"),
    (
        "Telegram",
        r"telegram.*|org\.telegram.*",
        r"photo_\d+@\d\d-\d\d-\d{4}_.*|photo_\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d.*",
    ),
    ("Signal", r"signal|org\.thoughtcrime.*", r"signal-\d{4}-\d\d-\d\d.*|signal-attachment.*"),
    ("Viber", r"viber.*|com\.viber.*", r"(img|image)-[0-9a-f-]{8,}-v\..*|viber[ _]image.*"),
    ("WeChat", r"wechat|weixin|micromsg|tencent", r"mmexport\d{10,}.*|wx_camera_\d{10,}.*"),
    ("Messenger", r"messenger|facebook|com\.facebook.*", r"received_\d{6,}.*|fb_img_\d+.*"),
    ("Threema", r"threema.*", r"threema-\d{6,}.*"),
    ("LINE", r"naver_line|line_album.*", r"line_p\d{8,}.*|line_album_.*"),
    ("KakaoTalk", r"kakaotalk", r"kakaotalk_\d{8}.*"),
    ("Snapchat", r"snapchat", r"snapchat-\d+.*"),
    ("Google Messages", r"messages", r""),
    ("Instagram", r"instagram", r""),
    ("Discord", r"discord", r""),
    ("Slack", r"slack", r""),
    ("Microsoft Teams", r"microsoft teams", r""),
    ("a mail program", r"(mail|e-?mail|gmail|outlook)[ _](attachments?|downloads?)", r""),
    ("Bluetooth or nearby sharing", r"bluetooth|quick ?share|nearby ?share|airdrop", r""),
)
CLOUDS = (
    (
        "Google Photos",
        r"google (photos|fotos)|(photos from|fotos von|photos de) \d{4}|takeout(-.*)?",
        r".*-edited\.[a-z]{3,4}",
    ),
    ("iCloud", r"icloud.*|com~apple~clouddocs|mobile documents", r""),
    ("OneDrive", r"onedrive.*", r""),
    ("Dropbox", r"dropbox.*|camera uploads", r".*\(.*['’]s conflicted copy.*\).*"),
    ("Google Drive", r"google ?drive|my drive", r""),
    ("Amazon Photos", r"amazon (photos|drive)", r""),
    ("Nextcloud", r"(next|own)cloud.*|instantupload", r""),
    ("a shared album", r".*shared album.*|shared with me", r""),
    (
        "a synchronising program",
        r"\.?syncthing.*|\.stfolder",
        r".*\.sync-conflict-\d{8}-\d{6}.*|.*\(.*(conflict(ed)? copy|case conflict|conflict \d).*\).*",
    ),
)
SCREENSHOT_FOLDER = re.compile(
    r"screenshots?|bildschirmfotos?|captures d.écran|schermafbeeldingen|schermate", re.IGNORECASE
)
SCREENSHOT_NAME = re.compile(
    r"screen[ _-]?shot.*|bildschirmfoto.*|simulator screen shot.*|capture d.écran.*|schermafbeelding.*"
    r"|captura de pantalla.*|schermata.*|screenrecord.*",
    re.IGNORECASE,
)
EDITORS = re.compile(
    r"photoshop|lightroom|snapseed|gimp|picasa|canva|pixelmator|affinity photo|vsco|facetune|picsart"
    r"|photoscape|paint\.net|paint shop|acdsee|capture one|darktable|rawtherapee|luminar|photopea|meitu"
    r"|faceapp|remini|imagemagick|irfanview|xnview|photoroom|polarr|instagram|google photos"
    r"|adobe (express|firefly)|photodirector|microsoft (photos|paint|office)|windows photo editor"
    r"|preview\.app|photos \d+\.\d+|graphicconverter|digikam|krita|shotwell|gwenview|photo mechanic|dxo"
    r"|topaz|skylum|acorn",
    re.IGNORECASE,
)
XMP_TOOL = re.compile(
    r"(?:xmp:CreatorTool|stEvt:softwareAgent)\s*(?:=\s*[\"']|>)\s*([^\"'<]{1,200})", re.IGNORECASE
)
XMP_SCREENSHOT = re.compile(r"UserComment.{0,200}?screenshot", re.IGNORECASE | re.DOTALL)

# Sizes of phone and tablet screens in pixels, short side first; a PNG of such a size without exposure
# data is no photo. Short side: long sides.
_BY_WIDTH = {
    640: (1136,),
    720: (1280, 1520, 1560, 1600, 1612),
    750: (1334,),
    800: (1280,),
    828: (1792,),
    1080: (1920, 2160, 2220, 2280, 2310, 2316, 2340, 2376, 2400, 2408, 2412, 2424, 2460, 2520),
    1125: (2436,),
    1170: (2532,),
    1179: (2556,),
    1200: (1920, 2000),
    1206: (2622,),
    1220: (2712,),
    1242: (2208, 2688),
    1260: (2736,),
    1280: (2856,),
    1284: (2778,),
    1290: (2796,),
    1320: (2868,),
    1344: (2992,),
    1440: (2560, 2880, 2960, 3040, 3088, 3120, 3200),
    1488: (2266,),
    1536: (2048,),
    1600: (2560,),
    1620: (2160,),
    1640: (2360,),
    1644: (3840,),
    1668: (2224, 2388, 2420),
    1752: (2800,),
    1768: (2208,),
    1812: (2176,),
    1840: (2208,),
    1848: (2960,),
    1856: (2160,),
    2048: (2732,),
    2064: (2752,),
}
SCREENS = frozenset((short, long) for short, longs in _BY_WIDTH.items() for long in longs)
