"""Kinora's linear layers beside those of PyTorch and ggml, in turns on one machine.

    python3 tools/bench/linear.py --kinora ./kinora [--ggml ./ggml-bench] [--threads 2] [--rounds 3] [--busy]

Each round measures the linear layers of `kinora bench --what linear` by Kinora, those in bf16 by PyTorch, and the
square one by ggml; the best round of each counts. PyTorch takes and gives bf16, Kinora f32. The number after each
figure is Kinora's over the peer's: PyTorch's bf16 for bf16 and int8, ggml's for blocks. --busy compares processor
time instead of the clock, for a machine that does other work; a peer whose threads spin while they wait looks worse
then, so use it with --threads 1. How to build ggml-bench: README.md. Used with torch 2.15.0 and ggml 0.25.3.
"""

import argparse
import json
import os
import subprocess
import time

LAYERS = {  # as in internal/bench/linear.go: rows, in, out, times in a block
    "1.3B attention": (8190, 1536, 1536, 6),
    "1.3B up": (8190, 1536, 8960, 1),
    "1.3B down": (8190, 8960, 1536, 1),
    "5B attention": (4096, 3072, 3072, 6),
    "5B up": (4096, 3072, 14336, 1),
    "5B down": (4096, 14336, 3072, 1),
    "square": (4096, 4096, 4096, 1),
}
BLOCKS = ("q8_0", "q4_0")


def flops(layer):
    rows, k, n, _ = LAYERS[layer]
    return 2 * rows * k * n


def measure_kinora(args, env):
    command = [args.kinora, "bench", "--what", "linear", "--weights", "bf16,int8," + ",".join(BLOCKS), "--json"]
    out = subprocess.run(command + ["--busy"] * args.busy, env=env, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return {(s["kernel"], s["size"].split(",")[0]): s["gflops"] for s in json.loads(out.stdout)["linear"]}


def measure_torch(args):
    import torch
    import torch.nn.functional as F

    torch.set_num_threads(args.threads)
    now = (lambda: time.process_time() / args.threads) if args.busy else time.perf_counter
    out = {}
    with torch.inference_mode():
        for layer, (rows, k, n, _) in LAYERS.items():
            x, w = torch.randn(rows, k).bfloat16(), (torch.randn(n, k) / k**0.5).bfloat16()
            best = float("inf")
            for _ in range(4):
                start = now()
                y = F.linear(x, w)
                if layer.endswith("up"):
                    F.gelu(y, approximate="tanh")
                best = min(best, now() - start)
            out[layer] = flops(layer) / best / 1e9
    return out


def measure_ggml(args, env):
    out = {}
    for kind in BLOCKS:
        command = [args.ggml, kind, "4096", "4096", "4096", str(args.threads), "3"] + ["busy"] * args.busy
        lines = subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
        out[kind] = max(float(line.split()[3]) for line in lines.splitlines())
    return out


def keep_best(best, new):
    for key, value in new.items():
        best[key] = max(value, best.get(key, 0))


def whole_block(best, name):
    """The speed of all layers of a block together."""
    layers = [layer for layer in LAYERS if layer.startswith(name)]
    work = {layer: flops(layer) * LAYERS[layer][3] for layer in layers}
    return sum(work.values()) / sum(work[layer] / best[layer] for layer in layers)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kinora", required=True)
    parser.add_argument("--ggml")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--busy", action="store_true")
    args = parser.parse_args()
    env = dict(os.environ, KINORA_THREADS=str(args.threads))
    ours, torch_best, ggml_best = {}, {}, {}
    for _ in range(args.rounds):
        keep_best(ours, measure_kinora(args, env))
        keep_best(torch_best, measure_torch(args))
        if args.ggml:
            keep_best(ggml_best, measure_ggml(args, env))
    print(f"GFLOP/s, {args.threads} threads, best of {args.rounds} rounds" + (", by processor time" if args.busy else ""))
    rows = list(LAYERS) + ["1.3B block", "5B block"]
    for name in ("1.3B", "5B"):
        torch_best[name + " block"] = whole_block(torch_best, name)
        for kind in ("bf16", "int8") + BLOCKS:
            ours[kind, name + " block"] = whole_block({layer: ours[kind, layer] for layer in LAYERS}, name)
    for layer in rows:
        peer = torch_best[layer]
        line = f"{layer:15} torch bf16 {peer:7.1f}"
        for kind in ("bf16", "int8"):
            line += f"   {kind} {ours[kind, layer]:7.1f} {ours[kind, layer] / peer:5.2f}"
        for kind in BLOCKS:
            line += f"   {kind} {ours[kind, layer]:7.1f}"
            if layer == "square" and kind in ggml_best:
                line += f" (ggml {ggml_best[kind]:.1f}) {ours[kind, layer] / ggml_best[kind]:5.2f}"
        print(line)


if __name__ == "__main__":
    main()
