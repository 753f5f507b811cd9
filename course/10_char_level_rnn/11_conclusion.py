# %% [markdown]
# ## 11. Conclusion
#
# *About 10 minutes. You need the chapters before; nothing is trained.*
#
# ### What was learned
#
# These sentences were written by the run above: their figures, and which of two things is better.

# %%
ranked = sorted(floor, key=floor.get)
short_window = max(window for window in windows if window <= 64)
steady = fresh[windows.index(short_window)] - score.nats_per_character
learned = [
    f"**From {math.log(OUTPUT_SIZE):.2f} to {nats:.2f} nats per character.** Our own program takes the perplexity from {OUTPUT_SIZE} to "
    f"{perplexity:.2f}, and its first guess is right for {accuracy:.0%} of the characters of a text that it never saw.",
    "**A figure needs others next to it.** Of all methods that predict text, in chapter 8, the best on this text are "
    + ", ".join(f"*{name}* ({floor[name]:.2f})" for name in ranked[:4])
    + f"; ours is number {1 + ranked.index(FROZEN)} of {len(ranked)}, and number {1 + ranked.index(LEARNING)} if it "
    "keeps learning from what it reads, as compressors do."
    + (
        f" By its rough guide, {len(alike[FROZEN])} of those that are fixed cannot be told apart from ours."
        if alike[FROZEN]
        else ""
    ),
    f"**By hand and with the library, the results are the same**: perplexity {perplexity:.3f} and {score.perplexity:.3f}, and the same text from the "
    "same seed.",
    f"**Gradients fade with distance.** Of the gradient {FAR} characters back, after training, this is left: "
    + ", ".join(f"{name} {share:.0e}" for name, share in left_over.items())
    + ". Chapter 6 says which of these differences are larger than those between seeds.",
    "**A figure needs the way in which it was measured.** The same network has "
    f"{fresh[windows.index(short_window)]:.2f} nats if the text is cut into windows of {short_window} characters, and {score.nats_per_character:.2f} "
    f"with the state carried: a difference of {steady:.2f}, with not one weight changed.",
    "**A difference counts if it is larger than its margin.** Apart from the search of question 30, chapter 9 trains every "
    "setting several times, and says which of its differences are no larger than chance.",
]
say("\n".join(f"* {finding}" for finding in learned))

# %% [markdown]
# ### How good can it get? Tiny Shakespeare
#
# The standard small text of the field is a megabyte of Shakespeare's plays; the first nine tenths are for training, the last tenth for
# validation. A good model of it takes longer than this notebook should, so it was trained beforehand: the command
# `python benchmarks/course_record.py --time-budget 462s` wrote the record that the next cell reads. It is one run with one
# seed; its time counts the whole command, with start and measuring.

# %%
import json

record_file = Path("record.json")
record = json.loads(record_file.read_text(encoding="utf-8")) if record_file.exists() else None
if record is None:
    say("`record.json` is not next to this notebook; it is in the repository's folder `course`.")
else:
    carried, fresh_256 = record["carried"], record["fresh"]
    by_others = "\n".join(
        f"| {name} | the same training text | {math.log(2) * bits:.4f} |"
        for name, bits in sorted(record["baselines"].items(), key=lambda each: each[1])
    )
    say(
        f"""
| Model | Trained for | nats per character, validation |
|---|---|---|
| **charloom, {record["network"]}, state carried** | {record["seconds"]:.0f} s on {record["machine"]["threads"]} cores | **{carried["nats_per_character"]:.4f}** |
| the same in fresh windows of {record["context"]} | the same run | {fresh_256["nats_per_character"]:.4f} |
| nanoGPT, 6 layers of 384 channels ([its README](https://github.com/karpathy/nanoGPT)) | 3 minutes on an A100 GPU | 1.4697 |
| nanoGPT's recipe for a CPU (same README) | 3 minutes on a laptop | 1.88 |
| minLSTM ([arXiv 2410.01201](https://arxiv.org/abs/2410.01201), its own split, test) | | 1.555 |
| minGRU (same paper) | | 1.548 |
{by_others}
"""
    )
    say(
        f"charloom: perplexity {carried['perplexity']:.2f} per character, {carried['accuracy']:.1%} of the characters "
        f"guessed, {record['parameters']:,} parameters, one seed. nanoGPT is judged on random windows, of 256 characters in "
        "its first row, so the fresh figure is the one to compare with that; its recipe for a CPU has windows of 64. Compressors and n-grams were given the training text first (zlib its last 32 KiB), and compressors also use what they have already read of the "
        "validation text. "
        "charloom's default settings, and in this run the step that was kept, were chosen on this validation text, which "
        "flatters its figures slightly."
    )
    show_text(record["sample"])

# %% [markdown]
# ### Recurrent character models today
#
# * **State-space models** brought recurrence back: the step is linear in the state, so a whole text can be trained in parallel. S4
#   ([arXiv 2111.00396](https://arxiv.org/abs/2111.00396)), Mamba ([2312.00752](https://arxiv.org/abs/2312.00752)), and on bytes MambaByte
#   ([2401.13660](https://arxiv.org/abs/2401.13660)).
# * **Minimal RNNs**: *Were RNNs All We Needed?* ([2410.01201](https://arxiv.org/abs/2410.01201)) removes the hidden state from the gates
#   of GRU and LSTM; the rest can be trained in parallel too.
# * **xLSTM** ([2405.04517](https://arxiv.org/abs/2405.04517)) gives the LSTM exponential gates and a matrix memory; **RWKV**
#   ([2305.13048](https://arxiv.org/abs/2305.13048)) is a recurrent network at the size of large language models.
# * **Byte-level transformers** do without a tokenizer: character transformers with 64 layers
#   ([1808.04444](https://arxiv.org/abs/1808.04444)), ByT5 ([2105.13626](https://arxiv.org/abs/2105.13626)), MEGABYTE
#   ([2305.07185](https://arxiv.org/abs/2305.07185)), the Byte Latent Transformer ([2412.09871](https://arxiv.org/abs/2412.09871)).
# * **Among plain recurrent networks** on characters, read about the Mogrifier LSTM ([1909.01792](https://arxiv.org/abs/1909.01792)) and
#   the regularised AWD-LSTM ([1803.08240](https://arxiv.org/abs/1803.08240)).
#
# For large models on large texts, transformers and their hybrids are ahead. For a megabyte of text, a laptop and a few minutes, an LSTM
# is a good choice: the table above has its figures next to those of others.
#
# ### Where to go next
#
# | Lesson | What it shows |
# |---|---|
# | `20_your_own_text` | a text, a time budget, a model that writes like it: the shortest lesson |
# | `30_classification` | a classifier: where it errs, why, and how sure it is |
# | `40_correction_and_completion` | completion at each key; spelling correction, and its false alarms |
# | `50_code` | a model that writes Python while a parser looks on |
# | `55_names` | writing lines of a kind, and knowing whether they are new |
# | `60_seeing_what_it_knows` | the surprise of each character, a report, and a proof by compression |
#
# Or change `TEXT` at the top and run this notebook on a text of yours. In a terminal, `charloom train my.txt --time-budget 4m` trains on
# it, and `charloom generate runs/my --prompt "Once "` lets the model write.
