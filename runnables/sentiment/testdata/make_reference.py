"""Makes reference.jsonl: sentences with the scores of Python's vaderSentiment.

    python3 -m venv venv && venv/bin/pip install vaderSentiment==3.3.2
    venv/bin/python make_reference.py                     # sentences.txt -> reference.jsonl
    venv/bin/python make_reference.py --generate 60000 --seed 1 /tmp/generated.jsonl.gz

The second form writes sentences put together at random from the lexicon, the
words that rules name, emoji, punctuation and odd characters. generated.jsonl.gz
has 2000 of them (--seed 7); a test takes larger files:

    go test ./runnables/sentiment -run Generated -generated /tmp/generated.jsonl.gz
"""

import argparse
import gzip
import hashlib
import importlib.metadata
import json
import pathlib
import random
import sys

VERSION = "3.3.2"
HERE = pathlib.Path(__file__).parent

if importlib.metadata.version("vaderSentiment") != VERSION:
    sys.exit(f"want vaderSentiment {VERSION}, have {importlib.metadata.version('vaderSentiment')}")

from vaderSentiment import vaderSentiment as vader  # noqa: E402

ANALYZER = vader.SentimentIntensityAnalyzer()


def record(text):
    scores = ANALYZER.polarity_scores(text)
    return json.dumps({"text": text, **{k: scores[k] for k in ("compound", "pos", "neu", "neg")}}, ensure_ascii=False)


def curated():
    """One sentence a line of sentences.txt; one that starts with " is a JSON string, # starts a comment."""
    for line in (HERE / "sentences.txt").read_text(encoding="utf-8").split("\n"):
        if line and not line.startswith("#"):
            yield json.loads(line) if line.startswith('"') else line


def digest():
    """Tells the tables of two implementations apart: one line an entry, sorted."""
    lines = [f"word {k} {v:.6f}" for k, v in ANALYZER.lexicon.items() if k == k.lower() and " " not in k]
    lines += [f"booster {k} {v:.6f}" for k, v in vader.BOOSTER_DICT.items()]
    lines += [f"negation {k}" for k in vader.NEGATE]
    lines += [f"idiom {k} {v:.6f}" for k, v in vader.SPECIAL_CASES.items() if " " in k]
    lines += [f"emoji {k} {v}" for k, v in ANALYZER.emojis.items() if len(k) == 1]
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


class Generator:
    """Sentences that meet every rule often, alone and together."""

    CONTEXT = (
        "no or nor kind of sort just enough never so this without doubt least at very but the shit bomb bad ass badass "
        "bus stop yeah right kiss death to die for beating heart hearts n't 't not cannot isn't don't won't wouldn't "
        "neither despite BUT But butt Never NEVER SO This uber KINDA kind-of sort-of really hardly"
    ).split()
    FILLER = (
        "the a movie was it they we I you with and because today food service plan went is are has been 7 100% vs A "
        "Über СЛОВО слово 日本語 très café مرحبا ΣΊΣΥΦΟΣ İstanbul oK \u212aind NASA e.g. http://example.com/so?x=1 "
        "@someone #winning #fail Mr. n o - -- ... ' '' \" ª ℵ Ⓐ ⅳ ǅ ß ﬁne naïve"
    ).split()
    PUNCTUATION = (
        "! !! !!! !!!!! ? ?? ??? ???? ?! . ... , ; : ) ( ' \" * _ ~ … ’ ” 。 ！"
    ).split()
    SPACES = [" "] * 30 + [
        "  ", "\n", "\t", "\r\n", "\u00a0", "\u3000", "\u2003", "\x1c", "\x0b", "\x85", "\u200b", "\u2028", "\ufeff", "\x00",
    ]

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.lexicon = list(ANALYZER.lexicon)
        self.words = [w for w in self.lexicon if w.isalpha()]
        self.symbols = [w for w in self.lexicon if not w.isalpha()]
        self.boosters = list(vader.BOOSTER_DICT)
        self.negations = list(vader.NEGATE)
        self.idioms = list(vader.SPECIAL_CASES) + list(vader.SENTIMENT_LADEN_IDIOMS) + ["can't stand", "fed up", "screwed up"]
        self.emoji = list(ANALYZER.emojis)
        self.few = self.random.sample(self.words, 40) + "good great bad no like love hate well fun".split()

    def token(self):
        r = self.random
        kind = r.choices(
            (self.few, self.words, self.boosters, self.negations, self.CONTEXT, self.idioms, self.emoji, self.symbols, self.FILLER),
            (18, 14, 10, 8, 18, 5, 4, 5, 18),
        )[0]
        return r.choice(kind)

    def dress(self, token):
        r = self.random
        token = r.choices((token, token.upper(), token.capitalize(), token.title(), token.swapcase()), (76, 12, 8, 2, 2))[0]
        if r.random() < 0.03:
            token = token.replace("'", "’")
        if r.random() < 0.15:
            token += r.choice(self.PUNCTUATION)
        if r.random() < 0.04:
            token = r.choice(self.PUNCTUATION) + token
        if r.random() < 0.01:
            cut = r.randrange(len(token) + 1)
            token = token[:cut] + r.choice(self.emoji + self.PUNCTUATION) + token[cut:]
        return token

    def sentence(self):
        r = self.random
        lengths = (0, 1, 2, 3, r.randint(4, 12), r.randint(13, 40), r.randint(41, 120))
        length = r.choices(lengths, (0.2, 2, 4, 6, 70, 15, 2))[0]
        spaces = self.SPACES if r.random() < 0.3 else [" "]
        text = "".join(self.dress(self.token()) + r.choice(spaces) for _ in range(length))
        if r.random() < 0.7:
            text = text.rstrip(" ")
        if r.random() < 0.25:
            text += r.choice(self.PUNCTUATION) * r.randint(1, 3)
        if r.random() < 0.03:
            text = text.upper()
        return text

    def noise(self):
        """Any characters at all."""
        r = self.random
        pools = (range(0x20, 0x7F), range(0, 0x250), range(0x370, 0x600), range(0x2000, 0x2C00), range(0x1F300, 0x1FB00))
        return "".join(chr(r.choice(r.choice(pools))) for _ in range(r.randint(0, 60)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generate", type=int, metavar="N", help="write N generated sentences to OUT instead")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("out", nargs="?", type=pathlib.Path, default=HERE / "reference.jsonl")
    args = parser.parse_args()
    if args.generate:
        g = Generator(args.seed)
        texts = (g.noise() if g.random.random() < 0.05 else g.sentence() for _ in range(args.generate))
    else:
        texts = curated()
        (HERE / "tables.sha256").write_text(digest() + "\n")
    lines = [record(text) + "\n" for text in texts]
    content = "".join(lines).encode()
    args.out.write_bytes(gzip.compress(content, mtime=0) if args.out.suffix == ".gz" else content)
    print(f"{len(lines)} sentences in {args.out}")


if __name__ == "__main__":
    main()
