# Damaged and hostile files: see damage.py.
. "$2/tests/cli/lib.sh"
make lstm model.onnx --inputs 8 --hidden 16
make npy x.npy --shape 6,1,8
ok "$spacc" run model.onnx --input x.npy --output x.pb --quiet
ok "$spacc" run model.onnx --input x.npy --output x.npz --quiet
ok "$spacc" pack model.onnx -o model.safetensors --input x.npy --quiet
python3 "$source/tests/cli/damage.py" "$spacc" || bad "damage.py"
finish
