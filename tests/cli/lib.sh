# shellcheck shell=sh disable=SC2034,SC2154
# lib.sh - what the scripts beside it share. They are called with the program, the
# source folder, and 1 or 0: whether this build has the simulated card. They work in a
# folder of their own that is gone afterwards.
set -u
spacc=$1
source=$2
sim=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
checks=0
failures=0

make() {
    python3 "$source/tests/make_model.py" "$@" || exit 1
}

need_sim() {
    [ "$sim" = 1 ] && return
    echo "skipped: this build has no simulated card (SPACC_SIM=OFF)"
    exit 77
}

bad() {
    failures=$((failures + 1))
    echo "FAILED: $*"
    sed 's/^/    stdout: /' out.txt | head -n 20
    sed 's/^/    stderr: /' err.txt | head -n 20
}

# run COMMAND...: out.txt, err.txt and $status.
run() {
    checks=$((checks + 1))
    status=0
    "$@" >out.txt 2>err.txt </dev/null || status=$?
}

# ok COMMAND...: exit status 0.
ok() {
    run "$@"
    [ "$status" -eq 0 ] || bad "exit status $status, want 0: $*"
}

# says TEXT / complains TEXT: stdout or stderr of the last command has this line part.
says() {
    checks=$((checks + 1))
    grep -qF -- "$1" out.txt || bad "stdout does not say: $1"
}

complains() {
    checks=$((checks + 1))
    grep -qF -- "$1" err.txt || bad "stderr does not say: $1"
}

# refused STATUS TEXT COMMAND...: that exit status, nothing on stdout, one line on stderr
# with TEXT in it.
refused() {
    want=$1 text=$2
    shift 2
    run "$@"
    [ "$status" -eq "$want" ] || bad "exit status $status, want $want: $*"
    [ ! -s out.txt ] || bad "stdout is not empty: $*"
    [ "$(wc -l <err.txt)" -eq 1 ] || bad "stderr is not one line: $*"
    complains "$text"
}

# json EXPRESSION: a Python expression over r, the JSON on stdout, is true.
json() {
    checks=$((checks + 1))
    python3 -c 'import json, math, sys
r = json.load(open("out.txt"))
node = lambda name: [n for n in r["nodes"] if n["name"] == name][0]
sys.exit(0 if eval(sys.argv[1]) else 1)' "$1" || bad "not true of the JSON: $1"
}

# same FILE FILE / holds FILE TEXT / absent FILE
same() {
    checks=$((checks + 1))
    cmp -s "$1" "$2" || bad "$1 and $2 differ"
}

holds() {
    checks=$((checks + 1))
    [ "$(cat "$1")" = "$2" ] || bad "$1 does not hold '$2'"
}

absent() {
    checks=$((checks + 1))
    for file in "$@"; do
        [ ! -e "$file" ] || bad "$file is there"
    done
}

finish() {
    echo "$checks checks, $failures failed"
    [ "$failures" -eq 0 ]
    exit
}
