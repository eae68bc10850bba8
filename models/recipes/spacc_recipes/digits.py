"""Recipe (b): spoken digits, an LSTM over log-mel features.

    python3 -m spacc_recipes.digits --data FOLDER     dense nets, .onnx, sets for spacc eval
    python3 -m spacc_recipes.grid digits              every cell, see grid.py

300 recordings are few for a test, so each is tested once: FOLDS nets, each trained without two
of the ten takes and tested on them, as they are and with noise. A "model" here is all FOLDS nets.
"""
import argparse
import os

import numpy as np
import torch

from . import digits_data as speech
from . import export as onnx_export
from . import lstm_folds, train
from .pruner import View

NAME = "digits"
FOLDS, UNITS, CLASSES = 5, 256, 10
NOISE = (None,) + 2 * ((10, 0.0), (10, 1.0), (5, 0.0), (5, 1.0))  # of the test: (dB, tilt)
VERSIONS, CALIBRATE = 40, 256        # of a recording in training; vectors of a calibration set
HIDE, SMOOTH, BATCH = 2, 0.05, 32
SEED = 20240613

DENSE_STEPS, DENSE_LR, DENSE_DROP = 1200, 6e-3, 0.3
AGAIN = 400                          # steps in which dense nets learn from themselves
STEPS, RAMP, SETTLE, LR, DROP, ELSEWHERE = 1400, 500, 250, 4e-3, 0.1, 2
SOFT = 0.8                           # share of the dense net's answer in the loss


# ---- data
def data(work, folder=os.path.join("..", "shared", "data", "fsdd")):
    """{"pool" float16 [VERSIONS][N][T][64], "test" float32 [noises][N][T][64], "labels" and
    "fold" int64 [N]}, N recordings; made from `folder` once, then read from `work`."""
    path = os.path.join(work, "data.npz")
    if not os.path.exists(path):
        with train.replacing(path) as f:
            np.savez(f, **make_data(folder, VERSIONS))
    return dict(np.load(path))


def make_data(folder, versions):
    waves, labels, takes = speech.load(folder)
    each = lambda change: [speech.features(change(x)) for x in waves]
    rng = np.random.default_rng([SEED, 1])
    pool = [each(lambda x: speech.distort(x, rng)) for _ in range(versions)]
    rng = np.random.default_rng([SEED, 2])
    test = [each(lambda x: spoken_in(x, noise, rng)) for noise in NOISE]
    return {"pool": np.array(pool, np.float16), "test": np.array(test, np.float32),
            "labels": labels, "fold": takes * FOLDS // (takes.max() + 1)}


def spoken_in(x, noise, rng):
    """A recording amid its window, with noise of NOISE."""
    x = speech.place(x)
    return x if noise is None else speech.add_noise(x, rng, *noise)


def hide(x, rng):
    """Blank a stretch of up to HIDE steps and up to HIDE + 2 bands of every x [B][T][64]."""
    steps, bands = np.arange(speech.STEPS), np.arange(speech.BANDS)
    first = rng.integers(0, [[[speech.STEPS - HIDE]], [[speech.BANDS - HIDE]]], (2, len(x), 1))
    past = first + rng.integers(0, HIDE + 1, (2, len(x), 1)) + [[[0]], [[2]]]
    out_steps = (steps >= first[0]) & (steps < past[0])
    out_bands = np.tile((bands >= first[1]) & (bands < past[1]), speech.STACK)
    return np.where(out_steps[:, :, None] | out_bands[:, None, :], np.float32(0), x)


# ---- model
class Net(torch.nn.Module):
    """LSTM (gates o, i, f, c), mean over time, scores: w [4H,64], r [4H,H], b [4H], out."""

    def __init__(self, units):
        super().__init__()
        draw = lambda *s: torch.nn.Parameter(torch.empty(*s).uniform_(-1, 1) / units ** 0.5)
        self.w, self.r = draw(4 * units, speech.INPUTS), draw(4 * units, units)
        self.b = torch.nn.Parameter(torch.zeros(4 * units))
        self.out = torch.nn.Linear(units, CLASSES)
        with torch.no_grad():
            self.b[2 * units:3 * units] = 1.0  # forget gate


def answers(nets, x, drop=0.0):
    """Scores [K,B,10] of the K nets, each of its own features x [K,T,B,64]."""
    stack = lambda pick: torch.stack([pick(net) for net in nets])
    h = lstm_folds.run(x, stack(lambda n: n.w), stack(lambda n: n.r), stack(lambda n: n.b))
    mean = torch.nn.functional.dropout(h.mean(0), drop)
    return torch.baddbmm(stack(lambda n: n.out.bias)[:, None], mean,
                         stack(lambda n: n.out.weight).transpose(1, 2))


def build_model(units=UNITS, folds=FOLDS):
    """The untrained nets of all folds."""
    torch.manual_seed(SEED)
    return torch.nn.ModuleList(Net(units) for _ in range(folds))


def views(model, sparsity, _):
    """W and R of every net."""
    return [View("%s%d" % (name.upper(), k), getattr(net, name), sparsity)
            for k, net in enumerate(model) for name in ("w", "r")]


# ---- training
class Batches:
    """Random training batches of each fold, the same for the same step.

    First lessons hide stretches of the features and use much dropout; later ones, of dense and of
    pruned nets, show whole features and the answers of the nets before.
    """

    def __init__(self, parts, phase, soft=None):
        """phase: part of the seed; soft: scores [folds,VERSIONS,N,10], None in first lessons."""
        self.pool, self.labels = parts["pool"], parts["labels"]
        self.phase, self.soft = phase, soft
        self.train = [np.flatnonzero(parts["fold"] != k) for k in range(FOLDS)]

    def _pick(self, k, step):
        """Features [T,BATCH,64], labels and soft targets (or None) of one fold."""
        rng = np.random.default_rng([SEED, self.phase, k, step])
        which = rng.choice(self.train[k], BATCH)
        version = rng.integers(0, len(self.pool), BATCH)
        x = self.pool[version, which].astype(np.float32)
        x = hide(x, rng) if self.soft is None else x
        return (torch.from_numpy(x).transpose(0, 1), torch.from_numpy(self.labels[which]),
                None if self.soft is None else self.soft[k, version, which])

    def loss(self, model, step):
        """The sum of the nets' losses."""
        x, labels, soft = zip(*(self._pick(k, step) for k in range(len(model))))
        torch.manual_seed(SEED + step)
        drop = DENSE_DROP if self.soft is None else DROP
        scores = answers(model, torch.stack(x), drop).view(-1, CLASSES)
        loss = torch.nn.functional.cross_entropy(scores, torch.cat(labels), label_smoothing=SMOOTH)
        if self.soft is not None:
            loss = (1.0 - SOFT) * loss + SOFT * train.soft_loss(scores, torch.cat(soft))
        return len(model) * loss


def train_dense(work):
    """The trained dense nets: first lessons, then AGAIN steps from their own answers."""
    model, path = build_model(), os.path.join(work, "dense.pt")
    if not os.path.exists(path):
        first = _first_lessons(work)
        seconds = _lessons(first, work, 4, AGAIN, soft_targets(first, work, "first"), "dense")
        train.save_atomic({"model": first.state_dict(), "seconds": seconds}, path)
    model.load_state_dict(torch.load(path)["model"])
    return model


def _first_lessons(work):
    """Nets trained from nothing, with dropout and hidden features; kept in first.pt."""
    model, path = build_model(), os.path.join(work, "first.pt")
    if not os.path.exists(path):
        batches = Batches(data(work), 3)
        seconds = train.fit(model, lambda step: batches.loss(model, step), DENSE_STEPS, DENSE_LR,
                            checkpoint=path + ".ckpt", clip=2.0)
        train.save_atomic({"model": model.state_dict(), "seconds": seconds}, path)
    model.load_state_dict(torch.load(path)["model"])
    return model


def soft_targets(model, work, name):
    """The nets' scores [FOLDS,VERSIONS,N,10] of the training versions, kept in NAME-soft.pt."""
    path = os.path.join(work, name + "-soft.pt")
    if not os.path.exists(path):
        pool = data(work)["pool"].astype(np.float32)
        train.save_atomic(torch.stack([scores_of(net, pool) for net in model]), path)
    return torch.load(path)


def _lessons(model, work, phase, steps, soft, name, pruner=None):
    """Train with soft targets; returns seconds."""
    batches = Batches(data(work), phase, soft)
    return train.fit(model, lambda step: batches.loss(model, step), steps, LR, pruner=pruner,
                     checkpoint=os.path.join(work, name + ".ckpt"), clip=2.0, warm=20)


def finetune(model, pruner, steps, work, name):
    """Train under the pruner, mostly towards the dense nets' answers; returns seconds."""
    soft = soft_targets(train_dense(work), work, "dense")
    return _lessons(model, work, 5, steps, soft, name, pruner)


# ---- what comes out
@torch.no_grad()
def scores_of(net, x):
    """Scores [..., 10] of features x [..., T, 64]."""
    flat = torch.from_numpy(x.reshape(-1, *x.shape[-2:]))
    out = torch.cat([answers([net], part.transpose(0, 1)[None])[0] for part in flat.split(500)])
    return out.view(*x.shape[:-2], CLASSES)


def evaluate(model, work):
    """Percent right over all recordings in all noises, each by the net that never heard it."""
    parts = data(work)
    scores = torch.empty(len(NOISE), len(parts["labels"]), CLASSES)
    for k, net in enumerate(model):
        held = np.flatnonzero(parts["fold"] == k)
        scores[:, held] = scores_of(net, parts["test"][:, held])
    labels = torch.from_numpy(parts["labels"])
    right = (scores.argmax(2) == labels).double().mean(1) * 100
    nats = torch.nn.functional.cross_entropy(scores.view(-1, CLASSES), labels.repeat(len(NOISE)))
    at = lambda db: round(float(right[[n is not None and n[0] == db for n in NOISE]].mean()), 3)
    return {"metric": "accuracy, percent", "better": "higher",
            "value": round(float(right.mean()), 3),
            "clean": round(float(right[0]), 3), "at_10_db": at(10), "at_5_db": at(5),
            "trials": scores[..., 0].numel(), "cross_entropy": round(float(nats), 4)}


def of_fold(path, k):
    """File of fold k: digits.onnx, digits.fold1.onnx, ..."""
    stem, ending = os.path.splitext(path)
    return path if k == 0 else "%s.fold%d%s" % (stem, k, ending)


def export(model, path, work, pruner=None):
    """features [T,1,64] -> logits [1,10]; the net of fold 0 at `path`, others beside it."""
    for k, net in enumerate(model):
        export_net(net, of_fold(path, k), pruner)


def export_net(net, path, pruner):
    g, units = onnx_export.Graph(NAME), net.r.shape[1]
    gates = lambda w: onnx_export.reorder(w, (1, 0, 2, 3))[None]  # o, i, f, c to i, o, f, c
    g.input("features", [speech.STEPS, 1, speech.INPUTS])
    g.output("logits", [1, CLASSES])
    bias = np.concatenate([gates(net.b), np.zeros((1, 4 * units), np.float32)], 1)
    for name, w in (("W", gates(net.w)), ("R", gates(net.r)), ("B", bias),
                    ("out_weight", net.out.weight), ("out_bias", net.out.bias),
                    ("squeeze_axes", np.array([1], np.int64))):
        g.weight(name, w)
    g.node("LSTM", ["features", "W", "R", "B"], ["y"], "lstm", hidden_size=units,
           direction="forward")
    g.node("Squeeze", ["y", "squeeze_axes"], ["h"], "squeeze")
    g.node("ReduceMean", ["h"], ["mean"], "mean", axes=[0], keepdims=0)
    g.node("Gemm", ["mean", "out_weight", "out_bias"], ["logits"], "out", transB=1)
    g.save(path, onnx_export.metadata("classify", NAME, pruner))


def write_sets(work):
    """eval.npz (recordings of fold 0 in all noises) and calibrate.npz (training versions), and
    those of the other folds: features float32 [N,T,1,64], labels int64 [N]."""
    parts = data(work)
    for k in range(FOLDS):
        held, others = (np.flatnonzero(part) for part in (parts["fold"] == k, parts["fold"] != k))
        save_set(of_fold(os.path.join(work, "eval.npz"), k), parts["test"][:, held],
                 np.tile(parts["labels"][held], len(NOISE)))
        rng = np.random.default_rng([SEED, 5, k])
        which, version = rng.choice(others, CALIBRATE), rng.integers(0, VERSIONS, CALIBRATE)
        save_set(of_fold(os.path.join(work, "calibrate.npz"), k), parts["pool"][version, which],
                 parts["labels"][which])


def save_set(path, x, labels):
    x = x.reshape(-1, speech.STEPS, 1, speech.INPUTS).astype(np.float32)
    with train.replacing(path) as f:
        np.savez(f, features=x, labels=labels)


def main():
    ap = argparse.ArgumentParser(description=__doc__,
                                 formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--data", default=os.path.join("..", "shared", "data", "fsdd"))
    ap.add_argument("--work", default=os.path.join("build", "recipes", NAME))
    a = ap.parse_args()
    torch.set_num_threads(1)
    train.keep_memory()
    os.makedirs(a.work, exist_ok=True)
    print("digits: seed %d, %d folds" % (SEED, FOLDS), flush=True)
    data(a.work, a.data)
    model = train_dense(a.work)
    print(evaluate(model, a.work))
    export(model, os.path.join(a.work, "dense.onnx"), a.work)
    write_sets(a.work)


if __name__ == "__main__":
    main()
