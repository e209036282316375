"""One HTML page of one or several experiments, to be sent around."""

import dataclasses
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pairjax.analysis.arms import ComparedTrial, check_paired
from pairjax.analysis.error_analysis import PairPredictions
from pairjax.analysis.paired import Comparison, compare_trials
from pairjax.analysis.pool import read_pooled
from pairjax.analysis.results import FINAL, ExperimentResult
from pairjax.analysis.seeds_and_images import (
    FEW_IMAGES,
    RunAccuracies,
    accuracies_of_predictions,
    compare_over_images,
)
from pairjax.errors import UserError
from pairjax.reporting.html.page import render_html
from pairjax.reporting.html.tables import changed_fields
from pairjax.system import NAME_WRITABLE_FILE, Track, untracked, writing


def read_experiments(workdirs: Sequence[str]) -> list[ExperimentResult]:
    """Reads finished workdirs; where names are not unique, a name says its path too.

    Args:
      workdirs: WORKDIR, or WORKDIR+WORKDIR for workdirs that hold different seeds.

    Raises: UserError where one is none, is not finished, is damaged or is named twice.
    """
    if not workdirs:
        raise UserError('name a workdir or several, such as runs/auxnet2')
    results = [read_pooled(workdir) for workdir in workdirs]
    seen = set()
    for workdir in (path for result in results for path in result.workdirs):
        if workdir.resolve() in seen:
            raise UserError(f'{workdir} is named twice; name each workdir once')
        seen.add(workdir.resolve())
    if len({result.name for result in results}) < len(results):
        results = [
            dataclasses.replace(r, summary={**r.summary, 'name': f'{r.name} in {r.workdir}'})
            for r in results
        ]
    return results


def write_report(
    results: Sequence[ExperimentResult],
    predictions: Sequence[PairPredictions | str],
    out: Path,
    track: Track = untracked,
) -> None:
    """Writes the page; the same results give the same bytes.

    Args:
      results: as `read_experiments` gives them.
      predictions: of each selected trial, or the sentence why there are none.
      out: the file.
      track: shows how many experiments are drawn.

    Raises: UserError where the page cannot be written or a metrics.jsonl is damaged.
    """
    page = render_report(results, predictions, track)
    with writing(f'--out={out}', NAME_WRITABLE_FILE):
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(page.encode())


def render_report(
    results: Sequence[ExperimentResult],
    predictions: Sequence[PairPredictions | str],
    track: Track = untracked,
) -> str:
    """The page of `write_report`: several experiments side by side, and each of them."""
    title = f'{len(results)} experiments' if len(results) > 1 else results[0].name
    sections = side_by_side(results, predictions) if len(results) > 1 else []
    for result, answers in track(list(zip(results, predictions, strict=True)), 'drawing'):
        commands = '\n'.join(command(one.config) for one in result.pooled or (result,))
        body = render_html('experiment.html', result=result, predictions=answers, command=commands)
        sections.append((result.name, body))
    return render_html('report.html', title=title, sections=sections)


def side_by_side(
    results: Sequence[ExperimentResult], predictions: Sequence[PairPredictions | str]
) -> list[tuple[str, str]]:
    """The selected trials in one table, then paired comparisons: titles and bodies of sections."""
    selected = [(result, result.selected_trial) for result in results]
    arms = [ComparedTrial(result.name, result, trial) for result, trial in selected if trial]
    if not arms:
        return []
    comparisons, reasons = compare_paired_arms(arms)
    found = {
        result.name: accuracies_of_predictions(answers)
        for result, answers in zip(results, predictions, strict=True)
        if isinstance(answers, PairPredictions) and len(answers.images) <= FEW_IMAGES
    }
    comparisons = [over_images(comparison, found) for comparison in comparisons]
    curves = {arm.name: arm.trial.metrics for arm in arms}
    overview = {'results': results, 'arms': arms, 'reasons': reasons, 'curves': curves}
    sections = [('Overview', render_html('overview.html', **overview))]
    for comparison in comparisons:
        names = ', '.join(arm.name for arm in comparison.arms)
        body = render_html('comparison.html', comparison=comparison)
        sections.append((f'Paired comparison: {names}', body))
    return sections


def over_images(comparison: Comparison, found: Mapping[str, RunAccuracies]) -> Comparison:
    """The comparison with intervals over seeds and test images, where all its arms have them."""
    if not all(arm.name in found for arm in comparison.arms):
        return comparison
    # Two arms may have more seeds in common than all have.
    runs = {arm.name: found[arm.name].of_seeds(comparison.seeds) for arm in comparison.arms}
    crossed = [compare_over_images(runs[pair.a], runs[pair.b]) for pair in comparison.pairs]
    return comparison._replace(crossed=crossed)


def compare_paired_arms(arms: Sequence[ComparedTrial]) -> tuple[list[Comparison], list[str]]:
    """Compares every group of arms that may be paired by seed, and says why others may not."""
    groups: list[list[ComparedTrial]] = []
    comparisons, reasons = [], []
    for arm in arms:
        for group in groups:
            try:
                check_paired([group[0], arm], FINAL)
            except UserError as error:
                reason = str(error)
            else:
                group.append(arm)
                break
        else:
            if groups:
                reasons.append(reason)
            groups.append([arm])
    for group in groups:
        if len(group) > 1:
            try:
                comparisons.append(compare_trials(group, FINAL))
            except UserError as error:
                reasons.append(str(error))
    return comparisons, reasons


def command(config: Mapping[str, Any]) -> str:
    """The command that trains this config, whatever config file it came from."""
    flags = [f'--config.{name}={value}' for name, value in changed_fields(config).items()]
    # This config file is default_config() as it is.
    words = ['--config=configs/auxnet2.py', *flags]
    return ' \\\n  '.join(['python launch/main.py', *map(quoted, words)])


def quoted(word: str) -> str:
    """A word for a shell; in double quotes where that spares quoting every single quote."""
    return f'"{word}"' if "'" in word and not set(word) & set('"$`\\!') else shlex.quote(word)
