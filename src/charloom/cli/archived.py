"""What `charloom compress` says about a compressed file."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from charloom.compress.codec import Compressed

ENDING = ".cl"


def figures(name: str, compressed: "Compressed", adaptive: bool) -> dict[str, Any]:
    """The figures of a compressed file, as a JSON value."""
    return {
        "output": name,
        "original_bytes": compressed.original_bytes,
        "compressed_bytes": len(compressed.data),
        "coded_bytes": compressed.coded_bytes,
        "symbols": compressed.symbols,
        "escapes": compressed.escapes,
        "nats": compressed.nats,
        "adaptive": adaptive,
    }


def sentence(name: str, compressed: "Compressed") -> str:
    """The figures of a compressed file in words."""
    size, original = len(compressed.data), compressed.original_bytes
    share = f", {8 * size / original:.3f} bits a byte" if original else ""
    return f"{name}: {original:,} bytes became {size:,}{share}"
