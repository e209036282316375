"""The study's document, made from its results alone."""

import functools
import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from pairjax.reporting.format import interval, points, points_span
from pairjax.reporting.markdown import render
from pairjax.reporting.plots.curves import save_figure
from pairjax.studies.factorial import tables
from pairjax.studies.factorial.analysis import Effect, Findings, analyse
from pairjax.studies.factorial.design import Design, base_config
from pairjax.studies.factorial.parts import part_names
from pairjax.studies.factorial.plots import (
    BRANCHES,
    draw_accuracies,
    draw_effects,
    draw_train_pairs,
)
from pairjax.studies.factorial.results import StudyResults, read_study
from pairjax.system import replace_text


def write_study(design: Design, workdirs: Mapping[str, Path], out: Path, quick: bool) -> Path:
    """Writes out/study.md and its plots in out/figures.

    Args:
      design: what was varied.
      workdirs: of the finished parts by name, as `running.run_study` returns them.
      out: the directory; made where it is missing.
      quick: whether the document must say that its runs only show that everything works.

    Returns: the path of study.md.
    Raises: UserError where nothing is finished or a file cannot be written.
    """
    results = read_study(design, workdirs)
    findings = analyse(design, results)
    plots = {'accuracy': draw_accuracies(design, results)}
    plots['effects'] = draw_effects(design, findings.sharing)
    if findings.same_size:
        plots['train_pairs'] = draw_train_pairs(design, results)
    for name, plot in plots.items():
        save_figure(plot, out / 'figures' / f'study_{name}.png')
    missing = [name for name in part_names(design) if name not in workdirs]
    path = out / 'study.md'
    replace_text(path, study_document(design, results, findings, missing, quick))
    return path


def study_document(
    design: Design, results: StudyResults, findings: Findings, missing: Sequence[str], quick: bool
) -> str:
    """The document in Markdown; its words are in templates/study.md.

    Args:
      design: what was varied.
      results: what the runs reached.
      findings: `analyse` of the two.
      missing: names of the parts that are not finished.
      quick: see `write_study`.
    """
    first = design.networks[0]
    config = base_config(design, first)
    return render(
        'pairjax.studies.factorial',
        'study.md',
        design=design,
        results=results,
        findings=findings,
        quoted=Findings(*(_quoted(design, rows) for rows in findings)),
        missing=missing,
        quick=quick,
        first=first,
        data=results.data,
        num_runs=sum(len(trial.seeds) for trial in results.trials.values()),
        num_train_pairs=config.data.num_train_pairs,
        num_test_pairs=config.data.num_test_pairs,
        branches=BRANCHES,
        network_rows=tables.network_rows(design, results),
        spread_rows=tables.spread_rows(results, findings.spread),
        best_weight_rows=tables.best_weight_rows(design, results, findings.aux),
        arm_rows=tables.arm_rows(design, results),
        effect_table=functools.partial(tables.effect_table, results),
        by_direction=_by_direction,
        points=points,
        points_span=points_span,
        interval=interval,
        p_value=tables.p_value,
        short='{:g}'.format,
        shorts=lambda values: ', '.join(f'{value:g}' for value in values),
        thousands='{:,}'.format,
    )


def _quoted(design: Design, rows: Iterable[Effect]) -> list[Effect]:
    """The first network's effects without the auxiliary loss and with it at the named weight."""
    network, weights = design.networks[0].name, (0.0, design.named_weight)
    return [row for row in rows if row.a.network == network and row.a.aux_weight in weights]


def _by_direction(rows: Iterable[Effect]) -> list[tuple[str, list[Effect]]]:
    """Neighbours with one direction, so that it is said once."""
    groups = itertools.groupby(rows, key=lambda row: row.direction)
    return [(direction, list(group)) for direction, group in groups]
