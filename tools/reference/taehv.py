#!/usr/bin/env python3
"""The oracle of internal/model/tae: a tiny autoencoder for video, with random weights.

    pip install torch==2.15.0 safetensors
    python3 tools/reference/taehv.py --out internal/model/tae/testdata

No package installs TAEHV (github.com/madebyollin/taehv), and its weights are not at hand here, so this is a
definition of our own, after its description: which layers there are, in which order, under which names. It holds
the Go code to these facts; it does not prove them.

For each kind it writes KIND.safetensors (weights, f16) and KIND.golden.safetensors (a video and its latents,
latents and their video, in double precision).
"""

import argparse
import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

KINDS = {
    # latent channels, patch, widths of the decoder, of the encoder, frames that TGrow makes of one, that TPool joins
    "taew2_1": (5, 1, (12, 10, 6, 8), 6, (1, 2, 2), (2, 2, 1)),
    "taew2_2": (6, 2, (10, 8, 6, 6), 8, (1, 2, 2), (2, 2, 1)),
    "taew2_2_super": (6, 2, (12, 8, 6, 4), 8, (1, 2, 2), (2, 2, 1)),
}
FRAMES = 9


def parameters(kind, generator):
    latent, patch, widths, enc, grow, pool = KINDS[kind]
    p = {}

    def conv(name, out, inside, k=3, bias=True):
        p[name + ".weight"] = torch.randn(out, inside, k, k, generator=generator) * (2.0 / (inside * k * k)) ** 0.5
        if bias:
            p[name + ".bias"] = torch.randn(out, generator=generator) * 0.1

    def block(name, n):
        conv(f"{name}.conv.0", n, 2 * n)
        conv(f"{name}.conv.2", n, n)
        conv(f"{name}.conv.4", n, n)

    def wide_block(name, n):
        conv(f"{name}.conv.0", 2 * n, 1, 7, False)
        conv(f"{name}.conv.1", 4 * n, 2 * n, 1)
        conv(f"{name}.conv.3", n, 4 * n, 1, False)

    if kind.endswith("super"):
        conv("decoder.0", widths[0], latent, 1, False)
        for level in range(3):
            at = 1 + 7 * level
            for i in range(3):
                wide_block(f"decoder.{at + i}", widths[level])
            conv(f"decoder.{at + 3}", 4 * widths[level + 1], widths[level])
            conv(f"decoder.{at + 6}.conv", widths[level + 1] * grow[level], widths[level + 1], 1, False)
    else:
        conv("decoder.1", widths[0], latent)
    for level in range(0 if kind.endswith("super") else 3):
        at = 3 + 6 * level
        for i in range(3):
            block(f"decoder.{at + i}", widths[level])
        conv(f"decoder.{at + 4}.conv", widths[level] * grow[level], widths[level], 1, False)
        conv(f"decoder.{at + 5}", widths[level + 1], widths[level], 3, False)
    conv("decoder.22", 3 * patch * patch, widths[3])
    conv("encoder.0", enc, 3 * patch * patch)
    for level in range(3):
        at = 2 + 5 * level
        conv(f"encoder.{at}.conv", enc, enc * pool[level], 1, False)
        conv(f"encoder.{at + 1}", enc, enc, 3, False)
        for i in range(3):
            block(f"encoder.{at + 2 + i}", enc)
    conv("encoder.17", latent, enc)
    return {name: v.half() for name, v in p.items()}


class Net:
    """Both halves on whole videos [T, C, H, W]."""

    def __init__(self, kind, p):
        self.latent, self.patch, _, _, self.grow, self.pool = KINDS[kind]
        self.p = {name: v.double() for name, v in p.items()}

    def conv(self, name, x, **kw):
        w = self.p[name + ".weight"]
        return F.conv2d(x, w, self.p.get(name + ".bias"), padding=w.shape[-1] // 2, **kw)

    def block(self, name, x):
        before = torch.cat([torch.zeros_like(x[:1]), x[:-1]])
        h = F.relu(self.conv(f"{name}.conv.0", torch.cat([x, before], 1)))
        h = F.relu(self.conv(f"{name}.conv.2", h))
        return F.relu(x + self.conv(f"{name}.conv.4", h))

    def wide_block(self, name, x):
        both = torch.cat([x, torch.cat([torch.zeros_like(x[:1]), x[:-1]])], 1)
        h = self.conv(f"{name}.conv.0", both, groups=both.shape[1])
        return x + self.conv(f"{name}.conv.3", F.relu(self.conv(f"{name}.conv.1", h)))

    def grown(self, name, n, x):
        x = self.conv(name, x)
        return x.reshape(-1, x.shape[1] // n, *x.shape[2:])

    def super_features(self, z):
        x = self.conv("decoder.0", z)
        for level in range(3):
            at = 1 + 7 * level
            for i in range(3):
                x = self.wide_block(f"decoder.{at + i}", x)
            x = F.pixel_shuffle(F.relu(self.conv(f"decoder.{at + 3}", x)), 2)
            x = self.grown(f"decoder.{at + 6}.conv", self.grow[level], x)
        return x

    def features(self, z):
        x = F.relu(self.conv("decoder.1", 3 * torch.tanh(z / 3)))
        for level in range(3):
            at = 3 + 6 * level
            for i in range(3):
                x = self.block(f"decoder.{at + i}", x)
            x = F.interpolate(x, scale_factor=2, mode="nearest")
            x = self.grown(f"decoder.{at + 4}.conv", self.grow[level], x)
            x = self.conv(f"decoder.{at + 5}", x)
        return F.relu(x)

    def decode(self, z):
        x = self.conv("decoder.22", self.super_features(z) if "decoder.0.weight" in self.p else self.features(z))
        more = 1
        for n in self.grow:
            more *= n
        return F.pixel_shuffle(x, self.patch).clamp(0, 1)[more - 1 :]

    def encode(self, x):
        join = 1
        for n in self.pool:
            join *= n
        x = torch.cat([x] + [x[-1:]] * (-len(x) % join))
        x = F.relu(self.conv("encoder.0", F.pixel_unshuffle(x, self.patch)))
        for level in range(3):
            at = 2 + 5 * level
            n = self.pool[level]
            x = self.conv(f"encoder.{at}.conv", x.reshape(-1, n * x.shape[1], *x.shape[2:]))
            x = self.conv(f"encoder.{at + 1}", x, stride=2)
            for i in range(3):
                x = self.block(f"encoder.{at + 2 + i}", x)
        return self.conv("encoder.17", x)


def patch_of(kind):
    return KINDS[kind][1]


def last(x):
    return x.permute(0, 2, 3, 1).contiguous().float()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=pathlib.Path, required=True)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for seed, kind in enumerate(KINDS):
        generator = torch.Generator().manual_seed(seed)
        p = parameters(kind, generator)
        for name in p:  # a video that lies in [0, 1], most of it
            if name.endswith(("conv.4.weight", "conv.3.weight")):
                p[name] *= 0.4
        p["decoder.22.weight"] *= 0.03 if kind.endswith("super") else 0.06
        p["decoder.22.bias"] += 0.5
        net = Net(kind, p)
        h, w, patch = (5, 7, 1) if patch_of(kind) == 1 else (3, 5, 2)
        z = torch.randn(1 + (FRAMES - 1) // 4, net.latent, h, w, generator=generator).half().double()
        video = torch.rand(FRAMES, 3, h * 8 * patch, w * 8 * patch, generator=generator).half().double()
        frames, latents = net.decode(z), net.encode(video)
        assert frames.shape == video.shape and latents.shape == z.shape
        assert torch.allclose(net.decode(z[:1]), frames[:1]) and torch.allclose(net.decode(z[:2]), frames[:5])
        clamped = ((frames <= 0) | (frames >= 1)).double().mean().item()
        print(kind, sum(v.numel() for v in p.values()), "parameters; latents", latents.std().item(), "video", frames.std().item(), "clamped", clamped)
        assert clamped < 0.2
        save_file(p, args.out / f"{kind}.safetensors")
        save_file({"encode/video": last(video).half(), "encode/latents": last(latents), "decode/latents": last(z).half(), "decode/video": last(frames)},
                  args.out / f"{kind}.golden.safetensors")


if __name__ == "__main__":
    main()
