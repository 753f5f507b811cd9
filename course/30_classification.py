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
# # Classification: which language is a name in?
#
# *Griechenland*, *Yunanistan*, *Grécia*, *Grèce*: the same country, and most people can say which language each name is in, without
# knowing the word, from its letters alone. In this lesson a recurrent network learns to do that. You will see where it errs and
# why, ask it how sure it is, show it languages it has never met, and compare it with two rivals: counting letters, and a second kind of
# network.
#
# **Time:** 20 minutes to read; about three minutes to run on two cores. **You need:** Python, and to know what training and held-out
# data are. Nothing about recurrent networks is needed beyond "it reads one character at a time and remembers".
# The environment variable `CHARLOOM_COURSE` is `full` (the default) or `fast` (a few seconds: it shows that everything runs, not how good
# it gets).

# %%
import os
import random
from collections import Counter, defaultdict

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Markdown, display

import charloom
from charloom.classify import Rows, draw_evaluation, evaluate, explain
from charloom.evaluation import paired
from charloom.plotting import COLOURS, MARKERS, show

FAST = os.environ.get("CHARLOOM_COURSE", "full") == "fast"
print("a fast run" if FAST else "a full run")


def choose(full, fast):
    """The first value in a full run, the second in a fast one."""
    return fast if FAST else full


def say(text):
    """Show a sentence with figures that this run computed."""
    display(Markdown(text))


# %% [markdown]
# ## The data
# Programs that show dates and countries in the user's language take them from Unicode's Common Locale Data Repository. The package
# Babel contains it, and JupyterLab installs Babel, so it is already here: the names of nearly 300 countries and places and of some 650
# languages, in ten languages.
#
# Many names are spelled alike in several languages: *Japan* is English, German, Dutch and Swedish. Nobody can tell which one is
# meant, so we leave these names out.

# %%
from babel import Locale

CODES = {
    "English": "en",
    "German": "de",
    "Dutch": "nl",
    "Swedish": "sv",
    "French": "fr",
    "Spanish": "es",
    "Italian": "it",
    "Portuguese": "pt",
    "Polish": "pl",
    "Turkish": "tr",
}


def names_in(code):
    """What is named and its name in a language, with a capital at the beginning: languages differ in that habit."""
    locale = Locale(code)
    named = [*locale.territories.items(), *locale.languages.items()]
    return {key: name[:1].upper() + name[1:] for key, name in named if name.replace(" ", "").isalpha()}


tables = {language: names_in(code) for language, code in CODES.items()}
spelled = Counter(name for table in tables.values() for name in set(table.values()))
everything = sum(map(len, tables.values()))
named = {
    language: {key: name for key, name in table.items() if spelled[name] == 1} for language, table in tables.items()
}
print(f"{everything:,} names, {sum(map(len, named.values())):,} of them spelled so in one language only\n")
for language, table in named.items():
    print(f"{language:<11}{len(table):>4}  ", ", ".join(random.Random(3).sample(sorted(table.values()), 5)))

# %% [markdown]
# ## What is held out
# A quarter of the names are held out: the classifier never sees them. We hold out **things**, not names: if Greece is held out, it is
# held out in all ten languages. Otherwise the classifier could learn from *Grécia* what *Grecja* is, and the test might be easier than
# the question that we mean to ask. A few things share a name (in German, *Fidschi* is a country and a language); they are a family, which
# is held out or learned as a whole.
#
# One such split can be lucky. We draw several, and say later how much they differ.


# %%
MOST = choose(330, 60)
meant = defaultdict(set)  # what a spelling names, in any language
for table in tables.values():
    for key, name in table.items():
        meant[name].add(key)
family = {key: {key} for keys in meant.values() for key in keys}  # the things that share a name with a thing
for name in sorted(meant):
    together = set().union(*(family[key] for key in meant[name]))
    family |= dict.fromkeys(together, together)


def split(seed):
    """Rows to learn from and held-out rows: at most `MOST` names of each language, a quarter of all families held."""
    draw = random.Random(seed)
    families = sorted({min(each) for each in family.values()})  # a family goes by its first thing
    chosen = set(draw.sample(families, len(families) // 4))
    held = {key for key in family if min(family[key]) in chosen}
    parts = {True: [], False: []}
    for language, table in named.items():
        for key in draw.sample(sorted(table), min(MOST, len(table))):
            parts[key in held].append((language, table[key]))
    for part in parts.values():
        draw.shuffle(part)
    learned, tested = (Rows(*map(tuple, zip(*parts[is_held], strict=True))) for is_held in (False, True))
    assert not {key for name in learned.texts for key in meant[name]} & {
        key for name in tested.texts for key in meant[name]
    }
    return learned, tested


train, test = split(seed=1)
print(f"{len(train):,} names to learn from, {len(test):,} held out")

# %% [markdown]
# ## Training
# `TextClassifier` has scikit-learn's `fit` and `predict`, but does not need scikit-learn. Inside, one LSTM reads the characters
# forwards and another backwards; the mean, the maximum and the last of their states are kept, and one linear layer turns them into
# classes. In addition, sequences of up to five characters are **counted** in each language, and both kinds of evidence are added. Some
# of the training names are set aside to decide how much weight each kind gets.

# %%
SETTINGS = {"hidden_size": 64, "embedding_size": 32, "batch_size": 32}


def fitted(rows, seed):
    """A classifier trained on these rows."""
    classifier = charloom.TextClassifier(**SETTINGS, epochs=choose(15, 3), seed=seed)
    return classifier.fit(rows.texts, rows.labels).classifier_


classifier = fitted(train, seed=1)
found = evaluate(classifier, test)
largest = max(Counter(test.labels).values()) / len(test)
say(
    f"**{found.measures.accuracy:.0%} of the held-out names are put where they belong**; always saying the most frequent language "
    f"would give {largest:.0%}."
)

# %% [markdown]
# ## The network, the counts, and both
# Counting needs no gradient and takes a fraction of a second. Is the network worth its trouble? Here is each half of the classifier by
# itself, and both together, on several splits, each with another seed for the network. A pair of figures belongs to one split; their mean
# difference has a margin (Student's t for 95 %, times the standard error), and a difference that is no larger than its margin is not a
# result. One caution: the splits are drawn from the same names and overlap, so they agree more than independent samples would, and the
# margin is too small. Nadeau and Bengio (2003) enlarge it by the root of 1 + n · (names held out) / (names learned), for n splits. The
# last line says whether that would change an answer. Predict first: which half wins? By how much?


# %%
def halves(model, rows):
    """The share of the rows that the network, the counts and both put right."""
    symbols = [model.table.encode(text) for text in rows.texts]
    right = model.places(rows.labels)
    logits = (model.network_logits(symbols), model.counted(symbols), model.logits_of(symbols))
    return [float((each.argmax(1) == right).mean()) for each in logits]


def compared(first, second, ones, others):
    """Who beat whom, from two lists of percentages made in pairs: a difference counts if it is larger than its margin."""
    return paired(ones, others).sentence(
        f"**{first} beats {second}**", f"**{second} beats {first}**", f"{first} and {second}", "points", 1
    )


WAYS = ("the network", "the counts", "both")
splits = {1: (classifier, test)}
for seed in range(2, choose(5, 2) + 1):
    learned, held = split(seed)
    splits[seed] = fitted(learned, seed), held
results = 100 * np.array([halves(model, held) for model, held in splits.values()])  # (splits, ways)
print(f"{'split':<13}", *(f"{seed:>6}" for seed in splits), "  mean ± spread")
for way, column in zip(WAYS, results.T, strict=True):
    print(f"{way:<13}", *(f"{share:5.1f}%" for share in column), f"  {column.mean():.1f} ± {column.std(ddof=1):.1f}")
network, counts, both = results.T
say(f"* Alone against alone: {compared('the network', 'the counting', network, counts)}.")
say(f"* Are the counts worth adding? {compared('“both”', 'the network alone', both, network)}.")
say(f"* Is the network worth adding? {compared('“both”', 'the counting alone', both, counts)}.")
larger = (1 + len(splits) * len(test) / len(train)) ** 0.5
answers = [paired(*pair) for pair in ((network, counts), (both, network), (both, counts))]
lost = sum(each.clear and abs(each.mean) <= larger * each.margin for each in answers)
say(
    f"With margins {larger:.1f} times as large, for splits that overlap, "
    + (f"{lost} of these three answers would be “cannot be told apart”." if lost else "all three answers stay.")
)

# %% [markdown]
# ## Language by language
# *Recall*: of the names in this language, how many were recognised? *Precision*: of the names that were taken for this language, how
# many are in it? All held-out names of all splits together.

# %%
confusion = sum(evaluate(model, held).measures.confusion for model, held in splits.values())
languages = classifier.classes
recall, precision = np.diag(confusion) / confusion.sum(1), np.diag(confusion) / np.maximum(confusion.sum(0), 1)
print(f"{'':<12}{'names':>6}{'recall':>8}{'precision':>11}   most often taken for")
for place in np.argsort(-recall):
    others = confusion[place].copy()
    others[place] = 0
    wrong = f"{languages[others.argmax()]} ({others.max()})" if others.any() else ""
    print(f"{languages[place]:<12}{confusion[place].sum():>6}{recall[place]:>8.0%}{precision[place]:>11.0%}   {wrong}")
pairs = np.triu(confusion + confusion.T, 1)
first, second = np.unravel_index(pairs.argmax(), pairs.shape)
say(
    f"**The two that are mixed up most are {languages[first]} and {languages[second]}**: {pairs.max()} times, "
    "both directions together."
)

# %% [markdown]
# The first split as a picture. Left: each row is a language, each column what its names were taken for, darker where it is more.
# Right: of the names that the classifier was 80 % sure about, were about 80 % right? That is what **calibrated** means. A temperature,
# by which all scores are divided before they become probabilities, is fitted to that end on names that were set aside during
# training; the sentence below the picture says what is left to do. The *calibration error* is the mean distance from the diagonal,
# weighted by the number of names.

# %%
title = f"{len(test):,} held-out names: {found.measures.accuracy:.0%} right"
show(
    f"Left: how often the names of each language were taken for each other one. Right: how often answers of each certainty are right. {title}.",
    draw_evaluation(found, title),
    width=900,
)
certain = 100 * classifier.probabilities(test.texts).max(1)
correct = 100.0 * (np.array([label for label, _ in classifier.predict(test.texts)]) == np.array(test.labels))
said = paired(certain, correct).sentence(
    "**it is too sure**", "**it is not sure enough**", "how sure it is and how often it is right", "points", 1
)
say(
    f"On these names it is {certain.mean():.0f}% sure on average and right {correct.mean():.0f}% of the time: {said}. "
    f"The calibration error is {found.measures.calibration_error:.1%}."
)
print("the surest mistakes:")
for mistake in found.mistakes[:6]:
    print(f"  {mistake.text:<22} is {mistake.label}, taken for {mistake.predicted} ({mistake.probability:.0%} sure)")

# %% [markdown]
# Say each of these mistakes aloud. Would you have known?
#
# ## Why?
# Hide one character at a time and see how far the decision moves, in bits. Here is one held-out name of each of five languages. A
# positive figure: the character spoke for the language that was *chosen*, whether that is right or not.

# %%
for language in ("German", "Polish", "Spanish", "Swedish", "Turkish"):
    mine = [
        text for label, text in zip(test.labels, test.texts, strict=True) if label == language and 6 <= len(text) <= 10
    ]
    reason = explain(classifier, mine[0])
    shares = "  ".join(f"{character} {share:+.1f}" for character, share in zip(mine[0], reason.shares, strict=True))
    print(f"is {language:<8} taken for {reason.label:<10} {reason.probability:>4.0%}   {shares}")

# %% [markdown]
# ## "I do not know"
# What does it make of a language that it has never met? Some class always wins. A threshold turns uncertain answers into `unknown`. The
# price: some right answers are lost too.

# %%
STRANGERS = {  # each with its code and its nearest relative among the ten, if it has one
    "Danish": ("da", "Swedish"),
    "Norwegian": ("nb", "Swedish"),
    "Catalan": ("ca", "Spanish"),
    "Czech": ("cs", "Polish"),
    "Azerbaijani": ("az", "Turkish"),
    "Finnish": ("fi", None),
    "Hungarian": ("hu", None),
}
THRESHOLD = 0.8
known = {name for table in tables.values() for name in table.values()}


def unknown_share(texts):
    """The share of the texts that no language gets with enough certainty."""
    return np.mean([label == "unknown" for label, _ in classifier.predict(texts, threshold=THRESHOLD)])


print(f"{'':<14}unknown   taken for")
print(f"{'(held out)':<14}{unknown_share(test.texts):>7.0%}")
recognised = []
for stranger, (code, relative) in STRANGERS.items():
    texts = random.Random(1).sample(sorted(set(names_in(code).values()) - known), 150)
    taken = Counter(label for label, _ in classifier.predict(texts)).most_common(2)
    print(
        f"{stranger:<14}{unknown_share(texts):>7.0%}   "
        + ", ".join(f"{label} {count / 150:.0%}" for label, count in taken)
    )
    if relative == taken[0][0]:
        recognised.append(f"{stranger} for {relative}")
say(
    f"Of five strangers with a close relative among the ten, {len(recognised)} are taken for it most often: {', '.join(recognised)}."
)

# %% [markdown]
# Nobody told it that languages have families: they show in the letters. But a threshold does not make it a judge of what it has never
# seen. A name in an unknown language that looks like one of the ten is taken for that one, with confidence.
#
# ## Two ways to classify
# So far the network learned what **tells the languages apart**; it is *discriminative* (with a small second task, predicting the next
# character, which charloom adds). The other way is to learn **how each language is spelled**: a *generative* network is a language
# model conditioned on the language, $P(\text{text} \mid \text{language})$, and Bayes' rule turns its probabilities around. Which
# one is better, and does that depend on how many examples there are? Neither gets any counts (`n_grams=0`), and each amount is drawn
# several times. All these networks take the same number of steps. Their figures are lower than those above: they have fewer steps,
# fewer names and no counts.


# %%
def few(rows, count, seed):
    """`count` rows of each class."""
    order = random.Random(seed).sample(range(len(rows)), len(rows))
    return rows.take(
        [place for label in rows.classes for place in [p for p in order if rows.labels[p] == label][:count]]
    )


AMOUNTS, DRAWS = choose((10, 40, 160), (10, 40)), choose(3, 2)
KINDS = ("discriminative", "generative")
scores = np.zeros((len(AMOUNTS), len(KINDS), DRAWS))
for row, amount in enumerate(AMOUNTS):
    for draw in range(DRAWS):
        some = few(train, amount, draw)
        for column, kind in enumerate(KINDS):
            settings = {**SETTINGS, "kind": kind, "n_grams": 0, "steps": choose(250, 30), "seed": draw + 1}
            model = charloom.TextClassifier(**settings).fit(some.texts, some.labels)
            scores[row, column, draw] = 100 * model.score(test.texts, test.labels)
    shares = ", ".join(
        f"{kind} {each.mean():.0f}% ± {each.std(ddof=1):.1f}" for kind, each in zip(KINDS, scores[row], strict=True)
    )
    print(f"{amount:>4} names a language: {shares}")

# %%
for amount, (discriminative, generative) in zip(AMOUNTS, scores, strict=True):
    said = compared("the discriminative network", "the generative one", discriminative, generative)
    say(f"* With {amount} names a language: {said}.")

figure, axes = plt.subplots(figsize=(7, 3.6), dpi=100)
for column, kind in enumerate(KINDS):
    means, spreads = scores[:, column].mean(1), scores[:, column].std(1, ddof=1)
    axes.errorbar(AMOUNTS, means, spreads, color=COLOURS[column], marker=MARKERS[column], capsize=3, label=kind)
axes.set_xscale("log")
axes.set_xticks(AMOUNTS, [str(amount) for amount in AMOUNTS])
axes.set(xlabel="training names for each language", ylabel="held-out names put right (%)")
axes.set_title(
    f"{scores[0].mean():.0f}% right after {AMOUNTS[0]} names a language, {scores[-1].mean():.0f}% after {AMOUNTS[-1]}",
    loc="left",
)
axes.legend(frameon=False)
axes.spines[["top", "right"]].set_visible(False)
figure.tight_layout()
show(
    "The share of held-out names put right by the number of training names, for the discriminative and the generative network."
)

# %% [markdown]
# ## On the command line
# The same, with a file of `label<TAB>text`:
#
# ```sh
# charloom classify train names.tsv --run runs/names
# charloom classify evaluate runs/names test.tsv --png confusion.png
# charloom classify predict runs/names words.txt --threshold 0.8
# charloom classify explain runs/names --text Griechenland
# ```
#
# **Try, and predict first:**
#
# 1. Take the accents away (`unicodedata.normalize("NFKD", name)`, then keep ASCII letters). Which languages lose most?
# 2. Add Danish, Norwegian and Czech as classes. What happens to the recall of Swedish and Polish?
# 3. Hold out names instead of things, that is, let *Grécia* be learned and *Grecja* be tested. Does the test become easier?
#
# <details><summary>Hints</summary>
#
# 1. Look at the letters that spoke for a language in "Why?": a language recognised by letters that no other has should lose more
#    than one recognised by its endings.
# 2. The strangers' table shows what the names of a new class were taken for so far. Where a class takes names away from its relative,
#    does it also take some that belong there?
# 3. Names of one thing resemble each other across languages, but only what differs between them tells the languages apart. So there are
#    reasons for either answer. Compare over several splits: if the difference is within their spread, that is the answer.
#
# </details>
