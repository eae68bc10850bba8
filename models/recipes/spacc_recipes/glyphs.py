"""Recipe (c): characters in images of 28 x 28, a convolutional net of MNIST size.

    python3 -m spacc_recipes.glyphs                   dense net, .onnx, sets for spacc eval
    python3 -m spacc_recipes.grid glyphs              every cell, see grid.py

The images are drawn here, see glyphs_data.py; the test has fonts that training never sees.
"""
import argparse
import os

import numpy as np
import torch

from . import export as onnx_export
from . import glyphs_data as drawn
from . import train
from .pruner import View

NAME = "glyphs"
TRAIN_EACH, TEST_EACH, CALIBRATE = 20, 8, 256   # images of a character of a font; of a set
WIDTH = (64, 64, 128, 128)                      # channels: 9 Cin fills banks of 64
SMOOTH, DROP = 0.05, 0.3
SEED = 20240614

DENSE_STEPS, DENSE_BATCH, DENSE_LR = 2000, 64, 2e-3
STEPS, RAMP, SETTLE, BATCH, LR, ELSEWHERE = 900, 300, 100, 32, 2e-3, 1
SOFT = 0.5                                      # share of the dense net's answer in the loss


# ---- data
def data(work):
    """{"train" float16, "test" float32 [N][1][28][28], "train_labels", "test_labels" [N]}, drawn
    once and then read from `work`."""
    path = os.path.join(work, "data.npz")
    if not os.path.exists(path):
        x, labels = drawn.draw(drawn.TRAIN, TRAIN_EACH, SEED + 1)
        test, test_labels = drawn.draw(drawn.TEST, TEST_EACH, SEED + 2)
        with train.replacing(path) as f:
            np.savez(f, train=x.astype(np.float16), train_labels=labels, test=test,
                     test_labels=test_labels)
    return dict(np.load(path))


# ---- model
class Net(torch.nn.Module):
    """28 -> 14 by stride, 14 -> 7 -> 3 by max-pools, four convolutions; x [B,1,28,28] -> [B,34]."""

    def __init__(self, width):
        super().__init__()
        ins = (1,) + tuple(width[:-1])
        self.conv = torch.nn.ModuleList(
            torch.nn.Conv2d(a, b, 3, stride=1 if k else 2, padding=1)
            for k, (a, b) in enumerate(zip(ins, width)))
        self.drop = torch.nn.Dropout(DROP)
        self.out = torch.nn.Linear(width[-1] * 9, len(drawn.CLASSES))
        for layer in self.conv:
            torch.nn.init.kaiming_normal_(layer.weight)

    def forward(self, x):
        for k, layer in enumerate(self.conv):
            x = torch.relu(layer(x))
            if k in (1, 2):
                x = torch.nn.functional.max_pool2d(x, 2)
        return self.out(self.drop(x.flatten(1)))


def build_model(width=WIDTH):
    torch.manual_seed(SEED)
    return Net(width)


def views(model, sparsity, _):
    """The convolutions behind the first, whose rows of 9 columns are no bank; the last layer, a
    ninth of the weights, stays dense too."""
    return [View("conv%d" % k, model.conv[k].weight, sparsity) for k in range(1, len(model.conv))]


# ---- training
class Batches:
    """Random training batches, the same for the same step."""

    def __init__(self, parts, phase, batch, soft=None):
        """phase: part of the seed; soft: a dense net's scores [N,34]."""
        self.x, self.labels = parts["train"], parts["train_labels"]
        self.phase, self.batch, self.soft = phase, batch, soft

    def loss(self, model, step):
        rng = np.random.default_rng([SEED, self.phase, step])
        which = rng.integers(0, len(self.x), self.batch)
        torch.manual_seed(int(rng.integers(2**31)))
        scores = model(torch.from_numpy(self.x[which].astype(np.float32)))
        hard = torch.nn.functional.cross_entropy(scores, torch.from_numpy(self.labels[which]),
                                                 label_smoothing=SMOOTH)
        if self.soft is None:
            return hard
        return (1.0 - SOFT) * hard + SOFT * train.soft_loss(scores, self.soft[which])


def train_dense(work):
    """The trained dense net."""
    model, path = build_model(), os.path.join(work, "dense.pt")
    if not os.path.exists(path):
        batches = Batches(data(work), 3, DENSE_BATCH)
        seconds = train.fit(model, lambda step: batches.loss(model, step), DENSE_STEPS, DENSE_LR,
                            checkpoint=path + ".ckpt")
        train.save_atomic({"model": model.state_dict(), "seconds": seconds}, path)
    model.load_state_dict(torch.load(path)["model"])
    return model


def soft_targets(work):
    """The dense net's scores [N,34] of the training images, kept on disk."""
    path = os.path.join(work, "soft.pt")
    if not os.path.exists(path):
        train.save_atomic(scores_of(train_dense(work), data(work)["train"]), path)
    return torch.load(path)


def finetune(model, pruner, steps, work, name):
    """Train under the pruner, partly towards the dense net's answers; returns seconds."""
    batches = Batches(data(work), 4, BATCH, soft_targets(work))
    return train.fit(model, lambda step: batches.loss(model, step), steps, LR, pruner=pruner,
                     checkpoint=os.path.join(work, name + ".ckpt"), warm=20)


# ---- what comes out
@torch.no_grad()
def scores_of(model, x):
    """Scores [N,34] of images [N,1,28,28]."""
    model.eval()
    out = [model(part.float()) for part in torch.from_numpy(x).split(500)]
    model.train()
    return torch.cat(out)


def evaluate(model, work):
    """Percent right over the images of fonts that training never saw."""
    parts = data(work)
    scores, labels = scores_of(model, parts["test"]), torch.from_numpy(parts["test_labels"])
    right = (scores.argmax(1) == labels).double().mean() * 100
    nats = torch.nn.functional.cross_entropy(scores, labels)
    return {"metric": "accuracy, percent", "better": "higher",
            "value": round(float(right), 3),
            "trials": len(labels), "cross_entropy": round(float(nats), 4)}


def export(model, path, work, pruner=None):
    """image [1,1,28,28] -> logits [1,34]."""
    g = onnx_export.Graph(NAME)
    g.input("image", [1, 1, drawn.SIDE, drawn.SIDE])
    g.output("logits", [1, len(drawn.CLASSES)])
    at = "image"
    for k, layer in enumerate(model.conv):
        at = _export_conv(g, k, layer, at)
    g.weight("out_weight", model.out.weight)
    g.weight("out_bias", model.out.bias)
    g.node("Flatten", [at], ["flat"], "flat", axis=1)
    g.node("Gemm", ["flat", "out_weight", "out_bias"], ["logits"], "out", transB=1)
    g.save(path, onnx_export.metadata("classify", NAME, pruner, classes=drawn.CLASSES))


def _export_conv(g, k, layer, at):
    """Conv, Relu and, where there is one, MaxPool; the name of what comes out."""
    conv, relu, pool = "conv%d" % k, "relu%d" % k, "pool%d" % k
    g.weight(conv + "_weight", layer.weight)
    g.weight(conv + "_bias", layer.bias)
    g.node("Conv", [at, conv + "_weight", conv + "_bias"], [conv + "_out"], conv,
           kernel_shape=[3, 3], strides=list(layer.stride), pads=[1, 1, 1, 1])
    g.node("Relu", [conv + "_out"], [relu + "_out"], relu)
    if k not in (1, 2):
        return relu + "_out"
    g.node("MaxPool", [relu + "_out"], [pool + "_out"], pool, kernel_shape=[2, 2], strides=[2, 2])
    return pool + "_out"


def write_sets(work):
    """eval.npz (the test) and calibrate.npz (training images): image float32 [N,1,1,28,28],
    labels int64 [N]."""
    parts, rng = data(work), np.random.default_rng([SEED, 5])
    which = rng.choice(len(parts["train"]), CALIBRATE, replace=False)
    for name, x, labels in (("eval.npz", parts["test"], parts["test_labels"]),
                            ("calibrate.npz", parts["train"][which],
                             parts["train_labels"][which])):
        with train.replacing(os.path.join(work, name)) as f:
            np.savez(f, image=x[:, None].astype(np.float32), labels=labels)


def main():
    ap = argparse.ArgumentParser(description=__doc__,
                                 formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--work", default=os.path.join("build", "recipes", NAME))
    a = ap.parse_args()
    torch.set_num_threads(1)
    train.keep_memory()
    os.makedirs(a.work, exist_ok=True)
    print("glyphs: seed %d" % SEED, flush=True)
    model = train_dense(a.work)
    print(evaluate(model, a.work))
    export(model, os.path.join(a.work, "dense.onnx"), a.work)
    write_sets(a.work)


if __name__ == "__main__":
    main()
