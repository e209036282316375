# `make run` and `make test` each work alone on a fresh clone; the first one installs.
PYTHON ?= python3
VENV ?= .venv
CONFIG ?= configs/auxnet2.py

# Fast because no network is trained or compiled in them.
FAST ?= tests/test_imports.py tests/test_docs.py tests/test_config.py \
	$(addprefix tests/analysis/test_, statistics.py summary.py error_analysis.py) \
	tests/workdir/test_workdir.py tests/reporting/test_console.py

# What another version of Python or jax is likely to break, in two minutes.
QUICK ?= tests/test_config.py tests/analysis/test_statistics.py tests/workdir/test_workdir.py \
	tests/reporting/test_console.py tests/ops tests/training tests/models/test_networks.py

.PHONY: run test quick check cluster tpu stress notebook install clean

run: $(VENV)/installed
	$(VENV)/bin/python launch/main.py --config=$(CONFIG) $(ARGS)

test: $(VENV)/tests-installed
	$(VENV)/bin/ruff check .
	$(VENV)/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --ignore=tests/cluster --ignore=tests/tpu $(ARGS)

# make quick PYTHON=python3.13 VENV=.venv-newest
quick: $(VENV)/tests-installed
	$(VENV)/bin/python -m pytest -q -n 2 --dist loadfile $(QUICK) $(ARGS)

# A real Slurm and Open MPI, and a fault at every exchange between processes.
cluster: $(VENV)/tests-installed
	$(VENV)/bin/python -m pytest -n 2 --dist loadfile tests/cluster $(ARGS)

# Compiles the programs of five networks for a TPU, on a machine without one; installs libtpu.
tpu: $(VENV)/tests-installed
	$(VENV)/bin/pip install --quiet --disable-pip-version-check 'jax[tpu]'
	JAX_PLATFORMS=cpu $(VENV)/bin/python -m pytest -q tests/tpu $(ARGS)

# For every small step: under a minute on two cores.
check: $(VENV)/tests-installed
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/python -m pytest -q -n 2 $(FAST) $(ARGS)

# Kills a training 20 times and compares what comes out with one that was left alone.
stress: $(VENV)/tests-installed
	PAIRJAX_KILLS=20 $(VENV)/bin/python -m pytest -s tests/runtime/test_stress.py $(ARGS)

# Executes docs/tour.ipynb in a fresh kernel; ARGS=--write also writes its outputs and docs/tour.md.
notebook: $(VENV)/notebook-installed
	$(VENV)/bin/python docs/run_tour.py $(ARGS)

install: $(VENV)/installed

$(VENV)/installed: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("pairjax needs Python 3.11 or newer; this is " + sys.version.split()[0] + ": make PYTHON=python3.11 $(MAKECMDGOALS)")'
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/tests-installed: $(VENV)/installed
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -e '.[test]'
	@touch $@

$(VENV)/notebook-installed: $(VENV)/installed
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -e '.[notebook]'
	@touch $@

clean:
	rm -rf $(VENV)
