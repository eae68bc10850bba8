#!/usr/bin/env python3
"""The resource estimate of host/board.c: its samples, and the coefficients fitted to them.

    boards/fit.py sweep [FAMILY ...]   run yosys over the configurations below -> samples.json
    boards/fit.py fit                  least squares over samples.json and results.json -> model.json (numpy)
    boards/fit.py compare              the estimate beside results.json
    boards/fit.py check                the estimate beside yosys run now, on four blocks of this RTL

A sample is a block with its parameters and what yosys made of it. Blocks: pe, requant, cell
(the modules), cell_small, queue, deal; array (what it has besides PEs and queues); control; run (without deal); host (registers and DMAs); core
(what it has besides those); micro (all of spacc_micro). host/board.c says what memories and which terms a block has; fit
compiles that file and asks it, so the formula stands in one place."""

import argparse
import ctypes
import json
import os
import subprocess
import sys
import tempfile

import generate
import synth

SAMPLES = os.path.join(synth.HERE, "samples.json")
MODEL = os.path.join(synth.HERE, "model.json")
COUNTED = ("lut", "ff", "dsp")  # memories (bram, uram and the LUTs of LUT RAMs) are counted, not fitted


def config(pes, lanes, cells, weight_bits, axi_bits, weight_words, x_words, h_words, units, psum_words,
           instructions=32, small_cell=0):
    return {"pes": pes, "lanes": lanes, "cells": cells, "weight_bits": weight_bits, "index_bits": 8,
            "axi_bits": axi_bits, "weight_words": weight_words, "x_words": x_words, "h_words": h_words,
            "units": units, "psum_words": psum_words, "instructions": instructions, "small_cell": small_cell}


PES = [config(4, lanes, 1, bits, 64, words, x, h, 64, psums) for lanes, bits, words, x, h, psums in (
    (4, 8, 128, 32, 32, 8), (4, 16, 1024, 64, 128, 16), (8, 8, 1024, 32, 128, 16), (8, 16, 512, 256, 256, 32),
    (16, 8, 512, 64, 64, 16), (16, 16, 512, 128, 256, 64), (32, 8, 512, 32, 32, 16), (32, 16, 256, 64, 64, 64))]
CARDS = [config(4, 4, 1, 16, 64, 512, 64, 64, 64, 8, 8), config(16, 8, 2, 8, 128, 512, 128, 128, 256, 16),
         config(16, 16, 4, 16, 256, 256, 64, 64, 1024, 32, 64)]
SMALL_CELLS = [config(4, 4, 1, 8, 64, 512, 64, 64, units, 8, 8, 1) for units in (64, 512)]
MICROS = [{**config(4, 4, 1, 8, 64, 1728, 512, 256, units, 1, 64, 1), "micro": 1} for units in (64, 256)]
QUEUED = [{**c, "queue": 16} for c in CARDS]
# Queues and what deals to them, of cards with these.
QUEUES = [config(pes, 16, 1, 8, bits, words, x, h, units, 16) | {"queue": queue}
          for pes, bits, words, x, h, units, queue in (
              (4, 64, 512, 32, 32, 256, 8), (8, 64, 4096, 128, 512, 512, 16), (8, 128, 1024, 512, 128, 2048, 32),
              (16, 64, 1024, 64, 64, 512, 16), (32, 256, 8192, 512, 512, 2048, 64), (64, 128, 512, 64, 64, 1024, 8))]
SWEEPS = {family: CARDS[:sizes] + QUEUED[:sizes]
          for family, sizes in (("ice40", 1), ("ecp5", 2), ("xc7", 2), ("xcup", 3))}


def options(family):
    table, _ = synth.load_boards()
    return next(f.get("yosys_options", "") for f in table["family"] if f["name"] == family)


def sample_card(files, family, c, work):
    values = synth.parameters(c, synth.accepted(files, "spacc_card"), "spacc_card")
    _, modules = synth.synthesise(files, "spacc_card", values, family, work, options(family))
    return synth.blocks_of(synth.counts(modules, "spacc_card", family), c)


def sample_pe(files, family, c, work):
    values = [(synth.PARAMETERS[name], c[name]) for name in ("lanes", "weight_bits", "index_bits", "weight_words",
                                                             "x_words", "h_words", "psum_words")]
    _, modules = synth.synthesise(files, "spacc_pe", values, family, work, options(family))
    return {"pe": synth.counts(modules, "spacc_pe", family)["spacc_pe"]}


def sample_cell_small(files, family, c, work):
    _, modules = synth.synthesise(files, "spacc_cell_small", [("Units", c["units"])], family, work, options(family))
    return {"cell_small": synth.counts(modules, "spacc_cell_small", family)["spacc_cell_small"]}


def sample_block(name):
    """Samples of a module that block_parameters knows."""
    def sample(files, family, c, work):
        _, modules = synth.synthesise(files, "spacc_" + name, block_parameters(name, c), family, work, options(family))
        return {name: synth.counts(modules, "spacc_" + name, family)["spacc_" + name]}
    sample.__name__ = "sample_" + name
    return sample


def sample_micro(files, family, c, work):
    values = synth.parameters(c, synth.accepted(files, "spacc_micro"), "spacc_micro")
    _, modules = synth.synthesise(files, "spacc_micro", values, family, work, options(family))
    return {"micro": synth.counts(modules, "spacc_micro", family)["spacc_micro"]}


def sweep(families):
    samples = []
    if os.path.exists(SAMPLES):
        with open(SAMPLES, encoding="utf-8") as file:
            samples = [s for s in json.load(file) if s["family"] not in families]
    with tempfile.TemporaryDirectory() as work:
        files = synth.sources(work)
        for family in families:
            for take, configs in ((sample_pe, PES), (sample_cell_small, SMALL_CELLS),
                                  (sample_block("queue"), QUEUES), (sample_block("deal"), QUEUES),
                                  (sample_card, SWEEPS[family]), (sample_micro, MICROS if family == "ice40" else [])):
                for c in configs:
                    for block, use in take(files, family, c, work).items():
                        samples.append({"family": family, "block": block, "config": c, "use": use})
                    print(f"{family}: {take.__name__} {c['pes']}x{c['lanes']}", file=sys.stderr)
            write(SAMPLES, samples)


def write(path, data):
    lines = ",\n".join(json.dumps(item) for item in data) if isinstance(data, list) else None
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(f"[\n{lines}\n]\n" if lines is not None else json.dumps(data, indent=1) + "\n")
    os.replace(path + ".new", path)



# ---------------------------------------------------------------- fit

class Config(ctypes.Structure):
    """struct spacc_card_config."""
    _fields_ = [(name, ctypes.c_uint) for name in generate.CONFIG]

    @classmethod
    def of(cls, c):
        return cls(*[c.get(name, 0) for name in generate.CONFIG])


class Use(ctypes.Structure):
    """struct spacc_board_use."""
    _fields_ = [(name, ctypes.c_double) for name in synth.RESOURCES]


def load_formula(work):
    """host/board.c with the coefficients of model.json as they are now."""
    synth.sources(work)  # and rtl/card_map.h
    library = os.path.join(work, "board.so")
    command = [sys.executable, os.path.join(synth.HERE, "generate.py"), "--out", os.path.join(work, "boards")]
    subprocess.run(command, check=True)
    subprocess.run([os.environ.get("CC", "cc"), "-std=gnu11", "-shared", "-fPIC", "-I", work, "-I", synth.ROOT,
                    "-o", library, os.path.join(synth.ROOT, "host", "board.c"),
                    os.path.join(synth.ROOT, "sparse", "status.c")], check=True)
    return ctypes.CDLL(library)


def terms(formula, block, c):
    out = (ctypes.c_double * generate.TERMS)()
    formula.spacc_block_terms(out, generate.BLOCKS.index(block), ctypes.byref(Config.of(c)))
    return list(out)


def memories(formula, block, family, c):
    use = Use()
    formula.spacc_block_memories(ctypes.byref(use), generate.BLOCKS.index(block), generate.FAMILIES.index(family),
                                 ctypes.byref(Config.of(c)))
    return {name: getattr(use, name) for name in synth.RESOURCES}


def estimate(formula, family, c):
    use = Use()
    formula.spacc_card_estimate(ctypes.byref(use), generate.FAMILIES.index(family), ctypes.byref(Config.of(c)))
    return {name: getattr(use, name) for name in synth.RESOURCES}


def weighted(row, want):
    """Errors count relative to the size of the block."""
    size = max(abs(want), 1.0)
    return [v / size for v in row], want / size


def least_squares(rows, wants):
    """Coefficients; among equally good ones those that are smallest in the size of their terms."""
    import numpy  # only to fit anew

    scale = numpy.maximum(numpy.abs(numpy.array(rows)).max(axis=0), 1e-9)
    pairs = [weighted(row, want) for row, want in zip(rows, wants)]
    found = numpy.linalg.lstsq(numpy.array([row for row, _ in pairs]) / scale,
                               numpy.array([want for _, want in pairs]), rcond=1e-9)[0]
    found[numpy.abs(found) < 1e-6] = 0.0  # less than a millionth of a LUT: rounding of the solver
    return [float(v) for v in found / scale]


def board_samples():
    """The boards' own cards."""
    if not os.path.exists(synth.RESULTS):
        return []
    with open(synth.RESULTS, encoding="utf-8") as file:
        results = json.load(file)
    _, boards = synth.load_boards()
    return [{"family": boards[name]["family"], "block": block, "config": result["config"], "use": use}
            for name, result in results.items() for block, use in result["blocks"].items()]


def fit():
    with open(SAMPLES, encoding="utf-8") as file:
        samples = json.load(file)
    samples += board_samples()
    model = {}
    with tempfile.TemporaryDirectory() as work:
        formula = load_formula(work)
        for family in generate.FAMILIES:
            for block in generate.BLOCKS:
                mine = [s for s in samples if s["family"] == family and s["block"] == block]
                if not mine:
                    continue
                rows = [terms(formula, block, s["config"]) for s in mine]
                held = [memories(formula, block, family, s["config"]) for s in mine]
                check_memories(mine, held)
                model.setdefault(family, {})[block] = {
                    name: least_squares(rows, [s["use"][name] - h[name] for s, h in zip(mine, held)])
                    for name in COUNTED}
    write(MODEL, model)


def check_memories(samples, held):
    for s, h in zip(samples, held):
        if any(s["use"][name] != h[name] for name in ("bram", "uram")):
            print(f"{s['family']} {s['block']}: yosys has {s['use']['bram']} block RAMs, the rules say "
                  f"{h['bram']:.0f}: {s['config']}", file=sys.stderr)


def compare():
    """How far the estimate is from every whole card that yosys has made."""
    with open(synth.RESULTS, encoding="utf-8") as file:
        results = json.load(file)
    _, boards = synth.load_boards()
    with tempfile.TemporaryDirectory() as work:
        formula = load_formula(work)
        for name, result in results.items():
            told = estimate(formula, boards[name]["family"], result["config"])
            print(f"{name:14}" + "".join(
                f"  {r} {told[r]:9.0f} / {result['card'][r]:7} {100 * (told[r] / result['card'][r] - 1):+5.1f} %"
                for r in synth.RESOURCES if result["card"][r]))


# ---------------------------------------------------------------- still true

MOST_APART = 0.05
# No sample has this PE.
CHECKED = config(8, 8, 2, 8, 64, 256, 64, 64, 128, 16) | {"queue": 16}


def index_bits(c):
    """Of the results of a group: one counts as the units of a cell lane do."""
    return (c["units"] // c["cells"] - 1).bit_length()


def block_parameters(block, c):
    """Parameters of a block's module within the card."""
    if block == "queue":
        widths = {name: (c[name] - 1).bit_length() for name in ("weight_words", "x_words", "h_words")}
        return [("Depth", c["queue"]), ("WordWidth", widths["weight_words"]), ("XWidth", widths["x_words"]),
                ("BaseWidth", max(widths["x_words"], widths["h_words"])), ("IndexWidth", index_bits(c))]
    if block == "deal":
        return [("Pes", c["pes"]), ("AxiBits", c["axi_bits"]), ("WordWidth", (c["weight_words"] - 1).bit_length()),
                ("XWidth", (c["x_words"] - 1).bit_length()), ("IndexWidth", index_bits(c))]
    names = {"pe": ("lanes", "weight_bits", "index_bits", "weight_words", "x_words", "h_words", "psum_words"),
             "requant": (), "cell": ()}[block]
    values = [(synth.PARAMETERS[name], c[name]) for name in names]
    return values + ([] if names else [("Units", c["units"] // c["cells"])])


def estimate_block(formula, block, family, c):
    """One block by the same formula."""
    use = Use()
    formula.spacc_block_estimate(ctypes.byref(use), generate.BLOCKS.index(block), generate.FAMILIES.index(family),
                                 ctypes.byref(Config.of(c)))
    return {name: getattr(use, name) for name in synth.RESOURCES}


def tell_stale(files):
    """A warning a board whose results are of other sources."""
    with open(synth.RESULTS, encoding="utf-8") as file:
        results = json.load(file)
    for name, result in results.items():
        here = synth.rtl_hash(files, result["top"])
        if result.get("rtl") != here:
            print(f"warning: results.json: {name} is of other RTL ({result.get('rtl')}, now {here}): ./dev synth {name}")


def check_block(formula, files, block, family, work):
    """(estimate, yosys) of one block, told; memories have to be exact."""
    top = "spacc_" + block
    _, modules = synth.synthesise(files, top, block_parameters(block, CHECKED), family, work, options(family))
    use, told = synth.counts(modules, top, family)[top], estimate_block(formula, block, family, CHECKED)
    print(f"{family} {block}: " + ", ".join(f"{name} {told[name]:.0f} / {use[name]}" for name in synth.RESOURCES))
    if any(told[name] != use[name] for name in ("bram", "uram")):
        sys.exit(f"{family} {block}: the rules of host/board.c count other block RAMs than yosys")
    return told, use


def check(family="xc7"):
    """Four blocks, as many of each as the card has. Exit status 1: the formula is not that of this RTL;
    77: another yosys."""
    version, sums = synth.version(["yosys", "-V"]), {name: [0.0, 0.0] for name in COUNTED}
    with tempfile.TemporaryDirectory() as work:
        files = synth.sources(work)
        tell_stale(files)
        if not version.startswith("Yosys 0.23 "):
            print(f"skipped: the estimate is of yosys 0.23, here is {version}")
            sys.exit(77)
        formula = load_formula(work)
        for block in ("pe", "requant", "cell", "queue"):
            times = formula.spacc_block_count(generate.BLOCKS.index(block), ctypes.byref(Config.of(CHECKED)))
            for at, use in enumerate(check_block(formula, files, block, family, work)):
                for name in COUNTED:
                    sums[name][at] += times * use[name]
    wrong = [f"{name}: estimate {told:.0f}, yosys {use:.0f}" for name, (told, use) in sums.items()
             if abs(told - use) > MOST_APART * use]
    print("together: " + ", ".join(f"{name} {told:.0f} / {use:.0f}" for name, (told, use) in sums.items()))
    if wrong:
        sys.exit(f"more than 5 % apart: {'; '.join(wrong)}: boards/fit.py sweep; ./dev synth of the boards; "
                 "boards/fit.py fit")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("sweep", "fit", "compare", "check"))
    parser.add_argument("family", nargs="*", default=list(SWEEPS))
    args = parser.parse_args()
    if args.what == "sweep":
        sweep(args.family)
    else:
        {"fit": fit, "compare": compare, "check": check}[args.what]()


if __name__ == "__main__":
    main()
