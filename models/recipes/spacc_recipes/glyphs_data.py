"""Images of digits and capital letters, drawn with the fonts of Debian packages.

Every image is 28 x 28, grey, light on dark: one character of one font, turned, sheared, scaled,
moved, blurred, with uneven contrast and noise. The fonts of the test are of families that training
never sees.
"""
import os

import numpy as np

CLASSES = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"   # no I, no O: many fonts draw them as 1 and 0
SIDE, SHEET = 28, 64                             # pixels of an image, of what it is cut from
ROOT = "/usr/share/fonts"

# package, folder, fonts
TRAIN = (
    ("fonts-dejavu", "truetype/dejavu", "DejaVuSans DejaVuSans-Bold DejaVuSerif DejaVuSerif-Bold "
     "DejaVuSansMono DejaVuSans-Oblique DejaVuSerif-Italic"),
    ("fonts-freefont-ttf", "truetype/freefont", "FreeSans FreeSansBold FreeSansOblique FreeSerif "
     "FreeSerifBold FreeSerifItalic FreeMono FreeMonoBold"),
    ("fonts-liberation", "truetype/liberation", "LiberationSans-Regular LiberationSans-BoldItalic "
     "LiberationSerif-Bold LiberationSerif-Italic LiberationMono-Regular"),
    ("fonts-linuxlibertine", "opentype/linux-libertine", "LinBiolinum_R LinBiolinum_RB "
     "LinLibertine_R LinLibertine_RB LinLibertine_RI"),
    ("fonts-roboto-unhinted", "truetype/roboto/unhinted/RobotoTTF", "Roboto-Regular Roboto-Black "
     "Roboto-Light Roboto-Italic"),
    ("fonts-open-sans", "truetype/open-sans", "OpenSans-Regular OpenSans-ExtraBold "
     "OpenSans-LightItalic OpenSans-CondBold"),
    ("fonts-crosextra-caladea", "truetype/crosextra", "Caladea-Regular Caladea-BoldItalic"),
    ("fonts-inconsolata", "truetype/inconsolata", "Inconsolata"),
    ("fonts-hack", "truetype/hack", "Hack-Regular Hack-BoldItalic"),
    ("fonts-quicksand", "truetype/quicksand", "Quicksand-Regular Quicksand-Bold"),
    ("fonts-sil-gentium", "truetype/gentium", "Gentium-R Gentium-I"),
)
TEST = (
    ("fonts-cantarell", "opentype/cantarell", "Cantarell-Regular Cantarell-ExtraBold"),
    ("fonts-comfortaa", "truetype/comfortaa", "Comfortaa-Regular Comfortaa-Bold"),
    ("fonts-ebgaramond", "opentype/ebgaramond", "EBGaramond12-Regular EBGaramond12-Italic"),
    ("fonts-lobstertwo", "opentype/lobstertwo", "LobsterTwo-Regular"),
    ("fonts-sil-andika", "truetype/andika", "Andika-Regular Andika-BoldItalic"),
    ("fonts-vollkorn", "truetype/vollkorn", "Vollkorn-Regular Vollkorn-BlackItalic"),
)


# ---- fonts
def font_files(packages):
    """Paths of the fonts, in order; a clear error naming the packages that are missing."""
    paths, missing = [], []
    for package, folder, names in packages:
        here = [_find(os.path.join(ROOT, folder, n)) for n in names.split()]
        missing += [package] if None in here else []
        paths += here
    if missing:
        raise SystemExit("glyphs: fonts are missing; apt-get install " + " ".join(missing))
    return paths


def _find(stem):
    return next((stem + e for e in (".ttf", ".otf") if os.path.exists(stem + e)), None)


def sheet(path, char):
    """One character, its box 44 pixels tall or wide at most, centred on a SHEET x SHEET image."""
    from PIL import Image, ImageDraw, ImageFont
    probe = ImageFont.truetype(path, 100).getbbox(char)
    size = int(100 * 44 / max(probe[2] - probe[0], probe[3] - probe[1]))
    font = ImageFont.truetype(path, size)
    left, top, right, bottom = font.getbbox(char)
    image = Image.new("L", (SHEET, SHEET))
    at = ((SHEET - right - left) / 2, (SHEET - bottom - top) / 2)
    ImageDraw.Draw(image).text(at, char, fill=255, font=font)
    return image


# ---- distortion
def affine(rng):
    """PIL's six numbers: where a pixel of a sheet of twice SIDE comes from in the sheet."""
    turn, shear = rng.uniform(-0.3, 0.3), rng.uniform(-0.3, 0.3)
    wide, tall = rng.uniform(0.65, 1.05, 2)
    m = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    m = np.linalg.inv(m @ np.array([[wide, shear], [0, tall]]))
    move = rng.uniform(-6, 6, 2)
    a, b = m[0], m[1]
    x, y = SHEET / 2 - m @ (np.array([SIDE, SIDE]) + move)
    return a[0], a[1], x, b[0], b[1], y


def distort(image, rng):
    """float32 [SIDE][SIDE] of one sheet, 0..1 without the noise."""
    from PIL import Image, ImageFilter
    big = image.transform((2 * SIDE, 2 * SIDE), Image.AFFINE, affine(rng), Image.BILINEAR)
    big = big.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 2.5)))
    x = np.asarray(big, np.float32).reshape(SIDE, 2, SIDE, 2).mean((1, 3)) / 255
    slope = rng.uniform(-0.25, 0.25, 2)
    light = slope[0] * np.linspace(-1, 1, SIDE)[:, None] + slope[1] * np.linspace(-1, 1, SIDE)
    x = x * rng.uniform(0.4, 0.9) + light + rng.uniform(0, 0.2)
    return (x + rng.normal(0, rng.uniform(0.03, 0.16), x.shape)).astype(np.float32)


def draw(packages, each, seed):
    """`each` images of every character of every font, in that order: float32 [N][1][SIDE][SIDE],
    about -1..1 and not clipped, and labels int64 [N]."""
    rng = np.random.default_rng(seed)
    images, labels = [], []
    for path in font_files(packages):
        for label, char in enumerate(CLASSES):
            drawn = sheet(path, char)
            images += [distort(drawn, rng) for _ in range(each)]
            labels += [label] * each
    return 2 * np.stack(images)[:, None] - 1, np.array(labels, np.int64)
