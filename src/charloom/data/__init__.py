"""Texts and the batches made of them."""

from charloom import _public

TYPE_CHECKING = False
if TYPE_CHECKING:
    from charloom.data.batches import Batch, Streams
    from charloom.data.corpus import Corpus, make_corpus
    from charloom.data.datasets import DATASETS, Dataset, dataset
    from charloom.data.documents import Documents
    from charloom.data.text import Text
    from charloom.data.text_sources import open_text, string_corpus
    from charloom.data.vocabulary import Vocabulary

__all__ = [
    "DATASETS",
    "Batch",
    "Corpus",
    "Dataset",
    "Documents",
    "Streams",
    "Text",
    "Vocabulary",
    "dataset",
    "make_corpus",
    "open_text",
    "string_corpus",
]

__getattr__, __dir__ = _public(
    __name__,
    {
        "batches": ("Batch", "Streams"),
        "corpus": ("Corpus", "Text", "make_corpus"),
        "datasets": ("DATASETS", "Dataset", "dataset"),
        "documents": ("Documents",),
        "text_sources": ("open_text", "string_corpus"),
        "vocabulary": ("Vocabulary",),
    },
)
