#!/usr/bin/env python3
"""embed.py OUT NAME FILE...: the text of the files as one C array NAME, so that no file is needed
at run time. Quoted includes are left out: what they name stands before them in the list. An array
of numbers: string literals may be no longer than 4095 bytes in C11."""
import re
import sys

out, name, files = sys.argv[1], sys.argv[2], sys.argv[3:]


def text_of(file):
    with open(file, "rb") as f:
        return re.sub(rb'(?m)^ *# *include "[^\n]*$', b"", f.read())


text = b"".join(b'#line 1 "%s"\n' % f.rsplit("/", 1)[-1].encode() + text_of(f) for f in files)
with open(out, "w") as to:
    to.write(f"/* Made by embed.py. */\nextern const char {name}[];\n\nconst char {name}[] = {{\n")
    for i in range(0, len(text), 16):
        to.write("    " + "".join(f"{b}, " for b in text[i : i + 16]).rstrip() + "\n")
    to.write("    0};\n")
