#!/usr/bin/env python3
"""Line and toggle coverage of rtl/spacc_*.sv by the benches of sim/.

    coverage.py [--build DIR] [--configs 4x4,wide,queues] [--jobs N] [--line 95] [--toggle 90]
                [--missing] [--without tb_NAME,..] [--report]

Builds each bench with Verilator's coverage, runs it with its default seed, merges what they
counted (DIR/merged.dat) and prints a table by module. A line point is a branch or a block; a
toggle point is a bit that rose and fell in one instance at least. What waivers.toml names does
not count, unless it is covered. --missing lists the points that are left, --report only prints
what the last call measured. Exit status 1: the whole is below a goal, or a module below the
least of a module; 2: a waiver fits nothing."""

import argparse
import concurrent.futures
import dataclasses
import fnmatch
import pathlib
import re
import resource
import shutil
import sys
import tomllib

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "mutate"))

import rig  # noqa: E402
import sv  # noqa: E402

# Splitting an always_comb would count its branches after the values have moved on.
OPTIONS = ("--coverage-line", "--coverage-toggle", "-fno-split", "-fno-reorder")
# A card has many PEs, which take most of the time; they have benches of their own.
CARDS_VLT = '`verilator_config\ncoverage_off -file "*/spacc_pe.sv"\n'
# Seed and programs: the first 20 of the bench and every error; of a larger card, which takes
# ten times as long, 6 and no error.
ARGUMENTS = {"tb_core_4x4": ("1", "20"), "tb_core_queues": ("1", "16"), "tb_micro": ("1", "20")}
FURTHER_CARDS = ("1", "6")
SLOW_TWINS = "tb_dma_read_wide,tb_dma_write_wide,tb_pe_narrow,tb_pe_wide"  # the same modules
LEAST_OF_A_MODULE = (90.0, 80.0)        # line, toggle
RUN_LIMIT = 300 # s


@dataclasses.dataclass(frozen=True)
class Point:
    file: str
    line: int
    column: int
    kind: str       # line, toggle
    what: str       # if, else, signal[3]


def write_at_end(name, text):
    """The model's destructor writes what was counted: the benches know nothing of it."""
    old = f"{name}::~{name}() {{\n"
    if text.count(old) != 1:
        raise SystemExit(f"{name}: no destructor where it was expected")
    return "#include <string>\n" + text.replace(old, old + """    static int files = 0;
    contextp()->coveragep()->write(("coverage" + std::to_string(files++) + ".dat").c_str());
    contextp()->coveragep()->clear();
""")


# What Verilator makes for one bit: if it differs from what it was, count it, and note it.
BIT_CODE = re.compile(r"    if \((?P<when>[^{};]*__Vtogcov[^{};]*)\) \{\n"
                      r"        vlSymsp->__Vcoverage\[(?P<counter>\d+)\][^;]*;\n[^{};]*;\n    \}\n")
BIT_WHEN = re.compile(r"(?:(?P<mask>\w+)U(?:LL)?&)?(?P<now>vlSelf->[\w.]+(?:\[\w+\])?)(?:>>(?P<now_at>\w+)U)?"
                      r"\^(?P<before>vlSelf->[\w.]*__Vtogcov\w*(?:\[\w+\])?)(?:>>(?P<before_at>\w+)U)?")
WORDS_H = """#pragma once
#include <atomic>
template <typename Counter, typename Now, typename Before>
inline void count_toggles(Counter *counters, int first, unsigned long long mask, const Now &now,
                          Before &before)
{
    const unsigned long long changed = (now ^ before) & mask;
    for (unsigned long long bits = changed; bits; bits &= bits - 1)
        counters[__builtin_ctzll(bits) - first].fetch_add(1, std::memory_order_relaxed);
    before ^= changed;
}
"""


@dataclasses.dataclass(frozen=True)
class Bit:
    now: str        # the word, and what it was
    before: str
    number: int     # of the bit in the word
    counter: int


def read_bit(code):
    """A match of BIT_CODE, or None where the bit is not one of a word and of what it was."""
    when = re.sub(r"\s|\([IQ]Data\)", "", code["when"])
    whole = re.search(r"\^vlSelf->[\w.\[\]]+\)+>>", when)  # (now ^ before) >> 3
    parts = BIT_WHEN.fullmatch(re.sub(r"[()]", "", when))
    if not parts or (not whole and parts["now_at"] != parts["before_at"]):
        return None
    shift, mask = parts["before_at"], parts["mask"]
    number = int(shift, 0) if shift else int(mask, 0).bit_length() - 1 if mask else 0
    return Bit(parts["now"], parts["before"], number, int(code["counter"]))


def by_words(text):
    """The same counts by words: a twentieth of the code, and of the time."""
    made, at, open_bits = [], 0, []

    def close():
        if not open_bits:
            return
        first = open_bits[0]
        mask = (1 << len(open_bits)) - 1 << first.number
        made.append(f"    count_toggles(&vlSymsp->__Vcoverage[{first.counter}], {first.number}, {mask}ULL, "
                    f"{first.now}, {first.before});\n")
        open_bits.clear()

    for code in BIT_CODE.finditer(text):
        bit = read_bit(code)
        last = open_bits[-1] if open_bits else None
        if last and not (bit and code.start() == at and bit.now == last.now and
                         (bit.counter, bit.number) == (last.counter + 1, last.number + 1)):
            close()
        made.append(text[at:code.start()])
        if bit:
            open_bits.append(bit)
        else:
            made.append(code.group())
        at = code.end()
    close()
    return "".join(made) + text[at:]


def adapt(prefix, made):
    """The C++ of a model, as it is compiled."""
    changed = {n: '#include "words.h"\n' + by_words(t) for n, t in made.items() if n.endswith(".cpp")}
    changed[f"{prefix}.cpp"] = write_at_end(prefix, changed[f"{prefix}.cpp"])
    return {**changed, "words.h": WORDS_H}


def measure(builder, bench):
    """Build and run one bench; returns the files it wrote."""
    job = builder.folder / "job"
    made = builder.verilate(job, bench, *(("cards.vlt",) if bench.is_card else ()))
    parts = [builder.bench_object(job, bench), builder.model_object(job, bench, made, "-O0")]
    program = builder.link(job, bench, parts)
    arguments = ARGUMENTS.get(bench.name, FURTHER_CARDS if bench.is_card else ())
    status, output = rig.execute([program, *arguments], program.parent, RUN_LIMIT)
    if status != 0:
        raise SystemExit(f"{bench.name} fails: {output[-400:] if status else 'too slow'}")
    return sorted(program.parent.glob("coverage*.dat"))


def read_points(path, texts):
    """{Point: highest count of an instance}, assertions left out."""
    hidden = {name: sv.hidden_lines(text) for name, text in texts.items()}
    points = {}
    for line in path.read_text(errors="replace").splitlines():
        match = re.match(r"C '(.*)' (\d+)$", line)
        if not match:
            continue
        fields = dict(f.split("\2", 1) for f in match[1].split("\1") if "\2" in f)
        name = pathlib.PurePath(fields["f"]).name
        if name not in texts or int(fields["l"]) in hidden[name]:
            continue
        kind = "toggle" if fields["page"].startswith("v_toggle") else "line"
        point = Point(name, int(fields["l"]), int(fields["n"]), kind, fields["o"])
        points[point] = max(points.get(point, 0), int(match[2]))
    return points


def covered(point, count):
    return count >= (2 if point.kind == "toggle" else 1)


# ---------------------------------------------------------------- waivers

class Waiver:
    """An entry of waivers.toml: kind, file (glob), signal or code (regular expressions of the
    whole signal with its bit, and of the source line without blanks at its ends), reason."""

    def __init__(self, entry):
        if not {"kind", "file", "reason"} <= set(entry) or not entry["reason"].strip() or \
                set(entry) - {"kind", "file", "reason", "signal", "code"} or \
                entry["kind"] not in ("line", "toggle") or len(entry) < 4:
            raise SystemExit(f"waivers.toml: needs kind, file, reason and signal or code: {entry}")
        self.entry = entry
        self.signal = re.compile(entry.get("signal", ".*"))
        self.code = re.compile(entry.get("code", ".*"))
        self.matched = self.used = 0

    def fits(self, point, texts):
        if point.kind != self.entry["kind"] or not fnmatch.fnmatch(point.file, self.entry["file"]):
            return False
        code = texts[point.file].splitlines()[point.line - 1].strip()
        return bool(self.signal.fullmatch(point.what) and self.code.fullmatch(code))


def read_waivers():
    path = HERE / "waivers.toml"
    return [Waiver(e) for e in tomllib.loads(path.read_text()).get("waiver", [])]


def waived(waivers, point, texts, is_covered):
    """Whether one fits; each that fits is marked."""
    fitting = [w for w in waivers if w.fits(point, texts)]
    for waiver in fitting:
        waiver.matched += 1
        waiver.used += not is_covered
    return bool(fitting)


# ---------------------------------------------------------------- the table

@dataclasses.dataclass
class Row:
    hit: int = 0
    all: int = 0
    waived: int = 0

    def percent(self):
        return 100.0 * self.hit / self.all if self.all else 100.0


def tally(points, waivers, texts):
    """({(file, kind): Row}, points that are missing). A waived point counts only if covered."""
    rows = {(name, kind): Row() for name in texts for kind in ("line", "toggle")}
    missing = []
    for point, count in points.items():
        row, hit = rows[point.file, point.kind], covered(point, count)
        if waived(waivers, point, texts, hit) and not hit:
            row.waived += 1
            continue
        row.all += 1
        row.hit += hit
        if not hit:
            missing.append(point)
    return rows, missing


def print_table(rows, names, goals):
    """Returns what is below: modules, "all"."""
    below = []
    print(f"{'module':26}{'line %':>8}{'points':>8}{'waived':>8}{'toggle %':>10}{'bits':>8}{'waived':>8}")
    for name in [*sorted(names), "all"]:
        line, toggle = (rows[name, k] if name != "all" else
                        Row(*(sum(getattr(rows[n, k], f) for n in names) for f in ("hit", "all", "waived")))
                        for k in ("line", "toggle"))
        least = goals if name == "all" else LEAST_OF_A_MODULE
        low = line.percent() < least[0] or toggle.percent() < least[1]
        below += [name] if low else []
        print(f"{name:26}{line.percent():8.1f}{line.all:8}{line.waived:8}{toggle.percent():10.1f}"
              f"{toggle.all:8}{toggle.waived:8}{'  below' if low else ''}")
    return below


def print_missing(missing, texts):
    """Bits of a signal on one line."""
    groups = {}
    for point in missing:
        name, bit = re.fullmatch(r"(.*?)(?:\[(\d+)\])?", point.what).groups()
        groups.setdefault((point.file, point.line, point.kind, name), []).append(int(bit or -1))
    for (file, line, kind, name), bits in sorted(groups.items()):
        shown = "" if bits == [-1] else f" bits {','.join(str(b) for b in sorted(bits))}"
        code = texts[file].splitlines()[line - 1].strip() if kind == "line" else ""
        print(f"missing: {file}:{line} {kind} {name}{shown} {code}")


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", default=str(rig.SOURCE / "build/coverage"))
    parser.add_argument("--configs", default="4x4,wide,queues")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--line", type=float, default=95.0)
    parser.add_argument("--toggle", type=float, default=90.0)
    parser.add_argument("--without", default=SLOW_TWINS)
    parser.add_argument("--missing", action="store_true")
    parser.add_argument("--report", action="store_true")
    return parser.parse_args()


def measure_all(folder, benches, texts, jobs):
    """Every bench, into folder/merged.dat."""
    shutil.rmtree(folder / "job", ignore_errors=True)
    builder = rig.Rig(folder, verilator=OPTIONS, adapt=adapt, bench="-O0")
    builder.lay_out(builder.folder / "job", texts)
    (builder.folder / "job/cards.vlt").write_text(CARDS_VLT)
    cards = [b for b in benches if b.is_card]
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:   # cards take longest
        made = pool.map(lambda b: measure(builder, b),
                        cards + [b for b in benches if not b.is_card])
        files = [path for paths in made for path in paths]
    rig.checked(["verilator_coverage", "--write", builder.folder / "merged.dat", *files])


def main():
    options = parse()
    texts, waivers = rig.rtl_texts(), read_waivers()
    folder = pathlib.Path(options.build)
    configs = [c for c in options.configs.split(",") if c]
    benches = [b for b in rig.find_benches(configs)
               if b.source.stem not in options.without.split(",")]
    if not options.report:
        measure_all(folder, benches, texts, options.jobs)
    rows, missing = tally(read_points(folder / "merged.dat", texts), waivers, texts)
    seen = set().union(*(rig.reached(b.top, texts) for b in benches))
    below = print_table(rows, [n for n in texts if n.removesuffix(".sv") in seen],
                        (options.line, options.toggle))
    for name in texts:
        if name.removesuffix(".sv") not in seen:
            print(f"{name:26}  no bench has it")
    for waiver in sorted(waivers, key=lambda w: -w.used):
        print(f"{waiver.used:5} {waiver.entry['kind']} points waived: {waiver.entry['reason']}")
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{usage.ru_utime + usage.ru_stime:.0f} CPU seconds")
    if options.missing or below:
        print_missing([p for p in missing
                       if options.missing or p.file in below or "all" in below], texts)
    unfit = [w.entry for w in waivers if not w.matched]
    for entry in unfit:
        print(f"waivers.toml: fits nothing: {entry}")
    return 1 if below else 2 if unfit else 0


if __name__ == "__main__":
    sys.exit(main())
