# hls/build.sh: what it says where there is no Vitis, and what it has v++ do.
. "$2/tests/cli/lib.sh"
system=/usr/bin:/bin # where no Vitis puts v++

refused 1 "no v++ here: install Vitis 2023.1 or later" env PATH=$system sh "$source/hls/build.sh" ip
refused 1 "usage: hls/build.sh OUT [CONFIG]" env PATH=$system sh "$source/hls/build.sh"
absent ip

# A v++ that writes down its folder and arguments.
mkdir bin
cat >bin/v++ <<'END'
#!/bin/sh
pwd >"$SPACC_ARGUMENTS"
printf '%s\n' "$@" >>"$SPACC_ARGUMENTS"
END
chmod +x bin/v++
export SPACC_ARGUMENTS="$work/arguments.txt"
refused 1 "no configuration '3x3'; it has: 4x4 16x16" env PATH="$work/bin:$system" \
    sh "$source/hls/build.sh" ip 3x3
ok env PATH="$work/bin:$system" sh "$source/hls/build.sh" ip 8x8
holds arguments.txt "$(cd "$source" && pwd)/hls
-c
--mode
hls
--config
hls_config.cfg
--work_dir
$work/ip/spacc_card_8x8
--hls.syn.cflags=-I$(cd "$source" && pwd) -I$work/ip/include -DSPACC_KERNEL_CONFIG=8x8"
# The source compiles with exactly that.
ok cc -std=c11 -Wno-unknown-pragmas -fsyntax-only "-I$source" -Iip/include \
    -DSPACC_KERNEL_CONFIG=8x8 "$source/hls/spacc_card.c"
finish
