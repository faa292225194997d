#!/usr/bin/env python3
"""The oracle of quantised weights: what the Python package gguf makes of them.

  golden  writes small tensors of every type of blocks that internal/kernel/quant
          reads, and the numbers that the package makes of them; and, for the
          types that it can write, the blocks that it makes of given numbers.
  file    writes a GGUF file with metadata of every type.
  digests writes what a GGUF file holds: shape, type and the SHA-256 of the
          numbers of every tensor, and the metadata.

Needs gguf 0.19.0 and numpy 2.4. README.md has the commands.
"""

import argparse
import hashlib
import json
import pathlib

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType as T, GGUFReader, GGUFValueType as V, GGUFWriter, dequantize, quantize

# The places of the binary16 factors in a block.
FACTORS = {
    T.Q8_0: [0], T.Q4_0: [0], T.Q4_1: [0, 2], T.Q5_0: [0], T.Q5_1: [0, 2],
    T.Q2_K: [80, 82], T.Q3_K: [108], T.Q4_K: [0, 2], T.Q5_K: [0, 2], T.Q6_K: [208],
}
WRITTEN = [T.Q8_0, T.Q4_0, T.Q4_1, T.Q5_0, T.Q5_1]


def blocks(kind, rng):
    """Random blocks with finite factors: usual ones, subnormal ones, the largest, zero."""
    numbers, size = GGML_QUANT_SIZES[kind]
    n = 1024 // numbers + 1
    b = rng.integers(0, 256, (n, size), dtype=np.uint8)
    for at in FACTORS[kind]:
        d = (rng.standard_normal(n) * 0.02).astype(np.float16)
        d[:4] = [0.0, 65504.0, -6e-8, 1e-6]
        b[:, at : at + 2] = d.view(np.uint8).reshape(n, 2)
    return b


def source(rng):
    """Blocks of 32 numbers: usual ones, and those where rounding is decided."""
    x = (rng.standard_normal((40, 32)) * 0.05).astype(np.float32)
    x[0] = 0
    x[1] = 0.25
    x[2] = -3
    x[3] = np.arange(32) - 16  # steps that are halves
    x[4] = np.arange(32)
    x[5] = (np.arange(32) - 16) * np.float32(2.0**-24)
    x[6, 3], x[6, 20] = 100, -100  # the first of two furthest numbers decides
    x[7, 3], x[7, 20] = -100, 100
    x[8] = rng.standard_normal(32) * 1e4
    x[9] = rng.standard_normal(32) * 1e-9
    x[10] = (np.arange(32) - 15.5) / 127
    return x


def golden(out):
    rng = np.random.default_rng(20261128)
    out.mkdir(parents=True, exist_ok=True)
    for kind in FACTORS:
        name, b = kind.name.lower(), blocks(kind, rng)
        (out / f"{name}.blocks").write_bytes(b.tobytes())
        (out / f"{name}.values").write_bytes(dequantize(b, kind).astype("<f4").tobytes())
    x = source(rng)
    (out / "source.values").write_bytes(x.astype("<f4").tobytes())
    for kind in WRITTEN:
        (out / f"{kind.name.lower()}.written").write_bytes(quantize(x, kind).tobytes())


def file(out):
    out.parent.mkdir(parents=True, exist_ok=True)
    w = GGUFWriter(out, "wan")
    w.add_key_value("n.u8", 200, V.UINT8)
    w.add_key_value("n.i8", -2, V.INT8)
    w.add_key_value("n.u16", 513, V.UINT16)
    w.add_key_value("n.i16", -2, V.INT16)
    w.add_key_value("n.u32", 4_000_000_000, V.UINT32)
    w.add_key_value("n.i32", -1, V.INT32)
    w.add_key_value("n.u64", 2**64 - 1, V.UINT64)
    w.add_key_value("n.i64", -(2**63), V.INT64)
    w.add_key_value("x.f32", -2.5, V.FLOAT32)
    w.add_key_value("x.f64", 1e-300, V.FLOAT64)
    w.add_key_value("yes", True, V.BOOL)
    w.add_key_value("text", "a \"red\" ball\n球", V.STRING)
    w.add_array("texts", ["", "b", "球"])
    w.add_array("numbers", [1, -2, 3])
    w.add_array("reals", [0.5, -0.25])
    w.add_array("flags", [True, False])
    w.add_array("comfy.gguf.orig_shape.cut", [8, 2, 4, 4])
    rng = np.random.default_rng(5)
    x = rng.standard_normal((3, 64)).astype(np.float32)
    w.add_tensor("plain", x)
    w.add_tensor("half", x[0].astype(np.float16))
    w.add_tensor("cut", quantize(rng.standard_normal((4, 64)).astype(np.float32), T.Q8_0), raw_dtype=T.Q8_0)
    w.add_tensor("five", x.reshape(3, 1, 4, 4, 4))
    for kind in WRITTEN:
        w.add_tensor(kind.name, quantize(x, kind), raw_dtype=kind)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def sha(b):
    return hashlib.sha256(b).hexdigest()


def digests(file, out):
    reader = GGUFReader(file)
    tensors = {}
    for t in reader.tensors:
        numbers = dequantize(t.data, t.tensor_type).astype("<f4")
        tensors[t.name] = {"type": t.tensor_type.name, "shape": [int(n) for n in reversed(t.shape)], "sha256": sha(numbers.tobytes())}
    metadata = {}
    for key, field in reader.fields.items():
        if key.startswith("GGUF."):
            continue
        value = field.contents()
        if isinstance(value, list):  # only a digest of what may be long
            value = {"len": len(value), "sha256": sha(b"\0".join(str(v).encode() for v in value))}
        metadata[key] = value
    lines = [f"{json.dumps(k)}: {json.dumps(v)}" for k, v in tensors.items()]
    entries = [f"{json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}" for k, v in metadata.items()]
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text('{"metadata": {\n%s\n},\n"tensors": {\n%s\n}}\n' % (",\n".join(entries), ",\n".join(lines)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("golden", help="write the goldens of internal/kernel/quant")
    command.add_argument("--out", type=pathlib.Path, required=True)
    command = commands.add_parser("file", help="write the golden file of internal/weights/gguf")
    command.add_argument("--out", type=pathlib.Path, required=True)
    command = commands.add_parser("digests", help="write what a file holds, for internal/weights/gguf")
    command.add_argument("--file", type=pathlib.Path, required=True)
    command.add_argument("--out", type=pathlib.Path, required=True)
    args = parser.parse_args()
    if args.command == "golden":
        golden(args.out)
    elif args.command == "file":
        file(args.out)
    else:
        digests(args.file, args.out)
