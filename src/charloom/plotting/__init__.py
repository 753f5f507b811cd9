"""Pictures of runs and texts. A notebook shows each as a picture; `.save(path)` writes it."""

from charloom import _public

TYPE_CHECKING = False
if TYPE_CHECKING:
    from charloom.plotting.described import show
    from charloom.plotting.heat_map import draw_heat_map
    from charloom.plotting.loss_curves import draw_loss, plot_loss
    from charloom.plotting.style import COLOURS, MARKERS, Picture

__all__ = ["COLOURS", "MARKERS", "Picture", "draw_heat_map", "draw_loss", "plot_loss", "show"]

__getattr__, __dir__ = _public(
    __name__,
    {
        "described": ("show",),
        "heat_map": ("draw_heat_map",),
        "loss_curves": ("draw_loss", "plot_loss"),
        "style": ("COLOURS", "MARKERS", "Picture"),
    },
)
