#!/usr/bin/env python3
"""How the English voice reads text: where its data comes from, and its oracle.

  convert  reads the assets of the Python package hibari-tts 0.2.1 and writes the
           files that internal/model/voice/english embeds: the lexicon, the
           tagger and the table of words as sorted dictionaries in compressed
           blocks, the spelling-to-sound network as safetensors.
  golden   has the package itself read sentences.txt, and writes what it made of
           each: the tests of internal/model/voice/english hold the Go code to it.
  compare  has the package read the lines of any text, and counts the sentences for
           which a program differs that reads the same lines and prints the phonemes
           of each sentence.

Only convert works without onnxruntime. README.md has the commands.
"""

import argparse
import difflib
import gzip
import json
import os
import struct
import subprocess
import sys
import zlib

import numpy as np

BLOCK = 4 << 10  # bytes of a dictionary's block before it is compressed


def asset(a, name):
    path = os.path.join(a.package, "hibari", "assets", name)
    if name.endswith(".gz"):
        with gzip.open(path, "rt", encoding="utf-8") as f:
            return json.load(f)
    with open(path, encoding="utf-8") as f:
        return json.load(f)


def uvarint(n):
    out = bytearray()
    while n >= 0x80:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def zigzag(n):
    return uvarint(n << 1 if n >= 0 else (-n << 1) - 1)


def counted(b):
    return uvarint(len(b)) + b


def write_dictionary(path, entries):
    """A dictionary of bytes by text. Keys are sorted by their bytes, and each is
    stored without what it shares with the one before it in its block."""
    blocks, first, raw, last = [], b"", bytearray(), b""

    def close():
        if raw:
            z = zlib.compressobj(9, zlib.DEFLATED, -15, 9)
            packed = z.compress(bytes(raw)) + z.flush()
            blocks.append((first, len(raw), packed))

    for key, value in sorted((k.encode(), v) for k, v in entries.items()):
        if not raw or len(raw) > BLOCK:
            close()
            first, raw, last = key, bytearray(), b""
        shared = len(os.path.commonprefix([key, last]))
        raw += uvarint(shared) + counted(key[shared:]) + counted(value)
        last = key
    close()
    out = bytearray(b"KDIC1\n") + uvarint(len(blocks))
    for first, size, packed in blocks:
        out += counted(first) + uvarint(size) + uvarint(len(packed))
    for _, _, packed in blocks:
        out += packed
    with open(path, "wb") as f:
        f.write(out)
    print(f"{path}: {len(entries)} entries, {len(blocks)} blocks, {len(out)} bytes")


def pronunciation(v):
    """A word's phonemes, or those by part of speech: a tab before each, and no =
    where there are none."""
    if isinstance(v, str):
        return v.encode()
    return "".join(f"\t{tag}" + ("" if ps is None else "=" + ps) for tag, ps in v.items()).encode()


def tagger_rows(model):
    """By feature, the tags that it speaks for and against, in tenths."""
    tags = {t: i for i, t in enumerate(model["tags"])}
    rows = {}
    for feature, weights in model["weights"].items():
        row = b""
        for tag, w in weights.items():
            tenths = round(w * 10)
            if tenths / 10 != w:
                raise SystemExit(f"the weight {w} of {feature} is not in tenths: this is another tagger")
            row += bytes([tags[tag]]) + zigzag(tenths)
        rows[feature] = row
    return rows


def tagger_words(model):
    """By word, its one tag plus 1, or 0, and whether the features may name it."""
    tags = {t: i + 1 for i, t in enumerate(model["tags"])}
    vocab = set(model["vocab"])
    return {w: bytes([tags.get(model["tagdict"].get(w), 0), w in vocab]) for w in vocab | set(model["tagdict"])}


def save_safetensors(path, tensors, meta):
    head, data = {"__metadata__": meta}, b""
    for name, x in sorted(tensors.items()):
        b = np.ascontiguousarray(x).tobytes()
        head[name] = {"dtype": {"float16": "F16", "float32": "F32"}[str(x.dtype)], "shape": list(x.shape), "data_offsets": [len(data), len(data) + len(b)]}
        data += b
    text = json.dumps(head, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data)


def convert_unknown(a):
    """The network for unknown words. ONNX holds its matrices transposed and
    without their names, in the order of the layers."""
    import onnx
    from onnx import numpy_helper

    model = onnx.load(os.path.join(a.package, "hibari", "assets", "oov.onnx"))
    arrays = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
    named = {k: v for k, v in arrays.items() if k.startswith("m.")}
    products = [n for n in model.graph.node if n.op_type == "MatMul" and n.input[1] in arrays]
    layers = len([k for k in named if k.endswith("norm1.weight")])
    names = [f"layers.{i}.{part}.weight" for i in range(layers) for part in ("qkv", "out", "up", "down")] + ["head.weight"]
    if len(products) != len(names):
        raise SystemExit(f"oov.onnx has {len(products)} matrices, {len(names)} were expected: this is another network")
    tensors = {name: arrays[n.input[1]].T for name, n in zip(names, products)}
    for k, v in named.items():
        k = k[2:].replace("self_attn.in_proj_bias", "qkv.bias").replace("self_attn.out_proj", "out")
        tensors[k.replace("linear1", "up").replace("linear2", "down").replace("emb.weight", "letters").replace("pos", "places")] = v
    tensors = {k: v.astype(np.float16) if v.ndim > 1 else v.astype(np.float32) for k, v in tensors.items()}
    meta = asset(a, "oov.json")
    config = {"letters": "".join(meta["in"]), "sounds": "".join(meta["out"]), "slots": meta["slots"], "longest": meta["maxlen"], "layers": layers, "heads": 4}
    save_safetensors(os.path.join(a.out, "unknown.safetensors"), tensors, {"format": "kinora-spelling-1", "config": json.dumps(config, ensure_ascii=False)})


def convert(a):
    os.makedirs(a.out, exist_ok=True)
    for name in ("gold", "silver"):
        words = asset(a, f"lexicon_us_{name}.json.gz")
        write_dictionary(os.path.join(a.out, f"{name}.dict"), {k: pronunciation(v) for k, v in words.items()})
    tagger = asset(a, "tagger.json.gz")
    write_dictionary(os.path.join(a.out, "features.dict"), tagger_rows(tagger))
    write_dictionary(os.path.join(a.out, "tags.dict"), tagger_words(tagger))
    words = asset(a, "normalize.json")
    words["symbols"] = list(words["symbols"].items())  # their order matters
    words["tags"] = tagger["tags"]
    words["special"] = {k: v for k, v in asset(a, "tokenizer_exceptions.json").items() if not k.isspace()}
    with open(os.path.join(a.out, "words.json"), "w", encoding="utf-8") as f:
        json.dump(words, f, ensure_ascii=False, separators=(",", ":"))
        f.write("\n")
    convert_unknown(a)


def reader(a):
    sys.path.insert(0, a.package)
    from hibari.g2p import G2P
    from hibari.tts import Hibari

    h = Hibari.__new__(Hibari)  # its text half alone, without the network of the voice
    h._g2p = G2P()
    return h.phonemize


def lines_of(path):
    with open(path, encoding="utf-8") as f:
        return [line.rstrip("\n") for line in f if line.strip()]


def golden(a):
    read = reader(a)
    lines = lines_of(os.path.join(a.out, "sentences.txt"))
    with open(os.path.join(a.out, "phonemes.json"), "w", encoding="utf-8") as f:
        json.dump([{"text": t, "phonemes": read(t)} for t in lines], f, ensure_ascii=False, indent=0)
        f.write("\n")
    print(f"{len(lines)} texts")


def compare(a):
    read = reader(a)
    texts, want, failed = [], [], 0
    for t in lines_of(a.texts):
        try:
            want += read(t)
            texts.append(t)
        except Exception as e:  # the package fails on some words
            failed += 1
            if a.show:
                print("the package fails:", repr(e), "on", t)
    done = subprocess.run(a.program.split(), input="\n".join(texts) + "\n", capture_output=True, text=True, check=True)
    got = done.stdout.split("\n")[:-1]
    equal = phonemes = 0
    for op, i, k, m, n in difflib.SequenceMatcher(None, want, got, autojunk=False).get_opcodes():
        if op == "equal":
            equal += k - i
            phonemes += sum(map(len, want[i:k]))
            continue
        w, g = " ".join(want[i:k]), " ".join(got[m:n])
        phonemes += sum(b.size for b in difflib.SequenceMatcher(None, w, g, autojunk=False).get_matching_blocks())
        if a.show:
            print("want:", *want[i:k], sep="\n  ")
            print(" got:", *got[m:n], sep="\n  ")
    print(f"{equal} of {len(want)} sentences equal, {phonemes} of {sum(map(len, want))} phonemes; the package failed on {failed} texts")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sub = p.add_subparsers(dest="command", required=True)
    for name, run in (("convert", convert), ("golden", golden), ("compare", compare)):
        c = sub.add_parser(name)
        c.set_defaults(run=run)
        c.add_argument("--package", required=True, help="folder into which the wheel of hibari-tts was unpacked")
        if name == "compare":
            c.add_argument("--texts", required=True)
            c.add_argument("--program", required=True)
            c.add_argument("--show", action="store_true")
        else:
            c.add_argument("--out", required=True)
    a = p.parse_args()
    a.run(a)


if __name__ == "__main__":
    main()
