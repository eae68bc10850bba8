"""The evidence of one task: every pattern at every sparsity, with and without fine-tuning.

    python3 -m spacc_recipes.grid charlm              everything that is missing
    python3 -m spacc_recipes.grid charlm --cell bank32 0.875 tuned
    python3 -m spacc_recipes.grid charlm --list       cells and whether they are done

A task is a module of this package with

    NAME, STEPS, RAMP, SETTLE             name; fine-tuning steps, of which ramp and settling
    ELSEWHERE                             at sparsities other than 87.5 % all three divided by it
    data(work)                            makes what the others read, once
    build_model()                         the untrained net, seeded
    train_dense(work)                     the trained dense net; resumes
    views(model, sparsity, pattern)       what to prune: [pruner.View]; pattern: of the
                                          fine-tuning, None where none follows
    finetune(model, pruner, steps, work, name)   trains under the pruner; resumes
    evaluate(model, work)                 {"metric": ..., "value": ..., and others}
    export(model, path, work, pruner)     the .onnx file; pruner None: the dense net

Each cell is one line of the results file as soon as it is known; a run that was killed goes on
from its last checkpoint.
"""
import argparse
import fcntl
import importlib
import json
import os
import time

from . import train
from .pruner import Pruner

SPARSITIES = (0.875, 0.75, 0.9375, 0.5, 0.9, 0.8)  # the first are those that targets name
PATTERNS = ("unstructured", "bank32", "bank64", "block4x4", "bank16")
SEED = 20240611


def cells():
    """All cells (pattern, sparsity, tuned) in the order in which they are wanted."""
    out = [("dense", 0.0, False)]
    out += [(p, s, False) for s in SPARSITIES for p in PATTERNS]
    out += [("dense", 0.0, True)]
    return out + [(p, s, True) for s in SPARSITIES for p in PATTERNS]


def key_of(cell):
    """File name of a cell: bank32-0.875-tuned."""
    return "%s-%g-%s" % (cell[0], cell[1], "tuned" if cell[2] else "untuned")


def read_results(path):
    """{cell name: record} of a results file; empty where there is none."""
    if not os.path.exists(path):
        return {}
    with open(path) as f:
        return {r["cell"]: r for r in json.load(f)["cells"]}


def _write(path, task, records):
    rank = {key_of(c): i for i, c in enumerate(cells())}
    records.sort(key=lambda r: rank.get(r["cell"], len(rank)))
    lines = ",\n".join("  " + json.dumps(r) for r in records)
    with train.replacing(path) as f:
        f.write(('{"task": "%s", "cells": [\n%s\n]}\n' % (task, lines)).encode())


def add_result(path, task, record):
    """Put a record into the file in place of one of the same cell; others may write too."""
    with open(path + ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        known = read_results(path)
        known[record["cell"]] = record
        _write(path, task, list(known.values()))


def schedule(task, sparsity):
    """(steps, ramp, settle) of fine-tuning; the whole of it for dense and the targets' 87.5 %."""
    part = 1 if sparsity in (0.0, SPARSITIES[0]) else task.ELSEWHERE
    return tuple(n // part for n in (task.STEPS, task.RAMP, task.SETTLE))


def pruner_of(task, model, cell):
    """The pruner of a cell; without fine-tuning it prunes at once."""
    pattern, sparsity, tuned = cell
    _, ramp, settle = schedule(task, sparsity) if tuned else (0, 0, 0)
    views = task.views(model, sparsity, pattern if tuned else None)
    return Pruner(views, pattern, sparsity, ramp, settle)


def run_cell(task, cell, work):
    """Train and evaluate one cell; returns its record. The model goes to WORK/<cell>.onnx."""
    model, seconds, steps, name = task.train_dense(work), 0.0, 0, key_of(cell)
    train.seed_all(SEED)
    pruner = pruner_of(task, model, cell)
    if cell[2]:
        steps = schedule(task, cell[1])[0]
        seconds = task.finetune(model, pruner, steps, work, name)
    share = pruner.finish()
    record = {"cell": name, "pattern": cell[0], "sparsity": cell[1], "tuned": cell[2],
              "true_sparsity": round(share["all"], 6), "steps": steps, "seconds": round(seconds)}
    record.update(task.evaluate(model, work))
    if cell[2] or cell[0] == "dense":
        task.export(model, os.path.join(work, name + ".onnx"), work, pruner)
    return record


def run(task, wanted, work, results, say=train.tell):
    """Run those of `wanted` that the results file lacks."""
    os.makedirs(work, exist_ok=True)
    os.makedirs(os.path.dirname(os.path.abspath(results)), exist_ok=True)
    task.data(work)
    for cell in wanted:
        if key_of(cell) in read_results(results):
            continue
        begin = time.time()
        record = run_cell(task, cell, work)
        add_result(results, task.NAME, record)
        say("%s: %s %.4f (%.0f s)" % (record["cell"], record["metric"], record["value"],
                                      time.time() - begin))


def main():
    ap = argparse.ArgumentParser(description=__doc__,
                                 formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("task", help="charlm, digits, cnn")
    ap.add_argument("--work", help="data, checkpoints, .onnx (build/recipes/TASK)")
    ap.add_argument("--results", help="results file (models/recipes/results/TASK.json)")
    ap.add_argument("--cell", nargs=3, metavar=("PATTERN", "SPARSITY", "TUNED"))
    ap.add_argument("--threads", type=int, default=1)
    ap.add_argument("--list", action="store_true", help="print cells, run nothing")
    a = ap.parse_args()
    import torch
    torch.set_num_threads(a.threads)
    train.keep_memory()
    task = importlib.import_module("spacc_recipes." + a.task)
    work = a.work or os.path.join("build", "recipes", a.task)
    results = a.results or os.path.join("models", "recipes", "results", a.task + ".json")
    wanted = [(a.cell[0], float(a.cell[1]), a.cell[2] == "tuned")] if a.cell else cells()
    if not a.list:
        return run(task, wanted, work, results)
    known = read_results(results)
    for cell in wanted:
        r = known.get(key_of(cell))
        print(key_of(cell), "%s %.4f" % (r["metric"], r["value"]) if r else "missing")


if __name__ == "__main__":
    main()
