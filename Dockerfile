# memX on workerd, as `npm start` runs it. The image has no build tools and no source of the Worker. The digest fixes Node,
# npm and every Debian package; no step installs others. package-lock.json fixes the packages of npm.

FROM node:24.21.0-bookworm-slim@sha256:0e0ff40c39bc087845bfb27465a0df4ea419520094bc35842ff83dd8cbe6f9b6 AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm install --ignore-scripts
COPY wrangler.toml tsconfig.json ./
COPY config config
COPY scripts scripts
COPY sdk sdk
COPY durable-objects durable-objects
COPY memory memory
COPY worker worker
COPY dashboard dashboard
# workerd does not read the source map, which contains the source of the Worker.
RUN npm run build && rm dist/index.js.map

FROM node:24.21.0-bookworm-slim@sha256:0e0ff40c39bc087845bfb27465a0df4ea419520094bc35842ff83dd8cbe6f9b6 AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# Not npm ci: see docs/decisions/0007-npm-install-not-npm-ci.md. workerd runs without its install script.
RUN npm install --omit=dev --ignore-scripts

FROM node:24.21.0-bookworm-slim@sha256:0e0ff40c39bc087845bfb27465a0df4ea419520094bc35842ff83dd8cbe6f9b6
# Inside the container. The published port decides who reaches it from outside. No port, because many platforms set PORT.
ENV NODE_ENV=production MEMX_HOST=0.0.0.0 MEMX_DATA_DIR=/data
WORKDIR /app
COPY --from=dependencies /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY --from=build /app/dashboard/dist dashboard/dist
COPY package.json ./
COPY config config
COPY selfhost selfhost
RUN mkdir -m 700 /data && chown node /data
USER node
VOLUME /data
EXPOSE 8000
HEALTHCHECK --start-period=30s CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.MEMX_PORT || process.env.PORT || 8000}/health?ready`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
# Without a shell, so that it receives signals.
CMD ["node", "selfhost/start.ts"]
