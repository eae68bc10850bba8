"""arrays.py - .npy and .npz with plain Python, for the scripts beside it."""
import ast
import struct
import zipfile

CODES = {"<f4": "f", "<i8": "q"}


def _parse(data):
    length = struct.unpack("<H", data[8:10])[0]
    head = ast.literal_eval(data[10:10 + length].decode())
    code = CODES[head["descr"]]
    body = data[10 + length:]
    return list(struct.unpack(f"<{len(body) // struct.calcsize(code)}{code}", body)), head["shape"]


def read(file, member=None):
    """Numbers, and the shape."""
    if member:
        return _parse(zipfile.ZipFile(file).read(member + ".npy"))
    with open(file, "rb") as f:
        return _parse(f.read())


def encode(numbers, shape, descr="<f4"):
    head = repr({"descr": descr, "fortran_order": False, "shape": tuple(shape)})
    head = head.ljust(117) + "\n"
    return (b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() +
            struct.pack(f"<{len(numbers)}{CODES[descr]}", *numbers))


def write(file, numbers, shape, descr="<f4"):
    with open(file, "wb") as f:
        f.write(encode(numbers, shape, descr))


def write_npz(file, **arrays):
    """NAME=(numbers, shape, descr)"""
    with zipfile.ZipFile(file, "w") as z:
        for name, array in arrays.items():
            z.writestr(name + ".npy", encode(*array))


def rows(numbers, width):
    return [numbers[i:i + width] for i in range(0, len(numbers), width)]


def top(row):
    return row.index(max(row))
