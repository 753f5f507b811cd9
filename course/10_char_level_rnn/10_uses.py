# %% [markdown]
# ## 10. What such models are good for
#
# *About 40 minutes. You need chapters 5 to 8: the trained `model`, what surprise is, and how a text is drawn.*
#
# A language model computes one thing: **how probable a text is**. Every use of it is a question about that number:
#
# | use | question | in more depth |
# |---|---|---|
# | **generation** | which text comes out, if each character is drawn by its probability? | lessons 20 and 55 |
# | **completion** | which way to go on is the most probable one? | lesson 40 |
# | **correction** | which of the words that could have been meant is the most probable one here? | lesson 40 |
# | **classification** | which class makes this text the most probable? | lesson 30 |
# | **code** | all of these, for program source | lesson 50 |
#
# So two small functions are enough for the whole chapter: `read` reads a beginning, and `costs` computes the surprise of many ways to go
# on from there, side by side. They work with our own network and with charloom's, which are called in the same way.

# %%
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import charloom
from charloom import CorpusConfig, NetworkConfig, TrainingConfig


def ids_of(vocabulary, texts):
    """The ids of texts of one length, (time, texts)."""
    return torch.tensor(np.array([vocabulary.encode(text) for text in texts]).astype("int64").T)


@torch.no_grad()
def read(network, ids):
    """What a network has after reading ids (time, texts): the logits of the next character, and the state."""
    logits, state = network(ids, None)
    return logits[-1], state


@torch.no_grad()
def costs(network, sequences, begun):
    """The surprise in nats of each sequence of ids; sequence b goes on from row b of what was read."""
    logits, state = begun
    ids = nn.utils.rnn.pad_sequence([torch.as_tensor(sequence) for sequence in sequences], padding_value=-100)
    nats = F.cross_entropy(logits, ids[0], reduction="none")
    if len(ids) > 1:
        rest, _ = network(ids[:-1].clamp(min=0), state)  # (time, texts, characters)
        nats += F.cross_entropy(rest.transpose(1, 2), ids[1:], reduction="none", ignore_index=-100).sum(0)
    return nats


# %%
prose = as_charloom(model.cpu())  # our own model; everything in this chapter is small enough for the CPU
sentence = validation_text[:200]
begun = read(prose.network, torch.tensor([[vocabulary.boundary]]))
agree(
    "the surprise of 200 characters in nats",
    costs(prose.network, [ids_of(vocabulary, [sentence])[:, 0]], begun).item(),
    charloom.surprisal(prose, sentence).sum(),
    1e-2,
)

# %% [markdown]
# Where two things are compared below, each model is trained several times, with different seeds. This function does it with charloom:

# %%
TRAININGS = choose((1, 2, 3), (1, 2))  # seeds


def trained(name, content, seed, steps, **corpus):
    """A small model of a text."""
    file = FOLDER / f"{name}.txt"
    file.write_text(content, encoding="utf-8", newline="\n")
    run = charloom.train(
        file,
        run=FOLDER / f"{name}-{seed}",
        steps=choose(steps, 20),
        corpus=CorpusConfig(**corpus),
        network=NetworkConfig(hidden_size=choose(160, 24), embedding_size=32, dropout=0.1),
        training=TrainingConfig(batch_size=choose(32, 4), sequence_length=choose(64, 32), seed=seed),
    )
    return charloom.load(run.path)


def compared(first, second, what, more, less):
    """A sentence about two lists of shares, one for each seed: is their difference larger than that between seeds?"""
    difference = 100 * abs(np.mean(first) - np.mean(second))
    spread = 100 * max(max(values) - min(values) for values in (first, second))
    figures = f"{difference:.0f} percentage points; the seeds differ by up to {spread:.0f}"
    if difference <= spread:
        return f"{what} cannot be told apart (difference {figures})"
    return f"{more if np.mean(first) > np.mean(second) else less} (by {figures})"


# %% [markdown]
# ### Generation: prose and verse
#
# Prose runs on until the line is full; verse breaks its lines where the metre wants it, and begins each with a capital, even in the
# middle of a sentence. A model that has learned verse has to count. Does it?
#
# The prose is our text. For verse, the plays of Shakespeare (a megabyte, mostly in lines of ten syllables) are downloaded once, and
# checked; nothing that comes with Python has enough of it. In a fast run the text is the *Zen of Python*, which is far too short to learn
# from.

# %%
import codecs
import contextlib
import io
import json
from itertools import pairwise

from charloom.data import dataset


def verse_text():
    """Shakespeare's plays, or None where they cannot be fetched; in a fast run, the Zen of Python."""
    if FAST:
        with contextlib.redirect_stdout(io.StringIO()):
            import this
        return codecs.decode(this.s, "rot13")
    try:
        return "".join(content.decode() for _, content in dataset("tiny-shakespeare").read())
    except charloom.CharloomError as error:
        say(f"**No verse in this run**: {error}. Below is what an earlier run wrote (chapter 11 says which).")
        return None


verse = verse_text()
verse_models = [trained("verse", verse, seed, 500) for seed in TRAININGS] if verse else []
if verse:
    (sample,) = charloom.generate_many(verse_models[0], [verse[:20]], length=choose(500, 80), temperature=0.7, seed=1)
    show_text(verse[:20] + sample.text)
elif Path("record.json").exists():
    show_text(json.loads(Path("record.json").read_text(encoding="utf-8"))["sample"])

# %% [markdown]
# We look at lines that continue a sentence, so the line before ends in a letter or a comma. How many of them begin with a capital, and
# how long are they?

# %%


def continuing_lines(written):
    """Lines that continue the sentence of the line before."""
    lines = written.splitlines()
    return [after for before, after in pairwise(lines) if after and re.search(r"[a-z],?$", before)]


def capitals(written):
    """The share of the continuing lines that begin with a capital."""
    lines = continuing_lines(written)
    return sum(line[0].isupper() for line in lines) / max(1, len(lines))


def written_by(writer, seed):
    """A long text by a model."""
    samples = charloom.generate_many(writer, ["\n"] * 8, length=choose(2000, 200), temperature=0.8, seed=seed)
    return "\n\n".join(sample.text for sample in samples)


# %%
if verse:
    written_verse = [written_by(writer, seed) for writer, seed in zip(verse_models, TRAININGS)]
    written_prose = [written_by(prose, seed) for seed in TRAININGS]
    figure, panels = plt.subplots(1, 2, figsize=(10, 3.5), sharey=True)
    for axes, name, real, ours in zip(panels, ("verse", "prose"), (verse, text), (written_verse, written_prose)):
        for label, content, colour in (("read", real, "0.6"), ("written", "\n".join(ours), COLOURS[0])):
            lengths = [len(line) for line in continuing_lines(content)] or [0]
            style = {"color": colour, "histtype": "stepfilled" if label == "read" else "step", "linewidth": 2}
            axes.hist(
                lengths, bins=range(0, 101, 4), weights=np.full(len(lengths), 1 / len(lengths)), label=label, **style
            )
        axes.set_xlabel("characters in a line that continues a sentence")
        axes.set_title(
            f"{name}: {capitals(real):.0%} of them begin with a capital, {np.mean([*map(capitals, ours)]):.0%} in what is written"
        )
        axes.title.set_fontsize(9)
    panels[0].set_ylabel("share of the lines")
    panels[0].legend()
    figure.tight_layout()
    plt.show()
    say(
        "**"
        + compared(
            [capitals(each) for each in written_verse],
            [capitals(each) for each in written_prose],
            "Written verse and written prose",
            "Each model has learned how its kind of text breaks lines: more lines begin with a capital in written verse",
            "The models have not learned how verse breaks lines: fewer lines begin with a capital in written verse",
        )
        + ".** Nothing in the program knows about lines; a line break is a character like any other."
    )

# %% [markdown]
# ### Completion: words that the model has never seen
#
# Finishing words from its own training text is easy for a model. A tool has to work on what people type. So we take **sentences from
# elsewhere**, the descriptions of functions in numpy, matplotlib and `statistics`, and split their words into those that occur in the
# training text and those that the model has never seen.

# %%
import inspect
import re
import statistics


def sentences(*modules):
    """The one-sentence paragraphs in the documentation of modules, without code."""
    found = set()
    for module in modules:
        for name, value in vars(module).items():
            for paragraph in (inspect.getdoc(value) or "").split("\n\n") if name[0] != "_" else []:
                line = " ".join(paragraph.split())
                if re.fullmatch(r"[A-Z][a-zA-Z ,'()-]{30,200}\.", line) and set(line) <= set(characters):
                    found.add(line)
    return sorted(found)


BEFORE = 40  # characters that the model reads before a word
foreign = " ".join(sentences(np, np.linalg, np.random, np.fft, np.ndarray, plt, plt.Axes, statistics))
places = {
    match.group(): match.start()
    for match in re.finditer(r"(?<= )[a-z]{6,}(?=[ .,])", foreign[:-2])
    if match.start() > BEFORE
}
seen_words = set(re.findall(r"[a-z]+", train_text.lower()))
shuffled = np.random.Generator(np.random.PCG64(0)).permutation(sorted(places)).tolist()
groups = {
    "words of the training text": [word for word in shuffled if word in seen_words][: choose(200, 30)],
    "words never seen": [word for word in shuffled if word not in seen_words][: choose(200, 30)],
}
rivals = [trained("prose", train_text, seed, 500) for seed in TRAININGS]  # the same text, several seeds
for name, words in groups.items():
    print(f"{name}: {len(words)}, such as {', '.join(words[:8])}")

# %% [markdown]
# To complete a word, we read what comes before it and its first letters, and then append the most probable letter, again and again, until
# the word ends. That is *greedy*; the beam search of lesson 40 finds better ones.

# %%


@torch.no_grad()
def complete(network, vocabulary, beginnings, longest=20):
    """The rest of each word: the most probable letter, again and again, until something else is more probable."""
    logits, state = read(network, ids_of(vocabulary, beginnings))
    rests = [""] * len(beginnings)
    for _ in range(longest):
        best = logits.argmax(1)
        rests = [rest + vocabulary.symbol(index) for rest, index in zip(rests, best.tolist())]
        after, state = network(best[None], state)
        logits = after[0]
    return [re.match(r"[a-z]*", rest).group() for rest in rests]


def completed(rival, words, typed):
    """The share of the words that are completed correctly after some letters were typed."""
    starts = [foreign[places[word] - BEFORE : places[word]] + word[:typed] for word in words]
    rests = complete(rival.network, rival.vocabulary, starts)
    return sum(word[:typed] + rest == word for word, rest in zip(words, rests)) / len(words)


# %%
word = next((word for word in groups["words never seen"] if len(word) > 8), groups["words never seen"][0])
for typed in range(2, len(word), 2):
    start = foreign[places[word] - BEFORE : places[word]] + word[:typed]
    print(f"{word[:typed]:<14} {word[:typed]}{complete(prose.network, vocabulary, [start])[0]}")

# %%
letters_typed = (1, 2, 3, 4, 5)
shares = {
    name: [[completed(rival, words, typed) for rival in rivals] for typed in letters_typed]
    for name, words in groups.items()
}
figure, axes = plt.subplots()
for (name, values), colour, marker in zip(shares.items(), COLOURS, MARKERS):
    axes.plot(letters_typed, [np.mean(each) for each in values], color=colour, marker=marker, label=name)
    for typed, each in zip(letters_typed, values):
        axes.plot([typed] * len(each), each, ".", color=colour, alpha=0.5)
axes.set_xticks(letters_typed)
axes.set_xlabel("letters typed (each point is a training)")
axes.set_ylabel("words completed correctly")
axes.legend()
known_share, new_share = (float(np.mean(values[3])) for values in shares.values())
axes.set_title(
    f"After 4 letters, {known_share:.0%} of the known words are completed, and {new_share:.0%} of those never seen"
)
plt.show()
say(
    "**"
    + compared(
        *(values[3] for values in shares.values()),
        "After four letters, known words and words never seen",
        "A model completes what it knows: after four letters, more of the known words are right",
        "After four letters, more of the words never seen are right",
    )
    + ".** What it completes of the others, it has put together from common endings."
)

# %% [markdown]
# ### Correction: a wrong word is an improbable word
#
# Somebody typed *t* where *c* was meant. The **noisy channel** (Kernighan, Church and Gale, 1990) weighs two costs for every candidate
# *c*: how surprising *c* is in this place, which the model says, and how surprising the slip from *c* to *t* is. To correct words that no
# list contains, our candidates are *all* strings one slip away (a letter too many, missing, wrong, or two swapped), a few hundred for
# each word. A slip costs `SLIP` nats, the typed word itself nothing, so a candidate wins only if the model finds it that much more
# probable.

# %%
SLIP = 9.0  # if one word in twenty has one of 400 slips, then -log(0.05 / 400)
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def one_slip_away(word):
    """All strings that one slip turns a word into."""
    halves = [(word[:place], word[place:]) for place in range(len(word) + 1)]
    return {
        *(left + right[1:] for left, right in halves if right),
        *(left + right[1] + right[0] + right[2:] for left, right in halves if len(right) > 1),
        *(left + letter + right[1:] for left, right in halves if right for letter in LETTERS),
        *(left + letter + right for left, right in halves for letter in LETTERS),
    } - {word}


def corrections(rival, before, typed, after):
    """The typed word and all candidates, each with its cost in nats, the cheapest first."""
    candidates = [typed, *sorted(one_slip_away(typed))]
    logits, state = read(rival.network, ids_of(rival.vocabulary, [before]))
    begun = (
        logits.expand(len(candidates), -1),
        tuple(part.expand(-1, len(candidates), -1).contiguous() for part in state),
    )
    sequences = [rival.vocabulary.encode(candidate + after).astype("int64") for candidate in candidates]
    nats = costs(rival.network, sequences, begun).numpy() + SLIP * (np.arange(len(candidates)) > 0)
    return sorted(zip(nats.tolist(), candidates))


slips = np.random.Generator(np.random.PCG64(1))
tests = {
    name: [(word, str(slips.choice(sorted(one_slip_away(word))))) for word in words[: choose(50, 4)]]
    for name, words in groups.items()
}
word, wrong = tests["words of the training text"][0]
start = places[word]
found = corrections(prose, foreign[start - BEFORE : start], wrong, foreign[start + len(word)])
print(f"...{foreign[start - BEFORE : start]}[{wrong}]")
for nats_of_it, candidate in found[:4]:
    print(f"    {candidate:<14} {nats_of_it:6.1f} nats")

# %% [markdown]
# A corrector errs in two ways: it leaves a wrong word, or it spoils a right one. We count both, for known words and for words never seen.

# %%


def judged(rival, pairs):
    """The share of the slips that are undone, and the share of the right words that are spoilt."""
    undone = spoilt = 0
    for word, wrong in pairs:
        place = places[word]
        before, after = foreign[place - BEFORE : place], foreign[place + len(word)]
        undone += corrections(rival, before, wrong, after)[0][1] == word
        spoilt += corrections(rival, before, word, after)[0][1] != word
    return undone / len(pairs), spoilt / len(pairs)


# %%
verdicts = {name: [judged(rival, pairs) for rival in rivals] for name, pairs in tests.items()}
say(
    "| | slips undone | right words spoilt |\n|---|---|---|\n"
    + "\n".join(
        f"| {name} | "
        + " | ".join(f"{np.mean(each):.0%} ({min(each):.0%} to {max(each):.0%})" for each in zip(*values))
        + " |"
        for name, values in verdicts.items()
    )
)
undone_known, undone_new = ([undone for undone, _ in values] for values in verdicts.values())
spoilt_known, spoilt_new = ([spoilt for _, spoilt in values] for values in verdicts.values())
say(
    "**"
    + compared(
        undone_known,
        undone_new,
        "Known words and words never seen",
        "More slips in known words are undone",
        "More slips in words never seen are undone",
    )
    + "; "
    + compared(
        spoilt_new,
        spoilt_known,
        "the right words of both kinds that are spoilt",
        "more right words are spoilt if the model never saw them",
        "fewer right words are spoilt if the model never saw them",
    )
    + ".** That is why a real corrector has a word list next to its model (lesson 40), and why the text to correct should be of the kind that "
    "the model has read."
)

# %% [markdown]
# ### Classification: which language is this?
#
# *Deutschland, Allemagne, Niemcy*: countries, languages, currencies and cities have a name in every language. The package `babel`, which
# comes with JupyterLab, has them from the Unicode consortium's Common Locale Data Repository. A model reads lines of the form
# `language<TAB>name` and so learns names **given** their language. Bayes' rule turns that around:
#
# $$P(\text{language} \mid \text{name}) \propto P(\text{name} \mid \text{language}) \; P(\text{language})$$
#
# With equally many names of each language, **the language that makes the name least surprising wins**. The test is fair to the meaning: a
# fifth of the *things* is held out, in all languages.

# %%
from collections import Counter

from babel import Locale

LANGUAGES = {"de": "German", "en": "English", "es": "Spanish", "fi": "Finnish", "fr": "French", "it": "Italian", "nl": "Dutch", "pl": "Polish", "pt": "Portuguese", "sv": "Swedish", "tr": "Turkish"}  # fmt: skip


def names_in(code):
    """The names of countries, languages and currencies in a language, each after a key that says which thing it is."""
    locale = Locale(code)
    tables = {"country": locale.territories, "language": locale.languages, "currency": locale.currencies}
    for kind, table in tables.items():
        for key, name in table.items():
            yield f"{kind} {key}", re.sub(r" \(.*", "", name).lower()


named = {code: dict(names_in(code)) for code in LANGUAGES}
common = Counter(name for names in named.values() for name in set(names.values()))
things = sorted({thing for names in named.values() for thing in names})
held = set(np.random.Generator(np.random.PCG64(0)).permutation(things)[: len(things) // 5].tolist())
rows = [(code, thing, name) for code, names in named.items() for thing, name in names.items() if common[name] == 1]
learned = sorted({f"{code}\t{name}" for code, thing, name in rows if thing not in held})
tested = sorted({(code, name) for code, thing, name in rows if thing in held})
tested = [
    tested[place] for place in np.random.Generator(np.random.PCG64(1)).permutation(len(tested))[: choose(600, 60)]
]
content = "\n".join(learned[place] for place in np.random.Generator(np.random.PCG64(2)).permutation(len(learned)))
print(
    f"{len(learned):,} names to learn from, and {len(tested)} of things never named; names that several languages share are left out"
)
print(", ".join(f"{name} ({code})" for code, name in tested[:8]))

# %%


def by_network(classifier, names):
    """The surprise of each name, given each language, (languages, names)."""
    table = []
    for code in LANGUAGES:
        beginning = torch.cat(
            [torch.tensor([[classifier.vocabulary.boundary]]), ids_of(classifier.vocabulary, [f"{code}\t"])]
        )
        logits, state = read(classifier.network, beginning)
        begun = logits.expand(len(names), -1), tuple(part.expand(-1, len(names), -1).contiguous() for part in state)
        sequences = [
            np.append(classifier.vocabulary.encode(name), classifier.vocabulary.boundary).astype("int64")
            for name in names
        ]
        table.append(costs(classifier.network, sequences, begun).numpy())
    return np.array(table)


tested = [(code, name) for code, name in tested if set(name) <= set(content)]
right = np.array([list(LANGUAGES).index(code) for code, _ in tested])
tables = []
for seed in TRAININGS:
    classifier = trained("languages", content, seed, 500, documents="lines")
    tables.append(by_network(classifier, [name for _, name in tested]))
correct = [float((table.argmin(0) == right).mean()) for table in tables]

# %% [markdown]
# To know what the network adds, we let **counts** answer the same question: a 4-gram model of each language, which knows how often each
# letter follows the three before it.

# %%
from charloom.evaluation import NGram

symbols = charloom.Vocabulary.of([content])


def letters_of(name):
    """A name as ids, between two line ends."""
    return symbols.encode(f"\n{name}\n").astype("int64")


counted = []
for code in LANGUAGES:
    of_language = "\n".join(line.partition("\t")[2] for line in learned if line.startswith(code))
    grams = NGram(letters_of(of_language), 4, len(symbols))
    counted.append([-np.log(grams.probabilities(letters_of(name))[1:]).sum() for _, name in tested])
correct_by_counts = float((np.argmin(counted, axis=0) == right).mean())

# %%
confusion = np.zeros((len(LANGUAGES), len(LANGUAGES)))
for table in tables:
    np.add.at(confusion, (right, table.argmin(0)), 1 / len(TRAININGS))
confusion /= np.maximum(1, confusion.sum(1, keepdims=True))
wrong_ones = confusion * (1 - np.eye(len(LANGUAGES)))
true, taken = np.unravel_index(wrong_ones.argmax(), wrong_ones.shape)
called = list(LANGUAGES.values())
figure, axes = plt.subplots(figsize=(6.4, 5.2))
axes.imshow(confusion, cmap="Blues", vmin=0, vmax=1)
for row, column in np.argwhere(confusion > 0.04):
    shade = "white" if confusion[row, column] > 0.6 else "black"
    axes.text(column, row, f"{100 * confusion[row, column]:.0f}", ha="center", va="center", fontsize=8, color=shade)
axes.set_xticks(range(len(called)), called, rotation=90)
axes.set_yticks(range(len(called)), called)
axes.set_xlabel("taken for")
axes.set_ylabel("is")
axes.grid(visible=False)
axes.set_title(
    headline(
        f"{np.mean(correct):.0%} are right; the commonest confusion is {called[true]} taken for {called[taken]} (%)", 60
    )
)
plt.show()

# %%
for code, name in tested[:6]:
    place = tested.index((code, name))
    chances = np.exp(tables[0].min(0)[place] - tables[0][:, place])
    chances /= chances.sum()
    best = np.argsort(-chances)[:3]
    print(f"{name:<28} is {LANGUAGES[code]:<11}", ", ".join(f"{called[each]} {chances[each]:.0%}" for each in best))
code, name = tested[0]
of_name = tables[-1][list(LANGUAGES).index(code), 0]
both = charloom.surprisal(classifier, f"{code}\t{name}\n")
agree("the surprise of a name and its end, given its language", of_name, both[3:].sum(), 1e-3)
say(
    f"Guessing at random is right for {1 / len(LANGUAGES):.0%} of the names, the counts are right for {correct_by_counts:.0%}, the network for "
    + ", ".join(f"{share:.0%}" for share in correct)
    + " (one figure for each seed). **"
    + compared(
        correct,
        [correct_by_counts],
        "Network and counts",
        "The network is better than the counts",
        "The counts are better than the network",
    )
    + ".** Lesson 30 trains a classifier for the decision itself, adds the counts, and asks how sure it is."
)

# %% [markdown]
# **Exercise. Predict first:** is a long name easier to classify than a short one? By how much, if you sort the names by their length and
# cut the list in the middle?
#
# <details><summary>Solution</summary>
#
# Every letter is evidence: the surprises of a name's letters add up, so the difference between two languages tends to grow with the
# length. The next cell measures it.
#
# </details>

# %% tags=["solution"] jupyter={"source_hidden": true}
by_length = np.argsort([len(name) for _, name in tested], kind="stable")
short, long = np.array_split(by_length, 2)
short_right, long_right = (
    [float((table.argmin(0) == right)[part].mean()) for table in tables] for part in (short, long)
)
say(
    f"Of the short half {np.mean(short_right):.0%} are right, of the long half {np.mean(long_right):.0%}. "
    + compared(long_right, short_right, "Short and long names", "Long names are easier", "Short names are easier")
    + "."
)

# %% [markdown]
# ### Code
#
# Program source is a text like any other, with one difference: a parser can say whether it is right. We train on the standard library
# that comes with Python, let the model write functions, and ask Python. What is still open at the end, because the text stops after 300
# characters, is closed first (`finish`), and real functions are cut and closed in the same way.

# %%
from charloom.code import finish, parses

library_source = "\n\n".join(content.decode() for _, content in dataset("python-library").read())[
    : choose(1_000_000, 40_000)
]
code_models = [trained("code", library_source, seed, 600) for seed in TRAININGS]


def is_python(function):
    """Whether Python accepts a text once what is open at its end is closed."""
    return parses(function + finish("", function))


def written_functions(writer, temperature, seed):
    """The share of written functions that are Python."""
    samples = charloom.generate_many(
        writer, ["def "] * choose(60, 8), length=choose(300, 80), temperature=temperature, seed=seed, stop=["\n\n"]
    )
    return sum(is_python("def " + sample.text) for sample in samples) / len(samples)


# %%
real_functions = re.findall(r"^def .+?(?=\n\n)", library_source, re.DOTALL | re.MULTILINE)[-200:]
real_share = sum(is_python(function[:300]) for function in real_functions) / max(1, len(real_functions))
temperatures = (0.3, 0.5, 0.7, 1.0)
accepted = [
    [written_functions(writer, each, seed) for writer, seed in zip(code_models, TRAININGS)] for each in temperatures
]
(sample,) = charloom.generate_many(code_models[0], ["def "], length=choose(300, 80), temperature=0.5, seed=4)
show_text("def " + sample.text)

# %%
figure, axes = plt.subplots(figsize=(8, 3.2))
axes.plot(temperatures, [np.mean(each) for each in accepted], marker=MARKERS[0], label="mean of the trainings")
for temperature, each in zip(temperatures, accepted):
    axes.plot([temperature] * len(each), each, ".", color=COLOURS[0], alpha=0.5)
axes.axhline(real_share, color=COLOURS[1], linestyle="--", label="real functions, cut in the same way")
axes.set_xlabel("temperature")
axes.set_ylabel("functions that Python accepts")
axes.set_ylim(0, 1.05)
axes.legend()
axes.set_title(
    f"Python accepts {np.mean(accepted[0]):.0%} of the functions at temperature {temperatures[0]}, {np.mean(accepted[-1]):.0%} at {temperatures[-1]}"
)
plt.show()
say(
    "**"
    + compared(
        accepted[1],
        accepted[-1],
        f"Temperatures {temperatures[1]} and {temperatures[-1]}",
        f"More functions are Python at temperature {temperatures[1]} than at {temperatures[-1]}",
        f"Fewer functions are Python at temperature {temperatures[1]} than at {temperatures[-1]}",
    )
    + ".** Accepted does not mean that it does anything useful. Lesson 50 lets a parser watch while the model writes, so that all of it is Python."
)

# %% [markdown]
# ### Advantages and limitations, in figures
#
# Chapter 1 named them; now each has a figure that this notebook measured. Two are still missing. What does it cost that **each step waits
# for the one before**? We give the recurrent layer 1,024 characters one after the other, and as many at once. And how much **sense** is
# in what it writes? We count how many of its words, and of its sequences of two and of three words, occur in the training text, next to
# the same shares of the validation text.

# %%
import time


def shortest_time(function, times=15):
    """Seconds of the fastest of several calls."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        function()
        taken.append(time.perf_counter() - began)
    return min(taken)


with torch.no_grad():
    one_text = torch.randn(1024, 1, EMBEDDING_SIZE)  # 1,024 steps of one text
    at_once = one_text.view(1, 1024, EMBEDDING_SIZE)  # as many characters in one step
    in_sequence = shortest_time(lambda: model.recurrent(one_text))
    in_parallel = shortest_time(lambda: model.recurrent(at_once))


def runs_of_words(content, length):
    """The sequences of `length` words in a text."""
    words = re.findall(r"\w+", content.lower())
    return list(zip(*(words[start:] for start in range(length))))


written = " ".join(written_by(prose, seed) for seed in TRAININGS)
known_runs = {length: set(runs_of_words(train_text, length)) for length in (1, 2, 3)}
sense = {
    name: [np.mean([run in known_runs[length] for run in runs_of_words(content, length)]) for length in known_runs]
    for name, content in (("written", written), ("validation text", validation_text))
}
print("share that occurs in the training text:   words   pairs   triples")
for name, found in sense.items():
    print(f"{name:<40}", "".join(f"{share:8.0%}" for share in found))

# %%
new_words = np.mean([word not in seen_words for word in re.findall(r"[a-z]+", validation_text.lower())])
new_characters = np.mean([character not in set(train_text) for character in validation_text])
word_length = len(validation_text) / max(1, len(validation_text.split()))
parameters = sum(parameter.numel() for parameter in model.parameters())
faded = ", ".join(f"{name} {share:.0e}" for name, share in left_over.items())
say(
    f"""
| For | Measured here |
|---|---|
| any word: no word list | {new_words:.1%} of the words of the validation text never occur in training, but {new_characters:.2%} of its characters |
| a small network is enough | {parameters:,} numbers guess {accuracy:.0%} of the characters; the perplexity is {perplexity:.2f} of {OUTPUT_SIZE} |
| a step costs the same after any length of context | the state is {2 * HIDDEN_SIZE} numbers, after one character and after {len(validation_text):,} |
| the whole past can count | {score.nats_per_character:.3f} nats with the state carried, {fresh[windows.index(64)]:.3f} in windows of 64 characters |
| one model, many uses | slips undone in {np.mean(undone_known):.0%} of the known words; {np.mean(correct):.0%} of {len(tested)} names in the right one of {len(LANGUAGES)} languages; {np.mean(accepted[1]):.0%} of the functions are Python |

| Against | Measured here |
|---|---|
| a word is several steps | {word_length:.1f} characters for each word, its space included |
| each step waits for the one before | 1,024 characters of one text take the recurrent layer {1000 * in_sequence:.1f} ms, as many of different texts, in one step, {1000 * in_parallel:.1f} ms |
| gradients fade with distance | left of a gradient after {FAR} characters: {faded} |
| it knows only its own text | words never seen: {np.mean(spoilt_new):.0%} of the right ones are spoilt, of the known ones {np.mean(spoilt_known):.0%} |
| it looks right long before it makes sense | {sense["written"][0]:.0%} of the written words exist, but {sense["written"][2]:.0%} of the sequences of three |
"""
)
