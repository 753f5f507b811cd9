# Everything here sets up its own virtual environment (.venv) first; nothing is installed twice.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO_BUDGET ?= 100s
WORKERS ?= 3
# A few hundred commands run in the tests; without compiled files each would compile the package again.
unexport PYTHONDONTWRITEBYTECODE
INSTALL ?= $(BIN)/pip install --quiet --disable-pip-version-check

.PHONY: demo test lint bench course docs clean

$(VENV)/.core.stamp: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) -e .
	touch $@

$(VENV)/.dev.stamp: pyproject.toml $(VENV)/.core.stamp
	$(INSTALL) -e '.[compress,dev,fast,onnx,report,serve,sklearn,text,tune]'
	touch $@

demo: $(VENV)/.core.stamp
	@$(BIN)/python benchmarks/demo.py --time-budget $(DEMO_BUDGET)

test: $(VENV)/.dev.stamp
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

lint: $(VENV)/.dev.stamp
	$(BIN)/ruff check src tests benchmarks course docs
	$(BIN)/ruff format --check src tests benchmarks course docs
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.dev.stamp
	$(BIN)/python -m pytest -m slow
	$(BIN)/python benchmarks/throughput.py
	$(BIN)/python benchmarks/memory.py
	$(BIN)/python benchmarks/writing.py
	$(BIN)/python benchmarks/busy.py
	$(BIN)/python benchmarks/study_overhead.py
	$(BIN)/python benchmarks/time_to_quality.py
	$(BIN)/python benchmarks/equal_time.py

docs: $(VENV)/.dev.stamp
	$(BIN)/python docs/command_line.py
	$(BIN)/python docs/python_interface.py

course: $(VENV)/.dev.stamp
	$(BIN)/python course/build.py

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
