# spacc bench: latency on the CPU engine, by kernel and node, and beside the reference.
. "$2/tests/cli/lib.sh"

make lstm step.onnx --inputs 8 --hidden 16 --layers 2 --frame
make lstm whole.onnx --inputs 8 --hidden 16
make matmul product.onnx --inputs 8 --hidden 5
make npy x.npy --shape 6,1,8
make npy frames.npy --shape 6,1,1,8

ok "$spacc" bench whole.onnx --dim T=6 --seed 7 --runs 9
complains "input x: random float32[6,1,8], seed 7"
says "whole.onnx on the CPU engine, 1 thread, "
says "; 9 runs"
says "lstm_0"
says "100.0%"

# Numbers that can be right only together.
ok "$spacc" bench whole.onnx --input x.npy --runs 20 --json --quiet
[ ! -s err.txt ] || bad "--quiet is not quiet"
json 'r["model"] == "whole.onnx" and r["threads"] == 1 and r["runs"] == 20 and "reference" not in r'
json '0 < r["us"]["p5"] <= r["us"]["median"] <= r["us"]["p95"]'
json '[(n["name"], n["op"]) for n in r["nodes"]] == [("lstm_0", "LSTM")]'
json 'sum(k["nodes"] for k in r["kernels"]) == 1'
json 'math.isclose(sum(k["us"] for k in r["kernels"]), sum(n["us"] for n in r["nodes"]))'
json 'sum(n["us"] for n in r["nodes"]) < 20 * r["us"]["p95"]'

# As many runs as take a second, five at least; a state begins at zero, a stream is one frame.
ok "$spacc" bench step.onnx --input frames.npy --json
json 'r["runs"] >= 5 and (r["runs"] == 5 or r["runs"] * r["us"]["p5"] < 5e6)'
complains "state h0_in: starts at zero"
complains "input x: the first frame"

# Beside the reference, on threads: nearly the same, and not compared with itself.
ok "$spacc" bench step.onnx --compare reference --cpu-threads 2 --runs 8 --json
json 'r["threads"] == 2 and r["reference"]["us"]["p5"] > 0 and r["reference"]["ratio"] > 0'
json '0 < r["reference"]["difference"] < 1e-4 and 0 < r["reference"]["differ"] <= 80'
ok "$spacc" bench product.onnx --dim N=3 --compare reference --runs 8
says "reference / engine, paired: "
says "largest difference "

# Scalar code is chosen by the environment, and told.
ok env SPACC_CPU=scalar "$spacc" bench whole.onnx --runs 1
says "whole.onnx on the CPU engine, 1 thread, scalar; 1 run"
refused 1 "abacus" env SPACC_CPU=abacus "$spacc" bench whole.onnx --runs 1 --quiet

# What cannot be measured.
make npy long.npy --shape 6,1,9
refused 1 "float32[6,1,9]" "$spacc" bench whole.onnx --input long.npy
complains "whole.onnx"
refused 1 "absent.onnx" "$spacc" bench absent.onnx
make unknown odd.onnx
refused 1 "odd_one" "$spacc" bench odd.onnx
refused 1 "m.safetensors: a packed model; bench runs ONNX models on the CPU engine" \
    "$spacc" bench m.safetensors
refused 1 "no input 'w' in whole.onnx, which has x" "$spacc" bench whole.onnx --input w=x.npy
make npy none.npy --shape 0,1,1,8
refused 1 "step.onnx: input x: no first frame" "$spacc" bench step.onnx --input none.npy --quiet
for value in 0 -1 x 1000001; do
    refused 2 "--runs $value: not a number in range" "$spacc" bench m.onnx --runs $value
done
for value in 0 257 x; do
    refused 2 "--cpu-threads $value" "$spacc" bench m.onnx --cpu-threads $value
done
refused 2 "--compare speed: only with reference" "$spacc" bench m.onnx --compare speed
refused 2 "--dim T: wants NAME=N" "$spacc" bench m.onnx --dim T
refused 2 "MODEL is missing" "$spacc" bench
finish
