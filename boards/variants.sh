# variants.sh: what four rows of a PE take on an UltraScale+ part, each PE with its own indices or
# all four sharing them, one or two products a multiplier. 16 lanes, 2048 words of weights, 64 of
# x and h. Prints the table of README.md; needs yosys.
set -eu
rtl=$(cd "$(dirname "$0")/../rtl" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# count PATTERN: cells of these names in the last synthesis.
count() {
    awk -v p="^($1)$" '$1 ~ p { n += $2 } END { print n + 0 }' "$work/stat"
}

# variant NAME ROWS COPIES WEIGHT_BITS ACT_BITS
variant() {
    yosys -q -p "read_verilog -sv -DSYNTHESIS $rtl/spacc_pe.sv
        chparam -set Lanes 16 -set Rows $2 -set WeightBits $4 -set ActBits $5 spacc_pe
        chparam -set WeightWords 2048 -set XWords 64 -set HWords 64 spacc_pe
        synth_xilinx -family xcup -noiopad -top spacc_pe; tee -o $work/stat stat" >"$work/log" 2>&1 ||
        { cat "$work/log" >&2; exit 1; }
    echo "| $1 | $(($3 * $(count 'LUT[1-6]'))) | $(($3 * 8 * $(count RAM64M8))) | $(($3 * $(count 'FD.E'))) |" \
        "$(($3 * $(count DSP48E2))) | $(($3 * $(count RAMB36E2))) |"
}

echo "| four rows of 16 lanes | LUT | LUT as memory | FF | DSP48E2 | RAMB36 |"
echo "| --- | --- | --- | --- | --- | --- |"
variant "int16, own indices" 1 4 16 16
variant "int16, shared (16x16s)" 4 1 16 16
variant "int8, own indices" 1 4 8 16
variant "int8, shared" 4 1 8 16
variant "int8, shared, packed, 12-bit x (16x16p)" 4 1 8 12
