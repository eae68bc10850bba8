# spacc eval: each task against numbers that plain Python works out from the outputs of run.
. "$2/tests/cli/lib.sh"
PYTHONPATH=$source/tests/cli
PYTHONDONTWRITEBYTECODE=1
export PYTHONPATH PYTHONDONTWRITEBYTECODE

# check WHAT: a Python script on stdin that must succeed.
check() {
    checks=$((checks + 1))
    python3 - || bad "$1"
}

score() {
    json "abs(r['scores'][0]['value'] - ($1)) < 1e-6"
}

make matmul product.onnx --inputs 8 --hidden 5
make npy x.npy --shape 40,8
ok "$spacc" run product.onnx -i x.npy -o y.npz -q

# classify: 40 labels, 10 of them wrong. The same as requests of one row each.
check "labels" <<'END'
from arrays import *
y, shape = read("y.npz", "y")
x, _ = read("x.npy")
labels = [top(r) for r in rows(y, 5)]
wrong = [(l + 1) % 5 if i % 4 == 0 else l for i, l in enumerate(labels)]
write_npz("set.npz", x=(x, (40, 8)), labels=(wrong, (40,), "<i8"), note=(wrong, (40,), "<i8"))
write_npz("requests.npz", x=(x, (40, 1, 8)), labels=(wrong, (40,), "<i8"))
write_npz("bare.npz", x=(x, (40, 8)))
write("labels.npy", wrong, (40,), "<i8")
write("few.npy", wrong[:39], (39,), "<i8")
write("float.npy", x[:40], (40,))
write("range.npy", [5] + wrong[1:], (40,), "<i8")
write("below.npy", wrong[:-1] + [-1], (40,), "<i8")
END
ok "$spacc" eval product.onnx --task classify -i set.npz --json
score 0.75
# Wilson's interval of 30 of 40, worked out by hand from its formula.
json 'abs(r["scores"][0]["low"] - 0.597975) < 1e-4 and abs(r["scores"][0]["high"] - 0.858129) < 1e-4'
json 'r["task"] == "classify" and r["scores"][0]["count"] == 40 and r["scores"][0]["output"] == "y"'
json 'r["metric"] == {"name": "top-1 accuracy", "value": 0.75, "count": 40} and r["nodes"]'
ok "$spacc" eval product.onnx --task classify -i requests.npz --json
score 0.75
ok "$spacc" eval product.onnx --task classify -i x.npy -i labels=labels.npy
says "top-1 accuracy"
says "0.75"
says "0.598"
# The first 8 requests hold 2 of the wrong ones.
ok "$spacc" eval product.onnx --task classify -i requests.npz --frames 8 --json
score 0.75
json 'r["scores"][0]["count"] == 8'
ok "$spacc" eval product.onnx --task classify -i requests.npz --frames 5 --json
score 0.6
refused 1 "set.npz: no input 'labels' in product.onnx, which has x" \
    "$spacc" run product.onnx -i set.npz
refused 1 "wants an array \`labels\` int64 [N] beside the inputs" \
    "$spacc" eval product.onnx --task classify -i bare.npz
refused 1 "output y is float32[40,5], which is not a row of scores for each of labels int64[39]" \
    "$spacc" eval product.onnx --task classify -i x.npy -i labels=few.npy
refused 1 "labels are float32[40], task classify wants int64" \
    "$spacc" eval product.onnx --task classify -i x.npy -i labels=float.npy
refused 1 "label 0 is 5, output y has 5 classes" \
    "$spacc" eval product.onnx --task classify -i x.npy -i labels=range.npy
refused 1 "label 39 is -1, output y has 5 classes" \
    "$spacc" eval product.onnx --task classify -i x.npy -i labels=below.npy
refused 1 "few.npy: 'labels' is given twice" \
    "$spacc" eval product.onnx --task classify -i set.npz -i labels=few.npy

# Requests do not feed each other: states are zero in each.
make lstm step.onnx --inputs 8 --hidden 4 --frame
make npy frames.npy --shape 6,1,1,8
for i in 0 1 2 3 4 5; do
    check "one frame" <<END
from arrays import *
x, _ = read("frames.npy")
write("one.npy", x[8 * $i:8 * $i + 8], (1, 1, 8))
END
    ok "$spacc" run step.onnx -i one.npy -o one$i.npz -q
done
ok "$spacc" run step.onnx -i frames.npy -o stream.npz -q
check "independent requests and a stream have the same labels" <<'END'
import sys
from arrays import *
alone = [top(read(f"one{i}.npz", "y0")[0]) for i in range(6)]
fed = [top(r) for r in rows(read("stream.npz", "y0")[0], 4)]
write("alone.npy", alone, (6,), "<i8")
sys.exit(alone == fed)
END
ok "$spacc" eval step.onnx --task classify -i frames.npy -i labels=alone.npy --json
score 1

# agree, decide, si-sdr, error: with files and with another model.
make matmul other.onnx --inputs 8 --hidden 5 --seed 9
make matmul wide.onnx --inputs 8 --hidden 6
ok "$spacc" run other.onnx -i x.npy -o other.npy -q
check "expected values" <<'END'
import json, math
from arrays import *
y, _ = read("y.npz", "y")
s, _ = read("other.npy")
pairs = list(zip(y, s))
along = sum(a * b for a, b in pairs) / sum(b * b for b in s)
rest = sum((a - along * b) ** 2 for a, b in pairs)
noise = sum((a - b) ** 2 for a, b in pairs)
json.dump({
    "agree": sum(top(a) == top(b) for a, b in zip(rows(y, 5), rows(s, 5))) / 40,
    "decide": sum((a >= 0.5) == (b >= 0.5) for a, b in pairs) / 200,
    "decide0": sum((a >= 0) == (b >= 0) for a, b in pairs) / 200,
    "si-sdr": 10 * math.log10(along ** 2 * sum(b * b for b in s) / rest),
    "rms": math.sqrt(noise / sum(b * b for b in s)),
    "most": max(abs(a - b) for a, b in pairs),
}, open("want.json", "w"))
write("nan.npy", [math.nan] + s[1:], (40, 5))
write("zero.npy", [0.0] * 200, (40, 5))
write("short.npy", s[:195], (39, 5))
write("turned.npy", s, (50, 4))
write_npz("named.npz", y=(s, (40, 5)), z=(s, (40, 5)))
END
want() {
    score "json.load(open('want.json'))['$1']"
}
for expected in "--against other.onnx" "--expect other.npy" "--expect y=other.npy" \
    "--expect named.npz" "--against other.onnx --of y"; do
    for task in agree decide si-sdr; do
        # shellcheck disable=SC2086 # several words
        ok "$spacc" eval product.onnx --task $task -i x.npy $expected --json
        want $task
    done
done
json 'r["scores"][0]["low"] is None and r["scores"][0]["name"] == "SI-SDR dB"'
ok "$spacc" eval product.onnx --task decide -i x.npy --against other.onnx --threshold 0 --json
want decide0
ok "$spacc" eval product.onnx --task error -i x.npy --against other.onnx --json
want rms
json 'abs(r["scores"][1]["value"] - json.load(open("want.json"))["most"]) < 1e-6'
json 'abs(r["scores"][2]["value"] + 20 * math.log10(json.load(open("want.json"))["rms"])) < 1e-4'
ok "$spacc" eval product.onnx --task error -i x.npy --against product.onnx --json
json '[s["value"] for s in r["scores"]] == [0, 0, None]'
# --against is float on the CPU whatever the model itself runs on.
ok "$spacc" eval step.onnx --task error -i frames.npy --against step.onnx --precision int8 --json
json '0 < r["scores"][0]["value"] < 0.1 and [s["output"] for s in r["scores"][::3]] == ["y0", "h0_out", "c0_out"]'
ok "$spacc" eval step.onnx --task error -i frames.npy --against step.onnx --fpga model:4x4 -q
says "SQNR dB"
refused 1 "there is neither" "$spacc" eval product.onnx --task agree -i x.npy
refused 1 "output y of product.onnx is float32[40,5], expected by short.npy is float32[39,5]" \
    "$spacc" eval product.onnx --task agree -i x.npy --expect short.npy
refused 1 "expected by turned.npy is float32[50,4]" \
    "$spacc" eval product.onnx --task error -i x.npy --expect turned.npy
refused 1 "expected by wide.onnx is float32[40,6]" \
    "$spacc" eval product.onnx --task error -i x.npy --against wide.onnx
refused 1 "product.onnx has 1 outputs, --against step.onnx has 3" \
    "$spacc" eval product.onnx --task error -i x.npy --against step.onnx
make lstm thin.onnx --inputs 8 --hidden 1 --frame
refused 1 "has rows of 1, task agree wants 2 scores or more" \
    "$spacc" eval thin.onnx --task agree -i frames.npy --against thin.onnx -q
refused 1 "nan.npy: score 0 of row 0 is not a number" \
    "$spacc" eval product.onnx --task agree -i x.npy --expect nan.npy
refused 1 "nan.npy: number 0 of output y is not one" \
    "$spacc" eval product.onnx --task decide -i x.npy --expect nan.npy
refused 1 "has no signal" "$spacc" eval product.onnx --task si-sdr -i x.npy --expect zero.npy
refused 1 "no output 'w' in product.onnx, which has y" \
    "$spacc" eval product.onnx --task agree -i x.npy --expect w=other.npy
refused 1 "one output too many" \
    "$spacc" eval product.onnx --task agree -i x.npy --expect other.npy --expect other.npy
refused 1 "--of w: product.onnx has no such output" \
    "$spacc" eval product.onnx --task agree -i x.npy --expect other.npy --of w

# char-lm by the metadata of the model, as --metric of run has it.
demo=$source/models/demo
ok "$spacc" eval "$demo/charlm.onnx" -i "$demo/heldout.npy" --json
cp out.txt eval.json
ok "$spacc" run "$demo/charlm.onnx" -i "$demo/heldout.npy" --metric --json
json 'r["metric"] == json.load(open("eval.json"))["metric"] and r["metric"]["count"] == 1999'
json '1 < r["metric"]["value"] < 2.5'
refused 1 "metric char-lm wants chars int64 [T,1]" \
    "$spacc" eval product.onnx --task char-lm -i x.npy

refused 1 "--task fly: not one of char-lm, classify, agree, decide, si-sdr, error" \
    "$spacc" eval product.onnx --task fly -i x.npy
refused 1 "product.onnx: the file names no task (metadata spacc.task)" \
    "$spacc" eval product.onnx -i x.npy
refused 2 "--expect and --against: one of them" \
    "$spacc" eval product.onnx --task error --expect a --against b
refused 2 "--threshold x: not a number" "$spacc" eval product.onnx --threshold x
refused 2 "--bank-size needs --sparsity" "$spacc" eval product.onnx --bank-size 4
ok "$spacc" eval --help
says "  si-sdr "
finish
