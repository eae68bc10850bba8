"""recipe_nets.py - what the recipes trained (models/recipes): files, sets, scores.

    build/recipes/TASK/CELL.onnx      a net; of other folds CELL.fold1.onnx, ...
    build/recipes/TASK/eval.npz       what it is tested on; of other folds eval.fold1.npz, ...
    build/recipes/TASK/calibrate.npz  what it may be calibrated with
    build/recipes/charlm/text.npz     the text: its last 100,000 characters are the recipe's test;
                                      here the first 20,000 of them, since the card is C
"""
import numpy as np

import metrics

TEST = 20_000
HELD, VALID = 100_000, 100_000  # characters: the last, and those before, as the recipe has them


def of_fold(folder, name, ending, k):
    return folder / (f"{name}.{ending}" if k == 0 else f"{name}.fold{k}.{ending}")


def folds(folder, cell):
    """The nets of a cell, one a fold."""
    nets = []
    while of_fold(folder, cell, "onnx", len(nets)).exists():
        nets.append(of_fold(folder, cell, "onnx", len(nets)))
    return nets


def text_set(folder, into, name, first, count):
    """Characters of the text as an input; first may count from its end."""
    file = into / f"{name}.npy"
    ids = np.load(folder / "text.npz")["ids"]
    begin = first if first >= 0 else len(ids) + first
    np.save(file, ids[begin:begin + count, None].astype(np.int64))
    return file


def plain_set(folder, into, name, k):
    """The inputs of a set, without its labels."""
    file = into / f"{name}{k}.npz"
    arrays = dict(np.load(of_fold(folder, name, "npz", k)))
    arrays.pop("labels")
    np.savez(file, **arrays)
    return file


class Net:
    """A net of the recipes as a task of untrained.py and of trained.py."""

    def __init__(self, places, folder, program):
        self.program, self.folder, self.work = program, folder, places.models / self.name
        folder.mkdir(parents=True, exist_ok=True)
        nets = folds(self.work, "dense-0-untuned") or folds(self.work, "dense")
        if not nets:
            raise FileNotFoundError(f"no dense net in {self.work}")
        self.models = {str(k): net for k, net in enumerate(nets)}
        self.sets = [self.test_set(k) for k in range(len(nets))]

    def more(self, _):
        return []

    def score(self, models, options=()):
        """Mean over all cases of all folds."""
        total, count = 0.0, 0
        for net, data in zip(models.values(), self.sets):
            scores = self.program.eval(net, [data], ["--task", self.task, *options])
            s = next(iter(scores.values()))
            total, count = total + s["value"] * s["count"], count + s["count"]
        return {self.metrics[0].name: total / count, "count": count}


class Charlm(Net):
    name, title, task = "charlm", "charlm, characters", "char-lm"
    metrics = [metrics.BITS]

    def test_set(self, _):
        return text_set(self.work, self.folder, "held", -HELD, TEST)

    def calibrate(self):
        return {"0": [text_set(self.work, self.folder, "calibrate", -HELD - 2 * VALID, 8192)]}


class Digits(Net):
    name, title, task = "digits", "digits, spoken", "classify"
    metrics = [metrics.ACCURACY]

    def test_set(self, k):
        file = of_fold(self.work, "eval", "npz", k)
        if not file.exists():
            raise FileNotFoundError(f"no {file}")
        return file

    def calibrate(self):
        return {k: [plain_set(self.work, self.folder, "calibrate", int(k))] for k in self.models}


class Glyphs(Digits):
    name, title = "glyphs", "glyphs, drawn characters"
