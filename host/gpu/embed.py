#!/usr/bin/env python3
"""embed.py OUT FILE...: the text of the files as one C array, so that no file is needed at run
time. An array of numbers: string literals may be no longer than 4095 bytes in C11."""
import sys

out, files = sys.argv[1], sys.argv[2:]
text = b"".join(b'#line 1 "%s"\n' % f.rsplit("/", 1)[-1].encode() + open(f, "rb").read() for f in files)
with open(out, "w") as to:
    to.write("/* Made by embed.py. */\n#include \"host/gpu/parts.h\"\n\nconst char spacc_gpu_source[] = {\n")
    for i in range(0, len(text), 16):
        to.write("    " + "".join(f"{b}, " for b in text[i : i + 16]).rstrip() + "\n")
    to.write("    0};\n")
