"""dtln.py - the speech denoiser in its pipeline: frames of 512 every 128 samples, spectrum,
model_1 gives a mask, back to samples, model_2, overlap and add. States go from frame to frame.

Calibration: speech of one recording with noise of seeds of its own. Tested: other recordings
with other noise, and the noisy recording whose dense result is stored with the model."""
import numpy as np

import metrics
import sound

STATES = {"model_1": "input_3=tf_op_layer_stack_2", "model_2": "input_5=tf_op_layer_stack_5"}
WIDTH, STEP = 512, 128


class Dtln:
    name = "dtln"
    title = "dtln, speech denoiser"
    metrics = [metrics.CLEAN, metrics.SAME]

    def __init__(self, places, folder, program):
        shared = places.shared
        self.program, self.folder = program, folder
        source = shared / "models/dtln"
        self.models = {n: source / f"{n}.onnx" for n in STATES}
        self.golden = {n: np.load(source / f"golden_stream/{n}.npy").astype(float)
                       for n in ("noisy", "enhanced")}
        self.speech = [sound.read(shared / "data/audio" / f)
                       for f in ("alexa_test.wav", "hey_mycroft_test.wav", "activation.wav")]
        self.tests = [(clean, sound.mix(clean, db, seed))
                      for seed, clean in enumerate(self.speech) for db in (0, 5, 10)]
        self.calibration = sound.read(shared / "models/silero_vad/upstream/test.wav")
        self.dense = None

    def calibrate(self):
        """For each model the words of --calibrate."""
        parts = [self.calibration[i * 160000:i * 160000 + 32000] for i in range(6)]
        noisy = np.concatenate([sound.mix(p, 5 * (i % 3), 100 + i) for i, p in enumerate(parts)])
        steps = self.steps(self.models, noisy, (), "calibrate")
        return {"model_1": [f"input_2={steps['mag']}"], "model_2": [f"input_4={steps['time']}"]}

    def more(self, model):
        return ["--state", STATES[model]]

    def steps(self, models, noisy, options, label):
        """Files of what goes in and out of the models."""
        at = {k: self.folder / f"{label}_{k}.npy" for k in ("mag", "mask", "time", "out")}
        spectrum = np.fft.rfft(sound.frames(noisy, WIDTH, STEP))
        self.stream("model_1", models, "input_2", np.abs(spectrum), at["mag"], at["mask"],
                    options)
        mask = np.load(at["mask"]).reshape(spectrum.shape)
        self.stream("model_2", models, "input_4", np.fft.irfft(spectrum * mask), at["time"],
                    at["out"], options)
        return at

    def stream(self, name, models, value, frames, file, out, options):
        np.save(file, frames.astype(np.float32)[:, None, None, :])
        self.program.run(models[name], [f"{value}={file}"], out,
                         ["--state", STATES[name], *options])

    def enhance(self, models, noisy, options):
        pieces = np.load(self.steps(models, noisy, options, "test")["out"]).reshape(-1, WIDTH)
        whole = np.zeros((len(pieces) - 1) * STEP + WIDTH)
        for i, piece in enumerate(pieces):
            whole[i * STEP:i * STEP + WIDTH] += piece
        return whole

    def outputs(self, models, options):
        """One sound each, the first WIDTH samples left out: they lack frames before them."""
        noisy = [n for _, n in self.tests] + [self.golden["noisy"]]
        return [self.enhance(models, n, options)[WIDTH:-WIDTH] for n in noisy]

    def score(self, models, options=()):
        if self.dense is None:
            self.dense = self.outputs(self.models, ())
            self.check_golden(self.dense[-1])
        got = self.outputs(models, options)
        clean = [c[WIDTH:WIDTH + len(g)] for (c, _), g in zip(self.tests, got)]
        return {"clean": float(np.mean([metrics.si_sdr(g, c) for g, c in zip(got, clean)])),
                "same": metrics.si_sdr(np.concatenate(got), np.concatenate(self.dense)),
                "count": sum(len(g) for g in got)}

    def check_golden(self, mine):
        """Our pipeline is that of the stored result."""
        stored = self.golden["enhanced"][WIDTH:WIDTH + len(mine)]
        db = metrics.si_sdr(mine[:len(stored)], stored)
        if db is not None and db < 60:
            raise ValueError(f"dtln: the dense model is {db:.1f} dB from its stored result")
