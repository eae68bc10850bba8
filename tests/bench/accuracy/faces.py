"""faces.py - what the detector ultraface_slim320 says: boxes of faces from its two outputs.

Its boxes are distances from 4420 priors: on four grids, a few sizes each."""
import numpy as np

WIDTH, HEIGHT = 320, 240
SIZES = {8: (10, 16, 24), 16: (32, 48), 32: (64, 96), 64: (128, 192, 256)}  # by pixels a cell
CENTRE, SIZE = 0.1, 0.2  # what a unit of the outputs is worth
LIKELY, SAME = 0.7, 0.3  # score of a face; overlap of two boxes that are one face


def priors():
    """[4420, 4]: x, y of the centre, width, height, as shares of the picture."""
    made = []
    for cell, sizes in SIZES.items():
        across, down = -(-WIDTH // cell), -(-HEIGHT // cell)
        for at in np.ndindex(down, across):
            centre = [(at[1] + 0.5) * cell / WIDTH, (at[0] + 0.5) * cell / HEIGHT]
            made += [[*centre, s / WIDTH, s / HEIGHT] for s in sizes]
    return np.clip(np.array(made), 0, 1)


def corners(distances):
    """[4420, 4]: left, top, right, bottom in pixels."""
    p = priors()
    centre = distances[:, :2] * CENTRE * p[:, 2:] + p[:, :2]
    half = np.exp(distances[:, 2:] * SIZE) * p[:, 2:] / 2
    return np.hstack([centre - half, centre + half]) * [WIDTH, HEIGHT, WIDTH, HEIGHT]


def overlap(box, boxes):
    """Area in common by area together, [len(boxes)]."""
    sides = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    common = np.clip(sides, 0, None).prod(1)
    both = (box[2:] - box[:2]).prod() + (boxes[:, 2:] - boxes[:, :2]).prod(1)
    return common / np.maximum(both - common, 1e-12)


def faces(scores, distances):
    """Boxes of faces [n, 4], the likeliest first: scores [4420, 2], distances [4420, 4]."""
    likely = np.flatnonzero(scores[:, 1] > LIKELY)
    left = likely[np.argsort(-scores[likely, 1], kind="stable")]
    boxes, kept = corners(distances), []
    while len(left):
        kept.append(left[0])
        left = left[1:][overlap(boxes[left[0]], boxes[left[1:]]) <= SAME]
    return boxes[kept]


def compare(wanted, got):
    """Two lists of boxes. Found: a box overlaps by half or more; moved: of its corners, pixels."""
    best = [(overlap(b, got) if len(got) else np.zeros(1)).argmax() for b in wanted]
    over = [overlap(b, got[[i]])[0] if len(got) else 0.0 for b, i in zip(wanted, best)]
    moved = [float(np.abs(b - got[i]).max()) for b, i, o in zip(wanted, best, over) if o >= 0.5]
    return {"wanted": len(wanted), "got": len(got), "found": len(moved),
            "overlap": float(np.sum(over)), "moved": max(moved, default=0.0)}
