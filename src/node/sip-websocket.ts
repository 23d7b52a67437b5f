import { isUtf8 } from 'node:buffer';
import http from 'node:http';
import https from 'node:https';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import type { RawData, WebSocket } from 'ws';
import { limits } from '../base/limits.ts';
import type { Flow } from '../ports/flow.ts';
import { plainAddress } from './sip-addresses.ts';
import type { ConnectionTable } from './sip-connections.ts';
import { closer, listen } from './sip-stream.ts';
import type { SipStreamServer } from './sip-stream.ts';
import { createTlsContexts, type SipTls } from './sip-tls.ts';
import type { SipListener } from './sip-transports.ts';

/** A WS or WSS listener: subprotocol `sip`, one message in each WebSocket message. RFC 7118. */
export function createSipWebSocketServer(
  table: ConnectionTable,
  wanted: SipListener,
): SipStreamServer {
  let listener = wanted;
  const secured = wanted.transport === 'wss' ? secure(wanted) : undefined;
  const server = secured?.server ?? http.createServer();
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: limits.sipMessage.headerBytes + limits.sipMessage.bodyBytes,
    perMessageDeflate: false,
    handleProtocols: () => 'sip',
  });
  const close = closer(server);
  server.on('request', (_request, response) => {
    response.writeHead(426, { Upgrade: 'websocket' }).end();
  });
  server.on('upgrade', (request: http.IncomingMessage, socket: Duplex, head: Buffer) => {
    const address = plainAddress(request.socket.remoteAddress);
    const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',');
    if (!offered.some((name) => name.trim() === 'sip')) {
      socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
    } else if (address === '' || !table.mayAccept(address)) {
      socket.destroy();
    } else {
      sockets.handleUpgrade(request, socket, head, (webSocket) => {
        adoptWebSocket(table, webSocket, request, listener);
      });
    }
  });

  return {
    get listener() {
      return listener;
    },
    start: () =>
      listen(server, wanted).then((port) => {
        listener = { ...wanted, port };
      }),
    close() {
      for (const client of sockets.clients) client.terminate();
      server.closeAllConnections();
      return close();
    },
    ...(secured === undefined ? {} : { useTls: secured.useTls }),
  };
}

function secure(wanted: SipListener): {
  readonly server: https.Server;
  readonly useTls: (settings: SipTls) => void;
} {
  const contexts = createTlsContexts(wanted.tls);
  const server = https.createServer(contexts.options);
  return {
    server,
    useTls: (settings) => {
      contexts.use(server, settings);
    },
  };
}

function adoptWebSocket(
  table: ConnectionTable,
  webSocket: WebSocket,
  request: http.IncomingMessage,
  listener: SipListener,
): void {
  const { events, limits: bounds } = table;
  const { socket } = request;
  let closed = false;
  const flow: Flow = {
    id: table.newId(listener.transport, listener.name),
    transport: listener.transport,
    reliable: true,
    secure: listener.transport === 'wss',
    local: { address: plainAddress(socket.localAddress), port: socket.localPort ?? 0 },
    remote: { address: plainAddress(socket.remoteAddress), port: socket.remotePort ?? 0 },
    listener: listener.name,
    peer: undefined,
    get closed() {
      return closed;
    },
    send(bytes) {
      if (closed) return false;
      if (webSocket.bufferedAmount + bytes.length > bounds.outputBytes) {
        end('output-full');
        webSocket.terminate();
        return false;
      }
      webSocket.send(bytes, { binary: !isUtf8(bytes) });
      return true;
    },
    close(why) {
      if (closed) return;
      webSocket.close();
      end(why);
    },
  };
  function end(why: string): void {
    if (closed) return;
    closed = true;
    table.remove(flow, why);
  }
  socket.setNoDelay(true);
  socket.setTimeout(bounds.idleMs, () => {
    flow.close('idle');
  });
  webSocket.on('message', (data: RawData) => {
    if (closed) return;
    const bytes = Buffer.isBuffer(data) ? data : Buffer.concat([data].flat() as Buffer[]);
    if (bytes.length > 4) events.message(flow, bytes);
    else if (bytes.toString('latin1') === '\r\n\r\n') flow.send(Buffer.from('\r\n'));
  });
  webSocket.on('error', (error) => {
    end(error.message);
  });
  webSocket.on('close', () => {
    end('closed-by-peer');
  });
  table.add(flow, undefined);
}
