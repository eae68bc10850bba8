# spacc plan: tables, files, pins, goals; runs that are placed; devices side by side.
. "$2/tests/cli/lib.sh"

# Nothing is measured for these but peaks: no profile is there, and none is found at home.
export XDG_CACHE_HOME="$work/cache"
make lstm m.onnx --inputs 8 --hidden 16
make lstm two.onnx --inputs 8 --hidden 16 --layers 2
make matmul p.onnx --inputs 8 --hidden 5
make npy x.npy --shape 6,1,8
make npy frames.npy --shape 20,6,1,8
make npy rows.npy --shape 9,3,8

# A table: every task with its price on every device, and where it goes.
ok "$spacc" plan m.onnx --dim T=6 --fpga model:4x4
complains "input x: random float32[6,1,8], seed 1"
says "m.onnx: cpu, card (model 4x4 at "
says "card us  price"
says "lstm_0"
says "roofline"
says "cpu: no profile of this machine: prices are a roofline; see spacc profile"
ok "$spacc" plan m.onnx --input x.npy --fpga model:4x4 --json --quiet
[ ! -s err.txt ] || bad "--quiet is not quiet"
json 'r["model"] == "m.onnx" and r["method"] and r["single"] in ("cpu", "card")'
json '[t["task"] for t in r["tasks"]] == ["lstm_0"] and r["tasks"][0]["op"] == "LSTM"'
json 'set(r["tasks"][0]["us"]) == {"cpu", "card"} and min(r["tasks"][0]["us"].values()) > 0'
json 'r["tasks"][0]["rate"] == 1 and not r["tasks"][0]["pinned"] and r["plan"]["us"] > 0'
json 'r["plan"]["us"] <= r["alone"]["us"] or any("is not used: a run took" in n for n in r["notes"])'
json 'r["plan"]["joules"] > 0'
json 'any("roofline" in n for n in r["notes"])'
ok "$spacc" plan m.onnx --json # the CPU alone has a plan as well
json '[t["device"] for t in r["tasks"]] == ["cpu"] and r["method"] == "single"'

# A profile that was measured is used: from a folder, and from the cache from here on.
mkdir -p here there cache/spacc
ok "$spacc" profile -q --only-models -o here/profile-cpu.json m.onnx --dim T=6
ok "$spacc" plan -q m.onnx -i x.npy --profiles here --json
json 'r["tasks"][0]["price"] == "table" and not any("roofline" in n for n in r["notes"])'

# Where joules come from: of a busy thread, then as they stand in the profile.
ok "$spacc" plan -q m.onnx -i x.npy --profiles here --objective energy --json
json 'r["tasks"][0]["power"] == "busy" and any("1 by" in n and "a busy thread (" in n for n in r["notes"])'
mkdir -p joules
python3 -c 'import json
p = json.load(open("here/profile-cpu.json"))
for s in p["samples"]:
    s["joules"] = 0.25
json.dump(p, open("joules/profile-cpu.json", "w"))'
ok "$spacc" plan m.onnx -i x.npy --fpga model:4x4 --profiles joules --objective energy
says "note: energy on the cpu: 1 tasks by joules that were measured, 0 by power fitted to such, 0 by "
says "note: energy on the card: by 2.5 W when it is busy (stated: "
ok "$spacc" plan -q m.onnx -i x.npy --profiles joules --objective energy --json
json 'r["tasks"][0]["power"] == "measured" and 0.25 <= r["plan"]["joules"] < 0.3'
ok "$spacc" plan -q m.onnx -i x.npy --profiles joules --json
json 'not any("energy" in n for n in r["notes"])'
cp here/profile-cpu.json cache/spacc
ok "$spacc" plan -q m.onnx -i x.npy --json
json 'r["tasks"][0]["price"] == "table"'

# The cycles of a card are exact: the price is what a run counts, and the host's rounding.
ok "$spacc" run m.onnx --input x.npy --fpga model:4x4 --json
cp out.txt run.txt
ok "$spacc" plan m.onnx --input x.npy --fpga model:4x4 --json
json 'r["tasks"][0]["us"]["card"] >= [n for n in json.load(open("run.txt"))["nodes"] if n["name"] == "lstm_0"][0]["cycles"] / json.load(open("run.txt"))["clock_hz"] * 1e6'

# Pins, written and run again.
for device in card cpu; do
    ok "$spacc" plan m.onnx -i x.npy --fpga model:4x4 --device lstm_0=$device --json --save plan.json
    json "r['tasks'][0]['device'] == '$device' and r['tasks'][0]['pinned']"
    ok "$spacc" run m.onnx -i x.npy --fpga model:4x4 --plan plan.json --json -o $device.npy
    json "node('lstm_0')['device'] == '$device' and node('lstm_0')['reason'] == 'asked for' or '$device' == 'card'"
    json "node('lstm_0')['device'] == '$device'"
    ok "$spacc" plan m.onnx -i x.npy --fpga model:4x4 --plan plan.json --json
    json "r['tasks'][0]['device'] == '$device'"
    ok "$spacc" run m.onnx -i x.npy --fpga model:4x4 --device lstm_0=$device --json -o again.npy
    json "node('lstm_0')['device'] == '$device'"
    same $device.npy again.npy
done
cmp -s card.npy cpu.npy && bad "fixed point and float give the same bits"
[ "$(ls | grep -c tmp)" -eq 0 ] || bad "temporary files are left: $(ls)"
refused 1 "no node nobody to pin to the cpu" "$spacc" plan -q m.onnx -i x.npy --device nobody=cpu
refused 1 "pinned to 'toaster': cpu, gpu or card" "$spacc" run -q m.onnx -i x.npy --device lstm_0=toaster
refused 1 "lstm_0 is pinned to the gpu, which is not used" \
    "$spacc" run -q m.onnx -i x.npy --device lstm_0=gpu
complains "m.onnx"
ok "$spacc" plan two.onnx -i x.npy --fpga model:4x4 --json # in one card run: one task
json 'len(r["tasks"]) == 1 and r["tasks"][0]["nodes"] > 2'
refused 1 "runs as one with lstm_0 on the card" "$spacc" plan -q two.onnx -i x.npy \
    --fpga model:4x4 --device lstm_0=card --device lstm_1=cpu

# Files of others, of later versions, cut short, missing.
refused 1 "plan.json: plan for a model with SHA-256" \
    "$spacc" run -q two.onnx -i x.npy --fpga model:4x4 --plan plan.json
complains ", this one has "
sed 's/"spacc_plan":[^,]*/"spacc_plan": 7/' plan.json >newer.json
refused 1 "newer.json: plan of version 7, this is for 1" \
    "$spacc" plan -q m.onnx -i x.npy --fpga model:4x4 --plan newer.json
sed 's/lstm_0/lstm_9/' plan.json >odd.json
refused 1 "odd.json: node lstm_9 is not in the model" \
    "$spacc" run -q m.onnx -i x.npy --fpga model:4x4 --plan odd.json
head -c 100 plan.json >cut.json
refused 1 "cut.json: not JSON, or cut short" "$spacc" run -q m.onnx -i x.npy --plan cut.json
refused 1 "absent.json" "$spacc" plan -q m.onnx -i x.npy --plan absent.json
refused 1 "nowhere/plan.json" "$spacc" plan -q m.onnx -i x.npy --save nowhere/plan.json
refused 1 "nowhere/p.svg" "$spacc" plan -q m.onnx -i x.npy --svg nowhere/p.svg

# A profile of another machine, and a damaged one.
sed 's/"cores":[^0-9]*/&9/' here/profile-cpu.json >there/profile-cpu.json
refused 1 "there/profile-cpu.json" "$spacc" plan -q m.onnx -i x.npy --profiles there
complains "measured on another machine"
head -c 200 here/profile-cpu.json >there/profile-cpu.json
refused 1 "there/profile-cpu.json" "$spacc" run -q m.onnx -i x.npy --fpga model:4x4 \
    --objective latency --profiles there

# Goals; every one gives a result.
for goal in latency throughput energy; do
    ok "$spacc" plan m.onnx -i x.npy --fpga model:4x4 --objective $goal --profiles here
    ok "$spacc" run m.onnx -i x.npy --fpga model:4x4 --objective $goal --profiles here --json
    json 'node("lstm_0")["calls"] == 1 and node("lstm_0")["device"] in ("cpu", "card")'
done

# Independent frames over all devices.
ok "$spacc" run p.onnx -i rows.npy --fpga model:4x4 --objective throughput --json -o y.npy
json 'sum(d["frames"] for d in r["devices"]) == 9 and r["us"] > 0'
json '[d["device"] for d in r["devices"]] == ["cpu", "card"]'
json 'r["results"][0]["type"] == "float32[9,3,5]"'
ok "$spacc" run p.onnx -i rows.npy --fpga model:8x8 --objective throughput --json
json 'any("int8 used" in n for n in r["notes"])'
ok "$spacc" run p.onnx -i rows.npy --fpga model:8x8 --objective throughput
says "int8 used"
says "all of them in "
# What one session has to watch is one session's.
ok "$spacc" run p.onnx -i rows.npy --fpga model:4x4 --objective throughput --trace t.json --json
json 'r["runs"] == 9'
[ -s t.json ] || bad "no t.json"
ok "$spacc" run p.onnx -i rows.npy --fpga model:4x4 --objective throughput --verify --json
json 'r["outputs"][0]["max_error"] < 0.1'

# A drawing, and a trace with the card on it.
ok "$spacc" plan two.onnx -i x.npy --fpga model:4x4 --svg p.svg
python3 -c 'import xml.dom.minidom as x
d = x.parse("p.svg").documentElement
assert d.tagName == "svg" and d.getElementsByTagName("rect")' || bad "p.svg is no SVG"
ok "$spacc" run two.onnx -i x.npy --fpga model:4x4 --trace t.json --cpu-threads 2
python3 -c 'import json
events = json.load(open("t.json"))["traceEvents"]
track = {e["tid"]: e["args"]["name"] for e in events if e["ph"] == "M"}
assert {"cpu 0", "cpu 1", "card"} <= set(track.values()), track
assert {e["name"] for e in events if e["ph"] == "X" and track[e["tid"]] == "card"} == \
    {"lstm_0", "lstm_1"}' || bad "t.json is not the trace of that run"

# GPUs: none is a normal case, one by a name that is not there is an error with what there is.
ok "$spacc" run m.onnx -i x.npy --gpu auto --json
json 'node("lstm_0")["calls"] == 1'
"$spacc" devices >devices.txt 2>&1
if ! grep -q 'opencl.* gpu' devices.txt; then
    json 'any("no GPU is used" in n for n in r["notes"]) or r["gpu"]'
fi
refused 1 "no OpenCL device" "$spacc" run -q m.onnx -i x.npy --gpu 9.9
ok "$spacc" run m.onnx -i x.npy --gpu off --json

# Side by side.
ok "$spacc" bench p.onnx -i rows.npy --devices all --fpga model:4x4 --runs 5 --json
json '[d["device"] for d in r["devices"]] == ["cpu", "card", "planned"] and r["rounds"] == 5'
json 'all(0 < d["us_p5"] <= d["us"] <= d["us_p95"] and d["predicted_us"] > 0 for d in r["devices"])'
json 'all(math.isclose(d["runs_per_s"], 1e6 / d["us"]) for d in r["devices"])'
json 'r["best"] in ("cpu", "card") and r["planned_over_best"] > 0 and r["batches_per_s"] > 0'
ok "$spacc" bench m.onnx -i x.npy --devices all --runs 5
says "planned"
says "batches of"

# Wrong usage.
refused 2 "MODEL is missing" "$spacc" plan
refused 2 "--objective speed: latency, throughput or energy" "$spacc" plan m.onnx --objective speed
refused 2 "--objective speed: latency, throughput or energy" "$spacc" run m.onnx --objective speed
for pin in lstm_0 =cpu lstm_0= =; do
    refused 2 "--device $pin: wants NODE=cpu, NODE=gpu or NODE=card" "$spacc" plan m.onnx --device $pin
done
refused 2 "--cpu-threads 0: not a number in range" "$spacc" plan m.onnx --cpu-threads 0
refused 2 "--sparsity 1: a share of zeros" "$spacc" plan m.onnx --sparsity 1
refused 2 "--fpga gpu" "$spacc" plan m.onnx --fpga gpu
refused 2 "--seed x: not a number" "$spacc" plan m.onnx --seed x
refused 2 "--dim T: wants NAME=N" "$spacc" plan m.onnx --dim T
refused 2 "--bank-size 0" "$spacc" plan m.onnx --bank-size 0
refused 2 "need --devices all" "$spacc" bench m.onnx --gpu auto
refused 1 "absent.onnx" "$spacc" plan absent.onnx
refused 1 "x.npy" "$spacc" plan x.npy
finish
