# These do everything on a machine with Python 3.11 or newer, git and make:
#   make demo             install into .venv and serve the app; options in ARGS="..."
#   make train            install into .venv and train on the embedded faces; options in ARGS="...", and
#                         NETWORK=stylegan for a StyleGAN
#   make test             install the test tools as well and run the tests
# Others: make check (formatting, lint, types), make clean (remove .venv).

PYTHON ?= $(firstword $(foreach name,python3 python3.13 python3.12 python3.11 python,\
	$(shell $(name) -c 'import sys; sys.version_info >= (3, 11) and print("$(name)")' 2>/dev/null)))
BIN := .venv/bin
# What is used is compiled when it is first imported: to compile all of it takes two fifths of pip's time.
PIP_INSTALL := $(BIN)/python -m pip install $(if $(PYTHONDONTWRITEBYTECODE),,--no-compile)
ARGS ?=
NETWORK ?= progan

.PHONY: demo train test check clean

demo: .venv/installed
	$(BIN)/python -m app $(ARGS)

# One process needs no launcher, which would hide its exit status and have a traceback of its own for Ctrl-C. Several
# GPUs need one, which else prints the values that it was not given.
train: .venv/installed
	@gpus=$$($(BIN)/python -c "import torch; print(torch.cuda.device_count())") && launcher=python && \
	if [ "$$gpus" -gt 1 ]; then launcher="accelerate launch -q"; export ACCELERATE_LOG_LEVEL=error; fi && \
	exec $(BIN)/$$launcher train/$(NETWORK).py $(ARGS)

# A process for each processor, up to eight, for each takes a gigabyte; the tests of a file stay together, in the order of
# the folders, so that none that take long are left for the end.
test: .venv/installed-dev
	$(BIN)/python -m pytest -n logical --maxprocesses 8 --dist loadfile --no-loadscope-reorder $(ARGS)

check: .venv/installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "error: Python 3.11 or newer is needed; name one with make PYTHON=/path/to/python"; exit 1; }
	$(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }

.venv/installed: .venv/bin/python pyproject.toml setup.py requirements.txt
	@echo "installing Stylegrow and what it needs into .venv: the first time this can take some minutes"
	$(PIP_INSTALL) -e .
	@touch $@

.venv/installed-dev: .venv/installed requirements-dev.txt
	$(PIP_INSTALL) -r requirements-dev.txt
	@touch $@

clean:
	rm -rf .venv
