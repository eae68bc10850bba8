# micro.sh PROGRAM BOARD_SIM SOURCE_DIR: the micro card behind its serial line (Verilated) gives the
# bits of the fixed-point CPU and the cycles of its model, for every kind of layer it has.
. "$3/tests/cli/lib.sh"
board=$2
source=$3

mkfifo input
"$board" <input >terminal 2>board.txt &
exec 3>input
while [ ! -s terminal ]; do sleep 0.1; done
card=uart:$(head -n 1 terminal)

# agrees MODEL OPTION...: same bits as on the CPU, same cycles as the model says.
agrees() {
    ok "$spacc" run "$@" --precision int8 --fpga model:icebreaker --quiet --output cpu.npz
    ok "$spacc" predict "$@" --precision int8 --fpga model:icebreaker --json --quiet
    cp out.txt model.json
    ok "$spacc" run "$@" --precision int8 --fpga "$card" --json --quiet --output card.npz
    same cpu.npz card.npz
    json 'all(r[k] == json.load(open("model.json"))[k] for k in ("load_cycles", "run_cycles"))'
    json 'r["run_cycles"] > 0 and any(n["device"] == "card" for n in r["nodes"])'
}

make lstm lstm.onnx --inputs 9 --hidden 14
agrees lstm.onnx --dim T=4
make lstm chain.onnx --inputs 5 --hidden 9 --layers 2
agrees chain.onnx --dim T=3
make lstm frame.onnx --inputs 6 --hidden 8 --frame
agrees frame.onnx --frames 3
make gru gru.onnx --inputs 7 --hidden 10
agrees gru.onnx --dim T=3
make gemm gemm.onnx --inputs 11 --hidden 6
agrees gemm.onnx
exec 3>&-
wait
finish
