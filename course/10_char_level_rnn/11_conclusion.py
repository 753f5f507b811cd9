# %% [markdown]
# ## 10. Conclusion
#
# ### What was learned

# %%
by_counting, by_xz = floor["the 4 characters before (5-gram)"], floor["xz, primed with the training text"]
best_size = min(mean_of(sizes), key=mean_of(sizes).get)
learned = [
    f"**From {math.log(OUTPUT_SIZE):.2f} to {nats:.2f} nats.** Our own program of less than 200 lines takes the perplexity "
    f"per character from {OUTPUT_SIZE} to {perplexity:.2f} and guesses {accuracy:.0%} of the characters of a text that it "
    f"never saw. On this text, of which {repeated:.0%} repeats what stood before, a 5-gram model needs "
    f"{by_counting:.2f} nats and xz {by_xz:.2f}.",
    f"**By hand and library agree**: the same losses, the same perplexity ({perplexity:.3f} and {score.perplexity:.3f}), "
    "the same text from the same seed.",
    "**The same characters can teach more or less.** With charloom's defaults (Muon, averaged weights, dropout, orthogonal "
    f"first weights) a network of the same size comes to {first_score.nats_per_character:.3f} nats after as many epochs, "
    f"{first_score.nats_per_character - nats:+.3f} from ours.",
    f"**What is left of a gradient {FAR} characters back**, after training: "
    + ", ".join(f"{name} {share:.0e}" for name, share in left_over.items())
    + ".",
    "**How a figure is measured matters as much as the model**: the same network is worth "
    f"{fresh[windows.index(64)]:.2f} nats in windows of 64 characters and {score.nats_per_character:.2f} with the state "
    "carried.",
    f"**Of the settings that we tried**, at our small budget: learning rate {best_rate:g}, {best_size} units, layers: "
    f"{best_depth}, sequence length {best_length}.",
]
say("\n".join(f"* {finding}" for finding in learned))

# %% [markdown]
# ### How good can it get? Tiny Shakespeare
#
# The standard small text of the field is a megabyte of Shakespeare's plays; the first nine tenths are for training, the last tenth
# for validation. It is not part of this notebook, which needs no internet, so this longest run was made beforehand by one
# command, `python benchmarks/course_record.py`, which wrote the record that the next cell reads.

# %%
import json

record_file = Path("record.json")
record = json.loads(record_file.read_text(encoding="utf-8")) if record_file.exists() else None
if record is None:
    say(
        "There is no record here yet: run `python benchmarks/course_record.py` in a clone of charloom, then this "
        "cell again."
    )
else:
    carried, fresh_256 = record["carried"], record["fresh"]
    say(
        f"""
| Model | Trained for | nats per character, validation |
|---|---|---|
| **charloom, {record["network"]}, state carried** | {record["seconds"]:.0f} s on {record["machine"]["threads"]} cores | **{carried["nats_per_character"]:.4f}** |
| the same in fresh windows of {record["context"]} | the same run | {fresh_256["nats_per_character"]:.4f} |
| nanoGPT, 10.65 M parameters ([its README](https://github.com/karpathy/nanoGPT)) | 3 minutes on an A100 GPU | 1.4697 |
| nanoGPT's recipe for a CPU (same README) | 3 minutes on a laptop | 1.88 |
| minLSTM ([arXiv 2410.01201](https://arxiv.org/abs/2410.01201), its own split, test) | | 1.555 |
| minGRU (same paper) | | 1.548 |
| a 5-gram model | the same text | {math.log(2) * record["baselines"]["5-gram"]:.4f} |
| xz, primed with the training text | | {math.log(2) * record["baselines"]["xz"]:.4f} |
"""
    )
    say(
        f"charloom: perplexity {carried['perplexity']:.2f} per character, {carried['accuracy']:.1%} of the characters "
        f"guessed, {record['parameters']:,} parameters, one seed. nanoGPT is judged on random windows of 256 characters, so "
        "the fresh figure is the one to compare with it. We know of no published recurrent network below 1.52 nats on this "
        "split, other than those of this project."
    )
    show_text(record["sample"])

# %% [markdown]
# ### Recurrent character models today
#
# * **State-space models** brought recurrence back: the step is linear in the state, so a whole text can be trained in parallel.
#   S4 ([arXiv 2111.00396](https://arxiv.org/abs/2111.00396)), Mamba ([2312.00752](https://arxiv.org/abs/2312.00752)), and on
#   bytes MambaByte ([2401.13660](https://arxiv.org/abs/2401.13660)).
# * **Minimal RNNs**: *Were RNNs All We Needed?* ([2410.01201](https://arxiv.org/abs/2410.01201)) removes the hidden state from
#   the gates of GRU and LSTM; the rest can be trained in parallel too.
# * **xLSTM** ([2405.04517](https://arxiv.org/abs/2405.04517)) gives the LSTM exponential gates and a matrix memory;
#   **RWKV** ([2305.13048](https://arxiv.org/abs/2305.13048)) is a recurrent network at the size of large language models.
# * **Byte-level transformers** do without a tokenizer: character transformers with 64 layers
#   ([1808.04444](https://arxiv.org/abs/1808.04444)), ByT5 ([2105.13626](https://arxiv.org/abs/2105.13626)), MEGABYTE
#   ([2305.07185](https://arxiv.org/abs/2305.07185)), the Byte Latent Transformer
#   ([2412.09871](https://arxiv.org/abs/2412.09871)).
# * **Among plain recurrent networks** on characters, read about the Mogrifier LSTM ([1909.01792](https://arxiv.org/abs/1909.01792))
#   and the regularised AWD-LSTM ([1803.08240](https://arxiv.org/abs/1803.08240)).
#
# For large models on large texts, transformers and their hybrids are ahead. **For a megabyte of text, a laptop and a few
# minutes, an LSTM is still hard to beat.**
#
# ### Where to go next

# %%
if Path("20_your_own_text.ipynb").exists() or Path("20_your_own_text.py").exists():
    print(
        "The other lessons:",
        ", ".join(sorted({lesson.stem for lesson in Path().glob("[0-9][0-9]_*") if lesson.stem[:2] != "10"})),
    )
say(
    """* A text of your own, in one command: `charloom train my.txt --time-budget 4m`, then `charloom generate runs/my --prompt "Once "`.
* What a model knows: `charloom report runs/my` shows where its loss sits, which units follow what, and whether it copies.
* Change `TEXT` in the second cell and run this notebook on it."""
)
