"""targets.py - what the measurements were made for, met or not, a line each."""
import page
import seernet
import seernet_page
import trained
import untrained
from metrics import AGREEMENT, SAME
from table import percent

BANKS = ("bank32", "bank64")


def line(met, text):
    return f"{'met' if met else 'MISSED'}: {text}"


def without_training(tree, bank):
    """At 50 %: obs against magnitude on every network; where it loses 2 % or less."""
    lines, small, known = [], 0, 0
    for task in untrained.TASKS:
        for metric in task.metrics:
            whole, part = (page.entry(tree, task, metric, untrained.cell_name(m, 0.5, bank))
                           for m in ("magnitude", "obs"))
            if whole is None or part is None:
                continue
            known, small = known + 1, small + (part[1] <= 0.02)
            lines.append(line(part[1] <= max(0.0, whole[1] / 2),
                              f"{task.name}, {metric.name}, 50 %, bank {bank}: magnitude loses "
                              f"{percent(whole[1])}, obs {percent(part[1])}"))
    if known:
        lines.append(line(small >= 3, f"50 %, bank {bank}: obs loses 2 % or less on {small} of "
                                      f"{known}, 3 are wanted"))
    return lines


def lost(task, of, value):
    """Of a score `of`: percent for bits, points for shares."""
    return 100 * (value / of - 1) if task.lower else of - value


def with_training(a, task, most_dense, most_free):
    known = trained.records(a, task)
    dense, free = trained.dense_of(task, known), known.get(("unstructured", 0.875, True))
    unit = "%" if task.lower else "points"
    lines = []
    for bank in BANKS:
        cell = known.get((bank, 0.875, True))
        if cell is None or dense is None or free is None:
            continue
        behind, beside = (lost(task, c["value"], cell["value"]) for c in (dense, free))
        lines.append(line(behind <= most_dense, f"{task.name}, 87.5 %, {trained.NAMES[bank]}: "
                          f"{behind:.2f} {unit} behind dense, {most_dense} allowed"))
        lines.append(line(beside <= most_free, f"{task.name}, 87.5 %, {trained.NAMES[bank]}: "
                          f"{beside:.2f} {unit} behind unstructured, {most_free} allowed"))
    return lines


def on_card(tree):
    lines = []
    for task in trained.TASKS:
        known = tree.get(task.name, {})
        off = {k[:-len(", int8")]: lost_share(task, known, k) for k in known if ", int8" in k}
        if off:
            worst = max(off, key=off.get)
            lines.append(line(off[worst] <= 0.005, f"{task.name}: int8 on the card loses at most "
                              f"{percent(off[worst])} of float ({worst}), 0.5 % allowed"))
    return lines


def lost_share(task, known, cell):
    value, whole = known[cell]["value"], known[cell.replace("int8", "float")]["value"]
    return value / whole - 1 if task.lower else 1 - value / whole


def grid_on_card(tree):
    """int8 on the card against float, of what obs left on the card's grid."""
    lines = []
    for task in untrained.TASKS:
        for metric in task.metrics:
            got = [tree.get(task.name, {}).get("obs int8 50 % bank 16" + c, {}).get(metric.name)
                   for c in ("", ", card int8")]
            if None in got or metric is SAME:
                continue
            lost = metric.share(*got) if metric is not AGREEMENT else got[0] - got[1]
            lines.append(line(lost <= 0.005, f"{task.name}, {metric.name}, 50 % by obs to int8: the "
                              f"card loses {100 * lost:.2f} % of float, 0.5 % allowed"))
    return lines


def show(a):
    tree = page.load(a, "untrained.json")
    charlm, digits, _ = trained.TASKS
    for text in [*without_training(tree, 16), *without_training(tree, 32),
                 *grid_on_card(tree), *with_training(a, charlm, 2.0, 0.5), *with_training(a, digits, 0.5, 0.2),
                 *on_card(page.load(a, "trained.json"))]:
        print(text)
    for met, text in seernet_page.met(page.load(a, seernet.FILE)):
        print(line(met, text))
