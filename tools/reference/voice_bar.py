#!/usr/bin/env python3
"""How near the voice is to the package that its weights come from.

  phonemes  has the package read voice_sentences.txt and prints the phonemes, a
            sentence a line.
  pictures  draws spectrograms of five of them, Kinora's and the package's.
  compare   reads the sound that Kinora made of each sentence, DIR/000.wav and so
            on, has the package speak the same phonemes, and compares.

The package is given Kinora's noise in the place of numpy's, so that breath and
consonants can be compared. Sound becomes 80 mel bands of the logarithm (natural) of
the magnitude, from 0 to 12 kHz, in windows of 1024 samples every 300, with 1e-3 as
the floor. The distance of two windows is the mean of the absolute differences over
the bands. Kinora leaves activations as they are, which the package rounds to uint8,
so the two sometimes round the length of a phoneme to one frame (25 ms) more or
less. Windows are therefore aligned by dynamic time warping, and the distance is the
mean over its path.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import wave

import numpy as np

from voice import Noise

HERE = os.path.dirname(os.path.abspath(__file__))
RATE, SIZE, HOP, BANDS, FLOOR = 24000, 1024, 300, 80, 1e-3


def sentences():
    with open(os.path.join(HERE, "voice_sentences.txt"), encoding="utf-8") as f:
        return f.read().splitlines()


def filters():
    """Triangles, evenly spaced in mel (HTK's formula), with peaks of 1."""
    mel = np.linspace(0, 2595 * np.log10(1 + RATE / 2 / 700), BANDS + 2)
    edge = (700 * (10 ** (mel / 2595) - 1)) * SIZE / RATE
    at = np.arange(SIZE // 2 + 1)
    up = (at[None] - edge[:-2, None]) / (edge[1:-1] - edge[:-2])[:, None]
    down = (edge[2:, None] - at[None]) / (edge[2:] - edge[1:-1])[:, None]
    return np.maximum(0, np.minimum(up, down))


MEL, HANN = filters(), np.hanning(SIZE + 1)[:-1]


def log_mel(x):
    x = np.pad(x, SIZE // 2)
    frames = np.lib.stride_tricks.sliding_window_view(x, SIZE)[::HOP] * HANN
    return np.log(np.maximum(np.abs(np.fft.rfft(frames)) @ MEL.T, FLOOR))


def distance(a, b):
    """Mean distance of windows along the cheapest path, and that without a path if the lengths are equal."""
    reach = abs(len(a) - len(b)) + 8  # a path leaves the diagonal by this many windows at most
    far = float("inf")
    cost = {}
    for o in range(-reach, reach + 1):
        lo, hi = max(0, -o), min(len(a), len(b) - o)
        cost[o] = [far] * lo + np.abs(a[lo:hi] - b[lo + o : hi + o]).mean(1).tolist() + [far] * (len(a) - hi)
    # best[o] is the cost and the length of the cheapest path to window i of a and i+o of b.
    best = {o: (far, 0) for o in cost}
    for i in range(len(a)):
        left = (far, 0)
        for o in range(-reach, reach + 1):
            before = min(best[o], best.get(o + 1, (far, 0)), left) if i or o else (0.0, 0)
            left = best[o] = (before[0] + cost[o][i], before[1] + 1)
    total, steps = best[len(b) - len(a)]
    return total / steps, sum(cost[0]) / len(a) if len(a) == len(b) else None


def read_wav(path):
    with wave.open(path) as f:
        if (f.getframerate(), f.getnchannels(), f.getsampwidth()) != (RATE, 1, 2):
            raise SystemExit(f"{path}: want 16 bits, mono, {RATE} Hz")
        return np.frombuffer(f.readframes(f.getnframes()), "<i2").astype(np.float32) / 32767


def phonemes(a):
    sys.path.insert(0, a.package)
    from hibari import Hibari
    voice = Hibari()
    for text in sentences():
        said = voice.phonemize(text)
        if len(said) != 1:
            raise SystemExit(f"{text!r} is {len(said)} sentences")
        print(said[0])


def compare(a):
    sys.path.insert(0, a.package)
    from hibari import Hibari
    voice = Hibari(model=a.model)
    spoken, distances, plains, same = sentences(), [], [], 0
    for i, text in enumerate(spoken):
        want = voice.from_ids(voice.ids(voice.phonemize(text)[0]), rng=Noise(a.seed))
        if a.wavs:
            got = read_wav(os.path.join(a.wavs, f"{i:03}.wav"))
        else:  # the package with other noise
            got = voice.from_ids(voice.ids(voice.phonemize(text)[0]), rng=Noise(a.seed + 1))
        want = np.round(np.clip(want, -1, 1) * 32767) / 32767
        d, plain = distance(log_mel(got), log_mel(want))
        distances.append(d)
        same += len(got) == len(want)
        if plain is not None:
            plains.append(plain)
        if a.verbose:
            print(f"{i:03} {d:.4f} {'' if plain is None else f'{plain:.4f}'} {len(got) - len(want):+d} {text}")
    print(json.dumps({
        "sentences": len(distances), "log_mel_mean": round(float(np.mean(distances)), 4),
        "log_mel_worst": round(float(np.max(distances)), 4), "of_equal_length": same,
        "those_not_aligned_mean": round(float(np.mean(plains)), 4),
    }))


SHOWN = [5, 14, 38, 44, 174]  # short enough to be seen: of voice_sentences.txt


def pictures(a):
    """Spectrograms of five sentences, Kinora's to the left, by ffmpeg."""
    sys.path.insert(0, a.package)
    from hibari import Hibari, write_wav
    voice, spoken = Hibari(), sentences()
    with tempfile.TemporaryDirectory() as folder:
        inputs, filters, rows = [], [], []
        for n, i in enumerate(SHOWN):
            theirs = os.path.join(folder, f"{i}.wav")
            write_wav(theirs, voice.from_ids(voice.ids(voice.phonemize(spoken[i])[0]), rng=Noise(a.seed)))
            for side, path in enumerate((os.path.join(a.wavs, f"{i:03}.wav"), theirs)):
                inputs += ["-i", path]
                filters.append(f"[{2 * n + side}]showspectrumpic=s=480x128:legend=0:scale=log:drange=90:gain=4:color=magma,pad=488:136:4:4:white[p{n}{side}]")
            filters.append(f"[p{n}0][p{n}1]hstack[r{n}]")
            rows.append(f"[r{n}]")
        graph = ";".join(filters) + f";{''.join(rows)}vstack=inputs={len(rows)}"
        subprocess.run(["ffmpeg", "-v", "error", "-y", *inputs, "-filter_complex", graph, "-frames:v", "1", "-q:v", "7", a.out], check=True)
    for i in SHOWN:
        print(spoken[i])


if __name__ == "__main__":
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sub = p.add_subparsers(required=True)
    for name, run in (("phonemes", phonemes), ("pictures", pictures), ("compare", compare)):
        c = sub.add_parser(name)
        c.add_argument("--package", required=True, help="the folder of the unzipped wheel")
        c.set_defaults(run=run)
        if run is not phonemes:
            c.add_argument("--seed", type=int, default=0, help="of Kinora's noise")
        if run is pictures:
            c.add_argument("--wavs", required=True, help="the folder of Kinora's sound")
            c.add_argument("--out", required=True, help="the picture")
    c.add_argument("--wavs", help="the folder of Kinora's sound; without it the package is compared with itself under other noise")
    c.add_argument("--model", help="another graph for the package")
    c.add_argument("--verbose", action="store_true")
    a = p.parse_args()
    sys.exit(a.run(a))
