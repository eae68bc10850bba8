# spacc inspect, ops and devices.
. "$2/tests/cli/lib.sh"

make lstm lstm.onnx --inputs 24 --hidden 32
ok "$spacc" inspect lstm.onnx
says "lstm.onnx: ONNX, opset 14, IR version 8"
says "float32[T,1,24]"
says "lstm_0                   W             128      24    0.00 %   =8  =16  =24  =24      12288"
ok "$spacc" inspect lstm.onnx --json
json 'r["opset"] == 14 and r["nodes"] == 1 and r["inputs"] == [{"name": "x", "type": "float32[T,1,24]"}]'
json '[(m["rows"], m["columns"]) for m in r["matrices"]] == [(128, 24), (128, 32)]'
# 128 rows, 2 banks of 16 (24 columns), k 16: value and index a weight, a scale a row.
json 'r["matrices"][0]["bytes_csb_int8"] == 128 * 2 * 16 * 2 + 128 * 4'
json 'r["matrices"][0]["bytes_csb_int16"] == 128 * 2 * 16 * 3 + 128 * 4'
make lstm nan.onnx --nan
ok "$spacc" inspect nan.onnx
says "not finite"
refused 1 "absent.onnx" "$spacc" inspect absent.onnx
printf 'not a model' >odd.onnx
refused 1 "odd.onnx" "$spacc" inspect odd.onnx
printf 'not a packed model' >odd.safetensors
refused 1 "odd.safetensors" "$spacc" inspect odd.safetensors
: >empty.onnx
refused 1 "empty.onnx" "$spacc" inspect empty.onnx
refused 1 "." "$spacc" inspect .

# Every line of the operator list, and only those four on the card.
ok "$spacc" ops --json
json "len(r) == $(grep -c '^SPACC_OP(' "$source/models/ops.def")"
json '[o["op"] for o in r if o["card"]] == ["LSTM", "GRU", "MatMul", "Gemm"]'
ok "$spacc" ops
says "LSTM              7-21   yes"
ok "$spacc" ops --markdown
says "| Relu | 7-21 |  |  |"

ok "$spacc" devices
says "cpu  "
ok "$spacc" devices --json
json 'r["cpu"]["cores"] >= 1 and r["cpu"]["name"]'
if [ "$sim" = 1 ]; then
    json '[(c["name"], c["pes"], c["lanes"]) for c in sorted(r["cards"], key=lambda c: c["pes"])] == [("sim:4x4", 4, 4), ("sim:8x8", 8, 8), ("sim:16x16", 16, 16), ("sim:128x32", 128, 32)]'
    json '[c["weight_bits"] for c in r["cards"] if c["name"] == "sim:8x8"] == [8]'
else
    json 'r["cards"] == []'
fi
finish
