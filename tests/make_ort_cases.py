#!/usr/bin/env python3
"""Writes tests/ort_cases.inc: small operator calls with the outputs of ONNX Runtime, for what the
ONNX project's cases leave out. Needs pip's onnx, onnxruntime and numpy; run by hand."""

import sys

import numpy as np
import onnxruntime as ort
from onnx import TensorProto, helper

rng = np.random.default_rng(7)
TYPES = {"float32": (TensorProto.FLOAT, "F32", "float"),
         "int64": (TensorProto.INT64, "I64", "int64_t"),
         "uint8": (TensorProto.UINT8, "U8", "uint8_t"),
         "int8": (TensorProto.INT8, "I8", "int8_t"),
         "int32": (TensorProto.INT32, "I32", "int32_t")}


def f(*shape):
    """Numbers that a few digits hold."""
    return rng.integers(-32, 33, shape).astype(np.float32) / 16


def small(*shape):
    """Weights that ONNX Runtime's 8-bit sums do not saturate on."""
    return np.array(rng.integers(-60, 61, shape), np.int8)


def cases():
    x = f(1, 1, 4, 5)
    for mode, more in (("linear", {}), ("cubic", {}), ("linear", {"antialias": 1}),
                       ("cubic", {"antialias": 1}), ("cubic", {"exclude_outside": 1})):
        yield "Resize", 19, [x, None, None, np.array([1, 1, 3, 7])], dict(mode=mode, **more)
    yield "Resize", 19, [x, None, np.array([1, 1, .6, 1.5], np.float32)], dict(
        mode="linear", coordinate_transformation_mode="half_pixel_symmetric")
    yield "Resize", 19, [x, np.array([0, 0, .2, .1, 1, 1, .8, 1.2], np.float32), None,
                         np.array([1, 1, 3, 6])], dict(
        mode="linear", coordinate_transformation_mode="tf_crop_and_resize",
        extrapolation_value=7.0)
    for policy in ("not_larger", "not_smaller"):
        yield "Resize", 18, [x, None, None, np.array([8, 6])], dict(
            axes=[2, 3], keep_aspect_ratio_policy=policy, mode="linear")
    yield "Resize", 10, [x, np.array([1, 1, .6, 1.5], np.float32)], dict(mode="nearest")
    for padding in ("zeros", "border", "reflection"):
        grid = (rng.integers(-24, 25, (1, 2, 3, 2)) / 12).astype(np.float32)
        yield "GridSample", 20, [x, grid], dict(mode="cubic", padding_mode=padding)
        grid = (rng.integers(-24, 25, (1, 2, 1, 2, 3)) / 16).astype(np.float32)
        yield "GridSample", 20, [f(1, 1, 2, 3, 2), grid], dict(
            mode="linear", padding_mode=padding, align_corners=1)
    rois = np.array([[0, 0, 3, 2], [1, .5, 4, 3.5]], np.float32)
    for mode in ("avg", "max"):
        yield "RoiAlign", 16, [x, rois, np.array([0, 0])], dict(
            mode=mode, output_height=2, output_width=2)
    for p in (1, 3):
        yield "LpPool", 18, [f(1, 1, 5, 4)], dict(kernel_shape=[3, 2], strides=[2, 1], p=p,
                                                  pads=[1, 0, 1, 1], dilations=[1, 2])
    yield "AveragePool", 19, [f(1, 1, 6, 5)], dict(
        kernel_shape=[3, 2], strides=[2, 2], pads=[1, 1, 1, 1], ceil_mode=1, dilations=[2, 1],
        count_include_pad=1)
    yield "ConvTranspose", 11, [f(1, 4, 3, 2), f(4, 1, 2, 3), f(2)], dict(
        group=2, strides=[2, 1], dilations=[1, 2], pads=[1, 0, 0, 2], output_padding=[1, 0])
    yield "GlobalLpPool", 13, [f(1, 2, 3, 2)], dict(p=3)
    for reduction in ("max", "min", "mul"):
        yield "ScatterElements", 18, [f(3, 2), rng.integers(-3, 3, (4, 2)), f(4, 2)], dict(
            reduction=reduction)
        yield "ScatterND", 18, [f(3, 2), rng.integers(-3, 3, (4, 1)), f(4, 2)], dict(
            reduction=reduction)
    yield "GatherND", 13, [f(2, 3, 2), rng.integers(-3, 3, (2, 2, 1))], dict(batch_dims=1)
    scale = np.array([[1 / 64] * 4 + [1 / 32] * 4], np.float32)
    zero = np.zeros((1, 8), np.int8)
    yield "com.microsoft.DynamicQuantizeLSTM", 13, [
        f(3, 1, 3), small(1, 3, 8), small(1, 2, 8), f(1, 16), None, f(1, 1, 2), f(1, 1, 2), None,
        scale, zero, scale, zero], dict(hidden_size=2)


def outputs(op, opset, ins, attrs):
    domain, _, kind = op.rpartition(".")
    names = ["" if x is None else f"i{k}" for k, x in enumerate(ins)]
    node = helper.make_node(kind, names, ["y"], domain=domain, **attrs)
    given = {n: x for n, x in zip(names, ins) if x is not None}
    # weights of a quantised LSTM must be constants
    fixed = {n: x for n, x in given.items() if domain and n != "i0"}
    graph = helper.make_graph(
        [node], "g",
        [helper.make_tensor_value_info(n, TYPES[str(x.dtype)][0], x.shape)
         for n, x in given.items() if n not in fixed],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [helper.make_tensor(n, TYPES[str(x.dtype)][0], x.shape, x.tobytes(), raw=True)
         for n, x in fixed.items()])
    sets = [helper.make_opsetid("", opset)] + ([helper.make_opsetid(domain, 1)] if domain else [])
    model = helper.make_model(graph, opset_imports=sets, ir_version=9)
    session = ort.InferenceSession(model.SerializeToString())
    return session.run(None, {n: x for n, x in given.items() if n not in fixed})[0]


def c_number(v, dtype):
    if dtype != "float32":
        return str(int(v))
    text = f"{float(v):.9g}"
    return text + ("f" if "." in text or "e" in text else ".0f")


def c_tensor(x):
    if x is None:
        return "{SPACC_DTYPE_NONE, 0, {0}, NULL}"
    _, name, kind = TYPES[str(x.dtype)]
    dims = ", ".join(map(str, x.shape)) or "0"
    body = ", ".join(c_number(v, str(x.dtype)) for v in x.ravel())
    return f"{{SPACC_{name}, {x.ndim}, {{{dims}}}, (const {kind}[]){{{body}}}}}"


def c_attr(name, v):
    if isinstance(v, str):
        return f'{{"{name}", SPACC_ATTR_STRING, .s = "{v}"}}'
    if isinstance(v, float):
        return f'{{"{name}", SPACC_ATTR_FLOAT, .f = {v}f}}'
    if isinstance(v, int):
        return f'{{"{name}", SPACC_ATTR_INT, .i = {v}}}'
    numbers = ", ".join(map(str, v))
    return f'{{"{name}", SPACC_ATTR_INTS, .count = {len(v)}, .ints = {{{numbers}}}}}'


def main():
    out = open(sys.argv[1], "w")
    out.write(f"/* Written by make_ort_cases.py: outputs of ONNX Runtime {ort.__version__}. */\n")
    out.write("/* clang-format off */\n")
    for op, opset, ins, attrs in cases():
        want = outputs(op, opset, ins, attrs)
        out.write(f'{{"{op}", {opset}, {len(ins)}, {len(attrs)},\n {{')
        out.write(",\n  ".join(c_tensor(x) for x in ins))
        out.write("},\n {" + ",\n  ".join(c_attr(*a) for a in attrs.items()) + "},\n ")
        out.write(c_tensor(want) + "},\n")
    out.write("/* clang-format on */\n")


main()
