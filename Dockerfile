# A static binary, and the certificates to trust, on nothing.

FROM rust:1.95-alpine AS build
# zlib-ng is built by cmake; ring, mimalloc and zstd need a C compiler.
RUN apk add --no-cache build-base ca-certificates cmake
WORKDIR /build
COPY Cargo.toml Cargo.lock ./
COPY src src
RUN cargo build --locked --release --bin narthex
# What the image's user may read: a folder for config.yaml, owned by nobody in particular.
# And one for what is kept for clients, owned by the image's user. The store is there if nothing else is said; no variable
# says so, since that would be a second place beside a NARTHEX_STORE_URL.
RUN mkdir -p /image/app /image/data /image/etc/ssl/certs \
    && chown 65532:65532 /image/data \
    && ln -s /data/narthex.db /image/app/narthex.db \
    && cp target/release/narthex /image/narthex \
    && cp /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/

FROM scratch
COPY --from=build /image /
WORKDIR /app
USER 65532:65532
# Every interface of the container; without a key the gateway makes one and prints it.
ENV NARTHEX_LISTEN=0.0.0.0
# What is kept for clients is in /data: mount a volume there to keep it beyond the container.
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=6s --start-period=20s --retries=3 CMD ["/narthex", "health"]
ENTRYPOINT ["/narthex"]
