"""Networks, and models on disk."""

from charloom import _public

TYPE_CHECKING = False
if TYPE_CHECKING:
    from charloom.models.language_model import LanguageModel
    from charloom.models.model_folder import ModelConfig
    from charloom.models.network import CharRNN, State

__all__ = ["CharRNN", "LanguageModel", "ModelConfig", "State"]

__getattr__, __dir__ = _public(
    __name__,
    {
        "language_model": ("LanguageModel",),
        "model_folder": ("ModelConfig",),
        "network": ("CharRNN", "State"),
    },
)
