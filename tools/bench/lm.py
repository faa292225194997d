"""Kinora's language models beside llama.cpp, in turns on one machine.

    scripts/smollm2
    go test -c -o lm.test ./internal/model/lm
    python3 tools/bench/lm.py --test $PWD/lm.test [--threads 2] [--rounds 3]

Each round times SmolLM2-135M-Instruct in Q4_1: a prompt of 512 tokens, and 128 tokens one after another after a
prompt of 32, greedily; the best round of each counts. A figure by the clock is followed by one by processor time,
which is for a machine that does other work: threads that spin while they wait look worse there, so trust it with
--threads 1 alone. The last numbers are Kinora's over llama.cpp's. Used with llama-cpp-python 0.3.36, built from its
source package for the processor that it runs on, as pip does where there is no wheel.
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODEL = ROOT / ".cache/models/SmolLM2-135M-Instruct.Q4_1.gguf"
IDS = [1000 + 7 * i for i in range(512)]  # as in internal/model/lm/bench_test.go


def keep_best(best, new):
    for key, value in new.items():
        best[key] = max(value, best.get(key, 0))


def measure_kinora(args):
    env = dict(os.environ, KINORA_THREADS=str(args.threads), KINORA_SMOLLM2=str(args.model))
    command = [args.test, "-test.run", "^$", "-test.bench", "Prefill|Decode", "-test.benchtime", "2x"]
    lines = subprocess.run(command, env=env, cwd=ROOT / "internal/model/lm", check=True, stdout=subprocess.PIPE, text=True).stdout
    out = {}
    for line in lines.splitlines():
        if line.startswith("Benchmark"):
            name = line.split()[0].removeprefix("Benchmark").split("-")[0].lower()
            for unit, key in (("tokens/s", "clock"), ("busy-tokens/s", "busy")):
                out[name, key] = float(re.search(r"([\d.]+) " + unit, line).group(1))
    return out


def peer(args):
    """Times llama.cpp, in a process of its own."""
    import llama_cpp
    import numpy as np

    m = llama_cpp.Llama(model_path=str(args.model), n_ctx=1024, n_batch=512, n_threads=args.threads, n_threads_batch=args.threads, verbose=False)

    def timed(name, tokens, f):
        clock, busy = time.perf_counter(), time.process_time()
        f()
        clock, busy = time.perf_counter() - clock, time.process_time() - busy
        print(name, "clock", tokens / clock)
        print(name, "busy", tokens / busy * args.threads)

    def decode():
        token = 5
        for _ in range(128):
            m.eval([token])
            token = int(np.ctypeslib.as_array(llama_cpp.llama_get_logits(m._ctx.ctx), (m.n_vocab(),)).argmax())

    m.eval(IDS[:32])
    for _ in range(2):
        m.reset()
        timed("prefill", len(IDS), lambda: m.eval(IDS))
        m.reset()
        m.eval(IDS[:32])
        timed("decode", 128, decode)


def measure_peer(args):
    command = [sys.executable, __file__, "--peer", "--threads", str(args.threads), "--model", str(args.model)]
    lines = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    out = {}
    for line in lines.splitlines():
        name, key, value = line.split()
        keep_best(out, {(name, key): float(value)})
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--test")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", type=pathlib.Path, default=MODEL)
    parser.add_argument("--peer", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.peer:
        return peer(args)
    if not args.test:
        parser.error("--test names the test program of internal/model/lm")
    ours, theirs = {}, {}
    for _ in range(args.rounds):
        keep_best(ours, measure_kinora(args))
        keep_best(theirs, measure_peer(args))
    print(f"tokens/s, {args.threads} threads, best of {args.rounds} rounds: by the clock, and by processor time")
    for name in ("prefill", "decode"):
        line = f"{name:8}"
        for key in ("clock", "busy"):
            a, b = ours[name, key], theirs[name, key]
            line += f"  kinora {a:7.1f}  llama.cpp {b:7.1f}  {a / b:5.2f}"
        print(line)


if __name__ == "__main__":
    main()
