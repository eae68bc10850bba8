#!/bin/sh
# A yosys netlist of a small card does cycle for cycle what its RTL does.
#
#   rtl_netlist.sh WORK REPOSITORY GENERATED-INCLUDES VERILATOR YOSYS SOURCE...
#
# Both are simulated with the same bench and seed (sim/tb_core.cpp): the bench checks every
# output against its model, and the trails of all AXI outputs must be equal. Synthesis
# takes the files with SYNTHESIS defined; a tool that reads our SystemVerilog otherwise
# than Verilator does shows up here.
set -eu
work=$1 repository=$2 includes=$3 verilator=$4 yosys=$5
shift 5
rm -rf "$work"
mkdir -p "$work"
small='Pes=4 Lanes=4 WeightWords=512 VectorWords=128 Units=64 Instructions=16'
chparam=
defines=
for parameter in $small; do
    chparam="$chparam -chparam ${parameter%=*} ${parameter#*=}"
    defines="$defines -G$parameter"
done

"$yosys" -q -l "$work/yosys.log" -p "
    read_verilog -sv -DSYNTHESIS $*
    hierarchy -check -top spacc_card $chparam
    proc; opt_expr; opt_clean; opt -nodffe -nosdff; fsm; opt; wreduce; peepopt; opt_clean
    share; opt; memory -nomap; opt -full; clean
    write_verilog -noattr $work/netlist.v" >"$work/yosys.out" 2>&1 ||
    { cat "$work/yosys.out"; exit 1; }

build() { # name, Verilator arguments
    name=$1
    shift
    "$verilator" --cc --exe --build -j 2 -O3 -Wno-fatal -Wno-lint --prefix Vcard --top-module spacc_card \
        --Mdir "$work/$name" -CFLAGS "-O1 -std=c++17 -I$includes -I$repository" "$@" \
        "$repository/sim/tb_core.cpp" -o bench >"$work/$name.log" 2>&1 ||
        { tail -20 "$work/$name.log"; exit 1; }
}
# shellcheck disable=SC2086
build rtl --assert $defines "$@"
build netlist "$work/netlist.v"

for seed in 1 2; do
    "$work/rtl/bench" $seed 40 >"$work/rtl.txt"
    "$work/netlist/bench" $seed 40 >"$work/netlist.txt"
    cat "$work/rtl.txt"
    diff "$work/rtl.txt" "$work/netlist.txt"
done
