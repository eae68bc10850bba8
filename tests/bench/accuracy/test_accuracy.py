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

import images  # noqa: E402
import metrics  # noqa: E402
import sound  # noqa: E402
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


if __name__ == "__main__":
    unittest.main()
