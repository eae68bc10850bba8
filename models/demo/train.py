#!/usr/bin/env python3
"""Train, prune and export the demo character language model.

  train.py text     make the text and its splits (needs the `bible` program)
  train.py dense    train the dense model
  train.py prune    prune to k of 16 and fine-tune (--k, default 4)
  train.py tune     fine-tune the pruned model further, masks kept
  train.py export   write charlm_dense.onnx, charlm.onnx, heldout.txt/.npy

The defaults are those of the bundled models. Every stage keeps its state in
--work and resumes from its last checkpoint.
Run eval.py after export to write heldout_bpc.json.
"""
import argparse
import math
import os
import re
import subprocess
import tempfile
import time

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
VOCAB = " abcdefghijklmnopqrstuvwxyz,.:;?!'()-"
H = 256           # hidden units, also the embedding size
BANK = 16         # columns per bank
BATCH, WINDOW = 64, 128
N_HELD, N_VALID = 100_000, 100_000   # characters, last and last but one part
N_FILE, N_NPY = 20_000, 2_000        # characters in heldout.txt / heldout.npy
SEED_INIT, SEED_DATA = 20240611, 7


# ---------------------------------------------------------------- text
def make_text():
    """The whole text as one lower-case line; verses joined by one space."""
    raw = subprocess.run(["bible", "-f", "ge1:1-rev22:21"], check=True,
                         stdin=subprocess.DEVNULL, capture_output=True,
                         text=True).stdout
    verses = []
    for line in raw.splitlines():
        m = re.match(r"^\S+?\d+:\d+ (.*)$", line)
        if not m:
            raise SystemExit("unexpected line from bible: %r" % line)
        verses.append(m.group(1))
    if len(verses) != 31102:
        raise SystemExit("expected 31102 verses, got %d" % len(verses))
    text = re.sub(r"\s+", " ", " ".join(verses)).strip().lower()
    bad = set(text) - set(VOCAB)
    if bad:
        raise SystemExit("symbols outside the vocabulary: %r" % bad)
    return text


def encode(text):
    return np.array([VOCAB.index(c) for c in text], dtype=np.int64)


def load_splits(work):
    with open(os.path.join(work, "text.txt"), encoding="ascii") as f:
        ids = encode(f.read())
    a, b = len(ids) - N_HELD - N_VALID, len(ids) - N_HELD
    return ids[:a].astype(np.int32), ids[a:b].astype(np.int32), ids[b:]


# ---------------------------------------------------------------- pruning
def bank_mask(w, k):
    """Keep the k largest |w| of each bank of BANK columns of each row.

    Ties go to the lowest column (stable sort).
    """
    rows, cols = w.shape
    a = -np.abs(w).reshape(rows, cols // BANK, BANK)
    keep = np.argsort(a, axis=2, kind="stable")[:, :, :k]
    m = np.zeros_like(a)
    np.put_along_axis(m, keep, 1.0, axis=2)
    return m.reshape(rows, cols).astype(np.float32)


def k_at(step, steps, k_end):
    """Weights kept per bank at this step: cubic from 16 to k_end, then flat."""
    ramp = 0.4 * steps
    x = min(1.0, (step + 1) / ramp)
    return int(round(k_end + (BANK - k_end) * (1.0 - x) ** 3))


# ---------------------------------------------------------------- model
def init_params():
    r = np.random.default_rng(SEED_INIT)
    u = lambda *s: r.uniform(-1, 1, s).astype(np.float32) / math.sqrt(H)
    b = np.zeros(4 * H, np.float32)
    b[2 * H:3 * H] = 1.0                       # forget gate; order i, o, f, c
    v = len(VOCAB)
    return {"emb": r.standard_normal((v, H)).astype(np.float32) * 0.5,
            "W": u(4 * H, H), "R": u(4 * H, H), "b": b,
            "V": u(H, v), "d": np.zeros(v, np.float32)}


def build():
    """The jitted functions. Gates in ONNX order i, o, f, c."""
    import jax
    import jax.numpy as jnp
    sig = jax.nn.sigmoid

    def split(z):
        return (sig(z[:, :H]), sig(z[:, H:2 * H]), sig(z[:, 2 * H:3 * H]),
                jnp.tanh(z[:, 3 * H:]))

    @jax.custom_vjp
    def lstm(xw, R, h0, c0):
        return lstm_fwd(xw, R, h0, c0)[0]

    def lstm_fwd(xw, R, h0, c0):
        Rt = R.T

        def cell(s, x):
            h, c = s
            z = x + h @ Rt
            i, o, f, g = split(z)
            c2 = f * c + i * g
            h2 = o * jnp.tanh(c2)
            return (h2, c2), (h2, c2, z)
        _, (hs, cs, zs) = jax.lax.scan(cell, (h0, c0), xw)
        return (hs, cs), (hs, cs, zs, R, h0, c0)

    def lstm_bwd(res, ct):
        hs, cs, zs, R, h0, c0 = res
        dhs, dcs = ct
        cprev = jnp.concatenate([c0[None], cs[:-1]])

        def back(s, a):
            dh, dc = s
            dho, dco, z, c, cp = a
            i, o, f, g = split(z)
            tc = jnp.tanh(c)
            dh = dh + dho
            dc = dc + dco + dh * o * (1 - tc * tc)
            dz = jnp.concatenate([dc * g * i * (1 - i), dh * tc * o * (1 - o),
                                  dc * cp * f * (1 - f), dc * i * (1 - g * g)],
                                 axis=1)
            return (dz @ R, dc * f), dz
        zero = jnp.zeros_like(h0)
        (dh0, dc0), dzs = jax.lax.scan(back, (zero, zero),
                                       (dhs, dcs, zs, cs, cprev), reverse=True)
        hprev = jnp.concatenate([h0[None], hs[:-1]])
        dR = dzs.reshape(-1, 4 * H).T @ hprev.reshape(-1, H)
        return dzs, dR, dh0, dc0
    lstm.defvjp(lstm_fwd, lstm_bwd)

    def forward(p, x, h, c):
        # x [T, B]: one product for the whole vocabulary, then a row choice
        table = p["emb"] @ p["W"].T + p["b"]
        xw = jax.nn.one_hot(x, len(VOCAB)) @ table
        hs, cs = lstm(xw, p["R"], h, c)
        return hs @ p["V"] + p["d"], hs, cs

    def nll(logits, y):
        lp = jax.nn.log_softmax(logits)
        return -jnp.mean(jnp.take_along_axis(lp, y[..., None], -1))

    def loss(p, x, y, h, c):
        logits, hs, cs = forward(p, x, h, c)
        n = nll(logits, y)
        # keeps the cell state small: no cost until |c| > 15
        pen = 0.01 * jnp.mean(jnp.maximum(jnp.abs(cs) - 15.0, 0.0) ** 2)
        return n + pen, (n, hs[-1], cs[-1])

    @jax.jit
    def step(p, m, v, mask, t, lr, x, y, h, c):
        (_, (n, h, c)), g = jax.value_and_grad(loss, has_aux=True)(p, x, y, h, c)
        g["W"], g["R"] = g["W"] * mask["W"], g["R"] * mask["R"]
        norm = jnp.sqrt(sum(jnp.sum(a * a) for a in g.values()))
        s = jnp.minimum(1.0, 1.0 / (norm + 1e-9))
        q, m2, v2 = {}, {}, {}
        for a in p:
            gr = g[a] * s
            m2[a] = 0.9 * m[a] + 0.1 * gr
            v2[a] = 0.999 * v[a] + 0.001 * gr * gr
            up = (m2[a] / (1 - 0.9 ** t)) / (jnp.sqrt(v2[a] / (1 - 0.999 ** t)) + 1e-8)
            wd = 0.01 if a in ("W", "R", "V") else 0.0
            q[a] = p[a] - lr * (up + wd * p[a])
        for a in ("W", "R"):
            q[a] = q[a] * mask[a]
        return q, m2, v2, n, h, c

    @jax.jit
    def evaluate(p, x, y, h, c):
        logits, hs, cs = forward(p, x, h, c)
        return nll(logits, y), hs[-1], cs[-1], jnp.max(jnp.abs(cs))
    return step, evaluate


def bpc(evaluate, p, ids, rows=20, chunk=500):
    """Quick bits per character: `rows` streams, each from the zero state."""
    n = (len(ids) - 1) // rows
    x = ids[:n * rows].reshape(rows, n).T
    y = ids[1:n * rows + 1].reshape(rows, n).T
    h = c = np.zeros((rows, H), np.float32)
    tot, cnt, cmax = 0.0, 0, 0.0
    for s in range(0, n - n % chunk, chunk):
        l, h, c, cm = evaluate(p, x[s:s + chunk], y[s:s + chunk], h, c)
        tot, cnt, cmax = tot + float(l) * chunk, cnt + chunk, max(cmax, float(cm))
    return tot / cnt / math.log(2), cmax


# ---------------------------------------------------------------- training
def save(path, t, secs, p, m, v, mask):
    d = {"t": t, "secs": secs}
    for pre, tree in (("p_", p), ("m_", m), ("v_", v), ("k_", mask)):
        d.update({pre + a: np.asarray(b) for a, b in tree.items()})
    np.savez(path + ".tmp.npz", **d)
    os.replace(path + ".tmp.npz", path)


def load(path):
    z = np.load(path)
    pick = lambda pre: {a[2:]: z[a] for a in z.files if a.startswith(pre)}
    return (int(z["t"]), float(z["secs"]), pick("p_"), pick("m_"), pick("v_"),
            pick("k_"))


def fit(work, name, steps, lr_max, start=None, k_end=None, mask=None):
    """Train `steps` steps; with k_end, prune on the way. Resumes."""
    step, evaluate = build()
    train, valid, _ = load_splits(work)
    path = os.path.join(work, name + ".npz")
    ones = {"W": np.ones((4 * H, H), np.float32),
            "R": np.ones((4 * H, H), np.float32)}
    if os.path.exists(path):
        t, secs, p, m, v, mask = load(path)
    else:
        p = start if start is not None else init_params()
        m = {a: np.zeros_like(b) for a, b in p.items()}
        v = {a: np.zeros_like(b) for a, b in p.items()}
        t, secs = 0, 0.0
        mask = mask if mask is not None else ones
    # each epoch reads the text as BATCH streams, from an offset of its own
    per_epoch = (len(train) - WINDOW - 1) // (BATCH * WINDOW)
    n = per_epoch * WINDOW
    h = c = np.zeros((BATCH, H), np.float32)
    epoch = -1
    begin, shown, acc, nacc = time.time() - secs, time.time(), 0.0, 0
    k_now = int(mask["R"][0].sum()) // (H // BANK)
    print("%s: steps %d, from %d, seeds %d %d, %d steps per epoch" %
          (name, steps, t, SEED_INIT, SEED_DATA, per_epoch), flush=True)
    while t < steps:
        if t // per_epoch != epoch:
            epoch = t // per_epoch
            off = np.random.default_rng([SEED_DATA, epoch]).integers(
                0, len(train) - BATCH * n)
            xs = train[off:off + BATCH * n].reshape(BATCH, n).T
            ys = train[off + 1:off + 1 + BATCH * n].reshape(BATCH, n).T
            h = c = np.zeros((BATCH, H), np.float32)
        if k_end is not None:
            k = k_at(t, steps, k_end)
            if k < k_now:
                k_now = k
                for a in ("W", "R"):
                    w = np.asarray(p[a])
                    mask[a] = bank_mask(w, k)
                    p[a] = w * mask[a]
                print("step %d: k = %d" % (t, k), flush=True)
        warm = min(1.0, (t + 1) / 100)
        lr = lr_max * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * t / steps)))
        # now and then a stream restarts from the zero state
        keep = (np.random.default_rng([SEED_DATA, 1, t]).random((BATCH, 1)) > 0.02)
        s = (t % per_epoch) * WINDOW
        t += 1
        p, m, v, l, h, c = step(p, m, v, mask, np.float32(t), np.float32(lr),
                                xs[s:s + WINDOW], ys[s:s + WINDOW],
                                h * keep.astype(np.float32),
                                c * keep.astype(np.float32))
        acc, nacc = acc + float(l), nacc + 1
        if t % 50 == 0 or t == steps:
            now = time.time()
            print("%s %5d/%d train %.4f  %.0f ms/step  %.0f s" %
                  (name, t, steps, acc / nacc / math.log(2),
                   (now - shown) / nacc * 1e3, now - begin), flush=True)
            shown, acc, nacc = now, 0.0, 0
        if t % 250 == 0 or t == steps:
            save(path, t, time.time() - begin, p, m, v, mask)
            b, cm = bpc(evaluate, p, valid)
            print("%s %5d valid %.4f bpc, max|c| %.1f" % (name, t, b, cm), flush=True)
            shown = time.time()
    return p


# ---------------------------------------------------------------- export
def export_onnx(path, p, sparsity):
    from onnx import TensorProto as T
    from onnx import checker, helper, numpy_helper, save as onnx_save
    p = {a: np.asarray(b, np.float32) for a, b in p.items()}
    v = len(VOCAB)
    B = np.concatenate([p["b"], np.zeros(4 * H, np.float32)])[None]
    init = [numpy_helper.from_array(np.ascontiguousarray(a), n) for n, a in
            (("embedding", p["emb"]), ("W", p["W"][None]), ("R", p["R"][None]),
             ("B", B), ("out_weight", p["V"]), ("out_bias", p["d"]),
             ("squeeze_axes", np.array([1], np.int64)))]
    n = helper.make_node
    nodes = [n("Gather", ["embedding", "chars"], ["x"], "embed", axis=0),
             n("LSTM", ["x", "W", "R", "B", "", "h0", "c0"], ["y", "hn", "cn"],
               "lstm", hidden_size=H, direction="forward"),
             n("Squeeze", ["y", "squeeze_axes"], ["h"], "squeeze"),
             n("MatMul", ["h", "out_weight"], ["scores"], "out"),
             n("Add", ["scores", "out_bias"], ["logits"], "out_add")]
    vi = helper.make_tensor_value_info
    state = lambda s: vi(s, T.FLOAT, [1, 1, H])
    g = helper.make_graph(nodes, "charlm",
                          [vi("chars", T.INT64, ["T", 1]), state("h0"), state("c0")],
                          [vi("logits", T.FLOAT, ["T", 1, v]), state("hn"), state("cn")],
                          init)
    model = helper.make_model(g, producer_name="spacc-demo",
                              opset_imports=[helper.make_opsetid("", 14)])
    model.ir_version = 7
    helper.set_model_props(model, {
        "spacc.task": "char-lm", "spacc.vocab": VOCAB.replace("\n", "\\n"),
        "spacc.sparsity": "%g" % sparsity, "spacc.bank_size": str(BANK)})
    checker.check_model(model)
    onnx_save(model, path)
    print("%s: %d bytes" % (os.path.basename(path), os.path.getsize(path)))


def export(work, k, out):
    _, _, held = load_splits(work)
    _, secs_d, dense, _, _, _ = load(os.path.join(work, "dense.npz"))
    _, secs_p, pruned, _, _, mask = load(os.path.join(work, "k%d.npz" % k))
    tuned = os.path.join(work, "k%d_tuned.npz" % k)
    if os.path.exists(tuned):
        _, s, pruned, _, _, mask = load(tuned)
        secs_p += s
    for a in ("W", "R"):
        nz = (pruned[a] != 0).reshape(4 * H, H // BANK, BANK).sum(2)
        assert (nz == k).all(), "bank of %s without exactly %d weights" % (a, k)
        assert (bank_mask(pruned[a], k) == mask[a]).all()
    export_onnx(os.path.join(out, "charlm_dense.onnx"), dense, 0.0)
    export_onnx(os.path.join(out, "charlm.onnx"), pruned, 1.0 - k / BANK)
    text = "".join(VOCAB[i] for i in held)
    at = text.index(". ") + 2                  # start at a sentence
    with open(os.path.join(out, "heldout.txt"), "w", encoding="ascii") as f:
        f.write(text[at:at + N_FILE])
    np.save(os.path.join(out, "heldout.npy"),
            np.ascontiguousarray(held[at:at + N_NPY, None].astype(np.int64)))
    print("training seconds: dense %.0f, pruned %.0f" % (secs_d, secs_p))


def main():
    ap = argparse.ArgumentParser(description=__doc__,
                                 formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("stage", choices=["text", "dense", "prune", "tune", "export"])
    ap.add_argument("--work", help="text and checkpoints",
                    default=os.path.join(tempfile.gettempdir(), "spacc-demo"))
    ap.add_argument("--out", default=HERE, help="where export writes")
    ap.add_argument("--steps", type=int, help="training steps of this stage")
    ap.add_argument("--k", type=int, default=4, help="weights kept per bank of 16")
    a = ap.parse_args()
    os.makedirs(a.work, exist_ok=True)
    if a.stage == "text":
        text = make_text()
        with open(os.path.join(a.work, "text.txt"), "w", encoding="ascii") as f:
            f.write(text)
        print("%d characters, %d symbols" % (len(text), len(VOCAB)))
    elif a.stage == "dense":
        fit(a.work, "dense", a.steps or 5000, 3e-3)
    elif a.stage == "prune":
        start = load(os.path.join(a.work, "dense.npz"))[2]
        fit(a.work, "k%d" % a.k, a.steps or 1300, 2e-3, start, a.k)
    elif a.stage == "tune":
        old = load(os.path.join(a.work, "k%d.npz" % a.k))
        fit(a.work, "k%d_tuned" % a.k, a.steps or 1800, 1e-3, old[2], mask=old[5])
    else:
        export(a.work, a.k, a.out)


if __name__ == "__main__":
    main()
