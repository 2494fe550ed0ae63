"""Second reader: what the output says about how its picture is rendered."""

from __future__ import annotations

import struct

from medsnap.scrub.second import icc
from medsnap.scrub.second.heif_tables import Tables


def facts(tables: Tables) -> tuple[tuple[str, str], ...]:
    """List the rendering parameters of the primary picture, by the names that the report uses."""
    found = {"orientation": "1"}
    turns = []
    for index in tables.uses.get(tables.primary, []):
        name, value = tables.properties[index - 1]
        if name == "ispe":
            found["size"] = "{}x{}".format(*struct.unpack(">4xII", value))
        elif name == "irot":
            found["rotation"] = f"{value[0] * 90} degrees anticlockwise"
        elif name == "imir":
            found["mirror"] = ("top-bottom", "left-right")[value[0]]
        elif name == "clap":
            found["crop"] = value.hex()
        elif name == "pasp":
            found["pixel shape"] = "{}:{}".format(*struct.unpack(">II", value))
        elif name == "colr" and value[:4] == b"nclx":
            *codes, span = struct.unpack(">4xHHHB", value)
            found["colour"] = "{}/{}/{} ".format(*codes) + ("full range" if span else "video range")
        elif name == "colr":
            found.update(icc.facts("icc", value[4:]))
        if name in {"irot", "imir", "clap"}:
            turns.append(name)
    profiles = [value[4:] for name, value in tables.properties if name == "colr" and value[:4] != b"nclx"]
    if not all(icc.is_bare(profile) for profile in profiles):  # that of a tile, too
        found["all icc bare"] = "no"
    found["transforms"] = " ".join(turns)
    found["coded images"] = str(sum(kind in {"hvc1", "av01"} for kind in tables.kinds.values()))
    found["alpha planes"] = str(len(tables.targets("auxl")))
    return tuple(found.items())
