"""The plots of a reproduction."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pairjax.reporting.plots.curves import save_figure
from pairjax.reporting.plots.sweeps import draw_against, draw_models, draw_sweep, draw_trials
from pairjax.studies.reproduction.results import NETWORKS, Reproduction
from pairjax.studies.reproduction.rows import PaperRow
from pairjax.studies.reproduction.searches import Search

ORDINALS = {1: 'first', 2: 'second'}


def draw_plots(
    papers: Sequence[int],
    results: Reproduction,
    sweeps: Mapping[str, Sequence[PaperRow]],
    searches: Mapping[str, Search],
    directory: Path,
) -> None:
    """Draws the networks' learning curves and each search that ran.

    Args:
      papers: whose networks are drawn, 1 and 2.
      results: that hold their curves.
      sweeps: of the first paper, as `rows.search_rows` returns them.
      searches: of the second paper, by network.
      directory: of the plots, reproduction_NAME.png; made where it is missing.
    """

    def path(name: str) -> Path:
        return directory / f'reproduction_{name}.png'

    for paper in papers:
        finished = {model: name for model, name in NETWORKS[paper].items() if name in results}
        if finished:
            title = f'Networks of the {ORDINALS[paper]} report'
            curves = {model: results[name].trials[0].metrics for model, name in finished.items()}
            save_figure(draw_models(curves, title), path(title.lower().replace(' ', '_')))
    for model, network in NETWORKS[1].items():
        if rows := sweeps.get(name := f'{network}_widths'):
            save_figure(draw_trials(_points(rows), f'{model}, {rows[0].epoch}'), path(name))
    for what in ('learning rate', 'batch size'):
        if rows := sweeps.get(name := f'auxnet2_{what.replace(" ", "_")}s'):
            points = [{**point, 'x': float(point['label'])} for point in _points(rows)]
            figure = draw_sweep(points, what, f'AuxNet2 (32, 32, 64, 256), {rows[0].epoch}')
            save_figure(figure, path(name))
    for model, network in NETWORKS[2].items():
        if network in searches and (rows := searches[network].plot_rows()):
            figure = draw_against(rows, f'{model}, best epoch on test')
            save_figure(figure, path(f'{network}_search'))


def _points(rows: Sequence[PaperRow]) -> list[dict[str, Any]]:
    return [
        {
            'label': row.label,
            'values': row.values.tolist(),
            'recorded_mean': row.recorded and row.recorded['mean'],
            'recorded_std': row.recorded and row.recorded['std'],
        }
        for row in rows
    ]
