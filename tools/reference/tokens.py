#!/usr/bin/env python3
"""The oracle of internal/token: what Hugging Face's tokenizers and SentencePiece
make of some thousand strings.

    python3 -m venv venv
    venv/bin/pip install tokenizers==0.23.3 sentencepiece==0.2.3
    venv/bin/python tools/reference/tokens.py --out internal/token/testdata [--large .cache/tokenizers]

It writes
  strings.gz        the strings, one a line in base64: bytes, which need not be UTF-8
  NAME.json.gz      small tokenizers of each make, trained on the strings' words
  NAME.model.gz     SentencePiece's, with T5's options
  NAME.golden.gz    per string a digest of its ids and of the text they decode to;
                    every 16th string has them in full
With --large it also writes the goldens of the tokenizers in that folder, which
`make tokenizers` fills; those are not checked in themselves.

Python has no strings of bytes that are not UTF-8: the reference is given
bytes.decode("utf-8", "replace"), that is U+FFFD for each maximal subpart.
"""

import argparse
import base64
import gzip
import hashlib
import json
import os
import random
import struct
import sys
import tempfile
import time

import sentencepiece
import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

assert tokenizers.__version__ == "0.23.3" and sentencepiece.__version__ == "0.2.3", "see the versions above"

SEED = 1
EVERY = 16  # of which strings the golden has ids in full

SENTENCES = {
    "en": ["A red fox runs through the snow at dawn.", "She's sure they'll say we'd've gone, but I'm not.", "The camera pans left; rain falls on the city's neon signs.",
           "Close-up: an old man's hands, 35mm film, f/1.8, shallow depth of field.", "Two cats sleep on a blue sofa while the kettle boils.", "DON'T STOP! IT'S 10:30PM, I'LL CALL YOU."],
    "zh": ["一只红色的狐狸在雪地里奔跑。", "镜头缓缓向左移动，霓虹灯下的城市正在下雨。", "两只猫在蓝色的沙发上睡觉，水壶正在烧开。", "特写：老人的手，电影质感，浅景深。", "色调艳丽，过曝，静态，细节模糊不清，字幕，风格", "繁體字與简体字混在一起：龍龙、馬马。"],
    "ar": ["ثعلب أحمر يركض في الثلج عند الفجر.", "تتحرك الكاميرا إلى اليسار والمطر يهطل على المدينة.", "قطتان تنامان على أريكة زرقاء.", "اللُّغَةُ العَرَبِيَّةُ جَمِيلَةٌ", "السعر ١٢٣٫٤٥ ريال؟"],
    "hi": ["एक लाल लोमड़ी सुबह बर्फ में दौड़ रही है।", "कैमरा बाईं ओर घूमता है, शहर पर बारिश हो रही है।", "दो बिल्लियाँ नीले सोफे पर सो रही हैं।", "क्षत्रिय ज्ञान श्री ज़िन्दगी १२३४"],
    "ru": ["Рыжая лиса бежит по снегу на рассвете.", "Камера движется влево, над городом идёт дождь.", "Две кошки спят на синем диване, пока кипит чайник.", "Ёлка, йод и объезд: № 5 — 100 %."],
    "ja": ["赤い狐が夜明けの雪の中を走っている。", "カメラがゆっくり左にパンし、街に雨が降る。", "青いソファーで二匹の猫が眠っています。", "ｶﾀｶﾅと全角ＡＢＣ１２３、㍿㌔㊗"],
    "ko": ["붉은 여우가 새벽 눈밭을 달린다.", "카메라가 왼쪽으로 움직이고 도시에 비가 내린다.", "두 고양이가 파란 소파에서 자고 있다.", "한글 자모 ㅎㅏㄴ과 옛한글 ᄒᆞᆫ글"],
    "th": ["สุนัขจิ้งจอกสีแดงวิ่งในหิมะยามรุ่งอรุณ", "กล้องแพนไปทางซ้ายขณะที่ฝนตกในเมือง", "แมวสองตัวนอนบนโซฟาสีฟ้า น้ำกำลังเดือด", "ราคา ๑๒๓ บาท กำลังน้ำ"],
    "de": ["Ein roter Fuchs läuft im Morgengrauen durch den Schnee.", "Die Kamera schwenkt nach links, während es über der Straße regnet.", "Zwei Kätzchen schlafen auf dem blauen Sofa; der Kessel kocht über.", "Größe, Übermaß, Fußgängerübergänge, STRAẞE"],
    "fr": ["Un renard roux court dans la neige à l'aube.", "La caméra se déplace à gauche ; il pleut sur l'œuvre d'art.", "Deux chats dorment sur le canapé bleu, n'est-ce pas ?", "Où êtes-vous, cœur naïf ? « Là-bas », dit-elle."],
    "tr": ["Kızıl bir tilki şafakta karda koşuyor.", "Kamera sola kayarken şehrin üzerine yağmur yağıyor.", "İki kedi mavi kanepede uyuyor, çaydanlık kaynıyor.", "IĞDIR'da ığdır, İSTANBUL'da istanbul"],
    "vi": ["Một con cáo đỏ chạy trong tuyết lúc bình minh.", "Máy quay lia sang trái, trời mưa trên thành phố.", "Hai con mèo ngủ trên ghế sô pha màu xanh."],
    "he": ["שועל אדום רץ בשלג עם שחר.", "הַמַּצְלֵמָה נָעָה שְׂמֹאלָה"],
    "el": ["Μια κόκκινη αλεπού τρέχει στο χιόνι. Ὀδυσσεύς"],
    "ta": ["ஒரு சிவப்பு நரி பனியில் ஓடுகிறது"],
    "ka": ["წითელი მელა თოვლში გარბის ᲗᲝᲕᲚᲘ"],
    "am": ["ቀይ ቀበሮ በበረዶ ውስጥ ይሮጣል"],
}
EMOJI = ["👍", "👩‍👩‍👧‍👦", "🏳️‍🌈", "🇯🇵🇩🇪", "👋🏽", "❤️‍🔥", "🤷🏾‍♂️", "1️⃣", "☺️☺︎", "🫠🫨", "👨🏻‍💻", "🧑‍🚀"]
CODE = ["for (int i = 0; i < n; ++i) {\n\tsum += a[i] * b[i];\n}", "def f(x):\n    return x**2  # square\n\n\nprint(f(3))\n", '{"prompt": "a cat", "seed": 8, "n": [1,2.5e-3,null]}',
        "SELECT * FROM t WHERE a='b''c' AND d<>\"e\";", "<div class=\"a\">&nbsp;&lt;b&gt;</div>", "https://example.com/a/b?c=d&e=%20f#g", "x=y?z:w;//!!==>>=<<=&&||", "\\frac{\\alpha}{2}\\\\", "C:\\Users\\x\\y.txt", "snake_case CamelCase kebab-case SCREAMING_CASE"]
MARKS = ["e\u0301", "A\u030a", "\u212b", "\u1e9b\u0323", "q\u0307\u0323", "q\u0323\u0307", "\u0958", "\u0344", "\uac00\u11a8", "\u1100\u1161\u11a8", "Z\u0351\u0343\u036a\u0302\u036b", "a" + "\u0301" * 40, "\u0301\u0302 x", "a\u0315\u0300\u05ae\u0300\u0062", "\u0cc6\u0cc2\u0cd5", "o\u0302\u0301\u0323",
         "a" + "\u0300\u0327" * 25, "\u212b\u0301", "\ufb01\ufb03", "\u00bd\u00b2\u2460", "\u3392", "\uff21\u0301", "\u0130I\u0131i", "\u01c4", "\ufdfa", "\u1fc1", "\u0f73\u0f71\u0f80"]
CONTROL = ["\x00", "\x01\x02\x03", "\x07\x08", "\x1b[31m", "\x7f", "\x80\x85\x9f", "\u00ad", "\u200b\u200c\u200d", "\u200e\u200f", "\u2028\u2029", "\u202a\u202e", "\u2060", "\ufeff", "\ufffe", "\U000e0001\U000e0041", "\ufffd", "\U0010ffff", "\ue000", "\u0604", "\u180e"]
SPACES = [" ", "  ", "    ", "\t", "\n", "\r\n", "\r", "\n\n\n", " \n \n", "\u00a0", "\u3000", "\u2003\u2009", "\x0b\x0c", "\u1680", "\u202f", " " * 17, " " * 130, "\t" * 9, "\n" * 12, "\r\n" * 5, " \t \n\t  "]
NUMBERS = ["0", "7", "42", "123", "1234", "1234567890", "3.14159", "-1e-9", "1,000,000.00", "0x1F", "½ ¾ ²³", "Ⅷ ⅷ", "٠١٢٣", "१२३", "１２３", "12:34:56", "2026-11-28", "1st 2nd", "50%", "$9.99"]
INVALID = [b"\xff", b"\xc0\x80", b"\xe4\xb8", b"\xed\xa0\x80", b"\xf0\x9f\x98", b"\xf5\x80\x80\x80", b"a\x80b", b"\xf0\x80\x80\x80", b"\xe2\x82\x28", b"\xc3", b"\xfe\xff", b"\xf4\x90\x80\x80", b"\xe0\x80\xaf", b"\xf1\x80\x80\xe1\x80\xc2a", b"\x80\xbf" * 5]
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>", "</s>", "<s>", "<pad>", "<unk>", "<extra_id_0>", "<|begin_of_text|>", "<tool_call>", "<mask>", "[both]", "[word]", "[Norm É]", "<0x41>", "▁", "▁▁a", "<|im_start", "<|im_start|><|im_end|>", "<usr>", "ab c"]
LETTERS = {"en": "etaoinshrdlu", "zh": "红雪山水城市人的一是在有", "ar": "ابتثجحخدذرزسش", "hi": "कखगघचजटडतदनपबमयरलवसहािीुे", "ru": "оеаинтсрвлкмдп", "ja": "あいうえおかきくけこさしすせそアイウ", "ko": "가나다라마바사아자차카타파하", "th": "กขคงจฉชซดตนบปผฝพมยรลวสหอาิีุูเแโ", "de": "enisratdhulcgmäöüß", "fr": "esaitnrulodcpméèàç", "tr": "aeinrlıdkmuytsğşçöü"}


def strings():
    """The strings: each kind alone, then mixtures. The result depends on SEED."""
    rnd = random.Random(SEED)
    sentences = [s for group in SENTENCES.values() for s in group]
    out = [b"", b"a", b" a", b"a "]
    for group in [sentences, EMOJI, CODE, MARKS, CONTROL, SPACES, NUMBERS, SPECIAL]:
        out += [s.encode() for s in group]
        out += [("x " + s + " y").encode() for s in group]
        out += [(s + rnd.choice(group)).encode() for s in group]
    out += INVALID + [b"text " + s + b" more" for s in INVALID]
    kinds = [sentences] * 5 + [EMOJI, CODE, MARKS, CONTROL, SPACES, SPACES, NUMBERS, SPECIAL]
    while len(out) < 2150:
        parts = []
        for _ in range(rnd.randint(2, 6)):
            s = rnd.choice(rnd.choice(kinds))
            if len(s) > 12 and rnd.random() < 0.6:  # a part of it, cut anywhere
                a = rnd.randrange(len(s))
                s = s[a:a + rnd.randint(1, 24)]
            parts.append(s.encode())
            if rnd.random() < 0.08:
                parts.append(rnd.choice(INVALID))
            parts.append(rnd.choice([b"", b"", b" ", b" ", b"\n", b", "]))
        out.append(b"".join(parts))
    for _ in range(250):  # words that no vocabulary has
        letters = LETTERS[rnd.choice(sorted(LETTERS))]
        words = ["".join(rnd.choice(letters) for _ in range(rnd.randint(1, 12))) for _ in range(rnd.randint(1, 8))]
        out.append(rnd.choice([" ", "  ", "", "'", "-"]).join(words).encode())
    for _ in range(100):  # any characters
        out.append("".join(chr(rnd.choice([rnd.randrange(0x80), rnd.randrange(0x800), rnd.randrange(0xd800), rnd.randrange(0x1f000, 0x1fb00)])) for _ in range(rnd.randint(1, 30))).encode())
    for _ in range(60):  # any bytes
        out.append(bytes(rnd.randrange(256) for _ in range(rnd.randint(1, 24))))
    out += [b"a" * 300, ("é" * 200).encode(), ("语" * 150).encode(), b"ab" * 150, (" ".join(sentences[:40])).encode()]
    return out


def corpus():
    """Text to train small vocabularies on."""
    rnd = random.Random(SEED + 1)
    lines = []
    sentences = [s for group in SENTENCES.values() for s in group]
    for _ in range(4):
        lines += sentences
    for code, letters in sorted(LETTERS.items()):
        syllables = ["".join(rnd.choice(letters) for _ in range(rnd.randint(1, 3))) for _ in range(40)]
        words = ["".join(rnd.choice(syllables) for _ in range(rnd.randint(1, 3))) for _ in range(150)]
        joint = "" if code in ("zh", "ja", "th") else " "
        lines += [joint.join(rnd.choice(words) for _ in range(8)) for _ in range(120)]
    return lines + CODE * 3 + NUMBERS * 3


GPT2 = None
QWEN2 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA3 = QWEN2.replace(r"\p{N}|", r"\p{N}{1,3}|", 1)
ADDED = [AddedToken("<|endoftext|>", special=True, normalized=False), AddedToken("<|im_start|>", special=True, normalized=False), AddedToken("<|im_end|>", special=True, normalized=False),
         AddedToken("<think>", special=False, normalized=False), AddedToken("[both]", lstrip=True, rstrip=True, normalized=False), AddedToken("[word]", single_word=True, normalized=False), AddedToken("[Norm É]", normalized=True)]


def byte_level(pre, normalizer=None, whole=False, post=None, size=1500):
    t = Tokenizer(models.BPE(ignore_merges=whole))
    if normalizer is not None:
        t.normalizer = normalizer
    t.pre_tokenizer = pre
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator(corpus(), trainers.BpeTrainer(vocab_size=size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    t.add_special_tokens([a for a in ADDED if a.special])
    t.add_tokens([a for a in ADDED if not a.special])
    if post is not None:
        t.post_processor = post(t)
    return t


def split(pattern):
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def spiece(folder, name, **options):
    """A SentencePiece vocabulary with T5's options; returns its bytes."""
    prefix = os.path.join(folder, name)
    o = dict(vocab_size=2000, model_type="unigram", normalization_rule_name="nmt_nfkc", pad_id=0, eos_id=1, unk_id=2, bos_id=-1, hard_vocab_limit=False,
             character_coverage=0.995, num_threads=1, minloglevel=2)
    o.update(options)
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(corpus()), model_prefix=prefix, **o)
    with open(prefix + ".model", "rb") as f:
        return f.read()


def charsmap(model):
    """normalizer_spec.precompiled_charsmap of a model: field 2 of its field 3."""
    def field(b, want):
        i = 0
        def varint():
            nonlocal i
            v = s = 0
            while True:
                c = b[i]
                i += 1
                v |= (c & 127) << s
                s += 7
                if c < 128:
                    return v
        while i < len(b):
            tag = varint()
            if tag & 7 == 0:
                varint()
            elif tag & 7 == 5:
                i += 4
            elif tag & 7 == 1:
                i += 8
            else:
                n = varint()
                if tag >> 3 == want:
                    return b[i:i + n]
                i += n
        raise KeyError(want)
    return field(field(model, 3), 2)


def t5_json(model, scheme="always", fallback=False):
    """The model as UMT5's tokenizer.json has it."""
    sp = sentencepiece.SentencePieceProcessor(model_proto=model)
    t = Tokenizer(models.Unigram([(sp.id_to_piece(i), sp.get_score(i)) for i in range(len(sp))], unk_id=sp.unk_id(), byte_fallback=fallback))
    t.normalizer = normalizers.Sequence([normalizers.Precompiled(charsmap(model)), normalizers.Strip(left=False, right=True), normalizers.Replace(Regex(" {2,}"), "▁")])
    t.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme=scheme)
    t.decoder = decoders.Metaspace(replacement="▁", prepend_scheme=scheme)
    t.post_processor = processors.TemplateProcessing(single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", sp.eos_id())])
    t.add_special_tokens([AddedToken(s, special=True, normalized=False) for s in ["<pad>", "</s>", "<unk>", "<extra_id_0>"]])
    return t


def llama2(size=1200):
    """Characters joined by BPE, with bytes for the unknown, as Llama 2 and Gemma."""
    t = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    t.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    t.train_from_iterator(corpus(), trainers.BpeTrainer(vocab_size=size, special_tokens=["<unk>", "<s>", "</s>"] + ["<0x%02X>" % i for i in range(256)], limit_alphabet=300, max_token_length=12, show_progress=False))
    d = json.loads(t.to_str())  # the bytes are tokens of the vocabulary and not to be found in text
    d["added_tokens"] = [a for a in d["added_tokens"] if a["id"] < 3]
    t = Tokenizer.from_str(json.dumps(d))
    t.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", t.token_to_id("<s>"))])
    return t


def lower():
    """Normalizers and pre-tokenizers that the others leave out."""
    t = Tokenizer(models.BPE(unk_token="[UNK]", fuse_unk=False))
    t.normalizer = normalizers.Sequence([normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase(), normalizers.Strip()])
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split("e", "merged_with_next"), pre_tokenizers.Split("a", "merged_with_previous"), pre_tokenizers.Split("oo", "removed"), pre_tokenizers.Split(Regex("[0-9]"), "contiguous"), pre_tokenizers.Digits(individual_digits=False), pre_tokenizers.Metaspace(prepend_scheme="always")])
    t.decoder = decoders.Metaspace(prepend_scheme="always")
    t.train_from_iterator(corpus(), trainers.BpeTrainer(vocab_size=900, special_tokens=["[UNK]"], limit_alphabet=400, show_progress=False))
    t.add_tokens(ADDED)
    return t


def small():
    """The tokenizers that are checked in: name, kind, tokenizer, bytes of its file."""
    folder = tempfile.mkdtemp()
    cases = [
        ("gpt2", byte_level(pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=True))),
        ("smollm", byte_level(pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)]))),
        ("qwen", byte_level(split(QWEN2), normalizers.NFC())),
        ("llama3", byte_level(split(LLAMA3), normalizers.NFKC(), whole=True, post=lambda t: processors.Sequence([processors.ByteLevel(trim_offsets=False), processors.TemplateProcessing(single="<|im_start|> $A", pair="<|im_start|> $A $B", special_tokens=[("<|im_start|>", t.token_to_id("<|im_start|>"))])]))),
        ("llama2", llama2()),
        ("lower", lower()),
    ]
    plain = spiece(folder, "t5")
    bytes_ = spiece(folder, "t5bytes", byte_fallback=True, user_defined_symbols=["<usr>", "ab c", "①②"])
    bpe = spiece(folder, "spbpe", model_type="bpe", byte_fallback=True, vocab_size=1500, normalization_rule_name="identity", remove_extra_whitespaces=False, unk_id=0, bos_id=1, eos_id=2, pad_id=-1)
    cases.append(("umt5", t5_json(plain)))
    cases.append(("umt5bytes", t5_json(bytes_, "first", True)))
    for name, t in cases:
        yield name + ".json", t, t.to_str().encode()
    for name, data in [("t5", plain), ("t5bytes", bytes_), ("spbpe", bpe)]:
        yield name + ".model", sentencepiece.SentencePieceProcessor(model_proto=data), data


def encode(t, s):
    """ids with what stands around them, and what they decode to."""
    text = s.decode("utf-8", "replace")
    if isinstance(t, Tokenizer):
        ids = t.encode(text).ids
        return ids, t.decode(ids, skip_special_tokens=True)
    ids = t.encode(text)
    return ids, t.decode(ids)


def digest(b):
    return hashlib.sha256(b).digest()[:6].hex()


def golden(t, all_strings):
    lines = []
    for i, s in enumerate(all_strings):
        ids, text = encode(t, s)
        line = digest(struct.pack("<%di" % len(ids), *ids)) + " " + digest(text.encode())
        if i % EVERY == 0:
            line += " " + json.dumps(ids, separators=(",", ":")) + " " + base64.b64encode(text.encode()).decode()
        lines.append(line)
    return "\n".join(lines) + "\n"


def write(path, data):
    with open(path, "wb") as f, gzip.GzipFile(fileobj=f, mode="wb", mtime=0, filename="") as z:
        z.write(data if isinstance(data, bytes) else data.encode())


def speed(path):
    """Times encoding on one thread, as BenchmarkEncode does: all strings that are
    UTF-8 and at least 20 bytes long, one by one."""
    texts = [s.decode() for s in strings() if len(s) >= 20 and s.decode("utf-8", "ignore").encode() == s]
    size = sum(len(s.encode()) for s in texts)
    t = Tokenizer.from_file(path) if path.endswith(".json") else sentencepiece.SentencePieceProcessor(model_file=path)
    best = float("inf")
    for _ in range(10):
        start = time.process_time()
        for s in texts:
            t.encode(s)
        best = min(best, time.process_time() - start)
    print("%s: %.1f MB/s" % (os.path.basename(path), size / best / 1e6))


def main():
    if len(sys.argv) == 3 and sys.argv[1] == "speed":
        return speed(sys.argv[2])
    p = argparse.ArgumentParser()
    p.add_argument("--out", required=True)
    p.add_argument("--large", help="folder of tokenizers that are not checked in")
    a = p.parse_args()
    os.makedirs(a.out, exist_ok=True)
    all_strings = strings()
    write(os.path.join(a.out, "strings.gz"), b"\n".join(base64.b64encode(s) for s in all_strings) + b"\n")
    print(len(all_strings), "strings")
    for name, t, data in small():
        write(os.path.join(a.out, name + ".gz"), data)
        write(os.path.join(a.out, name + ".golden.gz"), golden(t, all_strings))
        print(name, len(data))
    for name in sorted(os.listdir(a.large)) if a.large else []:
        if name.endswith(".json"):
            write(os.path.join(a.out, name + ".golden.gz"), golden(Tokenizer.from_file(os.path.join(a.large, name)), all_strings))
            print(name)


main()
