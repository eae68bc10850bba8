"""table.py - Markdown tables, and shares in them."""


def table(head, rows):
    """Markdown; the first column is text."""
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines] + [""]


def percent(share):
    return f"{100 * share:.1f} %"
