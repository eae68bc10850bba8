# spacc selftest on simulated cards: what it prints, and what it refuses.
. "$2/tests/cli/lib.sh"

refused 2 "--fpga CARD is missing" "$spacc" selftest
refused 2 "--seed 0: not a number above 0" "$spacc" selftest --fpga sim --seed 0
refused 1 "card 'model:4x4' only counts cycles" "$spacc" selftest --fpga model:4x4

# The first step that fails ends it.
run "$spacc" selftest --fpga uart:/dev/null
[ "$status" -eq 1 ] || bad "exit status $status, want 1"
says "1 identity   FAIL"
says "look at: no card at this address"
complains "spacc: step identity: /dev/null: not a serial line"
[ "$(wc -l <out.txt)" -eq 2 ] || bad "more than one step was told"

if [ "$sim" = 1 ]; then
    ok "$spacc" selftest --fpga sim:4x4
    says "card 'sim:4x4' passes all 8 steps"
    ok "$spacc" selftest --fpga sim:4x4 --json --seed 7
    json 'r["passed"] and len(r["steps"]) == 8 and r["steps"][0]["step"] == "identity"'
    run "$spacc" selftest --fpga sim:3x3
    complains "3x3"
fi
finish
