# `make` alone lists the targets. All targets run with the Node.js version of this project.
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)
# Share compiled code between processes.
export NODE_COMPILE_CACHE := $(CURDIR)/node_modules/.cache/node-compile-cache
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help dev product basket issuer token build test test-faults attack check-history watch coverage lint format proto openapi dashboards check-generated release release-contracts \
        bench-versions bench-identity bench-rates bench-keys bench-tls db-migrate db-status db-seed db-backup db-restore env api-key audit-subject certificates docker-build docker-run docker-stop docker-seed docker-backup \
        docker-restore test-compose sbom bench hooks clean clean-all

INSTALLED := node_modules/.installed
BUNDLED := product basket
# The NestJS implementation that make bench compares with. Only make bench installs it: 155 packages, 66 MB.
NEST := bench/baselines/nest
# These targets read FILE, SERVICE, NAME, SCOPES and VERSION only from the command line, because shells may export such variables.
given = $(if $(filter command line,$(origin $1)),$($1))
# Expanded only by the targets that run tests: FILE of db-restore may contain spaces.
TESTS = $(or $(foreach file,$(call given,FILE),'$(if $(findstring *,$(file))$(wildcard $(file)),$(file),$(error FILE=$(file): no such file))'),\
  $(foreach service,$(call given,SERVICE),'$(or $(wildcard services/$(service)),$(error SERVICE=$(service): no such folder in services/))/**/*.test.ts'),\
  'packages/**/*.test.ts' 'services/**/*.test.ts' 'tests/**/*.test.ts')
FAULT_TESTS = $(or $(call given,FILE),'packages/**/*.faults.ts' 'services/**/*.faults.ts' 'tests/**/*.faults.ts')
BY_NAME = $(if $(call given,NAME),--test-name-pattern="$$NAME")
RUN_TESTS = --test --test-concurrency=4 --test-timeout=120000 $(BY_NAME) $(TESTS)

# First line of a recipe that needs Docker: explains what is missing and what to do instead.
define DOCKER_HERE
docker compose version >/dev/null 2>&1 || { echo 'make: docker compose not found: install Docker with its compose plugin. Without it, use make dev, or build the images with buildah (docs/operations.md)' >&2; exit 1; }; \
docker info >/dev/null 2>&1 || { echo 'make: the Docker engine is not running: start it, or build the images with buildah (docs/operations.md)' >&2; exit 1; }
endef

help: ## List the targets
	@bold= normal=; if [ -t 1 ] && [ -z "$${NO_COLOR:-}" ] && [ "$${TERM:-dumb}" != dumb ]; then bold=$$'\033[1m' normal=$$'\033[0m'; fi; \
	grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' -v bold="$$bold" -v normal="$$normal" '{ printf "  %s%-17s%s %s\n", bold, $$1, normal, $$2 }'

$(INSTALLED): package-lock.json package.json packages/*/package.json services/*/package.json bench/package.json tests/client/package.json scripts/bundle/package.json
	@scripts/install.sh
	@touch $@

dev: $(INSTALLED) ## Run both services, on embedded engines unless servers are configured; restarts on change
	@exec node scripts/dev.ts

product: $(INSTALLED) ## Run the product service in the foreground, configured by the environment
	@exec node services/product/src/main.ts

basket: $(INSTALLED) ## Run the basket service in the foreground, configured by the environment
	@exec node services/basket/src/main.ts

issuer: $(INSTALLED) ## Run an issuer of access tokens on loopback, to try AUTH=jwt with (docs/identity.md); not for production
	@exec node scripts/issuer.ts

# Nothing is installed here: its output would be part of the token.
token: ## Print an access token of that issuer for NAME=ann, ben, editor or office
	@exec node scripts/token.ts '$(call given,NAME)'

build: $(INSTALLED) check-generated ## Check types, and that generated files are up to date; bundle the services as in the images
	tsc
	node scripts/bundle/bundle.ts $(BUNDLED)

test: $(INSTALLED) ## Run all tests, or those of SERVICE=product, FILE=path-or-glob, NAME=pattern
	node $(RUN_TESTS)

test-faults: $(INSTALLED) ## Run the longer tests: faults, attacks, restarts, backups and storms; takes FILE like test
	node --test --test-concurrency=2 --test-timeout=240000 $(FAULT_TESTS)

attack: $(INSTALLED) ## Attack shares, identity and limits of both services in the long form, and print what an innocent client sees (half an hour; needs PostgreSQL and redis-server); takes NAME like test
	ATTACK=long node --test --test-concurrency=1 --test-timeout=240000 --test-reporter=spec $(BY_NAME) tests/attacks/attacks.test.ts 'tests/identity/*.faults.ts'

check-history: $(INSTALLED) ## Check that histories of baskets are linearizable while processes, connections and stores fail (MINUTES=10; takes ENGINE=sqlite, redis or cluster, and SEED; needs redis-server)
	@exec node scripts/check-history.ts

test-compose: $(INSTALLED) ## Build the images and try docker-compose.yml: shop, scale, kill, back up, upgrade, attack (needs Docker)
	@$(DOCKER_HERE)
	node --test --test-concurrency=1 --test-timeout=900000 --test-reporter=spec 'tests/compose/*.compose.ts'

watch: $(INSTALLED) ## Rerun the tests when a file changes; takes FILE, SERVICE and NAME like test
	@exec node --watch $(RUN_TESTS)

# Coverage is less precise for functions from a compile cache.
coverage: $(INSTALLED) ## Run the tests and write coverage/index.html; takes FILE, SERVICE and NAME like test
	@trap 'rm -rf coverage/tmp' EXIT; \
	NODE_DISABLE_COMPILE_CACHE=1 c8 --reporter text-summary --reporter html --reporter lcovonly --merge-async \
	  --include '{packages,services}/*/src/**' --exclude 'packages/{contracts,testing}/**' node $(RUN_TESTS)

lint: $(INSTALLED) ## Check format, lint rules, types, unused code, and that no contract breaks clients of the last release
	biome check
	oxlint --type-aware --deny-warnings
	tsc
	knip
	buf lint
	buf breaking --against api/released/proto
	node scripts/openapi-breaking.ts
	node scripts/openapi-lint.ts
	REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true redocly lint --format=stylish

format: $(INSTALLED) ## Format the code
	biome check --write

proto: $(INSTALLED) ## Generate packages/contracts from api/proto
	buf generate
	node scripts/descriptors.ts

openapi: $(INSTALLED) ## Generate api/openapi from the schemas of the routes
	node scripts/openapi.ts

dashboards: $(INSTALLED) ## Generate the Grafana dashboards from scripts/dashboards
	node scripts/dashboards.ts

release-contracts: ## Copy the current contracts to api/released, which make lint compares with
	rm -rf api/released
	mkdir api/released
	cp -r api/proto api/openapi api/released

release: $(INSTALLED) ## Prepare release VERSION=x.y.z: set the version everywhere and copy the contracts to api/released
	node scripts/release.ts '$(call given,VERSION)'
	npm install --package-lock-only --ignore-scripts
	cd $(NEST) && npm install --package-lock-only --ignore-scripts
	$(MAKE) openapi release-contracts

check-generated: proto openapi dashboards ## Generate everything again, and fail if that changes a file that Git knows
	@git diff --exit-code --stat -- packages/contracts/src api/openapi deploy/observability/grafana/dashboards || { echo 'make: generated files are out of date: commit the regenerated files' >&2; exit 1; }

db-migrate: $(INSTALLED) ## Apply migrations to the database of DATABASE_URL or DB_HOST, or to the embedded one
	@exec node services/product/src/admin/migrate.ts

db-status: $(INSTALLED) ## List applied and pending migrations, and used product ids
	@exec node services/product/src/admin/status.ts

db-seed: $(INSTALLED) ## Add ten sample products to an empty catalog, or COUNT=n generated ones (reproducible with SEED=n)
	@exec node services/product/src/admin/seed.ts

db-backup: $(INSTALLED) ## Dump the database to backups/, with a checksum
	@exec node services/product/src/admin/backup.ts

db-restore: $(INSTALLED) ## Restore the database from FILE=…; the previous one is kept under another name
	@exec node services/product/src/admin/restore.ts

env: ## Write .env for docker-compose.yml, with random passwords; values that it has are kept
	@scripts/env.sh

api-key: $(INSTALLED) ## Make an API key: prints it once, and the line for the file of API_KEYS_FILE; takes NAME and SCOPES="products:write baskets:any"
	@exec env $(if $(call given,NAME),,NAME=) $(if $(call given,SCOPES),,SCOPES=) node scripts/api-key.ts

audit-subject: $(INSTALLED) ## Print what stands for SUBJECT in the audit log; needs AUDIT_KEY or AUDIT_KEY_FILE as the services have it
	@exec env $(if $(call given,SUBJECT),,SUBJECT=) node scripts/audit-subject.ts

certificates: ## Make certificates to try TLS with, in the folder certificates (docs/tls.md); again: new ones of the same authority
	@scripts/certificates.sh

docker-build: ## Build the images of both services, and that of the programs for the database
	@$(DOCKER_HERE)
	@scripts/env.sh
	docker compose --profile admin build

docker-run: ## Start the shop in containers; PROFILES=observability,scale starts more, SEED=samples adds sample products
	@$(DOCKER_HERE)
	@scripts/env.sh
	COMPOSE_PROFILES='$(PROFILES)' docker compose up --detach --wait

docker-stop: ## Stop the containers; the data stays
	@$(DOCKER_HERE)
	COMPOSE_PROFILES='*' docker compose down

docker-seed: ## Like db-seed, for the shop in containers; takes COUNT and SEED, and needs FORCE=1
	@$(DOCKER_HERE)
	@docker compose run --rm --env COUNT="$${COUNT:-}" --env SEED="$${SEED:-}" --env FORCE="$${FORCE:-}" migrate \
	  node services/product/src/admin/seed.ts

docker-backup: ## Like db-backup, for the shop in containers
	@$(DOCKER_HERE)
	@mkdir -p -m 700 backups
	@docker compose run --rm --user "$$(id -u):$$(id -g)" --volume "$$PWD/backups:/app/backups" admin \
	  services/product/src/admin/backup.ts

docker-restore: ## Like db-restore, for the shop in containers; takes FILE and FORCE
	@$(DOCKER_HERE)
	@docker compose run --rm --user "$$(id -u):$$(id -g)" --volume "$$(cd "$$(dirname "$${FILE:-.}")" && pwd):/app/backups:ro" \
	  --env FILE="$${FILE:+backups/$$(basename "$$FILE")}" --env FORCE="$${FORCE:-}" admin services/product/src/admin/restore.ts

sbom: $(INSTALLED) ## Write sbom.json, the bill of materials of the production dependencies (CycloneDX)
	npm sbom --sbom-format cyclonedx --omit dev --omit optional > sbom.json

$(NEST)/node_modules/.installed: $(NEST)/package-lock.json $(INSTALLED)
	cd $(NEST) && npm ci --loglevel=error
	@touch $@

bench: $(NEST)/node_modules/.installed ## Compare the services with others, such as NestJS, and with the limits of the machine (45 minutes; takes ONLY, CONNECTIONS, CANDIDATES, ROUNDS, SECONDS, RATES, PRODUCTS; needs PostgreSQL and Redis)
	@tsc -p $(NEST)
	@node scripts/bundle/bundle.ts $(BUNDLED)
	@node bench/compare.ts
	@[ -n "$${ONLY:-}$${CONNECTIONS:-}$${CANDIDATES:-}$${RATES:-}" ] || { node bench/overhead.ts; node bench/growth.ts; }

bench-versions: $(INSTALLED) ## Compare CPU time per request with the checkout BASE=../before (10 minutes; needs PostgreSQL and Redis)
	@exec node bench/versions.ts

bench-identity: $(INSTALLED) ## Compare the CPU time of reads with an API key, a token, no credentials and AUTH=off (5 minutes; takes ONLY, ROUNDS, SECONDS; needs PostgreSQL and Redis)
	@node scripts/bundle/bundle.ts $(BUNDLED)
	@exec node bench/identity.ts

bench-tls: $(INSTALLED) ## Compare the CPU time of reads and of new connections with and without TLS (3 minutes; takes ONLY, ROUNDS, SECONDS; needs PostgreSQL and wrk)
	@node scripts/bundle/bundle.ts $(BUNDLED)
	@exec node bench/tls.ts

bench-rates: $(INSTALLED) ## Compare the CPU time of requests with and without rate limits (3 minutes; takes ONLY, ROUNDS, SECONDS; needs PostgreSQL and Redis)
	@node scripts/bundle/bundle.ts $(BUNDLED)
	@exec node bench/rates.ts

bench-keys: $(INSTALLED) ## Compare the CPU time of adds and reads of baskets with and without idempotency keys (3 minutes; takes ONLY, ROUNDS, SECONDS; needs PostgreSQL and Redis)
	@node scripts/bundle/bundle.ts $(BUNDLED)
	@exec node bench/keys.ts

hooks: $(INSTALLED) ## Install Git hooks: check staged files before a commit, lint before a push (lefthook.yml)
	lefthook install

clean: ## Remove embedded data, logs and reports, unless a process uses them
	@scripts/unused.sh .data logs
	rm -rf .data logs coverage sbom.json

clean-all: ## Like clean, and remove node_modules; backups/, certificates/ and .env stay
	@scripts/unused.sh .data logs node_modules/node
	$(MAKE) clean
	rm -rf node_modules services/*/dist $(NEST)/node_modules $(NEST)/dist
