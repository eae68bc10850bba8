#!/usr/bin/env python3
"""Evaluate the exported models in numpy and write heldout_bpc.json.

Independent of the recipe: weights and vocabulary come from the .onnx files, the
LSTM is written out here in float64. Where onnxruntime is installed, its
float32 result is written beside it.

Bits per character of N characters, from the zero state:
    -1/(N-1) * sum over t of log2 softmax(logits[t])[chars[t+1]],  t = 0..N-2
"""
import json
import os
import sys

import numpy as np
import onnx
from onnx import numpy_helper

HERE = os.path.dirname(os.path.abspath(__file__))
N_SHORT = 2000


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def read(path):
    m = onnx.load(path)
    w = {i.name: numpy_helper.to_array(i) for i in m.graph.initializer}
    meta = {q.key: q.value for q in m.metadata_props}
    return w, meta


def run(w, ids):
    """Logits, and the largest |c|, |z| (pre-activation) and |logit| met."""
    f = {a: b.astype(np.float64) for a, b in w.items() if b.dtype == np.float32}
    W, R, B = f["W"][0], f["R"][0], f["B"][0]
    n = R.shape[1]
    bias = B[:4 * n] + B[4 * n:]
    table = f["embedding"] @ W.T + bias
    h, c = np.zeros(n), np.zeros(n)
    out = np.empty((len(ids), n))
    zmax = cmax = 0.0
    for t, s in enumerate(ids):
        z = table[s] + R @ h
        i, o, g = sigmoid(z[:n]), sigmoid(z[n:2 * n]), sigmoid(z[2 * n:3 * n])
        c = g * c + i * np.tanh(z[3 * n:])
        h = o * np.tanh(c)
        out[t] = h
        zmax, cmax = max(zmax, np.abs(z).max()), max(cmax, np.abs(c).max())
    logits = out @ f["out_weight"] + f["out_bias"]
    return logits, cmax, zmax, np.abs(logits).max()


def bits(logits, ids):
    x = logits[:-1].astype(np.float64)
    x = x - x.max(axis=1, keepdims=True)
    lse = np.log(np.exp(x).sum(axis=1))
    return float(np.mean(lse - x[np.arange(len(x)), ids[1:]]) / np.log(2.0))


def ort_logits(path, ids, n):
    try:
        import onnxruntime as ort
    except ImportError:
        return None
    o = ort.SessionOptions()
    o.intra_op_num_threads = 1
    s = ort.InferenceSession(path, o, providers=["CPUExecutionProvider"])
    zero = np.zeros((1, 1, n), np.float32)
    y = s.run(["logits"], {"chars": ids[:, None].astype(np.int64),
                           "h0": zero, "c0": zero})[0]
    return y[:, 0, :]


def one(path, text):
    w, meta = read(path)
    vocab, n = meta["spacc.vocab"], w["R"].shape[2]
    bank = int(meta.get("spacc.bank_size", 16))  # dense: any
    enc = lambda s: np.array([vocab.index(c) for c in s], np.int64)
    ids = enc(text)
    npy = np.load(os.path.join(HERE, "heldout.npy"))
    assert npy.shape == (N_SHORT, 1) and npy.dtype == np.int64
    assert (npy[:, 0] == ids[:N_SHORT]).all(), "heldout.npy is not heldout.txt"
    logits, cmax, zmax, lmax = run(w, ids)
    r = {"file": os.path.basename(path), "bytes": os.path.getsize(path),
         "sparsity": float(meta["spacc.sparsity"])}
    for a in ("W", "R"):
        nz = (w[a][0] != 0).reshape(w[a].shape[1], -1, bank).sum(2)
        r["nonzeros_per_bank_" + a] = [int(nz.min()), int(nz.max())]
        r["nonzeros_" + a] = int(nz.sum())
        r["max_abs_" + a] = float(np.abs(w[a]).max())
    r["bpc_full"] = bits(logits, ids)
    r["bpc_first_2000"] = bits(logits[:N_SHORT], ids[:N_SHORT])
    y = ort_logits(path, ids, n)
    if y is not None:
        r["bpc_full_onnxruntime"] = bits(y, ids)
        r["bpc_first_2000_onnxruntime"] = bits(y[:N_SHORT], ids[:N_SHORT])
        r["max_abs_logit_difference_onnxruntime"] = float(np.abs(y - logits).max())
    r["max_abs_c"], r["max_abs_z"], r["max_abs_logit"] = cmax, zmax, lmax
    r["max_abs_embedding"] = float(np.abs(w["embedding"]).max())
    r["max_abs_bias"] = float(np.abs(w["B"]).max())
    r["max_abs_out_weight"] = float(np.abs(w["out_weight"]).max())
    return r


def main():
    with open(os.path.join(HERE, "heldout.txt"), encoding="ascii") as f:
        text = f.read()
    res = {"characters_full": len(text), "characters_short": N_SHORT,
           "dense": one(os.path.join(HERE, "charlm_dense.onnx"), text),
           "pruned": one(os.path.join(HERE, "charlm.onnx"), text)}
    for key in ("bpc_full", "bpc_first_2000"):
        res["pruned_over_dense_" + key] = res["pruned"][key] / res["dense"][key]
    with open(os.path.join(HERE, "heldout_bpc.json"), "w") as f:
        json.dump(res, f, indent=1)
        f.write("\n")
    json.dump(res, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
