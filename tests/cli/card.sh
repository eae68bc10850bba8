# spacc run on the simulated card: numbers, reports, and everything that can go wrong.
. "$2/tests/cli/lib.sh"
need_sim

make lstm lstm.onnx --inputs 8 --hidden 16
make gru gru.onnx --inputs 8 --hidden 16
make lstm step.onnx --inputs 8 --hidden 16 --frame
make npy x.npy --shape 12,1,8
make npy frames.npy --shape 12,1,1,8

# int16 is closer to the reference than int8; both say where every cycle went.
for bits in 16 8; do
    ok "$spacc" run lstm.onnx --input x.npy --fpga sim:4x4 --precision int$bits --verify --json
    json 'node("lstm_0")["device"] == "card" and node("lstm_0")["reason"]'
    json "node('lstm_0')['weight_bits'] == $bits and node('lstm_0')['steps'] == 12"
    json "node('lstm_0')['snr_db'] > {16: 55, 8: 30}[$bits]"
    json "r['outputs'][0]['snr_db'] > {16: 55, 8: 30}[$bits]"
    json 'sum(node("lstm_0")["causes"].values()) == node("lstm_0")["cycles"] > 0'
    json 'node("lstm_0")["rows"] == 64 and node("lstm_0")["columns"] == 24'
    json 'node("lstm_0")["nonzeros"] <= 64 * 24 and 0 < node("lstm_0")["utilisation"] <= 1'
    json 'abs(node("lstm_0")["card_us"] - node("lstm_0")["cycles"] / 200) < 1'
    json 'r["pes"] == 4 and r["lanes"] == 4 and r["clock_hz"] == 200e6'
done
ok "$spacc" run gru.onnx --input x.npy --fpga sim:8x8 --precision int8 --verify --json
json 'node("gru_0")["device"] == "card" and node("gru_0")["snr_db"] > 25'
# Rows that share their columns: pruned together they take no more positions; if not, they do.
ok "$spacc" run lstm.onnx --input x.npy --fpga sim:16x16s --verify --json
json 'node("lstm_0")["snr_db"] > 55 and r["outputs"][0]["snr_db"] > 55'
make lstm wide.onnx --inputs 64 --hidden 64
ok "$spacc" run wide.onnx --dim T=6 --fpga sim:16x16s --sparsity 0.75 --verify --json
json '(node("lstm_0")["k_x"], node("lstm_0")["k_h"]) == (1, 1) and node("lstm_0")["snr_db"] > 55'
json 'any("share their columns" in n for n in r["notes"])'
cp out.txt together.json
ok "$spacc" prune wide.onnx --sparsity 0.75 --bank-size 4 -o alone.onnx
ok "$spacc" run alone.onnx --dim T=6 --fpga sim:16x16s --verify --json
json '(node("lstm_0")["k_x"], node("lstm_0")["k_h"]) > (2, 2) and node("lstm_0")["snr_db"] > 55'
json 'node("lstm_0")["cycles"] > json.load(open("together.json"))["nodes"][0]["cycles"]'
# Two products a multiplier: x and h of 12 bits, int8, and its own bits on the CPU.
ok "$spacc" run wide.onnx --dim T=6 --fpga sim:16x16p --verify --json
json 'node("lstm_0")["weight_bits"] == 8 and 25 < node("lstm_0")["snr_db"]'
json 'any("rounded to 12 bits" in n for n in r["notes"])'
refused 1 "multiplies 8-bit weights" "$spacc" run lstm.onnx -q --input x.npy --fpga sim:16x16p --precision int16
refused 1 "x and h of 12 bits" "$spacc" pack wide.onnx -q --dim T=6 --fpga sim:16x16p --precision int8 -o no.safetensors

ok "$spacc" run lstm.onnx --input x.npy --fpga sim --verify
says "lstm.onnx on sim"
says "16 PEs x 16 lanes"
says "against the float reference"
says "which device ran what, and why"
awk 'length > 110' out.txt | grep -q . && bad "the report is wider than 110 columns"

# The same bits on every array, whole or frame by frame, under random stalls.
ok "$spacc" run lstm.onnx --input x.npy --fpga sim:4x4 -o a.npy --json
cp out.txt calm.json
ok "$spacc" run lstm.onnx --input x.npy --fpga sim:16x16 -o b.npy
same a.npy b.npy
ok "$spacc" run lstm.onnx --input x.npy --fpga sim:4x4 --sim-stall 300 -o b.npy --json
same a.npy b.npy
json 'r["run_cycles"] > json.load(open("calm.json"))["run_cycles"]'
ok "$spacc" run step.onnx --input frames.npy --fpga sim:4x4 -o b.npy --verify --json
json 'node("lstm_0")["calls"] >= 12 and r["outputs"][0]["snr_db"] > 50'

# Pruned on the way: a quarter of the weights, fewer cycles.
ok "$spacc" run lstm.onnx --input x.npy --fpga sim:4x4 --sparsity 0.5 --json --trace t.json
json 'abs(node("lstm_0")["sparsity"] - 0.5) < 0.01'
json 'node("lstm_0")["causes"]["issue"] < [n for n in json.load(open("calm.json"))["nodes"] if n["name"] == "lstm_0"][0]["causes"]["issue"]'
json 'any(e["ph"] == "X" and e["args"].get("cycles") == node("lstm_0")["cycles"] for e in json.load(open("t.json"))["traceEvents"])'

# A waveform.
run "$spacc" run lstm.onnx --input x.npy --fpga sim:4x4 --vcd wave.fst
if [ "$status" -eq 0 ]; then
    [ -s wave.fst ] || bad "the waveform is empty"
else
    complains "trac"
fi

# What the card cannot do, with both sides.
echo precious >keep.npy
refused 1 "f32" "$spacc" run lstm.onnx -q --input x.npy --fpga sim --precision f32 -o keep.npy
refused 1 "16" "$spacc" run lstm.onnx -q --input x.npy --fpga sim:8x8 --precision int16 -o keep.npy
refused 1 "sim:3x3" "$spacc" run lstm.onnx -q --input x.npy --fpga sim:3x3 -o keep.npy
make lstm nan.onnx --inputs 8 --hidden 16 --nan
refused 1 "lstm_0" "$spacc" run nan.onnx -q --input x.npy --fpga sim -o keep.npy
refused 1 "sparsity 0.8 of a bank of 8" \
    "$spacc" run lstm.onnx -q --input x.npy --fpga sim:4x4 --sparsity 0.8 --bank-size 8 -o keep.npy
make lstm large.onnx --inputs 64 --hidden 1024
refused 1 "large.onnx" "$spacc" run large.onnx -q --dim T=2 --fpga sim:4x4 -o keep.npy
complains "the card has 512"
refused 1 "lstm.onnx: sim card: not done after 1 us" "$spacc" run lstm.onnx -q --input x.npy --fpga sim:4x4 --time-limit 1 -o keep.npy

# A card that is not ours, or that stops answering (SPACC_SIM_FAULT is for these tests).
for fault in identity no-lite no-read no-write slverr; do
    export SPACC_SIM_FAULT=$fault
    refused 1 "card" "$spacc" run lstm.onnx -q --input x.npy --fpga sim:4x4 \
        --time-limit 20000 -o keep.npy
done
SPACC_SIM_FAULT=identity
refused 1 "deadbeef" "$spacc" run lstm.onnx -q --input x.npy --fpga sim:4x4 -o keep.npy
SPACC_SIM_FAULT=rain
refused 1 "SPACC_SIM_FAULT" "$spacc" run lstm.onnx -q --input x.npy --fpga sim:4x4 -o keep.npy
unset SPACC_SIM_FAULT
holds keep.npy precious
[ "$(ls | grep -c tmp)" -eq 0 ] || bad "temporary files are left: $(ls)"
finish
