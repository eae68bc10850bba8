"""ONNX files that `spacc` reads: opset 14, IR 7, metadata spacc.*."""
import numpy as np
import torch
from onnx import TensorProto, checker, helper, numpy_helper

from .masks import bank_of
from .train import replacing

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


def array(tensor):
    """A tensor or array as a contiguous numpy array; floats as float32."""
    a = tensor.detach().cpu().numpy() if isinstance(tensor, torch.Tensor) else np.asarray(tensor)
    return np.ascontiguousarray(a.astype(np.float32) if a.dtype.kind == "f" else a)


def reorder(w, order):
    """Rows in blocks of one gate each, blocks in another order."""
    blocks = np.split(array(w), len(order))
    return np.concatenate([blocks[i] for i in order])


def lstm_gates(w):
    """torch's i, f, g, o rows [4H, ...] as ONNX's i, o, f, c."""
    return reorder(w, (0, 3, 1, 2))


def gru_gates(w):
    """torch's r, z, n rows [3H, ...] as ONNX's z, r, h (use linear_before_reset=1)."""
    return reorder(w, (1, 0, 2))


def metadata(task, recipe, pruner=None, **more):
    """spacc.* entries; `recipe` names the recipe, pruner None is the dense net."""
    meta = {"spacc.task": task, "spacc.recipe": recipe, "spacc.sparsity": "0"}
    if pruner and pruner.pattern != "dense":
        meta["spacc.sparsity"] = "%g" % pruner.true_sparsity()["all"]
        meta["spacc.method"] = "gradual" if pruner.last else "magnitude"
        meta["spacc.pattern"] = pruner.pattern
    if pruner and bank_of(pruner.pattern):
        meta["spacc.bank_size"] = str(bank_of(pruner.pattern))
    meta.update({"spacc." + k: str(v) for k, v in more.items()})
    return meta


class Graph:
    """Collects inputs, initialisers and nodes, then writes the file."""

    def __init__(self, name):
        self.name, self.nodes, self.inits, self.ins, self.outs = name, [], [], [], []

    def input(self, name, shape, kind=FLOAT):
        self.ins.append(helper.make_tensor_value_info(name, kind, shape))

    def output(self, name, shape, kind=FLOAT):
        self.outs.append(helper.make_tensor_value_info(name, kind, shape))

    def weight(self, name, tensor):
        self.inits.append(numpy_helper.from_array(array(tensor), name))

    def node(self, op, inputs, outputs, name, **attributes):
        self.nodes.append(helper.make_node(op, inputs, outputs, name, **attributes))

    def save(self, path, meta):
        """Check and write; the old file stays until the new one is whole."""
        graph = helper.make_graph(self.nodes, self.name, self.ins, self.outs, self.inits)
        model = helper.make_model(graph, producer_name="spacc-recipes",
                                  opset_imports=[helper.make_opsetid("", 14)])
        model.ir_version = 7
        helper.set_model_props(model, meta)
        checker.check_model(model)
        with replacing(path) as f:
            f.write(model.SerializeToString())
