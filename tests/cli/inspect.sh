# spacc inspect, ops and devices.
. "$2/tests/cli/lib.sh"

make lstm lstm.onnx --inputs 24 --hidden 32
ok "$spacc" inspect lstm.onnx
says "lstm.onnx: ONNX, opset 14, IR version 8"
says "float32[T,1,24]"
says "lstm_0                   W             128      24    0.00 %   =8  =16  =24  =24      12288"
ok "$spacc" inspect lstm.onnx --json
json 'r["opset"] == 14 and r["nodes"] == 1 and r["inputs"] == [{"name": "x", "type": "float32[T,1,24]"}]'
json '[(m["rows"], m["columns"]) for m in r["matrices"]] == [(128, 24), (128, 32)]'
# 128 rows, 2 banks of 16 (24 columns), k 16: value and index a weight, a scale a row.
json 'r["matrices"][0]["bytes_csb_int8"] == 128 * 2 * 16 * 2 + 128 * 4'
json 'r["matrices"][0]["bytes_csb_int16"] == 128 * 2 * 16 * 3 + 128 * 4'
make lstm nan.onnx --nan
ok "$spacc" inspect nan.onnx
says "not finite"
refused 1 "absent.onnx" "$spacc" inspect absent.onnx
printf 'not a model' >odd.onnx
refused 1 "odd.onnx" "$spacc" inspect odd.onnx
printf 'not a packed model' >odd.safetensors
refused 1 "odd.safetensors" "$spacc" inspect odd.safetensors
: >empty.onnx
refused 1 "empty.onnx" "$spacc" inspect empty.onnx
refused 1 "." "$spacc" inspect .

# On a board: does it fit, at which clock, how long. The cycles are those that the card of that
# board counts; they are not in this file, so that an RTL that gets faster does not fail here.
ok "$spacc" inspect --board kv260 --dim T=10 lstm.onnx
says "card     fits the part"
says "model    fits the card"
says "clock    200 MHz, assumed"
says "latency  "
ok "$spacc" predict lstm.onnx --fpga model:kv260 --dim T=10 --json --quiet
cp out.txt predicted.json
ok "$spacc" inspect --board kv260 --dim T=10 lstm.onnx --json
json 'r["fits"] and r["card_fits"] and r["model_fits"] and r["clock_mhz"] == 200'
json 'r["cycles"] == json.load(open("predicted.json"))["run_cycles"] > 0'
json 'r["latency_us"] == r["cycles"] / 200 and r["layers"][0]["steps"] == 10'
json '0.8 * 32 * 16 <= r["resources"]["dsp"]["estimate"] <= r["resources"]["dsp"]["capacity"]'
cp out.txt dense.json
ok "$spacc" inspect --board kv260 --dim T=10 --sparsity 0.75 lstm.onnx --json
json 'r["cycles"] <= json.load(open("dense.json"))["cycles"]'
# A longer sequence takes longer; PEs that are no power of two.
ok "$spacc" inspect --board ulx3s lstm.onnx --json
cp out.txt short.json
ok "$spacc" inspect --board ulx3s --dim T=40 lstm.onnx --json
json 'r["cycles"] > 5 * json.load(open("short.json"))["cycles"]'
# The micro card of the UP5K, which fits, and on which 10 steps take a tenth of a second or less.
ok "$spacc" inspect --board icebreaker --dim T=10 lstm.onnx --json
json 'r["fits"] and r["clock_mhz"] == 12 and 1000 < r["latency_us"] < 1e5'
# Answers, not failures: too large for the card, nothing for a card.
make lstm wide.onnx --inputs 24 --hidden 600
ok "$spacc" inspect --board ulx3s wide.onnx --json
json 'not r["fits"] and not r["model_fits"] and r["card_fits"] and "node lstm_0" in r["why_not"]'
ok "$spacc" inspect --board ulx3s wide.onnx
says "model    node lstm_0: needs"
refused 2 "--board nowhere: no such board; there are icebreaker, ulx3s, arty-a7-100t, pynq-z2, kv260, u50" \
    "$spacc" inspect --board nowhere lstm.onnx
refused 1 "absent.onnx" "$spacc" inspect --board kv260 absent.onnx
refused 1 "odd.onnx" "$spacc" inspect --board kv260 odd.onnx
refused 2 "--dim T: wants NAME=N" "$spacc" inspect --board kv260 --dim T lstm.onnx
refused 2 "need --board" "$spacc" inspect --dim T=4 lstm.onnx

# Every line of the operator list, and only those four on the card.
ok "$spacc" ops --json
json "len(r) == $(grep -c '^SPACC_OP(' "$source/models/ops.def")"
json '[o["op"] for o in r if o["card"]] == ["LSTM", "GRU", "MatMul", "Gemm"]'
ok "$spacc" ops
says "LSTM                        7-21   yes"
ok "$spacc" ops --markdown
says "| Relu | 6-21 |  |  |"

ok env SPACC_CPU=scalar "$spacc" devices
says " cores, scalar"
says "cpu  "
ok env SPACC_CPU=scalar "$spacc" devices --json
json 'r["cpu"]["cores"] >= 1 and r["cpu"]["features"] == "scalar"'
json 'r["cpu"]["cores"] >= 1 and r["cpu"]["name"]'
json 'all(g["which"] and g["name"] and g["units"] > 0 for g in r["opencl"])'
ok env -u XILINX_XRT -u SPACC_XRT_LIB SPACC_MMIO_ROOT=/nonexistent OCL_ICD_VENDORS=/nonexistent "$spacc" devices # no driver: no device, no error
says "no OpenCL device"
ok env -u XILINX_XRT -u SPACC_XRT_LIB SPACC_MMIO_ROOT=/nonexistent OCL_ICD_VENDORS=/nonexistent "$spacc" devices --json
json 'r["opencl"] == []'
json '{"opencl": "no OpenCL device here", "mmio": "no UIO device is called spacc"}.items() <= {c["name"]: c["note"] for c in r["no_cards"]}.items()'
if [ "$sim" = 1 ]; then
    json '[(c["name"], c["pes"], c["lanes"]) for c in sorted(r["cards"], key=lambda c: c["pes"])] == [("sim:4x4", 4, 4), ("sim:8x8", 8, 8), ("sim:16x16", 16, 16), ("sim:16x16s", 16, 16), ("sim:16x16p", 16, 16), ("sim:128x32", 128, 32)]'
    json '[c["weight_bits"] for c in r["cards"] if c["name"] == "sim:8x8"] == [8]'
    json '[(c["shared_rows"], c["act_bits"]) for c in r["cards"] if c["name"] == "sim:16x16p"] == [(4, 12)]'
else
    json 'r["cards"] == []'
fi

# What pruning took and rounding would take, against plain Python: a product with the identity
# gives the weights.
PYTHONPATH=$source/tests/cli
PYTHONDONTWRITEBYTECODE=1
export PYTHONPATH PYTHONDONTWRITEBYTECODE
make matmul dense.onnx --inputs 32 --hidden 6
make matmul small.onnx --inputs 8 --hidden 6
ok "$spacc" prune dense.onnx -o half.onnx --sparsity 0.5 --bank-size 4
python3 - <<'END' || bad "identity"
from arrays import *
write("eye.npy", [float(i == j) for i in range(32) for j in range(32)], (32, 32))
END
ok "$spacc" run dense.onnx -i eye.npy -o dense.npy -q
ok "$spacc" run half.onnx -i eye.npy -o half.npy -q
cat >weights.py <<'END'
from arrays import *
import math
before, after = (read(f)[0] for f in ("dense.npy", "half.npy"))
kept = sum(b * b for a, b in zip(after, before) if a) / sum(b * b for b in before)
def sqnr(most):
    noise = signal = 0
    for row in range(6):
        w = after[row::6]
        part, power = math.frexp(max(abs(x) for x in w) / most)
        step = math.ceil(part * 2**15) * 2.0 ** (power - 15)  # what a multiplier can do
        signal += sum(x * x for x in w)
        noise += sum((x - round(x / step) * step) ** 2 for x in w)
    return 10 * math.log10(signal / noise)
END
ok "$spacc" inspect half.onnx --against dense.onnx --json
json '(exec(open("weights.py").read(), globals()), abs(r["matrices"][0]["energy_kept"] - kept) < 1e-6)[1]'
json '(exec(open("weights.py").read(), globals()), abs(r["matrices"][0]["sqnr_int8_db"] - sqnr(127)) < 1e-4)[1]'
json '(exec(open("weights.py").read(), globals()), abs(r["matrices"][0]["sqnr_int16_db"] - sqnr(32767)) < 1e-4)[1]'
json '0.5 < r["matrices"][0]["energy_kept"] < 1 and r["matrices"][0]["pattern"] == "2:4"'
ok "$spacc" inspect dense.onnx --json
json 'r["matrices"][0]["pattern"] is None and r["matrices"][0]["sqnr_int8_db"] > 35'
ok "$spacc" inspect half.onnx --against dense.onnx
says "    2:4 "
refused 1 "--against small.onnx: weights B of node" "$spacc" inspect half.onnx --against small.onnx
complains "are 6 x 8 there, 6 x 32 here"
refused 1 "--against lstm.onnx: no weights B of node" "$spacc" inspect half.onnx --against lstm.onnx
refused 1 "absent.onnx" "$spacc" inspect half.onnx --against absent.onnx
refused 2 "--against is for ONNX files, without --board" \
    "$spacc" inspect half.onnx --against dense.onnx --board kv260
finish
