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
# So two small functions are enough for completion and correction: `read_beginning` reads a beginning, and `surprise_of_each` computes the
# surprise of many ways to go on from there, side by side. They work with our own network and with charloom's, which are called in the same
# way. (The other sections write with `charloom.generate_many`, or have a network that adds up its surprises itself.)

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
def read_beginning(network, ids):
    """What a network has after reading ids (time, texts): the logits of the next character, and the state."""
    logits, state = network(ids.to(network.output.weight.device), None)
    return logits[-1], state


@torch.no_grad()
def surprise_of_each(network, sequences, begun):
    """The surprise in nats of each sequence of ids; sequence b goes on from row b of what was read."""
    logits, state = begun
    ids = nn.utils.rnn.pad_sequence([torch.as_tensor(sequence) for sequence in sequences], padding_value=-100)
    ids = ids.to(logits.device)
    nats = F.cross_entropy(logits, ids[0], reduction="none")
    if len(ids) > 1:
        rest, _ = network(ids[:-1].clamp(min=0), state)  # (time, texts, characters)
        nats += F.cross_entropy(rest.transpose(1, 2), ids[1:], reduction="none", ignore_index=-100).sum(0)
    return nats.cpu()


# %%
prose = as_charloom(model)  # our own model
sentence = validation_text[:200]
begun = read_beginning(prose.network, torch.tensor([[vocabulary.boundary]]))
agree(
    "the surprise of 200 characters in nats",
    surprise_of_each(prose.network, [ids_of(vocabulary, [sentence])[:, 0]], begun).item(),
    charloom.surprisal(prose, sentence).sum(),
    1e-2,
)

# %% [markdown]
# Where two things are compared below, each model is trained several times, with different seeds. (The prose model is one training: our
# own network of chapter 6. In the sections on completion and correction it makes the printed examples; the charts and the figures there
# come from smaller networks with a shorter training, so the examples look better than the figures.) This function does it with charloom:

# %%
TRAININGS = choose((1, 2, 3), (1, 2))  # seeds


def model_of(name, content, seed, steps, **corpus):
    """A small model of a text."""
    file = FOLDER / f"{name}.txt"
    file.write_text(content, encoding="utf-8", newline="\n")
    run = charloom.train(
        file,
        run=FOLDER / f"{name}-{seed}",
        steps=choose(steps, 20),
        corpus=CorpusConfig(**corpus),
        network=NetworkConfig(hidden_size=choose(160, 24), embedding_size=32, dropout=0.05),
        training=TrainingConfig(batch_size=choose(16, 4), sequence_length=choose(64, 32), seed=seed),
    )
    return charloom.load(run.path)


# %% [markdown]
# Two things are compared by the rule of chapter 4, in percentage points. Here chance has two sources: the seed of the training, and the
# choice of what is tested (these words and not others). So what is tested is cut into ten parts, and there is a share for each seed and
# each part. `paired` then computes both margins, over the seeds and over the parts, and **the larger one counts**.

# %%
from charloom.evaluation import paired

PARTS = choose(10, 3)


def points_by_part(right):
    """Shares in percent (seeds, parts) from what was right (seeds, things), one after the other in parts of equal size."""
    return 100 * np.stack([part.mean(axis=1) for part in np.array_split(np.array(right, float), PARTS, axis=1)], axis=1)


def compared(ones, others, more, less, both):
    """A sentence about two lists of percentages: by seed, or by seed and part."""
    return paired(ones, others).sentence(more, less, both, "percentage points", 1)


# %% [markdown]
# ### Generation: prose and verse
#
# Prose runs on until the line is full; verse breaks its lines where the metre wants it, and begins each with a capital, even in the
# middle of a sentence. A model that has learned verse has to count. Does it?
#
# The prose is our text. For verse, the plays of Shakespeare (a megabyte, for the most part in lines of about ten syllables) are downloaded once, and
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
verse_models = [model_of("verse", verse, seed, 500) for seed in TRAININGS] if verse else []
if verse:
    (sample,) = charloom.generate_many(verse_models[0], [verse[:20]], length=choose(500, 80), temperature=0.7, seed=1)
    show_text(verse[:20] + sample.text)
elif Path("record.json").exists():
    show_text(json.loads(Path("record.json").read_text(encoding="utf-8"))["sample"])

# %% [markdown]
# We look at lines that continue a sentence, so the line before ends in a letter or a comma. How many of them begin with a capital, and
# how long are they? The histograms show the lengths of such lines, in the text that was read and in what was written; lines of more than
# 100 characters are left out of the picture, but not of the figures below it.

# %%


def continuing_lines(written):
    """Lines that continue the sentence of the line before."""
    lines = written.splitlines()
    return [after for before, after in pairwise(lines) if after and re.search(r"[a-z],?$", before)]


def share_of_capitals(written):
    """The share of the continuing lines that begin with a capital."""
    lines = continuing_lines(written)
    return sum(line[0].isupper() for line in lines) / max(1, len(lines))


def written_by(writer, seed):
    """A long text by a model."""
    samples = charloom.generate_many(writer, ["\n"] * 8, length=choose(2000, 200), temperature=0.8, seed=1000 * seed)
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
        written_share = np.mean([share_of_capitals(each) for each in ours])
        axes.set_title(
            f"{name}: {share_of_capitals(real):.0%} begin with a capital\nin what was read, {written_share:.0%} in what is written"
        )
    panels[0].set_ylabel("share of the lines")
    panels[0].legend()
    figure.tight_layout()
    show("Histograms of the lengths of lines, as read and as written: verse on the left, prose on the right.")

# %%
if verse:
    say(
        "**"
        + compared(
            [100 * share_of_capitals(each) for each in written_verse],
            [100 * share_of_capitals(each) for each in written_prose],
            "What is written keeps verse and prose apart: more lines begin with a capital in written verse",
            "The models have not learned how verse begins its lines: fewer begin with a capital in written verse",
            "Written verse and written prose",
        )
        + ".** Nothing in the program knows about lines; a line break is a character like any other."
    )

# %% [markdown]
# And does it count? A line has a *usual* length if it is neither among the shortest twentieth nor among the longest twentieth of those
# that were read. How many of the lines that were written have one? For verse a pair is a training. The prose model is one training, so
# there, and where the sentence above compares it with verse, its three figures are three texts that it wrote.

# %%


def lengths_of(written):
    """The lengths of the lines that continue a sentence."""
    return np.array([len(line) for line in continuing_lines(written)] or [0])


for name, real, ours in (("verse", verse, written_verse), ("prose", text, written_prose)) if verse else ():
    if not continuing_lines(real):  # in a fast run the verse is too short
        continue
    low, high = np.percentile(lengths_of(real), [5, 95])
    usual_read, *usual = (
        100 * np.mean((low <= lengths) & (lengths <= high)) for lengths in map(lengths_of, (real, *ours))
    )
    middle = np.percentile(lengths_of("\n".join(ours)), [25, 75])
    too_long = np.mean(lengths_of("\n".join(ours)) > 100)
    say(
        f"* {name.capitalize()}: {usual_read:.0f}% of the lines that were read have {low:.0f} to {high:.0f} characters, of those "
        f"written {np.mean(usual):.0f}%: "
        + compared(
            usual,
            usual_read,
            "**its lines keep to the usual lengths even more often**",
            "**its lines keep to the usual lengths less often than those that were read**",
            "the two shares",
        )
        + f". The middle half of the written lines has {middle[0]:.0f} to {middle[1]:.0f} characters; {too_long:.0%} have more "
        "than 100."
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


def sentences(known, *modules):
    """The one-sentence paragraphs in the documentation of modules, without code, if all characters are known."""
    found = set()
    for module in modules:
        for name, value in vars(module).items():
            for paragraph in (inspect.getdoc(value) or "").split("\n\n") if name[0] != "_" else []:
                line = " ".join(paragraph.split())
                if re.fullmatch(r"[A-Z][a-zA-Z ,'()-]{30,200}\.", line) and set(line) <= known:
                    found.add(line)
    return sorted(found)


BEFORE = 40  # characters that the model reads before a word


def words_from_elsewhere(learned):
    """Such sentences as one text, the places of its words, and the words that a text has and does not have."""
    foreign = " ".join(sentences(set(learned), np, np.linalg, np.random, np.fft, np.ndarray, plt, plt.Axes, statistics))
    found = re.finditer(r"(?<= )[a-z]{6,}(?=[ .,])", foreign[:-2])
    places = {match.group(): match.start() for match in found if match.start() > BEFORE}
    seen = set(re.findall(r"[a-z]+", learned.lower()))
    shuffled = np.random.Generator(np.random.PCG64(0)).permutation(sorted(places)).tolist()
    groups = {
        "words of the training text": [word for word in shuffled if word in seen][: choose(200, 30)],
        "words never seen": [word for word in shuffled if word not in seen][: choose(200, 30)],
    }
    return foreign, places, groups


# %%
learned_text = train_text
foreign, places, groups = words_from_elsewhere(learned_text)
if min(map(len, groups.values())) < choose(50, 8):
    say("**Your text has too few English words for this section and the next, so both use Python's manual.**")
    learned_text = "".join(content.decode() for _, content in dataset("python-docs").read())[: len(train_text)]
    foreign, places, groups = words_from_elsewhere(learned_text)
rivals = [  # the same text, several seeds
    model_of("prose", learned_text, seed, 600, split=(1.0, 0.0, 0.0)) for seed in TRAININGS
]
shown_model = prose if learned_text == train_text else rivals[0]
for name, words in groups.items():
    print(f"{name}: {len(words)}, such as {', '.join(words[:8])}")

# %% [markdown]
# To complete a word, we read what comes before it and its first letters, and then append the most probable letter, again and again, until
# the word ends. That is *greedy*; the beam search of lesson 40 finds better ones. The chart shows how many words are completed correctly
# after one to five letters, for both groups.

# %%


@torch.no_grad()
def complete(network, vocabulary, beginnings, longest=20):
    """The rest of each word: the most probable letter, again and again, until something else is more probable."""
    logits, state = read_beginning(network, ids_of(vocabulary, beginnings))
    rests = [""] * len(beginnings)
    for _ in range(longest):
        best = logits.argmax(1)
        rests = [rest + vocabulary.symbol(index) for rest, index in zip(rests, best.tolist())]
        after, state = network(best[None], state)
        logits = after[0]
    return [re.match(r"[a-z]*", rest).group() for rest in rests]


def completed(rival, words, typed):
    """Whether each of the words is completed correctly after some letters were typed."""
    starts = [foreign[places[word] - BEFORE : places[word]] + word[:typed] for word in words]
    rests = complete(rival.network, rival.vocabulary, starts)
    return [word[:typed] + rest == word for word, rest in zip(words, rests)]


# %%
word = next((word for word in groups["words never seen"] if len(word) > 8), groups["words never seen"][0])
for typed in range(2, len(word), 2):
    start = foreign[places[word] - BEFORE : places[word]] + word[:typed]
    print(f"{word[:typed]:<14} {word[:typed]}{complete(shown_model.network, shown_model.vocabulary, [start])[0]}")

# %%
letters_typed = (1, 2, 3, 4, 5)
right_words = {  # for each group and number of letters: (seeds, words)
    name: [[completed(rival, words, typed) for rival in rivals] for typed in letters_typed]
    for name, words in groups.items()
}
shares = {name: [np.mean(each, axis=1) for each in values] for name, values in right_words.items()}
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
show("The share of words completed correctly by the number of letters typed, for known words and for words never seen.")
say(
    "**"
    + compared(
        *(points_by_part(values[3]) for values in right_words.values()),
        "A model completes what it knows: after four letters, more of the known words are right",
        "After four letters, more of the words never seen are right",
        "After four letters, known words and words never seen",
    )
    + ".** Of the others, it completes what it can spell without having seen it."
)

# %% [markdown]
# ### Correction: a wrong word is an improbable word
#
# Somebody typed *t* where *c* was meant. The **noisy channel** (Kernighan, Church and Gale, 1990) adds two costs for every candidate *c*:
# how surprising *c* is in this place, which the model says, and how surprising the slip from *c* to *t* is. To correct words that no list
# contains, our candidates are *all* strings one slip away (a letter too many, missing, wrong, or two swapped), a few hundred for each
# word.
#
# The typed word itself costs no slip, every other candidate costs `SLIP` nats. If one word in twenty has one of 400 slips, that is
# −log(0.05 / 400), about 9: a candidate wins only if the model finds it $e^9$ times as probable as what was typed.

# %%
SLIP = 9.0
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def one_slip_away(word):
    """All strings that one slip turns a word into, in alphabetical order."""
    halves = [(word[:place], word[place:]) for place in range(len(word) + 1)]
    found = {
        *(left + right[1:] for left, right in halves if right),
        *(left + right[1] + right[0] + right[2:] for left, right in halves if len(right) > 1),
        *(left + letter + right[1:] for left, right in halves if right for letter in LETTERS),
        *(left + letter + right for left, right in halves for letter in LETTERS),
    }
    return sorted(found - {word})


def expand(begun, texts):
    """What was read, for several ways to go on from it."""
    logits, state = begun
    return logits.expand(texts, -1), tuple(part.expand(-1, texts, -1).contiguous() for part in state)


def candidates_for(rival, word, typed):
    """What may have been meant by what is typed in place of a word, and the surprise of each; the typed word is first."""
    before, after = foreign[places[word] - BEFORE : places[word]], foreign[places[word] + len(word)]
    candidates = [typed, *one_slip_away(typed)]
    begun = expand(read_beginning(rival.network, ids_of(rival.vocabulary, [before])), len(candidates))
    sequences = [rival.vocabulary.encode(candidate + after).astype("int64") for candidate in candidates]
    return candidates, surprise_of_each(rival.network, sequences, begun).numpy()


def corrected(rival, word, typed, slip=SLIP):
    """The cheapest candidate."""
    candidates, nats_of_each = candidates_for(rival, word, typed)
    return candidates[int(np.argmin(nats_of_each + slip * (np.arange(len(candidates)) > 0)))]


# %%
slips = np.random.Generator(np.random.PCG64(1))
tests = {
    name: [(word, str(slips.choice(one_slip_away(word)))) for word in words[: choose(50, 4)]]
    for name, words in groups.items()
}
for name, pairs in tests.items():
    print(f"{name}:")
    for word, wrong in pairs[:5]:
        print(
            f"    {foreign[places[word] - 30 : places[word]]}[{wrong}]: corrected to {corrected(shown_model, word, wrong)}, meant was {word}"
        )

# %% [markdown]
# A corrector errs in two ways: it leaves a wrong word, or it spoils a right one. What a slip costs decides between the two, so we look at
# several values. The chart shows both shares, for words of the training text and for words never seen; up and to the left is better.

# %%
PRICES = (0.0, 3.0, 6.0, SLIP, 12.0)


def judged_slips(rival, pairs):
    """Whether each slip is undone, and whether each right word is spoilt, for each price: (prices, 2, words)."""
    found = np.zeros((len(PRICES), 2, len(pairs)))
    for place, (word, wrong) in enumerate(pairs):
        for column, typed in enumerate((wrong, word)):
            candidates, nats_of_each = candidates_for(rival, word, typed)
            for row, price in enumerate(PRICES):
                best = candidates[int(np.argmin(nats_of_each + price * (np.arange(len(candidates)) > 0)))]
                found[row, column, place] = (best == word) if column == 0 else (best != word)
    return found


verdicts = {name: np.array([judged_slips(rival, pairs) for rival in rivals]) for name, pairs in tests.items()}

# %%
figure, axes = plt.subplots(figsize=(7, 4))
for (name, each), colour, marker in zip(verdicts.items(), COLOURS, MARKERS):
    mean = each.mean(axis=(0, 3))  # over seeds and words
    axes.plot(mean[:, 1], mean[:, 0], color=colour, marker=marker, label=name)
    for price, (undone, spoilt) in zip(PRICES, mean):
        axes.annotate(f"{price:g}", (spoilt, undone), (5, -11), textcoords="offset points", fontsize=8, color=colour)
axes.set_xlabel("right words spoilt")
axes.set_ylabel("slips undone")
axes.margins(y=0.1)
axes.legend(title="the figures are SLIP, in nats")
at = PRICES.index(SLIP)
slips_in_known_words, slips_in_new_words = verdicts.values()
axes.set_title(
    headline(
        f"With SLIP = {SLIP:g}, {slips_in_known_words[:, at, 0].mean():.0%} of the slips in known words are undone and "
        f"{slips_in_known_words[:, at, 1].mean():.0%} of the right ones spoilt; of words never seen {slips_in_new_words[:, at, 0].mean():.0%} and "
        f"{slips_in_new_words[:, at, 1].mean():.0%}",
        75,
    )
)
show(
    "Slips undone against right words spoilt, one line for known words and one for words never seen, a point for each cost of a slip."
)

# %%
say(
    f"With SLIP = {SLIP:g}: "
    + compared(
        points_by_part(slips_in_known_words[:, at, 0]),
        points_by_part(slips_in_new_words[:, at, 0]),
        "**more slips in known words are undone**",
        "**more slips in words never seen are undone**",
        "slips in known words and in words never seen",
    )
    + "; "
    + compared(
        points_by_part(slips_in_new_words[:, at, 1]),
        points_by_part(slips_in_known_words[:, at, 1]),
        "**more right words are spoilt if the model has never seen them**",
        "**fewer right words are spoilt if the model has never seen them**",
        "the shares of right words that are spoilt",
    )
    + ". A real corrector has a word list next to its model, and candidates more than one slip away (lesson 40)."
)

# %% [markdown]
# ### Classification: which language is this?
#
# *Deutschland, Allemagne, Niemcy*: countries, languages and currencies have a name in every language. The package Babel, which comes with
# JupyterLab, has them from Unicode's Common Locale Data Repository. We train a language model of such names **given** their language.
# Bayes' rule turns that around:
#
# $$P(\text{language} \mid \text{name}) \propto P(\text{name} \mid \text{language}) \; P(\text{language})$$
#
# We take all languages as equally probable, so **the language that makes the name least surprising wins**. The test holds out *things*,
# in all languages, so no translation of a tested name was seen. Some things share a name: the old and the new zloty, or a country and its
# language in Finnish. These form a family and are held out together; the test has a fifth of the families.

# %%
from collections import Counter, defaultdict

from babel import Locale

LANGUAGES = {"de": "German", "en": "English", "es": "Spanish", "fi": "Finnish", "fr": "French", "it": "Italian"}
LANGUAGES |= {"nl": "Dutch", "pl": "Polish", "pt": "Portuguese", "sv": "Swedish", "tr": "Turkish"}
CODES = list(LANGUAGES)


def names_in(code):
    """The names of countries, languages and currencies in a language, and which thing each names."""
    locale = Locale(code)
    tables = {"country": locale.territories, "language": locale.languages, "currency": locale.currencies}
    for kind, table in tables.items():
        for key, name in table.items():
            yield f"{kind} {key}", re.sub(r" \(.*", "", name).lower()


named = {code: dict(names_in(code)) for code in CODES}
print("one thing:", ", ".join(f"{named[code]['currency PLZ']} ({code})" for code in CODES))

# %%
meant = defaultdict(set)  # what a spelling names, in any language
for names in named.values():
    for thing, name in names.items():
        meant[name].add(thing)
family = {thing: {thing} for things in meant.values() for thing in things}
for name in sorted(meant):
    together = set().union(*(family[thing] for thing in meant[name]))
    family |= dict.fromkeys(together, together)
families = sorted({min(each) for each in family.values()})  # a family goes by its first thing
chosen = set(np.random.Generator(np.random.PCG64(0)).permutation(families)[: len(families) // 5].tolist())
held = {thing for thing in family if min(family[thing]) in chosen}
spelled = Counter(name for names in named.values() for name in set(names.values()))
named_once = [(code, thing, name) for code in CODES for thing, name in named[code].items() if spelled[name] == 1]
learned = sorted({(code, name) for code, thing, name in named_once if thing not in held})
tested = sorted({(code, name) for code, thing, name in named_once if thing in held})
order = np.random.Generator(np.random.PCG64(1)).permutation(len(tested))[: choose(1000, 60)]
tested = [tested[place] for place in order]
known_things, tested_things = (set().union(*(meant[name] for _, name in names)) for names in (learned, tested))
assert not known_things & tested_things, "a translation of a tested name was learned"
print(f"{len(learned):,} names to learn from, {len(tested):,} to test; names that languages share are left out")
print(", ".join(f"{name} ({code})" for code, name in tested[:8]))

# %% [markdown]
# The network is that of chapter 5 with two additions: at every step it also sees the language, as a second embedding; and it has dropout
# before and after the recurrent layer. Names have different lengths, so a batch is **padded** to the longest, and the padding is ignored
# in the loss. As in question 24, the loss is divided by the usual number of symbols of a batch, not by its own. Each name is a text of
# its own: it starts from an empty state and ends with the boundary.

# %%
symbols = charloom.Vocabulary.of(sorted(name for code in CODES for name in named[code].values()))
END, PADDING = symbols.boundary, -100


def padded_names(names):
    """Names as targets, (longest + 1, names), each with the boundary after it."""
    ids = [torch.tensor([*symbols.encode(name).tolist(), END]) for name in names]
    return nn.utils.rnn.pad_sequence(ids, padding_value=PADDING)


class NamesGivenLanguage(nn.Module):
    """The network of chapter 5, which also sees a language at every step."""

    def __init__(self, hidden_size, embedding_size=32):
        super().__init__()
        self.embedding = nn.Embedding(len(symbols), embedding_size)
        self.language = nn.Embedding(len(CODES), embedding_size)
        self.recurrent = nn.LSTM(2 * embedding_size, hidden_size)
        self.output = nn.Linear(hidden_size, len(symbols))
        self.dropout = nn.Dropout(0.2)

    def forward(self, languages, targets):
        """The surprise of each name in nats, given its language; (names,) and (time, names) -> (names,)"""
        inputs = torch.cat([torch.full_like(targets[:1], END), targets[:-1].clamp(min=0)])
        seen = torch.cat([self.embedding(inputs), self.language(languages).expand(len(inputs), -1, -1)], 2)
        hidden, _ = self.recurrent(self.dropout(seen))
        logits = self.output(self.dropout(hidden)).transpose(1, 2)
        return F.cross_entropy(logits, targets, reduction="none", ignore_index=PADDING).sum(0)


# %%
def train_names(seed, steps, batch, peak):
    """A network that has learned names given their language; names of similar length share a batch."""
    torch.manual_seed(seed)
    random = np.random.Generator(np.random.PCG64(seed))
    network = NamesGivenLanguage(choose(128, 16))
    optimizer = make_optimizer(network)
    by_length = sorted(learned, key=lambda row: len(row[1]))
    usual = batch * sum(len(name) + 1 for _, name in learned) / len(learned)  # symbols in a batch
    for step in range(steps):
        first = max(0, int(random.integers(1 - batch // 2, len(by_length) - batch // 2)))
        chosen = by_length[first : first + batch]
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, steps, peak)
        targets = padded_names([name for _, name in chosen])
        surprises = network(torch.tensor([CODES.index(code) for code, _ in chosen]), targets)
        loss = surprises.sum() / usual
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
    return network.eval()


@torch.no_grad()
def surprises_of(network, names):
    """The surprise of each name, given each language, (languages, names)."""
    targets = padded_names(names)
    return torch.stack([network(torch.full((len(names),), place), targets) for place in range(len(CODES))]).numpy()


classifiers = [train_names(seed, choose(400, 10), choose(96, 16), 1e-2) for seed in TRAININGS]
names = [name for _, name in tested]
right = np.array([CODES.index(code) for code, _ in tested])
tables = [surprises_of(classifier, names) for classifier in classifiers]
right_names = [table.argmin(0) == right for table in tables]
correct = [float(each.mean()) for each in right_names]
alone = surprises_of(classifiers[0], names[:1])[:, 0]
assert np.allclose(alone, tables[0][:, 0], atol=1e-3), "padding must not change what a name costs"
print("✔ a name costs the same by itself and padded in a batch")

# %% [markdown]
# To know what the network adds, we let **counts** answer the same question: a 4-gram model of each language, which knows how often each
# letter follows the three before it.

# %%
from charloom.evaluation import NGram


def between_ends(names):
    """Names as ids, with the boundary before, between and after them."""
    return np.concatenate([[END]] + [[*symbols.encode(name).tolist(), END] for name in names])


counted = []
for code in CODES:
    grams = NGram(between_ends([name for each, name in learned if each == code]), 4, len(symbols))
    counted.append([-np.log(grams.probabilities(between_ends([name]))[1:]).sum() for name in names])
right_by_counts = np.argmin(counted, axis=0) == right
right_together = [(table + counted).argmin(0) == right for table in tables]

# %% [markdown]
# The table shows, for each language, what its names were taken for: in a perfect one, only the diagonal would be dark.

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
axes.set_xlabel("taken for (% of the names of a row)")
axes.set_ylabel("is")
axes.grid(visible=False)
axes.set_title(
    headline(
        f"{np.mean(correct):.0%} are right; the commonest confusion is {called[true]} taken for {called[taken]}", 60
    )
)
show("A table of eleven languages: for each, the share of its names that were taken for each of the others.")

# %%
for code, name in tested[:6]:
    place = tested.index((code, name))
    chances = np.exp(tables[0].min(0)[place] - tables[0][:, place])
    chances /= chances.sum()
    best = np.argsort(-chances)[:3]
    print(f"{name:<28} is {LANGUAGES[code]:<11}", ", ".join(f"{called[each]} {chances[each]:.0%}" for each in best))
say(
    f"Guessing at random is right for {1 / len(LANGUAGES):.0%} of the names, the counts are right for {right_by_counts.mean():.0%}, the network for "
    + ", ".join(f"{share:.0%}" for share in correct)
    + " (one figure for each seed). **"
    + compared(
        points_by_part(right_names),
        points_by_part([right_by_counts]),
        "The network is better than the counts",
        "The counts are better than the network",
        "Network and counts",
    )
    + ".** Added up, their surprises are right for "
    + ", ".join(f"{each.mean():.0%}" for each in right_together)
    + ": "
    + compared(
        points_by_part(right_together),
        points_by_part([right_by_counts]),
        "both together are better than the counts alone",
        "the counts alone are better than both together",
        "both together and the counts alone",
    )
    + ". Lesson 30 trains a classifier for the decision itself, uses the counts too, and asks how sure it is."
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
mix = np.random.Generator(np.random.PCG64(2)).permutation(len(tested) // 2)  # so that parts do not go by length
short_right, long_right = (
    np.array(right_names)[:, part][:, mix] for part in (by_length[: len(mix)], by_length[-len(mix) :])
)
say(
    f"Of the short half {np.mean(short_right):.0%} are right, of the long half {np.mean(long_right):.0%}. "
    + compared(
        points_by_part(long_right),
        points_by_part(short_right),
        "Long names are easier",
        "Short names are easier",
        "Short and long names",
    )
    + "."
)

# %% [markdown]
# ### Code
#
# Program source is a text like any other, with one difference: a parser can say whether it is right. We train on the standard library
# that comes with Python, let the model write, and show Python every line by itself. What a line leaves open, a bracket or the block after
# a colon, is closed first (`finish`); real lines are treated in the same way. The chart shows the share of accepted lines by temperature.
# (Lines inside docstrings, and an `else:` alone, fail in both.)

# %%
from charloom.code import finish, parses

library_source = "\n\n".join(content.decode() for _, content in dataset("python-library").read())
library_source = library_source[: choose(1_000_000, 40_000)]
CODE_LENGTH = choose(600, 80)  # characters of a text; the real ones that are judged begin and end in the same way
real_texts = re.findall(rf"(?s)\bdef .{{{CODE_LENGTH}}}", library_source[-choose(50_000, 5_000) :])
code_models = [model_of("code", library_source, seed, 800) for seed in TRAININGS]


def lines_of_code(texts):
    """The lines with something in them; the last one of each text may be cut off and is left out."""
    return [line.strip() for each in texts for line in each.rpartition("\n")[0].splitlines() if line.strip()]


def accepted_lines(texts):
    """The share of the lines that Python accepts, each by itself."""
    lines = lines_of_code(texts)
    return sum(parses(line + finish("", line)) for line in lines) / max(1, len(lines))


def written_code(writer, temperature, seed):
    """Twenty texts by a model, each from the beginning of a function."""
    samples = charloom.generate_many(
        writer, ["def "] * 20, length=CODE_LENGTH, temperature=temperature, seed=1000 * seed
    )
    return ["def " + sample.text for sample in samples]


for sample in charloom.generate_many(
    code_models[0], ["def "] * 3, length=choose(300, 60), temperature=0.7, seed=4, stop=["\n\n"]
):
    show_text("def " + sample.text)
    print()

# %%
temperatures = (0.3, 0.5, 0.7, 1.0)
programs = [
    [written_code(writer, temperature, seed) for writer, seed in zip(code_models, TRAININGS)]
    for temperature in temperatures
]
accepted = [[accepted_lines(program) for program in each] for each in programs]
line_counts = [np.mean([len(lines_of_code(program)) for program in each]) for each in programs]
spaces = [np.mean([character == " " for program in each for character in "".join(program)]) for each in programs]
real_share = accepted_lines(real_texts)
figure, axes = plt.subplots(figsize=(7, 3.4))
axes.plot(
    temperatures, [np.mean(each) for each in accepted], marker=MARKERS[0], label="written lines, mean of the trainings"
)
for temperature, each in zip(temperatures, accepted):
    axes.plot([temperature] * len(each), each, ".", color=COLOURS[0], alpha=0.5)
axes.axhline(real_share, color=COLOURS[1], linestyle="--", label="real lines")
axes.set_xlabel("temperature (each point is a training)")
axes.set_ylabel("lines that Python accepts")
axes.set_ylim(0, 1)
axes.legend()
axes.set_title(
    headline(
        f"Python accepts {real_share:.0%} of the real lines, and of those written "
        + ", ".join(
            f"{np.mean(each):.0%} at temperature {temperature}" for temperature, each in zip(temperatures, accepted)
        ),
        75,
    )
)
show("The share of written lines of code that Python accepts, by temperature, with a dashed line for real lines.")

# %%
say(
    "**"
    + compared(
        100 * np.array(accepted[1]),
        100 * np.array(accepted[-1]),
        f"More lines are Python at temperature {temperatures[1]} than at {temperatures[-1]}",
        f"Fewer lines are Python at temperature {temperatures[1]} than at {temperatures[-1]}",
        f"Temperatures {temperatures[1]} and {temperatures[-1]}",
    )
    + ".** A right line is a small thing: a whole function needs all of its lines, and names that exist. Lesson 50 lets a parser watch while "
    "the model writes, so that everything it writes is Python."
)

# %%
say(
    "| temperature | lines in 20 texts | spaces among the characters |\n|---|---|---|\n"
    + "\n".join(
        f"| {temperature} | {count:.0f} | {share:.0%} |"
        for temperature, count, share in zip(temperatures, line_counts, spaces)
    )
)
low_first = paired(100 * np.array(accepted[0]), 100 * np.array(accepted[1]))
say(
    low_first.sentence(
        f"More lines are Python at temperature {temperatures[0]} than at {temperatures[1]}",
        f"**Fewer lines are Python at temperature {temperatures[0]} than at {temperatures[1]}**",
        f"The shares at temperatures {temperatures[0]} and {temperatures[1]}",
        "percentage points",
        1,
    )
    + "."
    + (
        " Question 23 said that a low temperature hides mistakes. Here it also makes the model repeat itself: the table shows how few "
        "lines it ends, and how much of what it writes is spaces."
        if line_counts[0] < 0.5 * line_counts[2] and spaces[0] > 1.5 * spaces[2]
        else ""
    )
)

# %% [markdown]
# ### Advantages and limitations, in figures
#
# Chapter 1 named most of them; here they have figures. Nearly all were measured in this notebook; the size of the state follows from the
# settings, and sense, as the table will say, has no figure. Two measurements are still missing. What does it cost that **each step waits
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
        if device.type == "cuda":
            torch.cuda.synchronize()  # a GPU works while Python goes on
        taken.append(time.perf_counter() - began)
    return min(taken)


with torch.no_grad():
    one_text = torch.randn(1024, 1, EMBEDDING_SIZE, device=device)  # 1,024 steps of one text
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
words_in_training = set(re.findall(r"[^\W\d_]+", train_text.lower()))
new_words = np.mean([word not in words_in_training for word in re.findall(r"[^\W\d_]+", validation_text.lower())])
known_characters = set(train_text)
new_characters = np.mean([character not in known_characters for character in validation_text])
word_length = len(validation_text) / max(1, len(validation_text.split()))
short = max(window for window in windows if window <= 64)
parameters = sum(parameter.numel() for parameter in model.parameters())
faded = ", ".join(f"{name} {share:.0e}" for name, share in left_over.items())
far = context_cost[short]  # what it costs to have only half of `short` to `short` characters
of_the_past = f"a character with only {short // 2} to {short} before it costs {far} nats compared with all of it" + (
    ""
    if far.clear and far.mean > 0
    else ", which is not more than chance: this network hardly uses what is further back"
)
advantages = {
    "any word: no word list": f"{new_words:.1%} of the words of the validation text never occur in training, but "
    f"{new_characters:.2%} of its characters",
    "a small network is enough": f"{parameters:,} numbers guess {accuracy:.0%} of the characters; the perplexity is "
    f"{perplexity:.2f} of {OUTPUT_SIZE}",
    "a step costs the same after any length of context": f"the state is {2 * HIDDEN_SIZE} numbers, after one character "
    f"and after {len(validation_text):,}",
    "one kind of model, many uses": f"{slips_in_known_words[:, at, 0].mean():.0%} of the slips in known words undone; "
    f"{np.mean(correct):.0%} of {len(tested):,} names in the right one of {len(LANGUAGES)} languages; "
    f"{np.mean(accepted[2]):.0%} of the lines of code are Python at temperature {temperatures[2]}",
}
limitations = {
    "a word is several steps": f"{word_length:.1f} characters for each word, its space included",
    "each step waits for the one before": f"1,024 characters of one text take the recurrent layer {1000 * in_sequence:.1f} "
    f"ms, as many of different texts, in one step, {1000 * in_parallel:.1f} ms",
    "gradients fade with distance": f"left of a gradient after {FAR} characters: {faded}",
    "it knows only its own text": f"its corrector spoils {slips_in_new_words[:, at, 1].mean():.0%} of the right words "
    f"that it has never seen, {slips_in_known_words[:, at, 1].mean():.0%} of the others",
    "words come right long before sense": f"{sense['written'][0]:.0%} of the written words exist, as "
    f"{sense['validation text'][0]:.0%} of the real ones do; of the sequences of three {sense['written'][2]:.0%} and "
    f"{sense['validation text'][2]:.0%}, so no figure here measures sense: read the samples",
}
if far.clear and far.mean > 0:
    advantages["the whole past counts"] = of_the_past
else:
    limitations["the far past counts for little"] = of_the_past
for title, rows in (("For", advantages), ("Against", limitations)):
    say(
        f"| {title} | Measured here |\n|---|---|\n" + "\n".join(f"| {name} | {found} |" for name, found in rows.items())
    )
