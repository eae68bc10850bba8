# The models of models/rates/: loops and branches that run at rates of their own give what ONNX
# Runtime (or the onnx package) gives.
. "$2/tests/cli/lib.sh"

if ! python3 -c 'import numpy, onnx.reference' 2>/dev/null; then
    echo "skipped: python3 has no numpy, or no onnx package of 1.13 or later (Debian 12 has 1.12), to make the models with"
    exit 77
fi
python3 "$source/models/rates/make.py" . --golden >out.txt 2>err.txt || {
    bad "make.py fails"
    finish
}

# near MODEL EXPRESSION: outputs are those of MODEL's folder, and the expression is true of the
# list of these, `out`.
near() {
    checks=$((checks + 1))
    python3 -c 'import sys
import numpy as np
model, expression = sys.argv[1:]
got = np.load("got.npz")
got = [got[name] for name in got.files]
out = [np.load(f"{model}/out_{k}.npy") for k in range(len(got))]
for g, w in zip(got, out):
    assert g.shape == w.shape and g.dtype == w.dtype, (g.shape, w.shape)
    assert np.array_equal(g, w) if w.dtype.kind == "i" else np.allclose(g, w, atol=1e-4), model
assert eval(expression), expression' "$@" >out.txt 2>err.txt || bad "$1 differs"
}

ok "$spacc" run seq2seq.onnx -i seq2seq/in_0.npy -o got.npz
near seq2seq 'len(out) == 2 and 5 < len(out[0]) < 40 and out[0][-1] == 1' # ends by itself
ok "$spacc" run rnnt.onnx -i rnnt/in_0.npy -o got.npz
# a blank a frame, and symbols; more steps than either
near rnnt 'len(out) == 2 and (out[0] == 0).sum() == 60 and (out[0] > 0).sum() > 20'
ok "$spacc" run towers.onnx -i towers/in_0.npy -i towers/in_1.npy -o got.npz
near towers 'len(out) == 1 and out[0].shape == (1, 10)'

# Two rates of frames: the same file, another length.
ok "$spacc" run rnnt.onnx --dim T=7 --seed 3 -o got.npz
says "rnnt.onnx on the CPU"
finish
