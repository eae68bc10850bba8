#!/bin/sh
# A fault in a block breaks its proof: what the proofs are worth.
#
#   formal_faults.sh WORK RTL PACKAGE YOSYS
set -eu
work=$1 rtl=$2 package=$3 yosys=$4
bad=0

# fault NAME DEPTH WHAT SED-SCRIPT [FILE]: the proof of NAME must fail within DEPTH cycles.
fault() {
    file=spacc_${5:-$1}.sv
    rm -rf "$work"
    mkdir -p "$work/rtl"
    cp "$rtl"/spacc_*.sv "$work/rtl"
    sed "$4" "$rtl/$file" >"$work/rtl/$file"
    if cmp -s "$rtl/$file" "$work/rtl/$file"; then
        echo "$1: $3: no line of $file fits any more"
        bad=1
    elif sh "$(dirname "$0")/formal.sh" "$1" "$work/proof" "$work/rtl" "$package" "$yosys" -b "$2" \
        >"$work/out.txt"; then
        echo "$1: $3: NOT noticed"
        bad=1
    elif grep -q 'Assert failed' "$work/out.txt"; then
        echo "$1: $3: noticed, $(sed -n 's/.*_proof.sv:\([0-9]*\).*/line \1/p' "$work/out.txt" | head -n 1)"
    else
        cat "$work/out.txt"
        bad=1
    fi
}

fault fifo 6 "full one word late" "s/level_q != LevelWidth'(Depth);/level_q != LevelWidth'(Depth + 1);/"
fault fifo 5 "a word lost on its way out" \
    "s/fetch  = stored && (!out_valid_o || out_ready_i)/fetch  = stored/"
fault axi_lite 5 "an answer withdrawn" "s/else if (s_axi_bready_i)  *s_axi_bvalid_o/else s_axi_bvalid_o/"
fault axi_lite 5 "a strobe ignored" "s/{8{wstrb_q\[2\]}}/{8{wstrb_q[3]}}/"
fault dma_read 4 "a burst over a 4 KiB line" "s/burst = to_line > .*? BurstWidth'(BurstMax).*/burst = BurstWidth'(BurstMax);/"
fault dma_read 5 "AR withdrawn" "s/else if (m_arready_i) m_arvalid_o <= 1'b0/else m_arvalid_o <= 1'b0/"
fault dma_write 5 "AW before its words" "s/level - owed_q >= LevelWidth'(burst)/level - owed_q + 1'b1 >= LevelWidth'(burst)/"
fault dma_write 5 "W without a burst" "s/m_wvalid_o  = queue_valid && owed_q != '0/m_wvalid_o  = queue_valid/"
exit "$bad"
