# spacc with --fpga mmio:... over files that spacc_mmiosim serves: the results of --fpga sim, bit
# for bit, by a buffer of u-dma-buf and by a range of /dev/mem; what is said when nobody serves; the
# card of a board, made of the files that its vendor's tools get.
. "$2/tests/cli/lib.sh"
need_sim

servers=$(dirname "$spacc")/../../sim
make lstm lstm.onnx --inputs 24 --hidden 48
make npy x.npy --shape 12,1,24

# serve PROGRAM CONFIG: $range and $card are its names; descriptor 3 is the server's input.
serve() {
    rm -rf board
    mkdir board
    mkfifo board/input
    "$servers/$1" board "$2" <board/input >board/names 2>board/err.txt &
    server=$!
    exec 3>board/input
    until [ "$(wc -l <board/names)" -eq 2 ]; do
        kill -0 "$server" 2>/dev/null || { cat board/err.txt; exit 1; }
        sleep 0.05
    done
    range=$(sed -n 1p board/names)
    card=$(sed -n 2p board/names)
    SPACC_MMIO_ROOT=$PWD/board
    export SPACC_MMIO_ROOT
}

gone() {
    exec 3>&-
    wait "$server" || bad "the server: $(cat board/err.txt)"
}

for config in 4x4 16x16; do
    serve spacc_mmiosim "$config"
    ok "$spacc" run lstm.onnx --input x.npy --fpga "sim:$config" --output sim.npz --json
    cp out.txt sim.json
    for name in "$card@200" "${range%%,*}@200,${range#*,}"; do
        ok "$spacc" run lstm.onnx --input x.npy --fpga "$name" --output mmio.npz --json
        json 'r["pes"] == json.load(open("sim.json"))["pes"] and r["clock_hz"] == 200e6'
        json 'r["nodes"][0]["cycles"] == json.load(open("sim.json"))["nodes"][0]["cycles"]'
        same sim.npz mmio.npz
    done
    if [ "$config" = 4x4 ]; then
        ok "$spacc" selftest --fpga "$card"
        says "card '$card' passes all 8 steps"
        refused 1 "largest gap is" "$spacc" run lstm.onnx --input x.npy --quiet \
            --fpga "${card},0x18000000+0x2000"
        run "$spacc" run lstm.onnx --input x.npy --fpga mmio:0x43c01000 --quiet
        complains "/dev/mem: ends at 0x43c01000, 0x43c02000 is wanted"
        run "$spacc" run lstm.onnx --input x.npy --fpga mmio:0x18000000 --quiet
        complains "a spacc card has 0x43415053"
    fi
    gone
done

serve spacc_mmiosim_pynq_z2 pynq-z2
ok "$spacc" selftest --fpga "$card"
says "mmio, version"
says "20x8, 8-bit weights, 100 MHz"
says "card '$card' passes all 8 steps"
ok "$spacc" run lstm.onnx --input x.npy --fpga model:pynq-z2 --output model.npz --json
cp out.txt model.json
ok "$spacc" run lstm.onnx --input x.npy --fpga "$card" --output mmio.npz --json
json 'r["run_cycles"] == json.load(open("model.json"))["run_cycles"] > 0'
json 'r["load_cycles"] == json.load(open("model.json"))["load_cycles"] > 0'
same model.npz mmio.npz
mkdir -p board/sys/class/uio/uio0 # files cannot interrupt, but they can be listed
echo spacc >board/sys/class/uio/uio0/name
ok "$spacc" devices --json
json '["uio0/maps/map0/size: cannot be read" in c["note"] for c in r["no_cards"] if c["name"] == "mmio:uio0"] == [True]'
mkdir profiles
ok "$spacc" plan lstm.onnx --input x.npy --profiles profiles --fpga "$card" --quiet --json
json '0 < r["tasks"][0]["us"]["card"] < 1e6'
gone

run env SPACC_MMIO_ROOT=/nowhere "$spacc" selftest --fpga mmio:0x43c00000
[ "$status" -eq 1 ] || bad "exit status $status, want 1"
complains "card 'mmio:0x43c00000': /nowhere/dev/mem: cannot be opened: No such file"
refused 1 "cannot be read" env SPACC_MMIO_ROOT=/nowhere "$spacc" run lstm.onnx --input x.npy \
    --fpga mmio:uio0 --quiet
refused 1 "no registers, or not at a multiple of 4096" "$spacc" run lstm.onnx --input x.npy \
    --fpga mmio:0x43c00010 --quiet
finish
