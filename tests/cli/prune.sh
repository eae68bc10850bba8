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

# Pruning twice changes nothing; sparsity 0 keeps every weight.
ok "$spacc" prune out.onnx -o twice.onnx --sparsity 0.875
same out.onnx twice.onnx
ok "$spacc" prune gemm.onnx -o same.onnx --sparsity 0 --json
json 'r["matrices"][0]["sparsity"] == 0 and r["matrices"][0]["energy_kept"] == 1'

# Refusals leave an old file alone.
echo precious >keep.onnx
refused 1 "choose 0.75 or 0.8125, or a bank size of 20" \
    "$spacc" prune lstm.onnx -o keep.onnx --sparsity 0.8
refused 1 "none.onnx" "$spacc" prune none.onnx -o keep.onnx --sparsity 0.5
make lstm nan.onnx --nan
refused 1 "nan.onnx: node lstm_0: W" "$spacc" prune nan.onnx -o keep.onnx --sparsity 0.5
make matmul nanb.onnx --nan
refused 1 "nanb.onnx: node product: B" "$spacc" prune nanb.onnx -o keep.onnx --sparsity 0.5
head -c 500 lstm.onnx >short.onnx
refused 1 "short.onnx" "$spacc" prune short.onnx -o keep.onnx --sparsity 0.5
holds keep.onnx precious
refused 1 "nowhere" "$spacc" prune lstm.onnx -o nowhere/out.onnx --sparsity 0.5
[ "$(ls | grep -c tmp)" -eq 0 ] || bad "temporary files are left: $(ls)"
finish
