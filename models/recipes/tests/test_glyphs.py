"""Characters in images: drawing is repeatable, a step trains, the program agrees."""
import os
import subprocess
import tempfile
import unittest

import numpy as np
import onnx
import torch
from spacc_recipes import glyphs, train
from spacc_recipes import glyphs_data as drawn
from spacc_recipes.pruner import Pruner

SPACC = os.environ.get("SPACC", "")


def fonts_missing():
    """What is missing for drawing, or an empty text."""
    try:
        import PIL  # noqa: F401
        drawn.font_files(drawn.TRAIN[:1])
    except (ImportError, SystemExit) as gone:
        return str(gone)
    return ""


@unittest.skipIf(fonts_missing(), "skipped: " + fonts_missing())
class Drawing(unittest.TestCase):
    def test_images_are_the_seeds_alone(self):
        font = ((drawn.TRAIN[0][0], drawn.TRAIN[0][1], drawn.TRAIN[0][2].split()[0]),)
        (a, labels), (b, _), (c, _) = (drawn.draw(font, 1, seed) for seed in (1, 1, 2))
        self.assertEqual(a.shape, (len(drawn.CLASSES), 1, drawn.SIDE, drawn.SIDE))
        self.assertEqual(labels.tolist(), list(range(len(drawn.CLASSES))))
        self.assertTrue(np.array_equal(a, b))
        self.assertFalse(np.array_equal(a, c))

    def test_a_sheet_holds_the_whole_character(self):
        font = drawn.font_files(drawn.TRAIN[:1])[0]
        for char in drawn.CLASSES:
            sheet = np.asarray(drawn.sheet(font, char))
            inside = sheet[8:-8, 8:-8]
            self.assertEqual(int(sheet.sum()), int(inside.sum()), char)
            self.assertEqual(int(sheet.max()), 255)


class Fonts(unittest.TestCase):
    def test_no_package_is_in_training_and_test(self):
        self.assertFalse({t[0] for t in drawn.TRAIN} & {t[0] for t in drawn.TEST})

    def test_missing_fonts_are_named_by_package(self):
        with self.assertRaisesRegex(SystemExit, "apt-get install fonts-no-such"):
            drawn.font_files((("fonts-no-such", "truetype/none", "None"),))


class Training(unittest.TestCase):
    def test_two_steps_under_a_pruner_lower_the_loss_and_leave_zeros(self):
        rng = np.random.default_rng(1)
        parts = {"train": rng.normal(size=(80, 1, 28, 28)).astype(np.float16),
                 "train_labels": rng.integers(0, len(drawn.CLASSES), 80)}
        model, batches = glyphs.build_model((16, 16, 16, 16)), glyphs.Batches(parts, 0, 64)
        pruner = Pruner(glyphs.views(model, 0.75, "bank16"), "bank16", 0.75, 1)
        before = float(batches.loss(model, 0).detach())
        train.fit(model, lambda step: batches.loss(model, 0), 2, 2e-3, pruner, warm=1,
                  say=lambda text: None)
        self.assertLess(float(batches.loss(model, 0).detach()), before)
        kept = (model.conv[1].weight.reshape(16, 9, 16) != 0).sum(2)
        self.assertTrue((kept == 4).all())
        self.assertGreater(int((model.conv[0].weight != 0).sum()), 140)


class Export(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.path = lambda name: os.path.join(self.folder.name, name)
        self.model = glyphs.build_model()
        glyphs.export(self.model, self.path("net.onnx"), self.folder.name,
                      Pruner(glyphs.views(self.model, 0.875, "bank64"), "bank64", 0.875, 0))

    def test_metadata_tell_task_and_pattern(self):
        meta = {p.key: p.value for p in onnx.load(self.path("net.onnx")).metadata_props}
        self.assertEqual((meta["spacc.task"], meta["spacc.pattern"], meta["spacc.sparsity"]),
                         ("classify", "bank64", "0.875"))

    @unittest.skipUnless(SPACC, "skipped: SPACC names no program")
    def test_the_program_computes_what_the_net_does(self):
        x = np.random.default_rng(1).normal(size=(1, 1, 28, 28)).astype(np.float32)
        np.save(self.path("in.npy"), x)
        subprocess.run([SPACC, "run", self.path("net.onnx"), "--input", self.path("in.npy"),
                        "--output", self.path("out.npz")], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        want = glyphs.scores_of(self.model, x).numpy()
        self.assertLess(float(np.abs(np.load(self.path("out.npz"))["logits"] - want).max()), 1e-4)


if __name__ == "__main__":
    unittest.main()
