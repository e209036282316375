#!/bin/sh
# Peer: rliable, interval estimates over runs and tasks.
# Expected: `get_interval_estimates(..., random_state=...)` gives the same interval twice.
# Seen with rliable 1.2.0, arch 7.2.0, NumPy 2, pandas 2.3.3: it does not; its stratified bootstrap
# draws from NumPy's global generator, so that `np.random.seed` alone makes an interval repeatable.
# Ends with 1 where that has changed.
set -e
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q rliable==1.2.0 arch==7.2.0 pandas==2.3.3 'numpy>=2,<3'
"$dir/venv/bin/python" -W ignore - <<'PY'
import numpy as np
from rliable import library

scores = {'a': np.random.default_rng(0).random((8, 3))}


def mean(runs):
    return np.array([runs.mean()])


def interval(**options):
    _, ends = library.get_interval_estimates(scores, mean, reps=200, **options)
    return ends['a'].ravel().tolist()


first, second = (interval(random_state=np.random.RandomState(0)) for _ in range(2))
assert first != second, 'random_state counts now'
by_global_seed = []
for _ in range(2):
    np.random.seed(0)
    by_global_seed.append(interval())
assert by_global_seed[0] == by_global_seed[1], "NumPy's global seed no longer counts"
print('the same random_state twice:', first, second)
PY
