"""A folder of FastWan 2.1 1.3B in its real size, to measure memory and time with: every tensor there, of zeros.

    python3 tools/reference/wan_sizes.py --out FOLDER [--random]

The files are holes, which take no room on a disk. With --random the transformer is random, and takes 2.8 GB.
"""

import argparse
import json
import math
import os
import pathlib

import torch
from diffusers import AutoencoderKLWan, UniPCMultistepScheduler, WanTransformer3DModel
from transformers import UMT5Config, UMT5EncoderModel

from taehv import KINDS, parameters
from wan_pipeline import tokenizer

SIZES = {torch.bfloat16: ("BF16", 2), torch.float16: ("F16", 2), torch.float32: ("F32", 4)}


def write(folder, shapes, dtype, config=None, random=False):
    """A file of safetensors, as a hole or with random numbers."""
    os.makedirs(folder, exist_ok=True)
    name, size = SIZES[dtype]
    header, at = {}, 0
    for key, shape in shapes.items():
        n = math.prod(shape) * size
        header[key] = {"dtype": name, "shape": list(shape), "data_offsets": [at, at + n]}
        at += n
    text = json.dumps(header).encode()
    with open(folder / "model.safetensors", "wb") as f:
        f.write(len(text).to_bytes(8, "little") + text)
        if random:
            g = torch.Generator().manual_seed(1)
            for key, shape in shapes.items():
                x = torch.randn(shape, generator=g) * (0.02 if len(shape) > 1 else 0.1)
                x = x + 1 if "norm" in key and key.endswith("weight") else x
                f.write(x.to(dtype).view(torch.int16).numpy().tobytes())
        f.truncate(8 + len(text) + at)
    if config is not None:
        (folder / "config.json").write_text(config)
    print(f"{folder}: {len(shapes)} tensors, {at / 1e9:.2f} GB")


def shapes(model):
    return {k: tuple(v.shape) for k, v in model.state_dict().items()}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--out", required=True, type=pathlib.Path)
    p.add_argument("--random", action="store_true")
    args = p.parse_args()
    with torch.device("meta"):
        t = WanTransformer3DModel(num_attention_heads=12, attention_head_dim=128, in_channels=16, out_channels=16, text_dim=4096, freq_dim=256, ffn_dim=8960, num_layers=30)
        config = UMT5Config(vocab_size=256384, d_model=4096, d_kv=64, d_ff=10240, num_layers=24, num_heads=64, feed_forward_proj="gated-gelu")
        e = UMT5EncoderModel(config)
        v = AutoencoderKLWan()
    write(args.out / "transformer", shapes(t), torch.bfloat16, t.to_json_string(), args.random)
    encoder = {k: s for k, s in shapes(e).items() if k != "encoder.embed_tokens.weight"}
    write(args.out / "text_encoder", encoder, torch.bfloat16, config.to_json_string())
    write(args.out / "vae", shapes(v), torch.float32, v.to_json_string())
    KINDS["real"] = (16, 1, (256, 128, 64, 64), 64, (1, 2, 2), (2, 2, 1))
    write(args.out / "tiny_decoder", {k: tuple(x.shape) for k, x in parameters("real", torch.Generator()).items()}, torch.float16)
    UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0).save_pretrained(args.out / "scheduler")
    os.makedirs(args.out / "tokenizer", exist_ok=True)
    tokenizer().save(str(args.out / "tokenizer/tokenizer.json"))
    (args.out / "model_index.json").write_text(json.dumps({"_class_name": "WanDMDPipeline"}))


if __name__ == "__main__":
    main()
