#!/usr/bin/env python3
"""Make the C table of boards.toml, results.json and model.json, and the table of README.md.

    generate.py --out DIR             DIR/board_table.h, included by host/board.c
    generate.py --page | --check-page the table in README.md, between its two marks"""

import argparse
import json
import os
import sys
import tomllib

HERE = os.path.dirname(os.path.abspath(__file__))
FAMILIES = ("ice40", "ecp5", "xc7", "xcup")
BLOCKS = ("pe", "requant", "cell", "cell_small", "array", "control", "run", "host", "core", "queue", "deal", "micro")
CONFIG = ("pes", "lanes", "cells", "weight_bits", "index_bits", "axi_bits", "weight_words", "x_words", "h_words",
          "units", "psum_words", "instructions", "shared_rows", "act_bits", "queue", "small_cell", "micro")
CONFIG_DEFAULTS = {"shared_rows": 1, "act_bits": 16, "queue": 0}
RESOURCES = ("lut", "ff", "dsp", "bram", "uram")
TERMS = 5
MARKS = ("<!-- results -->", "<!-- /results -->")


def load(name):
    path = os.path.join(HERE, name)
    if not os.path.exists(path):
        return {}
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def load_table():
    with open(os.path.join(HERE, "boards.toml"), "rb") as file:
        return tomllib.load(file)


def clock_of(board, result):
    """(MHz, why, measured): what a routed board runs at is below what its router found."""
    clock = board["clock_mhz"]
    fmax = result.get("fmax_mhz", 0)
    if fmax and fmax < clock:
        sys.exit(f"{board['name']}: clock_mhz = {clock}, but the router found {fmax} MHz")
    return clock, board["clock_why"], bool(fmax)


def current(board, result):
    """What was measured counts only for the card that boards.toml names now."""
    return result if result.get("config") == board["config"] else {}


# ---------------------------------------------------------------- C

def c_text(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def c_use(use):
    return "{" + ", ".join(str(use.get(name, 0)) for name in RESOURCES) + "}"


def c_board(board, result):
    clock, why, measured = clock_of(board, result)
    stage = {"routed": "ROUTED", "synthesised": "SYNTHESISED"}.get(result.get("stage"), "ESTIMATED")
    return "\n".join([
        f"    {{.name = {c_text(board['name'])}, .title = {c_text(board['title'])}, .part = {c_text(board['part'])},",
        f"     .source = {c_text(board['source'])},",
        f"     .family = SPACC_FAMILY_{board['family'].upper()}, .capacity = {c_use(board)},",
        "     .card = {" + ", ".join(str(board["config"].get(name, CONFIG_DEFAULTS.get(name, 0))) for name in CONFIG) + "},",
        f"     .memory_bytes = {board.get('memory_bytes', board.get('board_parameters', {}).get('MemoryBytes', 0))},",
        f"     .clock_mhz = {clock}, .clock_why = {c_text(why)}, .clock_measured = {'true' if measured else 'false'},",
        f"     .fmax_mhz = {result.get('fmax_mhz', 0)}, .stage = SPACC_BOARD_{stage},",
        f"     .measured = {c_use(result.get('card', {}))}, .design = {c_use(result.get('design', {}))}}},"])


def c_model(model):
    lines = []
    for family in FAMILIES:
        lines.append("    {")
        for block in BLOCKS:
            fitted = model.get(family, {}).get(block, {})
            rows = ["{" + ", ".join(f"{v:.9g}" for v in fitted.get(name, [0.0] * TERMS)) + "}"
                    for name in ("lut", "ff", "dsp")]
            lines.append("        {" + ", ".join(rows) + f"}}, /* {block} */")
        lines.append(f"    }}, /* {family} */")
    return lines


def board_table_h(table, results, model):
    names = {family["name"]: family for family in table["family"]}
    out = ["/* board_table.h - made by boards/generate.py; do not edit. For host/board.c. */",
           "#ifndef SPACC_BOARD_TABLE_H", "#define SPACC_BOARD_TABLE_H", "",
           "static const struct spacc_board board_table[] = {"]
    out += [c_board(board, current(board, results.get(board["name"], {}))) for board in table["board"]]
    out += ["};", "", "static const struct {", "    const char *lut, *bram, *dsp;",
            "} board_family[SPACC_FAMILIES] = {"]
    out += ["    {" + ", ".join(c_text(names[f][key]) for key in ("lut", "bram", "dsp")) + "}," for f in FAMILIES]
    out += ["};", "", "static const struct board_model {",
            "    double lut[SPACC_BLOCK_TERMS], ff[SPACC_BLOCK_TERMS], dsp[SPACC_BLOCK_TERMS];",
            "} board_model[SPACC_FAMILIES][SPACC_CARD_BLOCKS] = {"]
    return "\n".join(out + c_model(model) + ["};", "", "#endif", ""])


# ---------------------------------------------------------------- page

def cell_of(board, result, name):
    if not board[name]:
        return "-"
    used = result["design"][name]
    return f"{used} ({100 * used / board[name]:.0f} %)"


def row_of(board, result):
    c = board["config"]
    card = f"{c['pes']}x{c['lanes']}, E {c['cells']}, int{c['weight_bits']}, {c['axi_bits']} bit" + (
        ", small cell" if c["small_cell"] else "")
    if c.get("micro"):
        card = "`spacc_micro`: 4x4, int8, one multiplier"
    held = f"{c['pes'] * c['lanes'] * c['weight_words'] / 1024:.0f} K"
    if not result:
        return f"| {board['title']} | {card} | {held} | not run | | | | | |"
    over = [name for name in RESOURCES if result["design"][name] > board[name]]
    fmax = f"{result['fmax_mhz']} MHz" if "fmax_mhz" in result else "-"
    stage = "**does not fit**, synthesised" if over else result["stage"]
    clock, _, measured = clock_of(board, result)
    counts = " | ".join(cell_of(board, result, name) for name in ("lut", "ff", "dsp", "bram"))
    return (f"| {board['title']} | {card} | {held} | {stage} | {counts} | "
            f"{fmax} | {'-' if over else f'{clock} MHz, ' + ('measured' if measured else 'assumed')} |")


def page(table, results):
    out = ["| board | card | weights held | | LUT | FF | DSP | block RAM | Fmax | clock |",
           "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"]
    out += [row_of(board, current(board, results.get(board["name"], {}))) for board in table["board"]]
    return "\n".join(out)


def write(path, text):
    """Leave an unchanged file alone, so that nothing is built again for it."""
    if os.path.exists(path) and open(path, encoding="utf-8").read() == text:
        return
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(path + ".new", path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out")
    parser.add_argument("--page", action="store_true")
    parser.add_argument("--check-page", action="store_true")
    args = parser.parse_args()
    table, results = load_table(), load("results.json")
    if args.out:
        os.makedirs(args.out, exist_ok=True)
        write(os.path.join(args.out, "board_table.h"), board_table_h(table, results, load("model.json")))
    if args.page or args.check_page:
        readme = os.path.join(HERE, "README.md")
        with open(readme, encoding="utf-8") as file:
            text = file.read()
        before, rest = text.split(MARKS[0])
        new = f"{before}{MARKS[0]}\n{page(table, results)}\n{MARKS[1]}{rest.split(MARKS[1])[1]}"
        if args.check_page and new != text:
            sys.exit("boards/README.md is stale: run boards/generate.py --page")
        if args.page:
            write(readme, new)


if __name__ == "__main__":
    main()
