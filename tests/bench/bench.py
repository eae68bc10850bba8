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

# name, kind, size (inputs = hidden), steps, card, precision, sparsity, target PE use in %.
# Targets: 95 % PE use and 5 s wall for the 1024-unit LSTM at 87.5 % (see README.md).
CASES = [
    ("LSTM 1024, 87.5 %", "lstm", 1024, 100, "sim:16x16", "int16", "0.875", 95.0),
    ("LSTM 1024, 87.5 %", "lstm", 1024, 100, "sim:16x16", "int8", "0.875", 95.0),
    ("LSTM 256, 87.5 %", "lstm", 256, 100, "sim:16x16", "int16", "0.875", None),
    ("GRU 512, 87.5 %", "gru", 512, 100, "sim:16x16", "int16", "0.875", None),
    ("LSTM 128, dense", "lstm", 128, 100, "sim:16x16", "int16", None, None),
]


def bench(spacc, folder, case):
    _, kind, size, steps, card, precision, sparsity, _ = case
    model = os.path.join(folder, "%s_%d.onnx" % (kind, size))
    if not os.path.exists(model):
        subprocess.run([sys.executable, MAKE, kind, model, "--inputs", str(size), "--hidden",
                        str(size)], check=True)
    command = [spacc, "run", model, "--dim", "T=%d" % steps, "--fpga", card, "--precision",
               precision, "--verify", "--json", "--quiet"]
    if sparsity:
        command += ["--sparsity", sparsity]
    start = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True)
    wall = time.monotonic() - start
    if done.returncode:
        return None, done.stderr.strip(), wall
    report = json.loads(done.stdout)
    return report, next(n for n in report["nodes"] if n["op"] in ("LSTM", "GRU")), wall


def main():
    spacc, folder = sys.argv[1:]
    line = "%-20s %-10s %-6s %9s %8s %9s %8s %8s %9s %8s %8s"
    print(line % ("case", "card", "bits", "cycles", "at best", "us", "PE use", "target",
                  "SNR dB", "wall s", "kHz"))
    print(line % ("", "", "", "/step", "/step", "/step", "%", "%", "", "", "sim"))
    for case in CASES:
        report, node, wall = bench(spacc, folder, case)
        if report is None:
            print("%-20s %s" % (case[0], node))
            continue
        steps, array = node["steps"], report["pes"] * report["lanes"]
        run_s = report["run_us"] / 1e6
        print(line % (case[0], case[4], case[5], "%.1f" % (node["cycles"] / steps),
                      "%.1f" % (node["nonzeros"] / array), "%.2f" % (node["card_us"] / steps),
                      "%.1f" % (100 * node["utilisation"]), case[7] or "-",
                      "%.1f" % node["snr_db"] if node["snr_db"] is not None else "-",
                      "%.2f" % wall,
                      "%.0f" % (report["run_cycles"] / run_s / 1e3 if run_s else 0)))
        sys.stdout.flush()


main()
