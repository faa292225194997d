#!/usr/bin/env python3
"""The oracle of language models: what transformers makes of their weights.

  tiny     writes small models with random weights, a llama and a Qwen3, as folders of
           transformers and as files of GGUF, and the logits of some tokens, computed in
           double precision, for each kind of rotary positions.
  smollm2  reads SmolLM2-135M-Instruct in Q4_1, and writes which 64 tokens follow each of
           100 prompts, greedily, and a sample of the logits on the way, in f32.

Used with torch 2.15.0, transformers 5.24.0, tokenizers, gguf 0.19.0 and safetensors.
README.md has the commands.
"""

import argparse
import json
import pathlib

import numpy as np
import torch
from gguf import GGMLQuantizationType, GGUFReader, GGUFWriter, dequantize, quantize
from safetensors.numpy import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, Qwen3Config, Qwen3ForCausalLM

TEXT = "the cat sat on the mat. a red ball bounces on the beach, and the cat looks at the ball. " * 4
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TEMPLATE = "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
ROPES = {
    "default": {"rope_type": "default", "rope_theta": 10000.0},
    "linear": {"rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0},
    "llama3": {"rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
               "original_max_position_embeddings": 16},
    "yarn": {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0, "original_max_position_embeddings": 16},
    "yarn exact": {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 8.0, "original_max_position_embeddings": 16,
                   "beta_fast": 16.0, "beta_slow": 2.0, "truncate": False, "attention_factor": 1.25},
}
TOKENS = 40


def tokenizer():
    """Bytes, the merges that a little text suggests, and three special tokens."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {s: i for i, s in enumerate(letters)}
    merges = []
    words = [list(w) for w, _ in pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str(TEXT)]
    while len(merges) < 24:
        count = {}
        for w in words:
            for pair in zip(w, w[1:]):
                count[pair] = count.get(pair, 0) + 1
        best = max(sorted(count), key=count.get)
        merges.append(best)
        vocab["".join(best)] = len(vocab)
        for w in words:
            i = 0
            while i < len(w) - 1:
                if (w[i], w[i + 1]) == best:
                    w[i : i + 2] = ["".join(best)]
                i += 1
    t = Tokenizer(models.BPE(vocab=vocab, merges=merges))
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.decoder = decoders.ByteLevel()
    t.add_special_tokens([AddedToken(s, special=True) for s in SPECIAL])
    return t, vocab, merges


def randomise(model, rng):
    """Weights with which no part of the network can be left out unseen."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            x = rng.standard_normal(p.shape)
            if "norm" in name:
                x = 1 + 0.3 * x
            elif "embed" in name:
                x = 0.5 * x
            else:
                x = x * 1.5 / np.sqrt(p.shape[-1])
            p.copy_(torch.tensor(x, dtype=torch.float32).to(torch.bfloat16))


def logits(model, ids):
    """The logits after every fourth token."""
    with torch.no_grad():
        return model.double()(torch.tensor([ids])).logits[0, 3::4].float().numpy()


def save_folder(out, model, dtype, t):
    model.to(dtype).save_pretrained(out)
    t.save(str(out / "tokenizer.json"))
    settings = {"bos_token": SPECIAL[1], "eos_token": {"content": SPECIAL[2]}, "chat_template": TEMPLATE}
    (out / "tokenizer_config.json").write_text(json.dumps(settings))
    generation = out / "generation_config.json"
    if generation.exists():
        generation.unlink()
    generation.write_text(json.dumps({"eos_token_id": [t.token_to_id(SPECIAL[2]), t.token_to_id(SPECIAL[0])]}))


NAMES = {
    "model.embed_tokens.": "token_embd.", "model.norm.": "output_norm.", "lm_head.": "output.",
    "input_layernorm.": "attn_norm.", "post_attention_layernorm.": "ffn_norm.", "self_attn.q_proj.": "attn_q.",
    "self_attn.k_proj.": "attn_k.", "self_attn.v_proj.": "attn_v.", "self_attn.o_proj.": "attn_output.",
    "self_attn.q_norm.": "attn_q_norm.", "self_attn.k_norm.": "attn_k_norm.", "mlp.gate_proj.": "ffn_gate.",
    "mlp.up_proj.": "ffn_up.", "mlp.down_proj.": "ffn_down.", "model.layers.": "blk.",
}
def rename(name, names):
    """Changes whole parts of a name."""
    name = "." + name
    for a, b in names.items():
        name = name.replace("." + a, "." + b)
    return name[1:]


KINDS = [GGMLQuantizationType.Q4_1, GGMLQuantizationType.Q8_0, GGMLQuantizationType.Q4_0, GGMLQuantizationType.Q5_1]


def permute(x, heads):
    """Rows as llama.cpp's converter orders those of a llama: pairs that turn together lie side by side."""
    return x.reshape(heads, 2, x.shape[0] // heads // 2, x.shape[1]).swapaxes(1, 2).reshape(x.shape)


def unpermute(x, heads):
    return x.reshape(heads, x.shape[0] // heads // 2, 2, x.shape[1]).swapaxes(1, 2).reshape(x.shape)


def save_gguf(path, model, arch, vocab, merges, divisors=None):
    """Writes a model in blocks of several types, and gives it the numbers that are in the file."""
    c = model.config
    w = GGUFWriter(path, arch)
    w.add_name(f"tiny {arch}")
    w.add_context_length(c.max_position_embeddings)
    w.add_embedding_length(c.hidden_size)
    w.add_feed_forward_length(c.intermediate_size)
    w.add_block_count(c.num_hidden_layers)
    w.add_head_count(c.num_attention_heads)
    w.add_head_count_kv(c.num_key_value_heads)
    w.add_key_length(c.head_dim)
    w.add_value_length(c.head_dim)
    w.add_layer_norm_rms_eps(c.rms_norm_eps)
    w.add_rope_freq_base(c.rope_parameters["rope_theta"])
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("gpt-2")
    w.add_token_list(list(vocab) + SPECIAL)
    w.add_token_types([1] * len(vocab) + [3] * len(SPECIAL))
    w.add_token_merges([" ".join(m) for m in merges])
    w.add_bos_token_id(len(vocab) + 1)
    w.add_eos_token_id(len(vocab) + 2)
    w.add_chat_template(TEMPLATE)
    if divisors is not None:
        w.add_tensor("rope_freqs.weight", divisors)
    with torch.no_grad():
        for i, (name, p) in enumerate(model.named_parameters()):
            x = p.float().numpy()
            heads = {"q_proj": c.num_attention_heads, "k_proj": c.num_key_value_heads}.get(name.split(".")[-2], 0)
            if arch != "llama":
                heads = 0
            own = rename(name, NAMES)
            if x.ndim == 1:
                w.add_tensor(own, x)
                continue
            kind = KINDS[i % len(KINDS)]
            b = quantize(permute(x, heads) if heads else x, kind)
            back = dequantize(b, kind)
            p.copy_(torch.tensor(unpermute(back, heads) if heads else back))
            w.add_tensor(own, b, raw_dtype=kind)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def tiny(out):
    rng = np.random.default_rng(20261128)
    t, vocab, merges = tokenizer()
    size = t.get_vocab_size() + 5  # some rows without a token, as released models have
    shape = dict(vocab_size=size, hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=8,
                 num_key_value_heads=2, max_position_embeddings=64, rms_norm_eps=1e-5, attn_implementation="eager")
    ids = [int(i) for i in rng.integers(0, size, TOKENS)]
    golden = {"ids": np.array(ids, np.float32)}
    for arch, cls, config, more in [
        ("llama", LlamaForCausalLM, LlamaConfig, dict(head_dim=16, tie_word_embeddings=False)),
        ("qwen3", Qwen3ForCausalLM, Qwen3Config, dict(head_dim=32, tie_word_embeddings=True)),
    ]:
        first = cls(config(**shape, **more))
        randomise(first, rng)
        state = {k: v.clone() for k, v in first.state_dict().items()}
        configs = {}
        for name, rope in ROPES.items():
            model = cls(config(**shape, **more, rope_parameters=dict(rope)))
            model.load_state_dict(state)
            golden[f"{arch}/{name}"] = logits(model, ids)
            configs[name] = json.loads(model.config.to_json_string())
            if name == "default":
                save_folder(out / arch, model, torch.bfloat16, t)
        (out / arch / "ropes.json").write_text(json.dumps(configs))
        rope = ROPES["llama3" if arch == "llama" else "default"]
        model = cls(config(**shape, **more, rope_parameters=dict(rope)))
        model.load_state_dict(state)
        divisors = None
        if arch == "llama":  # llama.cpp has the scaling of llama3 as a tensor
            plain = 1 / rope["rope_theta"] ** (np.arange(0, 16, 2) / 16)
            divisors = (plain / model.model.rotary_emb.inv_freq.double().numpy()).astype(np.float32)
        save_gguf(out / f"{arch}.gguf", model, arch, vocab, merges, divisors)
        golden[f"{arch}/gguf"] = logits(model, ids)
    save_file(golden, out / "golden.safetensors")


SUBJECTS = ["a kitten", "the sea", "bread", "a bicycle", "the moon", "rain", "a violin", "winter", "a library", "honey"]
QUESTIONS = [
    "Write one sentence about {}.", "What do people like about {}?", "Explain {} to a child.", "Tell me a short story about {}.",
    "List three facts about {}.", "Write a haiku about {}.", "Why is {} important?", "Describe {} in detail.",
    "What would happen without {}?", "How does one draw {}?",
]


def smollm2(path, out, threads):
    torch.set_num_threads(threads)
    reader = GGUFReader(path)
    get = lambda key: reader.fields["llama." + key].contents()
    config = LlamaConfig(
        vocab_size=49152, hidden_size=get("embedding_length"), intermediate_size=get("feed_forward_length"),
        num_hidden_layers=get("block_count"), num_attention_heads=get("attention.head_count"),
        num_key_value_heads=get("attention.head_count_kv"), max_position_embeddings=get("context_length"),
        rms_norm_eps=get("attention.layer_norm_rms_epsilon"), tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "rope_theta": get("rope.freq_base")},
    )
    model = LlamaForCausalLM(config)
    state = {}
    for t in reader.tensors:
        x, name = dequantize(t.data, t.tensor_type).astype(np.float32), t.name
        name = rename(name, {theirs: own for own, theirs in NAMES.items()})
        if "q_proj" in name:
            x = unpermute(x, config.num_attention_heads)
        if "k_proj" in name:
            x = unpermute(x, config.num_key_value_heads)
        state[name] = torch.tensor(x)
    state["lm_head.weight"] = state["model.embed_tokens.weight"]
    model.load_state_dict(state)
    model.eval()
    vocab = {s: i for i, s in enumerate(reader.fields["tokenizer.ggml.tokens"].contents())}
    merges = [tuple(m.split(" ")) for m in reader.fields["tokenizer.ggml.merges"].contents()]
    tok = Tokenizer(models.BPE(vocab=vocab, merges=merges))
    tok.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tok.add_special_tokens([AddedToken(s, special=True) for s in SPECIAL])
    sample = np.sort(np.random.default_rng(20261128).choice(config.vocab_size, 64, replace=False))
    prompts = [
        tok.encode(f"<|im_start|>user\n{question.format(subject)}<|im_end|>\n<|im_start|>assistant\n").ids
        for question in QUESTIONS for subject in SUBJECTS
    ]
    answers, rows = [], []
    for at in range(0, len(prompts), BATCH):
        a, r = greedy(model, prompts[at : at + BATCH], sample)
        answers += a
        rows += r
        print(at, repr(tok.decode(a[0]))[:100], flush=True)
    (out / "smollm2.json").write_text(json.dumps({"sample": sample.tolist(), "steps": STEPS, "prompts": prompts, "answers": answers}))
    save_file({"logits": np.stack(rows)}, out / "smollm2.safetensors")


def greedy(model, prompts, sample):
    """The answers to some prompts, which are filled up at their left, and the logits at some steps."""
    width = max(len(p) for p in prompts)
    ids = torch.tensor([[0] * (width - len(p)) + p for p in prompts])
    seen = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts])
    answers, rows, past = [], [], None
    with torch.no_grad():
        for step in range(64):
            at = (seen.cumsum(-1) - 1).clamp(min=0)[:, -ids.shape[1] :]
            r = model(ids, attention_mask=seen, position_ids=at, past_key_values=past, use_cache=True, logits_to_keep=1)
            past, last = r.past_key_values, r.logits[:, -1]
            if step in STEPS:
                rows.append(last[:, sample].numpy())
            ids = last.argmax(-1, keepdim=True)
            answers.append(ids)
            seen = torch.cat([seen, torch.ones_like(ids)], 1)
    return torch.cat(answers, 1).tolist(), list(np.stack(rows, 1))


BATCH = 50
STEPS = [0, 1, 31, 63]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    sub = parser.add_subparsers(dest="what", required=True)
    for what in ("tiny", "smollm2"):
        p = sub.add_parser(what)
        p.add_argument("--out", type=pathlib.Path, required=True)
        if what == "smollm2":
            p.add_argument("--file", required=True)
            p.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    if args.what == "tiny":
        tiny(args.out)
    else:
        smollm2(args.file, args.out, args.threads)


if __name__ == "__main__":
    main()
