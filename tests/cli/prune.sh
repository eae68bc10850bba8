# spacc prune: what it writes is balanced, plain ONNX; what it cannot prune it says.
. "$2/tests/cli/lib.sh"

make lstm lstm.onnx --inputs 24 --hidden 32 --layers 2
make gru gru.onnx --inputs 20 --hidden 16
make matmul matmul.onnx --inputs 64 --hidden 10
make gemm gemm.onnx --inputs 64 --hidden 10
make unknown none.onnx

ok "$spacc" prune lstm.onnx -o out.onnx --sparsity 0.75 --bank-size 8 --json
json 'len(r["matrices"]) == 4 and all(abs(m["sparsity"] - 0.75) < 1e-9 for m in r["matrices"])'
json 'all(0.25 < m["energy_kept"] < 1 for m in r["matrices"])'
json 'all(m["padding"] == 0 for m in r["matrices"])'
ok "$spacc" inspect out.onnx --json
json 'all(m["banks"][0] == {"bank_size": 8, "k": 2, "balanced": True} for m in r["matrices"])'
json 'all(abs(m["sparsity"] - 0.75) < 1e-9 for m in r["matrices"])'
ok "$spacc" inspect out.onnx
says "spacc.sparsity = 0.75"
says "spacc.bank_size = 8"
says "spacc.method = magnitude"

# 20 columns in banks of 16: the last bank lacks 12, and keeps what it can.
ok "$spacc" prune gru.onnx -o out.onnx --sparsity 0.75 --json
json '[m["padding"] for m in r["matrices"]] == [12, 0]'
json '[round(20 * (1 - m["sparsity"])) for m in r["matrices"]][0] == 8'
ok "$spacc" run out.onnx --dim T=4

# Both orientations of a product keep the same rows.
for model in matmul gemm; do
    ok "$spacc" prune $model.onnx -o out.onnx --sparsity 0.875
    says "87.50 %"
    ok "$spacc" inspect out.onnx --json
    json 'r["matrices"][0]["rows"] == 10 and r["matrices"][0]["columns"] == 64'
    json 'r["matrices"][0]["banks"][1] == {"bank_size": 16, "k": 2, "balanced": True}'
done

# Pruning twice changes no weight; sparsity 0 keeps every one.
ok "$spacc" prune out.onnx -o twice.onnx --sparsity 0.875
says "100.0 %"
ok "$spacc" prune twice.onnx -o thrice.onnx --sparsity 0.875
same twice.onnx thrice.onnx
ok "$spacc" run out.onnx -q -o a.npy
ok "$spacc" run twice.onnx -q -o b.npy
same a.npy b.npy
ok "$spacc" prune gemm.onnx -o same.onnx --sparsity 0 --json
json 'r["matrices"][0]["sparsity"] == 0 and r["matrices"][0]["energy_kept"] == 1'

# A matrix with fewer columns than a bank stays as it is; one model of only those is refused.
make lstm narrow.onnx --inputs 8 --hidden 16
ok "$spacc" prune narrow.onnx -o out.onnx --sparsity 0.5
says "skipped: 8 columns are less than a bank of 16"
ok "$spacc" prune narrow.onnx -o out.onnx --sparsity 0.5 --json
json '[("skipped" in m, m.get("sparsity")) for m in r["matrices"]] == [(True, None), (False, 0.5)]'
refused 1 "narrow.onnx: nothing to prune: node lstm_0, the first of 2 matrices: 8 columns are less than a bank of 32" \
    "$spacc" prune narrow.onnx -o out2.onnx --sparsity 0.5 --bank-size 32
absent out2.onnx

# Dual ratio: R has a share of its own.
ok "$spacc" prune lstm.onnx -o out.onnx --sparsity 0.5 --sparsity-h 0.75 --bank-size 8 --json
json '[(m["weights"], m["k"], m["sparsity"]) for m in r["matrices"]] == [("W", 4, 0.5), ("R", 2, 0.75)] * 2'

# Calibrated: wanda and obs have errors below that of magnitude, obs the least by far.
make npy x.npy --shape 200,1,24
for method in magnitude wanda obs; do
    ok "$spacc" prune lstm.onnx -o $method.onnx -q --sparsity 0.5 --bank-size 8 \
        --method $method --calibrate x.npy --json
    cp out.txt $method.json
    json 'r["requests"] == 1 and all(m["samples"] == 200 for m in r["matrices"])'
    json 'all(m["k"] == 4 and 0.499 < m["sparsity"] <= 0.51 for m in r["matrices"])'
    ok "$spacc" inspect $method.onnx
    says "spacc.method = $method"
    says "spacc.metadata = 1"
    says "spacc.pruned = [{\"node\":\"lstm_0\",\"weights\":\"W\",\"rows\":128,\"cols\":24,"
done
cp obs.json out.txt
json '[m["error"] < n["error"] for m, n in zip(r["matrices"], json.load(open("magnitude.json"))["matrices"])] == [True] * 4'
json 'r["outputs_error"] < json.load(open("magnitude.json"))["outputs_error"]'
ok "$spacc" prune lstm.onnx -o again.onnx -q --sparsity 0.5 --bank-size 8 --method obs --calibrate x.npy
same obs.onnx again.onnx
make npy few.npy --shape 12,1,24
ok "$spacc" prune lstm.onnx -o out.onnx -q --sparsity 0.5 --method obs --calibrate few.npy --bank-size 8
says "note: lstm_0 W: 12 samples for 24 columns: the Hessian is singular, damped by 0.01 of its mean"

# A stream, its states fed back: a request a frame.
make lstm step.onnx --inputs 24 --hidden 32 --frame
make npy frames.npy --shape 40,1,1,24
ok "$spacc" prune step.onnx -o out.onnx --sparsity 0.5 --method obs --calibrate frames.npy --json
complains "state h0_in takes h0_out of the frame before"
json 'r["requests"] == 40 and all(m["samples"] == 40 for m in r["matrices"])'
ok "$spacc" prune step.onnx -o out.onnx --sparsity 0.5 --method obs --calibrate frames.npy --frames 30 --json
json 'r["requests"] == 30'

# One budget for all: at most that many weights stay, and the outputs lose no more than when
# every matrix has the same share.
ok "$spacc" prune lstm.onnx -o out.onnx -q --sparsity 0.75 --method wanda --calibrate x.npy --allocate sensitivity --json
json 'sum(m["rows"] * m["columns"] * (1 - m["sparsity"]) for m in r["matrices"]) <= 0.25 * sum(m["rows"] * m["columns"] for m in r["matrices"])'
json 'r["taken"] == ("uniform" if r["loss_uniform"] < r["loss_by_sensitivity"] else "sensitivity")'
json 'r["outputs_error"] == min(r["loss_uniform"], r["loss_by_sensitivity"])'
json '(r["taken"] == "uniform") == (len({m["k"] for m in r["matrices"]}) == 1)'
cp out.txt won.json
ok "$spacc" prune lstm.onnx -o out.onnx -q --sparsity 0.75 --method wanda --calibrate x.npy --json
json 'r["outputs_error"] == json.load(open("won.json"))["loss_uniform"]'
refused 1 "sparsity 0.99 leaves" "$spacc" prune lstm.onnx -o out2.onnx -q --sparsity 0.99 --method wanda --calibrate x.npy --allocate sensitivity
absent out2.onnx

# Hidden units in another order: the same outputs, and more is kept. The last layer hands its
# own to the model's output.
ok "$spacc" prune lstm.onnx -o out.onnx -q --sparsity 0.75 --bank-size 8 --permute --json
json '[p.get("skipped") for p in r["permuted"]] == [None, "y1 is an output of the model"]'
json 'r["permuted"][0]["after"] > r["permuted"][0]["before"]'
ok "$spacc" prune lstm.onnx -o out.onnx -q --sparsity 0.75 --bank-size 8 --permute
says "LSTM lstm_0: 32 units renumbered: banks keep"
says "LSTM lstm_1: not renumbered: y1 is an output of the model"
ok "$spacc" prune gemm.onnx -o out.onnx --sparsity 0.5 --permute
says "no layer to renumber"

# 2:4 models: half of every bank that 4 divides, so pruning to that loses nothing, and they run
# and pack as they are.
ok "$spacc" prune lstm.onnx -o nm.onnx --sparsity 0.5 --bank-size 4
ok "$spacc" run nm.onnx -q --input x.npy -o a.npy
ok "$spacc" prune nm.onnx -o nm8.onnx --sparsity 0.5 --bank-size 8 --json
json 'all(m["energy_kept"] == 1 and m["k"] == 4 for m in r["matrices"])'
ok "$spacc" run nm8.onnx -q --input x.npy -o b.npy
same a.npy b.npy
ok "$spacc" pack nm.onnx -o nm.safetensors -q --input x.npy
ok "$spacc" inspect nm.safetensors --json
json 'all(p["k"] <= max(2, p["bank_size"] // 2) for l in r["layers"] for p in (l["x"], l["h"]))'
ok "$spacc" run nm.onnx -q --input x.npy --precision int16 -o a.npy
ok "$spacc" run nm.safetensors -q --input x.npy -o b.npy
same a.npy b.npy

# The packed file with it: the same as packing afterwards.
ok "$spacc" prune lstm.onnx -o p.onnx -q --sparsity 0.5 --method obs --precision int8 --calibrate x.npy --bank-size 8 --pack p.safetensors
ok "$spacc" pack p.onnx -o q.safetensors -q --precision int8 --input x.npy
same p.safetensors q.safetensors
ok "$spacc" run p.safetensors -q --input x.npy
echo precious >keep.safetensors
refused 1 "nowhere" "$spacc" prune lstm.onnx -o gone.onnx -q --sparsity 0.5 --calibrate x.npy --bank-size 8 --pack nowhere/p.safetensors
absent gone.onnx

# Inputs that are always zero or not finite; metadata of a newer version.
python3 - <<'END'
import struct
data = open("x.npy", "rb").read()
at = 10 + struct.unpack("<H", data[8:10])[0]
open("zero.npy", "wb").write(data[:at] + bytes(len(data) - at))
open("nan.npy", "wb").write(data[:at + 20] + struct.pack("<f", float("nan")) + data[at + 24:])
new = open("obs.onnx", "rb").read().replace(b"spacc.metadata\x12\x011", b"spacc.metadata\x12\x012")
open("new.onnx", "wb").write(new)
END
ok "$spacc" prune lstm.onnx -o out.onnx -q --sparsity 0.5 --method obs --calibrate zero.npy --bank-size 8
says "note: lstm_0 W: 24 of 24 columns were zero in every sample"
refused 1 "lstm.onnx: node lstm_0: its inputs: sample 0, column 5 is nan, not finite" \
    "$spacc" prune lstm.onnx -o out2.onnx -q --sparsity 0.5 --method obs --calibrate nan.npy --bank-size 8
for command in "prune -o out2.onnx --sparsity 0.5" "pack -o out2.safetensors" inspect run; do
    # shellcheck disable=SC2086
    refused 1 "new.onnx: metadata version 2, this program knows 1" "$spacc" $command new.onnx
done
absent out2.onnx out2.safetensors

# Calibration data that does not fit.
make npy wrong.npy --shape 5,1,23
make npy one.npy --shape 1,1,24
refused 1 "input x: has float32[5,1,23], the model wants float32[T,1,24]" \
    "$spacc" prune lstm.onnx -o out2.onnx -q --sparsity 0.5 --method obs --calibrate wrong.npy
refused 1 "lstm.onnx: node lstm_0: 1 sample to calibrate by, 2 or more are needed" \
    "$spacc" prune lstm.onnx -o out2.onnx -q --sparsity 0.5 --method wanda --calibrate one.npy
refused 1 "no input 'y' in lstm.onnx" \
    "$spacc" prune lstm.onnx -o out2.onnx -q --sparsity 0.5 --method wanda --calibrate y=x.npy
refused 1 "absent.npy" "$spacc" prune lstm.onnx -o out2.onnx -q --sparsity 0.5 --method wanda --calibrate absent.npy
absent out2.onnx

# Refusals leave an old file alone.
echo precious >keep.onnx
refused 1 "choose 0.75 or 0.8125, or a bank size of 20" \
    "$spacc" prune lstm.onnx -o keep.onnx --sparsity 0.8
refused 1 "none.onnx" "$spacc" prune none.onnx -o keep.onnx --sparsity 0.5
make lstm nan.onnx --nan --inputs 16
refused 1 "nan.onnx: node lstm_0: W" "$spacc" prune nan.onnx -o keep.onnx --sparsity 0.5
make matmul nanb.onnx --nan --inputs 16
refused 1 "nanb.onnx: node product: B" "$spacc" prune nanb.onnx -o keep.onnx --sparsity 0.5
head -c 500 lstm.onnx >short.onnx
refused 1 "short.onnx" "$spacc" prune short.onnx -o keep.onnx --sparsity 0.5
holds keep.onnx precious
refused 1 "nowhere" "$spacc" prune lstm.onnx -o nowhere/out.onnx --sparsity 0.5
[ "$(ls | grep -c tmp)" -eq 0 ] || bad "temporary files are left: $(ls)"
finish
