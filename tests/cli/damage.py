#!/usr/bin/env python3
"""Feed the program damaged copies of the files in this folder.

Whatever is in a file, the program ends by itself with exit status 0 or 1. At 1 there is
exactly one line on stderr, it begins with "spacc: ", and the output file that was there
before is unharmed. A truncated file is never read as a whole one. At least some of the
damage must be noticed, or this test checks nothing.
"""
import os
import random
import struct
import subprocess
import sys

SEED, CUTS, FLIPS = 20, 24, 48
OLD = b"precious"


def cases(whole, rng):
    """(description, bytes, must be refused)"""
    yield "empty", b"", True
    for i in range(CUTS):
        n = rng.randrange(1, len(whole)) if i else len(whole) - 1
        yield "cut to %d bytes" % n, whole[:n], True
    for _ in range(FLIPS):
        at, bit = rng.randrange(min(len(whole), 600)), rng.randrange(8)
        flipped = bytearray(whole)
        flipped[at] ^= 1 << bit
        yield "byte %d bit %d flipped" % (at, bit), bytes(flipped), False
    yield "zeros", bytes(len(whole)), True
    yield "noise", bytes(rng.randrange(256) for _ in range(4096)), True


def npy_header(text):
    text = text.ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


def hostile_npy():
    shape = "{'descr': '<f4', 'fortran_order': False, 'shape': %s, }"
    for s in ("(4611686018427387904, 4)", "(-1, 8)", "(65536, 65536, 65536, 65536)", "(6, 1, 8",
              "(99999999999999999999,)", "(1,)" * 3, "(1, 1, 1, 1, 1, 1, 1, 1, 1, 1)"):
        yield "shape " + s, npy_header(shape % s) + bytes(64), True
    yield ("object array", npy_header("{'descr': '|O', 'fortran_order': False, 'shape': (6, 1, 8), }")
           + bytes(192), True)
    yield ("column order", npy_header("{'descr': '<f4', 'fortran_order': True, 'shape': (6, 1, 8), }")
           + bytes(192), True)
    yield "header of 64 KiB that is not there", b"\x93NUMPY\x01\x00\xff\xff{", True


def hostile_onnx():
    # A tensor of 2^62 elements, a length beyond the file, a graph a hundred levels deep.
    dims = b"\x08\x80\x80\x80\x80\x80\x80\x80\x80\x40"
    tensor = dims + b"\x10\x01\x42\x01W"
    graph = b"\x2a" + bytes([len(tensor)]) + tensor
    yield "huge tensor", b"\x08\x08\x3a" + bytes([len(graph)]) + graph, True
    yield "length beyond the file", b"\x08\x08\x3a\xff\xff\xff\xff\x7f", True
    yield "endless varint", b"\x08" + b"\xff" * 4096, True
    deep = b""
    for _ in range(2000):
        inner = b"\x32" + length(len(deep)) + deep     # AttributeProto.g
        node = b"\x2a" + length(len(inner)) + inner    # NodeProto.attribute
        deep = b"\x0a" + length(len(node)) + node      # GraphProto.node
    yield "deep graphs", b"\x08\x08\x3a" + length(len(deep)) + deep, True


def hostile_pack():
    for n in (0, 1, 1 << 31, (1 << 63) - 1, (1 << 64) - 1):
        yield "header of %d bytes" % n, struct.pack("<Q", n) + b'{"a":{"dtype":"I8"}}', True
    deep = b"[" * 200000
    yield "deep JSON", struct.pack("<Q", len(deep)) + deep, True
    far = b'{"0.w_x.value":{"dtype":"I16","shape":[4],"data_offsets":[0,18446744073709551615]}}'
    yield "tensor beyond the file", struct.pack("<Q", len(far)) + far, True


def length(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def commands(spacc, kind):
    """Commands to run, and whether they write out.*"""
    if kind == "onnx":
        return [[spacc, "inspect", "bad.onnx"],
                [spacc, "prune", "bad.onnx", "-o", "out.onnx", "--sparsity", "0.5", "--bank-size", "8"],
                [spacc, "run", "bad.onnx", "-q", "--output", "out.npy"]]
    if kind == "safetensors":
        return [[spacc, "inspect", "bad.safetensors"],
                [spacc, "run", "bad.safetensors", "-q", "--input", "x.npy", "--output", "out.npy"]]
    return [[spacc, "run", "model.onnx", "-q", "--input", "bad." + kind, "--output", "out.npy"]]


def check(command, what, must_fail):
    """None, or what is wrong; and whether the damage was noticed."""
    for name in ("out.onnx", "out.npy"):
        with open(name, "wb") as f:
            f.write(OLD)
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=120)
    except subprocess.TimeoutExpired:
        return "does not end", False
    lines = done.stderr.decode(errors="replace").splitlines()
    if done.returncode not in (0, 1):
        return "exit status %d: %s" % (done.returncode, lines[-1:]), True
    if done.returncode == 0:
        return "was accepted" if must_fail else None, False
    if len(lines) != 1 or not lines[0].startswith("spacc: "):
        return "stderr is not one line of ours: %s" % lines, True
    for name in ("out.onnx", "out.npy"):
        with open(name, "rb") as f:
            if f.read() != OLD:
                return name + " was changed", True
    left = [n for n in os.listdir(".") if "tmp" in n]
    return "left %s" % left if left else None, True


def main():
    spacc, rng, ran, noticed, failed = sys.argv[1], random.Random(SEED), 0, 0, 0
    sources = {"onnx": "model.onnx", "npy": "x.npy", "npz": "x.npz", "pb": "x.pb",
               "safetensors": "model.safetensors"}
    extra = {"npy": hostile_npy, "onnx": hostile_onnx, "safetensors": hostile_pack}
    for kind, source in sources.items():
        if not os.path.exists(source):
            continue
        with open(source, "rb") as f:
            whole = f.read()
        tries = list(cases(whole, rng)) + list(extra.get(kind, list)())
        for what, contents, must_fail in tries:
            with open("bad." + kind, "wb") as f:
                f.write(contents)
            for command in commands(spacc, kind):
                wrong, seen = check(command, what, must_fail)
                ran, noticed = ran + 1, noticed + seen
                if wrong:
                    failed += 1
                    print("FAILED: %s, %s: %s" % (" ".join(command[1:]), what, wrong))
    print("%d damaged files tried (seed %d), %d refused, %d failures" % (ran, SEED, noticed, failed))
    return 1 if failed or noticed < ran // 3 else 0


sys.exit(main())
