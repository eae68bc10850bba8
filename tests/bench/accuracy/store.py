"""store.py - results in a small JSON file; what is there is not computed again."""
import json
import os


class Store:
    def __init__(self, file, again=False):
        self.file = file
        self.again = again
        self.fresh = set()
        self.tree = self.read()

    def read(self):
        try:
            with open(self.file, encoding="utf-8") as f:
                return json.load(f)
        except FileNotFoundError:
            return {}

    def get(self, part, cell):
        """What is known, or None."""
        if self.again and (part, cell) not in self.fresh:
            return None
        return self.tree.get(part, {}).get(cell)

    def put(self, part, cell, scores):
        """Keep it, in the file too: a run may end at any time. Another may write to it."""
        self.fresh.add((part, cell))
        self.tree = self.read()
        self.tree.setdefault(part, {})[cell] = scores
        text = json.dumps(self.tree, indent=1, sort_keys=True) + "\n"
        os.makedirs(os.path.dirname(self.file), exist_ok=True)
        with open(self.file + ".part", "w", encoding="utf-8") as f:
            f.write(text)
        os.replace(self.file + ".part", self.file)
