#!/bin/sh
# A yosys netlist of a small card does cycle for cycle what its RTL does.
#
#   rtl_netlist.sh KIND WORK REPOSITORY GENERATED-INCLUDES VERILATOR YOSYS SOURCE...
#
# KIND: a card of 16-bit weights that takes masks; one with two 8-bit products a
# multiplier and shared indices, two cell lanes and batches; one with
# the small cell unit, mapped to the cells of an iCE40. RTL and netlist are simulated with the
# same bench and seeds (sim/tb_core.cpp): the bench checks every output against its model, and
# the trails of all AXI outputs must be equal. Synthesis takes the files with SYNTHESIS
# defined; a tool that reads our SystemVerilog otherwise than Verilator does shows up here.
set -eu
kind=$1 work=$2 repository=$3 includes=$4 verilator=$5 yosys=$6
shift 6
rm -rf "$work"
mkdir -p "$work"

generic='proc; opt_expr; opt_clean; opt -nodffe -nosdff; fsm; opt; wreduce; peepopt; opt_clean
    share; opt; memory -nomap; opt -full; clean'
cells=
layers=40 seeds='1 2'
case $kind in
int16)
    parameters='Pes=4 Lanes=4 WeightWords=512 XWords=128 HWords=128 Units=64 PsumWords=16 Instructions=16 Queue=8'
    synthesis=$generic
    ;;
packed)
    parameters='Pes=16 Lanes=8 Cells=2 SharedRows=4 WeightBits=8 ActBits=12 WeightWords=256 XWords=128 HWords=128 Units=256 PsumWords=16 Instructions=16'
    synthesis=$generic
    ;;
ice40)
    parameters='Pes=4 Lanes=4 WeightBits=8 WeightWords=256 XWords=32 HWords=32 Units=32 PsumWords=8 Instructions=16 SmallCell=1'
    # yosys 0.23 packs control's factors and products, which have different enables, into one
    # SB_MAC16 and gets them wrong: kept registers stay outside. Its last step, check, names
    # wires for minutes.
    synthesis='setattr -set keep 1 *spacc_control*/w:*_q
        synth_ice40 -dsp -top spacc_card -run begin:check'
    cells=$("$yosys"-config --datdir 2>/dev/null || echo /usr/share/yosys)/ice40/cells_sim.v
    layers=12 seeds=1
    ;;
*)
    echo "no such netlist: $kind" >&2
    exit 2
    ;;
esac
chparam=
defines=
for parameter in $parameters; do
    chparam="$chparam -chparam ${parameter%=*} ${parameter#*=}"
    defines="$defines -G$parameter"
done

"$yosys" -q -l "$work/yosys.log" -p "
    read_verilog -sv -DSYNTHESIS $*
    hierarchy -check -top spacc_card $chparam
    $synthesis
    write_verilog -noattr $work/netlist.v" >"$work/yosys.out" 2>&1 ||
    { cat "$work/yosys.out"; exit 1; }

# What runs once is not worth optimising.
build() { # name, Verilator arguments
    name=$1
    shift
    "$verilator" --cc --exe -O3 -Wno-fatal -Wno-lint --prefix Vcard --top-module spacc_card \
        --Mdir "$work/$name" -CFLAGS "-std=c++17 -I$includes -I$repository" "$@" \
        "$repository/sim/tb_core.cpp" -o bench >"$work/$name.log" 2>&1 &&
        make -j2 -C "$work/$name" -f Vcard.mk OPT_FAST=-O1 OPT_SLOW=-O0 OPT_GLOBAL=-O1 bench \
            >>"$work/$name.log" 2>&1 ||
        { tail -20 "$work/$name.log"; exit 1; }
}
# shellcheck disable=SC2086
build rtl --assert $defines "$@"
# shellcheck disable=SC2086
build netlist -DNO_ICE40_DEFAULT_ASSIGNMENTS "$work/netlist.v" $cells

for seed in $seeds; do
    "$work/rtl/bench" $seed $layers >"$work/rtl.txt" || { cat "$work/rtl.txt"; exit 1; }
    "$work/netlist/bench" $seed $layers >"$work/netlist.txt" || { cat "$work/netlist.txt"; exit 1; }
    cat "$work/rtl.txt"
    diff "$work/rtl.txt" "$work/netlist.txt"
done
