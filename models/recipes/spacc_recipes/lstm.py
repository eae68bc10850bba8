"""An LSTM over a whole sequence as one autograd function, for training on few cores.

Gates in the order o, i, f, c. tanh(x) is 2 * sigmoid(2 x) - 1: one fast sigmoid serves all four
gates. The sums over time of the gradient of R are one product at the end.
"""
import torch

C_FREE = 15.0   # cell states beyond +-C_FREE are pulled back, for fixed point
C_PULL = 0.02   # strength: gradient per excess, over the mean of all cell states


def _twice_c(w):
    """A copy of w [4H, ...] with the rows of gate c doubled."""
    w = w.clone()
    w[w.shape[0] // 4 * 3:] *= 2.0
    return w


def _forward(table, symbols, rt, h, c):
    """Sigmoids [T,B,4H], tanh(c), c and h [T,B,H]; gate c of table and rt is doubled."""
    (steps, batch), width = symbols.shape, table.shape[1]
    units = width // 4
    s = table.new_empty(steps, batch, width)
    tc, cs, hs = (table.new_empty(steps, batch, units) for _ in range(3))
    for t in range(steps):
        torch.index_select(table, 0, symbols[t], out=s[t])
        s[t].addmm_(h, rt).sigmoid_()
        o, i, f, g = s[t].view(batch, 4, units).unbind(1)
        torch.mul(c, f, out=cs[t]).addcmul_(i, g, value=2.0).sub_(i)
        torch.mul(cs[t], 2.0, out=tc[t]).sigmoid_().mul_(2.0).sub_(1.0)
        torch.mul(o, tc[t], out=hs[t])
        h, c = hs[t], cs[t]
    return s, tc, cs, hs


def _slopes(s, tc, cprev):
    """dz of each gate per dh (o) or per dc (i, f, c), into s; and dc per dh."""
    o, i, f, g = s.unflatten(2, (4, -1)).unbind(2)
    forget = f.clone()
    per_dh = o * (1.0 - tc * tc)
    g2 = 2.0 * g - 1.0
    new_i = g2 * i * (1.0 - i)
    g.copy_(i * (1.0 - g2 * g2))
    i.copy_(new_i)
    f.mul_(1.0 - forget).mul_(cprev)
    o.mul_(1.0 - o).mul_(tc)
    return s, per_dh, forget


def _pull(cs):
    """Gradient that draws cell states beyond C_FREE back; None when there are none."""
    over = cs.abs().sub_(C_FREE).clamp_(min=0.0)
    if float(over.max()) == 0.0:
        return None
    return over.mul_(torch.sign(cs)).mul_(C_PULL / cs.numel())


class Recurrence(torch.autograd.Function):
    """(table [S,4H], symbols int64 [T,B] < S, R [4H,H], h0, c0 [B,H]) -> h [T,B,H], last c [B,H].

    Row table[s] is what symbol s adds to the gates. No gradient for h0, c0 and through last c.
    """

    @staticmethod
    def forward(ctx, table, symbols, r, h0, c0):
        s, tc, cs, hs = _forward(_twice_c(table.t()).t().contiguous(), symbols,
                                 _twice_c(r).t().contiguous(), h0, c0)
        ctx.save_for_backward(s, tc, cs, hs, table, symbols, r, h0, c0)
        last = cs[-1].clone()
        ctx.mark_non_differentiable(last)
        return hs, last

    @staticmethod
    def backward(ctx, dhs, _):
        s, tc, cs, hs, table, symbols, r, h0, c0 = ctx.saved_tensors
        steps, batch, units = hs.shape
        slope, per_dh, forget = _slopes(s.clone(), tc, torch.cat([c0[None], cs[:-1]]))
        pull = _pull(cs)
        dz = torch.empty_like(s)
        dh, dc = dhs[-1], torch.zeros_like(c0)
        for t in range(steps - 1, -1, -1):
            dc = torch.addcmul(dc, dh, per_dh[t])
            if pull is not None:
                dc += pull[t]
            torch.mul(slope[t, :, :units], dh, out=dz[t, :, :units])
            torch.mul(slope[t, :, units:].view(batch, 3, units), dc[:, None],
                      out=dz[t].view(batch, 4, units)[:, 1:])
            dc = dc * forget[t]
            if t:
                dh = torch.addmm(dhs[t - 1], dz[t], r)
        hprev = torch.cat([h0[None], hs[:-1]]).view(-1, units)
        dz = dz.view(-1, 4 * units)
        dtable = torch.zeros_like(table).index_add_(0, symbols.reshape(-1), dz)
        return dtable, None, dz.t() @ hprev, None, None
