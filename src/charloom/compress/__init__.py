"""Lossless compression: the model predicts, an entropy coder writes. Needs the extra `compress`."""

from charloom import _public

TYPE_CHECKING = False
if TYPE_CHECKING:
    from charloom.compress.codec import ESCAPE, Codec, Compressed
    from charloom.compress.coded_files import OVERHEAD

__all__ = ["ESCAPE", "OVERHEAD", "Codec", "Compressed"]

__getattr__, __dir__ = _public(
    __name__,
    {
        "codec": ("ESCAPE", "Codec", "Compressed"),
        "coded_files": ("OVERHEAD",),
    },
)
