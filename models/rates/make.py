#!/usr/bin/env python3
"""Write three small models whose parts run at different rates, or beside each other.

  make.py OUT [--seed 1] [--scale 1] [--golden]

  seq2seq.onnx  GRU encoder, once; GRU decoder with attention, once a symbol (Loop)
  rnnt.onnx     GRU encoder, once a frame; joiner, once a step (Loop); prediction network,
                once a symbol (If in the Loop)
  towers.onnx   a tower of convolutions and one of GRUs, independent until the end

Weights are seeded random numbers: the models compute nothing of use. --scale multiplies their
widths. Beside each model go its inputs, OUT/MODEL/in_K.npy; with --golden its outputs as well,
out_K.npy, by ONNX Runtime or, without it, by the reference of the onnx package. Needs numpy
and onnx.
"""
import argparse
import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
BLANK, START, END = 0, 0, 1
SYMBOLS = 24


class Graph:
    """Nodes and weights as they are added. Outputs are named after their node."""

    def __init__(self, rng):
        self.rng, self.nodes, self.weights = rng, [], []

    def add(self, op, inputs, outputs, **attributes):
        outputs = outputs.split()
        self.nodes.append(helper.make_node(op, inputs.split(), outputs, name=outputs[0],
                                           **attributes))
        return outputs[0]

    def constant(self, name, array):
        self.weights.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def weight(self, name, *dims, fan=None):
        spread = (fan or dims[-1]) ** -0.5
        return self.constant(name, self.rng.uniform(-spread, spread, dims)
                             .astype(np.float32) * np.float32(3 ** 0.5))

    def gru(self, name, x, inputs, units, h0=""):
        """x [T,1,inputs]; the outputs NAME_y [T,1,1,units] and NAME_h [1,1,units]."""
        w = self.weight(name + "_w", 1, 3 * units, inputs)
        r = self.weight(name + "_r", 1, 3 * units, units)
        b = self.weight(name + "_b", 1, 6 * units)
        self.nodes.append(helper.make_node(
            "GRU", [x, w, r, b, "", h0] if h0 else [x, w, r, b], [name + "_y", name + "_h"],
            name=name, hidden_size=units, linear_before_reset=1))
        return name + "_y", name + "_h"

    def linear(self, name, x, inputs, outputs):
        self.add("MatMul", f"{x} {self.weight(name + '_w', inputs, outputs, fan=inputs)}",
                 name + "_sums")
        return self.add("Add", f"{name}_sums {self.weight(name + '_b', outputs)}", name)

    def finish(self, name, inputs, outputs):
        return helper.make_graph(self.nodes, name, inputs, outputs, self.weights)


def floats(name, *dims):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, dims)


def ints(name, *dims):
    return helper.make_tensor_value_info(name, TensorProto.INT64, dims)


def favour(symbol, by):
    bias = np.zeros(SYMBOLS, np.float32)
    bias[symbol] = by
    return bias


def flag(name):
    return helper.make_tensor_value_info(name, TensorProto.BOOL, [])


# ---- encoder and decoder ----
def decoder_body(rng, units, embedding):
    """One symbol: embed, GRU, attention over what the encoder made, next symbol."""
    g = Graph(rng)
    g.add("Gather", f"{g.weight('table', SYMBOLS, embedding)} symbol", "embedded")  # [1,E]
    g.constant("axis0", np.array([0], np.int64))
    g.add("Unsqueeze", "embedded axis0", "step")
    _, h = g.gru("decoder", "step", embedding, units, "state")
    g.add("Squeeze", f"{h} axis0", "query")                    # [1,H]
    g.add("MatMul", "query keys", "scores")                    # keys [H,T]: captured
    g.add("Softmax", "scores", "weights", axis=-1)
    g.add("MatMul", "weights values", "context")               # values [T,H]: captured
    g.add("Concat", "query context", "both", axis=1)
    g.linear("plain_logits", "both", 2 * units, SYMBOLS)
    g.add("Cast", "i", "said_so_far", to=TensorProto.FLOAT)     # the longer, the likelier the end
    g.add("Sub", f"said_so_far {g.constant('usual', np.float32(20))}", "over_usual")
    g.add("Mul", f"over_usual {g.constant('end_slope', favour(END, 0.04))}", "end_bias")
    g.add("Add", "plain_logits end_bias", "logits")
    g.add("ArgMax", "logits", "next", axis=1, keepdims=0)      # [1]
    g.constant("end", np.array([END], np.int64))
    g.add("Equal", "next end", "ends_each")
    g.add("Not", "ends_each", "goes_each")
    g.constant("none", np.array([], np.int64))
    g.add("Reshape", "goes_each none", "goes_on")
    g.add("Identity", "next", "said")
    return g.finish("decoder_body", [ints("i"), flag("on"), ints("symbol", 1),
                                     floats("state", 1, 1, units)],
                    [flag("goes_on"), ints("next", 1), floats("decoder_h", 1, 1, units),
                     ints("said", 1), floats("logits", 1, SYMBOLS)])


def seq2seq(rng, scale):
    inputs, units, embedding = 40, 96 * scale, 64 * scale
    g = Graph(rng)
    y, h = g.gru("encoder", "x", inputs, units)
    g.constant("middle", np.array([1, 2], np.int64))
    g.add("Squeeze", f"{y} middle", "values")                  # [T,H]
    g.add("Transpose", "values", "keys", perm=[1, 0])
    g.constant("most", np.array(40, np.int64))
    g.constant("yes", np.array(True))
    g.constant("start", np.array([START], np.int64))
    g.add("Loop", f"most yes start {h}", "last state_end said logits",
          body=decoder_body(rng, units, embedding))
    graph = g.finish("seq2seq", [floats("x", "T", 1, inputs)],
                     [ints("said", "U", 1), floats("logits", "U", 1, SYMBOLS)])
    return graph, {"x": rng.normal(size=(50, 1, inputs))}


# ---- RNN-T ----
def predictor(rng, units, embedding):
    """A symbol was said: the prediction network moves on, the frame stays."""
    g = Graph(rng)
    g.add("Gather", f"{g.weight('table', SYMBOLS, embedding)} best", "embedded")
    g.constant("axis0", np.array([0], np.int64))
    g.add("Unsqueeze", "embedded axis0", "step")
    _, h = g.gru("prediction", "step", embedding, units, "state")
    g.add("Identity", "frame", "same_frame")
    g.add("Add", f"here {g.constant('one', np.array([1], np.int64))}", "more_here")
    return g.finish("said", [], [ints("same_frame", 1), floats(h, 1, 1, units),
                                 ints("more_here", 1)])


def advance(units):
    """Blank: the next frame; the prediction network is not run."""
    g = Graph(None)
    g.constant("one", np.array([1], np.int64))
    g.add("Add", "frame one", "next_frame")
    g.add("Identity", "state", "same_state")
    g.add("Sub", "here here", "none_here")
    return g.finish("blank", [], [ints("next_frame", 1), floats("same_state", 1, 1, units),
                                  ints("none_here", 1)])


def joiner_body(rng, units, embedding, joint):
    """One step: join the frame with what was said so far; blank or a symbol."""
    g = Graph(rng)
    g.add("Gather", "frames frame", "heard", axis=0)           # frames [T,H]: captured
    g.constant("axis0", np.array([0], np.int64))
    g.add("Squeeze", "state axis0", "so_far")
    g.linear("from_frame", "heard", units, joint)
    g.linear("from_symbols", "so_far", units, joint)
    g.add("Add", "from_frame from_symbols", "joined")
    g.add("Tanh", "joined", "bent")
    g.linear("plain_logits", "bent", joint, SYMBOLS)
    g.add("Add", f"plain_logits {g.constant('blank_bias', favour(BLANK, 1.1))}", "logits")
    g.add("ArgMax", "logits", "best_of_all", axis=1, keepdims=0)  # [1]
    g.constant("blank", np.array([BLANK], np.int64))
    g.constant("last_here", np.array([2], np.int64))           # at most 3 symbols a frame
    g.add("Greater", "here last_here", "full")
    g.add("Where", "full blank best_of_all", "best")
    g.add("Equal", "best blank", "blank_each")
    g.constant("none", np.array([], np.int64))
    g.add("Reshape", "blank_each none", "is_blank")
    g.add("If", "is_blank", "frame_next state_next here_next", then_branch=advance(units),
          else_branch=predictor(rng, units, embedding))
    g.add("Less", "frame_next length", "left_each")            # length [1]: captured
    g.add("Reshape", "left_each none", "goes_on")
    g.add("Identity", "best", "said")
    return g.finish("joiner_body", [ints("i"), flag("on"), ints("frame", 1),
                                    floats("state", 1, 1, units), ints("here", 1)],
                    [flag("goes_on"), ints("frame_next", 1),
                     floats("state_next", 1, 1, units), ints("here_next", 1), ints("said", 1),
                     floats("logits", 1, SYMBOLS)])


def rnnt(rng, scale):
    inputs, units, embedding, joint = 40, 96 * scale, 32 * scale, 64 * scale
    g = Graph(rng)
    y, _ = g.gru("encoder", "x", inputs, units)
    g.constant("middle", np.array([1, 2], np.int64))
    g.add("Squeeze", f"{y} middle", "frames")                  # [T,H]
    g.constant("from0", np.array([0], np.int64))
    g.constant("to1", np.array([1], np.int64))
    g.add("Shape", "frames", "shape")
    g.add("Slice", "shape from0 to1", "length")
    g.constant("most", np.array(400, np.int64))
    g.constant("yes", np.array(True))
    g.constant("rest", np.zeros((1, 1, units), np.float32))
    g.add("Loop", "most yes from0 rest from0", "frame_end state_end here_end said logits",
          body=joiner_body(rng, units, embedding, joint))
    graph = g.finish("rnnt", [floats("x", "T", 1, inputs)],
                     [ints("said", "S", 1), floats("logits", "S", 1, SYMBOLS)])
    return graph, {"x": rng.normal(size=(60, 1, inputs))}


# ---- two towers ----
def towers(rng, scale):
    channels, steps, bands, units = 16 * scale, 80, 64, 96 * scale
    g = Graph(rng)
    image, depth = "image", 3
    for i in range(4):
        width = channels << min(i, 2)
        g.weight(f"conv{i}_w", width, depth, 3, 3, fan=9 * depth)
        g.add("Conv", f"{image} conv{i}_w {g.weight(f'conv{i}_b', width)}", f"conv{i}",
              pads=[1, 1, 1, 1], strides=[2, 2] if i else [1, 1])
        image, depth = g.add("Relu", f"conv{i}", f"relu{i}"), width
    g.add("GlobalAveragePool", image, "pooled")
    g.add("Flatten", "pooled", "seen")
    y, _ = g.gru("low", "sound", bands, units)
    g.constant("middle", np.array([1], np.int64))
    g.add("Squeeze", f"{y} middle", "low_out")                 # [T,1,H]
    _, h = g.gru("high", "low_out", units, units)
    g.constant("axis0", np.array([0], np.int64))
    g.add("Squeeze", f"{h} axis0", "heard")
    g.add("Concat", "seen heard", "both", axis=1)
    g.linear("score", "both", depth + units, 10)
    graph = g.finish("towers", [floats("image", 1, 3, 96, 96), floats("sound", steps, 1, bands)],
                     [floats("score", 1, 10)])
    return graph, {"image": rng.normal(size=(1, 3, 96, 96)),
                   "sound": rng.normal(size=(steps, 1, bands))}


# ---- files ----
def golden(path, inputs):
    try:
        import onnxruntime
    except ImportError:
        from onnx.reference import ReferenceEvaluator
        return ReferenceEvaluator(str(path)).run(None, inputs)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options,
                                        providers=["CPUExecutionProvider"]).run(None, inputs)


def save(folder, prefix, arrays):
    folder.mkdir(parents=True, exist_ok=True)
    for k, array in enumerate(arrays):
        np.save(folder / f"{prefix}_{k}.npy", array)


def write(out, build, seed, scale, with_golden):
    graph, inputs = build(np.random.default_rng(seed), scale)
    model = helper.make_model(graph, producer_name="spacc models/rates", ir_version=8,
                              opset_imports=[helper.make_opsetid("", OPSET)])
    onnx.checker.check_model(model, full_check=True)
    path = out / f"{build.__name__}.onnx"
    onnx.save(model, path)
    inputs = {name: array.astype(np.float32) for name, array in inputs.items()}
    save(out / build.__name__, "in", inputs.values())
    if with_golden:
        save(out / build.__name__, "out", golden(path, inputs))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scale", type=int, default=1)
    parser.add_argument("--golden", action="store_true")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for build in (seq2seq, rnnt, towers):
        write(args.out, build, args.seed, args.scale, args.golden)


if __name__ == "__main__":
    main()
