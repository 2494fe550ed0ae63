"""Pictures that look a little like clinical photos: skin, a drape, a wound, a ruler. Pillow only."""

from __future__ import annotations

import math
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

SIZE = (1600, 1200)  # a multiple of 16 both ways: can be turned without loss
_SKINS = ((226, 186, 160), (198, 150, 118), (160, 112, 82), (112, 76, 56), (240, 206, 186))
_DRAPES = ((46, 120, 128), (52, 96, 140), (70, 130, 110))


def skin(rng: Random, *, tone: int, wound: bool = True, ruler: bool = True) -> Image.Image:
    """Draw a limb on a drape, upright, RGB."""
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", SIZE, rng.choice(_DRAPES))
    outline = _limb(rng, rng.randint(-120, 120))
    colour = _SKINS[tone % len(_SKINS)]
    picture.paste(colour, (0, 0), _soft(outline, 14))
    if wound:
        _wound(picture, rng, colour)
    shade = Image.linear_gradient("L").rotate(90).resize(SIZE).point([160 + v // 3 for v in range(256)])
    picture = _multiplied(picture, shade)
    if ruler:
        _ruler(ImageDraw.Draw(picture))
    return _grainy(picture, rng)


def _limb(rng: Random, lean: int) -> list[tuple[float, float]]:
    """The outline of a limb that crosses the picture from left to right."""
    width, height = SIZE
    wide = rng.randint(330, 430)
    xs = [float(x) for x in range(-40, width + 80, 40)]
    middle = {x: height / 2 + lean * x / width for x in xs}
    upper = [(x, middle[x] - wide + 30 * math.sin(x / 310)) for x in xs]
    lower = [(x, middle[x] + wide + 24 * math.sin(x / 270 + 1)) for x in reversed(xs)]
    return upper + lower


def _wound(picture: Image.Image, rng: Random, tone: tuple[int, int, int]) -> None:
    """A graze: long, irregular, in strips. (A round one with a bright centre is an eye to a detector.)"""
    x, y = float(rng.randint(480, 640)), float(rng.randint(500, 700))
    for dark, high, soft in ((0.92, 120, 40), (0.80, 54, 22), (0.86, 30, 14)):
        red, green, blue = (int(c * dark) for c in tone)
        steps = range(0, 640, 40)
        upper = [(x + k, y + k / 9 - high * (0.5 + 0.6 * rng.random())) for k in steps]
        lower = [(x + k, y + k / 9 + high * (0.5 + 0.6 * rng.random())) for k in reversed(steps)]
        colour = (min(255, red + 34), green * 3 // 4, blue * 3 // 4)
        picture.paste(colour, (0, 0), _soft(upper + lower, soft))


def _soft(outline: list[tuple[float, float]], radius: int) -> Image.Image:
    """A mask with a soft edge of about `radius` pixels; made at a quarter of the size, for speed."""
    from PIL import Image, ImageDraw, ImageFilter

    mask = Image.new("L", (SIZE[0] // 4, SIZE[1] // 4), 0)
    ImageDraw.Draw(mask).polygon([(x / 4, y / 4) for x, y in outline], fill=250)
    return mask.filter(ImageFilter.GaussianBlur(radius / 4)).resize(SIZE)


def _ruler(draw: ImageDraw.ImageDraw) -> None:
    draw.rectangle((180, 1068, 1420, 1144), fill=(244, 244, 238))
    for k in range(61):
        x = 200 + 20 * k
        draw.line((x, 1068, x, 1068 + (40 if k % 5 == 0 else 22)), fill=(30, 30, 30), width=2)


def _multiplied(picture: Image.Image, shade: Image.Image) -> Image.Image:
    from PIL import Image, ImageChops

    return ImageChops.multiply(picture, Image.merge("RGB", (shade, shade, shade)))


def _grainy(picture: Image.Image, rng: Random) -> Image.Image:
    """Sensor noise, so that the JPEG is as large as a phone's and no two photos are alike."""
    from PIL import Image

    noise = Image.frombytes("L", (400, 300), rng.randbytes(400 * 300)).resize(SIZE)
    return Image.blend(picture, Image.merge("RGB", (noise, noise, noise)), 0.06)


def wristband(rng: Random, *, lines: tuple[str, ...], modules: tuple[int, ...]) -> Image.Image:
    """Draw a wristband's label with text and a barcode given by its widths in modules."""
    from PIL import ImageDraw, ImageFont

    picture = skin(rng, tone=0, wound=False, ruler=False)
    draw = ImageDraw.Draw(picture)
    draw.rounded_rectangle((110, 330, 1490, 880), radius=40, fill=(250, 250, 250))
    for number, line in enumerate(lines):
        draw.text((160, 360 + 70 * number), line, fill=(20, 20, 20), font=ImageFont.load_default(size=52))
    module = 1240 // sum(modules)
    x = (SIZE[0] - module * sum(modules)) // 2
    for number, wide in enumerate(modules):
        if number % 2 == 0:
            draw.rectangle((x, 600, x + wide * module - 1, 850), fill=(10, 10, 10))
        x += wide * module
    return picture


def screenshot(lines: tuple[str, ...]) -> Image.Image:
    """Draw the screen of a phone (1080 × 2400) that shows a list with names."""
    from PIL import Image, ImageDraw, ImageFont

    picture = Image.new("RGB", (1080, 2400), (248, 248, 252))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 0, 1080, 210), fill=(36, 84, 140))
    for number, line in enumerate(lines):
        draw.text((60, 300 + 130 * number), line, fill=(24, 24, 24), font=ImageFont.load_default(size=54))
        draw.line((60, 395 + 130 * number, 1020, 395 + 130 * number), fill=(210, 210, 216), width=3)
    return picture
