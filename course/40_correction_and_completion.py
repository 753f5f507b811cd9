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
# **Time:** 20 minutes to read; about three minutes to run on two cores. **You need:** Python, and a rough idea of what a probability
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
from charloom.plotting import COLOURS, MARKERS

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
# The model learns from nine tenths of Python's reference manual. The last tenth is held out.

# %%
text = "".join(data.decode() for _, data in dataset("python-docs").read())
cut = int(0.9 * len(text))
train, held_out = text[:cut], text[cut:]
run = charloom.train(train, run=Path(tempfile.mkdtemp()) / "run", time_budget=choose("60s", "8s"), origin=None)
writer = Writer.load(run.path)
score = charloom.evaluate(charloom.load(run.path), held_out)
print(f"{len(text):,} characters; {score.bits_per_character:.2f} bits per character on the held-out tenth")

# %% [markdown]
# And here is the other text, the beginning of *Alice's Adventures in Wonderland* (Lewis Carroll, 1865). It is English, but the manual
# has no rabbits in it.

# %%
ALICE = """Alice was beginning to get very tired of sitting by her sister on the bank, and of having nothing to do: once or
twice she had peeped into the book her sister was reading, but it had no pictures or conversations in it, "and what is
the use of a book," thought Alice "without pictures or conversations?"

So she was considering in her own mind (as well as she could, for the hot day made her feel very sleepy and stupid),
whether the pleasure of making a daisy-chain would be worth the trouble of getting up and picking the daisies, when
suddenly a White Rabbit with pink eyes ran close by her.

There was nothing so very remarkable in that; nor did Alice think it so very much out of the way to hear the Rabbit say
to itself, "Oh dear! Oh dear! I shall be late!" (when she thought it over afterwards, it occurred to her that she ought
to have wondered at this, but at the time it all seemed quite natural); but when the Rabbit actually took a watch out of
its waistcoat-pocket, and looked at it, and then hurried on, Alice started to her feet, for it flashed across her mind
that she had never before seen a rabbit with either a waistcoat-pocket, or a watch to take out of it, and burning with
curiosity, she ran across the field after it, and fortunately was just in time to see it pop down a large rabbit-hole
under the hedge.

Either the well was very deep, or she fell very slowly, for she had plenty of time as she went down to look about her
and to wonder what was going to happen next. First, she tried to look down and make out what she was coming to, but it
was too dark to see anything; then she looked at the sides of the well, and noticed that they were filled with cupboards
and book-shelves; here and there she saw maps and pictures hung upon pegs.
"""

# %%
words = Counter(word.lower() for word in train.replace("_", " ").split() if word.isalpha())
for name, other in (("the held-out manual", held_out), ("Alice", ALICE)):
    spoken = [word.lower() for word in other.split() if word.isalpha()]
    print(f"{name}: {np.mean([word in words for word in spoken]):.0%} of the words occur in the training text")

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
# That is fast enough to run at each key.

# %%
typed, times = Completer(writer), []
for key in "An exception is rai":
    began = time.perf_counter()
    typed = typed.type(key)
    suggestions = [typed.begun + completion.text for completion in typed.suggest(3)]
    times.append(time.perf_counter() - began)
    print(f"{typed.typed!r:24} {', '.join(suggestions)}")
print(f"the slowest of {len(times)} keys took {1000 * max(times):.0f} ms")

# %% [markdown]
# ### How many keys does it save?
# A typist sees five suggestions and takes the right one with a single key, which also types the space. The rival is as simple as can
# be: it proposes the five commonest words of the training text that begin as typed, and looks at nothing else. Predict first: how many
# keys does each save, on the manual and on *Alice*?


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

    def __init__(self, completer=None):
        self.completer = completer or Completer(writer)

    def type(self, keys):
        """After these keys."""
        return OurModel(self.completer.type(keys))

    def endings(self):
        """What completes the word, five times at most."""
        return [each.text for each in self.completer.suggest(5)]


COMMON = words.most_common()


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
SIZE, PASSAGES = choose(500, 150), choose(4, 2)
TEXTS = {"the manual": held_out, "Alice": ALICE}
saved = {}
for name, source in TEXTS.items():
    starts = [number * (len(source) - SIZE) // (PASSAGES - 1) for number in range(PASSAGES)]
    passages = [source[start : start + SIZE] for start in starts]
    for helper in (OurModel, CommonWords):
        saved[name, helper] = np.array([keys_saved(passage, helper()) for passage in passages])
    print(
        f"{name:<11} keys saved: the model {spread(saved[name, OurModel])} %, common words {spread(saved[name, CommonWords])} %"
    )

for name in TEXTS:
    gain = saved[name, OurModel] - saved[name, CommonWords]
    if abs(gain.mean()) <= 2 * gain.std(ddof=1) / PASSAGES**0.5:
        verdict = "the model and the list of common words cannot be told apart"
    else:
        verdict = f"the {'model' if gain.mean() > 0 else 'list of common words'} saves more"
    say(f"* On {name}, **{verdict}**: the model's lead is {spread(gain, 1)} points over {PASSAGES} passages.")

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
# texts that the model has not seen, and put slips into them: each word of four letters or more gets one with a probability of 1 in 10.
# The slips are drawn four times.


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
    return 100 * sum(repaired) / max(1, len(repaired)), 100 * sum(spoilt) / len(spoilt)


# %%
LETTERS = choose(2_000, 700)
DRAWS = choose(4, 2)
sources = {
    "the manual": [held_out[draw * LETTERS :][:LETTERS] for draw in range(DRAWS)],
    "Alice": [ALICE[:LETTERS]] * DRAWS,
}
drawn = {
    name: [with_slips(each, random.Random(draw)) for draw, each in enumerate(all_)] for name, all_ in sources.items()
}
made, outcome = {}, {}
print(f"{'':<12}{'known words':<20}{'slips repaired':>18}{'right words spoilt':>22}")
for name, known in itertools.product(sources, correctors):
    typed = ["".join(word for word, _ in pairs) for pairs in drawn[name]]
    made[name, known] = [correctors[known].changes(each) for each in typed]
    outcome[name, known] = np.array([rates(*each) for each in zip(drawn[name], made[name, known], strict=True)])
    repaired, spoilt = outcome[name, known].T
    print(f"{name:<12}{known:<20}{spread(repaired) + ' %':>18}{spread(spoilt, 1) + ' %':>22}")

# %%
if len(correctors) > 1:
    for name in sources:
        less = outcome[name, "the training text"][:, 1] - outcome[name, "a word list, too"][:, 1]
        sure = abs(less.mean()) > 2 * less.std(ddof=1) / DRAWS**0.5
        change = "fewer" if less.mean() > 0 else "more"
        said = (
            f"**{change} right words are spoilt**" if sure else "the number of spoilt words does not change noticeably"
        )
        say(f"* On {name}, with the word list {said}: the difference is {spread(less, 1)} points.")
else:
    say("No word list was found here; the package symspellpy has one.")

# %% [markdown]
# ### Is that much or little?
# Imagine a text in which one word in a hundred is misspelled, as in a careful letter. Of 1,000 words, 10 are wrong, and 990 are right.
# A corrector is worth having only if it repairs more of the ten than it spoils of the 990. (A **false alarm**, a right word that is
# changed, costs at least as much as a slip that stays: the author wrote it correctly, and may not look again.)

# %%
for (name, known), shares in outcome.items():
    repaired, spoilt = shares.T / 100
    net = 10 * repaired - 990 * spoilt
    if abs(net.mean()) <= 2 * net.std(ddof=1) / DRAWS**0.5:
        verdict = "good and harm cannot be told apart"
    else:
        verdict = "more good than harm" if net.mean() > 0 else "more harm than good"
    say(
        f"* {name[0].upper()}{name[1:]}, known: {known}. {10 * repaired.mean():.1f} words repaired, {990 * spoilt.mean():.1f} spoilt: "
        f"**{verdict}** (repaired minus spoilt: {spread(net, 1)} over {DRAWS} draws)."
    )
    if (
        not spoilt.any()
    ):  # the rule of three: an event that did not happen in n trials has a probability below 3 / n, 95 % sure
        count = sum(len(each.split()) for each in set(sources[name]))
        say(f"  None in {count:,} words is not never: it may still be up to {3000 / count:.0f} in 1,000.")

# %% [markdown]
# In a careful text the corrector should do better than that: it estimates from the text itself how common slips are, and a word that
# it would change in a careless text may stay in a clean one. Does it? Here are the texts without any slip. Compare with the table above.

# %%
for name in sources:
    clean = "".join(sources[name]) if name == "the manual" else ALICE
    for known, corrector in correctors.items():
        spoilt = corrector.correct(clean)[1]
        shown = ", ".join(f"{change.before} -> {change.after}" for change in spoilt[:6])
        print(f"{name}, {known}: {len(spoilt)} of {len(clean.split())} right words were changed: {shown}")

# %% [markdown]
# False alarms are right words that the corrector does not know and that look like one it knows. So there are two remedies: let it
# know more words, or let it change only what it is surer of. The second has a price. Predict first: what happens to the repaired slips if
# a change needs a certainty of 90 % instead of 50 %? The picture shows both shares for several certainties, on *Alice*; up and to the
# left is better.

# %%
CERTAINTIES = (0.5, 0.7, 0.9, 0.97, 0.99)
curves = {}
figure, axes = plt.subplots(figsize=(7, 4), dpi=100)
for number, known in enumerate(correctors):
    both = list(zip(drawn["Alice"], made["Alice", known], strict=True))
    curve = np.array([[rates(*each, sure) for each in both] for sure in CERTAINTIES])  # (certainties, draws, 2)
    curves[known] = curve.mean(1)
    (repaired, spoilt), spreads = curve.mean(1).T, curve.std(1, ddof=1).T
    style = {"color": COLOURS[number], "marker": MARKERS[number], "capsize": 2, "label": f"known: {known}"}
    axes.errorbar(spoilt, repaired, xerr=spreads[1], yerr=spreads[0], **style)
    for sure, x, y in zip(CERTAINTIES, spoilt, repaired, strict=True):
        axes.annotate(f"{sure:.0%}", (x, y), (4, 5), textcoords="offset points", fontsize=8, color=COLOURS[number])
axes.set(xlabel="right words spoilt (%)", ylabel="slips repaired (%)")
(repaired, spoilt), (fewer, safer) = (curves["the training text"][at] for at in (0, 2))
axes.set_title(
    f"Known: the training text. A certainty of {CERTAINTIES[2]:.0%} instead of {CERTAINTIES[0]:.0%}: {fewer:.0f}% of the slips\n"
    f"repaired instead of {repaired:.0f}%, {safer:.1f}% of the right words spoilt instead of {spoilt:.1f}%",
    loc="left",
    fontsize=10,
)
axes.legend(frameon=False)
axes.spines[["top", "right"]].set_visible(False)
figure.tight_layout()
plt.show()

# %% [markdown]
# The same on the command line:
#
#     charloom complete RUN "The return value of this func"
#     charloom correct RUN --text letter.txt > corrected.txt
#
# **Try, and predict first:**
#
# 1. Correct a text of your own with `aggressive=True` (`--aggressive`), which also checks known words (*form* for *from*). What happens
#    to the false alarms?
# 2. Train on a text like *Alice* (a novel as a plain text file) instead of the manual, and run the lesson again. Which of the two tables
#    changes more?
#
# <details><summary>Hints</summary>
#
# 1. Now each word is a suspect, not only the unknown ones. How many right words does a text have for each wrong one?
# 2. What does each table depend on: on the words that are known, on the model, or on the kinds of slips? Which of these changes?
#
# </details>
