"""The time of one block of Wan's transformer in diffusers, in bf16, with random weights.

    OMP_NUM_THREADS=2 python3 tools/reference/wan_bench.py [1.3B] [5B]

BenchmarkTransformerBlock of internal/model/wan times the same block of Kinora. Run both in turns on one machine, as
its speed changes. Used with torch 2.15.0 and diffusers 0.42.1.
"""

import sys
import time

import torch
from diffusers.models.transformers.transformer_wan import WanRotaryPosEmbed, WanTransformerBlock

SIZES = {"1.3B": (12, 8960, (21, 13, 30)), "5B": (24, 14336, (16, 16, 16))}


def main():
    torch.manual_seed(0)
    for name in sys.argv[1:] or SIZES:
        heads, ffn, (t, h, w) = SIZES[name]
        width = heads * 128
        block = WanTransformerBlock(width, ffn, heads, cross_attn_norm=True).eval().bfloat16()
        rotary = WanRotaryPosEmbed(128, (1, 2, 2), 1024)(torch.zeros(1, 16, t, 2 * h, 2 * w))
        x = torch.randn(1, t * h * w, width).bfloat16()
        text = torch.randn(1, 512, width).bfloat16()
        time_proj = torch.randn(1, 6, width)
        with torch.inference_mode():
            block(x, text, time_proj, rotary)
            best = float("inf")
            for _ in range(2):
                start = time.perf_counter()
                block(x, text, time_proj, rotary)
                best = min(best, time.perf_counter() - start)
        print(f"{name}/{t * h * w}: {best:.3f} s with {torch.get_num_threads()} threads", flush=True)


if __name__ == "__main__":
    main()
