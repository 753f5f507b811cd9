"""What settings do: sweeps and searches, with a report."""

from charloom import _public

TYPE_CHECKING = False
if TYPE_CHECKING:
    from charloom.study.trials import Request

__all__ = ["Request"]

__getattr__, __dir__ = _public(
    __name__,
    {
        "trials": ("Request",),
    },
)
