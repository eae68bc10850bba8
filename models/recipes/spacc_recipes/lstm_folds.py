"""LSTMs of several nets of one size over sequences, as one autograd function.

Small nets on few cores spend half of their time on small operations; here the K nets share them.
Gates in the order o, i, f, c.
"""
import torch


def _forward(xw, rt):
    """Open gates [T,K,B,4H], c, tanh(c) and h [T,K,B,H]; xw [K,T,B,4H], rt [K,H,4H]."""
    nets, steps, batch, width = xw.shape
    units = width // 4
    s = xw.new_empty(steps, nets, batch, width)
    cs, tc, hs = (xw.new_empty(steps, nets, batch, units) for _ in range(3))
    h = c = xw.new_zeros(nets, batch, units)
    for t in range(steps):
        torch.baddbmm(xw[:, t], h, rt, out=s[t])
        s[t, :, :, :3 * units].sigmoid_()
        s[t, :, :, 3 * units:].tanh_()
        o, i, f, g = s[t].split(units, 2)
        torch.mul(c, f, out=cs[t]).addcmul_(i, g)
        torch.tanh(cs[t], out=tc[t])
        torch.mul(o, tc[t], out=hs[t])
        h, c = hs[t], cs[t]
    return s, cs, tc, hs


def _slopes(s, cprev, tc):
    """What a gate's sum changes per dh (o) or per dc (i, f, c), and dc per dh."""
    o, i, f, g = s.chunk(4, 3)
    slope = torch.cat([o * (1 - o) * tc, i * (1 - i) * g, f * (1 - f) * cprev, i * (1 - g * g)], 3)
    return slope, o * (1 - tc * tc), f


class Recurrence(torch.autograd.Function):
    """(xw [K,T,B,4H], r [K,4H,H]) -> h [T,K,B,H], from zero states."""

    @staticmethod
    def forward(ctx, xw, r):
        s, cs, tc, hs = _forward(xw, r.transpose(1, 2).contiguous())
        ctx.save_for_backward(s, cs, tc, hs, r)
        return hs

    @staticmethod
    def backward(ctx, dhs):
        s, cs, tc, hs, r = ctx.saved_tensors
        before = lambda x: torch.cat([torch.zeros_like(x[:1]), x[:-1]])
        slope, per_dh, forget = _slopes(s, before(cs), tc)
        dz, dc, dh = torch.empty_like(s), torch.zeros_like(hs[0]), dhs[-1]
        for t in range(len(hs) - 1, -1, -1):
            dc = torch.addcmul(dc, dh, per_dh[t])
            torch.mul(slope[t], torch.cat([dh, dc, dc, dc], 2), out=dz[t])
            dc = dc * forget[t]
            dh = torch.baddbmm(dhs[t - 1], dz[t], r) if t else None
        rows = lambda x: x.transpose(0, 1).reshape(x.shape[1], -1, x.shape[3])
        dr = rows(dz).transpose(1, 2) @ rows(before(hs))
        return dz.transpose(0, 1), dr


def run(x, w, r, b):
    """h [T,K,B,H] of x [K,T,B,I], w [K,4H,I], r [K,4H,H], b [K,4H]."""
    nets, steps, batch, ins = x.shape
    xw = torch.baddbmm(b[:, None], x.reshape(nets, -1, ins), w.transpose(1, 2))
    return Recurrence.apply(xw.view(nets, steps, batch, -1), r)
