# The basket service. Build it in the project root: docker build -f dockerfiles/basket.dockerfile .
# The image may be named with a digest: --build-arg NODE_IMAGE=node:26-slim@sha256:…
ARG NODE_IMAGE=node:26-slim

FROM ${NODE_IMAGE} AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
COPY packages/kernel/package.json packages/kernel/
COPY packages/platform/package.json packages/platform/
COPY packages/contracts/package.json packages/contracts/
COPY packages/redis/package.json packages/redis/
COPY packages/workers/package.json packages/workers/
COPY services/basket/package.json services/basket/
# Optional dependencies are the embedded databases, which the container does not use. No other dependency needs its
# install script.
RUN npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund --workspace services/basket
# Type declarations and source maps are only for editors and debuggers.
RUN find node_modules -name '*.d.?ts' -delete -o -name '*.d.ts' -delete -o -name '*.map' -delete

FROM ${NODE_IMAGE} AS bundler
WORKDIR /bundler
COPY package.json package-lock.json ./
COPY scripts/bundle scripts/bundle
RUN npm ci --ignore-scripts --no-audit --no-fund --workspace scripts/bundle

FROM dependencies AS bundle
COPY --from=bundler /bundler /bundler
COPY packages packages
COPY services/basket services/basket
RUN node /bundler/scripts/bundle/bundle.ts basket

FROM ${NODE_IMAGE}
# tini runs as process 1 and forwards signals. The kernel drops signals for which process 1 has no handler, and Node.js has
# none while it starts.
RUN apt-get update && apt-get install -y --no-install-recommends tini && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*
WORKDIR /app
ARG NODE_IMAGE
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="basket-service" \
      org.opencontainers.image.description="Shopping baskets over REST, in Redis" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.base.name="${NODE_IMAGE}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENV NODE_ENV=production ENVIRONMENT=production
COPY --from=dependencies /app/node_modules node_modules
COPY package.json ./
COPY packages packages
COPY services/basket services/basket
COPY --from=bundle /app/services/basket/dist services/basket/dist
# Fills the compile cache with a start that fails on an invalid port (exit code 78), so that later starts are faster. Node.js
# keeps a cache for each user. The service may only read it.
ENV NODE_COMPILE_CACHE=/app/.cache
RUN install -d -o 1000 .cache \
  && { PORT=none setpriv --reuid=1000 --regid=1000 --clear-groups node services/basket/dist/main.js 2>/dev/null; test $? -eq 78; } \
  && chown -R root:root .cache && chmod -R a=rX .cache
USER 1000:1000
EXPOSE 8081
# On a busy machine, starting Node.js for the check takes seconds.
HEALTHCHECK --interval=5s --timeout=10s --start-period=60s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + (process.env.OPERATIONS_PORT || process.env.PORT || 8081) + '/health/ready').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["tini", "--"]
CMD ["node", "services/basket/dist/main.js"]
