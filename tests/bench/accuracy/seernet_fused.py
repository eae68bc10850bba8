"""seernet_fused.py - prediction in few bits as a definition in numpy, on resnet20: what it is worth to fold
BatchNormalization in, to give every channel its scale, to use the sign bit where there are no signs.

Not the program: it always folds. All variants round plainly, with scales of the largest magnitude."""
import numpy as np

from seernet_nets import Resnet, agreement, shares

BITS = range(2, 9)
STORED = 50  # pictures, without the mirrored ones
SOURCE = "numpy definition"
# Of the paper; each further one also has what those before it have.
VARIANTS = {"not fused": {}, "fused": {"fused": True},
            "and unsigned": {"fused": True, "unsigned": True},
            "and a scale a channel": {"fused": True, "unsigned": True, "channels": True},
            "all but fused": {"unsigned": True, "channels": True}}


def codes(values, bits, unsigned=False, axes=None):
    """(integers, scale): the largest magnitude, over `axes`, has the largest code."""
    plain = unsigned and values.min() >= 0
    most = 2**bits - 1 if plain else 2**(bits - 1) - 1
    scale = np.abs(values).max(axis=axes, keepdims=axes is not None) / most
    scale = np.where(scale > 0, scale, 1)
    return np.clip(np.rint(values / scale), 0 if plain else -most, most), scale


def patches(x, kernel, stride, pad):
    """[N, C, H, W] as [N, rows * columns, C * kernel * kernel], and (rows, columns)."""
    wide = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    cut = np.lib.stride_tricks.sliding_window_view(wide, (kernel, kernel), (2, 3))
    cut = cut[:, :, ::stride, ::stride]
    n, c, rows, columns = cut.shape[:4]
    return cut.transpose(0, 2, 3, 1, 4, 5).reshape(n, rows * columns, -1), (rows, columns)


class Layer:
    """Conv and BatchNormalization: y = scale * (w x) + shift."""

    def __init__(self, weights, scale, shift, stride, pad):
        self.kernel, self.stride, self.pad = weights.shape[2], stride, pad
        self.w = weights.reshape(len(weights), -1).T.astype(float)  # [values, outputs]
        self.scale, self.shift = scale, shift

    def full(self, x):
        p, size = patches(x, self.kernel, self.stride, self.pad)
        return as_image(p @ self.w * self.scale + self.shift, size)

    def predicted(self, x, bits, fused=False, unsigned=False, channels=False):
        """True where y > 0 is expected. An image has a scale of its own."""
        w, scale = (self.w * self.scale, 1) if fused else (self.w, self.scale)
        qw, sw = codes(w, bits, axes=0 if channels else None)
        masks = []
        for image in x:
            qx, sx = codes(image, bits, unsigned)
            p, size = patches(qx[None], self.kernel, self.stride, self.pad)
            y = (p @ qw) * (sx * sw)
            if not fused:
                y = normalised(y, scale, self.shift, bits)
            else:
                y = y + self.shift
            masks.append(as_image(y > 0, size))
        return np.concatenate(masks)


def normalised(y, scale, shift, bits):
    """BatchNormalization in few bits on its own: y, scale and shift are quantised again."""
    (qy, sy), (qa, sa), (qb, sb) = (codes(v, bits) for v in (y, scale, shift))
    return qy * sy * qa * sa + qb * sb


def as_image(rows, size):
    return rows.reshape(len(rows), *size, -1).transpose(0, 3, 1, 2)


class Net:
    """The graph, walked node by node; Conv and BatchNormalization as one."""

    def __init__(self, file):
        import onnx
        from onnx import numpy_helper
        graph = onnx.load(file).graph
        self.constants = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
        self.input, self.output = graph.input[0].name, graph.output[0].name
        self.nodes = [(n.op_type, list(n.input), n.output[0],
                       {a.name: onnx.helper.get_attribute_value(a) for a in n.attribute})
                      for n in graph.node]

    def layer(self, conv, norm):
        """Of two nodes."""
        a, b, mean, power = (self.constants[i].astype(float) for i in norm[1][1:5])
        scale = a / np.sqrt(power + norm[3].get("epsilon", 1e-5))
        bias = self.constants[conv[1][2]] if len(conv[1]) > 2 else 0
        return Layer(self.constants[conv[1][1]], scale, b + (bias - mean) * scale,
                     conv[3].get("strides", [1])[0], conv[3].get("pads", [0])[0])

    def run(self, x, mask=None):
        """Of [N, 3, 32, 32]: the logits. mask(layer, x, y): what a Relu behind a layer lets pass."""
        values = dict(self.constants) | {self.input: x}
        open_conv, made = {}, {}
        for node in self.nodes:
            op, inputs, output, attributes = node
            if op == "Conv":
                open_conv[output] = node
            elif op == "BatchNormalization":
                conv = open_conv[inputs[0]]
                layer = self.layer(conv, node)
                values[output] = layer.full(values[conv[1][0]])
                made[output] = layer, values[conv[1][0]]
            elif op == "Relu" and inputs[0] in made and mask:
                y = values[inputs[0]]
                values[output] = np.maximum(y, 0) * mask(*made[inputs[0]], y)
            else:
                values[output] = plain(op, [values[i] for i in inputs], attributes)
        return values[self.output]


def plain(op, x, attributes):
    """Operators that resnet20 has beside its layers."""
    if op == "Relu":
        return np.maximum(x[0], 0)
    if op == "Add":
        return x[0] + x[1]
    if op == "Slice":
        axes, steps = x[3], x[4] if len(x) > 4 else [1] * len(x[1])
        cut = [slice(None)] * x[0].ndim
        for start, end, axis, step in zip(x[1], x[2], axes, steps):
            cut[axis] = slice(int(start), int(min(end, x[0].shape[axis])), int(step))
        return x[0][tuple(cut)]
    if op == "Pad":
        half = x[0].ndim
        return np.pad(x[0], [(int(x[1][i]), int(x[1][i + half])) for i in range(half)])
    if op == "GlobalAveragePool":
        return x[0].mean((2, 3), keepdims=True)
    if op == "Flatten":
        return x[0].reshape(len(x[0]), -1)
    if op == "Gemm":
        return x[0] @ (x[1].T if attributes.get("transB") else x[1]) + x[2]
    raise ValueError(f"resnet20 has {op}: seernet_fused.py does not")


def study(net, x, dense, labels, bits, variant):
    """Masks in every layer at once, so that errors go on to the next."""
    right = []

    def mask(layer, x, y):
        expected = layer.predicted(x, bits, **variant)
        right.append(float((expected == (y > 0)).mean()))
        return expected

    got = net.run(x, mask)
    return {"accuracy": float(np.mean(right)), "layers": right,
            "right": float((got.argmax(1) == labels).mean()), "score": agreement(shares(dense), shares(got))}


def measure(a, store):
    if a.only and "resnet20" not in a.only:
        return
    pictures = Resnet()
    try:
        x = pictures.inputs(a.shared).reshape(-1, 3, 32, 32).astype(float)
        x, labels = x[:STORED], pictures.labels[:STORED]
        net = Net(a.shared / Resnet.model)
    except FileNotFoundError as why:
        print(f"skipped: {SOURCE}: {why}", flush=True)
        return
    dense = net.run(x)
    for bits in BITS:
        for name, variant in VARIANTS.items():
            cell = f"{bits} bits, {name}"
            if store.get(SOURCE, cell) is None:
                got = study(net, x, dense, labels, bits, variant)
                store.put(SOURCE, cell, got)
                print(f"{SOURCE}, {cell}: {got}", flush=True)
