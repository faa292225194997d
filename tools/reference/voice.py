#!/usr/bin/env python3
"""The English voice inside the program: where its weights come from, and its oracle.

  convert  reads hibari.onnx of the Python package hibari-tts and writes it as the
           safetensors file that internal/model/voice embeds.
  golden   has onnxruntime compute what the network makes of a few sentences, and
           the package's own signal processing what sound that is: the tests of
           internal/model/voice hold the Go code to it.

Both take the folder of the package, --package. The network's products are in int8,
for which onnxruntime rounds activations to bytes too, by a factor that it finds in
each tensor. Where a number lies between two bytes, the last digit of a sum decides,
and what follows differs a little between any two programs. So most goldens leave the
activations alone: they come from the same graph with its weights taken apart into
numbers. Those called "rounded" come from the graph as it is.
README.md has the commands; bench_voice.py compares whole sentences with the package
as it is.
"""

import argparse
import json
import os
import sys

import numpy as np
import onnx
from onnx import helper, numpy_helper
from safetensors.numpy import save_file

SOURCE = "hibari.onnx of hibari-tts 0.2.1, Copyright 2026 Maureese Williams, Apache-2.0"


def config(graph):
    """The sizes of the network, as internal/model/voice reads them."""
    shape = {t.name: list(t.dims) for t in graph.initializer}
    uses = lambda name: sum(n.op_type == "LayerNormalization" and n.input[1] == name for n in graph.node)

    def text(prefix):
        phonemes, width = shape[prefix + "emb.weight"]
        convs = sum(name.startswith(prefix + "convs.") and name.endswith("gamma") for name in shape)
        return {
            "phonemes": phonemes, "width": width, "hidden": shape[prefix + "convs.0.pw1.bias"][0],
            "kernel": shape[prefix + "convs.0.dw.weight"][2], "convs": convs,
            "heads": 2, "layers": uses(prefix + "attn.norm2.weight"),
        }

    def blocks(prefix):
        n = 0
        while f"{prefix}{n}.gamma" in shape:
            n += 1
        dilation = {}
        for node in graph.node:
            if node.op_type == "Conv" and node.input[1].startswith(prefix):
                dilation[node.input[1]] = next(a.ints[0] for a in node.attribute if a.name == "dilations")
        return {
            "width": shape[prefix + "0.gamma"][0], "hidden": shape[prefix + "0.pw1.bias"][0],
            "kernel": shape[prefix + "0.dw.weight"][2],
            "dilations": [dilation[f"{prefix}{i}.dw.weight"] for i in range(n)],
        }

    return {
        "text": text("m.text."), "prosody_text": text("pn.text."),
        "prosody": blocks("pn.pro."), "decoder": blocks("m.dec."),
        "entry": shape["m.dec_in.weight"][2], "bins": shape["m.head.bias"][0] // 5,
    }


def rename(name):
    """The name of a parameter in Kinora's file."""
    for theirs, ours in (("m.text.", "text."), ("pn.text.", "prosody_text."), ("pn.pro.", "prosody."),
                         ("m.dec.", "decoder."), ("m.", ""), ("pn.", "")):
        if name.startswith(theirs):
            return ours + name[len(theirs):].replace("in_proj_", "in_proj.")
    raise SystemExit(f"{name}: this is another network than hibari-tts 0.2.1's")


def matrices(graph):
    """The integer products: node -> (name of the layer, codes [in, out], factor)."""
    init = {t.name: t for t in graph.initializer}
    made = {o: n for n in graph.node for o in n.output}
    out = {}
    for add in graph.node:
        if add.op_type != "Add":
            continue
        bias = next((i for i in add.input if i in init), None)
        scaled = made.get(next((i for i in add.input if i not in init), None))
        if bias is None or scaled is None or scaled.op_type != "Mul":
            continue
        product = made[made[scaled.input[0]].input[0]]
        if product.op_type != "MatMulInteger":
            continue
        if numpy_helper.to_array(init[product.input[3]]) != 0:
            raise SystemExit(f"{bias}: its weights are not symmetric")
        stem = product.input[1].removesuffix("_quantized")
        out[product.output[0]] = (
            rename(bias).removesuffix(".bias"), numpy_helper.to_array(init[product.input[1]]),
            numpy_helper.to_array(init[stem + "_scale"]), stem,
        )
    count = sum(n.op_type == "MatMulInteger" for n in graph.node)
    if len(out) != count:
        raise SystemExit(f"{len(out)} of {count} integer products are understood: this is another network")
    return out


def parameters(graph):
    tensors = {}
    for t in graph.initializer:
        if not t.name.startswith(("m.", "pn.")):
            continue
        x = numpy_helper.to_array(t)
        if t.name.endswith(".dw.weight"):  # [C, 1, K] to [K, C]
            x = x[:, 0].T
        elif x.ndim == 3:  # [O, C, K] to [O, K, C], and a matrix where there is one tap
            x = x.transpose(0, 2, 1)
            x = x[:, 0] if x.shape[1] == 1 else x[:, None, None]
        tensors[rename(t.name)] = np.ascontiguousarray(x)
    for name, codes, factor, _ in matrices(graph).values():
        tensors[name + ".weight"] = np.ascontiguousarray(codes.T)
        tensors[name + ".weight.scale"] = np.full(codes.shape[1], factor, np.float32)
    return tensors


def load(package):
    return onnx.load(os.path.join(package, "hibari", "assets", "hibari.onnx"))


def convert(a):
    graph = load(a.package).graph
    with open(os.path.join(a.package, "hibari", "assets", "vocab.json"), encoding="utf-8") as f:
        vocab = json.load(f)
    tensors = parameters(graph)
    save_file(tensors, a.out, {
        "format": "kinora-voice-1", "config": json.dumps(config(graph)),
        "alphabet": json.dumps(vocab, ensure_ascii=False), "source": SOURCE,
    })
    print(f"{a.out}: {len(tensors)} tensors, {os.path.getsize(a.out)} bytes")


def watched(model, outputs):
    """The graph with more outputs."""
    out = onnx.ModelProto()
    out.CopyFrom(model)
    for name in outputs:
        out.graph.output.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    return out


def exact(model):
    """The graph with products in f32."""
    out = onnx.ModelProto()
    out.CopyFrom(model)
    graph, known = out.graph, matrices(model.graph)
    made = {o: n for n in graph.node for o in n.output}
    have, nodes = set(), []
    for n in graph.node:
        if n.op_type == "DynamicQuantizeLinear" or n.op_type == "Mul" and "quant_scales_mul" in n.output[0]:
            continue
        if n.op_type == "MatMulInteger":
            _, codes, factor, stem = known[n.output[0]]
            if stem not in have:
                have.add(stem)
                graph.initializer.append(numpy_helper.from_array(codes.astype(np.float32) * factor, stem + "_wide"))
            n = helper.make_node("MatMul", [n.input[0].removesuffix("_quantized"), stem + "_wide"], list(n.output))
        elif n.op_type == "Cast" and n.input[0] in known:
            n = helper.make_node("Identity", list(n.input), list(n.output))
        elif n.op_type == "Mul" and any("quant_scales_mul" in i for i in n.input):
            n = helper.make_node("Identity", [n.input[0]], list(n.output))
        nodes.append(n)
    del graph.node[:]
    graph.node.extend(nodes)
    return out


LOGS, TRACKS = "/Gather_31_output_0", "/pro_out/Conv_output_0"  # of the graph
GOLDEN = [  # phonemes and speed
    ("nˈO.", 1.0),
    ("həlˈO ðˈɛɹ, ðɪs ɪz ɐ tˈɛst ʌv ðə vˈYs.", 0.8),
    ("wˌI dˈɪd ði ˈOld kˈæptᵊn ɹˈɛfjˌus tə lˈiv hɪz ʃˈɪp?", 1.25),
    ("ɹˈAn fˈɛl sˈɔftli ˌɔn ðə ɹˈuf ˈɔl nˈIt lˈɔŋ; nˈObˌɑdi slˈɛpt.", 1.0),
]
SHOWN = [17, -1]  # windows whose spectrum is in the goldens


def session(model, threads=1):
    import onnxruntime
    o = onnxruntime.SessionOptions()
    o.intra_op_num_threads = o.inter_op_num_threads = threads
    o.log_severity_level = 3
    return onnxruntime.InferenceSession(model.SerializeToString(), o, providers=["CPUExecutionProvider"])


class Noise:
    """Kinora's noise (noise.go of internal/model/voice) in the place of numpy's generator."""

    STEPS = 2048

    def __init__(self, seed=0, part=0):
        self.seed, self.part = seed, part
        x = (np.arange(self.STEPS) + 0.5) / self.STEPS
        self.radius = np.sqrt(-2 * np.log(x)).astype(np.float32)
        self.direction = np.stack([np.cos(2 * np.pi * x), np.sin(2 * np.pi * x)], 1).astype(np.float32)

    def standard_normal(self, shape, dtype=np.float32):
        """What the package asks for: [bins, 2·windows], pairs of real and imaginary part."""
        bins, windows = shape[0], shape[1] // 2
        w = self.words((bins + 3) // 4 * windows).reshape(windows, -1)[:, :bins].T
        z = self.radius[w % self.STEPS][..., None] * self.direction[(w // self.STEPS) % self.STEPS]
        self.part += 1  # the next sentence
        return np.ascontiguousarray(z).reshape(shape).astype(dtype)

    def words(self, n):
        """4·n words of Philox4x32-10 (Salmon et al. 2011), with the seed as key and (i, part) as counter."""
        at, low = np.arange(n, dtype=np.uint64), np.uint64(0xFFFFFFFF)
        c = [at & low, at >> np.uint64(32), np.full_like(at, self.part & 0xFFFFFFFF), np.full_like(at, self.part >> 32)]
        k = [self.seed & 0xFFFFFFFF, self.seed >> 32]
        for _ in range(10):
            a, b = c[0] * np.uint64(0xD2511F53), c[2] * np.uint64(0xCD9E8D57)
            c = [(b >> np.uint64(32)) ^ c[1] ^ np.uint64(k[0]), b & low, (a >> np.uint64(32)) ^ c[3] ^ np.uint64(k[1]), a & low]
            k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
        return np.stack(c, 1)


def golden(a):
    sys.path.insert(0, a.package)
    from hibari import dsp
    with open(os.path.join(a.package, "hibari", "assets", "vocab.json"), encoding="utf-8") as f:
        vocab = json.load(f)
    whole = load(a.package)
    net, rounded = (session(watched(m, (LOGS, TRACKS))) for m in (exact(whole), whole))
    tensors = {}
    for i, (phonemes, speed) in enumerate(GOLDEN):
        ids = np.array([[0] + [vocab[c] for c in phonemes] + [0]], np.int64)
        given = {"ids": ids, "speed": np.array([speed], np.float32)}
        *parts, f0, logs, tracks = net.run(None, given)
        parts = [p[0] for p in parts]
        tensors[f"{i}/logs"] = logs
        tensors[f"{i}/tracks"] = np.ascontiguousarray(tracks[0].T)
        tensors[f"{i}/spectrum"] = np.stack([np.concatenate([p[:, w] for p in parts]) for w in SHOWN])
        *_, logs, tracks = rounded.run(None, given)
        tensors[f"{i}/rounded/logs"], tensors[f"{i}/rounded/tracks"] = logs, np.ascontiguousarray(tracks[0].T)
        sound = dsp.synth(*parts, f0[0], Noise(seed=7, part=i))
        tensors[f"{i}/sound"] = sound if i == 0 else sound[-8 * 1200 : -4 * 1200]
    tensors["pulses"] = dsp.pulses(np.array([0, 100, 150, 210, 210, 30, 41, 399, 0, 0], np.float32))
    save_file(tensors, os.path.join(a.out, "golden.safetensors"), {
        "sentences": json.dumps(GOLDEN, ensure_ascii=False), "windows": json.dumps(SHOWN),
    })


if __name__ == "__main__":
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sub = p.add_subparsers(required=True)
    for name, run in (("convert", convert), ("golden", golden)):
        c = sub.add_parser(name)
        c.add_argument("--package", required=True, help="the folder of the unzipped wheel")
        c.add_argument("--out", required=True)
        c.set_defaults(run=run)
    a = p.parse_args()
    sys.exit(a.run(a))
