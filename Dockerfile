# memX on workerd: the package memx-server, as npm installs it, without build tools. The digest fixes Node, npm and every
# Debian package; no step installs others. package-lock.json fixes the packages that build memx-server, which names its own
# dependencies by exact versions.

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
COPY selfhost selfhost
COPY LICENSE ./
RUN npm run build && npm run server && mv dist/memx-server-*.tgz memx-server.tgz

FROM node:24.21.0-bookworm-slim@sha256:0e0ff40c39bc087845bfb27465a0df4ea419520094bc35842ff83dd8cbe6f9b6 AS dependencies
WORKDIR /app
COPY .npmrc ./
COPY --from=build /app/memx-server.tgz memx-server.tgz
# workerd runs without its install script.
RUN npm install --ignore-scripts ./memx-server.tgz

FROM node:24.21.0-bookworm-slim@sha256:0e0ff40c39bc087845bfb27465a0df4ea419520094bc35842ff83dd8cbe6f9b6
# Inside the container. The published port decides who reaches it from outside. No port, because many platforms set PORT.
ENV NODE_ENV=production MEMX_HOST=0.0.0.0 MEMX_DATA_DIR=/data
WORKDIR /app
COPY --from=dependencies /app/node_modules node_modules
RUN mkdir -m 700 /data && chown node /data
USER node
VOLUME /data
EXPOSE 8000
HEALTHCHECK --start-period=30s CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.MEMX_PORT || process.env.PORT || 8000}/health?ready`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
# Without a shell, so that it receives signals.
CMD ["node", "node_modules/memx-server/selfhost/memx-server.js"]
