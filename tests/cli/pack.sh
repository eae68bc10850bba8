# spacc pack: a packed model gives the same bits as the model it came from.
. "$2/tests/cli/lib.sh"

make lstm lstm.onnx --inputs 32 --hidden 32
make npy x.npy --shape 12,1,32
ok "$spacc" pack lstm.onnx -o lstm.safetensors --input x.npy --sparsity 0.5
says "packed from lstm.onnx, 1 layer"
says "lstm_0: LSTM, 32 inputs, 32 outputs, int16 weights"
ok "$spacc" inspect lstm.safetensors --json
json 'r["layers"][0]["x"]["columns"] == 32 and r["layers"][0]["h"]["rows"] == 128'
json 'r["layers"][0]["x"]["k"] * 2 == r["layers"][0]["x"]["bank_size"]'
json 'len(r["source_sha256"]) == 64'
ok "$spacc" run lstm.onnx --input x.npy --precision int16 --sparsity 0.5 -o a.npy
ok "$spacc" run lstm.safetensors --input x.npy -o b.npy
same a.npy b.npy
if [ "$sim" = 1 ]; then
    for card in sim:4x4 sim:16x16; do
        ok "$spacc" run lstm.safetensors --input x.npy --fpga $card -o b.npy
        same a.npy b.npy
    done
    refused 1 "16" "$spacc" run lstm.safetensors -q --input x.npy --fpga sim:8x8
else
    echo "skipped: packed models on cards, this build has no simulated card (SPACC_SIM=OFF)"
fi
python3 - <<'END' || bad "not a safetensors file"
import json, struct
data = open("lstm.safetensors", "rb").read()
size, = struct.unpack("<Q", data[:8])
head = json.loads(data[8:8 + size])
assert head["__metadata__"]["spacc.format"] == "1"
for name, t in head.items():
    if name != "__metadata__":
        assert (8 + size + t["data_offsets"][0]) % 64 == 0, name
END

# A stream calibrates too.
make lstm step.onnx --inputs 8 --hidden 16 --frame
make npy frames.npy --shape 12,1,1,8
ok "$spacc" pack step.onnx -o step.safetensors --precision int8 --input frames.npy
says "int8 weights"

# Failures leave an old file alone; a model that changed is noticed.
echo precious >keep.safetensors
make lstm nan.onnx --inputs 32 --hidden 32 --nan
refused 1 "lstm_0" "$spacc" pack nan.onnx -q -o keep.safetensors --input x.npy
refused 1 "--state a=b" "$spacc" pack lstm.onnx -q -o keep.safetensors --input x.npy --state a=b
holds keep.safetensors precious
make lstm lstm.onnx --inputs 32 --hidden 32 --seed 2
refused 1 "lstm.safetensors" "$spacc" run lstm.safetensors -q --input x.npy
rm lstm.onnx
refused 1 "lstm.onnx" "$spacc" run lstm.safetensors -q --input x.npy
finish
