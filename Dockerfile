# syntax=docker/dockerfile:1
# The image for users: docker build -t gatehouse . Its content is that of "make image" (hack/image/build.sh), which needs
# neither docker nor a registry; only the system below it is an official image here.
FROM node:24.21.0-bookworm-slim AS build
WORKDIR /src
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund
COPY . .
RUN node --disable-warning=ExperimentalWarning hack/image/assemble.ts /out

FROM node:24.21.0-bookworm-slim
# tini reaps what sessions leave behind. The node of the base is ours; what only installs packages goes.
RUN apt-get update \
  && apt-get install -y --no-install-recommends tini \
  && rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/* /usr/local/lib/node_modules /opt/yarn-* \
    /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack /usr/local/bin/yarn /usr/local/bin/yarnpkg \
    /usr/local/bin/docker-entrypoint.sh \
  && find / -xdev -type f -perm /6000 -exec chmod ug-s {} + \
  && userdel -r node \
  && groupadd -g 65532 gatehouse \
  && useradd -u 65532 -g 65532 -d /var/lib/gatehouse -s /bin/bash -c Gatehouse gatehouse \
  && install -d -o 65532 -g 65532 -m 700 /var/lib/gatehouse \
  && mkdir -p /etc/gatehouse /opt/gatehouse/node_modules/node/bin \
  && ln -s /usr/local/bin/node /opt/gatehouse/node_modules/node/bin/node
COPY --from=build /out/packages /
COPY --from=build /out/app /
RUN ln -s /opt/gatehouse/bin/gatehouse /opt/gatehouse/bin/gatectl /opt/gatehouse/bin/gate /usr/local/bin/

# What node compiles at a first start, kept read-only: later starts take half the time.
ENV NODE_COMPILE_CACHE=/opt/gatehouse/compiled HOME=/var/lib/gatehouse
RUN install -d -o 65532 -g 65532 "$NODE_COMPILE_CACHE"
USER 65532:65532
RUN --mount=type=bind,source=hack/image/first-start.ts,target=/tmp/first-start.ts \
  mkdir /tmp/first && node --disable-warning=ExperimentalWarning /tmp/first-start.ts /tmp/first && rm -rf /tmp/first
USER root
RUN chown -R 0:0 "$NODE_COMPILE_CACHE" && chmod -R u=rwX,go=rX "$NODE_COMPILE_CACHE"

USER 65532:65532
WORKDIR /var/lib/gatehouse
LABEL org.opencontainers.image.title="Gatehouse" org.opencontainers.image.licenses="Apache-2.0"
ENTRYPOINT ["tini", "--", "gatehouse"]
CMD ["start"]
