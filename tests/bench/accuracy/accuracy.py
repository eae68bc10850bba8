#!/usr/bin/env python3
"""accuracy.py - what pruning costs: measures with spacc, keeps the results, draws and writes.

  accuracy.py --program build/dev/host/cli/spacc [untrained|trained|seernet|page]... [--only TASK]
"""
import argparse
import os
import pathlib
import sys

import page
import seernet
import targets
import trained
import untrained
from program import Program

HERE = pathlib.Path(__file__).resolve()
SOURCE = HERE.parents[3]


def arguments():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("part", nargs="*", help="untrained, trained, seernet, page; default: all")
    p.add_argument("--program", type=pathlib.Path, required=True)
    p.add_argument("--only", metavar="TASK", action="append", help="leave the others")
    p.add_argument("--again", action="store_true", help="also what is measured already")
    p.add_argument("--models", type=pathlib.Path, default=SOURCE / "build/recipes",
                   help="what the recipes have trained (default build/recipes)")
    a = p.parse_args()
    unknown = set(a.part) - {"untrained", "trained", "seernet", "page"}
    if unknown:
        p.error(f"no part {', '.join(sorted(unknown))}: untrained, trained, seernet or page")
    a.source, a.shared = SOURCE, SOURCE.parent / "shared"
    a.folder = SOURCE / "build/accuracy"
    a.results = SOURCE / "models/accuracy"
    return a


def main():
    a = arguments()
    program = Program(a.program.resolve())
    os.chdir(SOURCE)
    if not a.part or "untrained" in a.part:
        untrained.measure(a, program)
    if not a.part or "trained" in a.part:
        trained.measure(a, program)
    if not a.part or "seernet" in a.part:
        seernet.measure(a, program)
    page.write(a)
    targets.show(a)
    return 0


if __name__ == "__main__":
    sys.exit(main())
