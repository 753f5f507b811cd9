# %% [markdown]
# ## 1. Understanding character-level RNNs
#
# *About 25 minutes. You need to know what a vector and a matrix are. Nothing is trained here: this chapter has the ideas and the words
# for them, and says which chapter builds or measures each.*
#
# ### Why characters?
#
# A language model guesses what comes next in a text. Next *what*? A model of words needs a list of all words, and no list is complete:
# names, misspellings, identifiers in code and new words are missing from it. A model of characters needs about a hundred symbols, and
# with them it can read and write any word that is spelled with them.
#
# The price: a sentence becomes five or six times as many steps, because an English word has about five letters and a space. The model has
# to learn spelling before it can learn anything else, and whatever two words have to do with each other is five times as far apart.
# Between the two lie the *subwords* of large language models: pieces of words, tens of thousands of them.
#
# ### What the network computes
#
# At step *t* the network reads a character $s_t$. Four equations turn it into a guess about the next one. (softmax makes probabilities of
# any V numbers y: $e^{y}$ of each, divided by the sum of all.)
#
# $$x_t = \mathrm{Embedding}(s_t) \qquad h_t = \tanh(W_{xh}\,x_t + W_{hh}\,h_{t-1} + b_h) \qquad y_t = W_{hy}\,h_t + b_y \qquad p_t = \mathrm{softmax}(y_t)$$
#
# | | is called | shape | what it is |
# |---|---|---|---|
# | $s_t$ | symbol | one of V characters | the character that was read |
# | $x_t$ | input, or embedding | E | the row of a table that belongs to this character |
# | $h_t$ | **hidden state** | H | everything that the network remembers |
# | $y_t$ | output, or logits | V | a score for each character that may come next |
# | $p_t$ | prediction | V | the scores as probabilities |
# | $W_{xh}$, $W_{hh}$, $W_{hy}$ | weights | H × E, H × H, V × H | what is learned, together with the table and $b_h$, $b_y$ |
#
# The letters of this table keep their meaning in chapters 5 and 6; chapter 5 adds the gates.
#
# **The second equation is the idea of a recurrent network**: the new state is computed from the character *and from the previous state*.
# tanh keeps each of its numbers between -1 and 1. The same weights are used at every step, so a network of fixed size reads a text of any
# length. Here are the four equations for the first four letters of "hello":

# %%
import math

import torch

torch.manual_seed(0)
letters = ["e", "h", "l", "o"]
V, E, H = len(letters), 3, 4
table, W_hy, b_y = torch.randn(V, E), torch.randn(V, H), torch.zeros(V)  # nothing is learned yet: random weights
W_xh, W_hh, b_h = torch.randn(H, E), torch.randn(H, H) / 2, torch.zeros(H)

h, steps = torch.zeros(H), []  # nothing has been read, so there is nothing to remember
for character, target in zip("hell", "ello"):
    before, x = h, table[letters.index(character)]
    h = torch.tanh(W_xh @ x + W_hh @ before + b_h)
    p = torch.softmax(W_hy @ h + b_y, dim=0)
    steps.append((character, x, h, p, target))
    print(f"after {character!r}:", ", ".join(f"{letter} {share:.2f}" for letter, share in zip(letters, p.tolist())))
    assert torch.allclose(h, torch.rnn_tanh_cell(x[None], before[None], W_xh, W_hh, b_h)[0], atol=1e-6)
print("✔ PyTorch's own step computes the same four states")

# %% [markdown]
# The same as a picture: the network *unrolled* over "hello". It is one network, drawn once for each character that it reads. From the
# bottom up, a column shows the character, its embedding x, the state h, the four probabilities, and the **target**: the character that really
# comes next. The arrows between the states are the memory. A blue square is a positive number, a red one a negative number, and the
# darker it is, the further from zero. The green figure is the *surprise*, which is explained below the picture.

# %% jupyter={"source_hidden": true}
from matplotlib import colormaps


def draw_vector(axes, x, y, values, size=0.2):
    """Numbers as coloured squares in a row, centred at (x, y): blue for positive, red for negative."""
    for place, value in enumerate(values):
        corner = (x + (place - len(values) / 2) * size, y - size / 2)
        axes.add_patch(plt.Rectangle(corner, size, size, facecolor=colormaps["RdBu"](0.5 + value / 4), edgecolor="0.3"))


def draw_arrow(axes, start, end, label="", colour="0.35", bend=0.0, style="-"):
    """An arrow with a label next to its middle."""
    shape = {"arrowstyle": "-|>", "color": colour, "linestyle": style, "connectionstyle": f"arc3,rad={bend}"}
    axes.annotate("", end, start, arrowprops=shape | {"shrinkA": 0, "shrinkB": 0})
    across, up = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
    level = start[1] == end[1]
    place = (across, up + 0.06) if level else (across + 0.05, up)
    axes.text(
        *place, label, fontsize=9, color=colour, ha="center" if level else "left", va="bottom" if level else "center"
    )


def draw_letter(axes, x, y, letter, colour):
    """A character in a circle."""
    circle = {"boxstyle": "circle,pad=0.25", "facecolor": "white", "edgecolor": colour, "linewidth": 1.5}
    axes.text(x, y, letter, ha="center", va="center", fontsize=13, family="DejaVu Sans Mono", bbox=circle)


def blank_axes(width, height, across, up, title):
    """Axes for a diagram: `across` and `up` are the limits of its coordinates."""
    axes = plt.figure(figsize=(width, height), dpi=144).add_subplot()
    axes.set(xlim=across, ylim=up)
    axes.axis("off")
    axes.set_title(headline(title, 80))
    return axes


# %% jupyter={"source_hidden": true}
axes = blank_axes(7.6, 5.0, (-1.3, 7.2), (-0.4, 5.2), "Unrolled over “hello”: each column uses the same weights")
for name, y in (
    ("symbol $s$", 0),
    ("input $x$", 1),
    ("state $h$", 2.2),
    ("prediction $p$", 3.6),
    ("target", 4.9),
):
    axes.text(-1.3, y, name, va="center", fontsize=10)
draw_vector(axes, 0, 2.2, torch.zeros(H))
axes.text(0, 1.95, "all zero", ha="center", va="top", fontsize=9)
for column, (character, x, h, p, target) in enumerate(steps):
    across = 1.6 + 1.6 * column
    draw_letter(axes, across, 0, character, COLOURS[0])
    draw_vector(axes, across, 1, x)
    draw_vector(axes, across, 2.2, h)
    draw_arrow(axes, (across, 0.26), (across, 0.88))
    draw_arrow(axes, (across, 1.12), (across, 2.08), "$W_{xh}$")
    draw_arrow(axes, (across - 1.18, 2.2), (across - 0.42, 2.2), "$W_{hh}$", COLOURS[1])
    draw_arrow(axes, (across, 2.32), (across, 3.0), "$W_{hy}$")
    for place, (letter, probability) in enumerate(zip(letters, p.tolist())):
        left, colour = across + 0.25 * (place - 2), COLOURS[2] if letter == target else "0.7"
        axes.add_patch(plt.Rectangle((left, 3.3), 0.21, 1.2 * probability, color=colour))
        axes.text(left + 0.1, 3.27, letter, ha="center", va="top", fontsize=9, family="DejaVu Sans Mono")
    axes.text(across, 4.42, f"−log {p[letters.index(target)]:.2f}", ha="center", fontsize=9, color=COLOURS[2])
    draw_letter(axes, across, 4.9, target, COLOURS[2])
show(
    "The network unrolled over the letters h, e, l, l: arrows lead from each letter up to its embedding, to the state, to four probabilities, and from each state to the next one."
)

# %% [markdown]
# ### Prediction, and training
#
# **Prediction** is what the picture shows: after each character, a distribution over all characters that may come next. The weights above
# are random, so the guesses are worthless.
#
# **Training** changes the weights until the targets get high probabilities. How wrong a guess was is measured by its *surprise*, −log *p*
# of the target: 0 if the network was certain and right, large if it was certain of something else. With the natural logarithm it is measured in *nats*,
# with the logarithm to base 2 in *bits*; a nat is 1.44 bits. The mean surprise over many characters
# is the **loss**. Its gradient says for each weight in which direction the loss falls; the optimizer takes a small step in that
# direction, and this is repeated thousands of times. No one has to label anything, since **the text itself is the answer**: the targets
# are the inputs, shifted by one. Chapters 4 to 6 build this.
#
# ### Generation, and how it ends
#
# **Generation** is prediction in a loop: read a beginning, draw a character from the distribution, read it as if it had been there, and
# so on. It can end in two ways:
#
# 1. **By length**: stop after *n* characters.
# 2. **By an end-of-text symbol**: one more symbol, which stands after each text in training. A network that was trained on many short
#    texts predicts it like any other, and so decides itself when a text is finished.
#
# The next picture shows a network that is given an "h", writes "ello" and then draws the end symbol. The dashed arrows are the loop: each
# character that is drawn becomes the next input. Chapter 7 builds it.

# %% jupyter={"source_hidden": true}
axes = blank_axes(
    8.6,
    3.4,
    (-1.3, 8.0),
    (-0.6, 3.3),
    "Writing: what is drawn is read next, until the length or the end symbol stops it",
)
for name, y in (("read", 0), ("state", 1.3), ("drawn", 2.7)):
    axes.text(-1.3, y, name, va="center", fontsize=10)
axes.text(0.4, -0.55, "given", ha="center", fontsize=9)
for column, (character, drawn) in enumerate(zip("hello", ["e", "l", "l", "o", "end"])):
    x = 0.4 + 1.7 * column
    draw_letter(axes, x, 0, character, COLOURS[0])
    axes.add_patch(plt.Rectangle((x - 0.35, 1.05), 0.7, 0.5, facecolor=COLOURS[5], alpha=0.4, edgecolor="0.3"))
    axes.text(x, 1.3, f"$h_{column + 1}$", ha="center", va="center", fontsize=11)
    draw_arrow(axes, (x, 0.3), (x, 1.05))
    draw_arrow(axes, (x, 1.55), (x, 2.35))
    if drawn == "end":
        axes.text(x, 2.7, "end", ha="center", va="center", color="white", bbox={"facecolor": COLOURS[1], "pad": 4})
    else:
        draw_letter(axes, x, 2.7, drawn, COLOURS[2])
        draw_arrow(axes, (x + 0.35, 1.3), (x + 1.35, 1.3), colour=COLOURS[1])
        draw_arrow(axes, (x + 0.27, 2.6), (x + 1.5, 0.27), bend=-0.08, colour=COLOURS[2], style="--")
show(
    "The network writes hello: each letter that is drawn becomes the next input, as dashed arrows show, until the end symbol is drawn."
)

# %% [markdown]
# ### The state, and what it costs
#
# The state has a fixed size, whatever was read: H numbers, a few hundred in this notebook. That is the strength of recurrent networks and
# their weakness. **A step costs the same after ten characters and after ten million**; but everything that the network knows about the
# past has to fit into those numbers, so it must learn what to keep and what to forget. A *transformer* does the opposite: it keeps all
# earlier characters and looks at each of them at every step, which costs more the longer the text is. Chapter 8 times both, and looks
# inside the state for units that follow something that we have a word for, such as quotation marks.
#
# When does the state go back to zero? Where a text (in training, a stream of it) begins. From there on it is *carried* from one piece
# to the next, in training (Q11, Q18) and in evaluation (Q25).
#
# ### Long-range dependencies, and gradients that vanish
#
# To learn that a bracket opened 50 characters ago has to be closed, the error at the closing bracket must reach back through 50 steps. At
# each of them the gradient is multiplied by the matrix $W_{hh}$ and by the slope of tanh, which is at most 1. If that makes it a little
# smaller each time, say by a tenth, then after 50 steps $0.9^{50}$, about a two-hundredth, is left: **the gradient vanishes**, and the
# network does not learn what happened that long ago. If it grows a little each time, it *explodes*, and one step can ruin the weights.
# Bengio, Simard and Frasconi described this in 1994 ("Learning long-term dependencies with gradient descent is difficult").
#
# Exploding has a simple remedy, *clipping* the gradient (Q19). Against vanishing, the **LSTM** (Hochreiter and Schmidhuber, 1997; its
# forget gate: Gers, Schmidhuber and Cummins, 2000) and the **GRU** (Cho et al., 2014) add a path on which the state is multiplied by
# *gates* that can stay near 1, instead of by a matrix and a slope. Gates are numbers between 0 and 1 that decide what is kept, written
# and shown. Chapter 5 builds both cells from their equations; chapter 6 measures how much of the gradient is
# left over distance for each.
#
# ### Advantages and limitations, in a sentence each
#
# **For:** any word, with about a hundred symbols for English, in a small network whose steps cost the same however long the
# text is. **Against:** many steps to a sentence, one after the other; a memory of fixed size; and texts that look right long before they
# make sense. Chapter 10 ties nearly all of these to a figure that this notebook measured.
#
# **Exercise. Predict first:** in the first picture, cut the arrows $W_{hh}$, so that every state sees only its own character. You may
# train as long as you like. Which of the four targets can the network no longer learn to predict with certainty, and what is the best
# probability it can give them?
#
# <details><summary>Solution</summary>
#
# The third and the fourth. Both states see an "l" and nothing else, so they are equal, and so are their outputs; but the targets are "l"
# and "o". The best is 1/2 for each, a surprise of log 2 = 0.69 nats. (The first and the second can be learned: after "h" there is always
# "e", after "e" always "l".) A network without memory is a *bigram* model: it knows only which character follows which. Chapter 4 counts
# one.
#
# </details>

# %% tags=["solution"] jupyter={"source_hidden": true}
alone = [torch.softmax(W_hy @ torch.tanh(W_xh @ x + b_h) + b_y, dim=0) for _, x, *_ in steps]  # without W_hh
assert torch.equal(alone[2], alone[3])
print("after the first and the second l:", [[round(share, 2) for share in p.tolist()] for p in alone[2:]])
print(f"a half for each of two targets costs log 2 = {math.log(2):.2f} nats")
