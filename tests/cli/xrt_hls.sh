# spacc with --fpga xrt over the kernel of hls/spacc_card.c behind XRT's calls: whole models, the bits of
# --fpga sim, no cycles in reports; and what is said when kernel and .xclbin do not fit.
. "$2/tests/cli/lib.sh"
need_sim

SPACC_XRT_LIB=$(dirname "$spacc")/../../sim/libspacc_xrtsim.so
export SPACC_XRT_LIB
python3 "$source/tests/make_xclbin.py" hls.xclbin --state || exit 1
python3 "$source/tests/make_xclbin.py" rtl.xclbin || exit 1
make lstm lstm.onnx --inputs 24 --hidden 48
make gru gru.onnx --inputs 24 --hidden 48
make npy x.npy --shape 12,1,24
fpga=xrt:0=hls.xclbin

for config in 4x4 16x16; do
    SPACC_XRTSIM=hls:$config
    export SPACC_XRTSIM
    for model in lstm gru; do
        ok "$spacc" run $model.onnx --input x.npy --fpga sim:$config --output sim.npz --quiet
        ok "$spacc" run $model.onnx --input x.npy --fpga $fpga --output xrt.npz --json
        same sim.npz xrt.npz
        json "r['card'] == 'xrt $config' and r['clock_hz'] == 0 and r['run_cycles'] is None"
        json "r['card_run_us'] > 0 and r['nodes'][0]['device'] == 'card' and r['nodes'][0]['cycles'] is None"
    done
done
ok "$spacc" run gru.onnx --input x.npy --fpga $fpga --verify
says "gru.onnx on xrt 16x16: 16 PEs x 16 lanes, beside the CPU"
says "wall time here, as this card counts no cycles"
if grep -qE "MHz|cycles/step|PE use" out.txt; then
    bad "the report has times of a clock that this card does not count by"
fi
# The kernel runs beside its host, so that a run can be given up; it is waited for then.
ok "$spacc" selftest --fpga $fpga
says "counts no cycles"
says "card '$fpga' passes all 8 steps"
ok env OCL_ICD_VENDORS=/nonexistent SPACC_XCLBIN=hls.xclbin "$spacc" devices --json
json '[(c["pes"], c["clock_hz"]) for c in r["cards"] if c["kind"] == "xrt"] == [(16, 0)]'

# A file that does not say what the kernel needs, and one that says it of a card in RTL.
attempt() {
    run "$spacc" run lstm.onnx --input x.npy --fpga "xrt:0=$1" --quiet
    [ "$status" -eq 1 ] || bad "$1: exit status $status, want 1"
    complains "$2"
}
attempt rtl.xclbin "identity register reads 0x00000000, a spacc card has 0x43415053 (no card at this place, or"
SPACC_XRTSIM=16x16
attempt hls.xclbin "xrt: hls.xclbin: kernel 'spacc_card' has no argument 9"
SPACC_XRTSIM=hls:3x3
attempt hls.xclbin "xrt: no device 0"
complains "no kernel of configuration '3x3'"
SPACC_XRTSIM=hls:4x4
sed 's/name="state_ptr"/name="stateless"/' hls.xclbin >name.xclbin
attempt name.xclbin "name.xclbin: argument 9 is 'stateless' at 0x068, that of a spacc kernel is 'state_ptr' at 0x068"
sed 's/offset="0x68"/offset="0x70"/' hls.xclbin >offset.xclbin
attempt offset.xclbin "offset.xclbin: argument 9 is 'state_ptr' at 0x070, that of a spacc kernel is 'state_ptr' at 0x068"

broken() {
    SPACC_XRTSIM_FAULT=$1
    export SPACC_XRTSIM_FAULT
    attempt hls.xclbin "$2"
    unset SPACC_XRTSIM_FAULT
}
broken state "argument 0 is in bank 0, argument 9 in bank 1"
broken alloc "xrt: no buffer of 256 bytes"
broken start "xrt: the run was refused: Invalid argument"
broken hang "the card is still busy after 10 s"
broken removed "the run ended with state 6, aborted"
finish
