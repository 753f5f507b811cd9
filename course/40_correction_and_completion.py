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
# books and speeches. What is that worth? A second network of the same manual starts from nothing (`origin=None`), and is
# compared with the first in all that follows.

# %%
text = "".join(data.decode() for _, data in dataset("python-docs").read())
cut = int(0.9 * len(text))
train, held_out = text[:cut], text[cut:]
folder, budget = Path(tempfile.mkdtemp()), choose("60s", "4s")
runs = {
    "from english": charloom.train(train, run=folder / "run", time_budget=budget),
    "from nothing": charloom.train(train, run=folder / "from-nothing", time_budget=budget, origin=None),
}
writers = {name: Writer.load(run.path) for name, run in runs.items()}
writer = writers["from english"]
print(f"{len(text):,} characters; {runs['from english'].config().plan.recipe.reason}")

# %% [markdown]
# And here is the other text, from the first page of *The Virginian* (Owen Wister, 1902). It is English, but the manual has no horses in it.
# Nor has `english` read it: this novel was left out of its texts, so that it can be tested on something.

# %%
NOVEL = """Some notable sight was drawing the passengers, both men and women, to the window; and therefore I rose and crossed the
car to see what it was. I saw near the track an enclosure, and round it some laughing men, and inside it some whirling
dust, and amid the dust some horses, plunging, huddling, and dodging. They were cow ponies in a corral, and one of
them would not be caught, no matter who threw the rope. We were also six hours late, and starving for entertainment.
The pony in the corral was wise, and rapid of limb. Have you seen a skilful boxer watch his antagonist with a quiet,
incessant eye? Such an eye as this did the pony keep upon whatever man took the rope. The man might pretend to look at
the weather, which was fine; or he might affect earnest conversation with a bystander: it was bootless. The pony saw
through it. No feint hoodwinked him. This animal was thoroughly a man of the world. His undistracted eye stayed fixed
upon the dissembling foe, and the gravity of his horse-expression made the matter one of high comedy. Then the rope
would sail out at him, but he was already elsewhere; and if horses laugh, gayety must have abounded in that corral.
Sometimes the pony took a turn alone; next he had slid in a flash among his brothers, and the whole of them like a
school of playful fish whipped round the corral, kicking up the fine dust, and (I take it) roaring with laughter.
Through the window-glass of our Pullman the thud of their mischievous hoofs reached us, and the strong, humorous
curses of the cow-boys. Then for the first time I noticed a man who sat on the high gate of the corral, looking on.
For he now climbed down with the undulations of a tiger, smooth and easy, as if his muscles flowed beneath his skin.
The others had all visibly whirled the rope, some of them even shoulder high. I did not see his arm lift or move. He
appeared to hold the rope down low, by his leg. But like a sudden snake I saw the noose go out its length and fall
true; and the thing was done. As the captured pony walked in with a sweet, church-door expression, our train moved
slowly on to the station, and a passenger remarked, "That man knows his business."
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
# keys does each save, on the manual and on the novel?


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
# Two figures are compared in pairs, here passage by passage. Their mean difference has a margin, Student's t for 95 % times the standard
# error, and where the difference is no larger than its margin, the two cannot be told apart.
#
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
correctors["the training text*"] = Corrector(writers["from nothing"], lexicons["the training text"])
print("* with the network that started from nothing")
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
LETTERS = choose(2_000, 400)
DRAWS = choose(4, 2)
sources = {
    "the manual": [held_out[draw * LETTERS :][:LETTERS] for draw in range(DRAWS)],
    "the novel": [NOVEL[:LETTERS]] * DRAWS,
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
FROM, LISTS = ("the training text", "the training text*"), ("a word list, too", "the training text")


def compared(name, column, one, other, what):
    """A sentence about slips repaired (column 0) or right words spoilt (column 1), draw by draw."""
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
        count = sum(len(each.split()) for each in set(sources[name]))
        say(f"  None in {count:,} words is not never: it may still be up to {3000 / count:.0f} in 1,000.")

# %% [markdown]
# In a careful text the corrector should do better than that: it estimates from the text itself how common slips are, and a word that
# it would change in a careless text may stay in a clean one. Does it? Here are the texts without any slip. Compare with the table above.

# %%
for name in sources:
    clean = "".join(sources[name]) if name == "the manual" else NOVEL
    for known, corrector in correctors.items():
        spoilt = corrector.correct(clean)[1]
        shown = ", ".join(f"{change.before} -> {change.after}" for change in spoilt[:6])
        print(f"{name}, {known}: {len(spoilt)} of {len(clean.split())} right words were changed: {shown}")

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
    both = list(zip(drawn["the novel"], made["the novel", known], strict=True))
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
show("Slips repaired against right words spoilt on the novel, one line for each corrector, a point for each certainty.")

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
# 2. Train on a novel (as a plain text file) instead of the manual, and run the lesson again. Which of the two tables
#    changes more?
#
# <details><summary>Hints</summary>
#
# 1. Now each word is a suspect, not only the unknown ones. How many right words does a text have for each wrong one?
# 2. What does each table depend on: on the words that are known, on the model, or on the kinds of slips? Which of these changes?
#
# </details>
