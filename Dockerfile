# memX on workerd, as `npm start` runs it. The image has no build tools and no source of the Worker.

FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm install --ignore-scripts
COPY wrangler.toml ./
COPY config config
COPY scripts scripts
COPY sdk sdk
COPY durable-objects durable-objects
COPY memory memory
COPY worker worker
# workerd does not read the source map, which contains the source of the Worker.
RUN npm run build && rm dist/index.js.map

FROM node:24-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# Not npm ci: see docs/decisions/0007-npm-install-not-npm-ci.md. workerd runs without its install script.
RUN npm install --omit=dev --ignore-scripts

FROM node:24-bookworm-slim
# Inside the container. The published port decides who reaches it from outside.
ENV NODE_ENV=production HOST=0.0.0.0 PORT=8000 MEMX_DATA_DIR=/data
WORKDIR /app
COPY --from=dependencies /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY package.json ./
COPY config config
COPY selfhost selfhost
RUN mkdir /data && chown node /data
USER node
VOLUME /data
EXPOSE 8000
HEALTHCHECK --start-period=30s CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/health`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
# Without a shell, so that it receives signals.
CMD ["node", "selfhost/start.ts"]
