"""sound.py - real audio, and noise for it, always the same."""
import wave

import numpy as np

HZ = 16000


def read(file):
    """float64 [samples] at 16 kHz, the mean of all channels."""
    with wave.open(str(file)) as w:
        raw = np.frombuffer(w.readframes(w.getnframes()), "<i2")
        sound = raw.reshape(-1, w.getnchannels()).mean(axis=1) / 32768
        rate = w.getframerate()
    if rate == HZ:
        return sound
    at = np.arange(int(len(sound) * HZ / rate)) * rate / HZ
    return np.interp(at, np.arange(len(sound)), sound)


def pink(samples, seed):
    """Noise whose power falls as 1 / f, of unit power."""
    rng = np.random.default_rng(seed)
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    spectrum /= np.sqrt(np.maximum(np.arange(len(spectrum)), 1))
    noise = np.fft.irfft(spectrum, samples)
    return noise / np.sqrt(np.mean(noise**2))


def mix(speech, db, seed):
    """Speech with pink noise `db` below it."""
    level = np.sqrt(np.mean(speech**2)) * 10 ** (-db / 20)
    return speech + level * pink(len(speech), seed)


def frames(sound, width, step):
    """float64 [frames, width]"""
    count = (len(sound) - width) // step + 1
    return np.stack([sound[i * step:i * step + width] for i in range(count)])
