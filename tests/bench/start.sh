# The programs of ./dev bench start, and print their tables: start.sh LSTM MODELS SOURCE PLACE SEERNET. Two small
# models of ../shared where that is there; no ONNX Runtime, and nothing is said about time.
set -u
lstm=$1
models=$2
source=$3
place=$4
seernet=$5
shared=$source/../shared/models
failures=0

# wants PATTERN LINES: so many lines of $text match.
wants() {
    [ "$(printf '%s\n' "$text" | grep -c "$1")" -eq "$2" ] && return
    failures=$((failures + 1))
    printf 'FAILED: not %s lines of "%s" in:\n%s\n' "$2" "$1" "$text"
}

# refused COMMAND...: exit status 1 and a line that says why.
refused() {
    text=$("$@" 2>&1 >/dev/null) && failures=$((failures + 1)) && echo "FAILED: not refused: $*"
    wants . 1
}

text=$("$lstm" none -i 20 -n 24 -s 3 -r 1 -t 2 2>&1) || failures=$((failures + 1))
wants '^LSTM of 20 inputs and 24 units, 3 steps, 2 of 16 weights kept$' 1
wants '^read GB/s, threads [12]: ' 2
wants '^f32 .* [0-9.]*e-0[678]$' 4 # errors: float rounding, halves, int8
wants '^f16 .* [0-9.]*e-0[345]$' 4
wants '^int8 .* [0-9.]*e-0[23]$' 4
refused "$lstm" none -z 0.8
refused "$lstm" none -n 0
refused "$lstm" "$source/no such library"
refused "$models" none "$source/absent.onnx=$source"
text=$("$place" 20 3 2 2>&1) || failures=$((failures + 1))
wants '^| [a-z]* | [a-z]* | [0-9.]* | [0-9.]* | [0-2] | [0-9.]* |$' 18
refused "$place" 65
refused "$seernet"
refused "$seernet" none 0
refused "$seernet" "$source/no such library"

# Every part that run.sh has is one that dev knows.
parts=$(sed -n 's/^parts=${2:-\(.*\)}$/\1/p' "$source/tests/bench/run.sh")
known=$(sed -n '/^bench() {/,/esac/p' "$source/dev" | sed -n "s/^    \\([a-z '|]*\\)).*/\\1/p" | tr "|'\n" '   ')
[ -n "$parts" ] || failures=$((failures + 1))
for part in $parts; do
    case " $known " in
    *" $part "*) ;;
    *) failures=$((failures + 1)) && echo "FAILED: ./dev bench $part is not known to dev: $known" ;;
    esac
done

if [ ! -d "$shared" ]; then
    echo "skipped: bench_models, no ../shared/models"
else
    dtln=$shared/dtln
    text=$("$models" none "$dtln/model_1.onnx=$dtln/golden/model_1/seed,$dtln/model_2.onnx=$dtln/golden/model_2/seed" 2>&1) ||
        failures=$((failures + 1))
    wants '^model_1 .* - .* - .* -$' 1
    wants '^onnxruntime none, 1 thread$' 1
fi
[ "$failures" -eq 0 ]
