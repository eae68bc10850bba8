"""Masks of a weight matrix [rows, cols]: bool [rows, cols], True where the weight stays.

Pure functions of |w|; ties go to the lowest column (whole matrix: lowest row first), so that a
mask is the same everywhere. What they keep is what `spacc prune --method magnitude` keeps.
"""
import torch

PATTERNS = ("dense", "unstructured", "bank16", "bank32", "bank64", "block4x4")
BLOCK = 4


def bank_of(pattern):
    """Columns of a bank: 16 for "bank16"; 0 for patterns without banks."""
    return int(pattern[4:]) if pattern.startswith("bank") else 0


def kept_of(sparsity, count):
    """How many of `count` stay: the whole number nearest (1 - sparsity) * count, at least 1."""
    if not 0.0 <= sparsity < 1.0:
        raise ValueError("sparsity %g is not 0 or more and below 1" % sparsity)
    return max(1, int((1.0 - sparsity) * count + 0.5))


def _largest(score, keep):
    """The `keep` largest along the last axis, of equals the first ones."""
    order = torch.sort(score, dim=-1, descending=True, stable=True)[1][..., :keep]
    return torch.zeros_like(score, dtype=torch.bool).scatter_(-1, order, True)


def bank_mask(w, keep, bank):
    """Keep the `keep` largest |w| of each bank of `bank` columns of each row.

    The last bank may be short (cols is no multiple of bank): it keeps min(keep, its columns).
    """
    if not 1 <= keep <= bank:
        raise ValueError("a bank of %d cannot keep %d" % (bank, keep))
    rows, cols = w.shape
    score = torch.nn.functional.pad(w.detach().abs(), (0, -cols % bank), value=-1.0)
    return _largest(score.view(rows, -1, bank), keep).view(rows, -1)[:, :cols].contiguous()


def unstructured_mask(w, sparsity):
    """Keep the largest |w| of the whole matrix."""
    keep = kept_of(sparsity, w.numel())
    return _largest(w.detach().abs().reshape(-1), keep).view(w.shape)


def block_mask(w, sparsity, height=BLOCK, width=BLOCK):
    """Keep the height x width blocks of largest L2 norm; ragged edges count as zeros."""
    rows, cols = w.shape
    padded = torch.nn.functional.pad(w.detach(), (0, -cols % width, 0, -rows % height))
    tall, wide = padded.shape[0] // height, padded.shape[1] // width
    energy = padded.double().square().view(tall, height, wide, width).sum((1, 3))
    blocks = _largest(energy.view(-1), kept_of(sparsity, energy.numel())).view(tall, wide)
    full = blocks.repeat_interleave(height, 0).repeat_interleave(width, 1)
    return full[:rows, :cols].contiguous()


def pattern_mask(w, pattern, sparsity):
    """The mask of a pattern of PATTERNS at a sparsity; 0 keeps everything."""
    if pattern not in PATTERNS:
        raise ValueError("pattern %s is none of %s" % (pattern, ", ".join(PATTERNS)))
    if pattern == "dense" or sparsity == 0.0:
        return torch.ones_like(w, dtype=torch.bool)
    if pattern == "unstructured":
        return unstructured_mask(w, sparsity)
    if pattern == "block4x4":
        return block_mask(w, sparsity)
    bank = bank_of(pattern)
    return bank_mask(w, kept_of(sparsity, bank), bank)
