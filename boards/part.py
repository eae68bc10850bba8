#!/usr/bin/env python3
"""Place and route one module of the card on the iCEBreaker's UP5K, to learn its clock there.

    boards/part.py MODULE [--set NAME=VALUE ...] [--seeds N] [--work DIR]

The whole card does not fit that part; its blocks do. The module stands between two shift
registers, so that three pins are enough; the clock that is told is of the module with them."""

import argparse
import json
import os
import sys

import synth

PART = {"name": "part", "family": "ice40", "constraints": "part.pcf", "target_mhz": 48, "top": "spacc_board"}


def ports(files, module, values, work):
    """[(name, direction, bits)] of the module with these parameters."""
    path = os.path.join(work, "ports.json")
    chparam = " ".join(f"-chparam {name} {value}" for name, value in values)
    script = (f"read_verilog -sv -DSYNTHESIS {' '.join(files)}; hierarchy -check -top {module} {chparam}; "
              f"proc; write_json {path}")
    synth.command(["yosys", "-q", "-p", script], os.path.join(work, "ports.log"))
    with open(path, encoding="utf-8") as file:
        modules = json.load(file)["modules"]
    top = next(m for m in modules.values() if int(m["attributes"].get("top", "0"), 2))
    return [(name, port["direction"], len(port["bits"])) for name, port in top["ports"].items()]


def wrapper(module, values, pins):
    """spacc_board: a shift register into all inputs, and one that all outputs are taken into."""
    inputs = [(name, bits) for name, way, bits in pins if way == "input" and name != "clk_i"]
    outputs = [(name, bits) for name, way, bits in pins if way == "output"]
    wires, at = ["    .clk_i(clk)"], {"in_q": 0, "out": 0}
    for bus, list_ in (("in_q", inputs), ("out", outputs)):
        for name, bits in list_:
            wires.append(f"    .{name}({bus}[{at[bus] + bits - 1}:{at[bus]}])")
            at[bus] += bits
    given = ", ".join(f".{name}({value})" for name, value in values)
    joined = ",\n".join(wires)
    return f"""module spacc_board (input clk, input uart_rx, output uart_tx);
  reg [{at['in_q'] - 1}:0] in_q;
  reg [{at['out'] - 1}:0] out_q;
  wire [{at['out'] - 1}:0] out;
  reg [8:0] count_q;
  assign uart_tx = out_q[0];
  always @(posedge clk) begin
    in_q    <= {{in_q[{at['in_q'] - 2}:0], uart_rx}};
    count_q <= count_q + 1'b1;
    out_q   <= count_q == 0 ? out : {{out_q[0], out_q[{at['out'] - 1}:1]}};
  end
  {module} #({given}) u_part (
{joined}
  );
endmodule
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("module")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--work")
    args = parser.parse_args()
    work = os.path.abspath(args.work or os.path.join(synth.ROOT, "build", "synth", args.module))
    os.makedirs(work, exist_ok=True)
    values = [tuple(change.split("=", 1)) for change in args.set]
    try:
        files = synth.sources(work)
        top = os.path.join(work, "part.v")
        with open(top, "w", encoding="utf-8") as file:
            file.write(wrapper(args.module, values, ports(files, args.module, values, work)))
        files = [name for name in files if os.path.basename(name) != "spacc_board.sv"]
        _, modules = synth.synthesise(files + [top], "spacc_board", [], "ice40", work, "-no-rw-check")
        found = synth.route(PART, work, None, args.seeds)
    except synth.Failed as error:
        sys.exit(f"part: {args.module}: {error}")
    use = synth.counts(modules, "spacc_board", "ice40")
    print(json.dumps({"module": args.module, "parameters": dict(values),
                      "alone": use[args.module], **found}, indent=1))


if __name__ == "__main__":
    main()
