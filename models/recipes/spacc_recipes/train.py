"""What every recipe's training shares: seeds, the loop, checkpoints, soft targets."""
import contextlib
import ctypes
import math
import os
import random
import time

import numpy as np
import torch


def tell(line):
    print(line, flush=True)


def keep_memory():
    """glibc keeps freed arrays for the next step; giving them back costs a quarter of it."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(-3, 32 << 20)    # M_MMAP_THRESHOLD
        libc.mallopt(-1, 2**31 - 1)   # M_TRIM_THRESHOLD


def seed_all(seed):
    """Seed every generator that training may draw from."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


@contextlib.contextmanager
def replacing(path):
    """Yields a binary file that takes the place of `path` once it is whole."""
    own = "%s.%d.tmp" % (path, os.getpid())
    with open(own, "wb") as f:
        yield f
    os.replace(own, path)


def save_atomic(obj, path):
    """torch.save() that leaves the old file or the new one, never half of one."""
    with replacing(path) as f:
        torch.save(obj, f)


def cosine(step, steps, warm=100, floor=0.02):
    """Factor of the learning rate: linear rise over `warm` steps, then a cosine to `floor`."""
    rise = min(1.0, (step + 1) / max(1, warm))
    return rise * (floor + (1.0 - floor) * 0.5 * (1.0 + math.cos(math.pi * step / steps)))


def soft_loss(logits, teacher, hot=1.0):
    """Cross entropy against a teacher's softmax at temperature `hot`; logits [N, classes]."""
    want = torch.softmax(teacher / hot, -1)
    return -(want * torch.log_softmax(logits / hot, -1)).sum(-1).mean() * hot * hot


class Average:
    """Exponential moving average of a model's parameters; `rate` 0 switches it off."""

    def __init__(self, model, rate):
        self.model, self.rate = model, rate
        self.shadow = [p.detach().clone() for p in model.parameters()] if rate else []

    def update(self):
        for mean, p in zip(self.shadow, self.model.parameters()):
            mean.lerp_(p.detach(), 1.0 - self.rate)

    def restart(self):
        for mean, p in zip(self.shadow, self.model.parameters()):
            mean.copy_(p.detach())

    def store(self):
        """Put the average into the model."""
        for mean, p in zip(self.shadow, self.model.parameters()):
            p.data.copy_(mean)


def _keep(path, done, seconds, parts):
    state = {k: p.state_dict() for k, p in parts.items() if p is not None}
    save_atomic({"done": done, "seconds": seconds, "parts": state}, path)


def _resume(path, parts):
    """(steps done, seconds spent); (0, 0.0) where there is no checkpoint."""
    if not path or not os.path.exists(path):
        return 0, 0.0
    saved = torch.load(path, map_location="cpu")
    for name, state in saved["parts"].items():
        parts[name].load_state_dict(state)
    return saved["done"], saved["seconds"]


class _AverageState:
    """Average with the state_dict() of a module, for checkpoints."""

    def __init__(self, average):
        self.average = average

    def state_dict(self):
        return self.average.shadow

    def load_state_dict(self, state):
        self.average.shadow = state


def fit(model, loss_at, steps, lr, pruner=None, checkpoint=None, decay=0.01, clip=1.0,
        ema=0.0, warm=100, stream=None, every=250, watch=None, say=tell, cycle=None):
    """Adam with cosine decay for `steps` steps; resumes from `checkpoint`.

    loss_at(step)  the loss of that step, a scalar tensor; batches depend on `step` alone, or on
                   `stream`, an object with state_dict() and load_state_dict()
    pruner         driven here; None trains as the model is
    decay, clip    weight decay (decoupled; matrices only), largest norm of the gradient
    ema            rate of a moving average that the model ends as (restarted when masks freeze)
    cycle          steps after which the learning rate starts again; None: it falls once
    watch(step)    called every `every` steps, after the checkpoint; True stops the training

    Returns seconds of training, those before a resume included.
    """
    flat = [p for p in model.parameters() if p.dim() < 2]
    deep = [p for p in model.parameters() if p.dim() >= 2]
    optimizer = torch.optim.AdamW([{"params": deep, "weight_decay": decay},
                                   {"params": flat, "weight_decay": 0.0}], lr=lr)
    average = Average(model, ema)
    parts = {"model": model, "optimizer": optimizer, "pruner": pruner, "stream": stream,
             "average": _AverageState(average)}
    done, before = _resume(checkpoint, parts)
    begin, total, count = time.time() - before, 0.0, 0
    while done < steps:
        for group in optimizer.param_groups:
            group["lr"] = lr * cosine(done % (cycle or steps), cycle or steps, warm)
        total, count = total + _one(model, loss_at, done, optimizer, pruner, clip), count + 1
        done += 1
        # before the masks freeze, an average would mix weights of different masks
        (average.update if pruner is None or pruner.frozen else average.restart)()
        if done % every == 0 or done == steps:
            say("step %d of %d: loss %.4f, %.0f s" % (done, steps, total / count,
                                                     time.time() - begin))
            total, count = 0.0, 0
            if checkpoint:
                _keep(checkpoint, done, time.time() - begin, parts)
            if watch and watch(done):
                break
    average.store()
    return time.time() - begin


def _one(model, loss_at, step, optimizer, pruner, clip):
    """One step of training; returns the loss."""
    optimizer.zero_grad(set_to_none=True)
    if pruner is None:
        loss = loss_at(step)
        loss.backward()
    else:
        with pruner.masked():
            loss = loss_at(step)
            loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
    optimizer.step()
    if pruner is not None:
        pruner.step()
    return loss.item()
