# spacc with --fpga opencl: on a device that builds the kernel the results of the card that counts,
# bit for bit, with wall time and no cycles in reports; on an accelerator (Debian's XRT with its
# noop device, which computes nothing) every call is accepted; and what is said when something is
# missing.
. "$2/tests/cli/lib.sh"
unset SPACC_XCLBIN

make lstm lstm.onnx --inputs 24 --hidden 48
make npy x.npy --shape 12,1,24

# No driver at all.
mkdir none
OCL_ICD_VENDORS=$work/none
export OCL_ICD_VENDORS
run "$spacc" run lstm.onnx --input x.npy --fpga opencl --quiet
[ "$status" -eq 1 ] || bad "exit status $status, want 1"
if grep -q "has no OpenCL" err.txt; then
    echo "skipped: this build has no OpenCL"
    exit 77
fi
complains "spacc: no OpenCL device here"
unset OCL_ICD_VENDORS

# ---- an accelerator: Xilinx's OpenCL, found below $XILINX_XRT/lib ----

libraries=/usr/lib/x86_64-linux-gnu
if [ -e "$libraries/libxrt_noop.so.2" ] && [ -e "$libraries/libxilinxopencl.so.2" ]; then
    mkdir icd
    echo libxilinxopencl.so.2 >icd/xilinx.icd
    ln -s "$libraries" lib
    python3 "$source/tests/make_xclbin.py" card.xclbin --state || exit 1
    python3 "$source/tests/make_xclbin.py" rtl.xclbin || exit 1
    python3 "$source/tests/make_xclbin.py" other.xclbin --state --kernel vadd || exit 1
    noop() {
        env OCL_ICD_VENDORS="$work/icd" XILINX_XRT="$work" XCL_EMULATION_MODE=noop "$@"
    }
    # Memory, a run and its registers, all zeros: it does not compute.
    refused 1 "identity register reads 0x00000000, a spacc card has" \
        noop "$spacc" run lstm.onnx --input x.npy --fpga opencl:0.0=card.xclbin --quiet
    refused 1 "identity register reads 0x00000000, a spacc card has" \
        noop SPACC_XCLBIN=card.xclbin "$spacc" run lstm.onnx --input x.npy --fpga opencl --quiet
    refused 1 "is an accelerator, which takes a binary: opencl:0.0=FILE" \
        noop "$spacc" run lstm.onnx --input x.npy --fpga opencl:0.0 --quiet
    refused 1 "an accelerator takes opencl:P.D=FILE" \
        noop "$spacc" run lstm.onnx --input x.npy --fpga opencl --quiet
    refused 1 "whose registers OpenCL cannot read; use --fpga xrt:N=rtl.xclbin" \
        noop "$spacc" run lstm.onnx --input x.npy --fpga opencl=rtl.xclbin --quiet
    refused 1 "no kernel 'spacc_card' in it, but: vadd" \
        noop "$spacc" run lstm.onnx --input x.npy --fpga opencl=other.xclbin --quiet
    ok noop "$spacc" devices
    says "opencl:0.0  an accelerator; SPACC_XCLBIN names no file"
    ok noop SPACC_XCLBIN=card.xclbin "$spacc" devices
    says "opencl:0.0  opencl card: identity register reads 0x00000000"
    refused 1 "x.npy: not an .xclbin" noop "$spacc" run lstm.onnx --input x.npy --fpga opencl=x.npy --quiet
else
    echo "skipped: the accelerator: no XRT with a noop device here (libxrt1)"
fi

# ---- a device that builds the source ----

ok "$spacc" devices --json
device=$(python3 -c 'import json
print(next((g["which"] for g in json.load(open("out.txt"))["opencl"]
            if g["kind"] != "accelerator"), ""))')
if [ -z "$device" ]; then
    echo "skipped: the kernel from its source: no OpenCL device here (pocl-opencl-icd)"
    finish
fi
fpga=opencl:$device
json '[(c["pes"], c["clock_hz"]) for c in r["cards"] if c["name"] == "'"$fpga"'"] == [(16, 0)]'
json 'all(c["memory_bytes"] > 0 for c in r["cards"] if c["kind"] == "opencl")'
ok "$spacc" run lstm.onnx --input x.npy --fpga model:16x16 --output model.npz --quiet
ok "$spacc" run lstm.onnx --input x.npy --fpga "$fpga" --output opencl.npz --json --trace t.json
same model.npz opencl.npz
json 'r["card"] == "opencl 16x16" and r["clock_hz"] == 0 and r["run_cycles"] is None'
json 'r["card_run_us"] > 0 and node("lstm_0")["card_us"] > 0 and node("lstm_0")["cycles"] is None'
json 'node("lstm_0")["utilisation"] is None and node("lstm_0")["bytes_read"] > 0'
ok "$spacc" run lstm.onnx --input x.npy --fpga opencl --verify
says "lstm.onnx on opencl 16x16: 16 PEs x 16 lanes, beside the CPU"
says "wall time here, as this card counts no cycles"
if grep -qE "MHz|cycles/step|PE use" out.txt; then
    bad "the report has times of a clock that this card does not have"
fi

# The price of a plan is what its own runs took.
mkdir profiles
ok "$spacc" plan lstm.onnx --input x.npy --profiles profiles --fpga "$fpga" --json --quiet
json '0 < r["tasks"][0]["us"]["card"] < 1e6'

ok "$spacc" selftest --fpga "$fpga"
says "arguments of this card are kept by the host"
says "card '$fpga' passes 7 steps; 1 skipped"
ok "$spacc" selftest --fpga "$fpga" --json --seed 3
json '[s["step"] for s in r["steps"] if s["skipped"]] == ["registers"] and r["passed"]'

refused 1 "no OpenCL device 9.9 here, but" \
    "$spacc" run lstm.onnx --input x.npy --fpga opencl:9.9 --quiet
refused 1 "opencl:P.D or opencl:P.D=FILE" \
    "$spacc" run lstm.onnx --input x.npy --fpga opencl:x --quiet
refused 1 "x.npy" "$spacc" run lstm.onnx --input x.npy --fpga "$fpga=x.npy" --quiet
finish
