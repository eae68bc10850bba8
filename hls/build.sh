#!/bin/sh
# build.sh OUT [CONFIG]: the kernel for Vitis HLS becomes an IP in the folder OUT, with the numbers of
# a configuration of rtl/card.toml (16x16). Needs v++ of Vitis 2023.1 or later, and python3.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")

die() {
    echo "build.sh: $*" >&2
    exit 1
}

[ $# -ge 1 ] && [ $# -le 2 ] || die "usage: hls/build.sh OUT [CONFIG]"
config=${2:-16x16}
command -v v++ >/dev/null 2>&1 ||
    die "no v++ here: install Vitis 2023.1 or later and source its settings64.sh"
mkdir -p "$1"
out=$(cd "$1" && pwd)
python3 "$root/rtl/generate.py" --toml "$root/rtl/card.toml" --out "$out/include/rtl"
grep -q "define SPACC_CONFIG_${config}_PES " "$out/include/rtl/card_map.h" ||
    die "rtl/card.toml has no configuration '$config'; it has:$(sed -n \
        's/^#define SPACC_CONFIG_\(.*\)_PES .*/ \1/p' "$out/include/rtl/card_map.h" | tr -d '\n')"
cd "$here" # what hls_config.cfg names is here
exec v++ -c --mode hls --config hls_config.cfg --work_dir "$out/spacc_card_$config" \
    "--hls.syn.cflags=-I$root -I$out/include -DSPACC_KERNEL_CONFIG=$config"
