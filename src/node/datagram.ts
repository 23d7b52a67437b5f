/** UDP sockets for paths between nodes. */
import { createSocket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { limits } from '../base/limits.ts';
import { failure, success } from '../base/outcome.ts';
import type { Outcome } from '../base/outcome.ts';
import type { TransportAddress } from '../ports/connection.ts';
import type { DatagramHandler, DatagramOpener, DatagramSocket } from '../ports/datagram.ts';
import type { Trace } from '../ports/trace.ts';
import { listenError } from './tls.ts';

export interface DatagramOptions {
  readonly trace: Trace;
  /** Ports tried where the caller leaves the choice: for firewalls. Absent: the system chooses. */
  readonly ports?: { readonly from: number; readonly to: number } | undefined;
}

/** Ports of the range that are tried for one socket. */
const attempts = 16;

export function createDatagramOpener(options: DatagramOptions): DatagramOpener {
  const { trace, ports } = options;
  const lost = trace.counter('udp_datagrams_dropped_total', { reason: 'queue-full' });
  const unsent = trace.counter('udp_datagrams_dropped_total', { reason: 'not-sent' });
  const refused = trace.counter('udp_sockets_refused_total');
  let open = 0;
  let next = ports?.from ?? 0;

  function bind(
    at: TransportAddress,
    handler: DatagramHandler,
    tries: number,
    done: (outcome: Outcome<DatagramSocket>) => void,
  ): void {
    const chosen = at.port === 0 && ports !== undefined;
    const port = chosen ? portOfRange(ports) : at.port;
    const six = isIPv6(at.address);
    const socket = createSocket({
      type: six ? 'udp6' : 'udp4',
      ipv6Only: false,
      // All addresses are numeric; asking the resolver for each datagram would cost a turn.
      lookup: (address, _options, found) => {
        if (bound) found(null, address, six ? 6 : 4);
        else setImmediate(found, null, address, six ? 6 : 4);
      },
    });
    let bound = false;
    let waiting = 0;
    let closed = false;

    /** What was sent before still leaves. */
    function close(): void {
      if (closed) return;
      closed = true;
      open--;
      if (waiting === 0) socket.close();
    }

    socket.once('error', (error: NodeJS.ErrnoException) => {
      close();
      if (chosen && tries > 1 && open < limits.node.datagramSockets) {
        open++;
        bind(at, handler, tries - 1, done);
      } else done(failure(listenError({ address: at.address, port }, error)));
    });
    socket.bind({ address: at.address, port }, () => {
      bound = true;
      socket.removeAllListeners('error');
      socket.on('error', (error) => {
        close();
        handler.failed?.(error.message);
      });
      socket.on('message', (bytes, { address, port: from }) => {
        if (!closed) handler.received(bytes, { address: plain(address), port: from });
      });
      done(
        success({
          local: { address: at.address, port: socket.address().port },
          send(bytes, to) {
            if (closed) return;
            if (isIPv6(to.address) !== six) {
              unsent.add();
              return;
            }
            if (waiting >= limits.node.datagramsWaiting) {
              lost.add();
              return;
            }
            waiting++;
            socket.send(bytes, to.port, to.address, (error) => {
              waiting--;
              if (closed && waiting === 0) socket.close();
              // A refusal that an earlier datagram met is a loss like any other.
              if (error !== null) unsent.add();
            });
          },
          close,
        }),
      );
    });
  }

  function portOfRange(range: { readonly from: number; readonly to: number }): number {
    const port = next;
    next = next >= range.to ? range.from : next + 1;
    return port;
  }

  return {
    open(at, handler, done) {
      if (open >= limits.node.datagramSockets) {
        refused.add();
        setImmediate(done, failure('too many UDP sockets'));
        return;
      }
      open++;
      bind(at, handler, attempts, done);
    },
  };
}

/** IPv4 senders on an IPv6 socket are shown as what they are; zones are left out. */
function plain(address: string): string {
  const text = address.split('%', 1)[0] ?? address;
  return text.startsWith('::ffff:') && text.includes('.') ? text.slice(7) : text;
}
