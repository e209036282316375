"""The study's document, made from its results alone."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pairjax.analysis.statistics import seeds_to_resolve
from pairjax.reporting import format as formats
from pairjax.reporting.markdown import render
from pairjax.reporting.plots.curves import save_figure
from pairjax.studies.factorial.analysis import (
    Effect,
    StudyResults,
    analyse,
    best_weights,
    main_cells,
    read_study,
    skewed,
    spreads,
)
from pairjax.studies.factorial.design import Design, base_config
from pairjax.studies.factorial.parts import part_names
from pairjax.studies.factorial.picks import gains_of_changed_picks
from pairjax.studies.factorial.plots import (
    BRANCHES,
    draw_accuracies,
    draw_effects,
    draw_train_pairs,
)
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
    plots['effects'] = draw_effects(design, findings['sharing'])
    if findings['same_size']:
        plots['train_pairs'] = draw_train_pairs(design, results)
    for name, plot in plots.items():
        save_figure(plot, out / 'figures' / f'study_{name}.png')
    missing = [name for name in part_names(design) if name not in workdirs]
    path = out / 'study.md'
    replace_text(path, study_document(design, results, findings, missing, quick))
    return path


def study_document(
    design: Design,
    results: StudyResults,
    findings: Mapping[str, Sequence[Effect]],
    missing: Sequence[str],
    quick: bool,
) -> str:
    """The document in Markdown; its words are in templates/study.md.

    Args:
      design: what was varied.
      results: what the runs reached.
      findings: `analyse` of the two.
      missing: names of the parts that are not finished.
      quick: see `write_study`.
    """
    # The summary is of the first network without the auxiliary loss and at the named weight.
    first, weights = design.networks[0], (0.0, design.named_weight)
    quoted = {
        family: [e for e in rows if e.a.network == first.name and e.a.aux_weight in weights]
        for family, rows in findings.items()
    }
    return render(
        'pairjax.studies.factorial',
        'study.md',
        design=design,
        results=results,
        findings=findings,
        quoted=quoted,
        missing=missing,
        quick=quick,
        first=first,
        data=results.data,
        pairs=base_config(design, first).data,
        branches=BRANCHES,
        main=main_cells(design, results),
        spreads=spreads(results, findings['sharing']),
        skewed=skewed(results, [*findings['sharing'], *findings['aux']]),
        best_weights=best_weights(design, results),
        changed_picks=gains_of_changed_picks(design, results.pilots),
        seeds_to_resolve=seeds_to_resolve,
        formats=formats,
        p_value=p_value,
        short='{:g}'.format,
        shorts=lambda values: ', '.join(f'{value:g}' for value in values),
        thousands='{:,}'.format,
    )


def p_value(p: float, equals: str = '') -> str:
    """A p-value with three decimals, after `equals` unless it is an upper bound."""
    return '< 0.001' if p < 0.001 else f'{equals}{p:.3f}'
