"""What the tests of the HTML report share: workdirs to report, and the page parsed."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import scipy.stats

from pairjax.analysis.summary import summarize
from pairjax.config import default_config, validate
from pairjax.inference.pair_predictions import predict_selected
from pairjax.reporting.html.report import read_experiments, render_report
from pairjax.trials import expand_trials

RATES = (0.001, 0.01, 0.1)


def write_workdir(workdir, accuracies, failed=(), change=None, **data):
    """A finished workdir.

    Args:
      accuracies: final test accuracies, one row a trial, one column a seed; validation is the same.
      failed: (trial, seed) of the runs that failed in the last of two epochs.
      change: of the config.
      data: what is other than usual about the digits.
    """
    config = default_config()
    config.num_seeds = len(accuracies[0])
    if len(accuracies) > 1:
        config.sweep.product = (('optimizer.learning_rate', RATES[: len(accuracies)]),)
    if change:
        change(config)
    lines = [
        line_of(trial, seed, epoch, None if epoch == 2 and (trial, seed) in failed else accuracy)
        for trial, row in enumerate(accuracies)
        for seed, accuracy in enumerate(row)
        for epoch in (1, 2)
    ]
    trials = [
        {'hyperparameters': trial.hyperparameters, 'num_params': 1000 + trial.index}
        for trial in expand_trials(validate(config))
    ]
    data = {'source': 'npz', 'train_pool': 3000, 'test_pool': 2000, 'num_classes': 10} | data
    data = {'fingerprint': 'abcdef'} | data
    summary = {'name': config.name, 'data': data, **summarize(lines, trials)}
    summary['timing']['devices'] = 2
    workdir.mkdir(parents=True)
    versions = {'pairjax': '9.8.7', 'jax': '6.5.4'}
    saved = {'config': config.to_dict(), 'data': data, 'versions': versions}
    saved['resumed_with'] = [{**versions, 'jax': '7.0.0'}]
    (workdir / 'config.json').write_text(json.dumps(saved))
    (workdir / 'summary.json').write_text(json.dumps(summary))
    (workdir / 'metrics.jsonl').write_text(''.join(json.dumps(line) + '\n' for line in lines))
    return workdir


def line_of(trial, seed, epoch, accuracy):
    """A line of metrics.jsonl; the first epoch is a tenth worse."""
    value = None if accuracy is None else accuracy - 0.1 * (epoch == 1)
    fields = [f'{part}_accuracy' for part in ('train', 'validation', 'test')]
    return {
        **{'trial': trial, 'seed': seed, 'epoch': epoch},
        **dict.fromkeys(fields, value),
        'train_loss': None if accuracy is None else 1 / epoch,
        'test_digit_accuracy': None,
        **{'train_seconds': 0.5 + trial, 'compile_seconds': 0.25},
    }


def random_accuracies(num_trials, num_seeds, seed=0):
    return np.random.default_rng(seed).uniform(0.2, 0.9, (num_trials, num_seeds)).round(3).tolist()


# ------------------------------------------------------------------------ the page parsed


class Page(HTMLParser):
    """Every element with its attributes, every table as rows of texts, scripts and styles."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.tables, self.scripts, self.styles = [], [], [], []
        self.open, self.text = [], ''
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in ('meta', 'img', 'input', 'br'):
            self.open.append(tag)
        if tag == 'table':
            self.tables.append({'caption': '', 'rows': [], 'attributes': [], 'highlighted': []})
        if tag == 'tr':
            table = self.tables[-1]
            if dict(attrs).get('class') == 'highlighted':
                table['highlighted'].append(len(table['rows']) - 1)  # The headings are no row.
            table['rows'].append([])
            table['attributes'].append([])
        if tag in ('td', 'th'):
            self.tables[-1]['rows'][-1].append('')
            self.tables[-1]['attributes'][-1].append(dict(attrs))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        # As a browser shows it: a line break within a text is a space.
        self.text += data if data.isspace() else re.sub('[ \n]+', ' ', data)
        if self.open and self.open[-1] in ('script', 'style'):
            getattr(self, f'{self.open[-1]}s').append(data)
        elif 'caption' in self.open:
            self.tables[-1]['caption'] += data
        elif 'td' in self.open or 'th' in self.open:
            separator = ' ' if self.open[-1] == 'span' else ''
            self.tables[-1]['rows'][-1][-1] += separator + data

    def table(self, caption):
        """The table whose caption begins so: headings, rows, and the rest of what is known."""
        (table,) = [t for t in self.tables if t['caption'].startswith(caption)]
        headings, *rows = table['rows']
        return headings, rows, table

    def attributes(self, name):
        return [attrs[name] for _, attrs in self.elements if name in attrs]


def page_of(*workdirs):
    results = read_experiments(workdirs)
    return Page(render_report(results, list(map(predict_selected, results))))


def written(values):
    """Mean, std and Student t interval in percent, as a cell has them."""
    values = 100 * np.array(values)
    low, high = scipy.stats.t.interval(
        0.95, len(values) - 1, values.mean(), scipy.stats.sem(values)
    )
    return f'{values.mean():.2f} ± {values.std(ddof=1):.2f} [{low:.2f}, {high:.2f}]'
