"""seernet.py - how well few bits predict the zeros of convolutions, and what is lost by believing them.

The program runs every network on real pictures with `--seernet BITS,always`: each layer's mask is held
against the truth for the input the layer got, which already carries the errors of the layers before. The program
counts masks of a few frames of a run: masks are those of runs of so many, results of one run of all."""
import json

import numpy as np

import seernet_fused
from program import Refused
from seernet_nets import NETS
from store import Store

BITS = [4, "exact", 3, 5, 2, 6, 8, 7]  # what matters most first
FILE = "seernet.json"
LOOKED_AT, LOOKS = 8, 3  # frames of a run whose masks the program counts; such runs
SHARES = ("zeros", "predicted", "precision", "recall", "accuracy")


class Looker:
    """A network and its frames."""

    def __init__(self, net, a, program):
        self.net, self.program = net, program
        self.model = a.shared / net.model
        self.folder = a.folder / "seernet" / net.name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.frames = np.ascontiguousarray(net.inputs(a.shared), np.float32)
        self.dense = None

    def run(self, frames, options=()):
        """Outputs in the net's order, each [frames, ...], and the report."""
        sent, got = self.folder / "in.npy", self.folder / "out.npz"
        np.save(sent, frames)
        report = self.program.report(self.model, sent, got, options)
        with np.load(got) as arrays:
            return [arrays[o] for o in self.net.outputs], report

    def all_dense(self):
        if self.dense is None:
            self.dense = self.run(self.frames)[0]
        return self.dense

    def always(self, bits):
        """Every layer predicted: the masks of a few runs, and the score of a run of all frames."""
        options = ["--seernet", f"{bits},always"]
        first = self.frames[:LOOKS * LOOKED_AT]
        parts = [first[i:i + LOOKED_AT] for i in range(0, len(first), LOOKED_AT)]
        seen = [(len(p), self.run(p, options)[1]["seernet"]) for p in parts]
        if any(n != s["frames"] for n, s in seen):
            raise Refused(f"of {seen[0][0]} frames the program looked at {seen[0][1]['frames']:g}")
        layers = merged([(n, s["layers"]) for n, s in seen])
        got, _ = self.run(self.frames, options)
        return {"layers": layers, "score": self.net.score(self.all_dense(), got),
                "looked at": len(first), "frames": len(self.frames), **means(layers)}

    def chosen(self, bits):
        """The layers that the program takes on this machine; one run, so one choice."""
        got, report = self.run(self.frames, ["--seernet", bits])
        layers = report["seernet"]["layers"]
        return {"taken": [x["name"] for x in layers if x["taken"]], "of": len(layers),
                "score": self.net.score(self.all_dense(), got)}


def merged(parts):
    """Layers of several runs as of one: parts are (frames, layers). A layer has as many outputs in
    every frame; precision and recall go by the counts behind them."""
    frames = sum(n for n, _ in parts)
    made = []
    for same in zip(*(layers for _, layers in parts)):
        weight = [n / frames for n, _ in parts]
        zeros, skipped, right = (sum(w * s[k] for w, s in zip(weight, same))
                                 for k in ("zeros", "predicted", "accuracy"))
        both = sum(w * (s["recall"] or 0) * (1 - s["zeros"]) for w, s in zip(weight, same))
        made.append({"name": same[0]["name"], "with": same[0]["with"], "zeros": zeros,
                     "predicted": skipped, "accuracy": right,
                     "precision": both / (1 - skipped) if skipped < 1 else None,
                     "recall": both / (1 - zeros) if zeros < 1 else None})
    return made


def means(layers):
    """Over layers, each counting once."""
    return {k: float(np.mean([x[k] for x in layers if x[k] is not None])) for k in SHARES}


def keep(store, net, cell, make):
    if store.get(net.name, cell) is not None:
        return
    try:
        got = make()
    except Refused as why:
        print(f"skipped: {net.name}, {cell}: {why}", flush=True)
        return
    store.put(net.name, cell, got)
    told = {k: v for k, v in got.items() if k != "layers"}
    print(f"{net.name}, {cell}: {json.dumps(told)}", flush=True)


def lookers(a, program):
    made = []
    for make in NETS:
        if a.only and make.name not in a.only:
            continue
        try:
            made.append(Looker(make(), a, program))
        except FileNotFoundError as why:
            print(f"skipped: {make.name}: {why}", flush=True)
    return made


def measure(a, program):
    store, all_nets = Store(str(a.results / FILE), a.again), lookers(a, program)
    for bits in BITS:
        for x in all_nets:
            cell = f"{bits} bits" if bits != "exact" else bits
            keep(store, x.net, cell, lambda: x.always(bits))
    for x in all_nets:
        keep(store, x.net, "4 bits, chosen", lambda: x.chosen(4))
    seernet_fused.measure(a, store)
