"""silero.py - the voice activity detector on 576 samples (64 of them from before) at 16 kHz,
states from frame to frame; how often it decides as the dense model does.

The file keeps its weights in the branches of an If on the sample rate; here the branch of
16 kHz becomes the graph, which changes no result. Calibration: the last 30 s of a recording.
Tested: its first 30 s, and other recordings after it."""
import numpy as np
import onnx

import metrics
import sound

WIDTH, STEP = 576, 512


def without_if(model):
    """The If's branch for 16 kHz in place of the If."""
    graph = model.graph
    choice = next(n for n in graph.node if n.op_type == "If")
    branch = next(a.g for a in choice.attribute if a.name == "then_branch")
    rename = {b.name: o for b, o in zip(branch.output, choice.output)}
    nodes = [n for n in graph.node if n.op_type != "If"] + list(branch.node)
    for n in nodes:
        n.input[:] = [rename.get(i, i) for i in n.input]
        n.output[:] = [rename.get(o, o) for o in n.output]
    del graph.node[:]
    graph.node.extend(nodes)
    graph.initializer.extend(branch.initializer)
    return model


class Silero:
    name = "silero_vad"
    title = "silero_vad, voice activity"
    metrics = [metrics.AGREEMENT]

    def __init__(self, places, folder, program):
        shared = places.shared
        self.program, self.folder = program, folder
        source = shared / "models/silero_vad"
        whole = sound.read(source / "upstream/test.wav")
        others = [sound.read(shared / "data/audio" / f)
                  for f in ("alexa_test.wav", "hey_mycroft_test.wav", "activation.wav")]
        half = len(whole) // 2
        self.sounds = {"calibrate": whole[half:], "test": np.concatenate([whole[:half], *others])}
        self.models = {"vad": folder / "vad.onnx"}
        onnx.save(without_if(onnx.load(source / "silero_vad_op18_ifless.onnx")),
                  str(self.models["vad"]))
        np.save(folder / "sr.npy", np.array(sound.HZ, np.int64))
        self.files = {k: self.write(k, s) for k, s in self.sounds.items()}
        self.check_same(source / "silero_vad_op18_ifless.onnx")

    def check_same(self, whole):
        """The If is gone and nothing else."""
        scores = self.program.eval(self.models["vad"], self.words("test"),
                                   ["--task", "error", "--of", "output", "--against", whole,
                                    "--state", "state=stateN"])
        error = scores["largest error"]["value"]
        if error > 1e-4:
            raise ValueError(f"silero_vad: without its If the model is off by {error}")

    def write(self, name, samples):
        frames = sound.frames(np.concatenate([np.zeros(WIDTH - STEP), samples]), WIDTH, STEP)
        file = self.folder / f"{name}.npy"
        np.save(file, frames.astype(np.float32)[:, None, :])
        return file

    def words(self, part):
        return [f"input={self.files[part]}", f"sr={self.folder / 'sr.npy'}"]

    def calibrate(self):
        return {"vad": self.words("calibrate")}

    def more(self, _):
        return ["--state", "state=stateN"]

    def score(self, models, options=()):
        scores = self.program.eval(models["vad"], self.words("test"),
                                   ["--task", "decide", "--of", "output", "--against",
                                    self.models["vad"], "--state", "state=stateN", *options])
        s = scores["agreement of decisions"]
        return {"agreement": s["value"], "count": s["count"], "low": s["low"], "high": s["high"]}
