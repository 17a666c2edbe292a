# Espalier in a container: docs/install.md says how to build and run it, and what was rehearsed without a registry.
# Whatever ends it has to give it 40 s: ESPALIER_DRAIN_DELAY_SECONDS (5), 30 for requests in flight, and 5 more.

FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY patches patches
RUN npm ci
COPY .ci/build.ts .ci/build.ts
COPY tsconfig.json tsconfig.build.json ./
COPY src src
RUN node .ci/build.ts

FROM node:24-bookworm-slim AS dependencies
# The list of packages is called after this directory.
WORKDIR /espalier
COPY package.json package-lock.json .npmrc ./
COPY patches patches
RUN npm ci --omit=dev
# Every package that runs, with its version, licence and checksum. Those for development are unknown here, for npm would
# call each of them missing.
RUN npm pkg delete devDependencies \
 && npm sbom --sbom-format=cyclonedx --sbom-type=application > sbom.cdx.json

# The system that the Node.js image stands on, without npm, yarn and corepack: nothing here can install anything.
FROM debian:bookworm-slim
RUN groupadd --gid 1000 espalier \
 && useradd --uid 1000 --gid espalier --home-dir /var/lib/espalier --no-create-home --shell /usr/sbin/nologin espalier \
 && install -d -o espalier -g espalier -m 0711 /var/lib/espalier
COPY --from=build /usr/local/bin/node /usr/local/bin/node
WORKDIR /app
COPY --from=dependencies /espalier/node_modules node_modules
COPY --from=dependencies /espalier/sbom.cdx.json sbom.cdx.json
COPY --from=build /app/dist dist
COPY package.json LICENSE NOTICE ./
COPY migrations migrations
ENV NODE_ENV=production \
    ESPALIER_DATA_DIR=/var/lib/espalier \
    # Inside a container the loopback address reaches nobody; what is published decides who comes in.
    ESPALIER_ADMIN_LISTEN=0.0.0.0:9443 \
    ESPALIER_OPS_LISTEN=0.0.0.0:9464
# By number, so that Kubernetes can see that it is not root. The root file system may be read-only; data and /tmp are written.
USER 1000:1000
VOLUME /var/lib/espalier
# Data, admin, ops.
EXPOSE 8443 9443 9464
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:9464/health/live').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
LABEL org.opencontainers.image.title="Espalier" \
      org.opencontainers.image.description="Multi-tenant gateway between Jamf Pro and Microsoft Intune" \
      org.opencontainers.image.licenses="Apache-2.0"
ENTRYPOINT ["node", "/app/dist/cli/main.js"]
CMD ["serve"]
