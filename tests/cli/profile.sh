# spacc profile: the kernels of a model as they run in it, where profiles lie, and bad input.
# Whole plans of trials are tests/test_profiler.c's.
. "$2/tests/cli/lib.sh"

make lstm m.onnx --inputs 8 --hidden 16
make matmul p.onnx --inputs 8 --hidden 5

ok "$spacc" profile --only-models -o m.json m.onnx --dim T=6
says "m.json: 1 samples of cpu"
says " lstm"
says "joules of 0 samples measured (not of steps of models); others by the power of a busy thread"
[ ! -s err.txt ] || bad "stderr is not empty without a terminal"
ok "$spacc" profile --only-models -o two.json --json --dim T=6 m.onnx p.onnx
json 'r["file"] == "two.json" and r["device"] == "cpu" and r["samples"] == 2'
json 'sorted(k["kernel"].split()[-1] for k in r["kernels"]) == ["lstm", "product"]'
json 'r["power"]["samples_with_joules"] == 0 and "not of steps of models" in r["power"]["no_more_because"]'
json 'r["link"]["launch_us"] > 0 and r["link"]["peak_macs_per_us"] > 0 and r["power"]["source"]'

# Without -o it lies in the cache folder, by device.
ok env XDG_CACHE_HOME="$work/cache" "$spacc" profile --only-models m.onnx
[ -f cache/spacc/profile-cpu.json ] || bad "no cache/spacc/profile-cpu.json"
ok env -u XDG_CACHE_HOME HOME="$work/home" sh -c 'mkdir "$HOME" && exec "$@"' sh \
    "$spacc" profile --only-models m.onnx
[ -f home/.cache/spacc/profile-cpu.json ] || bad "no home/.cache/spacc/profile-cpu.json"
refused 1 "no cache folder" env -u XDG_CACHE_HOME -u HOME "$spacc" profile --only-models m.onnx

# Files of others, of later versions, cut short, and what is no model.
refused 1 "made with seed 1, not 2" "$spacc" profile -q --only-models -o m.json --seed 2 m.onnx
sed 's/"spacc_profile": *1/"spacc_profile": 2/' m.json >newer.json
refused 1 "newer.json" "$spacc" profile -q --only-models -o newer.json m.onnx
sed 's/"cores": */&9/' m.json >other.json
refused 1 "other.json" "$spacc" profile -q --only-models -o other.json m.onnx
head -c 300 m.json >cut.json
refused 1 "cut.json" "$spacc" profile -q --only-models -o cut.json m.onnx
refused 1 "nowhere/m.json" "$spacc" profile --only-models -o nowhere/m.json m.onnx
refused 1 "no.onnx" "$spacc" profile --only-models -o n.json no.onnx
refused 1 "m.json" "$spacc" profile --only-models -o n.json m.json
absent n.json

refused 2 "--only-models without a MODEL" "$spacc" profile --only-models
refused 2 "--cpu-threads 0: not a number in range" "$spacc" profile --cpu-threads 0
refused 2 "--seed x: not a number in range" "$spacc" profile --seed x
refused 2 "--dim T: wants NAME=N" "$spacc" profile --dim T
refused 1 "device toaster" "$spacc" profile --device toaster -o n.json
absent n.json
finish
