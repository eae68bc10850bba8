"""Recipe (a): a character language model on the King James Acts and letters.

One LSTM over an embedding of 37 symbols, scored in bits per character on the last 100,000
characters, which nothing is trained or chosen on; choices are made on the 100,000 before.
"""
import math
import os
import re
import subprocess

import numpy as np
import torch

from . import export as onnx_export
from . import train
from .lstm import Recurrence
from .pruner import View

NAME = "charlm"
VOCAB = " abcdefghijklmnopqrstuvwxyz,.:;?!'()-"
UNITS = 256                          # hidden units, also the embedding size
VERSES, BEFORE = 31102, 26924        # of the whole text; those before the Acts, left out
HELD, VALID = 100_000, 100_000       # characters: the last, and those before them
BATCH, WINDOW = 32, 64
RESTART = 0.02                       # chance that a stream starts afresh at a window
SEED = 20240611

DENSE_STEPS, DENSE_LR, DENSE_DROP = 2500, 3e-3, 0.5
STEPS, RAMP, SETTLE, LR, ELSEWHERE = 6000, 1500, 1000, 3e-3, 3
CYCLE = STEPS // 2


# ---- text
def make_text():
    """(whole text as one lower-case line, where the Acts begin)."""
    raw = subprocess.run(["bible", "-f", "ge1:1-rev22:21"], check=True, text=True,
                         stdin=subprocess.DEVNULL, capture_output=True).stdout
    verses = [re.sub(r"^\S+?\d+:\d+ ", "", line) for line in raw.splitlines()]
    if len(verses) != VERSES:
        raise ValueError("expected %d verses, got %d" % (VERSES, len(verses)))
    join = lambda part: re.sub(r"\s+", " ", " ".join(part)).strip().lower()
    text = join(verses)
    bad = set(text) - set(VOCAB)
    if bad:
        raise ValueError("symbols outside the vocabulary: %r" % sorted(bad))
    return text, len(join(verses[:BEFORE])) + 1


def data(work):
    """{"train", "valid", "held"}: int64 [characters], indices of VOCAB."""
    path = os.path.join(work, "text.npz")
    if not os.path.exists(path):
        text, begin = make_text()
        ids = np.array([VOCAB.index(c) for c in text], np.int64)
        with train.replacing(path) as f:
            np.savez(f, ids=ids.astype(np.int8), begin=begin)
    saved = np.load(path)
    ids, begin = saved["ids"].astype(np.int64), int(saved["begin"])
    end = len(ids)
    cut = (begin, end - HELD - VALID, end - HELD, end)
    parts = [torch.from_numpy(ids[a:b].copy()) for a, b in zip(cut, cut[1:])]
    return dict(zip(("train", "valid", "held"), parts))


# ---- model
class CharLM(torch.nn.Module):
    """Parameters: emb [37,E], w [4H,E], r [4H,H], b [4H] (gates o, i, f, c), v [37,H], d [37]."""

    def __init__(self, units=None):
        super().__init__()
        units = units or UNITS
        self.units, self.drop = units, 0.0
        near = 1.0 / math.sqrt(units)
        draw = lambda *s: torch.nn.Parameter(torch.empty(*s).uniform_(-near, near))
        self.emb = torch.nn.Parameter(torch.randn(len(VOCAB), units) * 0.5)
        self.w, self.r = draw(4 * units, units), draw(4 * units, units)
        self.b = torch.nn.Parameter(torch.zeros(4 * units))
        self.v = draw(len(VOCAB), units)
        self.d = torch.nn.Parameter(torch.zeros(len(VOCAB)))
        with torch.no_grad():
            self.b[2 * units:3 * units] = 1.0  # forget gate

    def zero_state(self, batch):
        return torch.zeros(batch, self.units), torch.zeros(batch, self.units)

    def forward(self, chars, h, c):
        """chars int64 [T,B], h and c [B,H] -> logits [T,B,37], last h, last c."""
        table = self.emb @ self.w.t() + self.b  # one product serves the whole vocabulary
        hs, last = Recurrence.apply(table, chars, self.r, h, c)
        seen = hs
        if self.training and self.drop:  # one mask for the whole window
            keep = torch.rand(hs.shape[1:]).ge(self.drop).to(hs.dtype)
            seen = hs * (keep / (1.0 - self.drop))
        return seen @ self.v.t() + self.d, hs[-1].detach(), last


def build_model():
    torch.manual_seed(SEED)
    return CharLM()


def views(model, sparsity, pattern):
    """W and R: alike where no fine-tuning follows, else see dual()."""
    if pattern is None:
        return [View("W", model.w, sparsity), View("R", model.r, sparsity)]
    sparse_w, sparse_r = dual(sparsity, 16 if pattern == "bank16" else 32)
    return [View("W", model.w, sparse_w), View("R", model.r, sparse_r)]


def dual(sparsity, bank):
    """Sparsities of W and R: 37 symbols need little of W. It keeps a quarter of the average share,
    or a half, or all of it: the first that is about a weight of a bank or more."""
    kept = 1.0 - sparsity
    share = next((s for s in (0.25, 0.5) if s * kept * bank >= 0.75), 1.0)
    return 1.0 - kept * share, 1.0 - kept * (2.0 - share)


# ---- training
class Stream:
    """Windows of the text in BATCH streams with carried states; epochs differ in their offset."""

    def __init__(self, ids, model):
        """ids int64 [N], the text."""
        self.ids, self.state, self.zero = ids, None, model.zero_state(BATCH)
        self.windows = (len(ids) - WINDOW - 1) // (BATCH * WINDOW)

    def state_dict(self):
        return self.state

    def load_state_dict(self, state):
        self.state = state

    def at(self, step):
        """(index [T,B] of the characters of this step, h, c)."""
        epoch, window = divmod(step, self.windows)
        length = self.windows * WINDOW
        offset = np.random.default_rng([SEED, epoch]).integers(0, len(self.ids) - BATCH * length)
        if window == 0 or self.state is None:
            self.state = self.zero
        go_on = np.random.default_rng([SEED, 1, step]).random((BATCH, 1)) >= RESTART
        keep = torch.from_numpy(go_on.astype(np.float32))
        first = offset + torch.arange(BATCH) * length + window * WINDOW
        return first[None] + torch.arange(WINDOW)[:, None], [s * keep for s in self.state]

    def loss(self, model, step):
        """Mean loss of a step in nats; the state goes on to the next."""
        index, (h, c) = self.at(step)
        torch.manual_seed(SEED + step)
        logits, h, c = model(self.ids[index], h, c)
        self.state = (h, c)
        return torch.nn.functional.cross_entropy(logits.view(-1, len(VOCAB)),
                                                 self.ids[index + 1].view(-1))


@torch.no_grad()
def logits_of(model, ids, rows=1, chunk=500):
    """Logits [rows, N // rows, 37] of ids [N] read as `rows` streams from the zero state."""
    model.eval()
    x = ids[:len(ids) // rows * rows].view(rows, -1).t()
    (h, c), out = model.zero_state(rows), []
    for first in range(0, len(x), chunk):
        logits, h, c = model(x[first:first + chunk], h, c)
        out.append(logits)
    model.train()
    return torch.cat(out).transpose(0, 1)


def bits(model, ids, rows=1):
    """Bits per character of ids [N], read as `rows` streams."""
    logits = logits_of(model, ids, rows)[:, :-1].reshape(-1, len(VOCAB))
    after = ids[:len(ids) // rows * rows].view(rows, -1)[:, 1:].reshape(-1)
    return float(torch.nn.functional.cross_entropy(logits.double(), after)) / math.log(2)


def train_dense(work):
    """The dense net with the lowest validation score of its training."""
    model, path = build_model(), os.path.join(work, "dense.pt")
    if not os.path.exists(path):
        _fit_dense(model, work, path)
    model.load_state_dict(torch.load(path)["model"])
    return model


def _fit_dense(model, work, path):
    parts = data(work)
    model.drop, best = DENSE_DROP, Best(model, parts["valid"])
    stream = Stream(parts["train"], model)
    seconds = train.fit(model, lambda step: stream.loss(model, step), DENSE_STEPS, DENSE_LR,
                        checkpoint=path + ".ckpt", stream=stream, watch=best.see)
    train.save_atomic({"model": best.state, "valid": best.score, "seconds": seconds}, path)


class Best:
    """The weights of the lowest validation score so far; watch of train.fit()."""

    def __init__(self, model, ids):
        self.model, self.ids, self.score, self.state = model, ids, math.inf, None

    def see(self, step):
        score = bits(self.model, self.ids, 50)
        train.tell("step %d: validation %.4f" % (step, score))
        if score < self.score:
            self.score = score
            self.state = {k: v.clone() for k, v in self.model.state_dict().items()}


def finetune(model, pruner, steps, work, name):
    """Cycles of the dense training's schedule, under the pruner; returns seconds."""
    kept = 1.0 - sum(pruner.target) / len(pruner.target)
    model.drop = DENSE_DROP * math.sqrt(kept)  # a net of fewer weights needs less
    stream = Stream(data(work)["train"], model)
    return train.fit(model, lambda step: stream.loss(model, step), steps, LR, pruner=pruner,
                     checkpoint=os.path.join(work, name + ".ckpt"), stream=stream,
                     cycle=min(steps, CYCLE))


# ---- what comes out
def evaluate(model, work):
    """Bits per character of the held-out text and of the validation text, in 20 streams each."""
    parts = data(work)
    return {"metric": "bits per character", "better": "lower",
            "value": round(bits(model, parts["held"], 20), 5),
            "valid": round(bits(model, parts["valid"], 20), 5)}


def export(model, path, work, pruner=None):
    """The model with inputs chars, h0, c0 and outputs logits, hn, cn."""
    u, v = model.units, len(VOCAB)
    g = onnx_export.Graph(NAME)
    g.input("chars", ["T", 1], onnx_export.INT64)
    for name in ("h0", "c0"):
        g.input(name, [1, 1, u])
    g.output("logits", ["T", 1, v])
    for name in ("hn", "cn"):
        g.output(name, [1, 1, u])
    gates = lambda w: onnx_export.reorder(w, (1, 0, 2, 3))  # o, i, f, c to i, o, f, c
    bias = torch.from_numpy(gates(model.b))
    for name, w in (("embedding", model.emb), ("W", gates(model.w)[None]),
                    ("R", gates(model.r)[None]),
                    ("B", torch.cat([bias, torch.zeros(4 * u)])[None]),
                    ("out_weight", model.v.t()), ("out_bias", model.d),
                    ("squeeze_axes", np.array([1], np.int64))):
        g.weight(name, w)
    g.node("Gather", ["embedding", "chars"], ["x"], "embed", axis=0)
    g.node("LSTM", ["x", "W", "R", "B", "", "h0", "c0"], ["y", "hn", "cn"], "lstm",
           hidden_size=u, direction="forward")
    g.node("Squeeze", ["y", "squeeze_axes"], ["h"], "squeeze")
    g.node("MatMul", ["h", "out_weight"], ["scores"], "out")
    g.node("Add", ["scores", "out_bias"], ["logits"], "out_add")
    g.save(path, onnx_export.metadata("char-lm", "charlm", pruner, vocab=VOCAB))
