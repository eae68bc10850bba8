# --seernet of spacc run, bench, plan and eval: what is chosen, what it is worth, what is refused.
. "$2/tests/cli/lib.sh"

export XDG_CACHE_HOME="$work/cache"
make conv m.onnx --inputs 3 --hidden 16 --layers 3
make matmul p.onnx --inputs 8 --hidden 5
make lstm lstm.onnx --inputs 8 --hidden 16
make npy x.npy --shape 1,3,12,12
make npy frames.npy --shape 4,1,3,12,12
ok "$spacc" run -q m.onnx -i x.npy --json -o dense.npy

# Always: every convolution; exact gives the same zeros, and results that differ by rounding.
ok "$spacc" run -q m.onnx -i x.npy --seernet exact,always --verify --json -o exact.npy
json 'r["seernet"]["bits"] == "exact" and r["seernet"]["always"] and r["seernet"]["frames"] == 1'
json '[l["name"] for l in r["seernet"]["layers"]] == ["conv_0", "conv_1", "conv_2"]'
json 'all(l["with"] == "Relu" and l["taken"] and l["reason"] == "asked for" for l in r["seernet"]["layers"])'
json 'all(l["precision"] == l["recall"] == l["accuracy"] == 1 for l in r["seernet"]["layers"])'
json 'all(0 < l["zeros"] == l["predicted"] < 1 for l in r["seernet"]["layers"])'
json 'all(l["dense_us"] > 0 and 0 < l["mask_us"] < l["seernet_us"] for l in r["seernet"]["layers"])'
json 'r["seernet"]["max_error"] < 1e-5 and r["seernet"]["taken"] == 3'
json 'r["outputs"][0]["max_error"] < 1e-5 and node("conv_1")["kernel"] == "seernet"'
ok "$spacc" run -q m.onnx -i x.npy --seernet exact,always --cpu-threads 2 -o two.npy
same exact.npy two.npy
says "seernet, exact, always: 3 of 3 layers; a run takes "
says "accuracy %"
says "conv_1                   Relu"

# Few bits are worse than many, and told.
ok "$spacc" run -q m.onnx -i x.npy --seernet 2,always --json
json 'r["seernet"]["bits"] == "2 bits" and r["seernet"]["max_error"] > 0'
json 'r["seernet"]["layers"][0]["accuracy"] < 1 and r["seernet"]["layers"][0]["recall"] < 1'
cp out.txt two.txt
ok "$spacc" run -q m.onnx -i x.npy --seernet 8,always --json
json 'r["seernet"]["snr_db"] > json.load(open("two.txt"))["seernet"]["snr_db"]'
json 'all(l["accuracy"] > 0.9 for l in r["seernet"]["layers"])'

# Chosen by what was measured: both figures are there, and say what was done.
for what in "run -q" "plan -q" "bench -q --runs 5"; do
    # shellcheck disable=SC2086
    ok "$spacc" $what m.onnx -i x.npy --seernet 4 --json
    json 'len(r["seernet"]["layers"]) == 3 and not r["seernet"]["always"]'
    json 'all(l["dense_us"] > 0 and l["seernet_us"] > 0 for l in r["seernet"]["layers"])'
    json 'all(l["taken"] == (l["reason"] == "seernet pays") for l in r["seernet"]["layers"])'
    json 'all(l["seernet_us"] < l["dense_us"] for l in r["seernet"]["layers"] if l["taken"])'
    json 'r["seernet"]["taken"] == sum(l["taken"] for l in r["seernet"]["layers"])'
    json 'r["seernet"]["taken"] == 0 or r["seernet"]["seernet_us"] < r["seernet"]["dense_us"]'
    json 'r["seernet"]["taken"] > 0 or r["seernet"]["snr_db"] is None'
done
# What nobody chose changes no bit.
ok "$spacc" run -q m.onnx -i x.npy --seernet 4 --json -o chosen.npy
json 'r["seernet"]["taken"] > 0 or open("chosen.npy", "rb").read() == open("dense.npy", "rb").read()'
ok "$spacc" plan -q m.onnx -i x.npy --seernet 4
says "seernet, 4 bits: "
says " of 3 layers"
says "dense us"
ok "$spacc" bench -q m.onnx -i x.npy --runs 5 --seernet exact,always
says "seernet, exact, always: 3 of 3 layers"
json_kernels='sum(k["nodes"] for k in r["kernels"] if k["kernel"] == "seernet")'
ok "$spacc" bench -q m.onnx -i x.npy --runs 5 --seernet exact,always --json
json "$json_kernels == 6"
ok "$spacc" bench -q m.onnx -i x.npy --runs 5 --json
json "$json_kernels == 0 and 'seernet' not in r"

# Its effect on a task, against the model without.
ok "$spacc" eval -q m.onnx -i frames.npy --task error --against m.onnx --seernet 3,always --json
json 'r["seernet"]["frames"] == 4 and r["scores"]'
json 'all(s["value"] < 60 for s in r["scores"] if "dB" in s["name"])'
ok "$spacc" eval -q m.onnx -i frames.npy --task agree --against m.onnx --seernet exact,always --json
json 'r["scores"][0]["value"] > 0.99'
ok "$spacc" eval -q m.onnx -i frames.npy --task agree --against m.onnx --seernet 4,always
says "seernet, 4 bits, always: 3 of 3 layers"

# Beside a card, and a GPU: its layers are the CPU's.
ok "$spacc" run -q m.onnx -i x.npy --fpga model:4x4 --seernet 4,always --json
json 'r["seernet"]["taken"] == len(r["seernet"]["layers"])'
json 'all(node(l["name"])["device"] == "cpu" for l in r["seernet"]["layers"])'
if "$spacc" devices 2>/dev/null | grep -q '^0\.0 '; then
    ok "$spacc" run -q m.onnx -i x.npy --gpu 0.0 --device conv_1=gpu --device conv_2=cpu \
        --seernet exact,always --json -o mixed.npy
    json '"conv_1" not in [l["name"] for l in r["seernet"]["layers"]]'
    json '"conv_2" in [l["name"] for l in r["seernet"]["layers"]] and node("conv_1")["device"] == "gpu"'
fi

# A model without such layers runs dense, and is told so.
ok "$spacc" run -q p.onnx --seernet 4 --json
json 'r["seernet"]["layers"] == [] and r["seernet"]["taken"] == 0'
json 'any("seernet: no convolution on the CPU" in n for n in r["notes"])'
ok "$spacc" bench -q p.onnx --runs 5 --seernet 4
says "seernet, 4 bits: 0 of 0 layers"

# Weights that are not numbers run as they would.
make conv nan.onnx --inputs 3 --hidden 4 --nan
ok "$spacc" run -q nan.onnx -i x.npy --seernet 4,always --json
json 'r["seernet"]["layers"] == []'

# What it does not do is refused by name.
refused 1 "seernet with precision int8: its layers predict in few bits and compute in f32" \
    "$spacc" run -q m.onnx -i x.npy --seernet 4 --precision int8
refused 1 "seernet with precision int16" "$spacc" plan -q m.onnx --seernet 4 --precision int16
ok "$spacc" run -q m.onnx -i x.npy --seernet 4 --precision f16 --json
for value in 0 1 9 44 -4 x exac "" "4," 4,never always "exact,"; do
    for what in run plan bench eval; do
        refused 2 "--seernet $value: exact or 2 to 8 bits" "$spacc" $what m.onnx --seernet "$value"
    done
done
refused 2 "--seernet and --devices: one of them" "$spacc" bench m.onnx --seernet 4 --devices all

# Real models: exact changes nothing but rounding.
for model in resnet20_cifar/resnet20 ultraface_slim320/version-slim-320_simplified; do
    file=$source/../shared/models/$model.onnx
    if [ ! -e "$file" ]; then
        echo "skipped: no $file"
        continue
    fi
    ok "$spacc" run -q "$file" --seernet exact,always --verify --json
    json 'len(r["seernet"]["layers"]) >= 5 and all(o["snr_db"] > 80 for o in r["outputs"])'
    json 'all(l["accuracy"] == 1 for l in r["seernet"]["layers"])'
done
finish
