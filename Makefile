# Two commands do everything on a fresh machine: `make dev` and `make test`.

NODE := ./node_modules/.bin/node

# Installs again only if the lock file is newer.
node_modules/.package-lock.json: package.json package-lock.json
	npm install
	@touch $@

# Not through npm, so that the server ends with make.
.PHONY: dev
dev: node_modules/.package-lock.json
	@$(NODE) scripts/dev.ts

# Production, on this machine.
.PHONY: serve
serve: node_modules/.package-lock.json
	@$(NODE) scripts/build.ts
	@$(NODE) selfhost/start.ts

.PHONY: test
test: node_modules/.package-lock.json
	@npm test

.PHONY: test-long
test-long: node_modules/.package-lock.json
	@npm run test:long

.PHONY: check
check: node_modules/.package-lock.json
	@npm run check
