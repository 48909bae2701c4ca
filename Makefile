# Commands for development. `make help` lists them.
PYTHON := .venv/bin/python
TEST_WORKERS ?= 4
READY := .venv/.ready
# tests start about two hundred processes, each of which would compile this folder again without bytecode
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench chaos down clean secrets up audit sbom release

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup: $(READY) ## make the virtual environment from the hash-pinned lock

$(READY): requirements-dev.lock pyproject.toml .ci/setup
	@.ci/setup
	@touch $@

demo: $(READY) ## start the sandbox, create a tenant, keep running (ONCE=1: end; PORT_BASE=n: other ports)
	@$(PYTHON) -m sandbox demo

down: ## stop what `make demo` or `python -m sandbox up` started
	@if [ -x $(PYTHON) ]; then $(PYTHON) -m sandbox down; else echo "Nothing is running."; fi

# a busy machine can cost a process its time: a failed test runs once more, and the summary counts the reruns
test: $(READY) ## run the whole test suite (PYTEST_ARGS=... for more)
	@$(PYTHON) -m pytest -n $(TEST_WORKERS) --dist loadgroup --reruns 1 $(PYTEST_ARGS)

check: $(READY) ## run the linters, the type checker and the import contracts
	@$(PYTHON) -m ruff check --quiet .
	@$(PYTHON) -m ruff format --quiet --check .
	@$(PYTHON) -m mypy --no-error-summary
	@.venv/bin/lint-imports --no-cache > .venv/.imports 2>&1 || { cat .venv/.imports; exit 1; }
	@.venv/bin/kubernetes-validate --strict --quiet $(filter-out %/kustomization.yaml,$(wildcard deploy/kubernetes/*.yaml))
	@.venv/bin/hadolint Dockerfile
	@.venv/bin/yamllint --strict deploy docker-compose.yml
	@if command -v promtool > /dev/null; then promtool check rules deploy/monitoring/alerts.yaml > /dev/null; fi
	@echo "check: all clean"

bench: $(READY) ## measure throughput and latency beside a plain Celery chord (N=..., LATENCIES=...)
	@$(PYTHON) -m tools.bench

chaos: $(READY) ## inject faults under load, then check invariants (SEED=..., TENANTS=..., MINUTES=...)
	@$(PYTHON) -m tools.chaos $(if $(SEED),--seed $(SEED)) $(if $(TENANTS),--tenants $(TENANTS)) $(if $(MINUTES),--minutes $(MINUTES))

secrets: ## make secrets, certificates and settings of the containers, once (COMPOSE_PROFILES=full: of the products too)
	@python3 -m deploy.prepare

up: secrets ## start the platform in containers (COMPOSE_PROFILES=full: the products and a proxy with TLS too)
	@since=$$(date +%s); docker compose up --detach --build --wait; status=$$?; \
	case ",$(COMPOSE_PROFILES)," in *,full,*) docker compose logs --no-log-prefix --since "$$since" bootstrap ;; esac; \
	exit $$status
	docker compose exec -T worker python -m worker.doctor

audit: $(READY) ## compare the locked packages with published advisories
	@$(PYTHON) -m tools.audit

sbom: $(READY) ## write a CycloneDX bill of materials of the image's packages to dist/
	@mkdir -p dist && .venv/bin/cyclonedx-py requirements requirements.lock --output-file dist/sbom.json
	@echo "dist/sbom.json"

release: $(READY) ## build wheels, bill of materials and, where docker is, the image, of the version in pyproject.toml
	@$(PYTHON) -m tools.release

clean: down ## remove the virtual environment and the sandbox's data
	@rm -rf .venv .sandbox .mypy_cache .ruff_cache .pytest_cache .hypothesis
