#!/usr/bin/env python3
"""Write the packed models of this folder: good files of both formats and one a fault.

Plain Python on purpose: it knows the format from sparse/pack.h only, so that reader and
writer in C are held against something that is not themselves. Usage: make_pack.py [FOLDER]
"""
import copy
import json
import pathlib
import struct
import sys
import zlib

LAYERS = [
    {"name": "cell/0", "cell": "LSTM", "act_g": "TANH", "act_h": "TANH", "units": 2, "outputs": 2,
     "x_cols": 3, "x_frac": 12, "h_frac": 15, "weight_bits": 16,
     "w_x": {"bank_size": 2, "k": 1}, "w_h": {"bank_size": 2, "k": 1}},
    {"name": "head", "cell": "LINEAR", "act_g": "TANH", "act_h": "TANH", "units": 1, "outputs": 3,
     "x_cols": 2, "x_frac": 15, "h_frac": 0, "weight_bits": 8, "w_x": {"bank_size": 2, "k": 2}},
]


def tensor(code, dtype, shape, values):
    return {"dtype": dtype, "shape": shape, "data": struct.pack(f"<{len(values)}{code}", *values)}


def good():
    """Tensors by name, and the layers. Row r of the LSTM has weight 1000 + r in column r % 2
    of x, -r (0 in row 0) in column 1 of h; bias 100 r."""
    index_h = [1 if r else 0 for r in range(8)]  # row 0 has no weight: padding
    tensors = {
        "0.w_x.value": tensor("h", "I16", [8, 1, 2], [v for r in range(8) for v in (1000 + r, 0)]),
        "0.w_x.index": tensor("B", "U8", [8, 1, 2], [v for r in range(8) for v in (r % 2, 0)]),
        "0.w_x.scale": tensor("f", "F32", [8], [2.0 ** -14] * 8),
        "0.w_h.value": tensor("h", "I16", [8, 1, 1], [-r for r in range(8)]),
        "0.w_h.index": tensor("B", "U8", [8, 1, 1], index_h),
        "0.w_h.scale": tensor("f", "F32", [8], [2.0 ** -11] * 8),
        "0.row.bias": tensor("i", "I32", [8], [100 * r for r in range(8)]),
        "0.row.mult": tensor("H", "U16", [8], [1 << 14] * 8),
        "0.row.shift": tensor("B", "U8", [8], [28] * 8),
        "1.w_x.value": tensor("b", "I8", [4, 2, 1], [127, -127, 5, 0, 3, 4, 0, 0]),
        "1.w_x.index": tensor("B", "U8", [4, 2, 1], [0, 1, 1, 1, 0, 1, 0, 0]),
        "1.w_x.scale": tensor("f", "F32", [4], [0.5, 0.25, 0.125, 1.0]),
        "1.row.bias": tensor("i", "I32", [4], [1, -2, 3, 0]),
        "1.row.mult": tensor("H", "U16", [4], [1 << 14] * 4),
        "1.row.shift": tensor("B", "U8", [4], [14] * 4),
        "1.y_scale": tensor("f", "F32", [4], [0.5 / 32768, 0.25 / 32768, 0.125 / 32768, 1.0]),
    }
    return tensors, copy.deepcopy(LAYERS)


LSTMP = {"name": "projected", "cell": "LSTMP", "act_g": "TANH", "act_h": "IDENTITY", "units": 2,
         "outputs": 5, "x_cols": 3, "x_frac": 12, "h_frac": 13, "weight_bits": 8,
         "w_x": {"bank_size": 3, "k": 1}, "w_h": {"bank_size": 5, "k": 2},
         "w_b": {"bank_size": 1, "k": 1}}


def good_lstmp():
    """LSTM with projection, three banks and three k. Row r of pass A has weight r + 1 in column
    r % 3 of x, and 10 + r, -r - 1 in columns 1 and 4 of the recurrent input; bias 5 r. Row p of
    the projection has 10 p + 1 on m[0] and -p - 1 on m[1], bias p; its rows 5..7 are zero."""
    project = [v for p in range(5) for v in (10 * p + 1, -p - 1)] + [0] * 6
    tensors = {
        "0.w_x.value": tensor("b", "I8", [8, 1, 1], [r + 1 for r in range(8)]),
        "0.w_x.index": tensor("B", "U8", [8, 1, 1], [r % 3 for r in range(8)]),
        "0.w_x.scale": tensor("f", "F32", [8], [2.0 ** -4] * 8),
        "0.w_h.value": tensor("b", "I8", [8, 2, 1], [v for r in range(8) for v in (10 + r, -r - 1)]),
        "0.w_h.index": tensor("B", "U8", [8, 2, 1], [1, 4] * 8),
        "0.w_h.scale": tensor("f", "F32", [8], [2.0 ** -3] * 8),
        "0.w_b.value": tensor("b", "I8", [8, 1, 2], project),
        "0.w_b.index": tensor("B", "U8", [8, 1, 2], [0] * 16),
        "0.w_b.scale": tensor("f", "F32", [8], [2.0 ** -5] * 8),
        "0.row.bias": tensor("i", "I32", [8], [5 * r for r in range(8)]),
        "0.row.mult": tensor("H", "U16", [8], [1 << 14] * 8),
        "0.row.shift": tensor("B", "U8", [8], [18] * 8),
        "0.row_b.bias": tensor("i", "I32", [8], [0, 1, 2, 3, 4, 0, 0, 0]),
        "0.row_b.mult": tensor("H", "U16", [8], [1 << 14] * 8),
        "0.row_b.shift": tensor("B", "U8", [8], [16] * 8),
    }
    return tensors, [copy.deepcopy(LSTMP)]


def crc(data):
    return f"{zlib.crc32(data):08x}"


def build(tensors, layers, edit=lambda header: None, version="1"):
    """The bytes of a file; `edit` may damage the header before it is written."""
    texts = [json.dumps(layer) for layer in layers]
    meta = {"spacc.format": version, "spacc.source": "model.onnx", "spacc.source_sha256": "ab" * 32,
            "spacc.layers": str(len(layers)), "unknown": "is ignored"}
    for i, text in enumerate(texts):
        meta[f"spacc.layer.{i}"] = text
        meta[f"spacc.crc32.layer.{i}"] = crc(text.encode())
    header, data = {"__metadata__": meta}, b""
    for number, (name, t) in enumerate(tensors.items()):
        end = len(data) + len(t["data"])
        header[name] = {"dtype": t["dtype"], "shape": t["shape"], "data_offsets": [len(data), end]}
        meta[f"spacc.crc32.{name}"] = crc(t["data"])
        pad = -end % 64
        if pad:
            header[f"pad.{number}"] = {"dtype": "U8", "shape": [pad], "data_offsets": [end, end + pad]}
        data += t["data"] + bytes(pad)
    edit(header)
    return frame(json.dumps(header).encode()) + data


def frame(text):
    text += b" " * (-(len(text) + 8) % 64)
    return struct.pack("<Q", len(text)) + text


def damaged():
    """Yield (name, bytes); tests/test_pack.c knows what each must be told."""
    tensors, layers = good()
    whole = build(tensors, layers)

    def with_tensor(name, code, dtype, shape, values):
        changed = dict(tensors)
        changed[name] = tensor(code, dtype, shape, values)
        return build(changed, layers)

    def with_header(change):
        return build(tensors, layers, change)

    def with_layer(number, **fields):
        changed = copy.deepcopy(layers)
        changed[number].update(fields)
        return build(tensors, changed)

    header_bytes = struct.unpack("<Q", whole[:8])[0]
    flipped = bytearray(whole)
    flipped[8 + header_bytes] ^= 1
    yield "bit_flip", bytes(flipped)
    yield "truncated", whole[:-65]
    yield "no_header", whole[:5]
    yield "long_header", struct.pack("<Q", 1 << 62) + whole[8:]
    yield "not_json", frame(b"{\"a\": ") + whole[8 + header_bytes:]
    yield "deep_json", frame(b"{\"a\":" + b"[" * 5000 + b"]" * 5000 + b"}")
    yield "no_format", with_header(lambda h: h["__metadata__"].pop("spacc.format"))
    yield "format_3", with_header(lambda h: h["__metadata__"].update({"spacc.format": "3"}))
    yield "metadata_list", with_header(lambda h: h.update({"__metadata__": ["spacc.format"]}))
    yield "no_crc", with_header(lambda h: h["__metadata__"].pop("spacc.crc32.1.y_scale"))
    yield "lost_layer", with_header(lambda h: h["__metadata__"].pop("spacc.layer.1"))
    yield "extra_layer", with_header(lambda h: h["__metadata__"].update({"spacc.layers": "1"}))
    yield "layer_text", with_header(lambda h: h["__metadata__"].update(
        {"spacc.layer.1": h["__metadata__"]["spacc.layer.1"].replace("15", "14", 1)}))
    yield "no_tensor", with_header(lambda h: h.pop("0.row.mult"))
    yield "dtype", with_header(lambda h: h["0.row.mult"].update(dtype="I16"))
    yield "shape", with_header(lambda h: h["0.w_x.value"].update(shape=[8, 2, 1]))
    yield "offsets", with_header(lambda h: h["1.y_scale"].update(data_offsets=[0, 1 << 40]))
    yield "offsets_back", with_header(lambda h: h["1.y_scale"].update(data_offsets=[64, 48]))
    yield "offsets_short", with_header(lambda h: h["1.y_scale"].update(data_offsets=[0, 12]))
    yield "twice", whole[:8] + whole[8:].replace(b'"1.row.mult"', b'"1.row.bias"', 1)
    yield "index", with_tensor("0.w_h.index", "B", "U8", [8, 1, 1], [0, 1, 2, 1, 1, 1, 1, 1])
    yield "index_short_bank", with_tensor("0.w_x.index", "B", "U8", [8, 1, 2], [0, 1] * 8)
    yield "weight", with_tensor("1.w_x.value", "b", "I8", [4, 2, 1], [-128, 1, 1, 1, 1, 1, 1, 1])
    yield "scale", with_tensor("1.w_x.scale", "f", "F32", [4], [float("nan")] * 4)
    yield "shift", with_tensor("0.row.shift", "B", "U8", [8], [64] * 8)
    yield "units", with_layer(0, units=1 << 40)
    yield "bank_size", with_layer(0, w_x={"bank_size": 0, "k": 0})
    yield "k", with_layer(0, w_x={"bank_size": 2, "k": 3})
    yield "cell", with_layer(0, cell="RNN")
    yield "no_w_h", with_layer(0, w_h=None)
    yield "h_frac", with_layer(0, h_frac=12)
    yield "fraction", with_layer(0, x_cols=3.5)
    yield "lstm_w_b", with_layer(0, w_b={"bank_size": 2, "k": 1})


def damaged_lstmp():
    """The same for what only a file with a projection can have wrong."""
    tensors, layers = good_lstmp()

    def with_tensor(name, code, dtype, shape, values):
        changed = dict(tensors)
        changed[name] = tensor(code, dtype, shape, values)
        return build(changed, layers, version="2")

    def without(name):
        return build({n: t for n, t in tensors.items() if n != name}, layers, version="2")

    def with_layer(**fields):
        changed = copy.deepcopy(layers)
        changed[0].update(fields)
        return build(tensors, changed, version="2")

    flipped = bytearray(build(tensors, layers, version="2"))
    flipped[-64] ^= 1
    yield "bit_flip", bytes(flipped)
    yield "format_1", build(tensors, layers)
    yield "no_projection", with_layer(w_b=None)
    yield "no_row_b", without("0.row_b.mult")
    yield "rows_of_units", with_tensor("0.row_b.shift", "B", "U8", [4], [16] * 4)
    yield "no_outputs", with_layer(outputs=0)
    yield "outputs", with_layer(outputs=9)
    yield "wide", with_layer(outputs=65536)
    yield "wide_projection", with_layer(units=65537)
    yield "cells", with_layer(cell="LSTM", h_frac=12)
    yield "h_frac", with_layer(h_frac=31)
    yield "index", with_tensor("0.w_b.index", "B", "U8", [8, 1, 2], [0, 1] + [0] * 14)
    yield "h_index", with_tensor("0.w_h.index", "B", "U8", [8, 2, 1], [1, 5] + [1, 4] * 7)
    yield "spare_weight", with_tensor("0.w_b.value", "b", "I8", [8, 1, 2], [1] * 11 + [0] * 5)
    yield "spare_bias", with_tensor("0.row_b.bias", "i", "I32", [8], [0] * 7 + [1])


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent)
    (folder / "pack_good.safetensors").write_bytes(build(*good()))
    (folder / "pack_lstmp.safetensors").write_bytes(build(*good_lstmp(), version="2"))
    for name, data in damaged():
        (folder / f"pack_bad_{name}.safetensors").write_bytes(data)
    for name, data in damaged_lstmp():
        (folder / f"pack_bad_lstmp_{name}.safetensors").write_bytes(data)


if __name__ == "__main__":
    main()
