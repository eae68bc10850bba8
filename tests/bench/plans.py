#!/usr/bin/env python3
"""Every model of ../shared: what its plan promised, and what it took.

    python3 tests/bench/plans.py SPACC MODELS PROFILES [OPTION of spacc bench]...

Runs `spacc bench --devices all --json` on each (the CPU alone, each device named, as planned, all in
turn) and prints medians, prices beside them, and the plan over the best single device. PROFILES
is a folder of spacc profile, made without these models."""

import json
import math
import pathlib
import subprocess
import sys

GOLDEN_ELSEWHERE = {"cnn_light": "golden/in_1x3x224x224.npy"}


def inputs_of(model):
    """The golden inputs of a model, in its order."""
    folder = model.parent
    if folder.name in GOLDEN_ELSEWHERE:
        return [str(folder / GOLDEN_ELSEWHERE[folder.name])]
    for case in sorted((folder / "golden" / model.stem).glob("*")):
        found = sorted(case.glob("in_*.npy"), key=lambda f: int(f.stem[3:]))
        if found:
            return [str(f) for f in found]
    return []


def bench(spacc, model, profiles, options):
    command = [spacc, "bench", str(model), "--devices", "all", "--json", "--quiet",
               "--profiles", profiles] + options
    for name in inputs_of(model):
        command += ["--input", name]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode != 0:
        print(f"{model.parent.name}/{model.stem}: {run.stderr.strip().splitlines()[-1]}")
        return None
    return json.loads(run.stdout)


def print_row(name, report):
    rows = {d["device"]: d for d in report["devices"]}
    cells = ""
    for device in ("cpu", "gpu", "card", "planned"):
        d = rows.get(device)
        if d:
            off = 100 * (d["predicted_us"] / d["us"] - 1)
            cells += f" {d['us']:10.1f} {off:+7.1f}%"
    print(f"{name[:34]:34s}{cells}  {report['best']:5s} {report['planned_over_best']:7.3f}")


def main():
    spacc, models, profiles, options = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3], sys.argv[4:]
    devices = ["cpu"] + ["gpu"] * ("--gpu" in options) + ["card"] * ("--fpga" in options)
    print(f"{'model':34s}" + "".join(f" {d + ' us':>10s} {'price':>8s}" for d in devices + ["planned"])
          + "  best  planned / best")
    off, ratio = [], []
    for model in sorted(models.glob("*/*.onnx")):
        report = bench(spacc, model, profiles, options)
        if report is None:
            continue
        print_row(f"{model.parent.name}/{model.stem}", report)
        sys.stdout.flush()
        cpu = report["devices"][0]
        off.append(abs(cpu["predicted_us"] / cpu["us"] - 1))
        ratio.append(report["planned_over_best"])
    if not off:
        sys.exit("no model could be measured")
    off.sort()
    print(f"\n{len(off)} models on the CPU: mean error of prices {100 * sum(off) / len(off):.1f} %, median "
          f"{100 * off[len(off) // 2]:.1f} %, within 10 %: {sum(o <= 0.1 for o in off)}; planned over the best "
          f"single device: geomean {math.exp(sum(map(math.log, ratio)) / len(ratio)):.3f}, worst {max(ratio):.3f}")


main()
