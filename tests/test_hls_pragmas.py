#!/usr/bin/env python3
"""Arguments of the kernels in hls/, their order, ports and offsets are those of rtl/card.toml.

    test_hls_pragmas.py SOURCE_DIR"""
import pathlib
import re
import sys
import tomllib
import unittest

SOURCE = pathlib.Path(sys.argv.pop(1))
ARRAY = "registers"  # of the C kernel only: 0x100..0x1ff as a memory of 64 words


def card():
    return tomllib.loads((SOURCE / "rtl/card.toml").read_text())


def arguments():
    """[(name, offset, is a pointer)] of the card, then of kernels."""
    toml = card()
    both = [r for r in toml["register"] + toml["kernel_register"] if 0x10 <= r["offset"] < 0x100]
    return [(r["name"].lower().removesuffix("_ptr"), r["offset"], r.get("bits", 32) == 64)
            for r in both]


def text_of(name):
    return (SOURCE / "hls" / name).read_text()


def parameters(text):
    """[(name, is a pointer)] of the definition of spacc_card."""
    found = re.search(r"^(?:__kernel )?void spacc_card\(([^)]*)\)\n\{", text, re.M)
    fields = [" ".join(field.split()) for field in found.group(1).split(",")]
    return [(re.search(r"(\w+)(?:\[\w+\])?$", f).group(1), "*" in f) for f in fields]


def interfaces(text):
    """{(mode, port): {option: value}}"""
    found = {}
    for line in re.findall(r"#pragma HLS INTERFACE (.*)", text):
        mode, rest = line.split(" ", 1)
        options = dict(re.findall(r"(\w+) = (\w+)", rest))
        found[mode, options.pop("port")] = options
    return found


class Arguments(unittest.TestCase):
    def test_opencl_has_those_of_the_table(self):
        self.assertEqual(parameters(text_of("spacc_card.cl")), [(n, p) for n, _, p in arguments()])

    def test_c_has_them_and_the_registers(self):
        self.assertEqual(parameters(text_of("spacc_card.c")),
                         [(n, p) for n, _, p in arguments()] + [(ARRAY, False)])

    def test_every_argument_has_its_offset(self):
        pragmas = interfaces(text_of("spacc_card.c"))
        lite = {port: int(options["offset"], 16) for (mode, port), options in pragmas.items()
                if mode == "s_axilite" and port != "return"}
        want = {name: offset for name, offset, _ in arguments()}
        want[ARRAY] = next(r["offset"] for r in card()["register"] if r["name"] == "IDENTITY")
        self.assertEqual(lite, want)
        self.assertIn(("s_axilite", "return"), pragmas)

    def test_every_pointer_is_a_master_on_the_one_port_of_the_card(self):
        pragmas = interfaces(text_of("spacc_card.c"))
        masters = {port: (o["offset"], o["bundle"]) for (mode, port), o in pragmas.items()
                   if mode == "m_axi"}
        self.assertEqual(masters, {n: ("slave", "gmem") for n, _, p in arguments() if p})
        self.assertEqual({o["bundle"] for (mode, _), o in pragmas.items() if mode == "s_axilite"},
                         {"control"})

    def test_no_register_is_outside_the_array(self):
        toml = card()
        last = max([r["offset"] + r.get("bits", 32) // 8
                    for r in toml["register"] + toml["kernel_register"]] +
                   [toml["counters"]["base"] + 8 * len(toml["counter"])])
        self.assertLessEqual(last, 0x200)


class Pragmas(unittest.TestCase):
    def test_named_variables_exist(self):
        text = text_of("spacc_card.c")
        names = re.findall(r"#pragma HLS (?!INTERFACE).*variable = (\w+)", text)
        self.assertGreater(len(names), 10)
        for name in names:
            self.assertRegex(text, rf"\b{name}\[", name)

    def test_every_innermost_loop_is_pipelined_or_unrolled(self):
        lines = text_of("spacc_card.c").splitlines()
        loops = [i for i, line in enumerate(lines) if re.match(r" +for \(", line)]
        self.assertGreater(len(loops), 20)
        for at, end in zip(loops, loops[1:] + [len(lines)]):
            indent = len(lines[at]) - len(lines[at].lstrip())
            body = [l for l in lines[at + 1:end] if l.startswith("#pragma")]
            nested = end < len(lines) and len(lines[end]) - len(lines[end].lstrip()) > indent
            calls = any("(" in l and re.search(r"\b(region|run_pass|execute)\(", l)
                        for l in lines[at:end + 12])
            if not nested and not calls:
                self.assertTrue(any("PIPELINE" in p or "UNROLL" in p for p in body),
                                f"line {at + 1}: {lines[at].strip()}")


if __name__ == "__main__":
    unittest.main()
