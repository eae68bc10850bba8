"""The runner, with a task small enough to run whole."""
import json
import os
import tempfile
import types
import unittest

import torch
from spacc_recipes import grid, train
from spacc_recipes.pruner import View


def small_task():
    """Fits a random linear map; counts its trainings."""
    task = types.SimpleNamespace(NAME="small", STEPS=6, RAMP=2, SETTLE=1, ELSEWHERE=2, trained=[])
    want = torch.randn(8, 32, generator=torch.Generator().manual_seed(1))

    def train_dense(work):
        model = torch.nn.Linear(32, 8, bias=False)
        with torch.no_grad():
            model.weight.copy_(want)
        return model

    def finetune(model, pruner, steps, work, name):
        task.trained.append(name)
        loss = lambda step: (model.weight - want).square().mean()
        return train.fit(model, loss, steps, 1e-2, pruner=pruner, say=lambda s: None)

    def evaluate(model, work):
        return {"metric": "error", "value": float((model.weight - want).square().sum().detach())}

    def export(model, path, work, pruner):
        with train.replacing(path) as f:
            f.write(b"onnx")
    task.data = lambda work: None
    task.views = lambda model, sparsity, _: [View("weight", model.weight)]
    task.train_dense, task.finetune = train_dense, finetune
    task.evaluate, task.export = evaluate, export
    return task


class Grid(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.work, self.results = folder.name, os.path.join(folder.name, "r", "small.json")

    def run_cells(self, task, wanted):
        grid.run(task, wanted, self.work, self.results, say=lambda s: None)
        return grid.read_results(self.results)

    def test_the_grid_is_whole_and_wants_87_5_percent_first(self):
        names = [grid.key_of(c) for c in grid.cells()]
        self.assertEqual(len(set(names)), 2 * (1 + 5 * 6))
        tuned = [c for c in grid.cells() if c[2]]
        self.assertEqual({c[1] for c in tuned[1:6]}, {0.875})

    def test_cells_are_run_once_and_exported(self):
        task, wanted = small_task(), [("dense", 0.0, False), ("bank16", 0.875, True)]
        self.run_cells(task, wanted)
        known = self.run_cells(task, wanted + [("bank32", 0.5, False)])
        self.assertEqual(task.trained, ["bank16-0.875-tuned"])
        self.assertEqual(set(known), {"dense-0-untuned", "bank16-0.875-tuned",
                                      "bank32-0.5-untuned"})
        self.assertEqual(known["bank16-0.875-tuned"]["true_sparsity"], 0.875)
        self.assertTrue(os.path.exists(os.path.join(self.work, "bank16-0.875-tuned.onnx")))

    def test_pruning_errors_are_ordered_as_freedom_is(self):
        wanted = [(p, 0.75, False) for p in ("unstructured", "bank32", "block4x4")]
        known = self.run_cells(small_task(), wanted)
        error = [known[grid.key_of(c)]["value"] for c in wanted]
        self.assertLess(error[0], error[1])
        self.assertLess(error[1], error[2])

    def test_the_targets_sparsity_is_tuned_longest(self):
        wanted = [("bank32", 0.875, True), ("bank32", 0.5, True), ("bank32", 0.5, False)]
        known = self.run_cells(small_task(), wanted)
        self.assertEqual([known[grid.key_of(c)]["steps"] for c in wanted], [6, 3, 0])

    def test_the_file_has_a_line_per_cell(self):
        self.run_cells(small_task(), [("dense", 0.0, False), ("bank64", 0.5, False)])
        with open(self.results) as f:
            lines = f.read().splitlines()
        self.assertEqual(len(lines), 4)
        self.assertEqual(json.loads(lines[2])["cell"], "bank64-0.5-untuned")


if __name__ == "__main__":
    unittest.main()
