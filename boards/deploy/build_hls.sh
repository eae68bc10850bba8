#!/bin/sh
# build_hls.sh: spacc_card.c becomes an IP (hls_work), and that the kernel spacc_card.xo, both beside this
# file. Needs v++ and vivado of Vitis 2023.2 or later.
set -eu
cd "$(dirname "$0")"
for tool in v++ vivado; do
    command -v "$tool" >/dev/null 2>&1 || {
        echo "build_hls.sh: no $tool here: install Vitis 2023.2 or later and source its settings64.sh" >&2
        exit 1
    }
done
config=$(sed -n 's/^set card(config) //p' card.tcl)
v++ -c --mode hls --config hls_config.cfg --work_dir hls_work \
    "--hls.syn.cflags=-I$PWD -DSPACC_KERNEL_CONFIG=$config"
vivado -mode batch -source package_hls_xo.tcl
