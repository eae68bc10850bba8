"""images.py - squeezenet11 and resnet20: how often the largest score is the dense model's.

Crops, flips and sizes of real pictures. Calibration: other pictures than those tested."""
import numpy as np
from PIL import Image

import metrics


def crops(picture, count, size, seed, height=None):
    """float64 [count, height (or size), size, 3]: random parts, at least half as large as they can be."""
    rng = np.random.default_rng(seed)
    height = height or size
    most = min(picture.size[0] / size, picture.size[1] / height)
    made = []
    for _ in range(count):
        share = rng.uniform(0.5, 1.0)
        wide, high = int(most * size * share), int(most * height * share)
        x, y = (int(rng.integers(0, s - c + 1)) for s, c in zip(picture.size, (wide, high)))
        crop = picture.crop((x, y, x + wide, y + high)).resize((size, height), Image.BILINEAR)
        pixels = np.asarray(crop, float)
        made.append(pixels[:, ::-1] if rng.integers(2) else pixels)
    return np.stack(made)


SIDE = 224


def opened(file):
    return Image.open(file).convert("RGB")


def enlarged(picture):
    """A normalised CIFAR picture [3,32,32] as pixels [SIDE,SIDE,3]."""
    pixels = picture.transpose(1, 2, 0) * [0.229, 0.224, 0.225] + [0.485, 0.456, 0.406]
    small = Image.fromarray(np.clip(255 * pixels, 0, 255).astype(np.uint8))
    return np.asarray(small.resize((SIDE, SIDE), Image.BICUBIC), float)


def as_input(parts):
    """Pixels as squeezenet11 has them: blue, green, red, less their means; [N,1,3,SIDE,SIDE]."""
    pixels = np.concatenate(parts)[..., ::-1] - [103.94, 116.78, 123.68]
    return pixels.transpose(0, 3, 1, 2)[:, None]


class Images:
    metrics = [metrics.AGREEMENT]

    def write(self, name, batch):
        file = self.folder / f"{name}.npy"
        np.save(file, batch.astype(np.float32))
        return file

    def calibrate(self):
        return {"net": [str(self.files["calibrate"])]}

    def more(self, _):
        return []

    def score(self, models, options=()):
        scores = self.program.eval(models["net"], [self.files["test"]],
                                   ["--task", "agree", "--expect", self.expected, *options])
        s = scores["top-1 agreement"]
        return {"agreement": s["value"], "count": s["count"], "low": s["low"], "high": s["high"]}


class Squeezenet(Images):
    name = "squeezenet11"
    title = "squeezenet11, ImageNet classes"

    def __init__(self, places, folder, program):
        shared = places.shared
        self.program, self.folder = program, folder
        self.models = {"net": shared / "models/squeezenet11/squeezenet11_fp32.onnx"}
        data = shared / "data/images"
        test = [crops(opened(data / f), 100, SIDE, 10 + i)
                for i, f in enumerate(("kitten_224.png", "fastestdet_3.jpg"))]
        crowd = shared / "models/ultraface_slim320/upstream/1.jpg"
        some = ((data / "fish.png", 32), (data / "fastestdet_0.jpg", 32), (crowd, 48))
        calibrate = [crops(opened(f), n, SIDE, i) for i, (f, n) in enumerate(some)]
        stored = np.load(shared / "models/resnet20_cifar/golden_cifar/in.npy")
        calibrate.append(np.stack([enlarged(picture) for picture in stored]))
        self.files = {"calibrate": self.write("calibrate", as_input(calibrate)),
                      "test": self.write("test", as_input(test))}
        self.expected = folder / "dense.npy"
        program.run(self.models["net"], [self.files["test"]], self.expected)


class Resnet(Images):
    name = "resnet20"
    title = "resnet20, CIFAR-10"

    def __init__(self, places, folder, program):
        shared = places.shared
        self.program, self.folder = program, folder
        self.models = {"net": shared / "models/resnet20_cifar/resnet20.onnx"}
        stored = np.load(shared / "models/resnet20_cifar/golden_cifar/in.npy").astype(float)
        self.files = {"calibrate": self.write("calibrate", self.shifted(stored[0::2], 8, 1)),
                      "test": self.write("test", self.shifted(stored[1::2], 16, 2))}
        self.expected = folder / "dense.npy"
        program.run(self.models["net"], [self.files["test"]], self.expected)

    def shifted(self, batch, times, seed):
        """Each picture `times` over: moved by up to 3 pixels, half of them mirrored."""
        rng = np.random.default_rng(seed)
        wide = np.pad(batch, ((0, 0), (0, 0), (3, 3), (3, 3)), mode="reflect")
        made = []
        for picture in np.repeat(wide, times, axis=0):
            x, y = rng.integers(0, 7, 2)
            cut = picture[:, y:y + 32, x:x + 32]
            made.append(cut[:, :, ::-1] if rng.integers(2) else cut)
        return np.stack(made)
