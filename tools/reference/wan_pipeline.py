"""The oracle of Wan's pipelines: diffusers' WanPipeline and WanImageToVideoPipeline, on tiny parts with random weights.

It needs torch 2.15.0, diffusers 0.42.1, transformers 5.24.0, peft 0.21.2, ftfy 6.3.1, tokenizers 0.23.3 and
safetensors 0.8.0, and the goldens of wan.py and wan_vae.py, whose encoders and autoencoders it takes:

    python3 tools/reference/wan_pipeline.py --models internal/model

It writes to wan/testdata/pipeline, in the folder of models: a tokenizer, transformers, adapters (LoRA) in three
layouts, golden.safetensors with the latents and frames that each pipeline makes, and prompts.json with prompts and
what the pipeline makes of them before they are cut into tokens.
"""

import argparse
import json
import os
import pathlib
import tempfile

import numpy as np
import torch
from diffusers import AutoencoderKLWan, FlowMatchEulerDiscreteScheduler, UniPCMultistepScheduler, WanImageToVideoPipeline, WanPipeline, WanTransformer3DModel
from diffusers.pipelines.wan.pipeline_wan import prompt_clean
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import CLIPVisionConfig, CLIPVisionModel, PreTrainedTokenizerFast, UMT5Config, UMT5EncoderModel
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from schedules import renoise_levels
from wan import channels_last, original_names, randomise, write

PROMPT, NEGATIVE = "  A red fox  in the snow &amp; “ice”", "low quality, blurred"
SMALL = dict(num_attention_heads=2, attention_head_dim=12, text_dim=36, freq_dim=16, ffn_dim=40, num_layers=2)
TRANSFORMERS = {
    "t2v": dict(SMALL, in_channels=4, out_channels=4),
    "low": dict(SMALL, in_channels=4, out_channels=4),
    "i2v": dict(SMALL, in_channels=12, out_channels=4),
    "ti2v": dict(SMALL, in_channels=6, out_channels=6),
    "clip": dict(SMALL, in_channels=12, out_channels=4, image_dim=36, added_kv_proj_dim=24),
    "flf": dict(SMALL, in_channels=12, out_channels=4, image_dim=36, added_kv_proj_dim=24, pos_embed_seq_len=34),
}
RANK = 3
PROMPTS = [
    "a red fox", "  a   red\tfox\n in the\r\nsnow  ", "&lt;b&gt; &amp;amp; caf&eacute; &copy", "“curly” ‘single’ ‚low‛",
    "ﬁne ﬂow oﬃce ŉa Ǆ ĳ", "ＦＵＬＬ　ｗｉｄｔｈ！ ﾊﾝｶｸ", "一只红色的狐狸，在雪中。", "ثعلب أحمر في الثلج", "\x1b[31mred\x1b[0m fox",
    "a\x00b\x07c\x0bd\x1fe\x7f", "\ufeffbom \u2028line\u2029para\u0085nel", "e\u0301 cafe\u0301", "emoji 🦊❄️ 👩‍🚀",
    "<b>&eacute;</b> 5 < 6 &lt;", "x\u00a0y\u2003z", "&NTILDE; &Ntilde; &ntilde;", "\u206a\ufff9odd", "c1 \x99",
    "&#233; &#x1F98A; &bogus; &amp", "", "   ", "K\u212a Å\u212b", "Ω\u2126", "ㅏ한국어 여우", "a &nbsp; b", "“&quot;”", "\u200bzero\u200dwidth",
]


def tokenizer():
    """A small vocabulary in the form of T5's."""
    pieces = ["▁a", "▁red", "▁fox", "▁in", "▁the", "▁snow", "▁&", "▁ice", "▁low", "▁quality", "▁", "ed", "ur", "bl", '"']
    pieces += list("abcdefghijklmnopqrstuvwxyzA,.")
    vocab = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)] + [(p, -2.0 - 0.1 * i) for i, p in enumerate(pieces)]
    t = Tokenizer(models.Unigram(vocab, unk_id=2, byte_fallback=False))
    t.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    t.post_processor = processors.TemplateProcessing(single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)])
    t.add_special_tokens(["<pad>", "</s>", "<unk>"])
    return t


def vae(root, kind):
    path = root / "wanvae/testdata" / f"{kind}.safetensors"
    with safe_open(path, "pt") as f:
        config = json.loads(f.metadata()["config"])
    model = AutoencoderKLWan(**{k: v for k, v in config.items() if not k.startswith("_")}).eval()
    model.load_state_dict({k: v.float() for k, v in load_file(path).items()})
    return model


def text_encoder(root):
    path = root / "t5/testdata/umt5.safetensors"
    with safe_open(path, "pt") as f:
        config = UMT5Config(**json.loads(f.metadata()["about"])["config"])
    model = UMT5EncoderModel(config).eval()
    state = {k: v.float() for k, v in load_file(path).items()}
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected and set(missing) <= {"encoder.embed_tokens.weight"}, (missing, unexpected)
    return model


def image_encoder(root):
    path = root / "clip/testdata/clip.safetensors"
    with safe_open(path, "pt") as f:
        config = CLIPVisionConfig(**json.loads(f.metadata()["about"])["config"])
    model = CLIPVisionModel(config).eval()
    model.load_state_dict({k: v.float() for k, v in load_file(path).items()})
    return model


def half(model):
    """A model in bf16, with what diffusers leaves in f32."""
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        return type(model).from_pretrained(folder, torch_dtype=torch.bfloat16).eval()


def picture(seed, size):
    """A picture, as PIL has it, and its colours in [-1, 1], [H, W, 3]."""
    w, h = size
    rgb = torch.randint(0, 256, (h, w, 3), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)
    return Image.fromarray(rgb.numpy()), rgb.float() / 255 * 2 - 1


def adapters(state, out):
    """One LoRA of the transformer t2v in three layouts, with factors and, where a layout has them, biases."""
    g = torch.Generator().manual_seed(5)
    layers = [f"blocks.{i}.{n}" for i in range(2) for n in
              ["attn1.to_q", "attn1.to_k", "attn1.to_v", "attn1.to_out.0", "attn2.to_q", "attn2.to_k", "attn2.to_v",
               "attn2.to_out.0", "ffn.net.0.proj", "ffn.net.2"]]
    original = {v: k for k, v in original_names(TRANSFORMERS["t2v"]).items()}
    files = {"diffusers": {}, "kohya": {}, "original": {}}
    for layer in layers:
        o, n = state[layer + ".weight"].shape
        a, b = torch.randn(RANK, n, generator=g) / n**0.5, torch.randn(o, RANK, generator=g) * 0.5
        theirs = original[layer + ".weight"].removesuffix(".weight")
        files["diffusers"] |= {f"transformer.{layer}.lora_A.weight": a, f"transformer.{layer}.lora_B.weight": b}
        kohya = "lora_unet_" + theirs.replace(".", "_")
        files["kohya"] |= {kohya + ".lora_down.weight": a, kohya + ".lora_up.weight": b, kohya + ".alpha": torch.tensor(RANK / 2)}
        files["original"] |= {f"diffusion_model.{theirs}.lora_down.weight": a, f"diffusion_model.{theirs}.lora_up.weight": b,
                              f"diffusion_model.{theirs}.alpha": torch.tensor(2.0 * RANK),
                              f"diffusion_model.{theirs}.diff_b": torch.randn(o, generator=g) * 0.1}
    for name, tensors in files.items():
        write(f"{out}/lora_{name}.safetensors", tensors)
    return {name: f"{out}/lora_{name}.safetensors" for name in files}


class Oracle:
    def __init__(self, root):
        self.root, self.out = root, root / "wan/testdata/pipeline"
        os.makedirs(self.out, exist_ok=True)
        self.tensors, self.meta = {}, {}
        tok = tokenizer()
        tok.save(str(self.out / "tokenizer.json"))
        self.tokenizer = PreTrainedTokenizerFast(tokenizer_object=tok, eos_token="</s>", pad_token="<pad>", unk_token="<unk>")
        self.encoder = text_encoder(root)
        self.vaes = {"wan21": vae(root, "wan21"), "wan22": vae(root, "wan22")}
        self.looks = image_encoder(root)
        side = self.looks.config.image_size
        self.processor = CLIPImageProcessorPil(size={"shortest_edge": side}, crop_size={"height": side, "width": side})
        self.transformers = {}
        for seed, (kind, config) in enumerate(TRANSFORMERS.items()):
            model = self.transformers[kind] = randomise(WanTransformer3DModel(**config), 200 + seed)
            write(self.out / f"{kind}.safetensors", {k: v.bfloat16() for k, v in model.state_dict().items()}, {"config": json.loads(model.to_json_string())})

    def pipe(self, cls, kind, scheduler, vae="wan21", low=None, bf16=False, **config):
        model = lambda m: half(m) if bf16 else m
        parts = dict(tokenizer=self.tokenizer, text_encoder=model(self.encoder), vae=self.vaes[vae], scheduler=scheduler,
                     transformer=model(self.transformers[kind]))
        if low:
            parts["transformer_2"] = model(self.transformers[low])
        if cls is WanImageToVideoPipeline:
            looks = "image_dim" in TRANSFORMERS[kind]
            parts |= dict(image_encoder=self.looks if looks else None, image_processor=self.processor if looks else None)
        p = cls(**parts, **config)
        p.set_progress_bar_config(disable=True)
        return p

    def keep(self, name, p, args, **more):
        """The recipe of a pipeline, its latents and its frames."""
        with torch.no_grad():
            latents = p(**args, output_type="latent").frames
            self.tensors[f"{name}/latents"] = channels_last(latents)[0].float()
            frames = p(**args, output_type="np").frames[0]
        self.tensors[f"{name}/frames"] = torch.from_numpy((frames * 255).round().astype(np.uint8))
        with tempfile.TemporaryDirectory() as folder:
            p.save_config(folder)
            index = json.loads(pathlib.Path(folder, "model_index.json").read_text())
            p.scheduler.save_pretrained(folder + "/s")
            scheduler = json.loads(pathlib.Path(folder, "s/scheduler_config.json").read_text())
        self.meta[name] = dict(index=index, scheduler=scheduler, **more)

    def run(self, name, cls, kind, scheduler, size=(48, 32), frames=9, steps=4, guidance=5.0, low_guidance=None, negative=NEGATIVE, seed=42,
            first=False, last=False, vae="wan21", low=None, lora=None, strength=1.0, bf16=False, **config):
        p = self.pipe(cls, kind, scheduler, vae, low, bf16, **config)
        if lora:
            p.load_lora_weights(os.path.dirname(lora), weight_name=os.path.basename(lora), adapter_name="x")
            p.set_adapters(["x"], [strength])
        args = dict(prompt=PROMPT, negative_prompt=negative, width=size[0], height=size[1], num_frames=frames, num_inference_steps=steps,
                    guidance_scale=guidance, max_sequence_length=512)
        if low_guidance:
            args["guidance_scale_2"] = low_guidance
        for key, wanted, picture_seed in (("image", first, 1), ("last_image", last, 2)):
            if wanted:
                args[key], self.tensors[f"{name}/{key}"] = picture(picture_seed, size)
        make = lambda: dict(args, generator=torch.Generator("cpu").manual_seed(seed))

        class Again:  # each use of the arguments begins with the seed
            def keys(self):
                return make().keys()

            def __getitem__(self, key):
                return make()[key]

        self.keep(name, p, Again(), transformer=kind, low=low, vae=vae, width=size[0], height=size[1], frames=frames, steps=steps, guidance=guidance,
                  prompt=PROMPT, negative=negative, seed=seed, lora=os.path.basename(lora) if lora else "", strength=strength)
        if lora:
            p.unload_lora_weights()

    def distilled(self, name, timesteps=(1000, 757, 522), size=(48, 32), frames=9, seed=42):
        """FastVideo's loop, which diffusers has not: a clean video at each step, and new noise for the next."""
        p = self.pipe(WanPipeline, "t2v", UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=8.0))
        generator = torch.Generator("cpu").manual_seed(seed)
        text, _ = p.encode_prompt(PROMPT, do_classifier_free_guidance=False, max_sequence_length=512)
        shape = (1, 4, 1 + (frames - 1) // 4, size[1] // 8, size[0] // 8)
        z = torch.randn(shape, generator=generator)
        levels = renoise_levels(timesteps)
        with torch.no_grad():
            for i, t in enumerate(timesteps):
                v = p.transformer(z, torch.tensor([float(t)]), text, return_dict=False)[0]
                z = (z.double() - levels[i] * v.double()).float()
                if i + 1 < len(timesteps):
                    s = levels[i + 1].float()
                    z = (1 - s) * z + s * torch.randn(shape, generator=generator)
        self.tensors[f"{name}/latents"] = channels_last(z)[0]
        self.meta[name] = dict(index={"_class_name": "WanDMDPipeline"}, scheduler={"_class_name": "UniPCMultistepScheduler", "prediction_type": "flow_prediction", "use_flow_sigmas": True, "flow_shift": 8.0},
                                          transformer="t2v", low=None, vae="wan21", width=size[0], height=size[1], frames=frames, steps=len(timesteps),
                                          guidance=1, prompt=PROMPT, negative="", seed=seed, lora="", strength=1)

    def write(self):
        write(self.out / "golden.safetensors", self.tensors, self.meta)
        pairs = [[p, prompt_clean(p)] for p in PROMPTS]
        (self.out / "prompts.json").write_text(json.dumps(pairs, indent=0) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", required=True, type=pathlib.Path, help="the folder internal/model")
    o = Oracle(parser.parse_args().models)
    unipc = lambda shift: UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=shift)
    loras = adapters(o.transformers["t2v"].state_dict(), o.out)
    image = WanImageToVideoPipeline
    o.run("t2v", WanPipeline, "t2v", unipc(3.0))
    o.run("t2v bf16", WanPipeline, "t2v", unipc(3.0), bf16=True)
    o.run("t2v euler, no guidance", WanPipeline, "t2v", FlowMatchEulerDiscreteScheduler(shift=5.0), guidance=1.0, frames=5, size=(32, 48), seed=2**32 + 5)
    o.run("two experts", WanPipeline, "t2v", unipc(5.0), low="low", steps=6, guidance=4.0, low_guidance=3.0, boundary_ratio=0.875, negative="")
    o.run("two experts, other guidance", WanPipeline, "t2v", unipc(5.0), low="low", steps=5, guidance=6.0, boundary_ratio=0.875)
    o.run("i2v", image, "i2v", unipc(5.0), first=True, guidance=3.5)
    o.run("i2v, both frames", image, "i2v", unipc(5.0), first=True, last=True, guidance=3.5, frames=13)
    o.run("i2v, two experts", image, "i2v", unipc(5.0), first=True, low="i2v", guidance=3.5, boundary_ratio=0.9)
    o.run("clip", image, "clip", unipc(3.0), first=True)
    o.run("clip, both frames", image, "flf", unipc(3.0), first=True, last=True, frames=5)
    o.run("ti2v, text", WanPipeline, "ti2v", unipc(5.0), vae="wan22", size=(64, 96), expand_timesteps=True)
    o.run("ti2v, image", image, "ti2v", unipc(5.0), vae="wan22", size=(96, 64), first=True, expand_timesteps=True)
    o.run("ti2v, image bf16", image, "ti2v", unipc(5.0), vae="wan22", size=(96, 64), first=True, bf16=True, expand_timesteps=True)
    for layout, path in loras.items():
        o.run(f"lora {layout}", WanPipeline, "t2v", unipc(3.0), lora=path, strength=0.8)
    o.distilled("distilled")
    o.write()


if __name__ == "__main__":
    main()
