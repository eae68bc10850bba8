#!/usr/bin/env python3
"""Do the benches notice a single fault in the RTL?

    mutate.py [--only MODULE,..] [--count N] [--seed S] [--jobs J] [--build DIR] [--list]
              [--again | --report] [--goal PERCENT] [--configs 4x4,wide]
              [--without tb_NAME,..]

Makes N single faults of rtl/spacc_*.sv, spread over the modules by size, and runs for each
the benches that contain the module, those of the module itself first, then its proofs
(tests/formal.cmake), whole cards last, until one fails (or hangs): killed. A fault that
Verilator refuses is replaced by another one, so is one of which Verilator makes the same
program: it lies in what these configurations do not have. Results go to DIR/results.jsonl, one
line each; a second call goes on where the first stopped, unless RTL or benches changed. --again
judges only what survived last time or never was judged, --report prints the newest results,
whatever changed. A survivor that survivors.toml explains does not count. Exit status 1: less than
the goal was killed, 2: an explanation fits no fault any more."""

import argparse
import concurrent.futures
import dataclasses
import fcntl
import hashlib
import itertools
import json
import pathlib
import queue
import random
import re
import sys
import threading
import time
import tomllib

import rig
import sv

HERE = pathlib.Path(__file__).resolve().parent
HANG_SECONDS = 10       # least time limit of a run
HANG_FACTOR = 6         # and in times of the unchanged RTL's run
PROOF_SECONDS = 300     # a proof that takes longer says nothing


# ---------------------------------------------------------------- choosing

def shares(texts, count, only):
    """How many faults each file gives, by size, at least one."""
    sizes = {n: sv.code_lines(t) for n, t in texts.items() if not only or n in only}
    lost = only - set(sizes)
    if lost:
        raise SystemExit(f"no module {', '.join(sorted(lost))}, or no bench has it")
    total = sum(sizes.values())
    exact = {n: count * s / total for n, s in sizes.items()}
    share = {n: max(1, int(e)) for n, e in exact.items()}
    by_rest = sorted(sizes, key=lambda n: int(exact[n]) - exact[n])
    for name in itertools.islice(itertools.cycle(by_rest), max(0, count - sum(share.values()))):
        share[name] += 1
    return share


def order(name, text, seed):
    """The faults of a file in the order in which they are tried: the kinds in turn."""
    chance = random.Random(f"{seed} {name}")
    kinds = {}
    for fault in sv.faults(name, text):
        kinds.setdefault(fault.kind, []).append(fault)
    for faults in kinds.values():
        chance.shuffle(faults)
    names = sorted(kinds)
    chance.shuffle(names)
    rounds = itertools.zip_longest(*(kinds[k] for k in names))
    return [fault for turn in rounds for fault in turn if fault]


# ---------------------------------------------------------------- running

def find_proofs():
    """Module -> [(name of the ctest, block, further arguments of formal.sh)]."""
    text = (rig.SOURCE / "tests/formal.cmake").read_text()
    found = {}
    for name, block, arguments in re.findall(r"^ *spacc_proof\((\w+) (\w+) ([^)]*)\)", text, re.M):
        found.setdefault(f"spacc_{block}", []).append((f"proof_{name}", block, arguments.split()))
    return found


@dataclasses.dataclass
class Reference:
    """What the unchanged RTL makes of a bench."""
    made: dict
    object: pathlib.Path
    program: pathlib.Path
    seconds: dict           # arguments -> time of a run, of those that were needed


class Runner:
    def __init__(self, build, configs, without, say):
        self.rig = rig.Rig(build)
        self.texts, self.configs = rig.rtl_texts(), configs
        self.benches = [b for b in rig.find_benches(configs) if b.source.stem not in without]
        self.modules = {b.name: rig.reached(b.top, self.texts) for b in self.benches}
        self.proofs = find_proofs()
        self.references, self.lock, self.say = {}, threading.Lock(), say

    def flags(self, bench):
        """The larger cards run longer than their compiler."""
        return "-O1" if bench.is_card and not bench.name.endswith(self.configs[0]) else "-O0"

    def plan(self, module):
        """[(bench, arguments)] that may notice a fault in `module`, the quick ones first."""
        mine = [b for b in self.benches if module in self.modules[b.name]]
        mine.sort(key=lambda b: (b.is_card, not b.is_card and b.top != module))
        cards = [b for b in mine if b.is_card]
        runs = [(b, s) for b in mine if not b.is_card for s in rig.SEEDS]
        for place, card in enumerate(cards):        # the larger ones are slower
            runs += [(card, s) for s in (rig.SEEDS if place == 0 else rig.SEEDS[:1])]
        return runs

    def reference(self, bench):
        with self.lock:
            if bench.name not in self.references:
                self.references[bench.name] = self.make_reference(bench)
            return self.references[bench.name]

    def make_reference(self, bench):
        job = self.rig.folder / "reference"
        self.rig.lay_out(job, self.texts)
        try:
            made = self.rig.verilate(job, bench)
            parts = [self.rig.bench_object(job, bench), self.rig.model_object(job, bench, made, self.flags(bench))]
            program = self.rig.link(job, bench, parts)
        except rig.Refused as problem:
            raise SystemExit(f"{bench.name} does not build with the RTL as it is: {problem}") from None
        return Reference(made, parts[0], program, {})

    def usual(self, bench, arguments):
        """Seconds of this run on the RTL as it is, which must pass."""
        reference = self.reference(bench)
        with self.lock:
            if arguments not in reference.seconds:
                verdict = run(reference.program, arguments, 600)
                if not verdict.passed:
                    raise SystemExit(f"{bench.name} {' '.join(arguments)} fails on the RTL as it "
                                     f"is: {verdict.how}")
                reference.seconds[arguments] = verdict.seconds
                self.say(f"{bench.name} {' '.join(arguments)}: passes in {verdict.seconds:.1f} s")
            return reference.seconds[arguments]

    def build(self, job, bench):
        """The bench with the RTL in the job folder, or None where nothing changed."""
        reference = self.reference(bench)
        made = self.rig.verilate(job, bench)
        if made == reference.made:
            return None
        same = rig.headers(made) == rig.headers(reference.made)
        part = reference.object if same else self.rig.bench_object(job, bench)
        return self.rig.link(job, bench, [part, self.rig.model_object(job, bench, made, self.flags(bench))])

    def broken_proof(self, job, module):
        """The first proof that the RTL in the job folder breaks, or None."""
        for name, block, arguments in self.proofs.get(module, []):
            status, output = rig.execute(
                ["sh", rig.SOURCE / "tests/formal.sh", block, job / "proof", job / "rtl",
                 job / "rtl/spacc_card_pkg.sv", "yosys", *arguments], limit=PROOF_SECONDS)
            if status and " fails" in output:
                return f"{name}: {output.strip().splitlines()[-1][-80:]}"
        return None

    def judge(self, job, fault):
        """("killed" | "survived" | "same" | "invalid", by whom or why)."""
        text = self.texts[fault.file]
        changed = dict(self.texts)
        changed[fault.file] = text[:fault.start] + fault.new + text[fault.end:]
        self.rig.lay_out(job, changed)
        module, programs, differs, proved = fault.file.removesuffix(".sv"), {}, False, False
        try:
            for bench, arguments in self.plan(module):
                if bench.is_card and differs and not proved:
                    proved, broken = True, self.broken_proof(job, module)
                    if broken:
                        return "killed", broken
                if bench.name not in programs:
                    programs[bench.name] = self.build(job, bench)
                if programs[bench.name] is None:
                    continue
                differs = True
                limit = max(HANG_SECONDS, HANG_FACTOR * self.usual(bench, arguments))
                verdict = run(programs[bench.name], arguments, limit)
                if not verdict.passed:
                    seed = f" {arguments[0]}" if arguments else ""
                    return "killed", f"{bench.name}{seed}: {verdict.how}"
        except rig.Refused as problem:
            return "invalid", str(problem)[:300]
        return ("survived", "") if differs else ("same", "")


def run(program, arguments, limit):
    start = time.monotonic()
    status, output = rig.execute([program, *arguments], program.parent, limit)
    seconds = time.monotonic() - start
    if status == 0:
        return rig.Verdict(True, "", seconds)
    how = "hangs" if status is None else f"signal {-status}" if status < 0 else f"exit {status}"
    last = [line for line in output.splitlines() if line.strip()]
    return rig.Verdict(False, f"{how}: {last[0][:100]}" if last else how, seconds)


# ---------------------------------------------------------------- results

def stamp(texts, configs):
    """Changes when a result may no longer hold. Comments do not count."""
    digest = hashlib.sha1(repr(configs).encode())
    for name, text in texts.items():
        digest.update(" ".join([name, *sv.blank(text).split()]).encode())
    for path in sorted((rig.SOURCE / "sim").rglob("*")):
        if path.suffix in (".cpp", ".h", ".c"):
            digest.update(path.read_bytes())
    for path in [*sorted((rig.SOURCE / "rtl/formal").glob("*.sv")), rig.SOURCE / "rtl/card.toml"]:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


class Results:
    """results.jsonl: every fault judged, the newest line of a fault last."""

    def __init__(self, path, now):
        self.path, self.stamp, self.lock = path, now, threading.Lock()
        lines = path.read_text().splitlines() if path.exists() else []
        self.all = {}
        for line in lines:
            try:
                result = json.loads(line)
                self.all[result["key"]] = result
            except (ValueError, KeyError):
                continue        # a line that a stop cut off

    def known(self, key):
        result = self.all.get(key)
        return result if result and result["stamp"] == self.stamp else None

    def keep(self, fault, outcome, by, seconds):
        result = {"key": fault.key, "stamp": self.stamp, "file": fault.file, "line": fault.line,
                  "kind": fault.kind, "before": fault.before, "after": fault.after,
                  "outcome": outcome, "by": by, "seconds": round(seconds, 1)}
        with self.lock:
            self.all[fault.key] = result
            with self.path.open("a") as file:
                file.write(json.dumps(result) + "\n")
        return result


def explanations():
    """survivors.toml: (file, before, after) -> reason."""
    path = HERE / "survivors.toml"
    entries = tomllib.loads(path.read_text()).get("survivor", []) if path.exists() else []
    for entry in entries:
        if set(entry) != {"file", "line", "before", "after", "reason"} or not entry["reason"].strip():
            raise SystemExit(f"{path}: an entry needs file, line, before, after, reason: {entry}")
    return {(e["file"], e["before"], e["after"]): e["reason"] for e in entries}


def stale(texts, explained):
    """Explanations of faults that the RTL no longer offers."""
    offered = {(f.file, f.before, f.after) for n, t in texts.items() for f in sv.faults(n, t)}
    return sorted(e for e in explained if e not in offered)


# ---------------------------------------------------------------- the whole

def hunt(runner, results, share, seed, jobs, say):
    """Judge until each file has its share of faults that count."""
    folders = queue.Queue()
    for number in range(jobs):
        folders.put(runner.rig.folder / f"job{number}")
    done, counted, total = [], {name: 0 for name in share}, sum(share.values())

    def one(fault):
        job, start = folders.get(), time.monotonic()
        try:
            outcome, by = runner.judge(job, fault)
        finally:
            folders.put(job)
        return results.keep(fault, outcome, by, time.monotonic() - start)

    waiting = {name: order(name, runner.texts[name], seed) for name in share}

    def next_fault():
        open_names = [n for n in share if counted[n] < share[n] and waiting[n]]
        if not open_names:
            return None
        name = min(open_names, key=lambda n: counted[n] / share[n])
        counted[name] += 1
        return waiting[name].pop(0)

    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        running = {}
        while True:
            while len(running) < jobs and (fault := next_fault()):
                known = results.known(fault.key)
                if known:
                    done.append(known)
                    counted[fault.file] -= known["outcome"] in ("same", "invalid")
                else:
                    running[pool.submit(one, fault)] = fault
            if not running:
                return done
            finished, _ = concurrent.futures.wait(
                running, return_when=concurrent.futures.FIRST_COMPLETED)
            for future in finished:
                fault, result = running.pop(future), future.result()
                done.append(result)
                counted[fault.file] -= result["outcome"] in ("same", "invalid")
                say(f"{sum(counted.values()) - len(running)}/{total} {result['outcome']:8} "
                    f"{fault.file}:{fault.line} {fault.kind}: {fault.after[:70]} "
                    f"({result['by'][:60]}) {result['seconds']:.1f} s")


def again(runner, results, share, seed, say):
    """Judge once more what survived last time, and what never was judged."""
    done = []

    def judge(fault):
        start = time.monotonic()
        outcome, by = runner.judge(runner.rig.folder / "job0", fault)
        done.append(results.keep(fault, outcome, by, time.monotonic() - start))
        say(f"{outcome:8} {fault.file}:{fault.line} {fault.kind}: {fault.after[:70]} ({by[:60]})")
        return outcome

    for name, count in share.items():
        for fault in order(name, runner.texts[name], seed):
            if count == 0:
                break
            outcome = results.all.get(fault.key, {}).get("outcome")
            if outcome in (None, "survived"):
                outcome = judge(fault)
            count -= outcome not in ("same", "invalid")
    return done


def newest(texts, results, share, seed):
    """What is known of the faults of a campaign, however old, and how many are not judged."""
    done, open_ones = [], 0
    for name, count in share.items():
        known = (results.all.get(f.key) for f in order(name, texts[name], seed))
        judged = [r for r in known if r]
        counting = [r for r in judged if r["outcome"] not in ("same", "invalid")][:count]
        done += counting
        done += [r for r in judged if r["outcome"] in ("same", "invalid")]
        open_ones += count - len(counting)
    return done, open_ones


def report(done, explained):
    """Print the table and the survivors; returns percent killed of those that count."""
    columns = ("killed", "explained", "survived", "same", "invalid")
    table, open_ones = {}, []
    for result in done:
        outcome = result["outcome"]
        if outcome == "survived":
            place = (result["file"], result["before"], result["after"])
            outcome = "explained" if place in explained else "survived"
            if outcome == "survived":
                open_ones.append(result)
        row = table.setdefault(result["file"], dict.fromkeys(columns, 0))
        row[outcome] += 1
    print(f"\n{'module':24}" + "".join(f"{c:>10}" for c in columns))
    for name in sorted(table):
        print(f"{name:24}" + "".join(f"{table[name][c]:>10}" for c in columns))
    total = {c: sum(row[c] for row in table.values()) for c in columns}
    print(f"{'all':24}" + "".join(f"{total[c]:>10}" for c in columns))
    for r in sorted(open_ones, key=lambda r: (r["file"], r["line"])):
        print(f"survived: {r['file']}:{r['line']} {r['kind']}\n    {r['before']}\n    {r['after']}")
    judged = total["killed"] + total["survived"]
    percent = 100.0 * total["killed"] / judged if judged else 100.0
    spent = sum(r["seconds"] for r in done)
    print(f"{total['killed']} of {judged} killed, {percent:.1f} %; {len(done)} judged, "
          f"{spent / max(1, len(done)):.1f} s each")
    return percent


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", default="", help="modules: fifo,dma_read")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--build", default=str(rig.SOURCE / "build/mutate"))
    parser.add_argument("--configs", default="4x4,wide", help="whole cards, the quick ones first")
    parser.add_argument("--without", default="", help="benches not to run")
    parser.add_argument("--goal", type=float, default=95.0, help="percent killed")
    parser.add_argument("--list", action="store_true", help="print the faults, run nothing")
    parser.add_argument("--again", action="store_true", help="what survived last time, or is new")
    parser.add_argument("--report", action="store_true", help="print what is known, run nothing")
    return parser.parse_args()


def names(text):
    return [n for n in text.split(",") if n]


def with_a_bench(texts, benches):
    """The modules that some bench contains; the others are named."""
    seen = set().union(*(rig.reached(b.top, texts) for b in benches))
    for name in texts:
        if name.removesuffix(".sv") not in seen:
            print(f"{name}: no bench has it")
    return {n: t for n, t in texts.items() if n.removesuffix(".sv") in seen}


def main():
    options = parse()
    configs, without = names(options.configs), names(options.without)
    texts = with_a_bench(rig.rtl_texts(), rig.find_benches(configs))
    only = {f"spacc_{n.removeprefix('spacc_').removesuffix('.sv')}.sv" for n in names(options.only)}
    share = shares(texts, options.count, only)
    if options.list:
        for name, count in share.items():
            for f in order(name, texts[name], options.seed)[:count]:
                print(f"{f.file}:{f.line} {f.kind}: {f.before} -> {f.after}")
        return 0
    build = pathlib.Path(options.build)
    build.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    lock = (build / "lock").open("w")       # two at once would change each other's RTL
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise SystemExit(f"{build}: another mutate.py is at work here") from None

    def say(text):
        print(f"[{time.monotonic() - start:6.0f} s] {text}", flush=True)

    explained = explanations()
    results = Results(build / "results.jsonl", stamp(texts, configs + without))
    if options.report:
        done, not_judged = newest(texts, results, share, options.seed)
        if not_judged:
            print(f"{not_judged} faults are not judged yet")
    else:
        runner = Runner(build, configs, without, say)
        done = (again(runner, results, share, options.seed, say) if options.again else
                hunt(runner, results, share, options.seed, options.jobs, say))
    percent = report(done, explained)
    unused = stale(rig.rtl_texts(), explained)
    for place in unused:
        print(f"survivors.toml explains what is no longer there: {place}")
    return 2 if unused else 1 if percent < options.goal else 0


if __name__ == "__main__":
    sys.exit(main())
