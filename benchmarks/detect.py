"""What a look at a photo costs and finds, with the plain libraries beside it.

    python benchmarks/detect.py [PHOTO…]            CPU seconds and memory, medsnap and peer
    python benchmarks/detect.py --floor             contrast below which the text network answers nothing
    python benchmarks/detect.py --score FEATURES    predictions for the scorer: FEATURES/labels.csv

Without a photo a 12-megapixel JPEG is drawn: noise everywhere, one label. One thread; the best of
three. The peer is what the same libraries do when called as their manuals say: RapidOCR's own entry
point at 2048 pixels with the same PP-OCRv4 files, CenterFace as it lies in its wheel's shape, zxing-cpp
on all pixels.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import multiprocessing
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import zxingcpp
from PIL import Image, ImageDraw, ImageFont

from medsnap.detect import Detectors, cards, pins
from medsnap.detect import models as stored
from medsnap.detect.picture import Picture
from medsnap.detect.sessions import session
from medsnap.detect.text_map import RANGE, TextMap, ranges
from medsnap.model.finding import Finding
from medsnap.model.photo import MediaType
from medsnap.raster import arrays
from medsnap.raster.decode import upright

ROUNDS = 3


def folder() -> Path:
    data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return Path(os.environ.get("MEDSNAP_MODELS") or data / "medsnap" / "models")


def drawn() -> bytes:

    noise = Image.effect_noise((4032, 3024), 40).convert("L")
    photo = Image.merge("RGB", [noise.point(lambda v, b=b: v // 3 + b) for b in (150, 110, 90)])
    label = Image.new("RGB", (900, 260), (240, 240, 235))
    draw = ImageDraw.Draw(label)
    for i, line in enumerate(("OKAFOR, MARIA", "born 1988-07-26", "MRN 24874613")):
        draw.text((30, 20 + 75 * i), line, font=ImageFont.load_default(56), fill=(20, 20, 30))
    photo.paste(label, (600, 2300))
    out = io.BytesIO()
    photo.save(out, "JPEG", quality=90)
    return out.getvalue()


def best(work: Callable[[], object]) -> float:
    times = []
    for _ in range(ROUNDS):
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return min(times)


def medsnap(data: bytes, media: MediaType) -> dict[str, float]:
    detectors = Detectors.load(folder())
    started = time.process_time()
    detectors.look(data, media)
    result = {"first look, models loaded": time.process_time() - started}
    result["decode"] = best(lambda: arrays.from_image(upright(data, media)))
    pixels = arrays.from_image(upright(data, media))
    found: tuple[Finding, ...] = ()
    picture = Picture(pixels)
    picture.at(1024)  # the sizes are shared
    for card in cards.CARDS:
        work = partial(detectors._ask, card, picture, found, "")
        result[card.feature] = best(work)
        found += work()[0]
    result["findings"] = len(found)
    result["whole look"] = best(lambda: detectors.look(data, media))
    return result


def peer(data: bytes, media: MediaType) -> dict[str, float]:
    # only here: medsnap.detect must be imported first, it switches ONNX Runtime's reports off
    import onnxruntime  # noqa: PLC0415
    from rapidocr import OCRVersion, RapidOCR  # noqa: PLC0415

    del media
    where = folder()
    params = {
        "Global.log_level": "critical",
        "Global.max_side_len": 2048,
        "EngineConfig.onnxruntime.intra_op_num_threads": 1,
        "EngineConfig.onnxruntime.inter_op_num_threads": 1,
    }
    for part, pin in (
        ("Det", pins.TEXT_DETECTION),
        ("Rec", pins.TEXT_RECOGNITION),
        ("Cls", pins.TEXT_DIRECTION),
    ):
        params |= {f"{part}.model_path": str(where / pin.file), f"{part}.ocr_version": OCRVersion.PPOCRV4}
    engine = RapidOCR(params=params)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    network = onnxruntime.InferenceSession(
        stored.load(where, "centerface"), options, providers=["CPUExecutionProvider"]
    )
    image = Image.open(io.BytesIO(data)).convert("RGB")
    pixels = np.asarray(image)
    small = np.asarray(image.resize((1024, 768))).transpose(2, 0, 1)[None].astype(np.float32)
    result = {
        "text (RapidOCR)": best(lambda: engine(pixels[:, :, ::-1])),
        "face (network only)": best(lambda: network.run(None, {"input.1": small})),
        "barcode (all pixels)": best(lambda: zxingcpp.read_barcodes(pixels)),
    }
    result["sum"] = sum(result.values())
    return result


def apart(work: Callable[[bytes, MediaType], dict[str, float]], data: bytes, media: MediaType) -> None:
    """Run in a fresh process, so that peak memory is its own."""
    reader, writer = multiprocessing.get_context("spawn").Pipe(duplex=False)
    process = multiprocessing.get_context("spawn").Process(target=_child, args=(work, data, media, writer))
    process.start()
    writer.close()  # or a child that dies would leave us waiting
    result, peak = reader.recv()
    process.join()
    print(f"{work.__name__}: peak memory {peak // 1024} MB")
    for name, value in result.items():
        print(f"  {name:32} " + (f"{value:.3f} s cpu" if isinstance(value, float) else str(value)))


def _child(work: Callable[[bytes, MediaType], object], data: bytes, media: MediaType, writer: object) -> None:
    result = work(data, media)
    writer.send((result, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))  # type: ignore[attr-defined]


def floor() -> None:

    network = TextMap(session(stored.load(folder(), "ppocr-v4-det")))
    random = np.random.default_rng(1)
    print(f"gate: range of {RANGE} grey levels\nsize  contrast  range  answer")
    for size in (12, 16, 24, 40, 80):
        for contrast in (6, 8, 10, 12, 14, 16, 20, 30):
            image = Image.new("RGB", (512, 512), (170, 140, 125))
            draw = ImageDraw.Draw(image)
            ink = (170 - contrast, 140 - contrast, 125 - contrast)
            for i in range(5):
                draw.text((30, 20 + i * 95), "MRN 847362", font=ImageFont.load_default(size), fill=ink)
            noisy = np.asarray(image) + random.normal(0, 1.5, (512, 512, 1))
            pixels = np.clip(noisy, 0, 255).astype(np.uint8)
            answer = float(network.probability(pixels).max())
            print(f"{size:4}  {contrast:8}  {int(np.percentile(ranges(pixels), 99.9)):5}  {answer:.2f}")


def score(features: Path) -> None:
    detectors = Detectors.load(folder())
    media = {".jpg": MediaType.JPEG, ".png": MediaType.PNG, ".gif": MediaType.GIF}
    costs = []
    with (features / "labels.csv").open(newline="", encoding="utf-8") as handle:
        for row in csv.DictReader(handle):
            path = features / row["file"]
            started = time.process_time()
            look = detectors.look(path.read_bytes(), media[path.suffix.lower()])
            costs.append(time.process_time() - started)
            boxes = [
                {
                    "kind": f.feature,
                    "score": f.score,
                    "text": f.value.reveal() if f.value else "",
                    "box": [
                        f.region.x * look.width,
                        f.region.y * look.height,
                        f.region.w * look.width,
                        f.region.h * look.height,
                    ],
                }
                for f in look.findings
            ]
            print(json.dumps({"file": row["file"], "features": boxes}))
    print(f"median {statistics.median(costs):.2f} s cpu a picture", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("photos", nargs="*", type=Path)
    parser.add_argument("--floor", action="store_true")
    parser.add_argument("--score", type=Path, metavar="FEATURES")
    given = parser.parse_args()
    if given.floor:
        floor()
    elif given.score:
        score(given.score)
    else:
        photos = [(p.name, p.read_bytes()) for p in given.photos] or [("drawn, 12 megapixels", drawn())]
        for name, data in photos:
            print(f"-- {name}")
            for work in (medsnap, peer):
                apart(work, data, MediaType.JPEG)


if __name__ == "__main__":
    main()
