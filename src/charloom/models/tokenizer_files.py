"""What other libraries read of a language model: its tokenizer and how it is meant to write. charloom never reads them.

`tokenizer.json` is a file of the library `tokenizers`; `tokenizer_config.json` lets transformers' `AutoTokenizer` find
it; `generation_config.json` holds charloom's own defaults under transformers' names. All three follow from the
configuration and the vocabulary alone.
"""

from typing import Any

from charloom.data.text_ids import newline_id
from charloom.data.vocabulary import Vocabulary
from charloom.models.model_folder import ModelConfig
from charloom.settings import SamplingConfig
from charloom.storage import strict_json

BOUNDARY = "<|endoftext|>"
"""How the boundary is written in a tokenizer, unless newlines are boundaries."""

LENGTH = 500
"""New characters that are written by default."""


def tokenizer_files(config: ModelConfig, vocabulary: Vocabulary) -> dict[str, bytes]:
    """The contents of the three files by their names; equal models give equal bytes."""
    boundary = _boundary(config, vocabulary)
    return {
        "tokenizer.json": strict_json.dump(_tokenizer(config, vocabulary)),
        "tokenizer_config.json": strict_json.dump(
            {
                "tokenizer_class": "PreTrainedTokenizerFast",
                "bos_token": boundary,
                "eos_token": boundary,
                "clean_up_tokenization_spaces": False,
            }
        ),
        "generation_config.json": strict_json.dump(_generation(config, vocabulary)),
    }


def _boundary(config: ModelConfig, vocabulary: Vocabulary) -> str:
    """How the boundary is written: as the newline that it represents in a model of lines."""
    return "\n" if config.documents == "lines" and newline_id(vocabulary) is not None else BOUNDARY


def _tokenizer(config: ModelConfig, vocabulary: Vocabulary) -> dict[str, Any]:
    boundary = _boundary(config, vocabulary)
    parts = _bytes() if vocabulary.kind == "bytes" else _characters(vocabulary)
    parts["model"]["vocab"][boundary] = vocabulary.boundary
    added = {
        "id": vocabulary.boundary,
        "content": boundary,
        "single_word": False,
        "lstrip": False,
        "rstrip": False,
        "normalized": False,
        "special": True,
    }
    nothing = dict.fromkeys(("truncation", "padding", "normalizer", "post_processor"))
    return {"version": "1.0", **nothing, "added_tokens": [added], **parts}


def _characters(vocabulary: Vocabulary) -> dict[str, Any]:
    """A word for each character. There is no word for unknown characters, so they are refused, as the model does."""
    return {
        "model": {
            "type": "WordLevel",
            "vocab": {character: symbol for symbol, character in enumerate(vocabulary.characters)},
            "unk_token": "<unk>",
        },
        "pre_tokenizer": {  # unlike [\s\S], a dot would leave out newlines
            "type": "Split",
            "pattern": {"Regex": r"[\s\S]"},
            "behavior": "Isolated",
            "invert": False,
        },
        "decoder": {"type": "Fuse"},
    }


def _bytes() -> dict[str, Any]:
    """A word for each byte, under the printable character that byte-level tokenizers use for it, and no merges."""
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    return {
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {character: byte for byte, character in enumerate(_byte_characters())},
            "merges": [],
        },
        "pre_tokenizer": level,
        "decoder": level,
    }


def _byte_characters() -> list[str]:
    """The printable character for each byte: printable Latin-1 for itself, the others from U+0100 on, in order."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(0x100, 0x200))
    return [chr(byte if byte in printable else next(others)) for byte in range(256)]


def _generation(config: ModelConfig, vocabulary: Vocabulary) -> dict[str, Any]:
    sampling = SamplingConfig()
    end = {"eos_token_id": vocabulary.boundary} if config.predicts_end else {}
    return {
        "bos_token_id": vocabulary.boundary,
        **end,
        "do_sample": not sampling.greedy,
        "temperature": sampling.temperature,
        "top_k": sampling.top_k,
        "top_p": sampling.top_p,
        "max_new_tokens": LENGTH,
    }
