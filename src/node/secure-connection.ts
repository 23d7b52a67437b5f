/** A TLS socket as the core sees it. */
import type { TLSSocket } from 'node:tls';
import { limits } from '../base/limits.ts';
import type { Certificate } from '../ports/certificates.ts';
import type { ConnectionHandler, SecureConnection } from '../ports/connection.ts';
import type { Trace } from '../ports/trace.ts';

const keepAliveMs = 30_000;
/** RFC 5705 §4: labels that begin so need no registration. */
const bindingLabel = 'EXPERIMENTAL reload introduction';
const noContext = Buffer.alloc(0);

/** Takes the socket over after its handshake. Nothing is read from it before a handler is set. */
export function secureConnection(
  socket: TLSSocket,
  role: 'client' | 'server',
  peerChain: readonly Certificate[],
  trace: Trace,
): SecureConnection {
  let handler: ConnectionHandler | undefined;
  let queue: Uint8Array[] = [];
  let queuedBytes = 0;
  let aboveHighWater = false;
  let closing = false;
  let reason: string | undefined;
  let gone = false;
  let linger: NodeJS.Timeout | undefined;

  const local = { address: plainAddress(socket.localAddress), port: socket.localPort ?? 0 };
  const remote = { address: plainAddress(socket.remoteAddress), port: socket.remotePort ?? 0 };

  socket.disableRenegotiation();
  socket.setNoDelay(true);
  socket.setKeepAlive(true, keepAliveMs);
  socket.setTimeout(0);
  socket.on('error', (error: Error) => {
    reason ??= error.message;
  });
  socket.on('drain', () => {
    if (!aboveHighWater || bufferedBytes() > limits.node.lowWaterBytes) return;
    aboveHighWater = false;
    handler?.drained?.();
  });
  socket.once('end', () => {
    reason ??= 'closed by the far end';
  });
  socket.once('close', () => {
    gone = true;
    closing = true;
    queue = [];
    queuedBytes = 0;
    clearTimeout(linger);
    handler?.closed(reason ?? 'connection lost');
  });

  function bufferedBytes(): number {
    return queuedBytes + socket.writableLength;
  }

  /** What was sent during one event leaves as one TLS record and one system call. */
  function flush(): void {
    if (queue.length === 0 || gone) return;
    const [first] = queue;
    const bytes = queue.length === 1 && first !== undefined ? first : Buffer.concat(queue);
    queue = [];
    queuedBytes = 0;
    socket.write(bytes);
    if (bufferedBytes() > limits.node.highWaterBytes) aboveHighWater = true;
  }

  return {
    role,
    local,
    remote,
    peerChain,
    ...(peerChain.length === 0
      ? { sharedSecret: true, binding: socket.exportKeyingMaterial(32, bindingLabel, noContext) }
      : {}),
    get bufferedBytes() {
      return bufferedBytes();
    },
    setHandler(given) {
      handler = given;
      if (gone) {
        setImmediate(() => {
          given.closed(reason ?? 'connection lost');
        });
        return;
      }
      socket.on('data', (bytes: Buffer) => {
        if (!closing) given.data(bytes);
      });
    },
    send(bytes) {
      if (closing || bytes.length === 0) return;
      if (bufferedBytes() + bytes.length > limits.node.stuckBytes) {
        trace.counter('tls_connections_dropped_total', { why: 'far-end-does-not-read' }).add();
        reason = 'the far end does not read';
        closing = true;
        socket.destroy();
        return;
      }
      queuedBytes += bytes.length;
      if (queue.push(bytes) === 1) process.nextTick(flush);
    },
    close(why) {
      if (closing) return;
      flush();
      closing = true;
      reason = why;
      socket.end();
      // Reading on, so that the far end's last bytes do not turn our close into a reset.
      socket.resume();
      linger = setTimeout(() => socket.destroy(), limits.node.closeLingerMs);
    },
  };
}

/** IPv4 addresses that arrive on an IPv6 socket are shown as what they are. */
function plainAddress(address: string | undefined): string {
  const text = address ?? '';
  return text.startsWith('::ffff:') && text.includes('.') ? text.slice(7) : text;
}
