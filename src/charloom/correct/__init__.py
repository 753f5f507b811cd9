"""Spelling correction as a noisy channel: what was probably meant, by a character model in its context and a model of
errors.

    P(meant | typed, context)  ~  P(meant and what follows | what stands before) P(typed | meant)

spans.py finds the words that can be judged, lexicon.py what else could be meant, edits.py says how probable a slip is,
context.py asks the character model, and corrector.py decides.
Kernighan, Church and Gale 1990, "A spelling correction program based on a noisy channel model".
"""
