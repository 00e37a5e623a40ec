# Two commands matter: `make run` and `make test`. Everything else is for those who work on Holdfast.
PYTHON ?= python3
UV_VERSION := 0.13.9
UV := .venv-tool/bin/uv
BIN := .venv/bin
HOME_DEMO := .run/demo
TEST_PROCESSES ?= 3
NATIVE := src/holdfast/native/_native.so
NATIVE_SOURCES := $(sort $(wildcard src/holdfast/native/*.c))
NATIVE_HEADERS := $(wildcard src/holdfast/native/*.h)
ASSET_SOURCES := hatch_assets.py hatch_languages.py $(wildcard languages/*/*.po) $(shell find src/holdfast/web/dashboard -name "*.html" -o -name "*.py")
SANITIZED := -fsanitize=address,undefined -fno-sanitize-recover=all
NATIVE_FLAGS := -O2 -Wall -Wextra -shared -fPIC

# Nothing outside this folder is changed: the caches of packages lie in it too.
export UV_CACHE_DIR := $(CURDIR)/.cache/uv
export PIP_CACHE_DIR := $(CURDIR)/.cache/pip
export UV_PYTHON_DOWNLOADS := never
export UV_PROJECT_ENVIRONMENT := .venv
# Bytecode is kept (empty: unset), or each of the processes that tests start would compile the program for 0.3 s.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: run test test-whole screens messages crashtest faults stress fuzz native-check lint format build bench bench-quick bench-dashboard \
  bench-growth bench-growth-quick clean

run: .venv/.runs
	@$(BIN)/holdfast --home $(HOME_DEMO) demo

# In the order that tests/conftest.py gives: xdist would put modules with few tests last, and those are the slow ones.
test: .venv/.tests
	$(BIN)/pytest -n $(TEST_PROCESSES) --dist loadscope --no-loadscope-reorder $(ARGS)

# The tests that try every case of something try all of them, not some: what `.ci/run` does.
test-whole: .venv/.tests
	@HOLDFAST_TESTS=whole $(MAKE) --no-print-directory test

# Every page in every state, light and dark, wide and narrow, as pictures in .run/screens.
screens: .venv/.tests
	HOLDFAST_BROWSER=required HOLDFAST_SCREENS=$(CURDIR)/.run/screens $(BIN)/pytest -n 2 --dist loadscope tests/web/dashboard/browser/test_states.py tests/web/dashboard/browser/test_pages.py

crashtest: .venv/.tests
	HOLDFAST_CRASHTEST=whole $(BIN)/pytest -s tests/crash tests/service/restore/test_crash.py

# Every operation, every kind of fault, at every call, in the store, the catalog and `run/`: some 15 minutes.
faults: .venv/.tests
	HOLDFAST_FAULTS=all $(BIN)/pytest -n 2 --dist load tests/faults

# Databases held and copied while writers, checkpoints, VACUUM and kill -9 go on; the long form: COPIES=50 SECONDS=400.
COPIES ?= 6
SECONDS ?= 4
stress: .venv/.tests
	PYTHONPATH=tests $(BIN)/python -m kit.sqlite_stress $(COPIES) $(SECONDS)

# Made-up databases, logs and indexes before the parser of views; the long form: ROUNDS=1500000.
ROUNDS ?= 100000
fuzz:
	@mkdir -p .run
	gcc -g -O1 $(SANITIZED) -Wall -Wextra -Wno-format -DINDEX_TRIES=3 -o .run/fuzz-overlay tests/native/fuzz_overlay.c
	ASAN_OPTIONS=detect_leaks=0 .run/fuzz-overlay $(ROUNDS)

# The C parts with ASan and UBSan under tests that use them; the long form: CHECKED="tests/sources tests/restorer".
CHECKED ?= tests/sources/sqlite tests/sources/directory/test_source.py
native-check: .venv/.tests
	@rm -rf .run/checked && mkdir -p .run/checked && cp -rs $(CURDIR)/src/holdfast .run/checked/
	gcc -g -O1 $(SANITIZED) -shared -fPIC -o .run/checked/_native.so $(NATIVE_SOURCES)
	@mv .run/checked/_native.so .run/checked/holdfast/native/_native.so
	PYTHONPATH=.run/checked ASAN_OPTIONS=detect_leaks=0 \
	  LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libubsan.so)" \
	  $(BIN)/pytest -q -n 0 -p no:cacheprovider $(CHECKED)

# The messages of the sources into languages/; TAG=de begins another language.
messages: .venv/.tests
	PYTHONPATH=tests $(BIN)/python -m kit.messages $(TAG)

lint: .venv/.tests
	@gcc $(NATIVE_FLAGS) -Werror -o /dev/null $(NATIVE_SOURCES)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/.tests
	$(BIN)/ruff check --fix-only -q .
	$(BIN)/ruff format .

build: $(NATIVE)

bench: .venv/.tests
	$(BIN)/python -m bench full

bench-quick: .venv/.tests
	$(BIN)/python -m bench quick

bench-dashboard: .venv/.tests
	$(BIN)/python -m bench dashboard

bench-growth: .venv/.tests
	$(BIN)/python -m bench growth

bench-growth-quick: .venv/.tests
	$(BIN)/python -m bench growth-quick

clean:
	rm -rf .cache .venv .venv-tool .run .servers dist $(NATIVE)

$(NATIVE): $(NATIVE_SOURCES) $(NATIVE_HEADERS)
	gcc $(NATIVE_FLAGS) -o $@ $(NATIVE_SOURCES)

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Holdfast needs Python 3.11 or newer (Debian: apt-get install python3); or name one: make PYTHON=..."; exit 1; }
	@command -v gcc >/dev/null || { echo "Holdfast needs gcc (Debian: apt-get install gcc)."; exit 1; }
	@$(PYTHON) -m venv .venv-tool || \
	  { rm -rf .venv-tool; echo "Holdfast needs Python's venv (Debian: apt-get install python3-venv)."; exit 1; }
	@.venv-tool/bin/python -m pip install -q --disable-pip-version-check uv==$(UV_VERSION)

.venv/.runs: $(UV) pyproject.toml uv.lock hatch_build.py $(ASSET_SOURCES) $(NATIVE_SOURCES) $(NATIVE_HEADERS)
	@$(UV) sync -q --frozen --no-dev --inexact --python $(PYTHON) --reinstall-package holdfast --compile-bytecode
	@$(BIN)/python -m compileall -q src/holdfast
	@touch $@

.venv/.tests: $(UV) pyproject.toml uv.lock hatch_build.py $(ASSET_SOURCES) $(NATIVE_SOURCES) $(NATIVE_HEADERS)
	@$(UV) sync -q --frozen --inexact --python $(PYTHON) --reinstall-package holdfast
	@touch $@
