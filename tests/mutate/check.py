#!/usr/bin/env python3
"""Does mutate.py tell what the benches notice from what they do not?

    check.py [BUILD]

Every file of the RTL offers faults; faults of small modules are killed by their benches, which
pass without them; one that cannot be noticed survives, a comment changes nothing, and nonsense is
refused; survivors.toml fits the RTL. About half a minute: ctest runs it as `mutants`."""

import pathlib
import re
import sys

import mutate
import rig
import sv

LEAST_FAULTS = 3000
# file, the line before, the line after, outcome
WANTED = [
    ("spacc_fifo.sv", "assign in_ready_o = level_q != LevelWidth'(Depth);",
     "assign in_ready_o = level_q == LevelWidth'(Depth);", "killed"),
    ("spacc_uart.sv", "end else if (!receiving_q) begin", "end else if (1'b1) begin", "killed"),
    ("spacc_requant.sv", "total_q  <= TotalBits'(sum_q) + TotalBits'(bias);",
     "total_q  <= TotalBits'(sum_q) - TotalBits'(bias);", "killed"),
    ("spacc_sigmoid.sv", "rise_q      <= end1_q ? 15'd0 : 15'(product >> 7);",
     "rise_q      <= end1_q ? 15'(product >> 7) : 15'd0;", "killed"),
    ("spacc_delay.sv", "always_ff @(posedge clk_i) if (enable_i[s]) data_q <= in_data_i;",
     "always_ff @(posedge clk_i) if (1'b1) data_q <= in_data_i;", "survived"),
]
# A change by hand: file, pattern, what comes instead, outcome
BY_HAND = [
    ("spacc_uart.sv", r"//[^\n]*", "// other words", "same"),
    ("spacc_requant.sv", r"total_q *<= ", "no_such_thing <= ", "invalid"),
]


def offered(file, text, before, after):
    for fault in sv.faults(file, text):
        if (fault.before, fault.after) == (before, after):
            return fault
    raise SystemExit(f"{file} offers no such fault any more, choose another: {before}")


def by_hand(file, text, pattern, new):
    match = re.search(pattern, text)
    line = text.count("\n", 0, match.start()) + 1
    return sv.Fault(file, "by hand", match.start(), match.end(), new, line, match.group(), new, "")


def main():
    build = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else rig.SOURCE / "build/mutate_check")
    texts, bad = rig.rtl_texts(), 0
    counts = {name: len(sv.faults(name, text)) for name, text in texts.items()}
    print(f"{sum(counts.values())} faults in {len(counts)} files")
    if sum(counts.values()) < LEAST_FAULTS or not all(counts.values()):
        print(f"FAIL: wanted {LEAST_FAULTS}, and some in each: {counts}")
        bad += 1
    runner = mutate.Runner(build, [], [], print)
    faults = [(offered(f, texts[f], b, a), o) for f, b, a, o in WANTED]
    faults += [(by_hand(f, texts[f], p, n), o) for f, p, n, o in BY_HAND]
    for fault, wanted in faults:
        outcome, by = runner.judge(build / "job0", fault)
        good = outcome == wanted
        bad += not good
        print(f"{'ok' if good else 'FAIL'}: {fault.file}:{fault.line} {fault.after[:60]}: "
              f"{outcome}{'' if good else f', not {wanted}'} ({by[:60]})")
    for place in mutate.stale(texts, mutate.explanations()):
        bad += 1
        print(f"FAIL: survivors.toml explains what is no longer there: {place}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
