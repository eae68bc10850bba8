"""Spoken digits: features and data are repeatable, a step trains, the program agrees."""
import os
import subprocess
import tempfile
import unittest
import wave

import numpy as np
import onnx
import torch
from spacc_recipes import digits, lstm_folds, train
from spacc_recipes import digits_data as speech
from spacc_recipes.pruner import Pruner

SPACC = os.environ.get("SPACC", "")


def tone(hz, samples=3000):
    return speech.level(np.sin(2 * np.pi * hz / speech.RATE * np.arange(samples)))


def write_wav(path, x, rate=speech.RATE):
    with wave.open(path, "wb") as f:
        f.setnchannels(1)
        f.setsampwidth(2)
        f.setframerate(rate)
        f.writeframes((x * 32767).astype("<i2").tobytes())


def write_recordings(folder):
    """Ten takes of digits 0 and 1: tones of two pitches."""
    for take in range(10):
        for digit in (0, 1):
            write_wav(os.path.join(folder, "%d_tess_%d.wav" % (digit, take)),
                      tone(400 + 900 * digit + 10 * take))


class Folder(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.path = lambda name: os.path.join(self.folder.name, name)


class Speech(Folder):
    def test_a_tone_is_loudest_in_the_band_around_it(self):
        x = speech.features(speech.place(tone(1000)))
        self.assertEqual(x.shape, (speech.STEPS, speech.INPUTS))
        loudest = int(x[speech.STEPS // 2, :speech.BANDS].argmax())
        middle = float((speech.BANK[:, loudest] * np.arange(129)).sum() * 8000 / 256)
        self.assertLess(abs(middle - 1000), 60)

    def test_loudness_moves_features_of_steady_noise_by_nothing(self):
        x = speech.noise(np.random.default_rng(1), 0.0)
        self.assertLess(float(np.abs(speech.features(x) - speech.features(4 * x)).max()), 0.03)

    def test_noise_stands_as_far_below_speech_as_asked(self):
        x = tone(500, speech.WINDOW)
        rest = speech.add_noise(x, np.random.default_rng(1), 10, 1.0) - x
        self.assertAlmostEqual(float(10 * np.log10((x ** 2).mean() / (rest ** 2).mean())), 10, 2)

    def test_distortion_is_the_seeds_alone(self):
        made = [speech.distort(tone(500), np.random.default_rng(s)) for s in (1, 1, 2)]
        self.assertTrue(np.array_equal(made[0], made[1]))
        self.assertFalse(np.array_equal(made[0], made[2]))

    def test_long_recordings_are_cut_and_short_ones_padded(self):
        for samples in (100, speech.WINDOW, 2 * speech.WINDOW):
            self.assertEqual(speech.place(tone(500, samples)).shape, (speech.WINDOW,))

    def test_missing_and_wrong_recordings_are_named(self):
        for folder in (self.path("none"), self.folder.name):
            with self.assertRaisesRegex(SystemExit, folder):
                speech.load(folder)
        write_wav(self.path("1_tess_0.wav"), tone(500), 16000)
        with self.assertRaisesRegex(SystemExit, "1_tess_0.wav: 16000 Hz"):
            speech.load(self.folder.name)


class Folds(unittest.TestCase):
    def test_values_and_gradients_of_shared_runs_are_those_of_torch(self):
        torch.manual_seed(1)
        lstms = [torch.nn.LSTM(5, 8).double() for _ in range(3)]
        x = torch.randn(3, 6, 4, 5, dtype=torch.double)
        order = lambda w: torch.cat([w.chunk(4)[i] for i in (3, 0, 1, 2)])  # to o, i, f, c
        w, r, b = (torch.stack([order(p) for p in ps]).detach().requires_grad_() for ps in (
            [m.weight_ih_l0 for m in lstms], [m.weight_hh_l0 for m in lstms],
            [m.bias_ih_l0 + m.bias_hh_l0 for m in lstms]))
        got, want = lstm_folds.run(x, w, r, b), torch.stack([m(y)[0] for m, y in zip(lstms, x)], 1)
        self.assertLess(float((got - want).abs().max()), 1e-12)
        for out in (got, want):
            (out * torch.arange(8)).square().sum().backward()
        for mine, name in ((w, "weight_ih_l0"), (r, "weight_hh_l0"), (b, "bias_ih_l0")):
            theirs = torch.stack([order(getattr(m, name).grad) for m in lstms])
            self.assertLess(float((mine.grad - theirs).abs().max()), 1e-9)


class Training(Folder):
    def test_every_recording_is_tested_once_and_never_trained_on_there(self):
        write_recordings(self.folder.name)
        parts = digits.make_data(self.folder.name, 1)
        batches = digits.Batches(parts, 0)
        self.assertEqual(np.bincount(parts["fold"]).tolist(), [4] * digits.FOLDS)
        for k, which in enumerate(batches.train):
            self.assertFalse((parts["fold"][which] == k).any())

    def test_two_steps_under_a_pruner_lower_the_loss_and_leave_zeros(self):
        write_recordings(self.folder.name)
        parts = digits.make_data(self.folder.name, 2)
        model = digits.build_model(16)
        batches = digits.Batches(parts, 0)
        pruner = Pruner(digits.views(model, 0.75, "bank16"), "bank16", 0.75, 1)
        before = float(batches.loss(model, 0).detach())
        train.fit(model, lambda step: batches.loss(model, 0), 2, 1e-2, pruner, warm=1,
                  say=lambda text: None)
        self.assertLess(float(batches.loss(model, 0).detach()), before)
        kept = (model[0].r.view(64, 1, 16) != 0).sum(2)
        self.assertTrue((kept == 4).all())

    def test_hidden_stretches_are_no_longer_than_told(self):
        x = np.ones((200, speech.STEPS, speech.INPUTS), np.float32)
        gone = digits.hide(x, np.random.default_rng(1)) == 0
        self.assertEqual(gone.all(2).sum(1).max(), digits.HIDE)
        self.assertEqual(gone.all(1).sum(1).max(), speech.STACK * (digits.HIDE + 2))


class Export(Folder):
    def setUp(self):
        super().setUp()
        self.model = digits.build_model(32, 2)
        digits.export(self.model, self.path("net.onnx"), self.folder.name,
                      Pruner(digits.views(self.model, 0.75, "bank32"), "bank32", 0.75, 0))

    def test_there_is_a_file_for_each_fold_with_the_task_in_it(self):
        for name in ("net.onnx", "net.fold1.onnx"):
            meta = {p.key: p.value for p in onnx.load(self.path(name)).metadata_props}
            self.assertEqual((meta["spacc.task"], meta["spacc.bank_size"]), ("classify", "32"))

    @unittest.skipUnless(SPACC, "skipped: SPACC names no program")
    def test_the_program_computes_what_the_net_does(self):
        x = np.random.default_rng(1).normal(size=(speech.STEPS, 1, speech.INPUTS))
        np.save(self.path("in.npy"), x.astype(np.float32))
        subprocess.run([SPACC, "run", self.path("net.fold1.onnx"), "--input", self.path("in.npy"),
                        "--output", self.path("out.npz")], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        want = digits.scores_of(self.model[1], x.astype(np.float32).transpose(1, 0, 2)).numpy()
        self.assertLess(float(np.abs(np.load(self.path("out.npz"))["logits"] - want).max()), 1e-4)


if __name__ == "__main__":
    unittest.main()
