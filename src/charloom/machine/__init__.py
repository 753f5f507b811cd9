"""The computer: device, precision, and how threads share it."""

from charloom import _public

TYPE_CHECKING = False
if TYPE_CHECKING:
    from charloom.machine.hardware import choose_device, choose_precision

__all__ = ["choose_device", "choose_precision"]

__getattr__, __dir__ = _public(
    __name__,
    {
        "hardware": ("choose_device", "choose_precision"),
    },
)
