#!/usr/bin/env python3
"""Trains reel on one GPU, from films that kinora draws beside it.

  train.py check --from FILE
      holds the fast forms of operations below against the plain ones of reel.py
  train.py codec --from FILE --kinora BINARY --out FILE --minutes 3
      trains the codec, or its decoder alone
  train.py flow --from FILE --kinora BINARY --out FILE --minutes 8
      trains the transformer and the text encoder on the codec's latents

A run is given minutes, not steps: GPUs are lent by the minute, and the learning
rate falls to zero as the time is up. README.md tells more.

Runs on torch 1.13 and later; without a GPU slowly, for trying it out.
"""
import argparse
import json
import math
import queue
import subprocess
import threading
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

import reel

# ------------------------------------------------------------ fast operations
#
# The same functions as in reel.py, in a form that suits a GPU. use_fast puts
# them in the place of the plain ones, check compares the two.


def causal_conv(x, w, bias, groups=1):
    """One frame's convolution in two dimensions, channels last; one pixel's as a product."""
    n, t, h, wd, c = x.shape
    o, kt, kh, kw, _ = w.shape
    if groups == 1 and kt == 1:
        y = F.conv2d(x.reshape(n * t, h, wd, c).permute(0, 3, 1, 2), w[:, 0].permute(0, 3, 1, 2), bias, padding=(kh // 2, kw // 2))
        return y.permute(0, 2, 3, 1).reshape(n, t, h, wd, o)
    if groups == 1 and kt == 2 and kh == kw == 1:
        before = F.pad(x[:, :-1], (0, 0, 0, 0, 0, 0, 1, 0))
        return F.linear(torch.cat((before, x), -1), w.flatten(1), bias)
    return plain["causal_conv"](x, w, bias, groups)


def rms_norm(x, gain):
    """One pass over memory, and in the precision of x."""
    if not hasattr(F, "rms_norm"):
        return plain["rms_norm"](x, gain).to(x.dtype)
    return F.rms_norm(x, gain.shape, gain.to(x.dtype), reel.EPS)


class Depthwise(torch.autograd.Function):
    """A causal 2×3×3 convolution of each channel of x [C, B, G, N], the N
    pixels of a frame, as a product with m [C, N, 2N], whose columns are what a
    pixel gives to its own frame and to the next. A frame is small here, and a
    GPU's units for products are idle otherwise."""

    @staticmethod
    def forward(ctx, x, m):
        c, b, g, n = x.shape
        ctx.save_for_backward(x, m)
        z = torch.bmm(x.reshape(c, b * g, n), m).view(c, b, g, 2, n)
        y = z[:, :, :, 0]
        y[:, :, 1:] += z[:, :, :-1, 1]
        return y

    @staticmethod
    def backward(ctx, dy):
        x, m = ctx.saved_tensors
        c, b, g, n = x.shape
        dz = dy.new_zeros(c, b, g, 2, n)
        dz[:, :, :, 0] = dy
        dz[:, :, :-1, 1] = dy[:, :, 1:]
        dz = dz.view(c, b * g, 2 * n)
        return torch.bmm(dz, m.transpose(1, 2)).view(x.shape), torch.bmm(x.reshape(c, b * g, n).transpose(1, 2), dz)


cached_taps = {}


def depthwise_taps(h, w, device, dtype):
    """Which of the 18 weights stands where in Depthwise's m [18, h·w·2·h·w]."""
    key = h, w, device, dtype
    if key not in cached_taps:
        taps = torch.zeros(2, 3, 3, h, w, 2, h, w)
        for dt in range(2):
            for dy in range(3):
                for dx in range(3):
                    for y in range(max(0, 1 - dy), min(h, h + 1 - dy)):
                        for x in range(max(0, 1 - dx), min(w, w + 1 - dx)):
                            taps[dt, dy, dx, y + dy - 1, x + dx - 1, 1 - dt, y, x] = 1
        cached_taps[key] = taps.reshape(18, -1).to(device, dtype)
    return cached_taps[key]


def feed_forward(self, x, plan):
    """reel.FeedForward with the channels first, as the convolution wants them."""
    w, n = self["in"].weight.to(x.dtype), plan.h * plan.w
    h = torch.addmm(self["in"].bias.to(x.dtype)[:, None], w, x.flatten(0, 1).t())
    m = (self.conv.reshape(18, -1).T @ depthwise_taps(plan.h, plan.w, x.device, self.conv.dtype)).reshape(len(h), n, 2 * n)
    h = Depthwise.apply(h.view(len(h), len(x), plan.g, n), m.to(x.dtype)) + self.conv_bias.to(x.dtype)[:, None, None, None]
    a, b = h.chunk(2, 0)
    y = self.out((F.silu(a) * b).flatten(1).t()).view(x.shape)
    return y + mix(self, x) if self.mixture else y


def mix(self, x):
    """reel.FeedForward.mix in two products."""
    probs = F.linear(x, self.router).to(self.router.dtype).softmax(-1)
    top = (probs.detach() + self.router_bias).topk(self.top_k, -1).indices
    chosen = torch.zeros_like(probs).scatter(-1, top, 1.0)
    with torch.no_grad():
        self.count = self.count.to(x.device) + chosen.flatten(0, -2).sum(0)
    h = F.linear(x, self.experts1.weight.flatten(0, 1)).unflatten(-1, (self.experts, -1))
    a, b = h.chunk(2, -1)
    h = F.silu(a) * b * (probs * chosen * (self.experts / (2 * self.top_k))).to(x.dtype).unsqueeze(-1)
    return F.linear(h.flatten(-2), self.experts2.weight.transpose(0, 1).flatten(1))


def attention(q, k, v, mask=None):
    """Without a mask, or with the sizes of the runs of tokens of which each
    sees itself and the one before."""
    if isinstance(mask, list):
        if len(mask) > 1:
            n = mask[0]
            return torch.cat((attention(q[:, :n], k[:, :n], v[:, :n]), attention(q[:, n:], k, v, mask[1:])), 1)
        mask = None
    if mask is not None or not hasattr(F, "scaled_dot_product_attention"):
        return plain["attention"](q, k, v, mask)
    if q.is_cuda:
        q, k, v = (x.bfloat16() for x in (q, k, v))
    return F.scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)).transpose(1, 2)


def rotate(x, angles):
    """reel.rotate of x [B, N, ..., H, D] by angles [N, D/2]."""
    cos = torch.stack((angles.cos(), angles.cos()), -1).flatten(-2)
    sin = torch.stack((-angles.sin(), angles.sin()), -1).flatten(-2)
    cos, sin = (t.to(x.dtype).view(1, len(t), *[1] * (x.dim() - 3), -1) for t in (cos, sin))
    swapped = x.unflatten(-1, (-1, 2)).flip(-1).flatten(-2)
    return torch.addcmul(x * cos, swapped, sin)


def linear_attention(q, k, qr, kr, v, sizes):
    """reel.linear_attention with its products in the precision of q."""
    out, before = [], None
    for q, k, qr, kr, v in zip(*(x.split(sizes, 1) for x in (q, k, qr, kr, v))):
        own = torch.einsum("bkhd,bkhe->bhde", kr, v), k.sum(1)
        kv, total = own if before is None else (own[0] + before[0], own[1] + before[1])
        den = torch.einsum("bqhd,bhd->bqh", q, total).to(q.dtype)
        den = (den.float() if q.is_cuda else den) + reel.EPS
        out.append((torch.einsum("bqhd,bhde->bqhe", qr, kv) / den.unsqueeze(-1)).to(v.dtype))
        before = own
    return torch.cat(out, 1)


def attend(self, h, plan):
    """reel.Block.attend with queries, keys and values in one product."""
    w, b = (torch.cat([getattr(m, part) for m in (self.q, self.k, self.v)]) for part in ("weight", "bias"))
    x = F.linear(h, w, b).unflatten(-1, (3, self.heads, -1))
    gain = torch.stack((self.q_gain, self.k_gain))[:, None].to(x.dtype)
    qk, v = (rms_norm(x[:, :, :2], torch.ones_like(self.q_gain)) * gain).to(x.dtype), x[:, :, 2]
    if self.softmax:
        q, k = rotate(qk, plan.angles).unbind(2)
        return attention(q, k, v, plan.sizes).flatten(-2)
    qk = F.relu(qk)
    return linear_attention(*qk.unbind(2), *rotate(qk, plan.angles).unbind(2), v, plan.sizes).flatten(-2)


def block_forward(self, x, mods, plan):
    """reel.Block.forward without a copy of the condition for each token. What
    is added up is in f32, all else on a GPU in bf16."""
    x, low = (x.float(), torch.bfloat16) if x.is_cuda else (x, x.dtype)
    scale1, shift1, gate1, scale2, shift2, gate2 = (mods + self.table).to(low).unsqueeze(2).chunk(6, -1)
    groups = lambda x: x.unflatten(1, (plan.g, -1))
    modulated = lambda gain, scale, shift: torch.addcmul(shift, groups(rms_norm(x, gain).to(low)), 1 + scale).flatten(1, 2)
    x = x + (gate1 * groups(self.o(attend(self, modulated(self.attn_gain, scale1, shift1), plan)))).flatten(1, 2)
    x = x + self.text_o(self.attend_text(rms_norm(x, self.text_gain).to(low), plan))
    return x + (gate2 * groups(feed_forward(self.ffn, modulated(self.ffn_gain, scale2, shift2), plan))).flatten(1, 2)


plain = {f.__name__: getattr(reel, f.__name__) for f in (causal_conv, rms_norm, attention)}
plain_forward = reel.Block.forward


def use_fast(on=True):
    for f in (causal_conv, rms_norm, attention):
        setattr(reel, f.__name__, f if on else plain[f.__name__])
    reel.Block.forward = block_forward if on else plain_forward


def check(a):
    """Outputs and gradients, in double precision, of both forms."""
    torch.manual_seed(1)
    model, _ = reel.open_model(a.start)
    model.double()
    latent = model.cfg["codec"]["latent"]
    ids = torch.tensor([[1, 9, 8, 2, 0], [1, 7, 6, 5, 2]])

    def flow(chunks):
        def run(z):
            t, place = torch.linspace(0, 0.9, z.shape[1]).expand(2, -1), torch.linspace(0, 1, z.shape[1]).expand(2, -1)
            text = model.text.encode(ids, (ids > 0).sum(1))
            return model.flow(z, t.double(), place.double(), torch.tensor([6.0, 4.5]).double(), text, 0, chunks)
        return run
    cases = {
        "conv": (lambda x, w, b: reel.causal_conv(x, w, b), [(2, 3, 5, 7, 6), (4, 1, 3, 3, 6), (4,)]),
        "conv over time": (lambda x, w, b: reel.causal_conv(x, w, b), [(2, 3, 5, 7, 6), (4, 2, 1, 1, 6), (4,)]),
        "attention": (lambda q, k, v: reel.attention(q, k, v), [(2, 5, 3, 8)] * 3),
        "codec": (lambda x: model.codec.decode(model.codec.encode(x)), [(2, 17, 32, 64, 3)]),
        "transformer": (flow([3]), [(2, 3, 4, 6, latent)]),
        "transformer, two chunks": (flow([3, 2]), [(2, 5, 4, 6, latent)]),
    }
    for name, (f, shapes) in cases.items():
        xs = [torch.randn(s).double() for s in shapes]
        results = []
        for fast in (False, True):
            use_fast(fast)
            model.zero_grad()
            args = [x.clone().requires_grad_() for x in xs]
            y = f(*args)
            y.backward(torch.arange(y.numel()).double().cos().reshape(y.shape))
            results.append([y.detach()] + [x.grad for x in args] + [p.grad.clone() for p in model.parameters() if p.grad is not None])
        worst = max(((p - q).norm() / p.norm()).item() for p, q in zip(*results) if p.norm() > 0)
        print(f"{name}: {len(results[0])} results, relative L2 at most {worst:.1e}")
        if not worst < 1e-10:
            raise SystemExit(f"{name}: the two forms differ")

# ----------------------------------------------------------------------- films


class Films(threading.Thread):
    """Windows of films, drawn by kinora and handed to take, by whoever calls
    gather, as they come: seconds [N], place [N, G], ids [N, K, L], actors
    [N, G, h, w] in 0..255, frames [N, T, H, W, 3]."""

    def __init__(self, a, groups, seed, device, take, at_once=16):
        super().__init__(daemon=True)
        command = [a.kinora, "train", "frames", "--model", a.warm or a.start, "--groups", str(groups), "--seed", str(seed)]
        command += ["--simple"] if a.simple else []
        command += ["--films", a.folder] if a.folder else []
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=0)
        self.h = json.loads(self.process.stdout.readline())
        if self.h["format"] != "kinora-windows-1":
            raise SystemExit(f"{a.kinora} writes {self.h['format']}, which this trainer does not read")
        self.device, self.take, self.at_once = device, take, at_once
        self.waiting, self.free = queue.Queue(), queue.Queue()
        for _ in range(6):
            self.free.put(torch.empty(at_once, self.h["record"], dtype=torch.uint8, pin_memory=device.type == "cuda"))
        self.start()

    def run(self):
        while True:
            raw = self.free.get()
            view = memoryview(raw.numpy()).cast("B")
            while len(view):
                n = self.process.stdout.readinto(view)
                if not n:
                    self.waiting.put(None)
                    return
                view = view[n:]
            self.waiting.put(raw)

    def gather(self, wait=False):
        """Takes what has come since; with wait, at least something."""
        for _ in range(12):  # and then the step: on a slow machine more comes meanwhile
            if self.waiting.empty() and not wait:
                return
            raw, wait = self.waiting.get(), False
            if raw is None:
                raise SystemExit("kinora stopped drawing films")
            with torch.no_grad():
                self.take(*self.fields(raw.to(self.device, copy=True)))
            self.free.put(raw)

    def fields(self, raw):
        h, at = self.h, 0
        lh, lw = h["height"] // 16, h["width"] // 16
        for dtype, size, shape in ((torch.float32, 4, ()), (torch.float32, 4, (h["groups"],)), (torch.int16, 2, (h["captions"], h["max"])),
                                   (torch.uint8, 1, (h["groups"], lh, lw)), (torch.uint8, 1, (h["frames"], h["height"], h["width"], 3))):
            n = size * math.prod(shape)
            part = raw[:, at:at + n].contiguous()
            yield (part.view(dtype) if size > 1 else part).reshape(len(raw), *shape)
            at += n

    def stop(self):
        """Ends the drawing; what has come and was not gathered is lost."""
        self.process.kill()
        self.process.wait()


class Ring:
    """The newest windows, each field a tensor on the device."""

    def __init__(self, size):
        self.size, self.n, self.fields = size, 0, None

    def add(self, *fields):
        if self.fields is None:
            self.fields = [torch.empty(self.size, *f.shape[1:], dtype=f.dtype, device=f.device) for f in fields]
        at = (self.n + torch.arange(len(fields[0]))) % self.size
        for to, f in zip(self.fields, fields):
            to[at.to(to.device)] = f
        self.n += len(fields[0])

    def __len__(self):
        return min(self.n, self.size)


# ---------------------------------------------------------------------- recipe


class Muon(torch.optim.Optimizer):
    """Muon (Jordan 2024): the step of a matrix is its momentum made orthogonal
    by five Newton-Schulz iterations, scaled so that its root mean square is
    that of the rate. A stack of experts is one matrix each."""

    def __init__(self, params, lr, weight_decay):
        super().__init__(params, dict(lr=lr, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            params = [p for p in group["params"] if p.grad is not None]
            grads = [p.grad for p in params]
            for p in params:
                if not self.state[p]:
                    self.state[p]["momentum"] = torch.zeros_like(p)
            momenta = [self.state[p]["momentum"] for p in params]
            torch._foreach_mul_(momenta, 0.95)
            torch._foreach_add_(momenta, grads)
            looks = torch._foreach_add(grads, momenta, alpha=0.95)
            alike = {}  # of one shape: they go through the iterations together
            for p, look in zip(params, looks):
                look = look if p.dim() == 3 else look.flatten(1)[None]
                alike.setdefault(look.shape[1:], []).append((p, look))
            torch._foreach_mul_(params, 1 - group["lr"] * group["weight_decay"])
            for shape, steps in alike.items():
                x = self.orthogonal(torch.cat([look for _, look in steps]))
                parts = [o.reshape(p.shape) for (p, _), o in zip(steps, x.split([len(look) for _, look in steps]))]
                torch._foreach_add_([p for p, _ in steps], parts, alpha=-group["lr"] * math.sqrt(max(shape)))

    @staticmethod
    def orthogonal(x):
        tall = x.shape[1] > x.shape[2]
        x = x.transpose(1, 2) if tall else x
        x = x / (x.flatten(1).norm(dim=1)[:, None, None] + 1e-7)
        x = x.bfloat16() if x.is_cuda else x
        for _ in range(5):
            a = x @ x.transpose(1, 2)
            x = 3.4445 * x + (2.0315 * a @ a - 4.7750 * a) @ x
        return (x.transpose(1, 2) if tall else x).float()


class Recipe:
    """The optimizers and the moving average of internal/nn: weights decay,
    biases, gains and tables do not; the gradient is clipped at norm 1."""

    def __init__(self, a, named):
        self.a, self.steps, self.began = a, 0, time.time()
        named = [(k, p) for k, p in named if p.requires_grad]
        self.params = [p for _, p in named]
        matrix = lambda k, p: k.endswith("weight") and p.dim() >= 2 and p.shape[0] >= 16
        rest = [(k, p) for k, p in named if not matrix(k, p)]
        self.optimizers = [
            torch.optim.AdamW([{"params": [p for k, p in rest if k.endswith("weight")], "weight_decay": 0.01},
                               {"params": [p for k, p in rest if not k.endswith("weight")], "weight_decay": 0.0}],
                              lr=a.lr, betas=(0.9, 0.99), eps=1e-8),
            Muon([p for k, p in named if matrix(k, p)], a.lr, 0.01)]
        self.ema = {k: p.detach().clone() for k, p in named}

    def done(self):
        """The share of the time that is over."""
        return (time.time() - self.began) / (60 * self.a.minutes)

    def rate(self):
        """A linear rise, a plateau, a linear fall to zero (Hagele 2024)."""
        up, left = min(1, (self.steps + 1) / self.a.warmup), max(0, 1 - self.done())
        return self.a.lr * min(up, left / self.a.cooldown if self.a.cooldown else 1)

    def step(self):
        norm = nn.utils.clip_grad_norm_(self.params, 1.0)
        if torch.isfinite(norm):
            rate = self.rate()
            for o in self.optimizers:
                for group in o.param_groups:
                    group["lr"] = rate
                o.step()
            # A young average follows faster.
            decay = min(self.a.ema, (2 + self.steps) / (11 + self.steps))
            with torch.no_grad():
                average = list(self.ema.values())
                torch._foreach_mul_(average, decay)
                torch._foreach_add_(average, [p.detach() for p in self.params], alpha=1 - decay)
        self.steps += 1
        for p in self.params:
            p.grad = None
        return norm

    def average(self, model):
        """The model's state, with the averages in place of what was trained."""
        return {**model.state_dict(), **self.ema}


class Log:
    """A line every few seconds."""

    def __init__(self, recipe, every=5.0):
        self.recipe, self.every, self.last, self.began = recipe, every, time.time(), time.time()
        self.losses, self.samples = [], 0

    def add(self, loss, samples, more):
        self.losses.append(loss.detach())
        self.samples += samples
        now = time.time()
        if now - self.last < self.every:
            return
        loss = torch.stack(self.losses).mean().item()
        print(f"{now - self.began:5.0f} s  step {self.recipe.steps}  loss {loss:.4f}  lr {self.recipe.rate():.2e}  "
              f"{self.samples / (now - self.last):.0f} windows/s  {more()}", flush=True)
        self.losses, self.samples, self.last = [], 0, now


def autocast(device):
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda")

def open_model(a):
    """The model and the tokenizer of --from, in the shape of --shape, with
    what --warm has of text encoder and transformer. What is in neither, or of
    another shape there, is new."""
    tensors, meta = reel.load_file(a.start)
    cfg = json.loads(meta["config"])
    for part, sizes in json.loads(a.shape).items():
        cfg[part].update(sizes)
    taught = reel.storybook(a.start, meta)
    if a.warm:
        warm, warm_meta = reel.load_file(a.warm)
        tensors = {**{k: v for k, v in tensors.items() if k.startswith("codec.")},
                   **{k: v for k, v in warm.items() if not k.startswith("codec.")}}
        taught = reel.storybook(a.warm, warm_meta)
    model = reel.Model(cfg)
    model.storybook = taught
    own = model.state_dict()
    same = {k: v.float() for k, v in tensors.items() if k in own and v.shape == own[k].shape}
    model.load_state_dict({**own, **same})
    print("new:", " ".join(k for k in own if k not in same) or "nothing")
    return model, reel.Tokenizer(meta["tokenizer"])


# ----------------------------------------------------------------------- codec


def to_float(frames):
    return frames.float() / 127.5 - 1


def crops(frames, at, side):
    """Crops [N, T, side, side, 3] of windows at, from anywhere in a frame."""
    ys = torch.randint(frames.shape[2] - side + 1, (len(at),)).tolist()
    xs = torch.randint(frames.shape[3] - side + 1, (len(at),)).tolist()
    return to_float(torch.stack([frames[i, :, y:y + side, x:x + side] for i, y, x in zip(at.tolist(), ys, xs)]))


def codec_loss(codec, x, a, scale):
    """reel.codec_loss with noise of a deviation of its own for each video,
    relative to that of the latents: what the transformer makes is never quite
    a latent of a film, and the decoder is to draw that too."""
    z = codec.encode(x)
    u = torch.rand(len(z), 1, 1, 1, 1, device=z.device)
    noise = a.noise * u.square() * z.detach().float().square().mean().sqrt() * torch.randn(z.shape, device=z.device)
    y = codec.decode(z + noise).float()
    each = (y - x).square().flatten(1).mean(1)
    loss = ((y - x).abs().mean() + 0.2 * (each / each.detach().clamp_min(1e-3)).mean()
            + 1e-3 * z.float().square().mean() + (y.diff(dim=1) - x.diff(dim=1)).abs().mean())
    if scale:
        loss = loss + 0.25 * (codec.decode(reel.avg_pool2(z)).float() - reel.avg_pool2(x)).abs().mean()
    return loss


def decibels(codec, frames, device):
    with torch.no_grad(), autocast(device):
        x = to_float(frames)
        y = codec.decode(codec.encode(x)).float().clamp(-1, 1)
        return (10 * torch.log10(4 / (y - x).square().flatten(1).mean(1))).mean().item()


def measure_latents(codec, frames, device):
    """The mean and the deviation of each channel, of windows [N, T, H, W, 3]."""
    with torch.no_grad(), autocast(device):
        z = torch.cat([codec.encode(to_float(part)).float().flatten(0, 3) for part in frames.split(16)])
    codec.latent_mean.copy_(z.mean(0))
    codec.latent_std.copy_(z.std(0).clamp_min(1e-3))


def train_codec(a):
    device = start(a)
    model, tokenizer = open_model(a)
    model.to(device)
    codec = model.codec
    if a.decoder_only:
        for k, p in codec.named_parameters():
            p.requires_grad_(k.startswith(("from_latent", "dec", "up", "out", "head")))
    ring, kept = Ring(a.keep), Ring(64)
    films = Films(a, a.groups, a.seed, device, lambda seconds, place, ids, actors, frames: (kept if kept.n < 64 else ring).add(frames))
    recipe = Recipe(a, [("codec." + k, p) for k, p in codec.named_parameters()])
    while len(ring) < min(a.keep, 2 * a.batch):
        films.gather(wait=True)
    recipe.began = time.time()
    log = Log(recipe)
    try:
        while recipe.done() < 1:
            if films and ring.n < a.films:
                films.gather()
            elif films:
                films = films.stop()
            x = crops(ring.fields[0], torch.randint(len(ring), (a.batch,)), a.crop)
            with autocast(device):
                loss = codec_loss(codec, x, a, recipe.steps % 4 == 0 and not a.decoder_only)
            loss.backward()
            norm = recipe.step()
            log.add(loss, a.batch, lambda: f"norm {norm.item():.2f}  {decibels(codec, kept.fields[0][:16], device):.2f} dB  {ring.n} films")
    except KeyboardInterrupt:
        print("stopped")
    if a.raw:
        model.save(a.raw, tokenizer)
    model.load_state_dict(recipe.average(model))
    if films:
        films.stop()
    if not a.decoder_only:
        measure_latents(codec, ring.fields[0][-256:] if ring.n > a.keep else ring.fields[0][:min(ring.n, 256)], device)
    print(f"{recipe.steps} steps of {a.batch} crops of {a.crop}; averaged: {decibels(codec, kept.fields[0], device):.2f} dB on 64 films kept aside")
    model.save(a.out, tokenizer)

# ----------------------------------------------------------------- transformer


class Latents:
    """Rings of windows of different lengths; a step draws from those that are long enough."""

    def __init__(self, a, codec, device):
        self.a, self.codec, self.device, self.rings = a, codec, device, {}

    def films(self, groups, seed):
        ring = self.rings.setdefault(groups, Ring(self.a.keep))

        def take(seconds, place, ids, actors, frames):
            with autocast(self.device):
                z = self.codec.encode(to_float(frames)).float()
            z = (z - self.codec.latent_mean) / self.codec.latent_std
            ring.add(z.bfloat16(), actors, place, seconds, ids)
        return Films(self.a, groups, seed, self.device, take, at_once=8)

    def draw(self, n, groups):
        """Clean latents [n, G, H, W, C], actors' shares, place, seconds, ids [n, L]."""
        rings = [r for g, r in self.rings.items() if g >= groups and len(r)]
        counts = torch.tensor([float(len(r)) for r in rings])
        share = torch.distributions.Multinomial(n, counts).sample().int().tolist()
        parts = []
        for ring, m in zip(rings, share):
            at = torch.randint(len(ring), (m,), device=self.device)
            z, actors, place, seconds, ids = (f[at] for f in ring.fields)
            pick = torch.randint(ids.shape[1], (m,), device=self.device)
            ids = ids[torch.arange(m, device=self.device), pick]
            parts.append((z[:, :groups].float(), actors[:, :groups].float() / 255, place[:, :groups], seconds, ids.long()))
        return [torch.cat(x) for x in zip(*parts)]


def draw_levels(n, chunks, image, device):
    """Noise levels [n, G] as internal/train draws them: one a chunk, logit-normal
    (Esser 2024) with more at both ends; the past of a second chunk is clean, or
    nearly, half of the time, and the first frame sometimes given."""
    rand = lambda: torch.rand(n, device=device)
    runs = []
    for i, groups in enumerate(chunks):
        level, kind, u = torch.sigmoid(1.2 * torch.randn(n, device=device) - 1), rand() * 8, rand()
        level = torch.where(kind < 2, 0.2 * u ** 2, torch.where(kind < 3, 1 - 0.3 * u, level))
        if i < len(chunks) - 1:
            clean = torch.where(rand() < 0.5, 1 - 0.15 * rand(), torch.ones(n, device=device))
            level = torch.where(rand() < 0.5, clean, level)
        runs.append(level[:, None].expand(-1, groups))
    t = torch.cat(runs, 1).contiguous()
    t[:, 0] = torch.where(rand() < image, torch.ones(n, device=device), t[:, 0])
    return t


def flow_loss(model, clean, actors, place, seconds, ids, t, chunks):
    level = t[:, :, None, None, None]
    z = level * clean + (1 - level) * torch.randn_like(clean)
    y = model.flow(z, t, place, seconds, model.text.encode(ids, (ids > 0).sum(1)), 0, chunks).float()
    weight = reel.velocity_weight(t)[:, :, None, None] * (1 + 3 * actors)
    return ((y - clean).square().mean(-1) * weight).mean()


def balance(m, rate):
    """Moves the bias of a mixture's choice towards even use of its experts, by
    the sign of the error (Wang 2024); the largest share of one, times experts."""
    share = m.count / m.count.mean()
    m.router_bias += rate * (1 - share).sign()
    m.count.zero_()
    return share.max()


class Course:
    """The stages of a run, and the drawing of each one's windows, which begins
    before the stage does."""

    def __init__(self, a, data):
        self.a, self.data, self.now, self.drawn = a, data, 0, 0
        self.stages = []  # groups of a chunk, chunks, windows a step, share of the time at which it ends
        for text in a.stages.split(","):
            groups, chunks, batch, end = text.split(":")
            self.stages.append((int(groups), int(chunks), int(batch), float(end)))
        self.films = data.films(self.window(0), a.seed)
        while len(data.rings[self.window(0)]) < min(a.keep, self.stages[0][2]):
            self.films.gather(wait=True)

    def window(self, stage):
        groups, chunks, _, _ = self.stages[stage]
        return 1 + groups * chunks

    def stage(self, done):
        """Groups of each chunk and windows a step when a share of the time is over."""
        self.films.gather()
        last = len(self.stages) - 1
        while self.now < last and done >= self.stages[self.now][3]:
            self.now += 1
        while self.drawn < self.now or self.drawn < last and done >= self.stages[self.drawn][3] - self.a.ahead:
            self.films.stop()
            self.drawn += 1
            self.films = self.data.films(self.window(self.drawn), self.a.seed + self.drawn)
        while not any(g >= self.window(self.now) and len(r) for g, r in self.data.rings.items()):
            self.films.gather(wait=True)
        groups, chunks, batch, _ = self.stages[self.now]
        return [1 + groups] + [groups] * (chunks - 1), batch


def flow_gradients(model, data, empty, chunks, batch, micro):
    """The loss of a step's windows; the model has the gradients of its mean over all."""
    parts, device = max(1, batch // micro) if micro else 1, empty.device
    for _ in range(parts):
        clean, actors, place, seconds, ids = data.draw(batch // parts, sum(chunks))
        no_text = torch.rand(len(ids), device=device) < 0.1
        ids = torch.where(no_text[:, None], empty, ids)
        t = draw_levels(len(ids), chunks, 0.1, device)
        with autocast(device):
            loss = flow_loss(model, clean, actors, place, seconds, ids, t, chunks)
        (loss / parts).backward()
    return loss


def train_flow(a):
    device = start(a)
    model, tokenizer = open_model(a)
    model.codec.requires_grad_(False)
    model.to(device)
    data = Latents(a, model.codec, device)
    course = Course(a, data)
    recipe = Recipe(a, [(k, p) for k, p in model.named_parameters() if not k.startswith("codec.")])
    limit = model.cfg["text"]["max"]
    empty = torch.tensor((tokenizer.encode("", limit) + [0] * limit)[:limit], device=device)
    log, saved, worst = Log(recipe), 0, torch.ones(())
    try:
        while recipe.done() < 1:
            chunks, batch = course.stage(recipe.done())
            loss = flow_gradients(model, data, empty, chunks, batch, a.micro)
            norm = recipe.step()
            model.storybook = max(model.storybook, course.films.h.get("storybook", 0))
            for m in model.mixtures():
                worst = balance(m, 1e-3)
            log.add(loss, batch, lambda: f"norm {norm.item():.2f}  experts {worst.item():.2f}  windows "
                    + " ".join(f"{g}:{r.n}" for g, r in data.rings.items()))
            if a.save and recipe.done() > saved + 0.2:
                saved = recipe.done()
                model.save(a.save, tokenizer, state=recipe.average(model))
    except KeyboardInterrupt:
        print("stopped")
    course.films.stop()
    print(f"{recipe.steps} steps")
    if a.raw:
        model.save(a.raw, tokenizer)
    model.save(a.out, tokenizer, state=recipe.average(model))

# ---------------------------------------------------------------- command line


def start(a):
    torch.manual_seed(a.seed)
    use_fast()
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sub = p.add_subparsers(dest="command", required=True)
    c = sub.add_parser("check", help="hold the fast forms of operations against the plain ones")
    c.add_argument("--from", dest="start", required=True, metavar="FILE", help="weights of a small model, as golden writes")
    codec = sub.add_parser("codec", help="train the codec")
    flow = sub.add_parser("flow", help="train the transformer and the text encoder")
    for c in (codec, flow):
        c.add_argument("--from", dest="start", required=True, metavar="FILE", help="weights file: shapes, tokenizer, first weights")
        c.add_argument("--warm", metavar="FILE", help="take text encoder and transformer from there")
        c.add_argument("--shape", default="{}", metavar="JSON", help='sizes to change, as in {"codec": {"latent": 32}}')
        c.add_argument("--kinora", required=True, metavar="FILE", help="the kinora binary, which draws the films")
        c.add_argument("--folder", metavar="DIR", help="your own films, NAME.mp4 with captions in NAME.txt; without, the storybook")
        c.add_argument("--out", required=True, metavar="FILE", help="where the averaged weights go")
        c.add_argument("--raw", metavar="FILE", help="where the weights go that were not averaged")
        c.add_argument("--minutes", type=float, required=True, help="how long to train")
        c.add_argument("--lr", type=float, default=2e-3, help="peak learning rate")
        c.add_argument("--warmup", type=int, default=100, help="steps over which the rate rises")
        c.add_argument("--cooldown", type=float, default=0.5, help="share of the time, at the end, over which it falls")
        c.add_argument("--ema", type=float, default=0.998, help="decay of the moving average")
        c.add_argument("--simple", action="store_true", help="only films with one actor and one event")
        c.add_argument("--seed", type=int, default=1)
    codec.add_argument("--batch", type=int, default=96, help="crops a step")
    codec.add_argument("--crop", type=int, default=96, help="side of a crop, a multiple of 32")
    codec.add_argument("--groups", type=int, default=7, help="groups of a crop: fewer than the layers over time look back on make later ones worse")
    codec.add_argument("--keep", type=int, default=4000, help="films that may be drawn again, 6 MiB each on the GPU")
    codec.add_argument("--films", type=int, default=1 << 40, help="films to draw in all: without more, kinora stops drawing")
    codec.add_argument("--noise", type=float, default=0.25, help="largest deviation of noise on the latents, relative to theirs")
    codec.add_argument("--decoder-only", action="store_true", help="leave the encoder as it is")
    flow.add_argument("--stages", default="2:1:512:0.22,6:1:256:0.62,6:2:128:1", metavar="G:C:N:END,...",
                      help="groups of a chunk, chunks, windows a step, and the share of the time at which the stage ends")
    flow.add_argument("--ahead", type=float, default=0.1, help="share of the time by which films are drawn before their stage")
    flow.add_argument("--micro", type=int, default=0, help="windows of a forward pass; 0 for all")
    flow.add_argument("--keep", type=int, default=60000, help="windows of each length that may be drawn again")
    flow.add_argument("--save", metavar="FILE", help="where weights go now and then")
    a = p.parse_args()
    {"check": check, "codec": train_codec, "flow": train_flow}[a.command](a)


if __name__ == "__main__":
    main()
