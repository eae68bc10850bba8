#!/usr/bin/env python3
"""make_xclbin.py - an .xclbin around our kernel without a bitstream, for XRT without a board.

    make_xclbin.py OUT [--kernel NAME] [--mhz N] [--state] [--banks] [--cut BYTES]

Sections as XRT's xclbin.h has them (little endian): BITSTREAM, MEM_TOPOLOGY, IP_LAYOUT, CONNECTIVITY,
CLOCK_FREQ_TOPOLOGY, EMBEDDED_METADATA. Arguments and offsets come from rtl/card.toml.
--state adds the argument that kernels from C have behind those of the card; --banks puts one
argument into another bank; --cut leaves out the end of the file.
"""
import argparse
import hashlib
import pathlib
import struct
import tomllib

SOURCE = pathlib.Path(__file__).resolve().parents[1]
BASE = 0x1800000
BITSTREAM, METADATA, MEMORY, CONNECTIVITY, IPS, CLOCKS = 0, 2, 6, 7, 8, 11
KERNEL, DDR4, DATA_CLOCK = 1, 1, 1  # IP_KERNEL, MEM_DDR4, CT_DATA
XML = """<?xml version="1.0" encoding="UTF-8"?>
<project name="{kernel}">
<platform vendor="spacc" boardid="none" name="none"><version major="1" minor="0"/>
<device name="fpga0"><core name="OCL_REGION_0" target="bitstream" type="clc_region">
<kernel name="{kernel}" language="ip_c" type="pl" hwControlProtocol="ap_ctrl_hs" interrupt="true">
<port name="S_AXI_CONTROL" mode="slave" range="0x1000" dataWidth="32" portType="addressable" base="0x0"/>
<port name="M_AXI_GMEM" mode="master" range="0xFFFFFFFFFFFFFFFF" dataWidth="64" portType="addressable" base="0x0"/>
{args}
<instance name="{kernel}_1"><addrRemap base="0x{base:x}" range="0x10000" port="S_AXI_CONTROL"/></instance>
</kernel></core></device></platform></project>
"""


def arguments(state):
    """Registers from 0x10 up to the identity: [(name, offset, bytes)]; with those of kernels from C."""
    with open(SOURCE / "rtl/card.toml", "rb") as f:
        card = tomllib.load(f)
    registers = card["register"] + (card["kernel_register"] if state else [])
    return [(r["name"].lower(), r["offset"], r.get("bits", 32) // 8) for r in registers
            if 0x10 <= r["offset"] < 0x100]


def argument(number, name, offset, size):
    pointer = size == 8
    port, kind = ("M_AXI_GMEM", "void*") if pointer else ("S_AXI_CONTROL", "uint")
    return (f'<arg name="{name}" addressQualifier="{int(pointer)}" id="{number}" port="{port}" '
            f'size="0x{size:x}" offset="0x{offset:x}" hostOffset="0x0" hostSize="0x{size:x}" '
            f'type="{kind}"/>')


def metadata(a):
    args = "\n".join(argument(i, *r) for i, r in enumerate(arguments(a.state)))
    return XML.format(kernel=a.kernel, args=args, base=BASE).encode()


def sections(a):
    """[(kind, name, bytes)]"""
    pointers = [i for i, (_, _, size) in enumerate(arguments(a.state)) if size == 8]
    banks = struct.pack("<i4x", 2)
    for number in range(2):
        banks += struct.pack("<BB6xQQ16s", DDR4, 1, 1 << 20, number << 32, b"DDR[%d]" % number)
    ips = struct.pack("<i4xIIQ64s", 1, KERNEL, 1, BASE, f"{a.kernel}:{a.kernel}_1".encode())
    links = struct.pack("<i", len(pointers))
    for i in pointers:
        links += struct.pack("<iii", i, 0, int(a.banks and i == 2))
    clocks = struct.pack("<hHB5x128s", 1, a.mhz, DATA_CLOCK, b"DATA_CLK")
    return [(BITSTREAM, b"bits", bytes(64)), (MEMORY, b"memory", banks), (IPS, b"ips", ips),
            (CONNECTIVITY, b"links", links), (CLOCKS, b"clocks", clocks),
            (METADATA, b"metadata", metadata(a))]


def container(parts):
    """struct axlf: magic, no signature, header, section headers, sections 8-byte aligned."""
    at = 456 + 40 * len(parts)
    table, body = b"", b""
    for kind, name, content in parts:
        start = at + len(body)
        table += struct.pack("<I16s4xQQ", kind, name, start, len(content))
        body += content + bytes(-len(content) % 8)
    uuid = hashlib.md5(body).digest()  # another for other contents, the same for the same
    head = b"xclbin2\0" + struct.pack("<i", -1) + b"\xff" * 28 + bytes(256) + bytes(8)
    head += struct.pack("<QQQHBBHH16s64s16s16sI4x", at + len(body), 1, 1, 0, 2, 1, 0, 0, bytes(16),
                        b"spacc:none:0", uuid, b"", len(parts))
    return head + table + body


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("out", type=pathlib.Path)
    p.add_argument("--kernel", default="spacc_card")
    p.add_argument("--mhz", type=int, default=200)
    p.add_argument("--state", action="store_true")
    p.add_argument("--banks", action="store_true")
    p.add_argument("--cut", type=int, default=0)
    a = p.parse_args()
    whole = container(sections(a))
    a.out.write_bytes(whole[:len(whole) - a.cut])


if __name__ == "__main__":
    main()
