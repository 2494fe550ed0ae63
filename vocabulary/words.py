"""Everyday words for sites, sides and views. They are medsnap's own; DICOM lists codes and meanings only."""

from __future__ import annotations

from typing import Final

from vocabulary.groups import Concept

# By SNOMED CT code. Every word is a word for one code only; the making refuses a second.
SITES: Final = {
    "818981001": ("belly", "tummy", "stomach area"),  # Abdomen
    "53505006": ("anal region",),  # Anus
    "91470000": ("armpit",),  # Axilla
    "77568009": ("upper back",),  # Back
    "76752008": ("breasts",),  # Breast
    "46862004": ("bottom", "buttocks", "gluteal region", "backside"),  # Buttock
    "80144004": ("heel",),  # Calcaneus
    "51299004": ("collarbone",),  # Clavicle
    "117590005": ("ears", "auricle"),  # Ear
    "38266002": ("whole body", "total body"),  # Entire body
    "32849002": ("oesophagus",),  # Esophagus
    "81745001": ("eyes",),  # Eye
    "80243003": ("eyelids",),  # Eyelid
    "7569003": ("fingers",),  # Finger
    "56459004": ("feet",),  # Foot
    "85562004": ("hands",),  # Hand
    "11708003": ("pubic area", "pubic region", "suprapubic region"),  # Hypogastric region
    "26893007": ("groin",),  # Inguinal region
    "30021000": ("calf", "shin", "leg"),  # Lower leg
    "61685007": ("lower extremity",),  # Lower limb
    "52612000": ("lower back", "loin"),  # Lumbar region
    "123851003": ("oral cavity",),  # Mouth
    "770809003": ("fingernail",),  # Nail unit of finger
    "770805009": ("toenail",),  # Nail unit of toe
    "45048000": ("throat",),  # Neck
    "64234005": ("kneecap",),  # Patella
    "816092008": ("pelvic region",),  # Pelvis
    "38864007": ("perineal region",),  # Perineum
    "32361000": ("back of knee", "hollow of knee"),  # Popliteal fossa
    "54735007": ("sacral area", "sacral region"),  # Sacrum
    "79601000": ("shoulder blade",),  # Scapula
    "2059009": ("earlobe",),  # Skin of ear lobule
    "60944009": ("genitals", "genitalia", "genital region", "private parts"),  # Skin of external genitalia
    "88089004": ("lips",),  # Skin of lip
    "4658004": ("nape", "nape of neck"),  # Skin of nuchal region
    "70887009": ("palm",),  # Skin of palm of hand
    "24483006": ("behind the ear",),  # Skin of postauricular region
    "16621002": ("temple",),  # Skin of temporal region
    "56873002": ("breastbone",),  # Sternum
    "170887008": ("under the chin",),  # Submental
    "40689003": ("testicle",),  # Testis
    "29707007": ("toes",),  # Toe
    "38199008": ("teeth",),  # Tooth
    "90290004": ("navel", "umbilicus", "belly button"),  # Umbilical region
    "53120007": ("arm", "upper extremity"),  # Upper limb
}

# By SNOMED CT code of CID 244: medsnap's word in manifests and records, and what people write.
LATERALITY: Final = {
    "7771000": ("left", ("l", "lt", "left side")),
    "24028007": ("right", ("r", "rt", "right side")),
    "51440002": ("both", ("bilateral", "b", "both sides")),
    "66459002": ("", ("unilateral", "one side")),  # says that there is a side, not which: as if not given
}

# DICOM has no context group for the views of a photograph: CID 4010 and 4014 are projections of X-rays,
# CID 501 planes of volumes. These are the words of clinical photographers; a policy lists which it uses.
VIEWS: Final = {
    "overview": ("the region in its surroundings", ("establishing", "orientation", "distant", "long shot")),
    "regional": ("the whole region", ("medium", "mid range", "region")),
    "close-up": ("the lesion or wound, sharp and large", ("closeup", "close", "detail", "macro")),
    "dermoscopy": ("through a dermatoscope, on the skin", ("dermatoscopy", "dermoscopic", "dermatoscopic")),
    "total-body": ("one of a series of the whole skin", ("whole body", "full body", "total body series")),
    "with scale": ("with a ruler or marker beside it", ("scale", "ruler", "measured")),
    "before operation": ("before a procedure", ("pre op", "preoperative", "before")),
    "during operation": ("the open site in theatre", ("intra op", "intraoperative")),
    "after operation": ("after a procedure", ("post op", "postoperative", "after")),
}


def derived(concept: Concept) -> tuple[str, ...]:
    """Return the words that follow from a meaning: "Skin of chin" is the chin, "Wrist joint" the wrist."""
    word = concept.meaning.lower()
    if word.startswith("skin of "):
        return (word.removeprefix("skin of "),)
    return (word.removesuffix(" joint"),) if word.endswith(" joint") else ()
