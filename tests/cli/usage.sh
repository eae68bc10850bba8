# Every subcommand explains itself, and wrong usage is exit status 2.
. "$2/tests/cli/lib.sh"

ok "$spacc" --version
says "spacc 0.1.0"
ok "$spacc" --help
for command in run eval bench prune pack inspect devices ops profile plan; do
    ok "$spacc" --help
    says "$command"
    ok "$spacc" $command --help
    says "usage: spacc $command"
    says "example:"
    says "  spacc $command"
    refused 2 "spacc $command: unknown option --frobnicate; see spacc $command --help" \
        "$spacc" $command --frobnicate
    refused 2 "unknown option -Z" "$spacc" $command -Z
done
run "$spacc"
[ "$status" -eq 2 ] || bad "no command is not wrong usage"
refused 2 "unknown command fly" "$spacc" fly
refused 2 "MODEL is missing" "$spacc" run
refused 2 "unexpected argument b" "$spacc" run a b
refused 2 "unexpected argument x" "$spacc" ops x
refused 2 "--input needs a value" "$spacc" run a --input

# Values out of range, and options that would do nothing.
refused 2 "--precision int4: f32, f16, int8 or int16" "$spacc" run m.onnx --precision int4
refused 2 "--fpga gpu" "$spacc" run m.onnx --fpga gpu
for value in 1 -0.5 1.5 nan inf 0.5x ''; do
    refused 2 "--sparsity $value: a share of zeros" "$spacc" run m.onnx --sparsity "$value"
    refused 2 "--sparsity $value: a share of zeros" "$spacc" prune m.onnx -o o --sparsity "$value"
done
for value in 0 65537 -1 8.5 x 99999999999999999999; do
    refused 2 "--bank-size $value" "$spacc" run m.onnx --bank-size $value
done
refused 2 "--frames 0" "$spacc" run m.onnx --frames 0
refused 2 "--dim T: wants NAME=N" "$spacc" run m.onnx --dim T
refused 2 "--bank-size needs --sparsity" "$spacc" run m.onnx --bank-size 8 --fpga sim
refused 2 "need --fpga sim" "$spacc" run m.onnx --vcd f.fst
refused 2 "-o FILE is missing" "$spacc" prune m.onnx --sparsity 0.5
refused 2 "--sparsity is missing" "$spacc" prune m.onnx -o o.onnx
for method in wanda obs; do
    refused 2 "--method $method needs --calibrate" \
        "$spacc" prune m.onnx -o o.onnx --sparsity 0.5 --method $method
done
refused 2 "--method best: magnitude, wanda or obs" "$spacc" prune m.onnx --method best
refused 2 "--allocate sensitivity needs --calibrate" \
    "$spacc" prune m.onnx -o o.onnx --sparsity 0.5 --allocate sensitivity
refused 2 "--allocate sensitivity finds that of h by itself" \
    "$spacc" prune m.onnx -o o.onnx --sparsity 0.5 --sparsity-h 0.5 --calibrate x.npy --allocate sensitivity
refused 2 "--precision int8 is for --method obs" \
    "$spacc" prune m.onnx -o o.onnx --sparsity 0.5 --precision int8
refused 2 "--precision f16: int8 or int16" "$spacc" prune m.onnx --precision f16
refused 2 "--pack o.bin: the name must end in .safetensors" \
    "$spacc" prune m.onnx -o o.onnx --sparsity 0.5 --pack o.bin
refused 2 "must end in .safetensors" "$spacc" pack m.onnx -o o.bin
refused 2 "a packed model is int8 or int16" "$spacc" pack m.onnx -o o.safetensors --precision f32

# A full disk is not success.
if [ -w /dev/full ]; then
    run sh -c '"$1" ops >/dev/full' sh "$spacc"
    [ "$status" -eq 1 ] || bad "ops to a full disk: exit status $status, want 1"
    complains "standard output could not be written"
fi
finish
