FROM debian:bookworm-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends nodejs npm ca-certificates \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/chordial
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY . .
RUN npm run build

FROM debian:bookworm-slim
RUN useradd --system --home-dir /var/lib/chordial --create-home chordial
WORKDIR /opt/chordial
COPY --from=build /opt/chordial /opt/chordial
USER chordial
VOLUME /var/lib/chordial
EXPOSE 5060/udp 5060/tcp 5061/tcp 5066/tcp 6084/tcp 6084/udp 6085/tcp 6085/udp 6086/tcp 6086/udp 8443/tcp
ENTRYPOINT ["/opt/chordial/node_modules/node/bin/node", "/opt/chordial/dist/main.js"]
CMD ["start", "--dir", "/var/lib/chordial"]
