"""Gradual pruning with straight-through re-selection.

    for each step:                        masks
        with pruner.masked():             0 .. ramp_steps               re-selected, sparsity rises
            loss(model).backward()        .. ramp_steps + settle_steps  re-selected at the target
        optimizer.step()                  after that                    frozen
        pruner.step()
    pruner.finish()

While masks are re-selected the parameters hold dense shadow weights: the forward pass sees
w * mask, and the gradient at w * mask goes to every w, so a pruned weight can come back. Once
frozen, parameters are w * mask themselves and pruned weights are exactly 0.
"""
import contextlib
from typing import NamedTuple, Optional

import torch

from .masks import pattern_mask


class View(NamedTuple):
    """A parameter to prune, seen as [shape[0], everything else] (Conv: [Cout, Cin*kh*kw])."""
    name: str
    param: torch.nn.Parameter
    sparsity: Optional[float] = None  # of this one alone; None: the pruner's


def rows_of(tensor):
    """A tensor [rows, ...] as the matrix [rows, cols] that banks are counted in; no copy."""
    return tensor.detach().reshape(tensor.shape[0], -1)


def ramp(step, ramp_steps):
    """Share of the target sparsity at a step: 0 to 1, cubic, steep first."""
    if step >= ramp_steps:
        return 1.0
    return 1.0 - (1.0 - step / ramp_steps) ** 3


class Pruner:
    """Masks for `views` by one pattern; see the top of the file for how to drive it."""

    def __init__(self, views, pattern, sparsity, ramp_steps, settle_steps=0, every=10, pull=0.02):
        """every: steps between two selections. ramp_steps 0: pruned at once, masks frozen.

        pull: share that a pruned shadow weight loses per step; what has no lasting gradient
        stays small and does not come back by chance. 1: what is pruned stays pruned.
        """
        self.views = [View(*v) for v in views]
        self.pattern, self.every, self.pull = pattern, every, pull
        self.ramp_steps, self.last = ramp_steps, ramp_steps + settle_steps
        self.target = [sparsity if v.sparsity is None else v.sparsity for v in self.views]
        self.now, self.frozen = 0, False
        self.select()

    def select(self):
        """Choose masks for the present step; at the last one, freeze them."""
        part = ramp(self.now, self.ramp_steps)
        self.masks = [pattern_mask(rows_of(v.param), self.pattern, part * s)
                      .view(v.param.shape).to(v.param.dtype)
                      for v, s in zip(self.views, self.target)]
        if self.now >= self.last:
            self.frozen = True
            self._zero()

    def _zero(self):
        with torch.no_grad():
            for v, mask in zip(self.views, self.masks):
                v.param.mul_(mask)

    @contextlib.contextmanager
    def masked(self):
        """Inside, parameters are w * mask; after it, the shadow weights, with gradients."""
        shadows = [v.param.detach().clone() for v in self.views]
        self._zero()
        try:
            yield
        finally:
            self._restore(shadows)

    def _restore(self, shadows):
        with torch.no_grad():
            for v, mask, shadow in zip(self.views, self.masks, shadows):
                v.param.copy_(shadow)
                if self.frozen and v.param.grad is not None:
                    v.param.grad.mul_(mask)

    def step(self):
        """After each optimizer step."""
        self.now += 1
        if self.frozen:
            self._zero()
            return
        self._shrink()
        if self.now % self.every == 0 or self.now >= self.last:
            self.select()

    def _shrink(self):
        with torch.no_grad():
            for v, mask in zip(self.views, self.masks):
                v.param.mul_(1.0 - self.pull * (1.0 - mask))

    def finish(self):
        """Write exact zeros; returns the true sparsity of each view by name, and "all"."""
        if not self.frozen:
            self.now = self.last
            self.select()
        self._zero()
        return self.true_sparsity()

    def true_sparsity(self):
        """Share of pruned weights: {view name: share, "all": share over all views}."""
        kept = [float(m.sum()) for m in self.masks]
        size = [m.numel() for m in self.masks]
        out = {v.name: 1.0 - k / n for v, k, n in zip(self.views, kept, size)}
        out["all"] = 1.0 - sum(kept) / max(1, sum(size))
        return out

    def state_dict(self):
        return {"now": self.now, "frozen": self.frozen, "masks": [m.bool() for m in self.masks]}

    def load_state_dict(self, state):
        self.now, self.frozen = state["now"], state["frozen"]
        self.masks = [m.to(v.param.dtype) for m, v in zip(state["masks"], self.views)]
