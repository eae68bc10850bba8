"""The parts of ./dev accuracy that need no network: metrics, results, tables, data."""
import pathlib
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

try:
    import numpy as np
    from PIL import Image
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

import faces  # noqa: E402
import images  # noqa: E402
import metrics  # noqa: E402
import seernet_fused  # noqa: E402
import seernet_nets  # noqa: E402
import sound  # noqa: E402
from seernet import merged  # noqa: E402
from program import Program, Refused  # noqa: E402
from store import Store  # noqa: E402


class Metrics(unittest.TestCase):
    def test_losses_are_zero_for_the_dense_model(self):
        for m, dense in ((metrics.BITS, 2.5), (metrics.ACCURACY, 0.9), (metrics.AGREEMENT, 1.0),
                         (metrics.CLEAN, 7.0), (metrics.SAME, None)):
            self.assertEqual((m.loss(dense, dense), m.share(dense, dense)), (0, 0))

    def test_losses_are_shares_of_what_dense_has(self):
        self.assertAlmostEqual(metrics.BITS.share(2.0, 2.1), 0.05)
        self.assertAlmostEqual(metrics.ACCURACY.share(0.8, 0.6), 0.25)
        self.assertAlmostEqual(metrics.AGREEMENT.share(1.0, 0.97), 0.03)
        self.assertAlmostEqual(metrics.SAME.share(None, 20.0), 0.01)

    def test_si_sdr_does_not_hang_on_scale(self):
        s, off = np.array([1.0, 2, 3, 4]), np.array([2.0, -1, 4, -3])  # at right angles
        self.assertAlmostEqual(metrics.si_sdr(5 * (s + 0.1 * off), s), 20.0)
        self.assertIsNone(metrics.si_sdr(s, s))


class Results(unittest.TestCase):
    def test_what_is_known_is_kept_until_asked_again(self):
        with tempfile.TemporaryDirectory() as folder:
            file = folder + "/new/r.json"
            Store(file).put("net", "cell", {"value": 1})
            self.assertEqual(Store(file).get("net", "cell"), {"value": 1})
            again = Store(file, again=True)
            self.assertIsNone(again.get("net", "cell"))
            again.put("net", "cell", {"value": 2})
            self.assertEqual(again.get("net", "cell"), {"value": 2})
            self.assertIsNone(Store(file).get("net", "other"))

    def test_a_refusal_carries_the_programs_line(self):
        with tempfile.TemporaryDirectory() as folder:
            fake = pathlib.Path(folder, "fake")
            fake.write_text("#!/bin/sh\necho first >&2\necho spacc: no >&2\nexit 1\n")
            fake.chmod(0o755)
            with self.assertRaisesRegex(Refused, "^spacc: no$"):
                Program(fake).run("m", [], "o")


class Data(unittest.TestCase):
    def test_noise_is_the_same_again_and_as_loud_as_asked(self):
        speech = np.sin(np.arange(16000.0))
        noisy = sound.mix(speech, 10, 3)
        self.assertTrue(np.array_equal(noisy, sound.mix(speech, 10, 3)))
        self.assertFalse(np.array_equal(noisy, sound.mix(speech, 10, 4)))
        ratio = np.mean(speech**2) / np.mean((noisy - speech)**2)
        self.assertAlmostEqual(10 * np.log10(ratio), 10, places=6)

    def test_frames_overlap(self):
        cut = sound.frames(np.arange(10.0), 4, 2)
        self.assertEqual(cut.tolist(), [[0, 1, 2, 3], [2, 3, 4, 5], [4, 5, 6, 7], [6, 7, 8, 9]])

    def test_crops_are_the_same_again(self):
        picture = Image.fromarray(np.arange(300, dtype=np.uint8).reshape(10, 10, 3))
        a, b = (images.crops(picture, 3, 8, s) for s in (1, 1))
        self.assertEqual(a.shape, (3, 8, 8, 3))
        self.assertTrue(np.array_equal(a, b))
        self.assertFalse(np.array_equal(a, images.crops(picture, 3, 8, 2)))


class Faces(unittest.TestCase):
    def outputs(self, likely):
        """Nothing found, but at these priors."""
        scores, distances = np.zeros((len(faces.priors()), 2)), np.zeros((len(faces.priors()), 4))
        for i, share in likely.items():
            scores[i, 1] = share
        return scores, distances

    def test_priors_are_of_four_grids(self):
        p = faces.priors()
        self.assertEqual(p.shape, (40 * 30 * 3 + 20 * 15 * 2 + 10 * 8 * 2 + 5 * 4 * 3, 4))
        self.assertTrue(np.allclose(p[0], [4 / 320, 4 / 240, 10 / 320, 10 / 240]))

    def test_of_boxes_that_are_one_face_the_likeliest_stays(self):
        # the cells of 64 pixels: a box of 192 about the same centre as one of 256
        last = len(faces.priors()) - 1
        far = 0
        found = faces.faces(*self.outputs({last: 0.9, last - 1: 0.95, far: 0.8, 5: 0.6}))
        self.assertEqual(len(found), 2)
        self.assertTrue(np.allclose(found[1], [-1, -1, 9, 9]))

    def test_overlap_is_the_share_in_common(self):
        boxes = np.array([[0.0, 0, 2, 2], [1, 0, 3, 2], [5, 5, 6, 6]])
        self.assertTrue(np.allclose(faces.overlap(boxes[0], boxes), [1, 1 / 3, 0]))

    def test_what_is_lost_and_moved_is_told(self):
        wanted = np.array([[0.0, 0, 10, 10], [50, 50, 60, 60]])
        told = faces.compare(wanted, wanted[:1] + [1, 0, 1, 0])
        self.assertEqual((told["wanted"], told["got"], told["found"]), (2, 1, 1))
        self.assertAlmostEqual(told["moved"], 1.0)
        self.assertEqual(faces.compare(wanted, wanted[:0])["found"], 0)


class Seernet(unittest.TestCase):
    def layer(self, zeros, predicted, precision, recall, accuracy):
        return {"name": "c", "with": "Relu", "zeros": zeros, "predicted": predicted,
                "precision": precision, "recall": recall, "accuracy": accuracy}

    def test_runs_add_up_as_their_outputs_do(self):
        # of 10 outputs a frame: 4 needed, 5 computed, 3 both; and 2, 4, 2
        a, b = self.layer(0.6, 0.5, 0.6, 0.75, 0.7), self.layer(0.8, 0.6, 0.5, 1.0, 0.8)
        got, = merged([(3, [a]), (1, [b])])
        wanted = {"zeros": 1 - 14 / 40, "predicted": 1 - 19 / 40, "precision": 11 / 19,
                  "recall": 11 / 14, "accuracy": 0.725}
        for key, value in wanted.items():
            self.assertAlmostEqual(got[key], value)

    def test_where_the_dense_model_wavers_is_told(self):
        dense = np.array([[0.5, 0.48, 0.02], [0.9, 0.1, 0.0], [0.1, 0.8, 0.1]])
        got = np.array([[0.4, 0.5, 0.1], [0.9, 0.1, 0.0], [0.7, 0.2, 0.1]])
        told = seernet_nets.agreement(dense, got)
        self.assertEqual((told["off"], told["off, near"], told["near"]), (2, 1, 1))

    def test_codes_are_of_the_largest_magnitude(self):
        q, scale = seernet_fused.codes(np.array([-0.7, 0.1, 0.34]), 4)
        self.assertEqual((q.tolist(), round(float(scale), 6)), ([-7, 1, 3], 0.1))
        q, scale = seernet_fused.codes(np.array([0.0, 1.5]), 4, unsigned=True)
        self.assertEqual((q.tolist(), float(scale)), ([0, 15], 0.1))

    def test_many_bits_predict_what_is_so(self):
        rng = np.random.default_rng(1)
        x, w = rng.standard_normal((2, 3, 6, 6)), rng.standard_normal((8, 3, 3, 3))
        layer = seernet_fused.Layer(w, rng.standard_normal(8), rng.standard_normal(8), 1, 1)
        direct = sum(w[0, c, i, j] * x[1, c, 1 + i, 2 + j]
                     for c in range(3) for i in range(3) for j in range(3))
        y = layer.full(x)
        self.assertAlmostEqual(y[1, 0, 2, 3], direct * layer.scale[0] + layer.shift[0])
        for variant in seernet_fused.VARIANTS.values():
            right = (layer.predicted(x, 14, **variant) == (y > 0)).mean()
            self.assertGreater(right, 0.99)
        few = [(layer.predicted(x, 3, fused=f) == (y > 0)).mean() for f in (False, True)]
        self.assertLess(few[0], few[1])


if __name__ == "__main__":
    unittest.main()
