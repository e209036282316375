#!/bin/sh
# Library: Orbax, memory beside the arrays while NumPy arrays are saved.
# Expected: `save_concurrent_gb`, which its docstring says reduces running out of memory, bounds it.
# Seen with orbax-checkpoint 0.12.8, jax 0.10.2, Python 3.11, 400 MB of random float32; held beside
# the arrays, in times of them:
#   defaults                                 1.84
#   save_concurrent_gb=0.05                  1.88: NumPy arrays do not ask the limiter
#   ocdbt_target_data_file_size of 16 MiB    1.28: files are built in memory, of 2 GB by default
#   the same, arrays that are not copied     0.29: all are deep-copied at once before they are written
# Ends with 1 where that has changed.
set -e
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q orbax-checkpoint==0.12.8 jax==0.10.2 jaxlib==0.10.2
cat > "$dir/save.py" <<'PY'
import resource
import sys

import numpy as np
import orbax.checkpoint as ocp


class Uncopied(np.ndarray):
    def __deepcopy__(self, memo):
        return self


mode, path = sys.argv[1:]
options = {'save_concurrent_gb': 0.05} if mode == 'limited' else {}
files = {'ocdbt_target_data_file_size': 16 * 2**20} if mode in ('files', 'uncopied') else {}
rng = np.random.default_rng(0)
arrays = {f'part {i}': rng.standard_normal(5_000_000, np.float32) for i in range(20)}
if mode == 'uncopied':
    arrays = {name: array.view(Uncopied) for name, array in arrays.items()}
checkpointer = ocp.Checkpointer(ocp.PyTreeCheckpointHandler(**options))
checkpointer.save(f'{path}/small', args=ocp.args.PyTreeSave({'one': np.ones(3)}))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
checkpointer.save(f'{path}/large', args=ocp.args.PyTreeSave(arrays, **files))
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print((after - before) * 1024 / sum(array.nbytes for array in arrays.values()))
PY
for mode in plain limited files uncopied; do
  mkdir "$dir/$mode"
  JAX_PLATFORMS=cpu "$dir/venv/bin/python" -W ignore "$dir/save.py" $mode "$dir/$mode" > "$dir/$mode.txt" 2> "$dir/$mode.log" ||
    { cat "$dir/$mode.log"; exit 1; }
  echo "$mode: $(cat "$dir/$mode.txt") times the arrays, held beside them"
done
"$dir/venv/bin/python" - "$dir" <<'PY'
import pathlib
import sys

held = {m: float((pathlib.Path(sys.argv[1]) / f'{m}.txt').read_text())
        for m in ('plain', 'limited', 'files', 'uncopied')}
assert held['plain'] > 1.6, 'the defaults hold less now'
assert held['limited'] > 1.6, 'the limit counts for NumPy arrays now'
assert 0.8 < held['files'] < 1.6, 'small files change something else now'
assert held['uncopied'] < 0.6, 'arrays are copied elsewhere now'
PY
