"""The document of a reproduction: its template, filled with results and recorded statistics."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pairjax.analysis.selection import gain_of_choosing
from pairjax.analysis.statistics import describe
from pairjax.reporting import format
from pairjax.reporting.markdown import render
from pairjax.studies.reproduction import paper1_claims, paper2_claims
from pairjax.studies.reproduction.claims import RESOLUTION, judge_claims
from pairjax.studies.reproduction.plots import draw_plots
from pairjax.studies.reproduction.recorded import read_paper
from pairjax.studies.reproduction.results import (
    FINAL,
    NETWORKS,
    Reproduction,
    epoch_seconds,
    experiment_names,
    read_reproduction,
)
from pairjax.studies.reproduction.rows import (
    agreement,
    by_mean,
    main_rows,
    search_rows,
)
from pairjax.studies.reproduction.searches import epochs_table, read_search, search_table
from pairjax.system import writing

CLAIMS = {1: paper1_claims.CLAIMS, 2: paper2_claims.CLAIMS}


def write_reproduction(
    papers: Sequence[int], workdirs: Mapping[str, Path], root: Path, out: Path, quick: bool
) -> Path:
    """Writes out/reproduction.md and its plots in out/figures.

    Args:
      papers: which papers, 1 and 2.
      workdirs: of the finished experiments by name, as `running.reproduce` returns them.
      root: the directory that holds them and the majority-class baseline's accuracy.
      out: the directory of the document; made where it is missing.
      quick: whether the document must say that its runs only show that everything works.

    Returns: the path of reproduction.md.
    Raises: UserError where nothing is finished or a file cannot be written.
    """
    text = reproduction_document(papers, read_reproduction(workdirs, root), out / 'figures', quick)
    path = out / 'reproduction.md'
    with writing(path):
        out.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return path


def reproduction_document(
    papers: Sequence[int], results: Reproduction, figures: Path, quick: bool
) -> str:
    """The document in Markdown; draws its plots into `figures`, which is beside it."""
    sweeps = search_rows(results)
    searches = {
        n: read_search(results, n) for n in NETWORKS[2].values() if f'{n}_search' in results
    }
    draw_plots(papers, results, sweeps, searches, figures)
    first, *_ = results.experiments.values()
    trials = [trial for e in results.experiments.values() for trial in e.trials]
    names = [name for paper in papers for name in experiment_names(paper)]
    return render(
        __package__,
        'reproduction.md',
        quick=quick,
        papers=papers,
        sources=[read_paper(paper)['source'] for paper in papers],
        networks=NETWORKS,
        results=results,
        data=first.data,
        versions=first.versions,
        seeds=sorted({len(trial.seeds) for trial in trials}),
        missing=[name for name in names if name not in results],
        resolution=RESOLUTION,
        main_rows=main_rows(results, papers),
        sweeps=sweeps,
        searches=searches,
        verdicts={paper: judge_claims(CLAIMS[paper], results) for paper in papers},
        FINAL=FINAL,
        agreement=agreement,
        by_mean=by_mean,
        describe=describe,
        epoch_seconds=epoch_seconds,
        epochs_table=epochs_table,
        gain_of_choosing=gain_of_choosing,
        search_table=search_table,
        format=format,
    )
