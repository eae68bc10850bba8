"""Builds the benches of sim/ without CMake, one copy of the RTL after the other: for
mutate.py and ../coverage/coverage.py.

A bench is what sim/CMakeLists.txt says: tb_NAME.cpp tests spacc_NAME, "// verilator:" adds
options, "// module:" names another module, #include "Vcard.h" means whole cards."""

import dataclasses
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys

import sv

SOURCE = pathlib.Path(__file__).resolve().parents[2]
SEEDS = ((), ("20250117",))     # as ctest runs them
# Cards that are no configuration: a wide bus that a small array leaves work for. Two words of r
# a result, four 64-bit words or two beats of weights at a time, batches; PEs of four rows, two
# products a multiplier. And as many PEs with queues for masks, which PEs of four rows cannot have.
VARIANTS = {"wide": ("Pes=32", "Lanes=8", "Cells=4", "SharedRows=4", "WeightBits=8", "ActBits=12",
                     "AxiBits=128", "WeightWords=512",
                     "XWords=128", "HWords=128", "Units=512", "PsumWords=32", "Instructions=16"),
            "queues": ("Pes=32", "Lanes=4", "Cells=2", "WeightBits=16", "WeightWords=512", "Queue=8",
                       "XWords=128", "HWords=128", "Units=512", "PsumWords=32", "Instructions=16")}
COMPILER = os.environ.get("CXX", "g++")
VERILATOR = os.environ.get("VERILATOR", "verilator")


class Refused(Exception):
    """Verilator or the compiler said no; the text says why."""


@dataclasses.dataclass(frozen=True)
class Bench:
    name: str           # tb_fifo, tb_core_4x4
    source: pathlib.Path
    prefix: str         # of Verilator's class
    top: str
    options: tuple

    @property
    def is_card(self):
        return self.top == "spacc_card" or self.top.startswith("spacc_card_")


@dataclasses.dataclass(frozen=True)
class Verdict:
    """How one run ended: passed, or what stopped it."""
    passed: bool
    how: str
    seconds: float


def execute(arguments, cwd=None, limit=None, env=None):
    """(exit status or None at the time limit, output). A program that is too slow is killed
    with its children."""
    process = subprocess.Popen([str(a) for a in arguments], cwd=cwd, env=env, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               errors="replace", start_new_session=True)
    try:
        output, _ = process.communicate(timeout=limit)
        return process.returncode, output
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        return None, output


def checked(arguments, cwd=None):
    status, output = execute(arguments, cwd)
    if status != 0:
        raise Refused(f"{arguments[0]}: {output.strip()[-2000:]}")


def rtl_texts():
    """Our modules: file name -> text."""
    return {p.name: p.read_text() for p in sorted((SOURCE / "rtl").glob("spacc_*.sv"))}


def find_benches(configs):
    """All benches; whole cards once for each of `configs`, which are of card.toml or VARIANTS."""
    found = []
    for path in sorted((SOURCE / "sim").rglob("tb_*.cpp")):
        text = path.read_text()
        prefix = re.search(r'^#include "(V\w+)\.h"', text, re.M)
        if not prefix:
            raise SystemExit(f'{path}: no #include "V....h"')
        options = re.search(r"^// verilator: *(.*)$", text, re.M)
        other = re.search(r"^// module: *(spacc_\w+)$", text, re.M)
        extra = tuple(options[1].split()) if options else ()
        if prefix[1] == "Vcard":
            found += [Bench(f"{path.stem}_{c}", path, f"Vspacc_{c}",
                            "spacc_card" if c in VARIANTS else f"spacc_card_{c}",
                            (*extra, *(f"-G{v}" for v in VARIANTS.get(c, ()))))
                      for c in configs]
            continue
        top = other[1] if other else path.stem.replace("tb_", "spacc_", 1)
        if "--top-module" in extra:
            at = extra.index("--top-module")
            top, extra = extra[at + 1], extra[:at] + extra[at + 2:]
        found.append(Bench(path.stem, path, prefix[1], top, extra))
    return found


def reached(top, texts):
    """Names of the modules under `top`, itself included. A top of a card is generated; all
    that it has is spacc_card."""
    wanted, seen = ["spacc_card" if top.startswith("spacc_card_") else top], set()
    while wanted:
        name = wanted.pop()
        if name not in seen and f"{name}.sv" in texts:
            seen.add(name)
            wanted += sv.parts(texts[f"{name}.sv"])
    return seen


class Rig:
    """A folder with generated files, the run-time library, and for each bench its object
    file as the unchanged RTL makes it."""

    def __init__(self, folder, verilator=(), adapt=None, bench="-O1"):
        """`adapt(prefix, made)` returns the files of a model that are to be others; `bench` is the
        compiler's level for benches."""
        self.folder = pathlib.Path(folder).resolve()
        self.verilator, self.adapt, self.bench = tuple(verilator), adapt, bench
        self.generated = self.folder / "generated" / "rtl"
        self.generated.mkdir(parents=True, exist_ok=True)
        checked([sys.executable, SOURCE / "rtl/generate.py", "--toml", SOURCE / "rtl/card.toml",
                 "--out", self.generated])
        _, root = execute([VERILATOR, "--getenv", "VERILATOR_ROOT"])
        self.include = pathlib.Path(root.strip()) / "include"
        self.runtime = self.build_runtime()

    # ---------------------------------------------------------------- compiling

    def compile(self, source, target, *options, cwd=None):
        target.parent.mkdir(parents=True, exist_ok=True)
        launcher = [shutil.which("ccache")] if shutil.which("ccache") else []
        language = ["-x", "c", "-std=c11", "-D_POSIX_C_SOURCE=200809L"] \
            if str(source).endswith(".c") else ["-std=c++17"]
        compiler = os.environ.get("CC", "gcc") if str(source).endswith(".c") else COMPILER
        checked([*launcher, compiler, *language, "-w", f"-I{SOURCE}", f"-I{self.folder}/generated",
                 f"-I{self.include}", f"-I{self.include}/vltstd", *options, "-c", source, "-o", target],
                cwd)
        return target

    def build_runtime(self):
        """Verilator's run-time code with the hooks of sim/, and the memory model."""
        hooks = ("-O2", "-include", SOURCE / "sim/hooks.h", "-DVL_PRINTF=spacc_model_printf",
                 "-DVL_USER_STOP", "-DVL_USER_FATAL", "-DVL_USER_FINISH")
        parts = [(self.include / "verilated.cpp", hooks),
                 (self.include / "verilated_threads.cpp", hooks), (SOURCE / "sim/hooks.cpp", ("-O2",)),
                 (SOURCE / "sim/memory.c", ("-O2",)), (SOURCE / "sparse/status.c", ("-O2",))]
        if "--coverage-line" in self.verilator:
            parts.append((self.include / "verilated_cov.cpp", ("-O2",)))
        return [self.compile(path, self.folder / "runtime" / f"{path.stem}.o", *options)
                for path, options in parts]

    # ---------------------------------------------------------------- one copy of the RTL

    def lay_out(self, job, texts):
        """Fill job/rtl with `texts` and the generated files. Paths in Verilator's output are
        then the same for every job."""
        rtl = job / "rtl"
        rtl.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            if not (rtl / name).exists() or (rtl / name).read_text() != text:
                (rtl / name).write_text(text)
        for path in self.generated.glob("*.sv"):
            shutil.copyfile(path, rtl / path.name)

    def verilate(self, job, bench, *options):
        """Returns {file name: text} of what Verilator makes of job/rtl."""
        model = job / bench.name
        shutil.rmtree(model, ignore_errors=True)
        checked([VERILATOR, "--cc", "--Mdir", bench.name, "--prefix", bench.prefix,
                 "--top-module", bench.top, "-O3", "--assert", "--x-assign", "unique",
                 "--x-initial", "unique", "-Wno-lint", "-Wno-style", "-Wno-fatal", *self.verilator, *options,
                 *bench.options, "-y", "rtl", "rtl/spacc_card_pkg.sv",
                 f"rtl/{bench.top}.sv"], job)
        return {p.name: p.read_text() for p in sorted(model.glob("*")) if p.suffix in (".cpp", ".h")}

    def model_object(self, job, bench, made, *options):
        folder = job / bench.name
        for name, text in (self.adapt(bench.prefix, made) if self.adapt else {}).items():
            (folder / name).write_text(text)
        everything = folder / "everything.cpp"
        everything.write_text("".join(f'#include "{n}"\n' for n in made if n.endswith(".cpp")))
        return self.compile(everything.name, folder / "model.o", *options, cwd=folder)

    def bench_object(self, job, bench):
        folder = job / bench.name
        if bench.is_card:
            (folder / "Vcard.h").write_text(
                f'#include "{bench.prefix}.h"\nusing Vcard = {bench.prefix};\n')
        return self.compile(bench.source, folder / "bench.o", self.bench, f"-I{folder}")

    def link(self, job, bench, parts):
        program = job / bench.name / "program"
        checked([COMPILER, *parts, *self.runtime, "-o", program, "-lpthread"])
        return program


def headers(made):
    """What a bench may depend on of the files Verilator made."""
    return {n: t for n, t in made.items() if n.endswith(".h") and "Syms" not in n}
