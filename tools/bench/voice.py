#!/usr/bin/env python3
"""The speed of the voice beside that of the package that its weights come from.

Both speak the same phonemes (six seconds) again and again, in turns, so that what
else the machine does slows both. Kinora runs as its benchmark, `go test -bench
Speak ./internal/model/voice`; the package runs the network by onnxruntime and its
signal processing by numpy and scipy. For 1 and 2 threads it prints, of the rounds,
the best time and the least work of the processor for a sentence, and the ratios:
above 1 Kinora is quicker. README.md has the command.
"""

import argparse
import os
import re
import resource
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "..", "..")


def sentence():
    with open(os.path.join(ROOT, "internal", "model", "voice", "bench_test.go"), encoding="utf-8") as f:
        return re.search(r'const long = "([^"]*)"', f.read()).group(1)


def work(who):
    u = resource.getrusage(who)
    return u.ru_utime + u.ru_stime


def kinora(binary, threads, times):
    env = dict(os.environ, KINORA_THREADS=str(threads))
    spent = []
    out = ""
    for n in (1, 1 + times):  # what a process takes to start and to open the voice is in both
        before = work(resource.RUSAGE_CHILDREN)
        out = subprocess.run([binary, "-test.run=^$", "-test.bench=^BenchmarkSpeak$", f"-test.benchtime={n}x", f"-test.cpu={threads}"],
                             env=env, check=True, capture_output=True, text=True).stdout
        spent.append(work(resource.RUSAGE_CHILDREN) - before)
    return float(re.search(r"([\d.]+) ns/op", out).group(1)) / 1e6, (spent[1] - spent[0]) / times * 1e3


def package(voice, phonemes, times):
    took, before = [], work(resource.RUSAGE_SELF)
    for _ in range(times):
        start = time.perf_counter()
        voice.from_phonemes(phonemes, seed=0)
        took.append(time.perf_counter() - start)
    return sum(took) / times * 1e3, (work(resource.RUSAGE_SELF) - before) / times * 1e3


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--package", required=True, help="the folder of the unzipped wheel")
    p.add_argument("--rounds", type=int, default=7)
    p.add_argument("--times", type=int, default=20, help="sentences a round")
    a = p.parse_args()
    sys.path.insert(0, a.package)
    from hibari import Hibari
    phonemes = sentence()
    with tempfile.TemporaryDirectory() as folder:
        binary = os.path.join(folder, "voice.test")
        subprocess.run(["go", "test", "-c", "-o", binary, "./internal/model/voice"], cwd=ROOT, check=True,
                       env=dict(os.environ, CGO_ENABLED="0"))
        for threads in (1, 2):
            voice = Hibari(threads=threads)
            seconds = len(voice.from_phonemes(phonemes, seed=0)) / voice.sample_rate
            ours, theirs = [], []
            for _ in range(a.rounds):
                ours.append(kinora(binary, threads, a.times))
                theirs.append(package(voice, phonemes, a.times))
            (t, w), (pt, pw) = (tuple(map(min, zip(*x))) for x in (ours, theirs))
            print(f"{threads} threads: Kinora {t:.1f} ms, {seconds / t * 1e3:.0f} × real time, work {w:.1f} ms; "
                  f"package {pt:.1f} ms, {seconds / pt * 1e3:.0f} ×, work {pw:.1f} ms; "
                  f"ratio {pt / t:.2f}, of work {pw / w:.2f}", flush=True)


if __name__ == "__main__":
    main()
