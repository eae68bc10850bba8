"""page.py - results as tables between the markers of models/README.md, and as figures."""
import json

import figures
import seernet
import seernet_page
import trained
import untrained
from metrics import SAME
from table import percent, table


def load(a, name):
    try:
        with open(a.results / name, encoding="utf-8") as f:
            return json.load(f)
    except FileNotFoundError:
        return {}


def number(value, places):
    return "exact" if value is None else f"{value:.{places}f}"


# ---- without training

def entry(tree, task, metric, cell):
    """(value, share of dense that is lost), or None."""
    known = tree.get(task.name, {})
    if cell not in known or "dense" not in known:
        return None
    value = known[cell][metric.name]
    return value, metric.share(known["dense"][metric.name], value)


def untrained_row(tree, task, metric, sparsity, bank):
    got = {m: entry(tree, task, metric, untrained.cell_name(m, sparsity, bank))
           for m in untrained.METHODS}
    if got["magnitude"] is None:
        return None
    dense = tree[task.name]["dense"][metric.name]
    zeros = tree[task.name][untrained.cell_name("magnitude", sparsity, bank)]["zeros"]
    row = [f"{task.title}: {metric.unit}", f"{100 * sparsity:g} %", str(bank), percent(zeros),
           number(dense, metric.places)]
    for m in untrained.METHODS:
        row.append("-" if got[m] is None
                   else f"{number(got[m][0], metric.places)} ({percent(got[m][1])})")
    whole, part = got["magnitude"][1], got["obs"][1] if got["obs"] else None
    row.append("-" if part is None or whole <= 0 else f"{part / whole:.2f}")
    return row


def untrained_tables(tree):
    head = ["network", "asked", "bank", "zeros", "dense", "magnitude (lost)", "wanda (lost)",
            "obs (lost)", "obs / magnitude"]
    wanted = [(0.5, 16), (0.5, 32), (0.75, 32), (0.875, 32)]
    rows = [untrained_row(tree, t, m, s, b) for s, b in wanted
            for t in untrained.TASKS for m in t.metrics]
    rows = [r for r in rows if r]
    if not rows:
        return []
    return ["### Without training", "",
            "![what pruning without training loses](accuracy/untrained.svg)", ""] + \
        table(head, rows)


def card_rows(tree):
    rows = []
    for t in untrained.TASKS:
        for m in t.metrics:
            cells = [untrained.cell_name(*untrained.CARD_OF), *untrained.CARD_CELLS]
            got = [entry(tree, t, m, c) for c in cells]
            if all(got):
                rows.append([f"{t.title}: {m.unit}"] +
                            [f"{number(v, m.places)} ({percent(s)})" for v, s in got])
    return rows


def untrained_figure(a, tree):
    panels = []
    for t in untrained.TASKS:
        for m in t.metrics:
            lines = {}
            for method, sparsity, bank in untrained.cells():
                got = entry(tree, t, m, untrained.cell_name(method, sparsity, bank))
                if got:
                    lines.setdefault((method, bank), []).append((sparsity, 100 * got[1]))
            if lines:
                unit = "energy off, %" if m is SAME else "lost, %"
                panels.append((f"{t.name}: {m.name}", unit, lines))
    if panels:
        figures.untrained(a.results / "untrained.svg", panels)


# ---- the page

def write(a):
    tree = load(a, "untrained.json")
    lines = trained.page(a) + untrained_tables(tree)
    rows = card_rows(tree)
    if rows:
        lines += ["The same networks after `obs`, 50 % zeros in banks of 16, on the card (lost "
                  "against dense); the last two with `--precision int8` in the same pass:", ""]
        lines += table(["network", "float", "int16", "int8", "on the grid: float", "int8"], rows)
    untrained_figure(a, tree)
    put(a.source / "models/README.md", "accuracy", lines)
    write_seernet(a)


def write_seernet(a):
    tree = load(a, seernet.FILE)
    seernet_page.figure(a, tree)
    put(a.source / "models/README.md", "seernet", seernet_page.page(tree))


def put(file, name, lines):
    """Between the markers of that name."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    text = file.read_text(encoding="utf-8")
    if begin not in text or end not in text:
        raise ValueError(f"{file}: the markers {begin} and {end} are not there")
    before, rest = text.split(begin, 1)
    after = rest.split(end, 1)[1]
    body = "\n".join(lines).rstrip("\n")
    file.write_text(f"{before}{begin}\n{body}\n{end}{after}", encoding="utf-8")
