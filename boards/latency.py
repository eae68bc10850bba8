#!/usr/bin/env python3
"""What a run takes on the cards of DEPLOY.md, by the cycle model: its table.

    boards/latency.py --spacc PROGRAM                 print it
    boards/latency.py --spacc PROGRAM --page          write it into DEPLOY.md, between its marks
    boards/latency.py --spacc PROGRAM --check-page    compare

Cycles are those of `spacc predict --fpga model:BOARD`, which equal the simulated card's; clocks are
those of boards.toml."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import tomllib

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
PAGE = os.path.join(ROOT, "DEPLOY.md")
MARKS = ("<!-- latency -->", "<!-- /latency -->")
MAKER = [sys.executable, os.path.join(ROOT, "tests", "make_model.py")]
DEMO = os.path.join(ROOT, "models", "demo")


def predict(spacc, board, model, options):
    """The report, or the reason why this card cannot run it."""
    run = subprocess.run([spacc, "predict", model, "--fpga", f"model:{board}", "--quiet", "--json"] + options,
                         capture_output=True, text=True, check=False)
    if run.returncode == 0:
        return json.loads(run.stdout), ""
    return None, run.stderr.strip().splitlines()[-1].rsplit(": ", 1)[-1]


def cell(clock_mhz, steps, report, why):
    if not report:
        return "does not fit: " + why
    us = report["run_cycles"] / clock_mhz
    return f"{report['run_cycles']:,} cycles, {us:,.1f} us, {us / steps:.2f} a step"


def lstm_model(work, inputs, units):
    """(title, file, options, steps)"""
    model, x = os.path.join(work, f"lstm{units}.onnx"), os.path.join(work, f"x{inputs}.npy")
    subprocess.run(MAKER + ["lstm", model, "--inputs", str(inputs), "--hidden", str(units)], check=True)
    subprocess.run(MAKER + ["npy", x, "--shape", f"100,1,{inputs}"], check=True)
    return (f"LSTM, {inputs} inputs, {units} units, 100 steps", model, ["--input", x, "--sparsity", "0.875"], 100)


def table(spacc):
    with open(os.path.join(HERE, "boards.toml"), "rb") as file:
        toml = tomllib.load(file)
    boards = {board["name"]: board for board in toml["board"]}
    serial = [name for name, board in boards.items() if "constraints" in board]
    cards = list(dict.fromkeys(package["card"] for package in toml["package"])) + serial
    with tempfile.TemporaryDirectory() as work:
        models = [lstm_model(work, 32, 64), lstm_model(work, 128, 240),
                  ("`charlm`, 2000 characters", os.path.join(DEMO, "charlm.onnx"),
                   ["--input", os.path.join(DEMO, "heldout.npy")], 2000)]
        out = ["| card | clock | " + " | ".join(model[0] for model in models) + " |",
               "| --- | --- |" + " --- |" * len(models)]
        for name in cards:
            titles = [boards[name]["title"]] + [package["name"].upper() for package in toml["package"]
                                                if package["card"] == name and package["name"] != name]
            clock_mhz = boards[name]["clock_mhz"]
            cells = [cell(clock_mhz, steps, *predict(spacc, name, path, options))
                     for _, path, options, steps in models]
            out.append(f"| {', '.join(titles)} | {clock_mhz} MHz{'' if name in serial else ', assumed'} | "
                       + " | ".join(cells) + " |")
    return "\n".join(out)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--spacc", required=True)
    parser.add_argument("--page", action="store_true")
    parser.add_argument("--check-page", action="store_true")
    args = parser.parse_args()
    text = table(args.spacc)
    print(text)
    if not args.page and not args.check_page:
        return
    with open(PAGE, encoding="utf-8") as file:
        old = file.read()
    before, rest = old.split(MARKS[0])
    new = f"{before}{MARKS[0]}\n{text}\n{MARKS[1]}{rest.split(MARKS[1])[1]}"
    if args.check_page and new != old:
        sys.exit("DEPLOY.md is stale: run boards/latency.py --page")
    if args.page:
        with open(PAGE, "w", encoding="utf-8") as file:
            file.write(new)


if __name__ == "__main__":
    main()
