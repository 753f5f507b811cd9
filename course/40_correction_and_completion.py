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
# # Completion and correction: one model, asked two questions
#
# A character model answers one question: *what comes next?* Two everyday tools ask that question in other words.
#
# * **Completion**: what are the most probable ways to finish the word?
# * **Correction**: which word was probably *meant* here, given what was typed?
#
# Both are easy to demonstrate and hard to judge. A demonstration shows the words that work; what decides whether you switch a
# corrector off is how often it spoils a word that was right. So this lesson measures, on two texts: one like the training text, and one
# that has nothing to do with it.
#
# **Time:** 20 minutes to read; about six minutes to run on two cores. **You need:** Python, and a rough idea of what a probability
# distribution over the next character is (chapters 1 and 7 of the main lesson). The environment variable `CHARLOOM_COURSE` is `full` (the
# default) or `fast` (seconds: it shows that everything runs, not how good it gets).

# %%
import itertools
import os
import random
import re
import tempfile
import time
from collections import Counter
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Markdown, display

import charloom
from charloom import Completer, Writer
from charloom.correct import Corrector, ErrorModel, Lexicon, known_words
from charloom.data import dataset
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


def spread(values, digits=0):
    """A mean and the standard deviation of its values."""
    return f"{np.mean(values):.{digits}f} ± {np.std(values, ddof=1):.{digits}f}"


# %% [markdown]
# The model learns from nine tenths of Python's reference manual. The last tenth is held out. A small text in English does not start from
# nothing: charloom starts it from `english`, a network that comes with the package and has read some sixteen million characters of old
# books and speeches. (`origin="english"` asks for it, because a slow machine could not read this manual once from there in a minute,
# and would start from nothing.) What is that worth? A second network of the same manual starts from nothing (`origin=None`), and is
# compared with the first in all that follows.

# %%
text = "".join(data.decode() for _, data in dataset("python-docs").read())
cut = text.index(" ", int(0.9 * len(text))) + 1  # no word is torn in two
train, held_out = text[:cut], text[cut:]
folder, budget = Path(tempfile.mkdtemp()), choose("60s", "2s")
runs = {
    "from english": charloom.train(train, run=folder / "run", time_budget=budget, origin="english"),
    "from nothing": charloom.train(train, run=folder / "from-nothing", time_budget=budget, origin=None),
}
writers = {name: Writer.load(run.path) for name, run in runs.items()}
writer = writers["from english"]
print(f"{len(text):,} characters; {runs['from english'].config().plan.recipe.reason}")
for name, run in runs.items():
    print(f"{name}: {run.step():,} steps of {run.config().plan.steps:,} planned")

# %% [markdown]
# And here is the other text, the first pages of *Riders of the Purple Sage* (Zane Grey, 1912). It is English, but the manual has no
# horses in it. Nor has `english` read it: this novel was left out of its texts, and no setting of the corrector was chosen by looking
# at it, so that there is something to test on.

# %%
NOVEL = """A sharp clip-crop of iron-shod hoofs deadened and died away, and clouds of yellow dust drifted from under the
cottonwoods out over the sage.
Jane Withersteen gazed down the wide purple slope with dreamy and troubled eyes. A rider had just left her and it
was his message that held her thoughtful and almost sad, awaiting the churchmen who were coming to resent and attack
her right to befriend a Gentile.
She wondered if the unrest and strife that had lately come to the little village of Cottonwoods was to involve her.
And then she sighed, remembering that her father had founded this remotest border settlement of southern Utah and
that he had left it to her. She owned all the ground and many of the cottages. Withersteen House was hers, and the
great ranch, with its thousands of cattle, and the swiftest horses of the sage. To her belonged Amber Spring, the
water which gave verdure and beauty to the village and made living possible on that wild purple upland waste. She
could not escape being involved by whatever befell Cottonwoods.
That year, 1871, had marked a change which had been gradually coming in the lives of the peace-loving Mormons of the
border. Glaze--Stone Bridge--Sterling, villages to the north, had risen against the invasion of Gentile settlers and
the forays of rustlers. There had been opposition to the one and fighting with the other. And now Cottonwoods had
begun to wake and bestir itself and grown hard.
Jane prayed that the tranquillity and sweetness of her life would not be permanently disrupted. She meant to do so
much more for her people than she had done. She wanted the sleepy quiet pastoral days to last always. Trouble
between the Mormons and the Gentiles of the community would make her unhappy. She was Mormon-born, and she was a
friend to poor and unfortunate Gentiles. She wished only to go on doing good and being happy. And she thought of
what that great ranch meant to her. She loved it all--the grove of cottonwoods, the old stone house, the
amber-tinted water, and the droves of shaggy, dusty horses and mustangs, the sleek, clean-limbed, blooded racers,
and the browsing herds of cattle and the lean, sun-browned riders of the sage.
While she waited there she forgot the prospect of untoward change. The bray of a lazy burro broke the afternoon
quiet, and it was comfortingly suggestive of the drowsy farmyard, and the open corrals, and the green alfalfa
fields. Her clear sight intensified the purple sage-slope as it rolled before her. Low swells of prairie-like ground
sloped up to the west. Dark, lonely cedar-trees, few and far between, stood out strikingly, and at long distances
ruins of red rocks. Farther on, up the gradual slope, rose a broken wall, a huge monument, looming dark purple and
stretching its solitary, mystic way, a wavering line that faded in the north. Here to the westward was the light and
color and beauty. Northward the slope descended to a dim line of canyons from which rose an up-flinging of the
earth, not mountainous, but a vast heave of purple uplands, with ribbed and fan-shaped walls, castle-crowned cliffs,
and gray escarpments. Over it all crept the lengthening, waning afternoon shadows.
"""

# %%
words = Counter(word.lower() for word in train.replace("_", " ").split() if word.isalpha())
for name, other in (("the held-out manual", held_out), ("the novel", NOVEL)):
    spoken = [word.lower() for word in other.split() if word.isalpha()]
    seen = set(train)
    legible = "".join(character for character in other[: choose(10_000, 1_000)] if character in seen)
    bits = {way: charloom.evaluate(charloom.load(run.path), legible).bits_per_character for way, run in runs.items()}
    print(
        f"{name}: {np.mean([word in words for word in spoken]):.0%} of the words occur in the training text; bits per "
        f"character {', '.join(f'{way} {figure:.2f}' for way, figure in bits.items())}"
    )

# %% [markdown]
# ## Completion
#
# To finish a word, follow its most probable beginnings side by side (a *beam*), and stop each where the word ends. The
# probability shown is that of the whole event: **exactly these characters, and then the end of the word**. Two completions exclude
# each other, so their probabilities can be added; together with the probability that the word is already complete, they add up to 1.

# %%
completer = Completer(writer, "The return value of this func")
for completion in completer.suggest(5):
    print(f"{completion.probability:7.2%}  {completer.begun}{completion.text}")

many = completer.suggest(1000)
total = completer.complete + sum(completion.probability for completion in many)
print(f"\n{len(many)} completions and 'it is complete' have together a probability of {total:.4f}")
assert total <= 1.0001

# %% [markdown]
# `Completer.type` reads one more key and remembers everything before it: a keystroke costs one step of the network and the beam.
# Is that fast enough to run at each key? A fast typist presses one every 100 milliseconds or so.

# %%
typed, times = Completer(writer), []
for key in "An exception is rai":
    began = time.perf_counter()
    typed = typed.type(key)
    suggestions = [typed.begun + completion.text for completion in typed.suggest(3)]
    times.append(time.perf_counter() - began)
    print(f"{typed.typed!r:24} {', '.join(suggestions)}")
quick = sum(each < 0.1 for each in times)
print(f"half of the keys took at most {1000 * np.median(times):.0f} ms, the slowest {1000 * max(times):.0f} ms")
print(f"{quick} of {len(times)} took less than 100 ms")

# %% [markdown]
# ### How many keys does it save?
# A typist sees five suggestions and takes the right one with a single key, which also types the space. The rival is as simple as can
# be: it proposes the five commonest words of the training text that begin as typed, and looks at nothing else. Predict first: how many
# keys does each save, on the manual and on the novel?
#
# The figure after ± is the standard deviation over the passages. Below, two ways are compared in pairs, passage by passage: their mean
# difference has a margin, Student's t for 95 % times the standard error, and where the difference is no larger than its margin, the two
# cannot be told apart.


# %%
class CommonWords:
    """Proposes the commonest words of the training text that begin as typed, whatever stands before."""

    def __init__(self, begun=""):
        self.begun = begun

    def type(self, keys):
        """After these keys."""
        return CommonWords((self.begun + keys).replace("\n", " ").rpartition(" ")[2].lstrip('("'))

    def endings(self):
        """What completes the word, five times at most."""
        fitting = (word for word, _ in COMMON if word.startswith(self.begun) and word != self.begun)
        return [word[len(self.begun) :] for word, _ in zip(fitting, range(5), strict=False)]


class OurModel:
    """Proposes what the character model finds most probable."""

    def __init__(self, completer):
        self.completer = completer

    def type(self, keys):
        """After these keys."""
        return OurModel(self.completer.type(keys))

    def endings(self):
        """What completes the word, five times at most."""
        return [each.text for each in self.completer.suggest(5)]


COMMON = Counter(word for word in train.replace("_", " ").split() if word.isalpha()).most_common()  # spelled as there


def keys_saved(passage, helper):
    """The share of the keys that the typist does not press, in percent."""
    keys = place = 0
    while place < len(passage):
        rest = 0
        while place + rest < len(passage) and (passage[place + rest].isalnum() or passage[place + rest] in "_'"):
            rest += 1
        if rest and passage[place : place + rest] in helper.endings():
            rest += passage[place + rest : place + rest + 1] == " "
        else:
            rest = 1
        helper, keys, place = helper.type(passage[place : place + rest]), keys + 1, place + rest
    return 100 * (1 - keys / len(passage))


# %%
SIZE, PASSAGES = choose(500, 60), choose(4, 2)
TEXTS = {"the manual": held_out, "the novel": NOVEL}
HELPERS = {
    "from english": lambda: OurModel(Completer(writers["from english"])),
    "from nothing": lambda: OurModel(Completer(writers["from nothing"])),
    "common words": CommonWords,
}
saved = {}
for name, source in TEXTS.items():
    starts = [number * (len(source) - SIZE) // (PASSAGES - 1) for number in range(PASSAGES)]
    passages = [source[start : start + SIZE] for start in starts]
    for way, helper in HELPERS.items():
        saved[name, way] = np.array([keys_saved(passage, helper()) for passage in passages])
    print(f"{name:<11} keys saved:", ", ".join(f"{way} {spread(saved[name, way])} %" for way in HELPERS))

for name in TEXTS:
    for one, other in (("from english", "common words"), ("from english", "from nothing")):
        said = paired(saved[name, one], saved[name, other]).sentence(
            f"**the model {one} saves more than {'the' if other == 'common words' else 'that'} {other}**",
            f"**the model {one} saves less than {'the' if other == 'common words' else 'that'} {other}**",
            f"the model {one} and {'the' if other == 'common words' else 'that'} {other}",
            "points",
            1,
        )
        say(f"* On {name}, {said}.")

# %% [markdown]
# A completer is as good as its model knows your subject. If you mean to write letters, train on letters.
#
# ## Correction
#
# Somebody typed *t*. What was meant? The **noisy channel** (Kernighan, Church and Gale, 1990) weighs two things for each candidate *c*:
#
# $$P(c \mid t, \text{context}) \;\propto\; \underbrace{P(c \text{ and what follows} \mid \text{what stands before})}_{\text{the character model}}
# \;\cdot\; \underbrace{P(t \mid c)}_{\text{how people misspell}}$$
#
# The second factor is a small table: slips by their kind, each with a fixed cost in nats. Slips that are easy to make are cheap.

# %%
errors = ErrorModel()
for meant, wrong in [("the", "teh"), ("letter", "leter"), ("phone", "fone"), ("value", "vslue"), ("the", "lighthouse")]:
    slips = errors.slips(meant, wrong)
    print(f"{meant:10} -> {wrong:8}", f"{slips.nats:5.1f} nats: {slips.reason}" if slips else "not a slip")

# %% [markdown]
# The first factor looks at both sides. Here is the same typed word in two places:

# %%
lexicons = {"the training text": Lexicon.of([train])}
with_list = known_words([train])
if with_list.has_list:
    lexicons["a word list, too"] = with_list
print(", ".join(f"{name}: {len(lexicon):,} words" for name, lexicon in lexicons.items()))

correctors = {name: Corrector(writer, lexicon) for name, lexicon in lexicons.items()}
corrector = correctors["the training text"]
FROM_NOTHING = "training text, network from nothing"
correctors[FROM_NOTHING] = Corrector(writers["from nothing"], lexicons["the training text"])
for before, after in [("The name", "the module is"), ("This is called", "each item in the list")]:
    state = corrector.context.read(before + " ", corrector.context.begin())
    found = corrector.candidates("fo", " " + after, state, belief=-50)[:3]  # "fo" itself is surely no word
    print(f"{before} [fo] {after}:", ", ".join(f"{each.word} {each.probability:.0%}" for each in found))

# %% [markdown]
# The known words are those of the training text and, if one is installed, of a list of English words with their frequencies in books
# (the extra `text` installs one, with symspellpy). We will see what the list is worth.
#
# A whole text: layout, addresses, code and names stay as they are, and each change comes with its reason.

# %%
wrong_text = """If the objcet is mutable, its vlaue can be chnaged: see `objcet.py` and http://docs.pyhton.org/.
   Teh folowing expresion rasies an exeption when Wolaski's argumnet isnot a string.
"""
corrected, changes = corrector.correct(wrong_text)
print(corrected)
for change in changes:
    print(
        f"{change.before:10} ({change.before_probability:6.2%}) -> {change.after:11} ({change.after_probability:6.2%})  {change.reason}"
    )
assert "http://docs.pyhton.org/" in corrected and "`objcet.py`" in corrected

# %% [markdown]
# ## Good words spoilt
#
# So much for the demonstration. Now the question that matters: how many slips are repaired, and how many right words are changed? We take
# four passages of each text that the model has not seen, and put slips into them: each word of four or more small letters, with no mark
# next to it, gets one with a probability of 1 in 10. The novel's passages are short, so into each of them slips are drawn twice, and the
# mean counts. The figure after ± is the standard deviation over the passages.


# %%
def slip(word, draw):
    """The word with two letters exchanged, a letter left out, doubled, or replaced."""
    place = draw.randrange(len(word) - 1)
    before, here, following, after = word[:place], word[place], word[place + 1], word[place + 2 :]
    other = draw.choice("abcdefghijklmnopqrstuvwxyz")
    return before + draw.choice([following + here, following, here + here + following, other + following]) + after


def with_slips(source, draw):
    """The words of a text and the spaces between them: what was typed and what was meant."""
    pairs = []
    for word in re.split(r"(\s+)", source):
        touched = len(word) >= 4 and word.isalpha() and word.islower() and draw.random() < 0.1
        pairs.append((slip(word, draw) if touched else word, word))
    return pairs


def rates(pairs, changes, sure=0.5):
    """Shares, in percent: slips repaired, and right words spoilt, if only changes at least this sure are made."""
    starts = np.cumsum([0] + [len(typed) for typed, _ in pairs])
    result = [typed for typed, _ in pairs]
    for change in changes:
        if change.after_probability >= sure:
            place = int(np.searchsorted(starts, change.start, side="right")) - 1
            result[place] = result[place].replace(change.before, change.after, 1)
    words = [(typed, meant, after) for (typed, meant), after in zip(pairs, result, strict=True) if meant.strip()]
    repaired = [after == meant for typed, meant, after in words if typed != meant]
    spoilt = [after != meant for typed, meant, after in words if typed == meant]
    return 100 * sum(repaired) / max(1, len(repaired)), 100 * sum(spoilt) / max(1, len(spoilt))


def of_passages(tested, sure=0.5):
    """The two shares of each passage, means over its draws, from (typed and meant, changes) of each draw: (passages, 2)."""
    return np.array([np.mean([rates(*draw, sure) for draw in draws], axis=0) for draws in tested])


# %%
LETTERS = {"the manual": choose(2_000, 150), "the novel": choose(len(NOVEL) // PASSAGES - 10, 150)}
DRAWS = {"the manual": 1, "the novel": choose(2, 1)}
sources = {}  # passages that end with a word
for name, source in TEXTS.items():
    ends = [0]
    for _ in range(PASSAGES):
        ends.append(source.index(" ", ends[-1] + LETTERS[name]))
    sources[name] = [source[start:end] for start, end in itertools.pairwise(ends)]
drawn = {
    name: [
        [with_slips(each, random.Random(10 * number + draw)) for draw in range(DRAWS[name])]
        for number, each in enumerate(all_)
    ]
    for name, all_ in sources.items()
}

# %%
made, outcome = {}, {}
print(f"{'':<12}{'known words':<38}{'slips repaired':>18}{'right words spoilt':>22}")
for name, known in itertools.product(sources, correctors):
    made[name, known] = [
        [(pairs, correctors[known].changes("".join(word for word, _ in pairs))) for pairs in draws]
        for draws in drawn[name]
    ]
    outcome[name, known] = of_passages(made[name, known])
    repaired, spoilt = outcome[name, known].T
    print(f"{name:<12}{known:<38}{spread(repaired) + ' %':>18}{spread(spoilt, 1) + ' %':>22}")

# %%
FROM, LISTS = ("the training text", FROM_NOTHING), ("a word list, too", "the training text")


def compared(name, column, one, other, what):
    """A sentence about slips repaired (column 0) or right words spoilt (column 1), passage by passage."""
    found = paired(outcome[name, one][:, column], outcome[name, other][:, column])
    things, done = what
    return found.sentence(
        f"more {things} are {done}", f"fewer {things} are {done}", f"the shares of {done} {things}", "points", 1
    )


for name in sources:
    for column, what in enumerate((("slips", "repaired"), ("right words", "spoilt"))):
        say(f"* On {name}, from english, compared with from nothing: **{compared(name, column, *FROM, what)}**.")
        if "a word list, too" in correctors:
            say(f"* On {name}, with the word list, compared with without: **{compared(name, column, *LISTS, what)}**.")
if "a word list, too" not in correctors:
    say("No word list was found here; the package symspellpy has one.")

# %% [markdown]
# ### Is that much or little?
# Imagine a text in which one word in a hundred is misspelled, as in a careful letter. Of 1,000 words, 10 are wrong, and 990 are right.
# A corrector is worth having only if it repairs more of the ten than it spoils of the 990. (A **false alarm**, a right word that is
# changed, costs at least as much as a slip that stays: the author wrote it correctly, and may not look again.)

# %%
for (name, known), shares in outcome.items():
    repaired, spoilt = shares.T / 100
    said = paired(10 * repaired, 990 * spoilt).sentence(
        "**more good than harm**", "**more harm than good**", "good and harm", "words", 1
    )
    say(
        f"* {name[0].upper()}{name[1:]}, known: {known}. {10 * repaired.mean():.1f} words repaired, {990 * spoilt.mean():.1f} "
        f"spoilt: {said}."
    )
    if (
        not spoilt.any()
    ):  # the rule of three: an event that did not happen in n trials has a probability below 3 / n, 95 % sure
        count = len("".join(sources[name]).split())
        say(f"  None in {count:,} words is not never: it may still be up to {3000 / count:.0f} in 1,000.")

# %% [markdown]
# In a careful text the corrector should do better than that: it estimates from the text itself how common slips are, and a word that
# it would change in a careless text may stay in a clean one. Does it? Here are the same passages without any slip, read as one text.

# %%
for name, known in itertools.product(sources, correctors):
    clean = "".join(sources[name])
    changed = correctors[known].correct(clean)[1]
    ends = np.cumsum([len(each) for each in sources[name]])
    inside = np.bincount([int(np.searchsorted(ends, each.start, side="right")) for each in changed], minlength=PASSAGES)
    of_clean = 100 * inside / [len(each.split()) for each in sources[name]]
    said = paired(of_clean, outcome[name, known][:, 1]).sentence(
        "**more than with slips**", "**fewer than with slips**", "the shares with and without slips", "points", 1
    )
    shown = ", ".join(f"{change.before} -> {change.after}" for change in changed[:6])
    say(
        f"* {name[0].upper()}{name[1:]}, known: {known}. {len(changed)} of {len(clean.split()):,} right words are changed, "
        f"{spread(of_clean, 1)} %; with slips {spread(outcome[name, known][:, 1], 1)} %: {said}."
        + (f" Changed: {shown}." if changed else "")
    )

# %% [markdown]
# False alarms are right words that the corrector does not know and that look like one it knows. So there are two remedies: let it
# know more words, or let it change only what it is surer of. The second has a price. Predict first: what happens to the repaired slips if
# a change needs a certainty of 90 % instead of 50 %? The picture shows both shares for several certainties, on the novel; up and to the
# left is better.

# %%
CERTAINTIES = (0.5, 0.7, 0.9, 0.97, 0.99)
curves = {}
figure, axes = plt.subplots(figsize=(7, 4), dpi=100)
for number, known in enumerate(correctors):
    curve = [of_passages(made["the novel", known], sure) for sure in CERTAINTIES]
    curve = np.array(curve)  # (certainties, passages, 2)
    curves[known] = curve.mean(1)
    (repaired, spoilt), spreads = curve.mean(1).T, curve.std(1, ddof=1).T
    style = {"color": COLOURS[number], "marker": MARKERS[number], "capsize": 2, "label": f"known: {known}"}
    down, up = np.minimum(spreads, (repaired, spoilt)), np.minimum(spreads, (100 - repaired, 100 - spoilt))
    axes.errorbar(spoilt, repaired, xerr=(down[1], up[1]), yerr=(down[0], up[0]), **style)  # between 0 and 100
    side = ((4, 5), (4, -12), (4, -12))[number % 3]  # so that the labels of two lines do not lie on each other
    for sure, x, y in zip(CERTAINTIES, spoilt, repaired, strict=True):
        if sure in (CERTAINTIES[0], CERTAINTIES[-1]):
            axes.annotate(f"{sure:.0%}", (x, y), side, textcoords="offset points", fontsize=8, color=COLOURS[number])
axes.set(
    xlabel="right words spoilt (%)\n(points along a line: certainties of 50, 70, 90, 97 and 99%)",
    ylabel="slips repaired (%)",
)
most = max(curves, key=lambda known: curves[known][0, 1])  # the corrector that spoils most
(repaired, spoilt), (fewer, safer) = (curves[most][at] for at in (0, 2))
axes.set_title(
    f"Known: {most}. A certainty of {CERTAINTIES[2]:.0%} instead of\n"
    f"{CERTAINTIES[0]:.0%}: {fewer:.0f}% of the slips repaired instead of {repaired:.0f}%, {safer:.1f}% of the right words spoilt\n"
    f"instead of {spoilt:.1f}%",
    loc="left",
    fontsize=10,
)
axes.legend(frameon=False)
axes.spines[["top", "right"]].set_visible(False)
figure.tight_layout()
show("Slips repaired against right words spoilt on the novel, one line for each corrector, a point for each certainty.")

# %% [markdown]
# The same on the command line (without `--model-only`, `complete` also counts the words of the training text):
#
#     charloom complete RUN "The return value of this func" --model-only
#     charloom correct RUN --text letter.txt > corrected.txt
#
# **Try, and predict first:**
#
# 1. Correct a text of your own with `Corrector(writer, lexicons["the training text"], aggressive=True)` (`--aggressive`), which also
#    checks known words (*form* for *from*). What happens to the false alarms?
# 2. Train on a novel (as a plain text file) instead of the manual, and run the lesson again. What changes more: the share of the keys
#    saved, or that of the slips repaired?
#
# <details><summary>Hints</summary>
#
# 1. Now each word is a suspect, not only the unknown ones. How many right words does a text have for each wrong one?
# 2. What does each share depend on: on the words that are known, on the model, or on the kinds of slips? Which of these changes?
#
# </details>
