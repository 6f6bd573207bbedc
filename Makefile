# make demo   install and run the demonstration; results in demo/
# make test   install and run all tests: Python, doctests, and C++ under sanitizers
# make check  format, lint, types
# make bench  benchmarks beside the peers, in an environment of their own; many hours, and resumed where it
#             stopped; QUALITY='--sets magic --seeds 0' for less

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BENCH := .bench-venv
SEARCH := .search-venv
PRIVATE := .private-venv
SMARTNOISE := .smartnoise-venv
NATIVE := pyproject.toml CMakeLists.txt $(shell find csrc -name '*.cpp' -o -name '*.hpp' -o -name '*.h')
PIP := -m pip install --quiet --disable-pip-version-check

.PHONY: demo test test-python test-cpp check format bench clean

demo: $(VENV)/.installed
	$(BIN)/jaxsynth demo --out demo

test: test-cpp test-python

test-python: $(VENV)/.developer
	$(BIN)/python -m pytest -n 2

# Under the address and undefined-behaviour sanitizers all tests, and under the thread sanitizer those with threads.
test-cpp: $(VENV)/.developer
	$(call sanitized,address,.)
	$(call sanitized,thread,pool|tree|search|random_arrays)

define sanitized
	$(BIN)/cmake -S . -B build/$(1) -DJAXSYNTH_SANITIZE=$(1) -DJAXSYNTH_WERROR=$(if $(CI),ON,OFF) \
		-DCMAKE_BUILD_TYPE=RelWithDebInfo > build/$(1).log || (cat build/$(1).log; false)
	$(BIN)/cmake --build build/$(1) --parallel 2 >> build/$(1).log || (cat build/$(1).log; false)
	$(BIN)/ctest --test-dir build/$(1) --output-on-failure --tests-regex '$(2)'
endef

check: $(VENV)/.developer
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/.developer
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

QUALITY ?= --dcr
bench: $(VENV)/.benchmarks $(BENCH)/.installed $(SEARCH)/.installed $(PRIVATE)/.installed $(SMARTNOISE)/.installed
	$(BIN)/python -m benchmarks.train --peer $(BENCH)/bin/python
	$(BIN)/python -m benchmarks.sampling
	$(BIN)/python -m benchmarks.neighbours --peer $(SEARCH)/bin/python --million
	$(BIN)/python -m benchmarks.quality --peer $(BENCH)/bin/python --out build/quality.jsonl $(QUALITY)
	$(BIN)/python -m benchmarks.quality_table build/quality.jsonl
	$(BIN)/python -m benchmarks.audit
	$(BIN)/python -m benchmarks.dp --peer $(BENCH)/bin/python
	$(BIN)/python -m benchmarks.dp_audit
	$(BIN)/python -m benchmarks.privacy --models autoregressive,vae,gan,dpmm-mst,smartnoise-mst,mostlyai
	$(BIN)/python -m benchmarks.stream --peer $(BENCH)/bin/python
	$(BIN)/python -m benchmarks.stream --rows 1e8 --sink parquet
	$(BIN)/python -m benchmarks.out_of_core
	$(BIN)/python -m benchmarks.kill

clean:
	rm -rf $(VENV) $(BENCH) $(SEARCH) $(PRIVATE) $(SMARTNOISE) build dist demo

$(BIN)/python:
	$(PYTHON) -m venv $(VENV) || (echo "no venv module: apt-get install python3-venv" && false)

# Editable: sources are read from the checkout; only a change of the native part or of the dependencies reinstalls.
$(VENV)/.installed: $(BIN)/python $(NATIVE)
	$(BIN)/python $(PIP) --editable .
	mkdir -p build && touch $@

# anonymeter, which the audits are held against, asks for an older numpy than it needs: without its dependencies.
$(VENV)/.developer: $(BIN)/python $(NATIVE)
	$(BIN)/python $(PIP) --editable '.[dev]'
	$(BIN)/python $(PIP) --no-deps anonymeter==1.1.0
	mkdir -p build && touch $@

$(VENV)/.benchmarks: $(VENV)/.installed
	$(BIN)/python $(PIP) --editable '.[bench]'
	mkdir -p build && touch $@

# The peers pull in torch; the plain build for CPU first, so that nothing fetches gigabytes of CUDA.
# mostlyai-engine declares torchvision, which its tables do not need and which keeps it from importing on a
# CPU build: it goes in without its dependencies, and those that tables need are named here.
$(BENCH)/.installed: Makefile
	test -x $(BENCH)/bin/python || $(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/python $(PIP) torch==2.13.0
	$(BENCH)/bin/python $(PIP) torch==2.13.0 'ctgan>=0.11' 'pandas>=2.2' pyarrow scikit-learn accelerate \
		'datasets>=3' huggingface_hub json-repair joblib opacus peft 'psutil<6' 'sdv>=2' tokenizers \
		'transformers>=5.5.3'
	$(BENCH)/bin/python $(PIP) --no-deps mostlyai-engine==2.7.3 arfpy==0.1.1
	touch $@

# Apart from the others, whose numpy anonymeter does not accept.
$(SEARCH)/.installed: Makefile
	test -x $(SEARCH)/bin/python || $(PYTHON) -m venv $(SEARCH)
	$(SEARCH)/bin/python $(PIP) 'anonymeter>=1.1' faiss-cpu pandas pyarrow scikit-learn
	touch $@

# The private peers, whose pins exclude one another and the rest; mostlyai-engine's is in $(BENCH). dpmm wants
# an old numpy, which newer pyarrow does not accept, and Python 3.10 or 3.11.
$(PRIVATE)/.installed: Makefile
	test -x $(PRIVATE)/bin/python || $(PYTHON) -m venv $(PRIVATE)
	$(PRIVATE)/bin/python $(PIP) dpmm==0.1.9 'pyarrow<21'
	touch $@

$(SMARTNOISE)/.installed: Makefile
	test -x $(SMARTNOISE)/bin/python || $(PYTHON) -m venv $(SMARTNOISE)
	$(SMARTNOISE)/bin/python $(PIP) torch==2.13.0
	$(SMARTNOISE)/bin/python $(PIP) torch==2.13.0 smartnoise-synth==1.0.8 packaging pyarrow
	touch $@
