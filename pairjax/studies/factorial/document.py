"""The study's document, made from its results alone. No jax in here."""

from collections.abc import Mapping
from pathlib import Path

from pairjax.reporting.plots.curves import save_figure
from pairjax.studies.factorial import sections
from pairjax.studies.factorial.analysis import Findings, analyse
from pairjax.studies.factorial.design import Design
from pairjax.studies.factorial.figures import draw_accuracies, draw_effects, draw_train_pairs
from pairjax.studies.factorial.limits import limits
from pairjax.studies.factorial.parts import part_names
from pairjax.studies.factorial.results import Results, read_results
from pairjax.workdir.workdir import writing


def write_study(design: Design, workdirs: Mapping[str, Path], out: Path, quick: bool) -> Path:
    """Writes out/study.md and its pictures in out/figures.

    Args:
      design: what was varied.
      workdirs: of the finished parts by name, as `running.run_study` returns them.
      out: the directory; made where it is missing.
      quick: whether the document must say that its runs only show that everything works.

    Returns: the path of study.md.
    Raises: UserError where nothing is finished or a file cannot be written.
    """
    results = read_results(design, workdirs)
    findings = analyse(design, results)
    figures = {'accuracy': draw_accuracies(design, results)}
    figures['effects'] = draw_effects(design, findings.sharing)
    if findings.same_size:
        figures['train_pairs'] = draw_train_pairs(design, results)
    for name, figure in figures.items():
        save_figure(figure, out / 'figures' / f'study_{name}.png')
    missing = [name for name in part_names(design) if name not in workdirs]
    path = out / 'study.md'
    with writing(path):
        path.write_text(study_document(design, results, findings, missing, quick))
    return path


def study_document(
    design: Design, results: Results, findings: Findings, missing: list[str], quick: bool
) -> str:
    """The document in Markdown.

    Args:
      design: what was varied.
      results: what the runs reached.
      findings: `analyse` of the two.
      missing: names of the parts that are not finished.
      quick: see `write_study`.
    """
    return (
        '\n\n'.join(
            (
                '# Weight sharing and the auxiliary loss',
                sections.opening(results, missing, quick),
                '## In three sentences',
                sections.summary(design, results, findings),
                '## What was compared',
                sections.networks(design, results),
                '## Weight sharing',
                sections.sharing(results, findings.sharing),
                '## The spread between seeds',
                sections.spread(results, findings.spread),
                '## The auxiliary loss',
                sections.aux(design, results, findings.aux),
                '## Both together',
                sections.interaction(findings.interaction),
                '## Without a learned comparison',
                sections.heads(results, findings.heads),
                '## Fewer train pairs',
                sections.train_pairs(results, findings),
                '## Limits',
                limits(design, results),
                '## Every arm',
                sections.arms(design, results),
            )
        )
        + '\n'
    )
