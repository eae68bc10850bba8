"""trained.py - the recipes' tasks: their own records of every cell, and their models in spacc:
float, the card's int16 and int8.

The records are models/recipes/results/TASK.json, or results.json beside the models, which lie in
build/recipes/TASK."""
import json

import figures
from program import Refused
from recipe_nets import Charlm, Digits, Glyphs, folds
from store import Store

PATTERNS = ["unstructured", "bank16", "bank32", "bank64", "block4x4"]
NAMES = {"unstructured": "unstructured", "bank16": "bank 16", "bank32": "bank 32",
         "bank64": "bank 64", "block4x4": "block 4x4"}
SPARSITIES = [0.5, 0.75, 0.8, 0.875, 0.9, 0.9375]
CARD = ["--fpga", "model:16x16", "--precision"]
MODES = {"float": [], "int16": [*CARD, "int16"], "int8": [*CARD, "int8"]}


class Task:
    def __init__(self, net, title, unit, lower):
        self.net, self.name, self.title, self.unit = net, net.name, title, unit
        self.lower = lower  # is better


TASKS = [Task(Charlm, "Character language model", "bits per character", True),
         Task(Digits, "Spoken digits", "accuracy, %", False),
         Task(Glyphs, "Drawn characters", "accuracy, %", False)]


def records(a, task):
    """{(pattern, sparsity, tuned): record}"""
    files = [a.source / f"models/recipes/results/{task.name}.json",
             a.models / task.name / "results.json"]
    file = next((f for f in files if f.exists()), None)
    if file is None:
        return {}
    with open(file, encoding="utf-8") as f:
        cells = json.load(f)["cells"]
    return {(c["pattern"], c["sparsity"], c["tuned"]): c for c in cells}


def dense_of(task, known):
    """The better of the dense nets: as trained, and after the steps of fine-tuning."""
    nets = [c for (pattern, _, _), c in known.items() if pattern == "dense"]
    return (min if task.lower else max)(nets, key=lambda c: c["value"], default=None)


# ---- the models in spacc

def wanted(known):
    """Cells that are run on the card: dense, and banks after fine-tuning."""
    return [c["cell"] for (p, _, tuned), c in sorted(known.items())
            if p == "dense" or (tuned and p.startswith("bank"))]


def measure(a, program):
    store = Store(str(a.results / "trained.json"), a.again)
    for task in TASKS:
        if a.only and task.name not in a.only:
            continue
        try:
            net = task.net(a, a.folder / task.name, program)
        except FileNotFoundError as why:
            print(f"skipped: {task.name}: {why}")
            continue
        for cell in wanted(records(a, task)):
            for mode, options in MODES.items():
                keep(store, task, net, cell, mode, options)


def keep(store, task, net, cell, mode, options):
    name = f"{cell}, {mode}"
    nets = folds(net.work, cell)
    if store.get(task.name, name) is not None or not nets:
        return
    try:
        scores = net.score(dict(enumerate(nets)), options)
    except Refused as why:
        print(f"skipped: {task.name}, {name}: {why}")
        return
    value = scores.pop(net.metrics[0].name)
    scores["value"] = value if task.lower else 100 * value
    store.put(task.name, name, scores)
    print(f"{task.name}, {name}: {scores}", flush=True)


# ---- the page

def lines_of(known):
    lines = {}
    for (pattern, sparsity, tuned), c in sorted(known.items()):
        if pattern != "dense":
            lines.setdefault((pattern, tuned), []).append((sparsity, c["value"]))
    return lines


def limits(task, known, dense):
    """What is drawn: from dense to the worst of the fine-tuned, and somewhat beyond."""
    tuned = [c["value"] for (p, _, t), c in known.items() if t and p != "dense"]
    worst = (max if task.lower else min)(tuned or [c["value"] for c in known.values()])
    room = abs(worst - dense) or 1.0
    low, high = min(worst, dense), max(worst, dense)
    return (low - 0.2 * room, high + 0.6 * room) if task.lower \
        else (low - 0.6 * room, high + 0.2 * room)


def grid(task, known):
    from page import number
    from table import table
    places = 3 if task.lower else 2
    rows = []
    for tuned in (True, False):
        for p in PATTERNS:
            got = [known.get((p, s, tuned)) for s in SPARSITIES]
            if any(got):
                rows.append([NAMES[p] + ("" if tuned else ", not fine-tuned")] +
                            [number(c["value"], places) if c else "-" for c in got])
    return table(["pattern"] + [f"{100 * s:g} %" for s in SPARSITIES], rows)


def on_card(task, tree):
    """Float, int16, int8 of the models, and what int8 loses of float."""
    from page import number
    from table import table
    places = 3 if task.lower else 2
    known = tree.get(task.name, {})
    rows = []
    for cell in sorted({k.rsplit(", ", 1)[0] for k in known}):
        got = [known.get(f"{cell}, {m}") for m in MODES]
        if all(got):
            lost = (got[2]["value"] / got[0]["value"] - 1) * (100 if task.lower else -100)
            rows.append([cell] + [number(g["value"], places) for g in got] + [f"{lost:+.2f} %"])
    if not rows:
        return []
    what = "20,000 of the characters" if task.lower else "the whole test set"
    return [f"On the card (`--fpga model:16x16`), {what}:", ""] + \
        table(["model", "float", "int16", "int8", "int8 loses of float"], rows)


def page(a):
    from page import load, number
    tree, lines = load(a, "trained.json"), []
    for task in TASKS:
        known = records(a, task)
        dense = dense_of(task, known)
        if dense is None:
            continue
        a.results.mkdir(exist_ok=True)
        figures.trained(a.results / f"{task.name}.svg", task.title, task.unit, dense["value"],
                        lines_of(known), limits(task, known, dense["value"]))
        places = 3 if task.lower else 2
        lines += [f"### {task.title}", "",
                  f"![{task.unit} by sparsity](accuracy/{task.name}.svg)", "",
                  f"In {task.unit}; dense: {number(dense['value'], places)}.", ""]
        lines += grid(task, known) + on_card(task, tree)
    return lines
