"""metrics.py - what scores mean: which way is better, and what a loss is.

A loss is 0 for the dense model. Its share says how much of what the dense model has is lost:

  bits       bits per character          value - dense     of dense
  accuracy   share that is right         dense - value     of dense
  agreement  share that dense says too   1 - value         the same
  clean      SI-SDR to clean speech, dB  dense - value     of dense
  same       SI-SDR to dense's output    10^(-value / 10)  the same: the energy that is off
"""
import math


class Metric:
    def __init__(self, name, unit, loss, places=4):
        self.name, self.unit, self.places = name, unit, places
        self._loss = loss

    def loss(self, dense, value):
        return self._loss(dense, value)[0]

    def share(self, dense, value):
        return self._loss(dense, value)[1]


def bits(dense, value):
    return value - dense, (value - dense) / dense


def accuracy(dense, value):
    return dense - value, (dense - value) / dense


def agreement(_, value):
    return 1 - value, 1 - value


def same(_, value):
    energy = 0.0 if value is None else 10 ** (-value / 10)
    return energy, energy


BITS = Metric("bits", "bits per character", bits)
ACCURACY = Metric("accuracy", "top-1 accuracy", accuracy)
AGREEMENT = Metric("agreement", "agreement with dense", agreement)
CLEAN = Metric("clean", "SI-SDR dB to clean speech", accuracy, 2)
SAME = Metric("same", "SI-SDR dB to the dense output", same, 2)


def si_sdr(got, wanted):
    """dB; None when nothing is off."""
    along = got.dot(wanted) / wanted.dot(wanted) * wanted
    off = got - along
    energy = off.dot(off)
    return 10 * math.log10(along.dot(along) / energy) if energy > 0 else None
