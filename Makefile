# `make` alone lists the targets. Everything runs with the Node of this project, whatever the machine has.
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)
# Compiled once, and not by every process that starts.
export NODE_COMPILE_CACHE := $(CURDIR)/node_modules/.cache/node-compile-cache
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help dev product basket build test watch coverage lint format proto openapi dashboards check-generated release release-contracts \
        bench-versions db-migrate db-status db-seed db-backup db-restore docker-build docker-run docker-stop sbom bench hooks clean clean-all

INSTALLED := node_modules/.installed
# FILE, SERVICE, NAME and VERSION count only on the command line: an environment may have variables of these names.
given = $(if $(filter command line,$(origin $1)),$($1))
TESTS := $(or $(foreach file,$(call given,FILE),'$(file)'),\
  $(foreach service,$(call given,SERVICE),'$(or $(wildcard services/$(service)),$(error SERVICE=$(service): no such folder in services/))/**/*.test.ts'),\
  'packages/**/*.test.ts' 'services/**/*.test.ts' 'tests/**/*.test.ts')
RUN_TESTS := --test --test-concurrency=3 --test-timeout=120000 $(if $(call given,NAME),--test-name-pattern="$$NAME") $(TESTS)

# A recipe's first line: says what is missing, and what to do instead.
define DOCKER_HERE
docker compose version >/dev/null 2>&1 || { echo 'make: docker compose is not here: install Docker with its compose plugin. Without it: make dev runs the shop, and docs/operations.md says how buildah builds the images' >&2; exit 1; }; \
docker info >/dev/null 2>&1 || { echo 'make: no Docker engine answers: start it, or see docs/operations.md for the way without one' >&2; exit 1; }
endef

help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  \033[1m%-17s\033[0m %s\n", $$1, $$2 }'

$(INSTALLED): package-lock.json package.json packages/*/package.json services/*/package.json bench/package.json
	@command -v npm >/dev/null || { echo 'make: npm is not here: install Node.js 20 or newer, which brings it' >&2; exit 1; }
	@# An npm that does not know allowScripts would let lefthook install its hooks; CI keeps lefthook from it.
	CI=true npm ci --loglevel=error
	@touch $@

dev: $(INSTALLED) ## Both services, embedded unless a server is named, restarting on change
	@exec node scripts/dev.ts

product: $(INSTALLED) ## The product service in the foreground, configured by the environment
	@exec node services/product/src/main.ts

basket: $(INSTALLED) ## The basket service in the foreground, configured by the environment
	@exec node services/basket/src/main.ts

build: $(INSTALLED) check-generated ## Check types, and that generated files are those of their sources; there is nothing to compile
	tsc

test: $(INSTALLED) ## All tests, or those of SERVICE=product, FILE=path-or-glob, NAME=pattern; without PostgreSQL or Redis theirs are skipped, unless CI=true
	node $(RUN_TESTS)

watch: $(INSTALLED) ## Run the tests again when a file changes; FILE, SERVICE and NAME as for test
	@exec node --watch $(RUN_TESTS)

# V8 counts less precisely in functions from a compile cache.
coverage: $(INSTALLED) ## Run the tests and write coverage/index.html and lcov.info; FILE, SERVICE and NAME as for test
	@trap 'rm -rf coverage/tmp' EXIT; \
	env -u NODE_COMPILE_CACHE c8 --reporter text-summary --reporter html --reporter lcovonly --merge-async \
	  --include '{packages,services}/*/src/**' --exclude 'packages/{contracts,testing}/**' node $(RUN_TESTS)

lint: $(INSTALLED) ## Format, lint rules, types, unused code, and that the contracts break no client of the last release
	biome check
	oxlint --type-aware --deny-warnings
	tsc
	knip
	buf lint
	buf breaking --against api/released/proto
	node scripts/openapi-breaking.ts

format: $(INSTALLED) ## Format the code
	biome check --write

proto: $(INSTALLED) ## Generate packages/contracts from api/proto
	buf generate

openapi: $(INSTALLED) ## Generate api/openapi from the schemas of the routes
	node scripts/openapi.ts

dashboards: $(INSTALLED) ## Generate the dashboards of Grafana from scripts/dashboards
	node scripts/dashboards.ts

release-contracts: ## Make the contracts of today those of the last release, which make lint compares with
	rm -rf api/released
	mkdir api/released
	cp -r api/proto api/openapi api/released

release: $(INSTALLED) ## Prepare the release VERSION=x.y.z: the version everywhere, and the contracts of today as those of the release
	node scripts/release.ts '$(call given,VERSION)'
	npm install --package-lock-only --ignore-scripts
	$(MAKE) openapi release-contracts

check-generated: proto openapi dashboards
	@git diff --exit-code --stat -- packages/contracts api/openapi deploy/observability/grafana/dashboards || { echo 'make: generated files differ from what is committed: commit them' >&2; exit 1; }

db-migrate: $(INSTALLED) ## Apply the migrations to the database that DATABASE_URL or DB_HOST names, or to the embedded one
	@exec node services/product/src/admin/migrate.ts

db-status: $(INSTALLED) ## List the migrations: applied and pending
	@exec node services/product/src/admin/status.ts

db-seed: $(INSTALLED) ## Add ten sample products to an empty catalog, or COUNT=n invented ones, the same for the same SEED=n
	@exec node services/product/src/admin/seed.ts

db-backup: $(INSTALLED) ## Dump the named database to backups/, with a checksum
	@exec node services/product/src/admin/backup.ts

db-restore: $(INSTALLED) ## Put FILE=… in the place of the named database, which is kept under another name
	@exec node services/product/src/admin/restore.ts

docker-build: ## Build the images of both services
	@$(DOCKER_HERE)
	docker compose build

docker-run: ## Start the shop in containers; PROFILES=observability,scale starts more
	@$(DOCKER_HERE)
	COMPOSE_PROFILES='$(PROFILES)' docker compose up --detach --wait

docker-stop: ## Stop the containers; their data stays
	@$(DOCKER_HERE)
	COMPOSE_PROFILES='*' docker compose down

sbom: $(INSTALLED) ## Write sbom.json, the bill of materials of what runs in production (CycloneDX)
	npm sbom --sbom-format cyclonedx --omit dev --omit optional > sbom.json

bench: $(INSTALLED) ## Our services beside the limits of the machine and the obvious way to write them (needs PostgreSQL and Redis; twenty minutes)
	@node bench/compare.ts
	@node bench/overhead.ts
	@exec node bench/growth.ts

bench-versions: $(INSTALLED) ## Processor time per request beside another checkout: BASE=../before, installed (needs PostgreSQL and Redis; ten minutes)
	@exec node bench/versions.ts

hooks: $(INSTALLED) ## Check what is staged at every commit, and lint before every push, by the hooks in lefthook.yml
	lefthook install

clean: ## Remove the embedded data and the logs
	rm -rf .data logs coverage sbom.json

clean-all: clean ## Remove everything that is not in the repository: also node_modules
	rm -rf node_modules
