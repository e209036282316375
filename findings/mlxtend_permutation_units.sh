#!/bin/sh
# Library: mlxtend, `mlxtend.evaluate.permutation_test`.
# Expected: a permutation test only compares values with each other, so that p is the same for times in
# nanoseconds and in seconds, as in scipy.
# Seen with mlxtend 0.25.0, numpy 2.4.6, scipy 1.17.1, Python 3.11: two programs' times that do not
# overlap have p = 0.0079 in nanoseconds and 1.0 in seconds (paired 0.0625 and 1.0), where scipy has
# 0.0079 (0.0625) for both. A rearrangement counts as at least as far out if `np.isclose`, whose absolute
# tolerance is 1e-8, takes the two differences for equal, as it does for all values so small.
# Ends with 1 where that has changed.
set -e
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q mlxtend==0.25.0 numpy==2.4.6 scipy==1.17.1 2> "$dir/log" \
  || { cat "$dir/log"; exit 1; }
cat > "$dir/units.py" <<'PY'
import numpy as np
from mlxtend.evaluate import permutation_test
from scipy import stats

first = np.array([5.1, 5.3, 5.2, 5.6, 5.4])
second = np.array([4.1, 4.3, 4.4, 4.0, 4.2])


def p_values(unit, paired):
    """Those of mlxtend and scipy, exact and two-sided."""
    samples = first * unit, second * unit
    kind = 'samples' if paired else 'independent'
    exact = stats.permutation_test(samples, lambda a, b: a.mean() - b.mean(), permutation_type=kind)
    return permutation_test(*samples, method='exact', paired=paired), float(exact.pvalue)


for paired in (False, True):
    nanoseconds, seconds = p_values(1, paired), p_values(1e-9, paired)
    print('paired' if paired else 'independent', '(mlxtend, scipy):', nanoseconds, seconds)
    assert np.isclose(nanoseconds, nanoseconds[1]).all() and np.isclose(seconds[1], nanoseconds[1])
    assert seconds[0] == 1, 'the unit no longer matters'
PY
"$dir/venv/bin/python" -W ignore "$dir/units.py" 2> "$dir/log" || { cat "$dir/log"; exit 1; }
