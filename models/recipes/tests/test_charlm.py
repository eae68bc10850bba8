"""The LSTM against torch's, and the exported model in the program against the net."""
import os
import subprocess
import tempfile
import unittest

import numpy as np
import onnx
import torch
from spacc_recipes import charlm, train
from spacc_recipes.lstm import Recurrence
from spacc_recipes.masks import kept_of
from spacc_recipes.pruner import Pruner

SPACC = os.environ.get("SPACC", "")


def plain_lstm(table, symbols, r, h, c):
    """The definition: gates o, i, f, c; table [S,4H]."""
    out = []
    for x in table[symbols]:
        o, i, f, g = (x + h @ r.t()).chunk(4, 1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        out.append(h)
    return torch.stack(out), c


def small_net():
    torch.manual_seed(3)
    net = charlm.CharLM(32)
    with torch.no_grad():
        for p in net.parameters():
            p.mul_(3.0)
    return net


class Recurrences(unittest.TestCase):
    def test_values_and_gradients_are_those_of_the_definition(self):
        torch.manual_seed(1)
        double = lambda *s: torch.randn(*s, dtype=torch.double)
        table, r = double(5, 32).requires_grad_(), double(32, 8).requires_grad_()
        symbols = torch.randint(0, 5, (6, 3))
        h, c, weight = double(3, 8), double(3, 8), double(6, 3, 8)
        results = []
        for run in (plain_lstm, Recurrence.apply):
            hs, last = run(table, symbols, r, h, c)
            results.append((hs, last, *torch.autograd.grad((hs * weight).sum(), (table, r))))
        for a, b in zip(*results):
            self.assertLess(float((a - b).abs().max()), 1e-12)

    def test_large_cell_states_are_drawn_back(self):
        table = torch.zeros(1, 8)
        table[:, 2:] = 4.0  # i, f and c of both units open: c grows by 1 a step
        table.requires_grad_()
        c = torch.tensor([[14.5, 3.0]])
        symbols = torch.zeros(4, 1, dtype=torch.long)
        hs, last = Recurrence.apply(table, symbols, torch.zeros(8, 2), torch.zeros(1, 2), c)
        (hs * 0.0).sum().backward()
        self.assertGreater(float(last[0, 0]), 15.0)
        self.assertGreater(float(table.grad[0, 2].abs().sum()), 0.0)  # i of unit 0
        self.assertEqual(float(table.grad[0, 3].abs().sum()), 0.0)    # i of unit 1


class Streams(unittest.TestCase):
    def test_windows_follow_each_other_and_state_is_carried(self):
        net, ids = small_net(), torch.arange(40_000) % 37
        stream = charlm.Stream(ids, net)
        first, (h, _) = stream.at(0)
        self.assertEqual(float(h.abs().sum()), 0.0)
        stream.loss(net, 0)
        second, (h, _) = stream.at(1)
        self.assertTrue(torch.equal(second[0], first[-1] + 1))
        self.assertGreater(float(h.abs().sum()), 0.0)
        self.assertGreaterEqual(len(ids) - 1, int(second.max()) + 1)


class Export(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.path = os.path.join(self.folder.name, "net.onnx")
        self.net = small_net()
        self.pruner = Pruner(charlm.views(self.net, 0.875, "bank16"), "bank16", 0.875, 0)
        charlm.export(self.net, self.path, self.folder.name, self.pruner)

    def test_parts_keep_whole_weights_of_a_bank_and_the_average_share(self):
        for bank, kept in ((16, (1, 3)), (32, (1, 7)), (64, (2, 14))):
            parts = charlm.dual(0.875, 16 if bank == 16 else 32)
            self.assertEqual(tuple(kept_of(s, bank) for s in parts), kept)
        alike = charlm.views(self.net, 0.5, None)
        self.assertEqual([v.sparsity for v in alike], [0.5, 0.5])

    def test_metadata_tell_task_sparsity_and_method(self):
        meta = {p.key: p.value for p in onnx.load(self.path).metadata_props}
        self.assertEqual((meta["spacc.task"], meta["spacc.bank_size"]), ("char-lm", "16"))
        self.assertEqual((meta["spacc.sparsity"], meta["spacc.method"]), ("0.875", "magnitude"))
        self.assertEqual(meta["spacc.vocab"], charlm.VOCAB)

    @unittest.skipUnless(SPACC, "skipped: SPACC names no program")
    def test_the_program_computes_what_the_net_does(self):
        chars = np.arange(200).reshape(-1, 1) * 7 % 37
        given, got = (os.path.join(self.folder.name, n) for n in ("in.npy", "out.npz"))
        np.save(given, chars.astype(np.int64))
        subprocess.run([SPACC, "run", self.path, "--input", "chars=" + given, "--output", got],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with torch.no_grad():
            want = self.net(torch.from_numpy(chars), *self.net.zero_state(1))[0].numpy()
        self.assertLess(float(np.abs(np.load(got)["logits"] - want).max()), 1e-4)


class Soft(unittest.TestCase):
    def test_soft_targets_of_the_net_itself_have_no_gradient(self):
        logits = torch.randn(5, 7, requires_grad=True)
        train.soft_loss(logits, logits.detach().clone(), 2.0).backward()
        self.assertLess(float(logits.grad.abs().max()), 1e-6)


if __name__ == "__main__":
    unittest.main()
