#!/usr/bin/env python3
"""Load the overlay on a PYNQ image, then run spacc on it (as root):

    python3 spacc_pynq.py spacc run MODEL --input FILE      spacc.bit and spacc.hwh beside this file

The card's memory is a buffer of PYNQ's, uncached and contiguous; spacc maps it through /dev/mem.
It is gone when this ends, so all of a session has to run below it."""

import os
import subprocess
import sys

from pynq import Overlay, allocate

BUFFER_BYTES = 16 << 20


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    here = os.path.dirname(os.path.abspath(__file__))
    overlay = Overlay(os.path.join(here, "spacc.bit"))
    base = overlay.ip_dict["spacc_card_0"]["phys_addr"]
    buffer = allocate(shape=(BUFFER_BYTES,), dtype="u1", cacheable=False)
    card = f"mmio:0x{base:x},0x{buffer.device_address:x}+{BUFFER_BYTES}"
    status = subprocess.run(sys.argv[1:] + ["--fpga", card], check=False).returncode
    buffer.freebuffer()
    sys.exit(status)


if __name__ == "__main__":
    main()
