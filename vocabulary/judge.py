"""What medsnap must know of a body site and no table of DICOM says: left and right, and what is intimate.

The judgements are medsnap's own. Each has the name of the rule it comes from; a site that no rule judges
stops the making, so that a new edition of the standard is read by a person before it is shipped.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Side(StrEnum):
    """What a laterality means at a site."""

    PAIRED = "paired"  # there are two: one of them must be named
    MIDLINE = "midline"  # there is one, in the middle: none may be named
    FREE = "free"  # may be named, need not: the left of a back
    NAMED = "named"  # the term says it: "Left inguinal region"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """All sites whose meaning has one of these words."""

    name: str
    side: Side
    words: re.Pattern[str]


def _any(words: str) -> re.Pattern[str]:
    """Make the expression for any of some words, written with bars between them."""
    return re.compile(rf"\b(?:{'|'.join(word.strip() for word in words.split(' | '))})\b")


def _rule(name: str, side: Side, words: str) -> Rule:
    return Rule(name=name, side=side, words=_any(words))


# The first rule that fits counts; meanings are in small letters.
SIDES: Final = (
    _rule("not of a body", Side.FREE,
          r"phantom | body conduit | vascular graft | baffle"),
    _rule("heart", Side.FREE,
          r"ventricle | atrium | auricular appendage | atrial appendage | coronary | cardiac | cor "
          r"triatriatum | inflow | outflow tract | heart | posterior medial tributary"),
    _rule("side is in the term", Side.NAMED,
          r"left | right"),
    _rule("several regions", Side.FREE,
          r"head and neck | neck and chest | chest and abdomen | chest, abdomen | neck, chest | abdomen and "
          r"pelvis | pelvis and lower extremities | entire body | trunk | ^skin$ | hair | uterus and "
          r"fallopian tubes"),
    _rule("midline of the head", Side.MIDLINE,
          r"^(?:skin of )?nose | tip of nose | philtrum | tip of tongue | submental(?: area)? | vertex | "
          r"sella turcica | fontanel of skull"),
    _rule("midline of the trunk", Side.MIDLINE,
          r"sternum | sternal | suprasternal notch | umbilicus | umbilical region | coccyx | sacrum | "
          r"subxiphoid | sacro-coccygeal spine | spine | spinal | vertebral column | mediastinum | thymus | "
          r"trachea | larynx | esophag\w+"),
    _rule("midline of the pelvis", Side.MIDLINE,
          r"anus | penis | clitoris | urethral orifice | vaginal introitus | endo-vaginal | endo-urethral | "
          r"vulval vestibule | posterior commissure | frenulum of labia | prostate | uterus | cervix | "
          r"bladder | endo-vesical | urethra | rectum | endo-rectal"),
    _rule("one of its kind", Side.FREE,
          r"liver | gallbladder | bil\w+ | pancrea\w+ | spleen | splenic | stomach | gastric | duodenum | "
          r"jejunum | ileum | small intestine | large intestine | colon | omentum | omental | "
          r"retroperitoneum | pharyn\w+ | \w*pharynx | endo-nas\w+ | brain | cerebellum | mesenteric | "
          r"hepatic | portal"),
    _rule("eye", Side.PAIRED,
          r"eye | eyes | eyelids? | eyelash | eyebrow | canthus | cornea | sclera | iris | retina | lacrimal "
          r"| ophthalmic | orbital | optic canal"),
    _rule("ear", Side.PAIRED,
          r"ear | auditory canal | \w*auricular | tragus | antitragus | helix | concha | intertragal | "
          r"mastoid"),
    _rule("side of the face", Side.PAIRED,
          r"cheek | nasolabial | ala nasi | side of nose | temporal | parietal | jawline | zygoma | "
          r"temporomandibular | parotid | maxillary gingiva | supraclavicular | facial artery"),
    _rule("shoulder and arm", Side.PAIRED,
          r"shoulder | scapula | clavicle | infraclavicular | \w+clavicular | axill\w+ | upper limb | upper "
          r"extremity | arm | forearm | elbow | antecubital | humerus | wrist | hand | palm | thenar | "
          r"hypothenar | fingers? | thumb | digit of hand | subclavian | brachial | radial | ulnar | "
          r"cephalic vein"),
    _rule("hip and leg", Side.PAIRED,
          r"hip | lower limb | lower extremity | leg | thigh | knee | patella | popliteal | ankle | heel | "
          r"calcaneus | foot | toes? | femur | femor\w+ | fibula | tarsal | tibial | peroneal | saph\w+ | "
          r"genicular | perforating vein | extremity"),
    _rule("pair of the trunk", Side.PAIRED,
          r"breast | nipple | areola | inguinal | groin | buttock | gluteal | flank | testis | ovary | lung "
          r"| adrenal | renal | endo-renal | calyx | endo-ureteric | rib | ilium | iliac | sacroiliac | "
          r"lumbar artery | mammary | upper urinary tract | ureter | broad ligament | bronchus"),
    _rule("pair of the neck", Side.PAIRED,
          r"carotid | jugular | vertebral artery | submandibular gland"),
    _rule("vessel", Side.FREE,
          r"aort\w+ | vena cava | vein | artery | arteriosus | arter\w+ | venous | truncus | azygos | circle "
          r"of willis | fistula | systemic | blood vessel | endo-vascular"),
    _rule("has a left and a right part", Side.FREE,
          r"face | facial | head | scalp | forehead | chin | mouth | lip | tongue | oral | perioral | "
          r"gingiva | tooth | neck | back | thorax | chest | abdomen | epigastric | hypogastric | lumbar "
          r"region | pelvis | scrotum | vulva | labium | labi\w+ | genitalia | nuchal | occipital | thoracic "
          r"region | intra-\w+ | intracranial | mandible | maxilla | skull | nasal bone | paranasal sinus | "
          r"jaw region | subcostal | parasternal | parathyroid | submandibular (?:area|triangle) | mucosa of "
          r"| ^joint$ | thyroid | perineum"),
)  # fmt: skip

# What a photo of the site may show whatever a detector says (policy.md F9). Doubt counts as yes.
INTIMATE: Final = _any(
    r"anus | perineum | penis | scrotum | testis | vulva | vulval | labi\w+ | clitoris | genitalia | "
    r"urethral orifice | vagin\w+ | endo-(?:vaginal|urethral|vesical|rectal) | breast | nipple | "
    r"areola | buttock | gluteal | inguinal | groin | (?<!renal )pelvi[sc] | intra-pelvic | "
    r"intra-abdominopelvic | hypogastric | coccyx | medial surface of thigh | entire body | trunk | "
    r"prostate | cervix | uterus | ovary | rectum | urethra | ^skin$"
)


def side_of(meaning: str) -> Rule:
    """Return the rule that judges a site. Raises LookupError when none does."""
    plain = meaning.lower()
    for rule in SIDES:
        if rule.words.search(plain):
            return rule
    raise LookupError(meaning)


def intimate(meaning: str) -> bool:
    """Say whether a photo of the site may show an intimate region."""
    return INTIMATE.search(meaning.lower()) is not None
