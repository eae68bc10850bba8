"""seernet_nets.py - the networks of seernet.py: real pictures in, and what became of the results.

All pictures of ../shared: five photographs, of which crops, sizes and flips are made by fixed
seeds (in turn, so that any few are of all), and 50 of CIFAR-10, each also mirrored."""
import numpy as np

import faces
import images

PHOTOGRAPHS = ("data/images/kitten_224.png", "data/images/fish.png", "data/images/fastestdet_0.jpg",
               "data/images/fastestdet_3.jpg", "models/ultraface_slim320/upstream/1.jpg")
NEAR = 0.05  # two largest shares nearer than this: the dense model is not sure either


def photographs(shared, each, width, height, first_seed):
    """float64 [5 * each, height, width, 3], the photographs in turn."""
    sets = [images.crops(images.opened(shared / f), each, width, first_seed + i, height)
            for i, f in enumerate(PHOTOGRAPHS)]
    return np.stack(sets, 1).reshape(-1, height, width, 3)


def agreement(dense, got):
    """Of shares [pictures, classes]. `near`: pictures on which the dense model itself wavers."""
    same = dense.argmax(1) == got.argmax(1)
    top = np.sort(dense, 1)
    return {"agreement": float(same.mean()), "count": len(same), "off": int((~same).sum()),
            "off, near": int((~same & (top[:, -1] - top[:, -2] < NEAR)).sum()),
            "near": int((top[:, -1] - top[:, -2] < NEAR).sum())}


def shares(logits):
    """Softmax."""
    power = np.exp(logits - logits.max(1, keepdims=True))
    return power / power.sum(1, keepdims=True)


class Squeezenet:
    name, title = "squeezenet11", "squeezenet11, ImageNet classes"
    model = "models/squeezenet11/squeezenet11_fp32.onnx"
    outputs = ["softmaxout_1"]

    def inputs(self, shared):
        return images.as_input([photographs(shared, 20, images.SIDE, images.SIDE, 100)])

    def score(self, dense, got):
        return agreement(*(o[0].reshape(len(o[0]), -1) for o in (dense, got)))


class Resnet:
    name, title = "resnet20", "resnet20, CIFAR-10"
    model = "models/resnet20_cifar/resnet20.onnx"
    outputs = ["logits"]

    def inputs(self, shared):
        """As 4 frames of 25."""
        stored = np.load(shared / "models/resnet20_cifar/golden_cifar/in.npy")
        labels = np.load(shared / "models/resnet20_cifar/golden_cifar/labels.npy").reshape(-1)
        self.labels = np.concatenate([labels, labels])
        return np.concatenate([stored, stored[..., ::-1]]).reshape(4, -1, *stored.shape[1:])

    def score(self, dense, got):
        dense, got = (shares(o[0].reshape(len(self.labels), -1)) for o in (dense, got))
        return agreement(dense, got) | {"right": float((got.argmax(1) == self.labels).mean()),
                                        "right, dense": float((dense.argmax(1) == self.labels).mean())}


class Ultraface:
    name, title = "ultraface", "ultraface, faces"
    model = "models/ultraface_slim320/version-slim-320_simplified.onnx"
    outputs = ["scores", "boxes"]

    def inputs(self, shared):
        """The crowd as it is stored with the model, eight parts of it, then two of each photograph."""
        crowd = images.opened(shared / PHOTOGRAPHS[-1])
        parts = [np.asarray(crowd.resize((faces.WIDTH, faces.HEIGHT), images.Image.BILINEAR), float)[None],
                 images.crops(crowd, 13, faces.WIDTH, 200, faces.HEIGHT),
                 photographs(shared, 2, faces.WIDTH, faces.HEIGHT, 210)]
        return ((np.concatenate(parts) - 127) / 128).transpose(0, 3, 1, 2)[:, None]

    def score(self, dense, got):
        pairs = [[faces.faces(s.reshape(-1, 2), b.reshape(-1, 4)) for s, b in zip(*o)]
                 for o in (dense, got)]
        each = [faces.compare(a, b) for a, b in zip(*pairs)]
        total = {k: sum(e[k] for e in each) for k in ("wanted", "got", "found")}
        return total | {"overlap": sum(e["overlap"] for e in each) / max(1, total["wanted"]),
                        "moved": max(e["moved"] for e in each),
                        "error": max(float(relative(a, b)) for a, b in zip(dense, got))}


class SuperResolution:
    name, title = "super_resolution10", "super_resolution10, luminance"
    model = "models/super_resolution10/model.onnx"
    outputs = ["output"]

    def inputs(self, shared):
        luminance = photographs(shared, 2, 224, 224, 300) @ [0.299, 0.587, 0.114]
        return luminance[:, None, None] / 255

    def score(self, dense, got):
        a, b = (o[0].astype(float).reshape(len(o[0]), -1) for o in (dense, got))
        power = ((a - b)**2).mean(1)
        return {"psnr": None if not power.all() else float((-10 * np.log10(power)).mean()),
                "worst psnr": None if not power.any() else float(-10 * np.log10(power.max())),
                "error": float(np.abs(a - b).max())}


def relative(wanted, got):
    """The golden tolerance is of this: the largest distance by max(1, |wanted|)."""
    return (np.abs(wanted - got) / np.maximum(1, np.abs(wanted))).max()


NETS = [Squeezenet, Resnet, Ultraface, SuperResolution]
