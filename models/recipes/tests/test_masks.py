"""Masks against a plain oracle, and against the program's own magnitude pruning."""
import os
import subprocess
import tempfile
import unittest

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from spacc_recipes import export, masks

SPACC = os.environ.get("SPACC", "")


def best(scores, keep):
    """Indices of the `keep` largest scores, of equals the first."""
    return set(sorted(range(len(scores)), key=lambda i: (-scores[i], i))[:keep])


def bank_oracle(w, keep, bank):
    out = np.zeros(w.shape, bool)
    for r in range(w.shape[0]):
        for first in range(0, w.shape[1], bank):
            for c in best(list(np.abs(w[r, first:first + bank])), keep):
                out[r, first + c] = True
    return out


def block_oracle(w, sparsity):
    where = [(r, c) for r in range(0, w.shape[0], 4) for c in range(0, w.shape[1], 4)]
    energy = [float((w[r:r + 4, c:c + 4].astype(np.float64) ** 2).sum()) for r, c in where]
    out = np.zeros(w.shape, bool)
    for i in best(energy, masks.kept_of(sparsity, len(where))):
        r, c = where[i]
        out[r:r + 4, c:c + 4] = True
    return out


def draw(seed, rows, cols):
    """Few different values, so that there are ties."""
    return np.random.default_rng(seed).integers(-9, 10, (rows, cols)).astype(np.float32)


class Masks(unittest.TestCase):
    def test_banks_are_those_of_the_oracle(self):
        for seed, (rows, cols, bank, keep) in enumerate(
                [(5, 64, 16, 2), (3, 70, 32, 4), (2, 7, 16, 8), (4, 33, 16, 3), (1, 1, 64, 8)]):
            w = draw(seed, rows, cols)
            got = masks.bank_mask(torch.from_numpy(w), keep, bank).numpy()
            np.testing.assert_array_equal(got, bank_oracle(w, keep, bank), "seed %d" % seed)

    def test_a_short_bank_keeps_what_it_has(self):
        got = masks.bank_mask(torch.zeros(2, 19), 4, 16)
        self.assertEqual(got.sum(1).tolist(), [7, 7])

    def test_the_whole_matrix_is_that_of_the_oracle(self):
        w = draw(11, 9, 21)
        got = masks.unstructured_mask(torch.from_numpy(w), 0.8).numpy().reshape(-1)
        want = best(list(np.abs(w).reshape(-1)), 38)  # 0.2 * 189 = 37.8
        self.assertEqual(set(np.flatnonzero(got)), want)

    def test_blocks_are_those_of_the_oracle(self):
        for seed, shape in enumerate([(8, 16), (9, 15), (3, 2)]):
            w = draw(20 + seed, *shape)
            got = masks.block_mask(torch.from_numpy(w), 0.75, 4, 4).numpy()
            np.testing.assert_array_equal(got, block_oracle(w, 0.75))

    def test_kept_is_the_nearest_whole_number(self):
        kept = [[masks.kept_of(s, bank) for s in (0.5, 0.75, 0.8, 0.875, 0.9, 0.9375)]
                for bank in (16, 32, 64)]
        self.assertEqual(kept, [[8, 4, 3, 2, 2, 1], [16, 8, 6, 4, 3, 2], [32, 16, 13, 8, 6, 4]])

    def test_bad_arguments_are_refused(self):
        w = torch.zeros(2, 16)
        for call in (lambda: masks.bank_mask(w, 0, 16), lambda: masks.bank_mask(w, 17, 16),
                     lambda: masks.kept_of(1.0, 16), lambda: masks.kept_of(-0.1, 16),
                     lambda: masks.pattern_mask(w, "bank8x", 0.5)):
            self.assertRaises(ValueError, call)

    @unittest.skipUnless(SPACC, "skipped: SPACC names no program")
    def test_spacc_prune_keeps_the_same(self):
        for bank, cols, sparsity in ((16, 64, 0.875), (32, 70, 0.75), (64, 100, 0.9375)):
            w = draw(bank, 24, cols)
            got = masks.pattern_mask(torch.from_numpy(w), "bank%d" % bank, sparsity).numpy()
            np.testing.assert_array_equal(pruned_by_spacc(w, sparsity, bank) != 0, got & (w != 0))


def pruned_by_spacc(w, sparsity, bank):
    """w [rows, cols] as the weight of a MatMul, pruned by the program."""
    with tempfile.TemporaryDirectory() as folder:
        before, after = os.path.join(folder, "a.onnx"), os.path.join(folder, "b.onnx")
        g = export.Graph("product")
        g.input("x", [1, w.shape[1]])
        g.output("y", [1, w.shape[0]])
        g.weight("w", w.T)
        g.node("MatMul", ["x", "w"], ["y"], "product")
        g.save(before, {})
        subprocess.run([SPACC, "prune", before, "-o", after, "--sparsity", str(sparsity),
                        "--bank-size", str(bank), "--method", "magnitude"],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return numpy_helper.to_array(onnx.load(after).graph.initializer[0]).T


if __name__ == "__main__":
    unittest.main()
