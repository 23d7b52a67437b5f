/** DTLS to an address that is known beforehand: overlay link type DTLS-UDP-SR-NO-ICE, and bootstrap nodes. RFC 6940 §6.6.6. */
import { failure, type Outcome } from '../base/outcome.ts';
import type { Clock } from '../ports/clock.ts';
import type { Dialer, SecureConnection } from '../ports/connection.ts';
import type { DatagramOpener, DatagramSocket } from '../ports/datagram.ts';
import type { DtlsHost } from '../ports/dtls.ts';
import { connectDtls, type DtlsConnecting } from './dtls-connection.ts';

export interface DtlsDialerDependencies {
  readonly clock: Clock;
  readonly sockets: DatagramOpener;
  readonly dtls: DtlsHost;
  /** Own address to dial from, of the family of the target. */
  readonly localAddress: (target: string) => string;
}

/** Each connection has a socket of its own. */
export function createDtlsDialer(dependencies: DtlsDialerDependencies): Dialer {
  const { clock, sockets, dtls } = dependencies;

  return {
    dial(target, timeoutMs, done) {
      let socket: DatagramSocket | undefined;
      let connecting: DtlsConnecting | undefined;
      let settled = false;

      function settle(outcome: Outcome<SecureConnection>): void {
        if (settled) return;
        settled = true;
        timer.cancel();
        done(outcome);
      }
      function giveUp(reason: string): void {
        if (settled) return;
        if (connecting === undefined) {
          socket?.close();
          settle(failure(reason));
        } else connecting.lost(reason);
      }
      const name = `${target.address} port ${target.port}`;
      const timer = clock.after('dtls-dial', timeoutMs, () => {
        giveUp(`no DTLS connection to ${name} within ${timeoutMs} ms`);
      });

      const local = { address: dependencies.localAddress(target.address), port: 0 };
      const handler = {
        received(bytes: Uint8Array, from: { readonly address: string; readonly port: number }) {
          if (from.port === target.port && from.address === target.address) {
            connecting?.receive(bytes);
          }
        },
        failed: (reason: string) => connecting?.lost(reason),
      };
      sockets.open(local, handler, (opened) => {
        if (!opened.ok) {
          settle(opened);
          return;
        }
        if (settled) {
          opened.value.close();
          return;
        }
        socket = opened.value;
        const bound = opened.value;
        connecting = connectDtls(dtls, {
          clock,
          role: 'client',
          path: {
            local: bound.local,
            remote: { address: target.address, port: target.port },
            send: (datagram) => bound.send(datagram, target),
            close: () => bound.close(),
          },
          done: settle,
        });
      });
      return () => {
        clock.after('dtls-abandon', 0, () => giveUp('the attempt was abandoned'));
      };
    },
  };
}
