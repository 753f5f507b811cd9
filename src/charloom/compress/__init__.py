"""Lossless compression: the model predicts, an entropy coder writes. Needs the extra `compress`."""

from charloom import _public

TYPE_CHECKING = False
if TYPE_CHECKING:
    from charloom.compress.codec import Codec, Compressed

__all__ = ["Codec", "Compressed"]

__getattr__, __dir__ = _public(
    __name__,
    {
        "codec": ("Codec", "Compressed"),
    },
)
