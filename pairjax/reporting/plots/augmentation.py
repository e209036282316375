"""A plot of what the random distortions do to images."""

from collections.abc import Mapping

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from pairjax.reporting.plots.curves import STYLE, new_figure

# The width of an image, its margin included.
INCHES = 0.9


@matplotlib.rc_context(STYLE)
def draw_augmentations(originals: np.ndarray, columns: Mapping[str, np.ndarray]) -> Figure:
    """Digits row by row: the original, then what became of it in each column.

    Args:
      originals: (n, 14, 14), black at 0; their brightest pixel is drawn white in all columns.
      columns: by the title above it, the distorted digits of each column, each (n, 14, 14).
    """
    columns = {'original': originals, **columns}
    rows = len(originals)
    figure = new_figure(INCHES * len(columns), INCHES * rows + 0.3)
    grid = figure.subplots(rows, len(columns), squeeze=False)
    for places, (title, images) in zip(grid.T, columns.items(), strict=True):
        places[0].set_title(title, fontsize=8)
        for axes, image in zip(places, images, strict=True):
            axes.imshow(image, cmap='gray', vmin=0, vmax=np.max(originals))
            axes.set_axis_off()
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02)
    return figure
