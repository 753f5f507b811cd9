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
# Needs the extra `text` (`pip install 'charloom[text]'`); nothing is downloaded. The environment variable `CHARLOOM_COURSE` is
# `full` (the default, under two minutes) or `fast` (seconds: it shows that everything runs, not how good it gets).

# %%
import os
import tempfile
import time
from pathlib import Path

import charloom
from charloom import Completer, Writer
from charloom.correct import Corrector, ErrorModel, Lexicon
from charloom.data import dataset

FAST = os.environ.get("CHARLOOM_COURSE", "full") == "fast"
print("a fast run" if FAST else "a full run")

text = "".join(data.decode() for _, data in dataset("python-docs").read())
run = charloom.train(text, run=Path(tempfile.mkdtemp()) / "run", time_budget="8s" if FAST else "75s")
train, held_out = text[: int(0.9 * len(text))], text[int(0.9 * len(text)) :]
writer = Writer.load(run.path)
print(f"{len(text):,} characters of Python's manual; the last tenth is held out")

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
# How many keys does that save? Suppose a typist accepts a suggestion as soon as it is right, with one key, which also adds the space:

# %%
passage = held_out[:300] if FAST else held_out[:1500]
keys, place, typist = 0, 0, Completer(writer)
while place < len(passage):
    word = 0
    while place + word < len(passage) and (passage[place + word].isalnum() or passage[place + word] in "_'’"):
        word += 1
    rest = passage[place : place + word]
    if rest and rest in [completion.text for completion in typist.suggest(5)]:
        step = word + (passage[place + word : place + word + 1] == " ")
    else:
        step = 1
    typist, keys, place = typist.type(passage[place : place + step]), keys + 1, place + step
print(f"{len(passage):,} characters with {keys:,} keys: {1 - keys / len(passage):.0%} saved")

# %% [markdown]
# ## Correction
#
# Somebody typed *t*. What was meant? The **noisy channel** (Kernighan, Church and Gale, 1990) weighs two things for each candidate *c*:
#
# $$P(c \mid t, \text{context}) \;\propto\; \underbrace{P(c \text{ and what follows} \mid \text{what stands before})}_{\text{the character model}}
# \;\cdot\; \underbrace{P(t \mid c)}_{\text{how people misspell}}$$
#
# The second factor is a small table: slips by their kind, each with a cost in nats.

# %%
errors = ErrorModel()
for meant, wrong in [
    ("the", "teh"),
    ("letter", "leter"),
    ("phone", "fone"),
    ("value", "vslue"),
    ("the", "lighthouse"),
]:
    slips = errors.slips(meant, wrong)
    print(f"{meant:10} -> {wrong:8}", f"{slips.nats:5.1f} nats: {slips.reason}" if slips else "not a slip")

# %% [markdown]
# The first factor looks at both sides. Here is the same typed word in two places:

# %%
lexicon = Lexicon.of([train])
corrector = Corrector(writer, lexicon)
for before, after in [("The name", "the module is"), ("This is called", "each item in the list")]:
    wrong = "fo"
    state = corrector.context.read(before + " ", corrector.context.begin())
    found = corrector.candidates(wrong, " " + after, state)[:4]
    print(f"{before} [{wrong}] {after}:", ", ".join(f"{each.word} {each.probability:.0%}" for each in found))

# %% [markdown]
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
# **False alarms** matter more than missed errors, because most words are right. A correct text that the model has never seen shows
# how often it would spoil a word. Half a megabyte contains few words; a word list (`--words` on the command line, a second argument
# of `Lexicon.of` here) helps most against that.

# %%
clean = held_out[: 3_000 if FAST else 20_000]
spoilt = corrector.correct(clean)[1]
print(f"{len(spoilt)} of {len(clean.split()):,} right words were changed")
for change in spoilt[:5]:
    print(f"  {change.before} -> {change.after} ({change.after_probability:.0%})")

# %% [markdown]
# The same on the command line:
#
#     charloom complete RUN "The return value of this func"
#     charloom correct RUN --text letter.txt > corrected.txt
#
# **Try it.** Correct a text of your own with `aggressive=True` (`--aggressive`), which also checks known words (*form* for *from*).
# What happens to the false alarms, and why is that question harder?
