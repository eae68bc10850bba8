#!/usr/bin/env python3
"""Run the program on made models and print what it reports, target beside.

usage: bench.py PROGRAM FOLDER; called by run.sh.
"""
import json
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
MAKE = os.path.join(HERE, "..", "make_model.py")

# name, kind, size (inputs = hidden), steps, card, precision, sparsity, target in cycles a step,
# target of the wall in s. Where the targets come from: README.md.
CASES = [
    ("LSTM 1024, 87.5 %", "lstm", 1024, 100, "sim:16x16", "int16", "0.875", 4101, 2),
    ("LSTM 1024, 87.5 %", "lstm", 1024, 100, "sim:128x32", "int16", "0.875", 258, 2),
    ("LSTM 1024, 87.5 %", "lstm", 1024, 100, "sim:8x8", "int8", "0.875", None, 2),
    ("LSTM 512, streamed", "lstm", 512, 20, "sim:4x4", "int16", "0.5", None, None),
    ("LSTM 256, 87.5 %", "lstm", 256, 100, "sim:16x16", "int16", "0.875", None, None),
    ("GRU 512, 87.5 %", "gru", 512, 100, "sim:16x16", "int16", "0.875", None, None),
    ("LSTM 128, dense", "lstm", 128, 100, "sim:16x16", "int16", None, None, None),
]
RUNS = 3


def run(command):
    start = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True)
    return done, time.monotonic() - start


def bench(spacc, folder, case):
    """Report, its node, least and median wall seconds; a message for the report on failure."""
    _, kind, size, steps, card, precision, sparsity, _, _ = case
    model = os.path.join(folder, "%s_%d.onnx" % (kind, size))
    if not os.path.exists(model):
        subprocess.run([sys.executable, MAKE, kind, model, "--inputs", str(size), "--hidden",
                        str(size)], check=True)
    command = [spacc, "run", model, "--dim", "T=%d" % steps, "--fpga", card, "--precision",
               precision, "--json", "--quiet"]
    if sparsity:
        command += ["--sparsity", sparsity]
    done, _ = run(command + ["--verify"])
    if done.returncode:
        return None, done.stderr.strip(), 0
    report = json.loads(done.stdout)
    walls = sorted(run(command)[1] for _ in range(RUNS))
    return report, next(n for n in report["nodes"] if n["op"] in ("LSTM", "GRU")), walls[RUNS // 2]


def or_dash(text, value):
    return text % value if value is not None else "-"


def main():
    spacc, folder = sys.argv[1:]
    line = "%-19s %-10s %-5s %8s %7s %8s %6s %-10s %6s %6s %6s %7s"
    print(line % ("case", "card", "bits", "cycles", "target", "at best", "PE use", "bound by",
                  "SNR dB", "wall s", "target", "kHz sim"))
    for case in CASES:
        report, node, wall = bench(spacc, folder, case)
        if report is None:
            print("%-19s %s" % (case[0], node))
            continue
        steps, array = node["steps"], report["pes"] * report["lanes"]
        run_s = report["run_us"] / 1e6
        print(line % (case[0], case[4], case[5], "%.1f" % (node["cycles"] / steps),
                      or_dash("%d", case[7]), "%.1f" % (node["nonzeros"] / array),
                      "%.1f" % (100 * node["utilisation"]), node["bound"],
                      or_dash("%.1f", node["snr_db"]), "%.2f" % wall, or_dash("%d", case[8]),
                      "%.0f" % (report["run_cycles"] / run_s / 1e3 if run_s else 0)))
        sys.stdout.flush()


main()
