"""The texts of the study's document, section by section. No jax in here."""

from collections.abc import Sequence

from pairjax.reporting.markdown import bullet, paragraph
from pairjax.studies.factorial.analysis import Effect, Findings, Spread
from pairjax.studies.factorial.design import Design
from pairjax.studies.factorial.results import Results
from pairjax.studies.factorial.sentences import sentences, tally
from pairjax.studies.factorial.tables import (
    arm_table,
    best_weight_table,
    effect_table,
    network_table,
    sharing_table,
    spread_table,
)

NOTHING = 'The runs for this section are missing.'


def opening(results: Results, missing: Sequence[str], quick: bool) -> str:
    """What made the document, from which digits, and what is missing."""
    trials = [trial for summary in results.pilots.values() for trial in summary['trials']]
    num_pilot_runs = sum(len(trial['seeds']) for trial in trials)
    num_runs = sum(len(o.test) + len(o.failed_seeds) for o in results.cells.values())
    data = results.data
    flags = [''] + ['--quick'] * quick
    if data['source'] != 'bundled':
        flags += [f'--data_source={data["source"]}', '--data_dir=path/to/digits']
    texts = [
        paragraph(
            f'Made by `python launch/study.py{" ".join(flags)}` from {num_runs:,} runs '
            f'and {num_pilot_runs:,} pilot runs on {data["source"]} digits (fingerprint '
            f'{data["fingerprint"]}): {data["train_pool"]:,} images to train and '
            f'{data["test_pool"]:,} to test.'
        )
    ]
    if quick:
        texts.insert(
            0,
            '**This is a quick run.** It shows that everything works; its few seeds and epochs '
            'answer nothing.',
        )
    if missing:
        texts.append(paragraph(f'**Missing**, since it did not finish: {", ".join(missing)}.'))
    return '\n\n'.join(texts)


def summary(design: Design, results: Results, findings: Findings) -> str:
    """The sentences to quote, and how to read them."""
    texts = [bullet(sentence) for sentence in sentences(design, results, findings)]
    floor = max((row.paired.p_floor for row in findings.sharing), default=0.0)
    texts.append('')
    texts.append(
        paragraph(
            'Accuracy is that on test pairs after the last epoch. Differences are means over seeds '
            'of differences between runs with the same seed, and so the same pairs, in percentage '
            'points; brackets hold the 95 % Student t interval. p is that of a two-sided sign-flip '
            'test, adjusted by the method of Holm for all the differences of its table. '
            'A direction is named only where the interval excludes zero and the adjusted p is '
            'below 0.05; everything else is unresolved, which is not the same as no effect.',
            *(
                [f'The smallest p that so few seeds can give is {floor:g} before adjustment.']
                if floor * len(findings.sharing) > 0.05
                else []
            ),
        )
    )
    return '\n'.join(texts)


def networks(design: Design, results: Results) -> str:
    """Networks, arms, and how their learning rates were picked."""
    rates = ', '.join(f'{rate:g}' for rate in design.learning_rates)
    first, number = design.first_pilot_seed, design.num_pilot_seeds
    seeds = [f'{network.name} {network.num_seeds}' for network in design.networks]
    not_cut = [
        f'{network.name} has no cut arm: {network.why_not_cut}.'
        for network in design.networks
        if network.cut_widths is None
    ]
    text = paragraph(
        'Shared: both images go through one branch. Separate: each has a branch with parameters of '
        'its own and the same widths. Cut: separate branches, all widths reduced by a common '
        'factor until the whole network is as large as the shared one.',
        *not_cut,
        'A head learns to compare with a main loss of weight 1 and an auxiliary loss of weight',
        f'{", ".join(f"{weight:g}" for weight in design.aux_weights)};',
        'arms that compare without such a head have a section of their own.',
        f'Each arm trains with the learning rate, of {rates}, that had the '
        f'highest mean final validation accuracy in a pilot of n = {number} other seeds ({first} '
        f'to {first + number - 1}); the last section lists the picks. Seeds after that: '
        f'{", ".join(seeds)}.',
    )
    picture = '![test accuracy of every arm](figures/study_accuracy.png)'
    return f'{network_table(design, results)}\n\n{text}\n\n{picture}'


def sharing(results: Results, rows: Sequence[Effect]) -> str:
    """Shared against separate and against cut."""
    if not rows:
        return NOTHING
    texts = []
    for against, name in (
        ('separate', 'the same widths'),
        ('cut', 'the same number of parameters'),
    ):
        if mine := [row for row in rows if row.b.sharing == against]:
            texts.append(f'Against separate branches of {name}: {tally(mine)}.')
    text = paragraph(
        f'Shared minus other. {" ".join(texts)} All {len(rows)} are one family. The last column '
        'is the number of common seeds with which a two-sided paired t test at 0.05 sees a true '
        'difference of 0.5 points in four of five studies, given the deviation of the differences '
        'seen here.'
    )
    picture = '![shared minus separate](figures/study_effects.png)'
    return f'{text}\n\n{picture}\n\n{sharing_table(results, rows)}'


def spread(results: Results, rows: Sequence[Spread]) -> str:
    """Whether runs of the shared network scatter less."""
    if not rows:
        return NOTHING
    bounds = [(row.low, row.high) for row in rows if row.low is not None]
    below, above = sum(high < 1 for _, high in bounds), sum(low > 1 for low, _ in bounds)
    texts = [
        'Standard deviation over seeds of the shared network over that of the other, with its 95 % '
        'BCa bootstrap interval over common seeds.'
    ]
    if bounds:
        texts.append(
            f'Of {len(bounds)} intervals {below} lie below 1, {above} above it and '
            f'{len(bounds) - below - above} include it; they are not adjusted for being many.'
        )
    if len(bounds) < len(rows):
        texts.append('Fewer than five seeds have no interval.')
    text = paragraph(*texts)
    return f'{text}\n\n{spread_table(results, rows)}'


def aux(design: Design, results: Results, rows: Sequence[Effect]) -> str:
    """Each aux weight against none, and the weight that validation chooses."""
    if not rows:
        return NOTHING
    every = effect_table(
        rows,
        ('network', 'branches', 'aux weight'),
        lambda row: (row.a.network, row.a.sharing, f'{row.a.aux_weight:g}'),
    )
    chosen = paragraph(
        'The weight with the highest mean final validation accuracy over the same seeds, and its '
        'difference on test pairs to weight 0 from the table above (- where 0 is the best):'
    )
    return '\n\n'.join(
        (
            paragraph(f'Each weight minus weight 0: {tally(rows)}.'),
            every,
            chosen,
            best_weight_table(design, results, rows),
        )
    )


def interaction(rows: Sequence[Effect]) -> str:
    """Whether sharing and the auxiliary loss are worth more or less together."""
    if not rows:
        return NOTHING
    text = paragraph(
        'Per seed the gain by the auxiliary loss with sharing minus its gain without, (shared at '
        'the weight minus shared at 0) minus (separate at the weight minus separate at 0): '
        "above zero where the two help each other, below where either does part of the other's "
        f'work: {tally(rows)}.'
    )
    headings = ('network', 'aux weight')
    cells = effect_table(rows, headings, lambda row: (row.a.network, f'{row.a.aux_weight:g}'))
    return f'{text}\n\n{cells}'


def heads(results: Results, rows: Sequence[Effect]) -> str:
    """What is lost or won where nothing learns to compare."""
    if not rows:
        return NOTHING

    def cells(row: Effect) -> list[str]:
        outcomes = [results.cells[cell] for cell in (row.a, row.b)]
        means = [f'{100 * outcome.test.mean():.2f}' for outcome in outcomes]
        names = [row.a.network, row.a.sharing, row.a.head, f'{row.a.main_weight:g}']
        return [*names, f'{outcomes[0].num_params:,}', *means]

    text = paragraph(
        'The auxiliary loss in its pure form: nothing learns to compare, and the two digits read '
        'decide, by the relation between the likeliest two (argmax) or by whether its exact '
        'probability is above a half. At a main weight of 0 such a network never hears of pairs at '
        'all; at 1 the loss has that probability beside the digits. Each minus the learned head '
        f'with the same branches, all at auxiliary weight {rows[0].a.aux_weight:g}: {tally(rows)}.'
    )
    headings = ('network', 'branches', 'head', 'main weight', 'parameters', 'without', 'learned')
    return f'{text}\n\n{effect_table(rows, headings, cells)}'


def train_pairs(results: Results, findings: Findings) -> str:
    """Sharing at several numbers of train pairs, and against twice as many without it."""
    if not findings.same_size:
        return NOTHING

    def cells(row: Effect) -> list[str]:
        means = [f'{100 * results.cells[cell].test.mean():.2f}' for cell in (row.a, row.b)]
        sizes = [f'{row.a.train_pairs:,}', f'{row.b.train_pairs:,}']
        return [row.a.network, f'{row.a.aux_weight:g}', *sizes, *means]

    headings = ('network', 'aux weight', 'pairs, shared', 'pairs, separate', 'shared', 'separate')
    return '\n\n'.join(
        (
            '![test accuracy over train pairs](figures/study_train_pairs.png)',
            paragraph(
                f'Shared minus separate with equally many pairs: {tally(findings.same_size)}.'
            ),
            effect_table(findings.same_size, headings, cells),
            paragraph(
                'Does sharing do what twice the train pairs do? Shared with n pairs minus separate '
                f'with 2 n, of which the n are the first half: {tally(findings.doubling)}.'
            ),
            effect_table(findings.doubling, headings, cells),
        )
    )


def arms(design: Design, results: Results) -> str:
    """Everything that the other sections compare."""
    text = paragraph(
        'Accuracies in percent. (end) marks a learning rate at an end of the grid, beyond which a '
        f'better one may lie; each was picked in a pilot of n = {design.num_pilot_seeds} seeds.'
    )
    return f'{text}\n\n{arm_table(design, results)}'
