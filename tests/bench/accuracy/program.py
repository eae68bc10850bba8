"""program.py - spacc from outside: prune, run, eval."""
import json
import subprocess


class Refused(Exception):
    """The program said no; the text is its line."""


class Program:
    def __init__(self, path):
        self.path = str(path)

    def call(self, *words):
        words = [str(w) for w in words]
        done = subprocess.run([self.path, *words], capture_output=True, text=True)
        if done.returncode != 0:
            raise Refused(done.stderr.strip().splitlines()[-1] if done.stderr else "no reason")
        return done.stdout

    def prune(self, model, out, method, sparsity, bank, calibrate=(), more=()):
        words = ["prune", model, "-o", out, "--sparsity", sparsity, "--bank-size", bank]
        words += ["--method", method]
        if method != "magnitude":
            for c in calibrate:
                words += ["--calibrate", c]
        return self.call(*words, *more)

    def zeros(self, models):
        """Share of zeros of all weight matrices that can be pruned."""
        matrices = [m for f in models for m in json.loads(self.call("inspect", f, "--json"))["matrices"]
                    if "nonzeros" in m]
        weights = sum(m["rows"] * m["columns"] for m in matrices)
        return 1 - sum(m["nonzeros"] for m in matrices) / weights

    def run(self, model, inputs, output, options=()):
        words = ["run", model, "--quiet", "--output", output]
        for i in inputs:
            words += ["--input", i]
        return self.call(*words, *options)

    def report(self, model, sent, got, options=()):
        """A run's JSON; results go to the file `got`."""
        return json.loads(self.call("run", model, "--quiet", "--json", "--input", sent,
                                    "--output", got, *options))

    def eval(self, model, inputs, options=()):
        """The scores, by what they are called."""
        words = ["eval", model, "--quiet", "--json"]
        for i in inputs:
            words += ["--input", i]
        report = json.loads(self.call(*words, *options))
        return {s["name"]: s for s in report["scores"]}
