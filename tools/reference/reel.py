#!/usr/bin/env python3
"""reel in PyTorch: the oracle of Kinora's own model.

The Go code in internal/model/reel is the product; this file says the same in
another language, from the mathematics, so that the two can be held against
each other. Nothing at run time needs it.

  reel.py golden --out internal/model/reel/testdata
      writes a tiny model, and what every layer and every gradient of it must be

train.py beside this file trains on a GPU.

Names and layouts of parameters are those of the weights file: linear
[out, in], convolution [out, kt, kh, kw, in], depthwise [kt, kh, kw, channels].
Activations have their channels last: video [B, T, H, W, C], tokens [B, N, C].

Runs on torch 1.13 (Debian's python3-torch) and later.
"""
import argparse
import copy
import json
import math
import os
import re
import struct
import unicodedata

import torch
import torch.nn as nn
import torch.nn.functional as F

EPS = 1e-6
FORMAT = "kinora-reel-1"

# ---------------------------------------------------------------- safetensors

DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
          "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8}
NAMES = {v: k for k, v in DTYPES.items()}


def load_file(path):
    """The tensors of a safetensors file by name, and its metadata."""
    with open(path, "rb") as f:
        raw = bytearray(f.read())
    size = struct.unpack("<Q", raw[:8])[0]
    header = json.loads(bytes(raw[8:8 + size]))
    meta, tensors = header.pop("__metadata__", {}), {}
    for name, info in header.items():
        lo, hi = (8 + size + at for at in info["data_offsets"])
        dtype = DTYPES[info["dtype"]]
        flat = torch.frombuffer(bytearray(raw[lo:hi]), dtype=dtype) if hi > lo else torch.zeros(0, dtype=dtype)
        tensors[name] = flat.reshape(info["shape"])
    return tensors, meta


def save_file(path, tensors, meta):
    """Writes a safetensors file, beside the old one and then in its place."""
    header, blobs, at = {"__metadata__": meta} if meta else {}, [], 0
    # Wide types first, so that every tensor is aligned to its elements.
    for name, t in sorted(tensors.items(), key=lambda kv: (-kv[1].element_size(), kv[0])):
        t = t.detach().cpu().contiguous()
        raw = (t.view(torch.int16) if t.dtype == torch.bfloat16 else t).numpy().tobytes()
        header[name] = {"dtype": NAMES[t.dtype], "shape": list(t.shape), "data_offsets": [at, at + len(raw)]}
        blobs.append(raw)
        at += len(raw)
    text = json.dumps(header, separators=(",", ":"), sort_keys=True).encode()
    text += b" " * (-len(text) % 8)
    with open(path + ".part", "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        f.writelines(blobs)
    os.replace(path + ".part", path)

# ------------------------------------------------------------------ tokenizer


def char_class(c):
    """What a character is to the cutting rule of internal/token."""
    cat = unicodedata.category(c)
    name = unicodedata.name(c, "")
    if c in "\n\v\f\r\x85\u2028\u2029":
        return "newline"
    if c in " \t" or cat == "Zs":
        return "space"
    if name.startswith(("CJK UNIFIED", "CJK COMPAT", "HIRAGANA", "KATAKANA LETTER", "BOPOMOFO", "IDEOGRAPHIC ITER")):
        return "han"
    for kind, cats in (("letter", "LM"), ("digit", "N")):
        if cat[0] in cats:
            return kind
    return "bracket" if cat in ("Ps", "Pe") else "other"


def pieces(s):
    """Cuts a text where merges may not cross: a run of one class, with one
    blank before it; brackets and line ends alone; what is left of blanks."""
    at, limit = 0, 256
    while at < len(s):
        start, kind = at, char_class(s[at])
        at += 1
        if kind in ("newline", "bracket"):
            yield s[start:at]
            continue
        if kind == "space" and at < len(s):
            kind = char_class(s[at])
            if kind == "space":
                while at < len(s) and char_class(s[at]) == "space" and len(s[start:at + 1].encode()) <= limit:
                    at += 1
                if at < len(s) and s[at - 1] == " " and at - start > 1:
                    at -= 1
                yield s[start:at]
                continue
            if kind in ("newline", "bracket") or s[start] != " ":
                yield s[start:at]
                continue
        while at < len(s) and char_class(s[at]) == kind and len(s[start:at + 1].encode()) <= limit:
            at += 1
        yield s[start:at]


class Tokenizer:
    """Byte-level BPE (Sennrich 2016): 0 pads, 1 opens, 2 closes, 3+b is byte b."""

    def __init__(self, text):
        self.text = text
        self.rank = {tuple(pair): 259 + i for i, pair in enumerate(json.loads(text)["merges"])}

    def encode(self, s, limit):
        ids = [1]
        for piece in pieces(s):
            p = [3 + b for b in piece.encode()]
            while True:
                pair = min(zip(p, p[1:]), key=lambda x: self.rank.get(x, 1 << 30), default=None)
                if pair not in self.rank:
                    break
                out, i = [], 0
                while i < len(p):
                    if tuple(p[i:i + 2]) == pair:
                        out.append(self.rank[pair])
                        i += 2
                    else:
                        out.append(p[i])
                        i += 1
                p = out
            ids += p
        return ([1] if limit == 1 else ids[:limit - 1] + [2])

# ----------------------------------------------------------------- operations


def rms_norm(x, gain):
    x = x if x.dtype == torch.float64 else x.float()
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + EPS) * gain


def swiglu(x):
    a, b = x.chunk(2, -1)
    return F.silu(a) * b


def unshuffle(x, pt, ph, pw):
    """Patches of pt×ph×pw into channels, in that order before the channels."""
    n, t, h, w, c = x.shape
    x = x.reshape(n, t // pt, pt, h // ph, ph, w // pw, pw, c)
    return x.permute(0, 1, 3, 5, 2, 4, 6, 7).reshape(n, t // pt, h // ph, w // pw, pt * ph * pw * c)


def shuffle(x, pt, ph, pw):
    """The inverse of unshuffle."""
    n, t, h, w, c = x.shape
    x = x.reshape(n, t, h, w, pt, ph, pw, c // (pt * ph * pw))
    return x.permute(0, 1, 4, 2, 5, 3, 6, 7).reshape(n, t * pt, h * ph, w * pw, -1)


def causal_conv(x, w, bias, groups=1):
    """x [N, T, H, W, C] with w [O, kt, kh, kw, C/groups]: frame t sees t-kt+1..t."""
    _, kt, kh, kw, _ = w.shape
    x = F.pad(x.permute(0, 4, 1, 2, 3), (kw // 2, kw // 2, kh // 2, kh // 2, kt - 1, 0))
    return F.conv3d(x, w.permute(0, 4, 1, 2, 3), bias, groups=groups).permute(0, 2, 3, 4, 1)


def depthwise(x, w, bias):
    return causal_conv(x, w.permute(3, 0, 1, 2).unsqueeze(-1), bias, groups=x.shape[-1])


def avg_pool2(x):
    n, t, h, w, c = x.shape
    return x.reshape(n, t, h // 2, 2, w // 2, 2, c).mean((3, 5))


def rotate(x, angles):
    """Turns the pairs of channels (2i, 2i+1) of x [B, N, H, D] by angles [N, D/2]."""
    cos, sin = (f(angles)[:, None, :].to(x.dtype) for f in (torch.cos, torch.sin))
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack((a * cos - b * sin, a * sin + b * cos), -1).flatten(-2)


def attention(q, k, v, mask=None):
    """softmax(q·kᵀ/√D)·v for [B, N, H, D]; mask, True where seen, broadcasts to [B, H, Q, K]."""
    scores = torch.einsum("bqhd,bkhd->bhqk", q, k) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    return torch.einsum("bhqk,bkhd->bqhd", scores.softmax(-1), v)


def linear_attention(q, k, qr, kr, v, sizes):
    """Attention with scores qr·kr, normalised by q·k, over the own run of
    tokens and the run before it; sizes are those of the runs.

    Sums over keys are shared by all queries of a run, so time is linear."""
    out, before = [], None
    for q, k, qr, kr, v in zip(*(x.split(sizes, 1) for x in (q, k, qr, kr, v))):
        own = torch.einsum("bkhd,bkhe->bhde", kr, v), k.sum(1)
        kv, total = own if before is None else (own[0] + before[0], own[1] + before[1])
        den = torch.einsum("bqhd,bhd->bqh", q, total) + EPS
        out.append(torch.einsum("bqhd,bhde->bqhe", qr, kv) / den.unsqueeze(-1))
        before = own
    return torch.cat(out, 1)

# ----------------------------------------------------------------- parameters


class Module(nn.Module):
    """Children and parameters by the names of the file, which may be words
    that Python keeps for itself: m["in"]."""

    def __getitem__(self, name):
        return getattr(self, str(name))

    def add(self, **children):
        for name, m in children.items():
            self.add_module(name, m)

    def normal(self, name, std, *shape):
        self.register_parameter(name, nn.Parameter(torch.randn(*shape) * std))

    def ones(self, *names, size):
        for name in names:
            self.register_parameter(name, nn.Parameter(torch.ones(size)))


class Linear(Module):
    def __init__(self, i, o, gain=1.0):
        super().__init__()
        self.normal("weight", gain / math.sqrt(i), o, i)
        self.normal("bias", 0, o)

    def forward(self, x):
        return F.linear(x, self.weight, self.bias)


class Conv(Module):
    def __init__(self, i, o, kt, kh, kw, gain):
        super().__init__()
        self.normal("weight", gain / math.sqrt(i * kt * kh * kw), o, kt, kh, kw, i)
        self.normal("bias", 0, o)

    def forward(self, x):
        return causal_conv(x, self.weight, self.bias)

# ---------------------------------------------------------------------- codec


class Residual(Module):
    """x + out(silu(conv(norm(x))))"""

    def __init__(self, c, kt, kh, kw):
        super().__init__()
        self.ones("gain", size=c)
        self.add(conv=Conv(c, c, kt, kh, kw, 1.4), out=Linear(c, c, 0.3))

    def forward(self, x):
        return x + self.out(F.silu(self.conv(rms_norm(x, self.gain))))


class Deep(Module):
    """A residual over space, and one over this group and the one before."""

    def __init__(self, c):
        super().__init__()
        self.add(space=Residual(c, 1, 3, 3), time=Residual(c, 2, 1, 1))

    def forward(self, x):
        return self.time(self.space(x))


class Codec(Module):
    def __init__(self, c):
        super().__init__()
        pix, e, d, w = 8 * 8 * 3, c["enc_width"], c["dec_width"], c["deep_width"]
        head = c.get("head", 0)
        self.add(in_first=Linear(pix, e), down=Linear(4 * e, w), to_latent=Linear(w, c["latent"]),
                 from_latent=Linear(c["latent"], w), up=Linear(w, 4 * d),
                 out_first=Linear(d, pix, 0.3), out=Linear(head or d, 8 * pix, 0.3), **{"in": Linear(8 * pix, e)},
                 enc=nn.ModuleList(Residual(e, 1, 3, 3) for _ in range(c["enc_blocks"])),
                 enc_deep=nn.ModuleList(Deep(w) for _ in range(c["enc_deep"])),
                 dec_deep=nn.ModuleList(Deep(w) for _ in range(c["dec_deep"])),
                 dec=nn.ModuleList(Residual(d, 1, 3, 3) for _ in range(c["dec_blocks"])))
        if head:
            self.add(head=Linear(d, head, 1.4))
        self.ones("enc_gain", size=w)
        self.ones("dec_gain", size=d)
        self.register_buffer("latent_mean", torch.zeros(c["latent"]))
        self.register_buffer("latent_std", torch.ones(c["latent"]))

    def encode(self, x, first=True):
        """[B, T, H, W, 3] → [B, G, H/16, W/16, latent]; with first, the first
        frame is a group of its own."""
        parts = [self.in_first(unshuffle(x[:, :1], 1, 8, 8))] if first else []
        if x.shape[1] > first:
            parts.append(self["in"](unshuffle(x[:, int(first):], 8, 8, 8)))
        h = torch.cat(parts, 1)
        for block in self.enc:
            h = block(h)
        h = self.down(unshuffle(h, 1, 2, 2))
        for block in self.enc_deep:
            h = block(h)
        return self.to_latent(rms_norm(h, self.enc_gain))

    def encode_closely(self, x):
        """encode, corrected by how what is decoded from it reads."""
        z = self.encode(x)
        return z + (z - self.encode(self.decode(z)))

    def decode(self, z, first=True):
        h = self.from_latent(z)
        for block in self.dec_deep:
            h = block(h)
        h = shuffle(self.up(h), 1, 2, 2)
        for block in self.dec:
            h = block(h)
        h = rms_norm(h, self.dec_gain)
        parts = [shuffle(self.out_first(h[:, :1]), 1, 8, 8)] if first else []
        if h.shape[1] > first:
            group = h[:, int(first):]
            if "head" in self._modules:
                group = F.silu(self.head(group))
            parts.append(shuffle(self.out(group), 8, 8, 8))
        return torch.cat(parts, 1)


def codec_loss(codec, x, noise, square=0.2, kl=1e-3, motion=1.0, scale=0.25):
    """The codec's loss and its parts, with the derivative of the logarithm of each
    video's mean square, bounded below. Scale equivariance (Kouzelis 2025): half the latent decodes to
    half the video."""
    z = codec.encode(x)
    y = codec.decode(z + noise)
    small, target = codec.decode(avg_pool2(z)), avg_pool2(x)
    parts = {"l1": (y - x).abs().mean(), "kl": z.square().mean(),
             "motion": (y.diff(dim=1) - x.diff(dim=1)).abs().mean(), "scale": (small - target).abs().mean(),
             "square": (y - x).square().mean()}
    each = (y - x).square().flatten(1).mean(1)
    parts["total"] = (parts["l1"] + square * (each / each.detach().clamp_min(1e-3)).mean() + kl * parts["kl"]
                      + motion * parts["motion"] + scale * parts["scale"])
    # How near a sign comes to flipping by rounding alone.
    margin = min(d.detach().abs().min().item() for d in (y - x, y.diff(dim=1) - x.diff(dim=1), small - target))
    return parts, margin

# ----------------------------------------------------------------------- text


def axis_angles(position, n):
    """n rotation angles for positions [...], from 1 down to almost 1/100 a step."""
    return position.double()[..., None] * 100.0 ** (-torch.arange(n, dtype=torch.float64, device=position.device) / n)


class TextBlock(Module):
    def __init__(self, c):
        super().__init__()
        self.ones("attn_gain", "ffn_gain", size=c)
        self.add(q=Linear(c, c), k=Linear(c, c), v=Linear(c, c), o=Linear(c, c, 0.5),
                 out=Linear(2 * c, c, 0.5), **{"in": Linear(c, 4 * c)})

    def forward(self, x, heads, angles, mask):
        h = rms_norm(x, self.attn_gain)
        q, k, v = (m(h).unflatten(-1, (heads, -1)) for m in (self.q, self.k, self.v))
        x = x + self.o(attention(rotate(q, angles), rotate(k, angles), v, mask).flatten(-2))
        return x + self.out(swiglu(self["in"](rms_norm(x, self.ffn_gain))))


class Text(Module):
    def __init__(self, c):
        super().__init__()
        self.cfg = c
        self.normal("table", 0.2, c["vocab"], c["width"])
        self.ones("gain", "pool_gain", size=c["width"])
        for i in range(c["blocks"]):
            self.add(**{str(i): TextBlock(c["width"])})

    def forward(self, prompts):
        """Lists of ids → tokens [B, L, C], their mean, normalised [B, C], seen [B, L]."""
        lens = torch.tensor([len(p) for p in prompts], device=self.table.device)
        ids = nn.utils.rnn.pad_sequence([torch.tensor(p) for p in prompts], batch_first=True)
        return self.encode(ids.to(lens.device), lens)

    def encode(self, ids, lens):
        """The same of padded ids [B, L] and their lengths [B]."""
        seen = torch.arange(ids.shape[1], device=ids.device) < lens[:, None]
        x = self.table[ids]
        heads = self.cfg["heads"]
        angles = axis_angles(torch.arange(ids.shape[1], device=ids.device), self.cfg["width"] // heads // 2)
        for i in range(self.cfg["blocks"]):
            x = self[i](x, heads, angles, seen[:, None, None])
        x = rms_norm(x, self.gain)
        return x, rms_norm((x * seen[..., None]).sum(1) / lens[:, None], self.pool_gain), seen

# ---------------------------------------------------------------- transformer


def waves(x, n, top):
    """Sines and cosines of x·π·f, f from 1 to top in equal ratios, [...] → [..., n]."""
    a = x.double()[..., None] * math.pi * top ** (torch.arange(n // 2, device=x.device).double() / (n // 2 - 1))
    return torch.cat((a.sin(), a.cos()), -1)


def grid_angles(start, g, h, w, d):
    """Angles [g·h·w, d/2]: a third of the pairs, rounded up, turn with time,
    half of the others, rounded up, with y, the rest with x."""
    half = d // 2
    nt = -(-half // 3)
    ny = -(-(half - nt) // 2)
    t, y, x = torch.meshgrid(torch.arange(start, start + g), torch.arange(h), torch.arange(w), indexing="ij")
    parts = axis_angles(t, nt), axis_angles(y, ny), axis_angles(x, half - nt - ny)
    return torch.cat(parts, -1).flatten(0, 2)


class Plan:
    """What all blocks of a pass share: grid, chunks, positions, conditions."""

    def __init__(self, z, start, chunks, head, text):
        self.g, self.h, self.w = z.shape[1], z.shape[2] // 2, z.shape[3] // 2
        self.angles = grid_angles(start, self.g, self.h, self.w, head).to(z.device)
        self.sizes = [c * self.h * self.w for c in chunks]
        chunk = torch.repeat_interleave(torch.arange(len(chunks)), torch.tensor(self.sizes)).to(z.device)
        ago = chunk[:, None] - chunk[None, :]
        self.mask = (ago == 0) | (ago == 1)
        self.text, self.pooled, seen = text
        self.text_mask = seen[:, None, None]

    def finer(self):
        """The plan of the cells, four to a token."""
        p = copy.copy(self)
        p.h, p.w = 2 * self.h, 2 * self.w
        return p

    def spread(self, rows):
        """Vectors of groups [B, G, C] to their tokens [B, N, C]."""
        return rows.repeat_interleave(self.h * self.w, 1)


class FeedForward(Module):
    """A gated layer with a causal depthwise convolution inside (Xie 2024), and
    in a mixture experts beside it, chosen token by token."""

    def __init__(self, c, mixture):
        super().__init__()
        w, hidden = c["width"], c["hidden"] // (2 if mixture else 1)
        self.mixture, self.top_k, self.experts = mixture, c["top_k"], c["experts"]
        self.add(out=Linear(hidden, w), **{"in": Linear(w, 2 * hidden)})
        self.normal("conv", 0.1, 2, 3, 3, 2 * hidden)
        self.normal("conv_bias", 0, 2 * hidden)
        self.conv.data[1, 1, 1] += 1
        if mixture:
            h = c["hidden"] // 2 // c["top_k"]
            self.normal("router", 1 / math.sqrt(w), c["experts"], w)
            self.add(experts1=Experts(c["experts"], w, 2 * h), experts2=Experts(c["experts"], h, w))
            self.register_buffer("router_bias", torch.zeros(c["experts"]))
            self.count = torch.zeros(c["experts"])

    def forward(self, x, plan):
        h = self["in"](x).unflatten(1, (plan.g, plan.h, plan.w))
        h = depthwise(h, self.conv, self.conv_bias).flatten(1, 3)
        y = self.out(swiglu(h))
        return y + self.mix(x) if self.mixture else y

    def mix(self, x):
        """Σ over the top-k experts by probability + bias of probability·expert(x);
        the bias (Wang 2024) changes the choice, not the weight. All experts run
        on all tokens: on a GPU that is simpler, and no slower at this size."""
        probs = F.linear(x, self.router).softmax(-1)
        top = (probs.detach() + self.router_bias).topk(self.top_k, -1).indices
        chosen = torch.zeros_like(probs).scatter(-1, top, 1.0)
        with torch.no_grad():
            self.count = self.count.to(x.device) + chosen.flatten(0, -2).sum(0)
        h = swiglu(torch.einsum("bnc,ehc->bneh", x, self.experts1.weight))
        y = torch.einsum("bneh,ech,bne->bnc", h, self.experts2.weight, probs * chosen)
        return y * (self.experts / (2 * self.top_k))


class Experts(Module):
    def __init__(self, experts, i, o):
        super().__init__()
        self.normal("weight", 1 / math.sqrt(i), experts, o, i)


class Block(Module):
    def __init__(self, c, i):
        super().__init__()
        f, w, t = c["flow"], c["flow"]["width"], c["text"]["width"]
        self.heads = f["heads"]
        self.softmax = f["softmax"] > 0 and i % f["softmax"] == f["softmax"] - 1
        self.normal("table", 0.02, 1, 6 * w)
        self.table.data[0, 2 * w:3 * w] += 0.3
        self.table.data[0, 5 * w:] += 0.3
        self.ones("attn_gain", "text_gain", "ffn_gain", size=w)
        self.ones("q_gain", "k_gain", "text_q_gain", "text_k_gain", size=w // f["heads"])
        self.add(q=Linear(w, w), k=Linear(w, w), v=Linear(w, w), o=Linear(w, w), text_q=Linear(w, w),
                 text_k=Linear(t, w), text_v=Linear(t, w), text_o=Linear(w, w, 0.5),
                 ffn=FeedForward(f, f["experts"] > 0 and i % 2 == 1))

    def split(self, x):
        return x.unflatten(-1, (self.heads, -1))

    def attend(self, h, plan):
        q, k = rms_norm(self.split(self.q(h)), self.q_gain), rms_norm(self.split(self.k(h)), self.k_gain)
        v = self.split(self.v(h)).to(q.dtype)
        if self.softmax:
            y = attention(rotate(q, plan.angles), rotate(k, plan.angles), v, plan.mask)
        else:
            q, k = F.relu(q), F.relu(k)
            with torch.autocast(h.device.type, enabled=False):
                y = linear_attention(q, k, rotate(q, plan.angles), rotate(k, plan.angles), v, plan.sizes)
        return y.flatten(-2)

    def attend_text(self, h, plan):
        q = rms_norm(self.split(self.text_q(h)), self.text_q_gain)
        k = rms_norm(self.split(self.text_k(plan.text)), self.text_k_gain)
        return attention(q, k, self.split(self.text_v(plan.text)).to(q.dtype), plan.text_mask).flatten(-2)

    def forward(self, x, mods, plan):
        scale1, shift1, gate1, scale2, shift2, gate2 = plan.spread(mods + self.table).chunk(6, -1)
        x = x + gate1 * self.o(self.attend(rms_norm(x, self.attn_gain) * (1 + scale1) + shift1, plan))
        x = x + self.text_o(self.attend_text(rms_norm(x, self.text_gain), plan))
        return x + gate2 * self.ffn(rms_norm(x, self.ffn_gain) * (1 + scale2) + shift2, plan)


class FineBlock(Module):
    """A feed-forward layer with its depthwise convolution, modulated."""

    def __init__(self, w):
        super().__init__()
        self.normal("table", 0.02, 1, 3 * w)
        self.table.data[0, 2 * w:] += 0.3
        self.ones("gain", size=w)
        self.add(ffn=FeedForward({"width": w, "hidden": 2 * w, "top_k": 0, "experts": 0}, False))

    def forward(self, x, mods, plan):
        scale, shift, gate = plan.spread(mods + self.table).chunk(3, -1)
        return x + gate * self.ffn(rms_norm(x, self.gain) * (1 + scale) + shift, plan)


class Fine(Module):
    """Narrow layers at the resolution of the latents, four cells to a token,
    before and after the blocks (an hourglass, Nawrot 2022). What they add
    starts at zero."""

    def __init__(self, c):
        super().__init__()
        f, w, latent = c["flow"], c["flow"]["fine"], c["codec"]["latent"]
        self.count = f["fine_blocks"]
        self.add(mod=Linear(f["width"], 3 * w, 0.1), down=Linear(4 * w, f["width"], 0), up=Linear(f["width"], 4 * w),
                 out=Linear(w, latent, 0), **{"in": Linear(latent, w)})
        self.ones("gain", size=w)
        for i in range(2 * self.count):
            self.add(**{str(i): FineBlock(w)})

    def run(self, which, x, mods, plan):
        for i in which:
            x = self[i](x, mods, plan)
        return x

    def enter(self, z, mods, plan):
        """Noisy latents z [B, G, H, W, C] → cells [B, G·H·W, fine], and what
        the tokens get of them [B, N, width]."""
        cells = self.run(range(self.count), self["in"](z).flatten(1, 3), mods, plan)
        grid = cells.unflatten(1, (plan.g, plan.h, plan.w))
        return cells, self.down(unshuffle(grid, 1, 2, 2)).flatten(1, 3)

    def leave(self, tokens, cells, mods, plan):
        """What the cells add to the predicted latents [B, G, H, W, C]."""
        grid = self.up(tokens).unflatten(1, (plan.g, plan.h // 2, plan.w // 2))
        x = cells + shuffle(grid, 1, 2, 2).flatten(1, 3)
        x = rms_norm(self.run(range(self.count, 2 * self.count), x, mods, plan), self.gain)
        return self.out(x).unflatten(1, (plan.g, plan.h, plan.w))


class Flow(Module):
    TIME, CLOCK, PLACE = (64, 64.0), (32, 16.0), (16, 8.0)  # sizes and top frequencies of the sinusoidal codes

    def __init__(self, c):
        super().__init__()
        f, w, token = c["flow"], c["flow"]["width"], 4 * c["codec"]["latent"]
        self.cfg = f
        self.add(t1=Linear(self.TIME[0], w), t2=Linear(w, w), clock=Linear(2 * self.CLOCK[0], w, 0.5),
                 pooled=Linear(c["text"]["width"], w), mod=Linear(w, 6 * w, 0.1), out_mod=Linear(w, 2 * w, 0.1),
                 out=Linear(w, token, 0.1), **{"in": Linear(token + 2 * self.PLACE[0], w)})
        self.normal("first", 0.02, 1, w)
        self.ones("gain", size=w)
        for i in range(f["blocks"]):
            self.add(**{str(i): Block(c, i)})
        if f.get("fine"):
            self.add(fine=Fine(c))
        if f.get("steps"):
            self.add(stride=Linear(self.TIME[0], w, 0))

    def plan(self, z, text, start, chunks):
        return Plan(z, start, chunks, self.cfg["width"] // self.cfg["heads"], text)

    def condition(self, t, place, seconds, start, plan, stride=None):
        """One vector a group [B, G, width] of noise level, how far the sampler's
        step goes from there, place in the film, its length and the prompt."""
        dtype = self.first.dtype
        length = (seconds.double().log2() / 8)[:, None].expand_as(place)
        clock = torch.cat((waves(place / 2, *self.CLOCK), waves(length, *self.CLOCK)), -1).to(dtype)
        cond = self.t2(F.silu(self.t1(waves(t + 0.5, *self.TIME).to(dtype)))) + self.clock(clock)
        if self.cfg.get("steps"):
            stride = torch.zeros_like(t) if stride is None else stride
            cond = cond + self.stride(waves(stride + 0.5, *self.TIME).to(dtype))
        cond = cond + self.pooled(plan.pooled)[:, None]
        is_first = (torch.arange(start, start + plan.g, device=t.device) == 0).to(dtype)
        return F.silu(cond + is_first[:, None] * self.first)

    def places(self, plan, device):
        """Where in the frame each token is [h, w, codes]."""
        y = waves((torch.arange(plan.h, device=device).double() + 0.5) / plan.h, *self.PLACE)
        x = waves((torch.arange(plan.w, device=device).double() + 0.5) / plan.w, *self.PLACE)
        return torch.cat((y[:, None].expand(-1, plan.w, -1), x[None].expand(plan.h, -1, -1)), -1)

    def forward(self, z, t, place, seconds, text, start, chunks, stride=None):
        """The clean latents of noisy z [B, G, H, W, C], whose groups have the
        noise levels t [B, G]: 0 is noise, 1 is clean. place [B, G], seconds [B].
        stride [B, G] is how far a step goes, which a distilled model is told."""
        plan = self.plan(z, text, start, chunks)
        tokens = unshuffle(z, 1, 2, 2)
        codes = self.places(plan, z.device).to(z.dtype).expand(*tokens.shape[:2], -1, -1, -1)
        x = self["in"](torch.cat((tokens, codes), -1)).flatten(1, 3)
        cond = self.condition(t, place, seconds, start, plan, stride)
        if self.cfg.get("fine"):
            cell_mods, fine_plan = self.fine.mod(cond), plan.finer()
            cells, seen = self.fine.enter(z, cell_mods, fine_plan)
            x = x + seen
        mods = self.mod(cond)
        for i in range(self.cfg["blocks"]):
            x = self[i](x, mods, plan)
        scale, shift = plan.spread(self.out_mod(cond)).chunk(2, -1)
        x = rms_norm(x, self.gain) * (1 + scale) + shift
        y = shuffle(self.out(x).unflatten(1, (plan.g, plan.h, plan.w)), 1, 2, 2)
        return y + self.fine.leave(x, cells, cell_mods, fine_plan) if self.cfg.get("fine") else y


class Model(Module):
    def __init__(self, cfg):
        super().__init__()
        self.cfg = cfg
        self.storybook = 0  # the edition of the storybook whose words it was taught; 0 for none
        self.add(codec=Codec(cfg["codec"]), text=Text(cfg["text"]), flow=Flow(cfg))

    def mixtures(self):
        return [m for m in self.modules() if isinstance(m, FeedForward) and m.mixture]

    def save(self, path, tokenizer, state=None, half=None):
        """Large matrices in bf16 and the rest in f32, as Go does, or all in half."""
        wide = lambda v: torch.bfloat16 if v.dim() > 1 and v.numel() >= 4096 else torch.float32
        tensors = {k: v.to(half or wide(v)) for k, v in (state or self.state_dict()).items()}
        save_file(path, tensors, {"format": FORMAT, "config": json.dumps(self.cfg), "tokenizer": tokenizer.text, "storybook": str(self.storybook)})


def storybook(path, meta):
    """The edition of the storybook that a file's model was taught: files of
    before this key are of the first."""
    text = meta.get("storybook", "1")
    if not re.fullmatch("[0-9]+", text):
        raise SystemExit(f"{path}: its model was taught edition {text!r} of the storybook, which is no whole number from 0")
    return int(text)


def open_model(path):
    """The model and the tokenizer of a weights file, of whoever's making."""
    tensors, meta = load_file(path)
    if meta.get("format") != FORMAT:
        raise SystemExit(f"{path}: the format is {meta.get('format')!r}, not {FORMAT!r}")
    model = Model(json.loads(meta["config"]))
    model.load_state_dict({k: v.float() for k, v in tensors.items()})
    model.storybook = storybook(path, meta)
    return model, Tokenizer(meta["tokenizer"])


def velocity_weight(t):
    """Turns the error of the clean latent into that of the velocity
    (x - z)/(1 - t), bounded near t = 1; what is given (t = 1) counts nothing."""
    return torch.where(t == 1, torch.zeros_like(t), (1 - t).clamp(min=0.3) ** -2)


def velocity_loss(y, x, t):
    """Squared error of y against the clean x [B, G, H, W, C], weighted by the
    levels t [B, G]."""
    return (velocity_weight(t)[:, :, None, None, None] * (y - x).square()).mean()

# -------------------------------------------------------------------- goldens


TINY = {
    "width": 64, "height": 32, "fps": 24,
    "codec": {"latent": 8, "enc_width": 12, "enc_blocks": 1, "dec_width": 10, "dec_blocks": 1,
              "deep_width": 24, "enc_deep": 1, "dec_deep": 1, "head": 14},
    "text": {"vocab": 300, "width": 32, "blocks": 2, "heads": 2, "max": 16},
    "flow": {"width": 32, "blocks": 4, "heads": 2, "hidden": 64, "softmax": 4, "experts": 4, "top_k": 2, "groups": 2,
             "fine": 12, "fine_blocks": 1, "steps": 4, "guidance": 3},
}
SENTENCES = ["", "a red ball bounces across a beach at sunset", "a red balloon rises.  [Pan left] then (2) cats!",
             "\u4e00\u53ea\u7ea2\u7403\u5728\u6d77\u6ee9\u4e0a, 12\u4e2a", "\u0643\u0631\u0629 \u062d\u0645\u0631\u0627\u0621\n\tend  "]


def toy_tokenizer():
    """Merges that join the pairs seen most often in SENTENCES."""
    words = [tuple(3 + b for b in p.encode()) for s in SENTENCES for p in pieces(s)]
    merges = []
    for token in range(259, 291):
        counts = {}
        for w in words:
            for pair in zip(w, w[1:]):
                counts[pair] = counts.get(pair, 0) + 1
        pair = max(sorted(counts), key=counts.get)
        merges.append(list(pair))
        for i, w in enumerate(words):
            out = []
            for id in w:
                if out and (out[-1], id) == pair:
                    out[-1] = token
                else:
                    out.append(id)
            words[i] = tuple(out)
    return Tokenizer(json.dumps({"format": "kinora-bpe", "version": 1, "merges": merges}, separators=(",", ":")))


class Goldens:
    """What goes into the file: inputs in half precision, which the model is
    given exactly, and results in single precision of sums in double."""

    def __init__(self, seed):
        self.rng, self.out = torch.Generator().manual_seed(seed), {}

    def given(self, name, *shape, x=None):
        x = torch.randn(*shape, generator=self.rng) if x is None else x
        self.out["in/" + name] = x.half()
        return self.out["in/" + name].double()

    def want(self, name, x):
        self.out["want/" + name] = x.detach().float()

    def grads(self, name, module, prefix=""):
        for k, p in module.named_parameters():
            assert p.grad is not None and p.grad.abs().max() > 0, k
            self.want(f"{name}/{prefix}{k}", p.grad)
            p.grad = None


def golden_codec(g, m):
    c = TINY["codec"]
    x = g.given("spatial", 2, 3, 4, 5, c["enc_width"])
    g.want("spatial", m.codec.enc[0](x))
    x = g.given("deep", 2, 3, 3, 5, c["deep_width"])
    g.want("deep", m.codec.enc_deep[0](x))
    for _ in range(100):
        x = g.given("video", x=torch.randint(-64, 65, (2, 9, 32, 64, 3), generator=g.rng) / 64)
        noise = g.given("noise", 2, 2, 2, 4, c["latent"])
        parts, margin = codec_loss(m.codec, x, 0.25 * noise)
        if margin > 2e-6:  # rounding must not turn the sign of a difference
            break
    else:
        raise SystemExit("no video has differences far enough from zero")
    for name, v in parts.items():
        g.want("codec_loss/" + name, v.reshape(1))
    parts["total"].backward()
    g.grads("codec_grad", m.codec, "codec.")
    g.want("encode", m.codec.encode(x))
    g.want("encode_frame", m.codec.encode(x[:, :1]))
    g.want("encode_closely", m.codec.encode_closely(x))
    g.want("encode_rest", m.codec.encode(x[:, 1:], first=False))
    z = g.given("latents", 2, 2, 2, 2, c["latent"])
    g.want("decode", m.codec.decode(z))
    g.want("decode_frame", m.codec.decode(z[:, :1]))
    g.want("decode_rest", m.codec.decode(z[:1, 1:], first=False))


def golden_layers(g, m, text):
    """Single layers of the transformer: 2 windows of chunks of 3 and 2 groups of 2×3 tokens."""
    z, w = torch.zeros(2, 5, 4, 6, 8), TINY["flow"]["width"]
    plan = m.flow.plan(z, text, 0, [3, 2])
    g.want("axis_angles", torch.stack([f(axis_angles(torch.arange(7), 8)) for f in (torch.cos, torch.sin)]))
    g.want("grid_angles", torch.stack([f(grid_angles(3, 2, 2, 3, 16)) for f in (torch.cos, torch.sin)]))
    g.want("places", m.flow.places(plan, "cpu"))
    x, mods = g.given("tokens", 2, 30, w), g.given("mods", 2, 5, 6 * w)
    g.want("attend_linear", m.flow[0].attend(x, plan))
    g.want("attend_softmax", m.flow[3].attend(x, plan))
    g.want("attend_text", m.flow[0].attend_text(x, plan))
    g.want("ffn_dense", m.flow[0].ffn(x, plan))
    g.want("ffn_mixture", m.flow[1].ffn(x, plan))
    for i in range(4):
        g.want(f"block/{i}", m.flow[i](x, mods, plan))
    fine, mods = plan.finer(), g.given("fine_mods", 2, 5, 3 * TINY["flow"]["fine"])
    cells, seen = m.flow.fine.enter(g.given("fine_z", 2, 5, 4, 6, 8), mods, fine)
    g.want("fine_cells", cells)
    g.want("fine_seen", seen)
    g.want("fine_leave", m.flow.fine.leave(x, cells, mods, fine))


def check_choices(m, margin=1e-4):
    """Rounding must not change which experts a token runs."""
    for f in m.mixtures():
        def hook(f, args):
            s = (F.linear(args[0], f.router).softmax(-1) + f.router_bias).sort(-1, descending=True).values
            gap = (s[..., f.top_k - 1] - s[..., f.top_k]).min().item()
            assert gap > margin, f"experts are {gap} from a tie: choose another seed"
        f.register_forward_pre_hook(hook)


def golden_flow(g, m, prompts):
    text = m.text(prompts)
    g.want("text/tokens", text[0])
    g.want("text/pooled", text[1])
    golden_layers(g, m, text)
    t = g.given("levels", x=torch.tensor([[1, .25, .25, .5, .5], [.875, .875, .875, .125, .125]]))
    place = g.given("place", x=torch.tensor([[0, .125, .25, .375, .5], [.5, .5625, .625, .6875, .75]]))
    seconds = g.given("seconds", x=torch.tensor([6.0, 4.5]))
    stride = g.given("strides", x=torch.tensor([[0, .25, .25, .5, .5], [.125, .125, .125, .25, .25]]))
    plan = m.flow.plan(torch.zeros(2, 5, 4, 6, 8), text, 0, [3, 2])
    g.want("condition", m.flow.condition(t, place, seconds, 0, plan, stride))
    z, clean = g.given("z", 2, 5, 4, 6, 8), g.given("clean", 2, 5, 4, 6, 8)
    g.want("forward_late", m.flow(z[:, :2], t[:, :2], place[:, :2], seconds, text, 7, [2]))
    y = m.flow(z, t, place, seconds, text, 0, [3, 2], stride)
    g.want("forward", y)
    loss = velocity_loss(y, clean, t)
    g.want("flow_loss", loss.reshape(1))
    g.want("velocity_weight", velocity_weight(t))
    loss.backward()
    for part in ("text", "flow"):
        g.grads("flow_grad", m[part], part + ".")


def op_goldens():
    """Every operation with arithmetic in it: shapes of its arguments, and what it computes of them."""
    def limit(x, rows):
        return torch.arange(x)[None, :] < torch.tensor(rows)[:, None]
    seen = torch.zeros(9, 11, dtype=torch.bool)
    for i in range(9):
        seen[i, (0 if i < 4 else 3):(5 if i < 4 else 11)] = True
    seen = seen[None, None] & limit(11, [11, 8])[:, None, None]
    spread = lambda x, r: r.repeat_interleave(x.shape[0] // r.shape[0], 0)
    angles = axis_angles(torch.arange(5), 4)
    return {
        "Linear": ([(37, 19), (23, 19), (23,)], lambda x, w, b: F.silu(F.linear(x, w, b))),
        "LinearGELU": ([(5, 19), (70, 19)], lambda x, w: F.gelu(F.linear(x, w), approximate="tanh")),
        "GroupedLinear": ([(9, 19), (3, 7, 19)], lambda x, w: torch.cat((x[:4] @ w[0].T, x[4:] @ w[2].T))),
        "SwiGLU": ([(7, 38)], swiglu),
        "Softmax": ([(7, 19)], lambda x: x.softmax(-1)),
        "RMSNorm": ([(7, 19), (19,)], rms_norm),
        "Modulate": ([(6, 19), (2, 19), (2, 19)], lambda x, s, t: x * (1 + spread(x, s)) + spread(x, t)),
        "GatedAdd": ([(6, 19), (6, 19), (2, 19)], lambda x, z, a: x + spread(x, a) * z),
        "AddRows": ([(6, 19), (3, 19)], lambda x, r: x + spread(x, r)),
        "Conv": ([(2, 3, 5, 7, 9), (11, 2, 3, 3, 9), (11,)], lambda x, w, b: F.silu(causal_conv(x, w, b))),
        "ConvTime": ([(2, 3, 2, 3, 19), (19, 2, 1, 1, 19), (19,)], causal_conv),
        "Depthwise": ([(2, 3, 5, 7, 19), (2, 3, 3, 19), (19,)], depthwise),
        "Unshuffle": ([(2, 4, 4, 6, 3)], lambda x: unshuffle(x, 2, 2, 3)),
        "Shuffle": ([(2, 2, 2, 2, 36)], lambda x: shuffle(x, 2, 2, 3)),
        "AvgPool2": ([(2, 3, 4, 6, 5)], avg_pool2),
        "RoPE": ([(2, 5, 3, 8)], lambda x: rotate(x, angles)),
        "Attention": ([(2, 9, 3, 8), (2, 11, 3, 8), (2, 11, 3, 8)], lambda q, k, v: attention(q, k, v, seen)),
        "LinearAttention": ([(2, 9, 3, 8)] * 5, lambda q, k, qr, kr, v: linear_attention(q ** 2, k ** 2, qr, kr, v, [4, 5])),
        "PoolRows": ([(2, 5, 19)], lambda x: torch.stack((x[0].mean(0), x[1, :3].mean(0)))),
        "MSE": ([(6, 19), (6, 19)], lambda x, y: ((x - y).square().mean(-1) * torch.arange(6) / 2).mean().reshape(1)),
        "L1": ([(6, 19), (6, 19)], lambda x, y: (x - y).abs().mean().reshape(1)),
        "MeanSquare": ([(6, 19)], lambda x: x.square().mean().reshape(1)),
    }


def golden_ops(g):
    for name, (shapes, f) in op_goldens().items():
        xs = [g.given(f"op/{name}/{i}", *s).requires_grad_() for i, s in enumerate(shapes)]
        y = f(*xs)
        g.want(f"op/{name}", y)
        y.backward(g.given(f"op/{name}/dy", *y.shape))
        for i, x in enumerate(xs):
            g.want(f"op/{name}/d{i}", x.grad)


def golden(a):
    torch.manual_seed(a.seed)
    tokenizer, m = toy_tokenizer(), Model(TINY)
    with torch.no_grad():  # nothing may be zero or one: it would hide a mistake
        for k, v in m.state_dict().items():
            if k.endswith(("gain", "bias", "latent_mean", "latent_std")) or not v.any():
                v += (0.05 if "router" in k else 0.2) * torch.randn_like(v)
            v.copy_(v.half().float())
    os.makedirs(a.out, exist_ok=True)
    m.save(os.path.join(a.out, "tiny.safetensors"), tokenizer, half=torch.float16)
    m.double()
    check_choices(m)
    ids = [tokenizer.encode(s, TINY["text"]["max"]) for s in SENTENCES]
    g = Goldens(a.seed)
    golden_ops(g)
    golden_codec(g, m)
    golden_flow(g, m, [ids[1], ids[0]])
    save_file(os.path.join(a.out, "golden.safetensors"), g.out, {"sentences": json.dumps(SENTENCES), "ids": json.dumps(ids)})
    size = sum(os.path.getsize(os.path.join(a.out, n)) for n in os.listdir(a.out))
    print(f"{len(g.out)} tensors, {size / 2**20:.2f} MiB in {a.out}")

# --------------------------------------------------------------- command line


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sub = p.add_subparsers(dest="command", required=True)
    c = sub.add_parser("golden", help="write what every layer and gradient must be")
    c.add_argument("--out", required=True, metavar="DIR")
    c.add_argument("--seed", type=int, default=2)
    golden(p.parse_args())


if __name__ == "__main__":
    main()
