"""The schedule, straight-through gradients, freezing, resuming."""
import os
import tempfile
import unittest

import torch
from spacc_recipes import train
from spacc_recipes.pruner import Pruner, View, ramp


def net(seed=1):
    torch.manual_seed(seed)
    return torch.nn.Sequential(torch.nn.Linear(32, 24), torch.nn.Tanh(), torch.nn.Linear(24, 4))


def pruner_of(model, pattern="bank16", sparsity=0.75, **how):
    views = [View("first", model[0].weight), View("last", model[2].weight, 0.5)]
    return Pruner(views, pattern, sparsity, **{"ramp_steps": 8, "every": 2, **how})


def loss_of(model):
    """A fixed problem that every input matters to; the batch depends on the step alone."""
    mix = torch.randn(32, 4, generator=torch.Generator().manual_seed(0)) / 4

    def loss(step):
        g = torch.Generator().manual_seed(step)
        x = torch.randn(16, 32, generator=g)
        return (model(x) - torch.tanh(x @ mix)).square().mean()
    return loss


class Schedule(unittest.TestCase):
    def test_the_ramp_rises_from_0_to_1(self):
        values = [ramp(s, 10) for s in range(12)]
        self.assertEqual((values[0], values[10], values[11]), (0.0, 1.0, 1.0))
        self.assertTrue(all(a < b for a, b in zip(values[:10], values[1:])))
        self.assertAlmostEqual(values[5], 1 - 0.5 ** 3)

    def test_without_a_ramp_everything_is_pruned_at_once(self):
        model = net()
        p = pruner_of(model, ramp_steps=0)
        self.assertTrue(p.frozen)
        self.assertEqual((model[0].weight != 0).sum(1).tolist(), [8] * 24)

    def test_each_view_has_its_own_sparsity(self):
        p = pruner_of(net(), ramp_steps=0)
        got = p.finish()  # 24 columns: banks of 16 and 8 keep 8 and 8
        self.assertEqual((got["first"], got["last"]), (0.75, 1 - 16 / 24))


class StraightThrough(unittest.TestCase):
    def test_the_forward_pass_sees_masked_weights_and_all_get_gradients(self):
        model, x = net(), torch.randn(16, 32)
        p = pruner_of(model)
        p.now = 4
        p.select()
        shadow = model[0].weight.detach().clone()
        with p.masked():
            self.assertTrue(torch.equal(model[0].weight, shadow * p.masks[0]))
            model(x).square().sum().backward()
        self.assertTrue(torch.equal(model[0].weight, shadow))
        self.assertTrue(bool((model[0].weight.grad[p.masks[0] == 0] != 0).any()))

    def test_a_pruned_weight_can_come_back(self):
        model = net()
        p = pruner_of(model, ramp_steps=4, settle_steps=4, every=1)
        p.now = 4
        p.select()
        r, c = (p.masks[0] == 0).nonzero()[0].tolist()
        with torch.no_grad():
            model[0].weight[r, c] = 9.0
        p.step()
        self.assertEqual(p.masks[0][r, c], 1.0)
        self.assertEqual(int(p.masks[0][r].sum()), 8)

    def test_pruned_shadow_weights_shrink(self):
        model = net()
        p = pruner_of(model, ramp_steps=4, every=100, pull=0.25)
        p.now = 3
        p.select()
        before, pruned = model[0].weight.detach().clone(), p.masks[0] == 0
        p.now = 0
        p.step()
        after = model[0].weight.detach()
        self.assertTrue(torch.equal(after[pruned], 0.75 * before[pruned]))
        self.assertTrue(torch.equal(after[~pruned], before[~pruned]))

    def test_frozen_masks_stay_and_zeros_are_exact(self):
        model = net()
        p = pruner_of(model)
        optimizer = torch.optim.Adam(model.parameters(), 0.05)
        for step in range(12):
            with p.masked():
                loss_of(model)(step).backward()
            optimizer.step()
            p.step()
            if step == 7:
                self.assertTrue(p.frozen)
                kept = p.masks[0].clone()
        self.assertTrue(torch.equal(p.masks[0], kept))
        self.assertTrue(bool((model[0].weight[kept == 0] == 0).all()))
        self.assertTrue(bool((model[0].weight[kept == 1] != 0).all()))

    def test_training_under_the_mask_beats_pruning_at_once(self):
        dense = net()
        train.fit(dense, loss_of(dense), 300, 1e-2, warm=5, say=lambda s: None)
        state = dense.state_dict()
        results = []
        for ramp_steps in (0, 30):
            model = net()
            model.load_state_dict(state)
            p = pruner_of(model, "bank32", 0.875, ramp_steps=ramp_steps)
            if ramp_steps:
                train.fit(model, loss_of(model), 200, 1e-2, pruner=p, warm=5,
                          say=lambda s: None)
            p.finish()
            results.append(float(loss_of(model)(1000).detach()))
        self.assertLess(results[1], 0.5 * results[0])


class Rates(unittest.TestCase):
    def test_the_learning_rate_starts_again_each_cycle(self):
        model, moves, last = net(), [], [None]

        def loss(step):  # a gradient of 1 for ever: Adam moves the bias by the learning rate
            now = float(model[0].bias[0])
            moves.append(now - last[0] if last[0] is not None else 0.0)
            last[0] = now
            return model[0].bias.sum() + 0.0 * sum(p.sum() for p in model.parameters())
        train.fit(model, loss, 41, 1e-2, warm=1, cycle=20, decay=0.0, clip=1e9,
                  say=lambda s: None)
        self.assertLess(abs(moves[20]), 0.1 * abs(moves[1]))
        self.assertAlmostEqual(moves[21], moves[1], 4)


class Resuming(unittest.TestCase):
    def run_to(self, stops, path):
        """Train 20 steps in pieces that end at `stops`; the weights at the end."""
        model = net()
        for stop in stops:
            model = net()
            p = pruner_of(model)
            train.fit(model, loss_of(model), 20, 1e-2, pruner=p, checkpoint=path, every=5,
                      ema=0.9, watch=lambda done: done == stop, say=lambda s: None)
        p.finish()
        return torch.cat([q.detach().reshape(-1) for q in model.parameters()])

    def test_a_run_in_pieces_ends_in_the_same_weights(self):
        with tempfile.TemporaryDirectory() as folder:
            whole = self.run_to([20], os.path.join(folder, "a"))
            parts = self.run_to([5, 10, 20], os.path.join(folder, "b"))
        self.assertTrue(torch.equal(whole, parts))


if __name__ == "__main__":
    unittest.main()
