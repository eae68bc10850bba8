#!/usr/bin/env python3
"""ONNX models of one LSTM layer around weights that bench_lstm wrote: make_lstm.py FOLDER I H T.

Reads, in FOLDER: w.f32 [4H][I], r.f32 [4H][H], b.f32 [8H], and quantised by output, transposed:
w.i8 [I][4H], r.i8 [H][4H], with w.scale and r.scale [4H]. Writes {f32,i8}_{sequence,streaming}.onnx:
LSTM and com.microsoft's DynamicQuantizeLSTM, T steps a call or one with the state passed.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from make_model import model, node, number, part, tensor, value_info  # noqa: E402

INT8 = 3


def weights_f32(read, i, h):
    return [tensor("W", [1, 4 * h, i], read("w.f32")), tensor("R", [1, 4 * h, h], read("r.f32")),
            tensor("B", [1, 8 * h], read("b.f32"))]


def weights_i8(read, i, h):
    zeros = bytes(4 * h)
    return [tensor("W", [1, i, 4 * h], read("w.i8"), INT8),
            tensor("R", [1, h, 4 * h], read("r.i8"), INT8), tensor("B", [1, 8 * h], read("b.f32")),
            tensor("W_scale", [1, 4 * h], read("w.scale")), tensor("W_zero", [1, 4 * h], zeros, INT8),
            tensor("R_scale", [1, 4 * h], read("r.scale")), tensor("R_zero", [1, 4 * h], zeros, INT8)]


def build(read, i, h, steps, quantised):
    inputs = ["x", "W", "R", "B", "", "h_in", "c_in"]
    op, extra = "LSTM", b""
    if quantised:
        inputs += ["", "W_scale", "W_zero", "R_scale", "R_zero"]
        op, extra = "DynamicQuantizeLSTM", part(7, "com.microsoft")
    lstm = node(op, inputs, ["y", "h_out", "c_out"], "lstm", hidden_size=h) + extra
    state = [1, 1, h]
    made = model([lstm],
                 [value_info("x", [steps, 1, i]), value_info("h_in", state),
                  value_info("c_in", state)],
                 [value_info("y", [steps, 1, 1, h]), value_info("h_out", state),
                  value_info("c_out", state)],
                 (weights_i8 if quantised else weights_f32)(read, i, h))
    return made + part(8, part(1, "com.microsoft") + number(2, 1))


def main():
    folder, (i, h, steps) = sys.argv[1], map(int, sys.argv[2:])

    def read(name):
        with open(os.path.join(folder, name), "rb") as f:
            return f.read()

    for kind in ("f32", "i8"):
        for mode, t in (("sequence", steps), ("streaming", 1)):
            with open(os.path.join(folder, "%s_%s.onnx" % (kind, mode)), "wb") as f:
                f.write(build(read, i, h, t, kind == "i8"))


main()
