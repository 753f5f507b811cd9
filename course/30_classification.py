# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Classification: which script does a letter belong to, by the sound of its name?
#
# Every letter of every writing system has a name in Unicode: `HANGUL SYLLABLE GYAELG`, `YI SYLLABLE NBAX`, `ETHIOPIC SYLLABLE
# QHWE`. Take only the last part, and guess the script from it. It is like guessing where a surname comes from, and the data comes
# with every Python: the module `unicodedata`.
#
# You will train a recurrent network that reads the name in both directions, see where it errs and why, ask how sure it is, and
# compare it with a second kind of classifier. The environment variable `CHARLOOM_COURSE=fast` makes everything short.

# %%
import os
import random
import sys
import unicodedata
from collections import Counter

import charloom
from charloom.classify import Rows, draw_evaluation, evaluate, explain, hold_out

FAST = os.environ.get("CHARLOOM_COURSE", "full") == "fast"
print("a fast run" if FAST else "a full run")


def choose(full, fast):
    """The first value in a full run, the second in a fast one."""
    return fast if FAST else full


# %% [markdown]
# ## The data
# Sounds with the script they are written in, at most 300 of each. A quarter of each script is held out: the classifier never
# sees it.

# %%
KINDS = {
    "HANGUL SYLLABLE": "Hangul",
    "YI SYLLABLE": "Yi",
    "ETHIOPIC SYLLABLE": "Ethiopic",
    "CANADIAN SYLLABICS": "Canadian",
    "VAI SYLLABLE": "Vai",
    "CUNEIFORM SIGN": "Cuneiform",
    "BAMUM LETTER": "Bamum",
    "MENDE KIKAKUI SYLLABLE": "Mende",
    "KATAKANA LETTER": "Katakana",
    "CHEROKEE LETTER": "Cherokee",
}

names = [unicodedata.name(chr(code), "") for code in range(sys.maxunicode + 1)]
pairs = sorted({(kind, name.split()[-1]) for name in names for start, kind in KINDS.items() if name.startswith(start)})
random.Random(1).shuffle(pairs)
seen = Counter()
chosen = []
for kind, sound in pairs:
    seen[kind] += 1
    if seen[kind] <= choose(300, 120):
        chosen.append((kind, sound))
rows = Rows(tuple(kind for kind, _ in chosen), tuple(sound for _, sound in chosen))
kept, held = hold_out(rows, 0.25, seed=1)
train, test = rows.take(kept), rows.take(held)
print(f"{len(train)} names to learn from, {len(test)} held out")
for kind in rows.classes:
    print(f"{kind:<10}", *[sound for label, sound in chosen if label == kind][:6], sep="  ")

# %% [markdown]
# ## Training
# `TextClassifier` has scikit-learn's `fit` and `predict`, but does not need scikit-learn. Inside, one LSTM reads the characters
# forwards and another backwards; the mean, the maximum and the last of their states are kept, and one linear layer turns them into
# classes. In addition, sequences of up to five characters are **counted** in each script, and both kinds of evidence are added;
# names held back during training decide how much weight each gets.

# %%
classifier = charloom.TextClassifier(hidden_size=64, embedding_size=32, epochs=choose(30, 12), batch_size=32)
classifier.fit(train.texts, train.labels)
largest = max(Counter(train.labels).values()) / len(train)
print(f"{classifier.score(test.texts, test.labels):.0%} of the held-out names are put where they belong")
print(f"always saying the most frequent script would give {largest:.0%}")

# %% [markdown]
# ## What the network adds to counting
# Counting needs no steps and no gradient, and yet comes close to the network. Here is each half of the classifier by itself (the
# counts by Bayes' rule with equal class priors), and both together, which is seldom much worse than the better half, and often
# better than both if neither is good:

# %%
model = classifier.classifier_
symbols = [model.table.encode(text) for text in test.texts]
right = [model.classes.index(label) for label in test.labels]
says = {
    "the network": model.network_logits(symbols),
    "the counts": model.counted(symbols),
    "both": model.logits_of(symbols),
}
for who, logits in says.items():
    print(f"{who:<12} {(logits.argmax(1) == right).mean():.1%}")
print(f"the counts have {float(model.network.count_weight):.1f} times the weight of the network")

# %% [markdown]
# ## Where it errs
# Each row of the table is a script, each column what its names were taken for. On the right: of the names that it was 80 % sure
# about, were about 80 % right? That is what **calibrated** means; a temperature, fitted on held-out names, takes care of it.

# %%
found = evaluate(classifier.classifier_, test)
try:
    from IPython.display import Image, display

    display(Image(draw_evaluation(found, f"{len(test)} held-out names: {found.measures.accuracy:.0%} right")))
except ImportError:
    for label, taken, count in found.confusions()[:8]:
        print(f"{count:>4} of {label} taken for {taken}")
print("the surest mistakes:")
for mistake in found.mistakes[:5]:
    print(f"  {mistake.text:<12} is {mistake.label}, taken for {mistake.predicted} ({mistake.probability:.0%} sure)")

# %% [markdown]
# ## Why?
# Hide one character at a time and see how far the decision moves, in bits. Positive: the character was evidence for the script.

# %%
for sound in ("GWAEGS", "NBAX", "TTHWE", "LUGAL", "SHAA"):
    reason = explain(classifier.classifier_, sound)
    shares = "  ".join(f"{character} {share:+.1f}" for character, share in zip(sound, reason.shares, strict=True))
    print(f"{sound:<8} {reason.label:<10} {reason.probability:>4.0%}   {shares}")

# %% [markdown]
# ## "I do not know"
# Greek letters belong to none of these scripts, yet some class always wins. A threshold turns uncertain answers into `unknown`, at
# the price of some names that would have been right.

# %%
greek = [unicodedata.name(chr(code)).split()[-1] for code in range(0x3B1, 0x3CA)]
for threshold in (0.0, 0.5, 0.8):
    unknown = [
        [label == "unknown" for label, _ in classifier.classifier_.predict(texts, threshold=threshold)]
        for texts in (greek, test.texts)
    ]
    shares = [sum(each) / len(each) for each in unknown]
    print(
        f"threshold {threshold:.1f}: {shares[0]:.0%} of the Greek names are unknown, and {shares[1]:.0%} of the held-out ones"
    )

# %% [markdown]
# ## Two ways to classify
# So far the network learned what **tells the scripts apart**. The other way is to learn **how each script sounds**: a language
# model conditioned on the script, `P(text | script)`, inverted by Bayes' rule. With few examples, a model of how things sound
# gets more to learn from than a single label for each name; with many, discriminating wins. Which one wins here, without any
# counts (`n_grams=0`)?

# %%
for count in choose((10, 40, 160), (10, 40)):
    taken = Counter()
    few = []
    for place, label in enumerate(train.labels):
        taken[label] += 1
        if taken[label] <= count:
            few.append(place)
    some = train.take(few)
    scores = {}
    for kind in ("discriminative", "generative"):
        settings = {"hidden_size": 64, "embedding_size": 32, "batch_size": 32, "steps": choose(600, 60), "n_grams": 0}
        settings["kind"] = kind
        scores[kind] = charloom.TextClassifier(**settings).fit(some.texts, some.labels).score(test.texts, test.labels)
    print(f"{count:>4} names a script: " + ", ".join(f"{kind} {score:.0%}" for kind, score in scores.items()))

# %% [markdown]
# ## On the command line
# The same, with a file of `label<TAB>text`:
#
# ```sh
# charloom classify train names.tsv --run runs/names
# charloom classify evaluate runs/names test.tsv --png confusion.png
# charloom classify predict runs/names words.txt --threshold 0.8
# charloom classify explain runs/names --text NBAX
# ```
#
# **Try:** a class for each of your own folders of text; `crops=0.5` where words are to be recognised after training on sentences;
# `class_weights=1` where a rare class matters as much as a frequent one.
