# spacc run on the CPU: inputs of every kind, streams, outputs, reports.
. "$2/tests/cli/lib.sh"

make lstm step.onnx --inputs 8 --hidden 16 --frame
make lstm whole.onnx --inputs 8 --hidden 16
make npy x.npy --shape 6,1,8
make npy frames.npy --shape 6,1,1,8
make matmul product.onnx --inputs 8 --hidden 5

# Made inputs: the seed is told and decides.
ok "$spacc" run whole.onnx --dim T=6 --seed 7 --output a.npy
complains "input x: random float32[6,1,8], seed 7"
says "whole.onnx on the CPU"
says "y0                        float32[6,1,1,16]"
ok "$spacc" run whole.onnx --dim T=6 --seed 7 -o b.npy
same a.npy b.npy
ok "$spacc" run whole.onnx --dim T=6 --seed 8 -o b.npy
cmp -s a.npy b.npy && bad "another seed gives the same output"

# On the CPU: a precision is a kernel of that type, and threads change no bit.
for precision in f32 f16 int8; do
    ok "$spacc" run whole.onnx --dim T=6 --seed 7 --sparsity 0.5 --precision $precision -o one.npy
    case $precision in
    int8) says "  cpu   i8/" ;;
    *) says "  cpu   $precision/" ;;
    esac
    ok "$spacc" run whole.onnx --dim T=6 --seed 7 --sparsity 0.5 --precision $precision \
        --cpu-threads 3 -o three.npy
    same one.npy three.npy
    [ ! -e last.npy ] || ! cmp -s one.npy last.npy || bad "$precision gives the bits of another"
    cp one.npy last.npy
done
refused 2 "--cpu-threads 0" "$spacc" run whole.onnx --cpu-threads 0
refused 1 "SPACC_CPU: 'mmx' is not known" env SPACC_CPU=mmx "$spacc" devices

# By order and by name; .npz by member; --quiet says nothing.
ok "$spacc" run whole.onnx --input x.npy -o a.npy --quiet
[ ! -s err.txt ] || bad "--quiet is not quiet"
ok "$spacc" run whole.onnx --input x=x.npy -o b.npy
same a.npy b.npy
python3 - <<'END' || bad "npz"
import zipfile
with zipfile.ZipFile("in.npz", "w", zipfile.ZIP_DEFLATED) as z:
    z.write("x.npy")
with zipfile.ZipFile("odd.npz", "w") as z:
    z.write("x.npy", "nobody.npy")
END
ok "$spacc" run whole.onnx --input in.npz -o b.npy
same a.npy b.npy
ok "$spacc" run whole.onnx --input x=odd.npz:nobody -o b.npy
same a.npy b.npy
refused 1 "odd.npz: no input 'nobody' in whole.onnx, which has x" \
    "$spacc" run whole.onnx --input odd.npz
refused 1 "no input 'w' in whole.onnx, which has x" "$spacc" run whole.onnx --input w=x.npy
refused 1 "x.npy: one input too many: whole.onnx has 1" \
    "$spacc" run whole.onnx --input x.npy --input x.npy
refused 1 "input 'x' of whole.onnx is given twice" \
    "$spacc" run whole.onnx --input x=x.npy --input x=x.npy
refused 1 "absent.npy" "$spacc" run whole.onnx --input absent.npy

# A stream, state by state, is the whole sequence.
ok "$spacc" run step.onnx --input frames.npy --output y.npz --json
complains "state h0_in takes h0_out of the frame before (guessed"
complains "state c0_in takes c0_out of the frame before"
json 'r["states"] == [{"input": "h0_in", "output": "h0_out"}, {"input": "c0_in", "output": "c0_out"}]'
json 'r["results"][0]["type"] == "float32[6,1,1,1,16]"'
cat >compare.py <<'END'
import struct, sys, zipfile
def floats(data):
    start = 10 + struct.unpack("<H", data[8:10])[0]
    return struct.unpack("<%df" % ((len(data) - start) // 4), data[start:])
stream = floats(zipfile.ZipFile("y.npz").read("y0.npy"))
whole = floats(open("a.npy", "rb").read())
sys.exit(len(stream) != 96 or any(abs(a - b) > 1e-6 for a, b in zip(stream, whole)))
END
python3 compare.py || bad "the stream differs from the whole sequence"
ok "$spacc" run step.onnx --input frames.npy --state h0_in=h0_out --state c0_in=c0_out -o z.npz
complains "state h0_in takes h0_out of the frame before"
same y.npz z.npz
# Without the feedback of c the result must differ: the states are not decoration.
make npy zero.npy --shape 1,1,16
ok "$spacc" run step.onnx --input frames.npy --input c0_in=zero.npy --state h0_in=h0_out -o z.npz
cmp -s y.npz z.npz && bad "a stream without the state c gives the same"
refused 1 "--state a=b: step.onnx has no such input and output" \
    "$spacc" run step.onnx --input frames.npy --state a=b
ok "$spacc" run step.onnx --input frames.npy --frames 2 --json
json 'r["results"][0]["type"] == "float32[2,1,1,1,16]"'
ok "$spacc" run step.onnx --frames 3 --json
json 'r["results"][0]["type"] == "float32[3,1,1,1,16]"'
refused 1 "--frames 2: no input of whole.onnx has frames" \
    "$spacc" run whole.onnx --input x.npy --frames 2 --quiet

# Shapes and types that do not fit: both sides.
make npy long.npy --shape 6,1,9
make npy int.npy --shape 6,1,8 --type int64
refused 1 "float32[6,1,9]" "$spacc" run whole.onnx --input long.npy
complains "whole.onnx"
refused 1 "int64[6,1,8]" "$spacc" run whole.onnx --input int.npy
make npy flat.npy --shape 8
refused 1 "float32[8]" "$spacc" run whole.onnx --input flat.npy

# Outputs: refused before work is done; an old file survives a failure.
refused 1 "must end in .npy, .npz, .pb or .wav" "$spacc" run whole.onnx --output y.txt
refused 1 "2 files for 1 outputs" "$spacc" run whole.onnx --output a.npy --output b.npy
echo precious >keep.npy
refused 1 "float32[6,1,9]" "$spacc" run whole.onnx --input long.npy --output keep.npy
holds keep.npy precious
refused 1 "nowhere" "$spacc" run whole.onnx --input x.npy --output nowhere/y.npy
absent nowhere
ok "$spacc" run whole.onnx --input x.npy --output y.pb
[ "$(ls | grep -c tmp)" -eq 0 ] || bad "temporary files are left: $(ls)"

# Reports.
ok "$spacc" run whole.onnx --input x.npy --json --trace t.json
json 'r["spacc"] == "0.1.0" and r["model"] == "whole.onnx" and r["card"] in ("", None)'
json 'node("lstm_0")["device"] == "cpu" and node("lstm_0")["calls"] == 1 and node("lstm_0")["reason"]'
json 'all(e["ph"] in "XM" for e in json.load(open("t.json"))["traceEvents"])'
json '[e["name"] for e in json.load(open("t.json"))["traceEvents"] if e["ph"] == "X"] == ["lstm_0"]'
refused 1 "spacc.task" "$spacc" run whole.onnx --input x.npy --metric
ok "$spacc" run product.onnx --dim N=3
says "float32[3,5]"

# Models that this version cannot run.
make unknown odd.onnx
refused 1 "odd_one" "$spacc" run odd.onnx
complains "Whatever"
refused 1 "absent.onnx" "$spacc" run absent.onnx
finish
