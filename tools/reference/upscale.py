#!/usr/bin/env python3
"""The upscaler inside the program: where its weights come from, and its oracle.

  convert  reads realesr-animevideov3 of Real-ESRGAN in ncnn's form and writes it
           as the safetensors file that internal/model/upscale embeds.
  golden   computes, from ncnn's form again and in double precision, what the
           network makes of a small picture: the tests of that package hold the
           Go code to it.

The network is said here from its description: 3x3 convolutions with zeros around
the picture, PReLU with a slope for each channel between them, and at the end
channels that become pixels, added to the picture enlarged to the nearest pixel
(Wang et al. 2021, arXiv:2107.10833). README.md has the commands.
"""

import argparse
import json
import os
import struct

import numpy as np
import torch
import torch.nn.functional as F

from reel import save_file

FACTOR, WIDTH, DEPTH = 4, 64, 18
HALF = 0x01306B47  # ncnn's mark before weights in f16


def read_ncnn(path):
    """The layers of ncnn's file: (weight [out, in, 3, 3], bias, slope or None)."""
    with open(path, "rb") as f:
        raw = f.read()
    at = 0

    def take(n, dtype):
        nonlocal at
        x = np.frombuffer(raw, dtype, n, at)
        at += x.nbytes + -x.nbytes % 4
        return x

    layers, width = [], 3
    for i in range(DEPTH):
        out = WIDTH if i + 1 < DEPTH else 3 * FACTOR * FACTOR
        mark, = struct.unpack_from("<I", raw, at)
        at += 4
        if mark != HALF:
            raise SystemExit(f"{path}: layer {i} is not in f16: this is another file than realesr-animevideov3's")
        weight = take(out * width * 9, "<f2").reshape(out, width, 3, 3)
        bias = take(out, "<f4")
        layers.append((weight, bias, take(out, "<f4") if i + 1 < DEPTH else None))
        width = out
    if at != len(raw):
        raise SystemExit(f"{path}: {len(raw)} bytes, {at} were expected: this is another file than realesr-animevideov3's")
    return layers


def convert(a):
    tensors = {}
    for i, (weight, bias, slope) in enumerate(read_ncnn(a.bin)):
        if slope is None:
            # Torch has the colour before the place in a channel's number, Kinora after it.
            weight = weight.reshape(3, FACTOR * FACTOR, WIDTH, 3, 3).transpose(1, 0, 2, 3, 4).reshape(weight.shape)
            bias = bias.reshape(3, FACTOR * FACTOR).T.reshape(-1)
        else:
            tensors[f"layers.{i}.slope"] = torch.tensor(slope.copy())
        rows = weight.transpose(0, 2, 3, 1)[:, None]
        tensors[f"layers.{i}.weight"] = torch.tensor(rows.copy())
        tensors[f"layers.{i}.bias"] = torch.tensor(bias.copy())
    save_file(a.out, tensors, {
        "format": "kinora-upscaler-1",
        "config": json.dumps({"factor": FACTOR, "patch": 1, "width": WIDTH, "depth": DEPTH}),
        "source": "realesr-animevideov3 of Real-ESRGAN, Copyright (c) 2021, Xintao Wang, BSD 3-Clause License",
    })


def run(layers, x):
    """x [1, 3, h, w] in [0, 1], four times as large."""
    h = x
    for weight, bias, slope in layers:
        h = F.conv2d(h, torch.tensor(weight.astype("f8")), torch.tensor(bias.astype("f8")), padding=1)
        if slope is not None:
            h = torch.where(h > 0, h, h * torch.tensor(slope.astype("f8")).view(1, -1, 1, 1))
    return F.pixel_shuffle(h, FACTOR) + x.repeat_interleave(FACTOR, 2).repeat_interleave(FACTOR, 3)


def picture(h, w):
    """Shapes with edges, a ramp and some noise: bytes [h, w, 3]."""
    y, x = np.mgrid[:h, :w]
    out = np.stack([4 * x + 2 * y, 255 - 3 * y, 128 + 60 * np.sin(x / 3.0)], -1).astype("f8")
    out[(x - w / 3) ** 2 + (y - h / 2) ** 2 < 30] = (220, 40, 30)
    out[(x > w / 2) & (y > x / 2)] = (20, 90, 200)
    out += np.random.default_rng(5).normal(0, 4, out.shape)
    return np.clip(np.round(out), 0, 255).astype("u1")


def golden(a):
    layers = read_ncnn(a.bin)
    rgb = picture(23, 30)
    x = torch.tensor(rgb.astype("f8")).permute(2, 0, 1)[None] / 255
    y = run(layers, x)
    half = F.avg_pool2d(y, 2)
    save_file(os.path.join(a.out, "golden.safetensors"), {
        "rgb": torch.tensor(rgb),
        "by4": y[0].permute(1, 2, 0).float(),
        "by2": half[0].permute(1, 2, 0).float(),
    }, {})


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sub = p.add_subparsers(required=True)
    for name, f in ("convert", convert), ("golden", golden):
        c = sub.add_parser(name)
        c.add_argument("--bin", required=True, help="realesr-animevideov3-x4.bin")
        c.add_argument("--out", required=True, help="file of weights" if f is convert else "folder of the golden file")
        c.set_defaults(run=f)
    a = p.parse_args()
    a.run(a)


if __name__ == "__main__":
    main()
