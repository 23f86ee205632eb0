# Two images: `postgres` is PostgreSQL 15 with wal2json let in, `pgherald` is the daemon.
#
#   docker build --target pgherald -t pgherald .

FROM debian:12-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends \
      build-essential pkg-config libpq-dev libjansson-dev libcurl4-openssl-dev \
      libwebsockets-dev libuv1-dev libssl-dev librhonabwy-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN make -j"$(nproc)" BUILD=/build && make BUILD=/build prefix=/usr DESTDIR=/out install

FROM debian:12-slim AS pgherald
RUN apt-get update && apt-get install -y --no-install-recommends \
      libpq5 libjansson4 libcurl4 libwebsockets17 libwebsockets-evlib-uv libuv1 libssl3 \
      librhonabwy1.1 ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --no-create-home pgherald
COPY --from=build /out/usr/bin/pgherald /usr/bin/pgherald
USER pgherald
# Inside a container loopback is nobody's: the port is published, or not, by whoever runs it.
ENV PGHERALD_LISTEN=0.0.0.0:4000 PGHERALD_ADMIN_LISTEN=127.0.0.1:4001
EXPOSE 4000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["pgherald", "status", "--json"]
ENTRYPOINT ["pgherald"]
CMD ["run"]

FROM postgres:15-bookworm AS postgres
RUN apt-get update && apt-get install -y --no-install-recommends postgresql-15-wal2json \
    && rm -rf /var/lib/apt/lists/*
