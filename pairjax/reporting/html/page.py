"""HTML from the templates of the report; the page needs no other file and no network."""

import base64
import hashlib
import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from pairjax import __version__
from pairjax.analysis import error_analysis
from pairjax.analysis.paired import seed_list
from pairjax.analysis.statistics import describe
from pairjax.config import flatten
from pairjax.reporting.comparison import comparison_notes, difference_columns
from pairjax.reporting.console import selection_notes
from pairjax.reporting.format import format_statistic
from pairjax.reporting.html import mistakes, sweep, tables
from pairjax.reporting.markdown import make_environment
from pairjax.reporting.plots.calibration import draw_distances, draw_reliability
from pairjax.reporting.plots.comparison import draw_comparison
from pairjax.reporting.plots.curves import draw_training_curves, figure_bytes
from pairjax.reporting.plots.sweeps import draw_models
from pairjax.reporting.tables import percent, tabulate
from pairjax.reporting.text import as_latex, comparison_paragraphs

# What templates may call: modules by their names, and functions.
MODULES = {'error_analysis': error_analysis, 'mistakes': mistakes, 'sweep': sweep, 'tables': tables}
FUNCTIONS = (
    *(
        comparison_notes,
        comparison_paragraphs,
        as_latex,
        describe,
        difference_columns,
        selection_notes,
        flatten,
        seed_list,
        draw_comparison,
    ),
    *(draw_distances, draw_models, draw_reliability, draw_training_curves),
)


def render_html(template: str, **context: Any) -> str:
    """HTML from a template, in which whatever the texts of the context hold is shown as text."""
    environment = make_environment('pairjax.reporting.html', autoescape=True)
    environment.globals |= MODULES | {function.__name__: function for function in FUNCTIONS}
    environment.globals['version'] = __version__
    environment.filters |= {
        'tabulate': tabulate,
        'statistic': statistic_text,
        'percent': percent,
        'count_values': tables.count_values,
        'thousands': '{:,}'.format,
        'probability': mistakes.probability_text,
        'png': png,
        'digest': lambda text: in_base64(hashlib.sha256(text.encode()).digest()),
    }
    return environment.get_template(template).render(context)


def statistic_text(statistic: Mapping[str, Any]) -> str:
    """A statistic in one line: '93.46 ± 0.78 % [92.00, 94.90], n = 10'."""
    mean, bracket, interval = format_statistic(statistic, plus_minus='±').partition(' [')
    return f'{mean} %{bracket}{interval}, n = {tables.count_values(statistic)}'


def png(image: Figure | np.ndarray) -> str:
    """A plot or a uint8 image as the address of a PNG file in the page itself."""
    if isinstance(image, Figure):
        data = figure_bytes(image, 'png')
    else:
        file = io.BytesIO()
        Image.fromarray(image).save(file, 'png')
        data = file.getvalue()
    return f'data:image/png;base64,{in_base64(data)}'


def in_base64(data: bytes) -> str:
    """Bytes in base64, as text."""
    return base64.b64encode(data).decode('ascii')
