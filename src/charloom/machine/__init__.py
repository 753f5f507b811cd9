"""The computer: device, precision, and how threads share it."""

from charloom import _public

TYPE_CHECKING = False
if TYPE_CHECKING:
    from charloom.machine.hardware import choose_device, choose_precision
    from charloom.machine.threads import watch_threads

__all__ = ["choose_device", "choose_precision", "watch_threads"]

__getattr__, __dir__ = _public(
    __name__,
    {
        "hardware": ("choose_device", "choose_precision"),
        "threads": ("watch_threads",),
    },
)
