# Benchmarks: sh tests/bench/run.sh BUILD [card|kernels|lstm|models|place|plans|predict|prune|seernet|starpu].
# Prints tables; nothing fails on time. SPACC_ORT is libonnxruntime.so, or "none". See README.md for what is measured.
set -eu
build=$1
parts=${2:-card kernels lstm models place plans predict prune seernet starpu}
ort=${SPACC_ORT:-none}
spacc=$build/host/cli/spacc
here=$(cd "$(dirname "$0")" && pwd)
shared=$here/../../../shared/models
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

print_head() {
    commit=$(git -C "$here" rev-parse --short HEAD 2>/dev/null || echo "no commit")
    [ -z "$(git -C "$here" status --porcelain 2>/dev/null)" ] || commit="$commit with changes"
    echo "machine  $("$spacc" devices | sed -n 's/^cpu  //p')"
    echo "commit   $commit"
    echo "date     $(date -u +%Y-%m-%dT%H:%MZ)"
}

left_out() {
    echo "left out: $*"
}

card() {
    python3 "$here/bench.py" "$spacc" "$work"
}

kernels() {
    "$build/tests/bench/bench_spmxv"
    echo
    "$build/tests/bench/bench_pool"
}

lstm() {
    [ "$ort" != none ] || left_out "ONNX Runtime's columns"
    "$build/tests/bench/bench_lstm" "$ort"
    echo
    "$build/tests/bench/bench_lstm" "$ort" -i 1024
}

# of FOLDER MODEL GOLDEN: what bench_models calls a model.
of() {
    printf '%s' "$shared/$1/$2.onnx=$shared/$1/$3"
}

models() {
    if [ ! -d "$shared" ]; then
        left_out "models: no ../shared/models beside the project"
        return
    fi
    [ "$ort" != none ] || left_out "ONNX Runtime's columns"
    echo "One frame of speech through both models of dtln:"
    "$build/tests/bench/bench_models" "$ort" \
        "$(of dtln model_1 golden/model_1/seed),$(of dtln model_2 golden/model_2/seed)"
    echo
    echo "Images and sound:"
    "$build/tests/bench/bench_models" "$ort" \
        "$(of squeezenet11 squeezenet11_fp32 golden/squeezenet11_fp32/real)" \
        "$(of resnet20_cifar resnet20 golden/resnet20/seed)" \
        "$(of ultraface_slim320 version-slim-320_simplified \
            golden/version-slim-320_simplified/real)" \
        "$(of yunet_s yunet_s_320_320 golden/yunet_s_320_320/real)" \
        "$(of basic_pitch nmp golden/nmp/seed)" \
        "$(of cnn_light light_resnet50 golden)"
}

# Cost models: SPACC_PROFILES is a folder of spacc profile, else one is made in the quick mode.
predict() {
    profile=${SPACC_PROFILES:-$work}/profile-cpu.json
    [ -e "$profile" ] || "$spacc" profile --quick --output "$profile" || {
        left_out "predict: spacc profile failed"
        return
    }
    "$build/tests/bench/bench_predict" "$profile"
}

# SPACC_GPU is an OpenCL device ("0.0") or nothing; SPACC_PROFILES a folder, else one is made.
plans() {
    folder=${SPACC_PROFILES:-}
    [ -d "$shared" ] || {
        left_out "plans: no ../shared/models"
        return
    }
    if [ -z "$folder" ]; then
        folder=$work
        [ -e "$folder/profile-cpu.json" ] ||
            "$spacc" profile --quick --quiet --output "$folder/profile-cpu.json" >/dev/null
    fi
    # shellcheck disable=SC2086 # a list of options
    python3 "$here/plans.py" "$spacc" "$shared" "$folder" --fpga model:16x16 \
        ${SPACC_GPU:+--gpu $SPACC_GPU}
}

place() {
    "$build/tests/bench/bench_place"
}

prune() {
    "$build/tests/bench/bench_obs"
}

seernet() {
    [ "$ort" != none ] || left_out "ONNX Runtime's columns"
    "$build/tests/bench/bench_seernet" "$ort"
    if [ ! -d "$shared" ]; then
        left_out "whole models: no ../shared/models beside the project"
        return
    fi
    echo
    "$build/tests/bench/bench_seernet_models" \
        "$(of squeezenet11 squeezenet11_fp32 golden/squeezenet11_fp32/real)" \
        "$(of resnet20_cifar resnet20 golden/resnet20/seed)" \
        "$(of super_resolution10 model golden/model/seed)" \
        "$(of ultraface_slim320 version-slim-320_simplified \
            golden/version-slim-320_simplified/real)" \
        "$(of yunet_s yunet_s_320_320 golden/yunet_s_320_320/real)" \
        "$(of mnist8 model golden/model/seed)" \
        "$(of basic_pitch nmp golden/nmp/seed)" \
        "$(of cnn_light light_bvlc_alexnet golden)" \
        "$(of cnn_light light_resnet50 golden)" \
        "$(of cnn_light light_shufflenet golden)" \
        "$(of cnn_light light_squeezenet golden)" \
        "$(of cnn_light light_vgg19 golden)"
}

starpu() {
    if [ ! -x "$build/tests/bench/bench_starpu" ]; then
        left_out "starpu: no StarPU 1.3 when this was built"
        return
    fi
    for workers in 1 2; do
        STARPU_NCPU=$workers "$build/tests/bench/bench_starpu"
        echo
    done
}

print_head
for part in $parts; do
    printf '\n== %s ==\n' "$part"
    "$part"
done
