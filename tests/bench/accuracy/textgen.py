"""textgen.py - textgenrnn: the next character after 40 others, as bits.

Text of wikitext-2 with single spaces, characters that the model does not know left out.
Calibration: windows of its first four fifths. Tested: windows of the last fifth."""
import json

import numpy as np

import metrics

WINDOW = 40


class Textgen:
    name = "textgenrnn"
    title = "textgenrnn, characters"
    metrics = [metrics.BITS]

    def __init__(self, places, folder, program):
        shared = places.shared
        self.program, self.folder = program, folder
        source = shared / "models/textgenrnn"
        self.models = {"lm": source / "textgenrnn.onnx"}
        with open(source / "upstream/textgenrnn_vocab.json", encoding="utf-8") as f:
            number = json.load(f)
        text = (shared / "data/text/wikitext2_valid.txt").read_text(encoding="utf-8")
        text = " ".join(text.replace("<unk>", " ").split())
        codes = np.array([number[c] for c in text if c in number], np.int64)
        cut = len(codes) * 4 // 5
        self.calibration, _ = self.windows(codes[:cut], 1024, 1, "calibrate")
        self.test, self.answers = self.windows(codes[cut:], 2000, 2, "test")

    def windows(self, codes, count, seed, name):
        """A file of [count, 40] and the characters that follow."""
        starts = np.random.default_rng(seed).integers(0, len(codes) - WINDOW, count)
        starts.sort()
        file = self.folder / f"{name}.npy"
        np.save(file, np.stack([codes[s:s + WINDOW] for s in starts]))
        for i in ("h0_1", "c0_1", "h0_2", "c0_2"):
            np.save(self.folder / f"{name}_{i}.npy", np.zeros((1, count, 128), np.float32))
        return file, codes[starts + WINDOW]

    def words(self, file):
        states = [f"{i}={str(file)[:-4]}_{i}.npy" for i in ("h0_1", "c0_1", "h0_2", "c0_2")]
        return [f"chars={file}", *states]

    def calibrate(self):
        return {"lm": self.words(self.calibration)}

    def more(self, _):
        return []

    def score(self, models, options=()):
        out = self.folder / "test.npz"
        self.program.run(models["lm"], self.words(self.test), out, options)
        probs = np.load(out)["probs"].astype(float)
        right = probs[np.arange(len(probs)), self.answers]
        return {"bits": float(np.mean(-np.log2(np.maximum(right, 1e-30)))), "count": len(probs)}
