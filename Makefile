# Two commands do everything on a fresh machine: `make dev` and `make test`.

NODE := ./node_modules/.bin/node

# Installed again only when the lock file is newer.
node_modules/.package-lock.json: package.json package-lock.json
	npm install
	@touch $@

# Not through npm, so that ending make ends the server too.
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

.PHONY: check
check: node_modules/.package-lock.json
	@npm run check
