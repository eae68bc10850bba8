#!/usr/bin/env python3
"""Write small ONNX models and .npy files for tests and benchmarks.

Needs nothing but Python: the few protobuf fields that a model has are encoded here.

  make_model.py lstm OUT.onnx --inputs 8 --hidden 16 [--layers 2] [--frame] [--nan]
  make_model.py gru | matmul | gemm | unknown OUT.onnx ...
  make_model.py conv OUT.onnx --inputs 3 --hidden 8 [--layers 2]    (3x3, each with a Relu)
  make_model.py npy OUT.npy --shape 5,1,8 [--type int64] [--below 37]

Weights are uniform in -1..1 over the square root of the fan-in, from --seed. With
--frame the recurrent model takes one step and has states h0, hn (and c0, cn); without,
it takes T steps.
"""
import argparse
import array
import random
import struct
import sys

FLOAT, INT64 = 1, 7


# ---- protobuf: (field number, wire type) keys, varints, length-delimited parts ----
def varint(value):
    out = bytearray()
    value &= (1 << 64) - 1
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def number(field, value):
    return varint(field << 3) + varint(value)


def part(field, contents):
    if isinstance(contents, str):
        contents = contents.encode()
    return varint(field << 3 | 2) + varint(len(contents)) + contents


# ---- ONNX ----
def tensor(name, dims, raw, dtype=FLOAT):
    return (b"".join(number(1, d) for d in dims) + number(2, dtype) + part(8, name) +
            part(9, raw))


def value_info(name, dims, dtype=FLOAT):
    shape = b"".join(part(1, part(2, d) if isinstance(d, str) else number(1, d))
                     for d in dims)
    return part(1, name) + part(2, part(1, number(1, dtype) + part(2, shape)))


def attribute(name, value):
    if isinstance(value, str):
        return part(1, name) + part(4, value) + number(20, 3)
    return part(1, name) + number(3, value) + number(20, 2)


def node(op, inputs, outputs, name, **attributes):
    return (b"".join(part(1, i) for i in inputs) + b"".join(part(2, o) for o in outputs) +
            part(3, name) + part(4, op) +
            b"".join(part(5, attribute(k, v)) for k, v in attributes.items()))


def model(nodes, inputs, outputs, weights):
    graph = (b"".join(part(1, n) for n in nodes) + part(2, "made") +
             b"".join(part(5, w) for w in weights) +
             b"".join(part(11, i) for i in inputs) + b"".join(part(12, o) for o in outputs))
    return number(1, 8) + part(2, "spacc tests") + part(7, graph) + part(8, number(2, 14))


# ---- contents ----
class Random:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def floats(self, count, scale):
        """count little-endian float32 in -scale..scale, as bytes."""
        r = self.random.random
        values = array.array("f", (scale * (2.0 * r() - 1.0) for _ in range(count)))
        if sys.byteorder != "little":
            values.byteswap()
        return values.tobytes()


def damaged(raw, nan):
    return raw[:12] + struct.pack("<f", float("nan")) + raw[16:] if nan else raw


def recurrent(op, a):
    """`layers` LSTM or GRU nodes, one after the other."""
    gates = {"LSTM": 4, "GRU": 3}[op]
    rng, width, hidden = Random(a.seed), a.inputs, a.hidden
    steps = 1 if a.frame else "T"
    nodes, weights, value = [], [], "x"
    inputs, outputs = [value_info("x", [steps, 1, width])], []
    states = ["h", "c"] if op == "LSTM" else ["h"]
    for layer in range(a.layers):
        part_of = lambda s: "%s%d" % (s, layer)
        w = rng.floats(gates * hidden * width, width ** -0.5)
        r = rng.floats(gates * hidden * hidden, hidden ** -0.5)
        weights += [tensor(part_of("W"), [1, gates * hidden, width],
                           damaged(w, a.nan and layer == a.layers - 1)),
                    tensor(part_of("R"), [1, gates * hidden, hidden], r)]
        first = ["h%d_in" % layer, "c%d_in" % layer][:len(states)] if a.frame else []
        last = ["h%d_out" % layer, "c%d_out" % layer][:len(states)] if a.frame else []
        inputs += [value_info(n, [1, 1, hidden]) for n in first]
        outputs += [value_info(n, [1, 1, hidden]) for n in last]
        nodes.append(node(op, [value, part_of("W"), part_of("R"), "", ""] + first,
                          [part_of("y")] + last, "%s_%d" % (op.lower(), layer),
                          hidden_size=hidden))
        value = part_of("y")
        if layer + 1 < a.layers:
            nodes.append(node("Squeeze", [value, "axis1"], [part_of("s")], part_of("squeeze")))
            value, width = part_of("s"), hidden
    if a.layers > 1:
        weights.append(tensor("axis1", [1], struct.pack("<q", 1), INT64))
    return model(nodes, inputs, [value_info(value, [steps, 1, 1, hidden])] + outputs, weights)


def product(op, a):
    rng = Random(a.seed)
    dims = [a.inputs, a.hidden] if op == "MatMul" else [a.hidden, a.inputs]
    raw = damaged(rng.floats(a.inputs * a.hidden, a.inputs ** -0.5), a.nan)
    extra = {} if op == "MatMul" else {"transB": 1}
    return model([node(op, ["x", "B"], ["y"], "product", **extra)],
                 [value_info("x", ["N", a.inputs])], [value_info("y", ["N", a.hidden])],
                 [tensor("B", dims, raw)])


def convolutions(a):
    """`layers` convolutions of images of 12 by 12, each with a Relu."""
    rng, width, value = Random(a.seed), a.inputs, "x"
    nodes, weights = [], []
    for layer in range(a.layers):
        raw = damaged(rng.floats(a.hidden * width * 9, (width * 9 / 3) ** -0.5), a.nan)
        weights.append(tensor("W%d" % layer, [a.hidden, width, 3, 3], raw))
        nodes.append(node("Conv", [value, "W%d" % layer], ["c%d" % layer], "conv_%d" % layer,
                          auto_pad="SAME_UPPER"))
        value, width = "y" if layer + 1 == a.layers else "r%d" % layer, a.hidden
        nodes.append(node("Relu", ["c%d" % layer], [value], "relu_%d" % layer))
    return model(nodes, [value_info("x", [1, a.inputs, 12, 12])],
                 [value_info("y", [1, a.hidden, 12, 12])], weights)


def unknown(a):
    return model([node("Whatever", ["x"], ["y"], "odd_one")], [value_info("x", [a.inputs])],
                 [value_info("y", [a.inputs])], [])


def npy(a):
    shape = tuple(int(d) for d in a.shape.split(",") if d)
    count = 1
    for d in shape:
        count *= d
    if a.type == "int64":
        rng = random.Random(a.seed)
        data, descr = struct.pack("<%dq" % count,
                                  *(rng.randrange(a.below) for _ in range(count))), "<i8"
    else:
        data, descr = Random(a.seed).floats(count, 1.0), "<f4"
    head = "{'descr': '%s', 'fortran_order': False, 'shape': %r, }" % (descr, shape)
    head += " " * (63 - (10 + len(head)) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + data


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("kind", choices=["lstm", "gru", "matmul", "gemm", "conv", "unknown",
                                      "npy"])
    p.add_argument("out")
    p.add_argument("--inputs", type=int, default=8)
    p.add_argument("--hidden", type=int, default=16)
    p.add_argument("--layers", type=int, default=1)
    p.add_argument("--frame", action="store_true")
    p.add_argument("--nan", action="store_true")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--shape", default="1")
    p.add_argument("--type", default="float32", choices=["float32", "int64"])
    p.add_argument("--below", type=int, default=2)
    a = p.parse_args()
    make = {"lstm": lambda: recurrent("LSTM", a), "gru": lambda: recurrent("GRU", a),
            "matmul": lambda: product("MatMul", a), "gemm": lambda: product("Gemm", a),
            "conv": lambda: convolutions(a), "unknown": lambda: unknown(a), "npy": lambda: npy(a)}
    with open(a.out, "wb") as f:
        f.write(make[a.kind]())


if __name__ == "__main__":
    main()
