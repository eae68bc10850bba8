#!/usr/bin/env python3
"""Everything that a vendor's tools need to build a board's card, in a folder of its own.

    boards/package.py BOARD [--hls [CONFIG]] [--out DIR]
    boards/package.py --list

All boards: rtl/*.sv (with the generated package), spacc_kernel.v (the card with the board's
parameters), card.tcl (facts: registers, files, part, clock) and package_ip.tcl.
Vitis: kernel.xml, link.cfg, package_xo.tcl. Zynq: block_design.tcl, spacc.dtso, spacc_pynq.py.
--hls (Vitis only): hls/spacc_card.c with a configuration of rtl/card.toml (16x16) in place of the
board's RTL: the source and what it includes, hls_config.cfg, build_hls.sh, package_hls_xo.tcl.

Names, offsets and sizes are those of rtl/card.toml and boards/boards.toml; the Tcl that is
copied from boards/deploy has none of its own."""

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
MADE = "Made by boards/package.py from rtl/card.toml and boards/boards.toml; do not edit."
KERNEL = "spacc_card"      # as host/card/xrt.h has it
INSTANCE = KERNEL + "_1"
TOP = "spacc_kernel"
CONTROL, MASTER = "s_axi_control", "m_axi_gmem"
CONTROL_BYTES = 4096       # 12 address bits
FIRST_ARGUMENT = 0x10
COPIED = {"vitis": ("package_ip.tcl", "package_xo.tcl"),
          "zynq": ("package_ip.tcl", "block_design.tcl", "spacc_pynq.py"),
          "hls": ("build_hls.sh", "package_hls_xo.tcl")}
HLS_SOURCES = ("spacc_card.c", "spacc_program.h", "spacc_numbers.h", "spacc_kernel.h")
HLS_HEADERS = ("card_map.h", "act_tables.h")  # of rtl/generate.py


def module(path):
    """A script of this project as a module."""
    spec = importlib.util.spec_from_file_location(os.path.basename(path)[:-3], path)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


synth = module(os.path.join(HERE, "synth.py"))
rtl = module(os.path.join(ROOT, "rtl", "generate.py"))


# ---------------------------------------------------------------- facts

def registers(card):
    """[(name, offset, bits, text)], counters included, by offset."""
    base = card["counters"]["base"]
    table = [(name, offset, bits, text) for name, offset, bits, _, text in rtl.registers(card)]
    table += [("COUNTER_" + c["name"], base + 8 * i, 64, c["text"]) for i, c in enumerate(card["counter"])]
    return sorted(table, key=lambda r: r[1])


def arguments(card):
    """Registers that a host writes before a run, in the order of their offsets: of the RTL the last
    is WATCHDOG_CYCLES."""
    table = [r for r in registers(card) if r[1] >= FIRST_ARGUMENT]
    return table[:1 + [r[0] for r in table].index("WATCHDOG_CYCLES")]


def kernel_arguments(card):
    """Those of kernels from C, which have one more."""
    end = next(r["offset"] for r in card["register"] if r["name"] == "IDENTITY")
    return arguments(card) + [(r["name"], r["offset"], r.get("bits", 32), r["text"])
                              for r in card["kernel_register"] if r["offset"] < end]


def version(card):
    number = card["identity"]["version"]
    return f"{number >> 16}.{number & 0xffff}"


def card_parameters(config):
    """[(parameter of spacc_card, value)]; what the module has by default is left out."""
    known = {name: value for name, value in config.items() if name in synth.PARAMETERS}
    unknown = [name for name in config if name not in synth.PARAMETERS]
    if unknown:
        sys.exit(f"package: no parameter of {KERNEL} for {', '.join(unknown)}")
    return [(synth.PARAMETERS[name], value) for name, value in known.items()
            if (name, value) != ("small_cell", 0)]


# ---------------------------------------------------------------- files

def kernel_v(config):
    """A top in plain Verilog, which block designs want, with the board's parameters."""
    width = {"DATA": config["axi_bits"], "STROBES": config["axi_bits"] // 8}
    ports = ",\n".join(f"  {way:6} wire {'' if width.get(bits, bits) == 1 else f'[{width.get(bits, bits) - 1}:0]':7} {name}"
                       for name, way, bits in rtl.TOP_PORTS)
    values = ",\n".join(f"    .{name}({value})" for name, value in card_parameters(config))
    wires = ",\n".join(f"    .{name}({name})" for name, _, _ in rtl.TOP_PORTS)
    return f"// {MADE}\nmodule {TOP} (\n{ports}\n);\n  {KERNEL} #(\n{values}\n  ) u_card (\n{wires}\n  );\nendmodule\n"


def kernel_xml(card, config, table):
    """`table`: the arguments."""
    def argument(number, name, offset, bits):
        size = bits // 8
        pointer = bits == 64
        return (f'      <arg name="{name.lower()}" addressQualifier="{int(pointer)}" id="{number}" '
                f'port="{MASTER if pointer else CONTROL}" size="0x{size:x}" offset="0x{offset:03x}" '
                f'type="{"void*" if pointer else "uint"}" hostOffset="0x0" hostSize="0x{size:x}"/>')

    args = "\n".join(argument(i, *r[:3]) for i, r in enumerate(table))
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<!-- {MADE} -->
<root versionMajor="1" versionMinor="6">
  <kernel name="{KERNEL}" language="ip_c" vlnv="spacc:kernel:{KERNEL}:{version(card)}" attributes="" preferredWorkGroupSizeMultiple="0" workGroupSize="1" interrupt="true" hwControlProtocol="ap_ctrl_hs">
    <ports>
      <port name="{CONTROL}" mode="slave" range="0x{CONTROL_BYTES:x}" dataWidth="32" portType="addressable" base="0x0"/>
      <port name="{MASTER}" mode="master" range="0xFFFFFFFFFFFFFFFF" dataWidth="{config['axi_bits']}" portType="addressable" base="0x0"/>
    </ports>
    <args>
{args}
    </args>
  </kernel>
</root>
"""


def link_cfg(package, clock_hz):
    """For v++ --link --config. All pointers leave by one port, so that one bank has all buffers."""
    platform = [f"platform={package['platform']}"] if "platform" in package else []
    return "\n".join([f"# {MADE}"] + platform + [
        "", "[connectivity]", f"nk={KERNEL}:1:{INSTANCE}", f"sp={INSTANCE}.{MASTER}:{package['memory']}",
        "", "[clock]", f"freqhz={clock_hz}:{INSTANCE}.ap_clk", ""])


def hls_config(package, config, clock_hz):
    """For v++ -c --mode hls. The IP flow keeps the offsets that the pragmas name, which are the card's."""
    width = config["axi_bits"]  # of the one port, as kernel.xml has it
    return "\n".join([
        f"# {MADE}", f"part={package['part']}", "", "[hls]", "flow_target=vivado", f"clock={1e9 / clock_hz:g}ns",
        f"syn.top={KERNEL}", f"syn.file=hls/{HLS_SOURCES[0]}", f"syn.interface.m_axi_min_bitwidth={width}",
        f"syn.interface.m_axi_max_widen_bitwidth={width}",
        "# A FIFO that is not one, a region that is not canonical: errors.", "syn.dataflow.strict_mode=error",
        "package.output.format=ip_catalog", "package.output.syn=true", ""])


def tcl_list(words):
    """One level of a Tcl list; braces keep everything as it is but braces."""
    for word in words:
        if "{" in word or "}" in word or word.endswith("\\"):
            sys.exit(f"package: '{word}' cannot stand in a Tcl list")
    return " ".join("{" + word + "}" if not word or set(word) & set(" ;[]$\"#") else word for word in words)


def card_tcl(card, package, config, clock_hz, sources):
    facts = [("kernel", KERNEL), ("top", TOP), ("version", version(card)), ("part", package["part"]),
             ("clock_hz", str(clock_hz)), ("control", CONTROL), ("control_bytes", str(CONTROL_BYTES)),
             ("master", MASTER), ("master_bits", str(config["axi_bits"]))]
    if package["flow"] == "zynq":
        facts.append(("base", f"0x{package['registers']:08x}"))
    pointers = [name for name, _, bits, _ in arguments(card) if bits == 64]
    lines = [f"# {MADE}"] + [f"set card({name}) {tcl_list([value])}" for name, value in facts]
    lines += ["# The package first.", "set card(sources) {"] + [f"    {name}" for name in sources] + ["}"]
    lines += ["# Name, byte offset, bits, the master that the card reads it through, what it is.",
              "set card(registers) {"]
    for name, offset, bits, text in registers(card):
        master = MASTER if name in pointers else ""
        lines.append("    {" + tcl_list([name, f"0x{offset:03x}", str(bits), master, text]) + "}")
    return "\n".join(lines + ["}", ""])


def tree_dtso(package, clock_hz):
    """An overlay for the kernel of a Zynq-7000: the card as a UIO device, a buffer of u-dma-buf."""
    base = package["registers"]
    return f"""/* {MADE}
 * The kernel wants uio_pdrv_genirq.of_id=generic-uio, and the module u-dma-buf. */
/dts-v1/;
/plugin/;

&{{/}} {{
\tspacc: spacc@{base:x} {{
\t\tcompatible = "generic-uio";
\t\treg = <0x{base:x} 0x{CONTROL_BYTES:x}>;
\t\tinterrupt-parent = <&intc>;
\t\tinterrupts = <0 {package['interrupt']} 4>; /* shared, level high */
\t\tclock-frequency = <{clock_hz}>;
\t}};

\tspacc_buffer: udmabuf0 {{
\t\tcompatible = "ikwzm,u-dma-buf";
\t\tdevice-name = "udmabuf0";
\t\tsize = <0x{package['buffer_bytes']:x}>;
\t\tsync-mode = <1>; /* without caches where it is opened with O_SYNC */
\t}};
}};
"""


def copy_sources(out):
    """rtl/ of the folder: the modules of the card, and their names from there, the package first."""
    with tempfile.TemporaryDirectory() as work:
        files = synth.sources(work)
        wanted = synth.reached(files, KERNEL)
        chosen = [path for path in files if os.path.basename(path)[:-3] in wanted]
        os.makedirs(os.path.join(out, "rtl"), exist_ok=True)
        for path in chosen:
            shutil.copy(path, os.path.join(out, "rtl"))
    return [f"rtl/{os.path.basename(path)}" for path in chosen]


def copy_hls_sources(out):
    """hls/ and rtl/ of the folder: the kernel and the headers that it includes by these names."""
    for folder in ("hls", "rtl"):
        os.makedirs(os.path.join(out, folder), exist_ok=True)
    for name in HLS_SOURCES:
        shutil.copy(os.path.join(ROOT, "hls", name), os.path.join(out, "hls"))
    with tempfile.TemporaryDirectory() as work:
        subprocess.run([sys.executable, os.path.join(ROOT, "rtl", "generate.py"), "--toml",
                        os.path.join(ROOT, "rtl", "card.toml"), "--out", work], check=True)
        for name in HLS_HEADERS:
            shutil.copy(os.path.join(work, name), os.path.join(out, "rtl"))


def write(out, files, flow):
    """Files by name, and those that are copied for this flow."""
    for name, text in files.items():
        with open(os.path.join(out, name), "w", encoding="utf-8") as file:
            file.write(text)
    for name in COPIED[flow]:
        shutil.copy(os.path.join(HERE, "deploy", name), out)


def make_hls(card, package, board, config, out):
    clock_hz = round(board["clock_mhz"] * 1e6)
    facts = [("kernel", KERNEL), ("version", version(card)), ("part", package["part"]), ("config", config["name"])]
    copy_hls_sources(out)
    write(out, {"kernel.xml": kernel_xml(card, config, kernel_arguments(card)),
                "hls_config.cfg": hls_config(package, config, clock_hz), "link.cfg": link_cfg(package, clock_hz),
                "card.tcl": "\n".join([f"# {MADE}"] + [f"set card({n}) {tcl_list([v])}" for n, v in facts] + [""])},
          "hls")


def make(card, package, board, out):
    clock_hz, config = round(board["clock_mhz"] * 1e6), board["config"]
    sources = copy_sources(out) + [TOP + ".v"]
    files = {TOP + ".v": kernel_v(config), "card.tcl": card_tcl(card, package, config, clock_hz, sources)}
    if package["flow"] == "vitis":
        files.update({"kernel.xml": kernel_xml(card, config, arguments(card)),
                      "link.cfg": link_cfg(package, clock_hz)})
    else:
        files["spacc.dtso"] = tree_dtso(package, clock_hz)
    write(out, files, package["flow"])


def hls_configuration(card, package, name):
    """A [[config]] of rtl/card.toml, or why not."""
    if package["flow"] != "vitis":
        sys.exit(f"package: {package['name']}: --hls is for boards behind XRT: registers of a kernel from C are empty "
                 "before its first run, and only an .xclbin tells that it is one")
    configs = {config["name"]: config for config in card["config"]}
    if name not in configs:
        sys.exit(f"package: rtl/card.toml has no configuration '{name}'; it has {', '.join(configs)}")
    return configs[name]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("board", nargs="?")
    parser.add_argument("--hls", metavar="CONFIG", nargs="?", const="16x16")
    parser.add_argument("--out")
    parser.add_argument("--list", action="store_true")
    args = parser.parse_args()
    table, boards = synth.load_boards()
    packages = {package["name"]: package for package in table["package"]}
    if args.list:
        print("\n".join(packages))
        return
    if args.board not in packages:
        sys.exit(f"package: {args.board}: no such board; there are {', '.join(packages)}")
    with open(os.path.join(ROOT, "rtl", "card.toml"), "rb") as file:
        card = tomllib.load(file)
    package = packages[args.board]
    folder = args.board + ("-hls" if args.hls else "")
    out = os.path.abspath(args.out or os.path.join(ROOT, "build", "deploy", folder))
    if args.hls:
        make_hls(card, package, boards[package["card"]], hls_configuration(card, package, args.hls), out)
    else:
        make(card, package, boards[package["card"]], out)
    print(out)


if __name__ == "__main__":
    main()
