"""seernet_page.py - what seernet.py measured, as tables and a figure."""
import figures
import seernet_fused
from seernet_nets import NETS
from table import percent, table

ALL_BITS = range(2, 9)
GOLDEN = 1e-4  # the tolerance of golden outputs: of max(1, |value|)


def cells(tree, net):
    """{bits: what was measured}, in order."""
    known = tree.get(net.name, {})
    return {b: known[f"{b} bits"] for b in ALL_BITS if f"{b} bits" in known}


def worth(net, score):
    """What became of the results, in words."""
    if "agreement" in score:
        text = f"{percent(score['agreement'])} top-1"
        return text + (f" ({score['off, near']} of {score['off']} off where dense wavers)" if score["off"] else "")
    if "found" in score:
        return f"{score['found']}/{score['wanted']} faces, overlap {score['overlap']:.3f}"
    return "same" if score["psnr"] is None else f"{score['psnr']:.1f} dB"


def mean_of(tree, bits):
    """Mean mask accuracy over the networks, or None while one is not there."""
    got = [cells(tree, n).get(bits) for n in NETS]
    return sum(g["accuracy"] for g in got) / len(got) if all(got) else None


def sweep(tree):
    head = ["bits"] + [n.name for n in NETS] + ["mean"]
    masks, results = [], []
    for b in ALL_BITS:
        got = [cells(tree, n).get(b) for n in NETS]
        if not any(got):
            continue
        mean = mean_of(tree, b)
        masks.append([str(b)] + [percent(g["accuracy"]) if g else "-" for g in got] +
                     ["-" if mean is None else percent(mean)])
        results.append([str(b)] + [worth(n, g["score"]) if g else "-" for n, g in zip(NETS, got)])
    if not masks:
        return []
    return ["Mask accuracy, mean over layers; every layer that fits is predicted and its zeros are believed:", ""] + \
        table(head, masks) + \
        ["What is left of the results, against dense: the largest score; faces found and how boxes overlap; PSNR:",
         ""] + table(head[:-1], results)


def shares(tree):
    """At 4 bits, network by network."""
    rows = []
    for n in NETS:
        got = cells(tree, n).get(4)
        if got:
            least = min(got["layers"], key=lambda x: x["accuracy"])
            rows.append([n.title, str(len(got["layers"]))] +
                        [percent(got[k]) for k in ("zeros", "predicted", "precision", "recall", "accuracy")] +
                        [f"{percent(least['accuracy'])} ({least['with']})"])
    if not rows:
        return []
    return ["At 4 bits, means over layers:", ""] + \
        table(["network", "layers", "zeros", "skipped", "precision", "recall", "accuracy", "least"], rows)


def layers(tree):
    """At 4 bits, layer by layer."""
    lines = []
    for n in NETS:
        got = cells(tree, n).get(4)
        if got:
            rows = [[f"{i}: {x['name'] or 'Conv'} ({x['with']})"] +
                    [percent(x[k]) for k in ("zeros", "predicted")] +
                    ["-" if x[k] is None else percent(x[k]) for k in ("precision", "recall")] +
                    [percent(x["accuracy"])] for i, x in enumerate(got["layers"])]
            lines += ["<details><summary>" + n.name + ", every layer at 4 bits</summary>", ""]
            lines += table(["layer", "zeros", "skipped", "precision", "recall", "accuracy"], rows)
            lines += ["</details>", ""]
    return lines


def fused(tree):
    known, rows = tree.get(seernet_fused.SOURCE, {}), []
    for b in ALL_BITS:
        got = [known.get(f"{b} bits, {v}") for v in seernet_fused.VARIANTS]
        if any(got):
            rows.append([str(b)] + ["-" if g is None else f"{percent(g['accuracy'])}, "
                                    f"{percent(g['score']['agreement'])}, {percent(g['right'])}" for g in got])
    if not rows:
        return []
    return ["BatchNormalization folded in or quantised on its own, and what else the paper's codes lack. Not the "
            "program, which always folds: a definition in numpy with plain rounding, resnet20 on 50 labelled "
            "pictures. Mask accuracy, top-1 as dense, top-1 right:", ""] + \
        table(["bits"] + list(seernet_fused.VARIANTS), rows)


def exact(tree):
    """Largest errors of exact mode, where all zeros are true ones."""
    known = [(n, tree.get(n.name, {}).get("exact")) for n in NETS]
    told = [f"{n.name} {worth(n, e['score'])}" + (f", outputs {e['score']['error']:.1e} off" if "error" in e["score"] else "")
            for n, e in known if e]
    return ["Exact mode: " + "; ".join(told) + ".", ""] if told else []


def page(tree):
    tables = sweep(tree)
    if not tables:
        return []
    return ["### SeerNet: zeros that few bits predict", "",
            "![mask accuracy and results by bits](accuracy/seernet.svg)", "",
            "On crops, flips and sizes of the five photographs of `../shared`, and on 50 CIFAR-10 pictures and their "
            "mirror images. A layer's truth is that of the input it got, errors of earlier layers included. Bits are "
            "those of x; weights have two more, made off line, and so has the arg-max of a max-pool; what lies "
            "within half a rounding error of zero is computed.",
            ""] + tables + shares(tree) + exact(tree) + fused(tree) + layers(tree)


def figure(a, tree):
    masks = {n.name: [(b, 100 * g["accuracy"]) for b, g in cells(tree, n).items()] for n in NETS}
    recall = {n.name: [(b, 100 * g["recall"]) for b, g in cells(tree, n).items()] for n in NETS}
    known = tree.get(seernet_fused.SOURCE, {})
    folded = {v: [(b, 100 * known[f"{b} bits, {v}"]["accuracy"]) for b in ALL_BITS
                  if f"{b} bits, {v}" in known] for v in seernet_fused.VARIANTS}
    if any(masks.values()):
        figures.bits(a.results / "seernet.svg", [("mask accuracy", "right, %", masks),
                                                 ("recall: not zero, and computed", "computed, %", recall),
                                                 ("resnet20, numpy: what folding is worth", "right, %", folded)])


# ---- targets

def met(tree):
    """(met, text) of what was wanted at 4 bits."""
    mean = mean_of(tree, 4)
    if mean is not None:
        yield mean >= 0.96, f"mask accuracy at 4 bits, mean of {len(NETS)} networks: {percent(mean)}, 96 % wanted"
    for n in NETS:
        score = cells(tree, n).get(4, {}).get("score", {})
        if "agreement" in score:
            yield score["agreement"] >= 0.99, (f"{n.name}, 4 bits, every layer predicted: top-1 agreement "
                                               f"{percent(score['agreement'])} of {score['count']}, 99 % wanted")
        if "found" in score:
            same = score["found"] == score["wanted"] == score["got"]
            yield same, (f"{n.name}, 4 bits: {score['found']} of {score['wanted']} faces found, {score['got']} told, "
                         f"corners off by {score['moved']:.2f} pixels at most")
    yield from met_exact(tree)
    known = tree.get(seernet_fused.SOURCE, {})
    pair = [known.get(f"4 bits, {v}") for v in ("not fused", "fused")]
    if all(pair):
        yield pair[0]["accuracy"] < pair[1]["accuracy"], (
            f"BatchNormalization at 4 bits: mask accuracy {percent(pair[0]['accuracy'])} not fused, "
            f"{percent(pair[1]['accuracy'])} fused; the same direction as the paper is wanted")


def met_exact(tree):
    for n in NETS:
        for cell in ("exact", "4 bits"):
            score = tree.get(n.name, {}).get(cell, {}).get("score", {})
            if "found" in score:
                yield score["error"] <= GOLDEN, (f"{n.name}, {cell}: outputs are off by {score['error']:.2g}, "
                                                 f"{GOLDEN:g} is the golden tolerance")
