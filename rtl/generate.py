#!/usr/bin/env python3
"""Make the copies of rtl/card.toml: C headers, SystemVerilog package, tops, page.

    generate.py --toml rtl/card.toml --out DIR [--page FILE] [--check-page FILE]

DIR gets card_map.h, act_tables.h, spacc_card_pkg.sv and one spacc_card_<config>.sv a
configuration. --page writes the documentation page; --check-page compares it and exits
with 1 when the file is stale."""

import argparse
import math
import os
import sys
import tomllib

INDEX_BITS = 8  # lane index kept a weight; the 16-bit index of format 1 must fit

# ---------------------------------------------------------------- activation tables

SEGMENTS = 256  # over |z|, 128 codes of Q3.12 each
FRACTIONS = 128
Z_ONE = 4096.0
Y_ONE = 32768.0


def ramp(slope):
    """What the hardware adds to the base at every fraction."""
    return [(slope * f + 64) >> 7 for f in range(FRACTIONS)]


def fit_segment(want, least, most, base):
    """(base, slope) of least maximum error with least <= y <= most; base may be given."""
    middle = round((want[-1] - want[0]) * FRACTIONS / (FRACTIONS - 1))
    best = None
    for slope in range(max(0, middle - 10), middle + 11):
        steps = ramp(slope)
        gaps = [w - s for w, s in zip(want, steps)]
        low = least if base is None else base
        high = most - steps[-1] if base is None else base
        if low > high or low + steps[-1] > most:
            continue
        for b in {math.floor((max(gaps) + min(gaps)) / 2), math.ceil((max(gaps) + min(gaps)) / 2)}:
            b = min(max(b, low), high)
            error = max(max(gaps) - b, b - min(gaps))
            if best is None or (error, slope, b) < best:
                best = (error, slope, b)
    return best[2], best[1]


def fit_table(function, first):
    """Bases and slopes of a rising function; y(0) = first exactly, never falling."""
    table, least = [], first
    for segment in range(SEGMENTS):
        codes = range(segment * FRACTIONS, (segment + 1) * FRACTIONS)
        want = [function(z / Z_ONE) * Y_ONE for z in codes]
        base, slope = fit_segment(want, least, 32767, first if segment == 0 else None)
        table.append((base, slope))
        least = base + ramp(slope)[-1]
    return table


def activation_tables():
    return {
        "tanh": fit_table(math.tanh, 0),
        "sigmoid": fit_table(lambda v: 1.0 / (1.0 + math.exp(-v)), 16384),
    }


def slope_bits(table):
    return max(slope for _, slope in table).bit_length()


# ---------------------------------------------------------------- helpers

def camel(name):
    return "".join(part.capitalize() for part in name.split("_"))


def registers(card):
    """(name, offset, bits, reset, text), 64-bit ones in two halves for the page only."""
    return [(r["name"], r["offset"], r.get("bits", 32), r.get("reset", 0), r["text"])
            for r in card["register"]]


def kernel_registers(card):
    """The same of the arguments that only kernels from C and OpenCL C have."""
    return registers({"register": card["kernel_register"]})


def c_text(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def check(card):
    """Refuse a table that contradicts itself."""
    used = {}
    for name, offset, bits, _, _ in registers(card) + kernel_registers(card):
        for word in range(offset, offset + bits // 8, 4):
            if word in used:
                sys.exit(f"register {name} overlaps {used[word]} at 0x{word:03x}")
            used[word] = name
    for i, counter in enumerate(card["counter"]):
        for word in (card["counters"]["base"] + 8 * i, card["counters"]["base"] + 8 * i + 4):
            if word in used:
                sys.exit(f"counter {counter['name']} overlaps {used[word]} at 0x{word:03x}")
    for op in card["instruction"]:
        taken = {bit: "opcode" for bit in range(8)}
        for name, word, low, bits in op["fields"]:
            if word > 15 or low + bits > 32:
                sys.exit(f"{op['name']}.{name} does not fit a word")
            for bit in range(32 * word + low, 32 * word + low + bits):
                if bit in taken:
                    sys.exit(f"{op['name']}.{name} overlaps {taken[bit]}")
                taken[bit] = name
    for config in card["config"]:
        if config["pes"] % 4 or config["lanes"] % 4 or config["lanes"] & (config["lanes"] - 1):
            sys.exit(f"config {config['name']}: PEs a multiple of 4, lanes a power of two >= 4")
        cells, axi = config["cells"], config["axi_bits"]
        if cells & (cells - 1) or config["pes"] % (4 * cells) or cells > config["lanes"]:
            sys.exit(f"config {config['name']}: {cells} cell lanes: a power of two that divides PEs / 4")
        if config["shared_rows"] not in (1, 4):
            sys.exit(f"config {config['name']}: 1 or 4 rows share indices")
        packed = config["shared_rows"] == 4 and config["weight_bits"] == 8 and 10 <= config["act_bits"] <= 12
        if config["act_bits"] != 16 and not packed:
            sys.exit(f"config {config['name']}: {config['act_bits']} bits of x and h need 8-bit weights in shared rows, and 10 to 12")
        queue, pes = config["queue"], config["pes"]
        if queue and (queue & (queue - 1) or queue < 2 or pes & (pes - 1) or pes > axi or config["shared_rows"] != 1):
            sys.exit(f"config {config['name']}: a queue of {queue} rows: a power of two, PEs too, no more than AXI bits, indices not shared")
        if axi not in (64, 128, 256, 512) or not 16 * cells <= axi <= min(16 * config["lanes"], 64 * cells):
            sys.exit(f"config {config['name']}: {axi} AXI bits do not fit {cells} cell lanes, {config['lanes']} lanes")


# ---------------------------------------------------------------- C

def card_map_h(card):
    out = ["/* card_map.h - made by rtl/generate.py from rtl/card.toml; do not edit. */",
           "#ifndef SPACC_CARD_MAP_H", "#define SPACC_CARD_MAP_H", ""]
    identity = card["identity"]
    out += [f"#define SPACC_CARD_MAGIC 0x{identity['magic']:08x}u",
            f"#define SPACC_CARD_VERSION 0x{identity['version']:08x}u",
            "#define SPACC_CARD_VERSION_MAJOR(v) ((v) >> 16)", "",
            "/* Register byte offsets; a 64-bit one is two words, low first. */"]
    for name, offset, bits, _, text in registers(card):
        out.append(f"#define SPACC_REG_{name} 0x{offset:03x}u /* {text} */")
    for name, _, _, reset, _ in registers(card):
        if reset:
            out.append(f"#define SPACC_RESET_{name} {reset}u")
    out.append("/* Behind the arguments of the card, those of kernels from C and OpenCL C only. */")
    for name, offset, bits, _, text in kernel_registers(card):
        out.append(f"#define SPACC_KERNEL_REG_{name} 0x{offset:03x}u /* {text} */")
    base = card["counters"]["base"]
    out += [f"#define SPACC_REG_COUNTERS 0x{base:03x}u",
            "#define SPACC_REG_COUNTER(i) (SPACC_REG_COUNTERS + 8u * (i)) /* low word; high at + 4 */",
            f"#define SPACC_CARD_MASK_BEATS {card['masks']['beats']}u /* that a card with a queue holds */",
            "", "/* Counters: index into the counter registers and into a MARK. */",
            f"#define SPACC_CARD_COUNTERS {len(card['counter'])}"]
    for i, counter in enumerate(card["counter"]):
        out.append(f"#define SPACC_COUNTER_{counter['name']} {i}")
    out += ["/* X(name, text) in order. */", "#define SPACC_CARD_COUNTER_MAP(X) \\"]
    out += [" \\\n".join(f"    X({c['name']}, {c_text(c['text'])})" for c in card["counter"])]
    out += ["", "/* Error codes; X(name, code, text). */"]
    for error in card["error"]:
        out.append(f"#define SPACC_ERROR_{error['name']} {error['code']}u")
    out.append("#define SPACC_CARD_ERROR_MAP(X) \\")
    out += [" \\\n".join(f"    X({e['name']}, {e['code']}, {c_text(e['text'])})" for e in card["error"])]
    out += ["", "/* Instructions: 16 words. A field is BITS bits from bit LOW of word WORD. */",
            "#define SPACC_INSTRUCTION_WORDS 16", "#define SPACC_INSTRUCTION_BYTES 64"]
    for op in card["instruction"]:
        out.append(f"#define SPACC_OP_{op['name']} {op['opcode']}u /* {op['text']} */")
    out += ["#define SPACC_CARD_OP_MAP(X) \\"]
    out += [" \\\n".join(f"    X({op['name']}, {op['opcode']})" for op in card["instruction"])]
    for op in card["instruction"]:
        for name, word, low, bits in op["fields"]:
            stem = f"SPACC_F_{op['name']}_{name.upper()}"
            out += [f"#define {stem}_WORD {word}", f"#define {stem}_LOW {low}", f"#define {stem}_BITS {bits}"]
    out += ["/* X(op, field, word, low, bits) of every field. */", "#define SPACC_CARD_FIELD_MAP(X) \\"]
    out += [" \\\n".join(f"    X({op['name']}, {f[0].upper()}, {f[1]}, {f[2]}, {f[3]})"
                         for op in card["instruction"] for f in op["fields"])]
    out += ["", "/* Regions of addresses in instructions. */", "#define SPACC_REGION_WEIGHTS 1u",
            "#define SPACC_REGION_INPUT 2u", "#define SPACC_REGION_OUTPUT 3u", "",
            "/* RUN.cell; RUN.act_g, RUN.act_h. */"]
    out += [f"#define SPACC_CARD_CELL_{k} {v}u" for k, v in card["cells"].items()]
    out += [f"#define SPACC_CARD_ACT_{k} {v}u" for k, v in card["activations"].items()]
    out += ["", "/* Configurations: X(token, name, pes, lanes, cells, weight_bits, index_bits, axi_bits,",
            "   weight_words, x_words, h_words, units, psum_words, instructions, shared_rows, act_bits, queue);",
            "   the top module is",
            "   spacc_card_<token>. */",
            "#define SPACC_CARD_CONFIG_MAP(X) \\"]
    out += [" \\\n".join(
        f"    X({c['name']}, {c_text(c['name'])}, {c['pes']}, {c['lanes']}, {c['cells']}, {c['weight_bits']}, {INDEX_BITS}, "
        f"{c['axi_bits']}, {c['weight_words']}, {c['x_words']}, {c['h_words']}, {c['units']}, {c['psum_words']}, "
        f"{c['instructions']}, {c['shared_rows']}, {c['act_bits']}, {c['queue']})"
        for c in card["config"])]
    out += ["", "/* The same numbers for kernels, whose memories are as large as one configuration says. */"]
    out += [f"#define SPACC_CONFIG_{c['name']}_{key.upper()} {value}"
            for c in card["config"] for key, value in c.items() if key != "name"]
    out.append(f"#define SPACC_CARD_INDEX_BITS {INDEX_BITS}")
    return "\n".join(out + ["", "#endif", ""])


def c_array(name, values):
    lines = [f"SPACC_ACT_TABLE {name}[{len(values)}] = {{"]
    for i in range(0, len(values), 12):
        lines.append("    " + ", ".join(str(v) for v in values[i:i + 12]) + ",")
    return lines + ["};"]


def act_tables_h(tables):
    out = ["/* act_tables.h - made by rtl/generate.py; do not edit.",
           " * y = base[m >> 7] + ((slope[m >> 7] * (m & 127) + 64) >> 7), m = min(|z|, 32767), z Q3.12,",
           " * y Q0.15: tanh and sigmoid of |z|. Include in one file: C, where the arrays are static, or",
           " * OpenCL C. */",
           "#ifndef SPACC_ACT_TABLES_H", "#define SPACC_ACT_TABLES_H", "",
           "#ifdef __OPENCL_C_VERSION__", "#define SPACC_ACT_TABLE __constant ushort", "#else",
           "#include <stdint.h>", "#define SPACC_ACT_TABLE static const uint16_t", "#endif", ""]
    for name, table in tables.items():
        out += c_array(f"spacc_{name}_base", [b for b, _ in table])
        out += c_array(f"spacc_{name}_slope", [s for _, s in table])
    return "\n".join(out + ["", "#endif", ""])


# ---------------------------------------------------------------- SystemVerilog

def package_sv(card, tables):
    out = ["// Made by rtl/generate.py from rtl/card.toml; do not edit.",
           "package spacc_card_pkg;"]

    def word(name, value, bits=32):
        out.append(f"  localparam logic [{bits - 1}:0] {name} = {bits}'d{value};")

    word("IdentityMagic", card["identity"]["magic"])
    word("IdentityVersion", card["identity"]["version"])
    out.append("  // Register byte offsets")
    for name, offset, _, _, _ in registers(card):
        word("Reg" + camel(name), offset, 12)
    word("RegCounters", card["counters"]["base"], 12)
    out.append(f"  localparam int unsigned MaskBeats = {card['masks']['beats']};")
    for name, _, _, reset, _ in registers(card):
        if reset:
            word("Reset" + camel(name), reset)
    out.append("  // Counter numbers")
    out.append(f"  localparam int unsigned Counters = {len(card['counter'])};")
    for i, counter in enumerate(card["counter"]):
        out.append(f"  localparam int unsigned Counter{camel(counter['name'])} = {i};")
    out.append("  // Errors")
    for error in card["error"]:
        word("Error" + camel(error["name"]), error["code"], 4)
    out.append("  // Instructions; a field's low bit is counted in the 512-bit instruction")
    for op in card["instruction"]:
        word("Op" + camel(op["name"]), op["opcode"], 8)
    for op in card["instruction"]:
        for name, w, low, bits in op["fields"]:
            stem = "F" + camel(op["name"]) + camel(name)
            out.append(f"  localparam int unsigned {stem} = {32 * w + low};")
            out.append(f"  localparam int unsigned {stem}Bits = {bits};")
    for name, value in card["cells"].items():
        word("Cell" + camel(name), value, 3)
    for name, value in card["activations"].items():
        word("Act" + camel(name), value, 2)
    for name, table in tables.items():
        bits = slope_bits(table)
        width = 15 + bits
        out += ["", f"  // {{base of 15 bits, slope}} of {name}(|z|), Q0.15, by |z| >> 7",
                f"  localparam int unsigned {camel(name)}SlopeBits = {bits};",
                f"  function automatic logic [{width - 1}:0] {name}_rom(input logic [7:0] segment);",
                "    case (segment)"]
        for i, (base, slope) in enumerate(table):
            tail = "default" if i == SEGMENTS - 1 else f"8'd{i}"
            out.append(f"      {tail}: {name}_rom = {{15'd{base}, {bits}'d{slope}}};")
        out += ["    endcase", "  endfunction"]
    return "\n".join(out + ["endpackage", ""])


TOP_PORTS = [  # name, direction, bits; DATA and STROBES follow the configuration
    ("ap_clk", "input", 1), ("ap_rst_n", "input", 1), ("interrupt", "output", 1),
    ("s_axi_control_awvalid", "input", 1), ("s_axi_control_awready", "output", 1),
    ("s_axi_control_awaddr", "input", 12),
    ("s_axi_control_wvalid", "input", 1), ("s_axi_control_wready", "output", 1),
    ("s_axi_control_wdata", "input", 32), ("s_axi_control_wstrb", "input", 4),
    ("s_axi_control_bvalid", "output", 1), ("s_axi_control_bready", "input", 1),
    ("s_axi_control_bresp", "output", 2),
    ("s_axi_control_arvalid", "input", 1), ("s_axi_control_arready", "output", 1),
    ("s_axi_control_araddr", "input", 12),
    ("s_axi_control_rvalid", "output", 1), ("s_axi_control_rready", "input", 1),
    ("s_axi_control_rdata", "output", 32), ("s_axi_control_rresp", "output", 2),
    ("m_axi_gmem_awvalid", "output", 1), ("m_axi_gmem_awready", "input", 1),
    ("m_axi_gmem_awaddr", "output", 64), ("m_axi_gmem_awid", "output", 1),
    ("m_axi_gmem_awlen", "output", 8), ("m_axi_gmem_awsize", "output", 3),
    ("m_axi_gmem_awburst", "output", 2), ("m_axi_gmem_awlock", "output", 1),
    ("m_axi_gmem_awcache", "output", 4), ("m_axi_gmem_awprot", "output", 3),
    ("m_axi_gmem_awqos", "output", 4), ("m_axi_gmem_awregion", "output", 4),
    ("m_axi_gmem_wvalid", "output", 1), ("m_axi_gmem_wready", "input", 1),
    ("m_axi_gmem_wdata", "output", "DATA"), ("m_axi_gmem_wstrb", "output", "STROBES"),
    ("m_axi_gmem_wlast", "output", 1),
    ("m_axi_gmem_bvalid", "input", 1), ("m_axi_gmem_bready", "output", 1),
    ("m_axi_gmem_bresp", "input", 2), ("m_axi_gmem_bid", "input", 1),
    ("m_axi_gmem_arvalid", "output", 1), ("m_axi_gmem_arready", "input", 1),
    ("m_axi_gmem_araddr", "output", 64), ("m_axi_gmem_arid", "output", 1),
    ("m_axi_gmem_arlen", "output", 8), ("m_axi_gmem_arsize", "output", 3),
    ("m_axi_gmem_arburst", "output", 2), ("m_axi_gmem_arlock", "output", 1),
    ("m_axi_gmem_arcache", "output", 4), ("m_axi_gmem_arprot", "output", 3),
    ("m_axi_gmem_arqos", "output", 4), ("m_axi_gmem_arregion", "output", 4),
    ("m_axi_gmem_rvalid", "input", 1), ("m_axi_gmem_rready", "output", 1),
    ("m_axi_gmem_rdata", "input", "DATA"), ("m_axi_gmem_rlast", "input", 1),
    ("m_axi_gmem_rresp", "input", 2), ("m_axi_gmem_rid", "input", 1),
]


def top_sv(config):
    """The card with one configuration's numbers: what Verilator and yosys build."""
    width = {"DATA": config["axi_bits"], "STROBES": config["axi_bits"] // 8}
    sized = [(name, way, width.get(bits, bits)) for name, way, bits in TOP_PORTS]
    ports = ",\n".join(
        f"  {way:6} logic {'' if bits == 1 else f'[{bits - 1}:0]':7} {name}"
        for name, way, bits in sized)
    wires = ",\n".join(f"    .{name}({name})" for name, _, _ in TOP_PORTS)
    values = ",\n".join(f"    .{name}({value})" for name, value in (
        ("Pes", config["pes"]), ("Lanes", config["lanes"]), ("Cells", config["cells"]),
        ("SharedRows", config["shared_rows"]), ("WeightBits", config["weight_bits"]),
        ("ActBits", config["act_bits"]), ("IndexBits", INDEX_BITS), ("AxiBits", config["axi_bits"]),
        ("WeightWords", config["weight_words"]), ("XWords", config["x_words"]), ("HWords", config["h_words"]),
        ("Units", config["units"]), ("PsumWords", config["psum_words"]),
        ("Instructions", config["instructions"]), ("Queue", config["queue"])))
    return (f"// Made by rtl/generate.py from rtl/card.toml; do not edit.\n"
            f"module spacc_card_{config['name']} (\n{ports}\n);\n"
            f"  spacc_card #(\n{values}\n  ) u_card (\n{wires}\n  );\nendmodule\n")


# ---------------------------------------------------------------- page

def page_md(card, tables):
    out = ["# The card: registers, instructions, errors", "",
           "Made by `rtl/generate.py` from `rtl/card.toml`; edit that file, not this page.", "",
           f"Identity `0x{card['identity']['magic']:08x}`, version `0x{card['identity']['version']:08x}`.",
           "", "## Registers (AXI4-Lite, 32 bit)", "", "| offset | name | bits | |", "| --- | --- | --- | --- |"]
    for name, offset, bits, reset, text in registers(card):
        out.append(f"| 0x{offset:03x} | {name} | {bits} | {text}{f'; reset {reset}' if reset else ''} |")
    out += ["", "Kernels from C and OpenCL C (`hls/`) have in addition:", "", "| offset | name | bits | |",
            "| --- | --- | --- | --- |"]
    for name, offset, bits, _, text in kernel_registers(card):
        out.append(f"| 0x{offset:03x} | {name} | {bits} | {text} |")
    out += ["", "## Counters (64 bits, low word first)", "", "| offset | name | |", "| --- | --- | --- |"]
    for i, counter in enumerate(card["counter"]):
        out.append(f"| 0x{card['counters']['base'] + 8 * i:03x} | {counter['name']} | {counter['text']} |")
    out += ["", "## Errors", "", "| code | name | |", "| --- | --- | --- |"]
    out += [f"| {e['code']} | {e['name']} | {e['text']} |" for e in card["error"]]
    out += ["", "## Instructions", "",
            "16 little-endian words of 32 bits; bits 7:0 of word 0 are the opcode. Regions: 1 weights, "
            "2 input, 3 output.", "", "| opcode | name | fields: word[high:low] | |", "| --- | --- | --- | --- |"]
    for op in card["instruction"]:
        fields = ", ".join(f"{n} {w}[{low + bits - 1}:{low}]" for n, w, low, bits in op["fields"])
        out.append(f"| {op['opcode']} | {op['name']} | {fields or '-'} | {op['text']} |")
    out += ["", "RUN.cell: " + ", ".join(f"{v} {k}" for k, v in card["cells"].items()) + ". "
            "RUN.act_g, RUN.act_h: " + ", ".join(f"{v} {k}" for k, v in card["activations"].items()) + ".",
            "", "## Configurations", "",
            "| name | PEs | lanes | cell lanes | weight bits | index bits | AXI bits | weight words a PE | "
            "x words a bank | h words a bank | units | partial sums a PE | instructions | rows that share indices | "
            "bits of x and h | rows a PE queues |",
            "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"]
    for c in card["config"]:
        out.append(f"| {c['name']} | {c['pes']} | {c['lanes']} | {c['cells']} | {c['weight_bits']} | {INDEX_BITS} | "
                   f"{c['axi_bits']} | {c['weight_words']} | {c['x_words']} | {c['h_words']} | {c['units']} | "
                   f"{c['psum_words']} | {c['instructions']} | {c['shared_rows']} | {c['act_bits']} | {c['queue']} |")
    out += ["", "## Activation tables", "", "| function | segments | slope bits | largest error over all codes, units of 2^-15 |",
            "| --- | --- | --- | --- |"]
    exact = {"tanh": math.tanh, "sigmoid": lambda v: 1.0 / (1.0 + math.exp(-v))}
    for name, table in tables.items():
        worst = max(abs(b + r - exact[name]((s * FRACTIONS + f) / Z_ONE) * Y_ONE)
                    for s, (b, slope) in enumerate(table) for f, r in enumerate(ramp(slope)))
        out.append(f"| {name} | {SEGMENTS} | {slope_bits(table)} | {worst:.2f} |")
    return "\n".join(out + [""])


def write(path, text):
    """Leave an unchanged file alone, so that nothing is built again for it."""
    if os.path.exists(path) and open(path, encoding="utf-8").read() == text:
        return
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(path + ".new", path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--toml", required=True)
    parser.add_argument("--out")
    parser.add_argument("--page")
    parser.add_argument("--check-page")
    args = parser.parse_args()
    with open(args.toml, "rb") as file:
        card = tomllib.load(file)
    check(card)
    tables = activation_tables()
    if args.out:
        os.makedirs(args.out, exist_ok=True)
        write(os.path.join(args.out, "card_map.h"), card_map_h(card))
        write(os.path.join(args.out, "act_tables.h"), act_tables_h(tables))
        write(os.path.join(args.out, "spacc_card_pkg.sv"), package_sv(card, tables))
        for config in card["config"]:
            write(os.path.join(args.out, f"spacc_card_{config['name']}.sv"), top_sv(config))
    if args.page:
        write(args.page, page_md(card, tables))
    if args.check_page:
        with open(args.check_page, encoding="utf-8") as file:
            if file.read() != page_md(card, tables):
                sys.exit(f"{args.check_page} is stale: run rtl/generate.py --toml {args.toml} "
                         f"--page {args.check_page}")


if __name__ == "__main__":
    main()
