"""Texts side by side: one model, one thread, one step for all of them."""
