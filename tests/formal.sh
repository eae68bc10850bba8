#!/bin/sh
# Proves a block of rtl/ with yosys and yosys-smtbmc.
#
#   formal.sh NAME WORK RTL PACKAGE YOSYS [-b DEPTH] [-i DEPTH] [-c DEPTH] [PARAMETER=VALUE]...
#
# NAME: rtl/formal/NAME_proof.sv has the rules of RTL/spacc_NAME.sv. From a reset: -b no rule
# breaks in the first DEPTH cycles, -c every `cover` happens within them, so the assumptions
# leave room. From any state, -i: rules obeyed for DEPTH cycles hold in the next one too; with
# -b of as many cycles they hold for ever. Prints the line of a rule that breaks.
set -eu
name=$1 work=$2 rtl=$3 package=$4 yosys=$5
shift 5
proofs=$(dirname "$0")/../rtl/formal
bmc= induction= cover= chparam=
while [ $# -gt 0 ]; do
    case $1 in
    -b) bmc=$2 && shift ;;
    -i) induction=$2 && shift ;;
    -c) cover=$2 && shift ;;
    *=*) chparam="$chparam -chparam ${1%=*} ${1#*=}" ;;
    *)
        echo "formal.sh: what is $1?" >&2
        exit 2
        ;;
    esac
    shift
done
rm -rf "$work"
mkdir -p "$work"

blocks=$rtl/spacc_$name.sv
[ "$name" != dma_write ] || blocks="$blocks $rtl/spacc_fifo.sv"

# Memories become registers and the block is flattened: the proof looks at both by name.
"$yosys" -q -l "$work/yosys.log" -p "
    read_verilog -sv -formal -DSYNTHESIS $package $blocks $proofs/${name}_proof.sv
    hierarchy -check -top ${name}_proof $chparam
    proc; opt_clean; memory_map; flatten; opt -full; async2sync; dffunmap; opt_clean; check
    write_smt2 -wires $work/proof.smt2" >"$work/yosys.out" 2>&1 ||
    { cat "$work/yosys.out"; exit 1; }

# --unroll: without it z3 takes minutes where it now takes seconds.
prove() { # what, options of yosys-smtbmc
    what=$1
    shift
    start=$(date +%s)
    if ! "$yosys-smtbmc" -s z3 --unroll --noprogress "$@" "$work/proof.smt2" >"$work/smt.txt" 2>&1; then
        echo "$name: $what fails"
        grep -i 'failed\|unreached\|error' "$work/smt.txt" || tail -20 "$work/smt.txt"
        exit 1
    fi
    echo "$name: $what, $(($(date +%s) - start)) s"
}
[ -z "$bmc" ] || prove "from reset, $bmc cycles" -t "$bmc"
[ -z "$induction" ] || prove "induction over $induction" -i -t "$induction"
[ -z "$cover" ] || prove "covers within $cover cycles" -c -t "$cover"
