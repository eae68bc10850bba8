# spacc with --fpga xrt over libspacc_xrtsim: the results of --fpga sim, bit for bit, and what is
# said when something of a board is missing or breaks.
. "$2/tests/cli/lib.sh"
need_sim

SPACC_XRT_LIB=$(dirname "$spacc")/../../sim/libspacc_xrtsim.so
export SPACC_XRT_LIB
python3 "$source/tests/make_xclbin.py" card.xclbin || exit 1
make lstm lstm.onnx --inputs 24 --hidden 48
make npy x.npy --shape 12,1,24

for config in 4x4 16x16; do
    ok "$spacc" run lstm.onnx --input x.npy --fpga sim:$config --output sim.npz --json
    cp out.txt sim.json
    SPACC_XRTSIM=$config
    export SPACC_XRTSIM
    ok "$spacc" run lstm.onnx --input x.npy --fpga xrt:0=card.xclbin --output xrt.npz --json
    json 'r["pes"] == json.load(open("sim.json"))["pes"] and r["clock_hz"] == 200e6'
    json 'r["nodes"][0]["cycles"] == json.load(open("sim.json"))["nodes"][0]["cycles"]'
    cmp sim.npz xrt.npz || bad "other bits than on sim:$config"
done
SPACC_XRTSIM=4x4
SPACC_XCLBIN=card.xclbin
export SPACC_XCLBIN
ok "$spacc" selftest --fpga xrt
says "card 'xrt' passes all 8 steps"
mkdir profiles
ok "$spacc" plan lstm.onnx --input x.npy --profiles profiles --fpga xrt --quiet --json
json '0 < r["tasks"][0]["us"]["card"] < 1e6'

# The list knows the board by the file, and without one that it is there.
ok env OCL_ICD_VENDORS=/nonexistent "$spacc" devices --json
json '[(c["name"], c["pes"], c["memory_bytes"], c["note"]) for c in r["cards"] if c["kind"] == "xrt"] == [("xrt:0", 4, 1 << 30, "card.xclbin")]'
ok env OCL_ICD_VENDORS=/nonexistent SPACC_XCLBIN= "$spacc" devices
says "xrt:0       no .xclbin loaded"
ok env OCL_ICD_VENDORS=/nonexistent SPACC_XRTSIM_FAULT=kernel "$spacc" devices
says "xrt:0       xrt: kernel 'spacc_card' of card.xclbin cannot be opened"
ok env OCL_ICD_VENDORS=/nonexistent SPACC_XRT_LIB=/nowhere/libxrt.so "$spacc" devices
says "xrt         XRT is not here: /nowhere/libxrt.so"

# What breaks: where, and what it was.
broken() {
    SPACC_XRTSIM_FAULT=$1
    export SPACC_XRTSIM_FAULT
    run "$spacc" run lstm.onnx --input x.npy --fpga xrt --quiet
    [ "$status" -eq 1 ] || bad "fault $1: exit status $status, want 1"
    complains "$2"
    unset SPACC_XRTSIM_FAULT
}
broken device "xrt: no device 0"
broken xclbin "xrt: device 0 refuses card.xclbin: Invalid argument"
broken uuid "xrt: kernel 'spacc_card' of card.xclbin cannot be opened: Invalid argument"
broken kernel "xrt: kernel 'spacc_card' of card.xclbin cannot be opened: No such file"
broken bank "argument 0 is in bank 0, argument 2 in bank 1"
broken alloc "xrt: no buffer of"
broken start "xrt: the run was refused: Invalid argument"
broken hang "the card is still busy"
broken removed "cannot be read: No such device"
run "$spacc" run lstm.onnx --input x.npy --fpga xrt:3 --quiet
complains "spacc: xrt: no device 3"
refused 1 "no kernel 'spacc_card' in it, but: vadd" sh -c \
    "python3 '$source/tests/make_xclbin.py' other.xclbin --kernel vadd &&
     exec '$spacc' run lstm.onnx --input x.npy --fpga xrt=other.xclbin --quiet"
finish
