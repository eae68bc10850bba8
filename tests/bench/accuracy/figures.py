"""figures.py - curves as SVG, the same bytes for the same numbers."""
import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402

matplotlib.rcParams.update({"svg.hashsalt": "spacc", "svg.fonttype": "path", "font.size": 9,
                            "axes.spines.top": False, "axes.spines.right": False,
                            "axes.grid": True, "grid.alpha": 0.3, "legend.frameon": False})

COLOURS = {"unstructured": "#555555", "bank16": "#9ecae1", "bank32": "#3182bd",
           "bank64": "#08306b", "block4x4": "#d95f02",
           "magnitude": "#d95f02", "wanda": "#7570b3", "obs": "#1b9e77"}
MOST = 110  # losses beyond it are not drawn
NAMES = {"bank16": "bank 16", "bank32": "bank 32", "bank64": "bank 64", "block4x4": "block 4x4"}


def save(figure, file):
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None}, facecolor="white")
    plt.close(figure)
    with open(file, encoding="utf-8") as f:  # the writer ends lines with spaces
        lines = [line.rstrip() for line in f]
    with open(file, "w", encoding="utf-8") as f:
        f.write("\n".join(lines) + "\n")


def axes_of(title, unit):
    figure, axes = plt.subplots(figsize=(6.2, 3.8))
    axes.set_title(title, loc="left")
    axes.set_xlabel("zeros, %")
    axes.set_ylabel(unit)
    return figure, axes


def trained(file, title, unit, dense, lines, limits):
    """lines: {(pattern, tuned): [(sparsity, value)]}; limits: values that are drawn."""
    figure, axes = axes_of(title, unit)
    axes.axhline(dense, color="black", linewidth=1, label="dense")
    for (pattern, tuned), points in sorted(lines.items()):
        label = NAMES.get(pattern, pattern) if tuned else None
        axes.plot([100 * s for s, _ in points], [v for _, v in points],
                  color=COLOURS[pattern], marker="o" if tuned else None, markersize=3,
                  linestyle="-" if tuned else ":", label=label)
    axes.plot([], [], color="black", linestyle=":", label="not fine-tuned")
    axes.set_ylim(*limits)
    axes.legend(fontsize=8)
    save(figure, file)


def untrained(file, panels):
    """panels: [(title, unit of the loss, {(method, bank): [(sparsity, loss)]})]"""
    rows = (len(panels) + 1) // 2
    figure, grid = plt.subplots(rows, 2, figsize=(8, 2.8 * rows), squeeze=False)
    for axes, panel in zip(grid.flat, panels + [None]):
        if panel is None:
            axes.axis("off")
            continue
        losses(axes, *panel)
    for axes in list(grid.flat)[len(panels):]:
        axes.axis("off")
    grid[0][0].legend(fontsize=8)
    save(figure, file)


def losses(axes, title, unit, lines):
    axes.set_title(title, loc="left")
    axes.set_ylabel(unit)
    axes.set_xlabel("zeros, %")
    for (method, bank), points in sorted(lines.items()):
        axes.plot([100 * s for s, _ in points], [v for _, v in points],
                  color=COLOURS[method], marker="o", markersize=3,
                  linestyle="-" if bank == 32 else ":", label=f"{method}, bank {bank}")
    values = [v for points in lines.values() for _, v in points]
    axes.set_ylim(min(0, 1.1 * min(values)), min(1.05 * max(max(values), 1), MOST))


SERIES = ["#1b9e77", "#d95f02", "#7570b3", "#e7298a", "#555555"]


def bits(file, panels):
    """panels: [(title, unit, {line: [(bits, percent)]})]; the first says who is who."""
    figure, grid = plt.subplots(1, len(panels), figsize=(4 * len(panels), 3.2), squeeze=False)
    for axes, (title, unit, lines) in zip(grid.flat, panels):
        axes.set_title(title, loc="left")
        axes.set_ylabel(unit)
        axes.set_xlabel("bits")
        for colour, (name, points) in zip(SERIES, lines.items()):
            axes.plot([b for b, _ in points], [v for _, v in points], color=colour, marker="o",
                      markersize=3, label=name)
        axes.legend(fontsize=7)
    save(figure, file)
