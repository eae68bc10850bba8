"""The bundled demo, models/demo, from what recipe (a) left.

    python3 -m spacc_recipes.demo           after grid charlm --cell dense 0 tuned, --cell bank16 0.875 tuned

Copies the two models and writes the first 20,000 characters of the text that nothing was trained
or chosen on, from the first whole sentence on: heldout.txt, and 2,000 of them as heldout.npy.
"""
import argparse
import io
import os

import numpy as np

from . import charlm, train

MODELS = {"charlm_dense.onnx": "dense-0-tuned.onnx", "charlm.onnx": "bank16-0.875-tuned.onnx"}
LONG, SHORT = 20_000, 2_000  # characters of heldout.txt and of heldout.npy


def sentence(ids):
    """Where the first whole sentence of ids [N] begins: behind the first full stop and space."""
    text = "".join(charlm.VOCAB[i] for i in ids[:1000])
    return text.index(". ") + 2


def write(path, content):
    with train.replacing(path) as f:
        f.write(content)


def main():
    ap = argparse.ArgumentParser(description=__doc__,
                                 formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--work", default=os.path.join("build", "recipes", "charlm"))
    ap.add_argument("--out", default=os.path.join("models", "demo"))
    a = ap.parse_args()
    for name, cell in MODELS.items():
        with open(os.path.join(a.work, cell), "rb") as f:
            write(os.path.join(a.out, name), f.read())
    held = charlm.data(a.work)["held"].numpy()
    ids = held[sentence(held):][:LONG]
    write(os.path.join(a.out, "heldout.txt"), "".join(charlm.VOCAB[i] for i in ids).encode())
    array = io.BytesIO()
    np.save(array, ids[:SHORT, None].astype(np.int64))
    write(os.path.join(a.out, "heldout.npy"), array.getvalue())


if __name__ == "__main__":
    main()
