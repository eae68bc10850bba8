# Benchmarks: sh tests/bench/run.sh PROGRAM. Prints a table; nothing fails on time.
# See README.md beside it for what is measured.
set -eu
spacc=$1
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
commit=$(git -C "$here" rev-parse --short HEAD 2>/dev/null || echo "no commit")
[ -z "$(git -C "$here" status --porcelain 2>/dev/null)" ] || commit="$commit with changes"

echo "machine  $("$spacc" devices | sed -n 's/^cpu  //p')"
echo "commit   $commit"
echo "date     $(date -u +%Y-%m-%dT%H:%MZ)"
echo
python3 "$here/bench.py" "$spacc" "$work"
