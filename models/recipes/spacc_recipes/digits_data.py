"""Spoken digits: recordings, noise, features.

The recordings are the Free Spoken Digit Dataset, 8 kHz mono int16 files
`{digit}_{speaker}_{take}.wav`. One utterance stands in a window of 0.78 s (few are
longer and lose both ends) and becomes 16 steps of 64 numbers: two frames of 32 log-mel bands.
"""
import os
import re
import wave

import numpy as np

RATE = 8000
FRAME, HOP, FRAMES = 256, 192, 32          # samples, samples, frames a window
WINDOW = (FRAMES - 1) * HOP + FRAME        # 6208 samples
BANDS, STACK = 32, 2
STEPS, INPUTS = FRAMES // STACK, BANDS * STACK
LEVEL = 0.1                                # rms of an utterance
NAME = re.compile(r"^(\d)_([a-z]+)_(\d+)\.wav$")


# ---- recordings
def read_wav(path):
    """float32 [samples] in -1..1; a clear error unless 8 kHz mono int16."""
    with wave.open(path) as f:
        if (f.getframerate(), f.getnchannels(), f.getsampwidth()) != (RATE, 1, 2):
            raise SystemExit("%s: %d Hz, %d channels, %d bytes; want 8000, 1, 2" %
                             (path, f.getframerate(), f.getnchannels(), f.getsampwidth()))
        raw = f.readframes(f.getnframes())
    return np.frombuffer(raw, "<i2").astype(np.float32) / 32768


def load(folder):
    """Waves (list of float32, rms LEVEL), labels int64 [n], takes int64 [n],
    ordered by speaker, digit and take."""
    if not os.path.isdir(folder):
        raise SystemExit("digits: no folder %s; --data wants one with the wavs of the Free "
                         "Spoken Digit Dataset (digit_speaker_take.wav)" % folder)
    found = sorted((m.group(2), int(m.group(1)), int(m.group(3)), m.group(0))
                   for m in map(NAME.match, os.listdir(folder)) if m)
    if not found:
        raise SystemExit("digits: %s holds no file digit_speaker_take.wav" % folder)
    waves = [level(read_wav(os.path.join(folder, f[3]))) for f in found]
    return (waves, np.array([f[1] for f in found], np.int64),
            np.array([f[2] for f in found], np.int64))


def level(x):
    return x * (LEVEL / np.sqrt(np.mean(x * x) + 1e-12))


# ---- distortion
def place(x, at=None):
    """x in a window: centred, or its start `at` of the room there is (0..1)."""
    if len(x) > WINDOW:
        x = x[(len(x) - WINDOW) // 2:][:WINDOW]
    room = WINDOW - len(x)
    start = room // 2 if at is None else int(at * room)
    out = np.zeros(WINDOW, np.float32)
    out[start:start + len(x)] = x
    return out


def noise(rng, tilt):
    """Noise of rms LEVEL whose power falls as 1/f^tilt (0 white, 1 pink)."""
    spectrum = np.fft.rfft(rng.standard_normal(WINDOW))
    f = np.maximum(np.arange(len(spectrum)), 8)
    return level(np.fft.irfft(spectrum * f ** (-tilt / 2), WINDOW)).astype(np.float32)


def add_noise(x, rng, snr_db, tilt):
    """x, whose speech has rms LEVEL, with noise snr_db below it."""
    return x + noise(rng, tilt) * np.float32(10 ** (-snr_db / 20))


def at_speed(x, speed):
    """x played faster (speed > 1) or slower, pitch included."""
    n = max(int(len(x) / speed), 1)
    return np.interp(np.arange(n) * speed, np.arange(len(x)), x).astype(np.float32)


def distort(x, rng):
    """One training version: speed, place, noise in four of five, loudness."""
    x = place(at_speed(x, rng.uniform(0.85, 1.18)), rng.random())
    if rng.random() < 0.8:
        x = add_noise(x, rng, rng.uniform(0, 25), rng.uniform(0, 1.2))
    return x * np.float32(10 ** (rng.uniform(-4, 4) / 20))


# ---- features
def mel_bank():
    """float32 [FRAME / 2 + 1][BANDS]: triangles even in mel, 80 Hz to 3900 Hz."""
    mel = np.linspace(*(2595 * np.log10(1 + np.array([80, 3900]) / 700)), BANDS + 2)
    edge = 700 * (10 ** (mel / 2595) - 1)
    f = np.arange(FRAME // 2 + 1)[:, None] * RATE / FRAME
    up = (f - edge[:-2]) / (edge[1:-1] - edge[:-2])
    down = (edge[2:] - f) / (edge[2:] - edge[1:-1])
    bank = np.maximum(0, np.minimum(up, down))
    return (bank / np.maximum(bank.sum(0), 1e-6)).astype(np.float32)


BANK, HANN = mel_bank(), np.hanning(FRAME + 1)[:FRAME].astype(np.float32)


def features(x):
    """float32 [STEPS][INPUTS] of a window of WINDOW samples, about -2..2: decades of power of
    each band above or below the band's own mean over the window, so that steady noise and
    loudness move them little."""
    at = np.arange(FRAMES)[:, None] * HOP + np.arange(FRAME)
    power = np.abs(np.fft.rfft(x[at] * HANN)) ** 2
    log = np.log10(power.astype(np.float32) @ BANK + 1e-3)
    return (log - log.mean(0)).reshape(STEPS, INPUTS).astype(np.float32)
