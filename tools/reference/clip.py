"""The oracle of internal/model/clip: the picture half of CLIP in transformers, tiny, with random weights.

It needs torch 2.15.0, transformers 5.24.0, pillow 13.0.0 and safetensors 0.8.0:

    python3 tools/reference/clip.py --out internal/model/clip/testdata

It writes the weights in bf16, and pictures with what the processor and the model make of them.
"""

import argparse
import pathlib

import torch
from PIL import Image
from transformers import CLIPVisionConfig, CLIPVisionModel
from transformers.models.clip import CLIPImageProcessorPil

from wan import noise, randomise, write

CONFIG = dict(hidden_size=24, intermediate_size=40, num_hidden_layers=4, num_attention_heads=3, image_size=28, patch_size=7, hidden_act="gelu")
SIZES = [(28, 28), (48, 32), (60, 104), (200, 131), (20, 24)]


def model():
    return randomise(CLIPVisionModel(CLIPVisionConfig(**CONFIG)), 300)


def processor():
    side = CONFIG["image_size"]
    return CLIPImageProcessorPil(size={"shortest_edge": side}, crop_size={"height": side, "width": side})


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--out", required=True, type=pathlib.Path)
    out = p.parse_args().out
    m, process, tensors = model(), processor(), {}
    for i, (w, h) in enumerate(SIZES):
        rgb = torch.randint(0, 256, (h, w, 3), generator=torch.Generator().manual_seed(i), dtype=torch.uint8)
        inputs = process(images=Image.fromarray(rgb.numpy()), return_tensors="pt")
        with torch.no_grad():
            y = m(**inputs, output_hidden_states=True).hidden_states[-2]
        tensors |= {f"{w}x{h}/rgb": rgb, f"{w}x{h}/pixels": inputs["pixel_values"][0], f"{w}x{h}/rows": y[0]}
    write(out / "clip.safetensors", {k: v.bfloat16() for k, v in m.state_dict().items()}, {"config": m.config.to_dict()})
    write(out / "golden.safetensors", tensors)


if __name__ == "__main__":
    main()
