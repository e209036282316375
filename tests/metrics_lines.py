"""Lines of metrics.jsonl that are valid and otherwise of no meaning."""

from pairjax.workdir.schema import LINE


def line(epoch, trial=0, seed=0):
    """A line with every field that `schema.LINE` requires."""
    required = [name for name in LINE if not name.endswith('?')]
    numbers = dict.fromkeys(required, 0.5) | {'train_loss': 0.1 + epoch}
    return numbers | {'trial': trial, 'seed': seed, 'epoch': epoch}
