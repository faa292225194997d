#!/usr/bin/env python3
"""The oracle of internal/model/wanvae: diffusers' AutoencoderKLWan, tiny, with random weights.

    pip install torch==2.15.0 diffusers==0.42.1 safetensors
    python3 tools/reference/wan_vae.py --out internal/model/wanvae/testdata

For each kind of Wan's autoencoder (2.1 and 2.2) it writes

  KIND.safetensors         the weights in bf16 under diffusers' names; the metadata holds config.json and,
                           for each name, the one that the original file has (NAMES)
  KIND.golden.safetensors  a video and its latents, latents and their video, computed in double precision

The latents are those that a transformer sees: (posterior mean - latents_mean) / latents_std.
"""

import argparse
import json
import pathlib

import diffusers
import torch
from diffusers import AutoencoderKLWan
from safetensors.torch import save_file

FRAMES = 9

KINDS = {
    "wan21": dict(base_dim=6, z_dim=4, dim_mult=[1, 2, 4, 4], num_res_blocks=2, temperal_downsample=[False, True, True]),
    "wan22": dict(
        base_dim=4, decoder_base_dim=6, z_dim=6, dim_mult=[1, 2, 4, 4], num_res_blocks=2, temperal_downsample=[False, True, True],
        is_residual=True, in_channels=12, out_channels=12, patch_size=2, scale_factor_spatial=16,
    ),
}


def build(kind, generator):
    """An autoencoder whose every parameter matters and is exact in bf16."""
    config = dict(KINDS[kind])
    z = config["z_dim"]
    config["latents_mean"] = [round(0.3 * torch.randn(1, generator=generator).item(), 4) for _ in range(z)]
    config["latents_std"] = [round(0.5 + torch.rand(1, generator=generator).item(), 4) for _ in range(z)]
    vae = AutoencoderKLWan(**config).eval()
    with torch.no_grad():
        for name, p in vae.named_parameters():
            noise = torch.randn(p.shape, generator=generator)
            if name.endswith("gamma"):
                value = 1 + 0.2 * noise
            elif p.dim() == 1:
                value = 0.1 * noise
            else:
                value = noise * (1.5 / p[0].numel()) ** 0.5
            p.copy_(value.bfloat16().float())
    return vae


def original(name, blocks, residual):
    """The name of a parameter in Wan2.1_VAE.pth and Wan2.2_VAE.pth."""
    part, rest = name.split(".", 1)
    if part in ("quant_conv", "post_quant_conv"):
        return {"quant_conv": "conv1", "post_quant_conv": "conv2"}[part] + "." + rest
    inner = {
        "norm1.gamma": "residual.0.gamma", "conv1": "residual.2", "norm2.gamma": "residual.3.gamma", "conv2": "residual.6",
        "conv_shortcut": "shortcut",
    }
    for ours, theirs in inner.items():
        rest = rest.replace("." + ours, "." + theirs) if "resnets" in rest or "down_blocks" in rest else rest
    rest = rest.replace("conv_in.", "conv1.").replace("norm_out.", "head.0.").replace("conv_out.", "head.2.")
    rest = rest.replace("mid_block.resnets.0", "middle.0").replace("mid_block.attentions.0", "middle.1").replace("mid_block.resnets.1", "middle.2")
    words = rest.split(".")
    if words[0] == "up_blocks":
        block, inside = int(words[1]), words[2]
        at = int(words[3]) if inside == "resnets" else blocks + 1
        tail = words[4:] if inside in ("resnets", "upsamplers") else words[3:]
        where = [str(block), "upsamples", str(at)] if residual else [str(block * (blocks + 2) + at)]
        words = ["upsamples"] + where + tail
    elif words[0] == "down_blocks" and residual:
        at = int(words[3]) if words[2] == "resnets" else blocks
        words = ["downsamples", words[1], "downsamples", str(at)] + (words[4:] if words[2] == "resnets" else words[3:])
    elif words[0] == "down_blocks":
        words[0] = "downsamples"
    return ".".join([part] + words)


def check_names(vae, names):
    """diffusers' own converter must bring the names of 2.1 back."""
    from diffusers.loaders.single_file_utils import convert_wan_vae_to_diffusers

    back = convert_wan_vae_to_diffusers({theirs: ours for ours, theirs in names.items()})
    assert set(back) == set(vae.state_dict()), set(back) ^ set(vae.state_dict())
    assert all(name == ours for name, ours in back.items())


def last(x):
    """[1, C, T, H, W] as [T, H, W, C]."""
    return x[0].permute(1, 2, 3, 0).contiguous().float()


def write(kind, out):
    generator = torch.Generator().manual_seed(21 if kind == "wan21" else 22)
    vae = build(kind, generator)
    config = {k: v for k, v in vae.config.items() if not k.startswith("_")}
    config["_class_name"] = "AutoencoderKLWan"
    names = {n: original(n, config["num_res_blocks"], config["is_residual"]) for n in vae.state_dict()}
    assert len(set(names.values())) == len(names)
    if kind == "wan21":
        check_names(vae, names)
    save_file({n: p.bfloat16() for n, p in vae.state_dict().items()}, out / f"{kind}.safetensors",
              {"config": json.dumps(config), "names": json.dumps(names), "made_by": f"diffusers {diffusers.__version__}, torch {torch.__version__}"})

    vae = vae.double()
    spatial = config["scale_factor_spatial"]
    h, w = (5, 7) if kind == "wan21" else (3, 5)
    mean = torch.tensor(config["latents_mean"], dtype=torch.float64).view(1, -1, 1, 1, 1)
    std = torch.tensor(config["latents_std"], dtype=torch.float64).view(1, -1, 1, 1, 1)
    video = (torch.rand(1, 3, FRAMES, h * spatial, w * spatial, generator=generator) * 2 - 1).bfloat16().double()
    z = torch.randn(1, config["z_dim"], 1 + (FRAMES - 1) // 4, h, w, generator=generator).bfloat16().double()
    with torch.no_grad():
        latents = (vae.encode(video).latent_dist.mode() - mean) / std
        frames = vae.decode(z * std + mean).sample
        # A frame depends on earlier ones alone, so that shorter videos are prefixes of the goldens.
        for n in (1, 5):
            assert torch.allclose((vae.encode(video[:, :, :n]).latent_dist.mode() - mean) / std, latents[:, :, : 1 + (n - 1) // 4])
            assert torch.allclose(vae.decode((z * std + mean)[:, :, : 1 + (n - 1) // 4]).sample, frames[:, :, :n])
    clamped = (frames.abs() >= 1).double().mean().item()
    print(kind, sum(p.numel() for p in vae.parameters()), "parameters; latents", latents.std().item(), "video", frames.std().item(), "clamped", clamped)
    assert clamped < 0.2
    save_file({"encode/video": last(video).bfloat16(), "encode/latents": last(latents), "decode/latents": last(z).bfloat16(), "decode/video": last(frames)},
              out / f"{kind}.golden.safetensors")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=pathlib.Path, required=True)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for kind in KINDS:
        write(kind, args.out)


if __name__ == "__main__":
    main()
