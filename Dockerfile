# Espalier in a container. Build: docker build -t espalier .
# Run: docker run -p 8443:8443 -v espalier:/var/lib/espalier --stop-timeout 40 espalier
# 40 s: ESPALIER_DRAIN_DELAY_SECONDS (5), 30 for requests in flight, and 5 more.

FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY .ci .ci
COPY patches patches
RUN npm ci
COPY tsconfig.json tsconfig.build.json ./
COPY src src
RUN node .ci/build.ts

FROM node:24-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY patches patches
RUN npm ci --omit=dev

FROM node:24-bookworm-slim
ENV NODE_ENV=production \
    ESPALIER_DATA_DIR=/var/lib/espalier \
    # Inside a container the loopback address reaches nobody; what is published decides who comes in.
    ESPALIER_ADMIN_LISTEN=0.0.0.0:9443 \
    ESPALIER_OPS_LISTEN=0.0.0.0:9464
WORKDIR /app
COPY --from=dependencies /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY package.json LICENSE ./
COPY migrations migrations
RUN install -d -o node -g node -m 0711 /var/lib/espalier
USER node
VOLUME /var/lib/espalier
# Data, admin, ops.
EXPOSE 8443 9443 9464
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:9464/health/live').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# A young generation of a fixed size: V8 lets it grow to 128 MB where the machine has much memory (docs/import-export.md).
ENTRYPOINT ["node", "--max-semi-space-size=16", "dist/cli/main.js"]
CMD ["serve"]
