"""Compares Kinora's attention for inference with PyTorch's, in bf16.

    go build -o kinora ./cmd/kinora
    python3 tools/bench/torch/attention.py --kinora ./kinora

Written for torch 2.15.0. Both compute the product that `kinora bench` calls
"flash bf16": one head, 2048 queries and keys, 128 wide. Each runs on one thread,
in turns, and is measured by processor time, so that a machine that does other
work may be used. The best of all turns counts. Kinora is given f32 and rounds it
during the call; PyTorch is given bf16, in the layout in which models have it.
"""

import argparse
import json
import os
import subprocess
import time

import torch

N, D = 2048, 128


def ours(program):
    command = [program, "bench", "--what", "kernels", "--busy", "--json"]
    out = subprocess.run(
        command, env=os.environ | {"KINORA_THREADS": "1"}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True
    )
    (speed,) = [k for k in json.loads(out.stdout)["kernels"] if k["kernel"] == "flash bf16"]
    if speed["flops"] != 4 * N * N * D:
        raise SystemExit(f"kinora measures {speed['size']}, this script {N}×{N}×{D}")
    return speed["gflops"]


def theirs(q, k, v):
    start, calls = time.process_time(), 0
    while time.process_time() < start + 0.5:
        torch.nn.functional.scaled_dot_product_attention(q, k, v)
        calls += 1
    return calls * 4 * N * N * D / (time.process_time() - start) / 1e9


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--kinora", required=True, help="the program to compare")
    args.add_argument("--turns", type=int, default=3)
    args = args.parse_args()
    torch.set_num_threads(1)
    q, k, v = (torch.randn(1, N, 1, D).bfloat16().transpose(1, 2) for _ in range(3))
    theirs(q, k, v)
    a = b = 0
    for _ in range(args.turns):
        a, b = max(a, ours(args.kinora)), max(b, theirs(q, k, v))
    print(f"kinora {a:.0f} GFLOP/s, torch {torch.__version__} {b:.0f} GFLOP/s, ratio {a / b:.2f}")


if __name__ == "__main__":
    main()
