"""The oracle of Wan's transformer and of its encoders, T5 and CLIP: diffusers and transformers.

It makes small models with random weights, and writes them and what they compute as goldens:

    python3 tools/reference/wan.py golden --out internal/model

Made with torch 2.15.0, diffusers 0.42.1, transformers 5.24.0, safetensors 0.8.0, gguf 0.19.0, pillow 13.0.0.
All weights are numbers that bf16 has, so every precision computes with the same model.
"""

import argparse
import json
import math
import os
import tempfile

import torch
from safetensors.torch import save_file

TEXT_ROWS = 512  # diffusers tells text from image by this number of rows

# The models: what WanTransformer3DModel takes, and the frames, rows and columns of the latents.
WAN = {
    "t2v": dict(num_attention_heads=3, attention_head_dim=20, in_channels=5, out_channels=5, text_dim=36, freq_dim=32,
                ffn_dim=100, num_layers=2),
    "i2v": dict(num_attention_heads=2, attention_head_dim=24, in_channels=11, out_channels=4, text_dim=20, freq_dim=16,
                ffn_dim=72, num_layers=2, image_dim=28, added_kv_proj_dim=48),
    "flf2v": dict(num_attention_heads=4, attention_head_dim=12, in_channels=9, out_channels=4, text_dim=20, freq_dim=16,
                  ffn_dim=52, num_layers=1, image_dim=28, added_kv_proj_dim=48, pos_embed_seq_len=10),
    "ti2v": dict(num_attention_heads=2, attention_head_dim=24, in_channels=12, out_channels=12, text_dim=20, freq_dim=16,
                 ffn_dim=90, num_layers=2),
}
GRID = (3, 10, 14)

# The models that become GGUF: rows of their matrices are whole blocks.
QUANT_WAN = dict(num_attention_heads=2, attention_head_dim=32, in_channels=4, out_channels=4, text_dim=32, freq_dim=32,
                 ffn_dim=96, num_layers=1)
QUANT_T5 = dict(vocab_size=97, d_model=64, d_kv=32, d_ff=96, num_layers=1, num_heads=2, feed_forward_proj="gated-gelu")
QUANTS = ["Q8_0", "Q4_0", "Q5_1", "Q4_1", "Q5_0", "BF16", "F16"]

UMT5 = dict(vocab_size=97, d_model=36, d_kv=10, d_ff=50, num_layers=2, num_heads=3, relative_attention_num_buckets=32,
            relative_attention_max_distance=128, feed_forward_proj="gated-gelu")


def randomise(model, seed):
    """Random weights of sensible sizes, exact in bf16."""
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in sorted(model.named_parameters()):
            x = torch.randn(p.shape, generator=g)
            if "table" in name or "pos_embed" in name:
                x = 0.3 * x
            elif "relative_attention_bias" in name or "shared" in name:
                pass
            elif p.ndim > 1:
                x = x / math.sqrt(p[0].numel())
            elif name.endswith("weight"):
                x = 1 + 0.2 * x
            else:
                x = 0.2 * x
            p.copy_(x.bfloat16().float())
    return model.eval()


def noise(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def write(path, tensors, about=None):
    """Writes tensors, and as metadata one JSON: safetensors shuffles several entries."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    save_file({k: v.contiguous() for k, v in tensors.items()}, path, about and {"about": json.dumps(about)})
    print(f"{path}: {os.path.getsize(path) / 1024:.0f} KiB")


def channels_last(x):
    """[B, C, T, H, W] as the Go code has it."""
    return x.permute(0, 2, 3, 4, 1)


def original_names(config):
    """The names of Wan's own repository, each with diffusers' name for it, as diffusers converts them."""
    from diffusers.loaders.single_file_utils import convert_wan_transformer_to_diffusers

    names = ["patch_embedding", "text_embedding.0", "text_embedding.2", "time_embedding.0", "time_embedding.2",
             "time_projection.1", "head.head"]
    for i in range(config["num_layers"]):
        b = f"blocks.{i}."
        names += [b + n for n in ["norm3", "ffn.0", "ffn.2"]]
        for attn in ["self_attn", "cross_attn"]:
            names += [f"{b}{attn}.{n}" for n in "qkvo"]
            names += [f"{b}{attn}.norm_{n}.weight" for n in "qk"]
        if config.get("image_dim"):
            names += [b + "cross_attn.k_img", b + "cross_attn.v_img", b + "cross_attn.norm_k_img.weight"]
        names.append(b + "modulation")
    names.append("head.modulation")
    if config.get("image_dim"):
        names += [f"img_emb.proj.{n}" for n in [0, 1, 3, 4]]
    if config.get("pos_embed_seq_len"):
        names.append("img_emb.emb_pos")
    full = []
    for n in names:
        whole = n.endswith((".weight", "modulation", "emb_pos"))
        full += [n] if whole else [n + ".weight", n + ".bias"]
    back = convert_wan_transformer_to_diffusers({n: n for n in full})
    # The converter knows no embedding of positions in images.
    out = {v: k.replace("img_emb.emb_pos", "condition_embedder.image_embedder.pos_embed") for k, v in back.items()}
    return out


def wan_golden(out):
    from diffusers import WanTransformer3DModel

    tensors, names = {}, {}
    for seed, (kind, config) in enumerate(WAN.items()):
        model = randomise(WanTransformer3DModel(**config), 100 + seed)
        state = model.state_dict()
        names = original_names(config)
        assert sorted(names.values()) == sorted(state), set(names.values()) ^ set(state)
        write(f"{out}/wan/testdata/{kind}.safetensors", {k: v.bfloat16() for k, v in state.items()},
              {"config": json.loads(model.to_json_string()), "original": names})

        t, h, w = GRID
        latents = noise(seed, 1, config["in_channels"], t, h, w)
        rows = noise(10 + seed, 1, 7, config["text_dim"])
        text = torch.cat([rows, torch.zeros(1, TEXT_ROWS - 7, config["text_dim"])], 1)
        timestep = torch.tensor([713.0])
        if kind == "ti2v":  # the first frame is given: its tokens are clean
            timestep = torch.full((1, t * h * w // 4), 713.0)
            timestep[:, : h * w // 4] = 0
        args = dict(hidden_states=latents, timestep=timestep, encoder_hidden_states=text, return_dict=False)
        if config.get("image_dim"):
            images = 2 if config.get("pos_embed_seq_len") else 1
            args["encoder_hidden_states_image"] = noise(20 + seed, images, 5, config["image_dim"])
            tensors[f"{kind}/in/image"] = args["encoder_hidden_states_image"].reshape(-1, config["image_dim"])
        tensors |= {f"{kind}/in/latents": channels_last(latents), f"{kind}/in/text": rows[0],
                    f"{kind}/in/timesteps": timestep.flatten()}
        half = {k: v.bfloat16() if torch.is_tensor(v) and k != "timestep" else v for k, v in args.items()}
        with torch.no_grad(), tempfile.TemporaryDirectory() as folder:
            tensors[f"{kind}/want/f32"] = channels_last(model(**args)[0])
            if kind == "ti2v":  # a timestep of its own for every token
                args["timestep"] = torch.linspace(0, 999, t * h * w // 4)[None]
                tensors["ti2v/in/timesteps of tokens"] = args["timestep"].flatten()
                tensors["ti2v/want/f32 of tokens"] = channels_last(model(**args)[0])
            model.save_pretrained(folder)  # loading leaves in f32 what diffusers wants in f32
            model = WanTransformer3DModel.from_pretrained(folder, torch_dtype=torch.bfloat16)
            tensors[f"{kind}/want/bf16"] = channels_last(model(**half)[0]).float()
    write(f"{out}/wan/testdata/golden.safetensors", tensors)


def t5_names(state, layers):
    """The names of llama.cpp, and of Wan's own repository, each with transformers' name for it."""
    import gguf

    table = gguf.get_tensor_name_map(gguf.MODEL_ARCH.T5ENCODER, layers)
    llama = {table.get_name(k, try_suffixes=(".weight",)): k for k in state if k != "encoder.embed_tokens.weight"}
    assert None not in llama, llama
    parts = {"layer.0.layer_norm": "norm1", "layer.0.SelfAttention.q": "attn.q", "layer.0.SelfAttention.k": "attn.k",
             "layer.0.SelfAttention.v": "attn.v", "layer.0.SelfAttention.o": "attn.o", "layer.1.layer_norm": "norm2",
             "layer.0.SelfAttention.relative_attention_bias": "pos_embedding.embedding",
             "layer.1.DenseReluDense.wi_0": "ffn.gate.0", "layer.1.DenseReluDense.wi_1": "ffn.fc1",
             "layer.1.DenseReluDense.wo": "ffn.fc2"}
    own = {"token_embedding.weight": "shared.weight", "norm.weight": "encoder.final_layer_norm.weight"}
    for i in range(layers):
        own |= {f"blocks.{i}.{v}.weight": f"encoder.block.{i}.{k}.weight" for k, v in parts.items()}
    return llama, own


def t5_golden(out):
    from transformers import T5Config, T5EncoderModel, UMT5Config, UMT5EncoderModel

    tensors = {}
    for kind, config, cls in [("umt5", UMT5Config(**UMT5), UMT5EncoderModel), ("t5", T5Config(**UMT5), T5EncoderModel)]:
        model = randomise(cls(config), 7)
        state = {k: v for k, v in model.state_dict().items() if k != "encoder.embed_tokens.weight"}
        llama, own = t5_names(state, config.num_layers)
        about = {"config": json.loads(config.to_json_string()), "llama.cpp": llama}
        if kind == "umt5":
            assert sorted(own.values()) == sorted(state)
            about["wan"] = own
        write(f"{out}/t5/testdata/{kind}.safetensors", {k: v.bfloat16() for k, v in state.items()}, about)

        # Two prompts of a batch: the second has 150 tokens more, so that distances exceed the largest bucket's.
        lens = [11, 161]
        ids = torch.randint(0, config.vocab_size, (2, max(lens)), generator=torch.Generator().manual_seed(3))
        mask = (torch.arange(max(lens))[None] < torch.tensor(lens)[:, None]).long()
        with torch.no_grad():
            exact = model(input_ids=ids, attention_mask=mask).last_hidden_state
            half = model.bfloat16()(input_ids=ids, attention_mask=mask).last_hidden_state.float()
        for i, n in enumerate(lens):
            tensors[f"{kind}/in/ids{i}"] = ids[i, :n].float()
            tensors[f"{kind}/want/f32 of {i}"] = exact[i, :n]
            tensors[f"{kind}/want/bf16 of {i}"] = half[i, :n]
    write(f"{out}/t5/testdata/golden.safetensors", tensors)


def quantised(path, arch, model, names):
    """Writes a model as GGUF, its matrices in one type after another, and gives it the numbers that are in the file.

    names has the model's name for each name in the file.
    """
    import gguf

    writer = gguf.GGUFWriter(path, arch)
    state, turn = model.state_dict(), 0
    for name, own in names.items():
        x = state[own].numpy()
        if x.ndim == 2 and x.shape[1] % 32 == 0:
            kind = gguf.GGMLQuantizationType[QUANTS[turn % len(QUANTS)]]
            turn += 1
        else:  # as the tools in use do
            kind = gguf.GGMLQuantizationType.F16 if x.ndim > 2 and "modulation" not in name else gguf.GGMLQuantizationType.F32
        data = gguf.quants.quantize(x, kind)
        writer.add_tensor(name, data, raw_dtype=kind)
        state[own].copy_(torch.from_numpy(gguf.quants.dequantize(data, kind).reshape(x.shape).copy()))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    print(f"{path}: {os.path.getsize(path) / 1024:.0f} KiB")


def quant_golden(out):
    from diffusers import WanTransformer3DModel
    from transformers import UMT5Config, UMT5EncoderModel

    model = randomise(WanTransformer3DModel(**QUANT_WAN), 200)
    with torch.no_grad():
        quantised(f"{out}/wan/testdata/quant.gguf", "wan", model, original_names(QUANT_WAN))
        latents, rows = noise(40, 1, 4, 2, 6, 10), noise(41, 1, 7, 32)
        text = torch.cat([rows, torch.zeros(1, TEXT_ROWS - 7, 32)], 1)
        want = model(hidden_states=latents, timestep=torch.tensor([713.0]), encoder_hidden_states=text, return_dict=False)[0]
    write(f"{out}/wan/testdata/quant.safetensors",
          {"quant/in/latents": channels_last(latents), "quant/in/text": rows[0], "quant/in/timesteps": torch.tensor([713.0]),
           "quant/want/f32": channels_last(want)}, {"config": json.loads(model.to_json_string())})

    model = randomise(UMT5EncoderModel(UMT5Config(**QUANT_T5)), 8)
    with torch.no_grad():
        state = {k: v for k, v in model.state_dict().items() if k != "encoder.embed_tokens.weight"}
        quantised(f"{out}/t5/testdata/quant.gguf", "t5encoder", model, t5_names(state, 1)[0])
        ids = torch.arange(3, 80, 7)[None]
        want = model(input_ids=ids).last_hidden_state[0]
    write(f"{out}/t5/testdata/quant.safetensors", {"quant/in/ids0": ids[0].float(), "quant/want/f32 of 0": want})


def clip_golden(out):
    from PIL import Image
    from transformers import CLIPVisionConfig, CLIPVisionModel
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    config = CLIPVisionConfig(hidden_size=36, intermediate_size=50, num_hidden_layers=3, num_attention_heads=3,
                              image_size=30, patch_size=7, hidden_act="gelu")
    model = randomise(CLIPVisionModel(config), 9)
    state = {k: v.bfloat16() for k, v in model.state_dict().items()}
    write(f"{out}/clip/testdata/clip.safetensors", state, {"config": json.loads(config.to_json_string())})

    # Soft colours, wider than high: the sides of the picture are cut off.
    y, x = torch.meshgrid(torch.linspace(0, 6, 67), torch.linspace(0, 9, 90), indexing="ij")
    rgb = torch.stack([torch.sin(x), torch.cos(y + x), torch.sin(y * x / 4)], -1).mul(110).add(128).byte()
    processor = CLIPImageProcessorPil(size={"shortest_edge": 30}, crop_size={"height": 30, "width": 30})
    pixels = processor(images=Image.fromarray(rgb.numpy()), return_tensors="pt").pixel_values
    other = noise(31, 1, 3, 30, 30)
    both = torch.cat([pixels, other])
    tensors = {"in/rgb": rgb, "in/pixels": both.permute(0, 2, 3, 1)}
    with torch.no_grad():
        tensors["want/f32"] = model(pixel_values=both, output_hidden_states=True).hidden_states[-2].flatten(0, 1)
        half = model.bfloat16()(pixel_values=both.bfloat16(), output_hidden_states=True)
        tensors["want/bf16"] = half.hidden_states[-2].flatten(0, 1).float()
    write(f"{out}/clip/testdata/golden.safetensors", tensors)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["golden"])
    parser.add_argument("--out", required=True, help="the folder internal/model")
    out = parser.parse_args().out
    wan_golden(out)
    t5_golden(out)
    quant_golden(out)
    clip_golden(out)


if __name__ == "__main__":
    main()
