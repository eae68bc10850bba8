"""untrained.py - no training: magnitude, wanda and obs on networks of others."""
from dtln import Dtln
from images import Resnet, Squeezenet
from program import Refused
from recipe_nets import Charlm, Digits, Glyphs
from silero import Silero
from store import Store
from textgen import Textgen

TASKS = [Dtln, Silero, Textgen, Squeezenet, Resnet, Charlm, Digits, Glyphs]
METHODS = ["magnitude", "wanda", "obs"]
SPARSITIES = [0.5, 0.75, 0.875]
BANKS = [16, 32]
CARD = ["--fpga", "model:16x16", "--precision"]


def cell_name(method, sparsity, bank):
    return f"{method} {100 * sparsity:g} % bank {bank}"


CARD_OF, LAST_OF_HALF = ("obs", 0.5, 16), ("obs", 0.5, 32)
ON_GRID = (*CARD_OF, "int8")
CARD_CELLS = {"obs 50 % bank 16, card int16": (CARD_OF, [*CARD, "int16"]),
              "obs 50 % bank 16, card int8": (CARD_OF, [*CARD, "int8"]),
              "obs int8 50 % bank 16": (ON_GRID, []),
              "obs int8 50 % bank 16, card int8": (ON_GRID, [*CARD, "int8"])}


def cells():
    """Those that matter most first."""
    return [(m, s, b) for s in SPARSITIES for b in BANKS for m in METHODS]


class Job:
    """One network, its results and where its files lie."""

    def __init__(self, task, store, folder, program):
        self.task, self.store, self.folder, self.program = task, store, folder, program
        self.calibration = None

    def prune(self, method, sparsity, bank, grid=None):
        """Models by their names; grid: int8 or int16, where obs leaves the weights."""
        made = {}
        if self.calibration is None and method != "magnitude":
            self.calibration = self.task.calibrate()
        for name, file in self.task.models.items():
            made[name] = self.folder / f"{name}_{method}_{sparsity}_{bank}_{grid}.onnx"
            words = self.calibration[name] if method != "magnitude" else ()
            more = self.task.more(name) if method != "magnitude" else []
            if grid:
                more = [*more, "--precision", grid]
            self.program.prune(file, made[name], method, sparsity, bank, words, more)
        return made

    def pruned(self, cell, options=()):
        """Scores of a cell, and how much of it is zero: narrow matrices stay dense."""
        made = self.prune(*cell)
        scores = self.task.score(made, options)
        scores["zeros"] = self.program.zeros(made.values())
        return scores

    def keep(self, cell, make):
        """Measure unless it is known; say why where it cannot be."""
        if self.store.get(self.task.name, cell) is not None:
            return
        try:
            scores = make()
        except Refused as why:
            print(f"skipped: {self.task.name}, {cell}: {why}", flush=True)
            return
        self.store.put(self.task.name, cell, scores)
        print(f"{self.task.name}, {cell}: {scores}", flush=True)

    def known(self, cell):
        return self.store.get(self.task.name, cell)


def run(jobs):
    """Cell by cell, so that every network has those that matter most first."""
    for job in jobs:
        job.keep("dense", lambda: job.task.score(job.task.models))
    for cell in cells():
        for job in jobs:
            job.keep(cell_name(*cell), lambda: job.pruned(cell))
        if cell == LAST_OF_HALF:
            on_card(jobs)


def on_card(jobs):
    for name, (cell, options) in CARD_CELLS.items():
        for job in jobs:
            job.keep(name, lambda: job.pruned(cell, options))


def measure(a, program):
    store, jobs = Store(str(a.results / "untrained.json"), a.again), []
    for make in TASKS:
        if a.only and make.name not in a.only:
            continue
        folder = a.folder / make.name
        folder.mkdir(parents=True, exist_ok=True)
        try:
            jobs.append(Job(make(a, folder, program), store, folder, program))
        except (FileNotFoundError, Refused) as why:
            print(f"skipped: {make.name}: {why}", flush=True)
    run(jobs)
