/**
 * A UDP port on which others connect by DTLS: sessions told apart by their far end's address, and a
 * STUN server for those who ask where they are seen (RFC 6940 §6.5.1.4).
 */
import type { Outcome } from '../base/outcome.ts';
import { success } from '../base/outcome.ts';
import type { Clock } from '../ports/clock.ts';
import type { SecureConnection, TransportAddress } from '../ports/connection.ts';
import type { DatagramOpener, DatagramSocket } from '../ports/datagram.ts';
import type { DtlsHost, DtlsListener } from '../ports/dtls.ts';
import type { Trace } from '../ports/trace.ts';
import { bindingAnswer } from '../wire/stun/binding-answer.ts';
import { datagramKind } from '../wire/stun/demultiplex.ts';
import { createDtlsConnection, type DtlsConnecting } from './dtls-connection.ts';

export interface DtlsPortDependencies {
  readonly clock: Clock;
  readonly trace: Trace;
  readonly sockets: DatagramOpener;
  readonly dtls: DtlsHost;
  readonly at: TransportAddress;
  /** Whether STUN Binding requests are answered: in overlays with ICE. */
  readonly answersStun: boolean;
  readonly accepted: (connection: SecureConnection) => void;
}

export interface DtlsPort {
  readonly local: TransportAddress;
  /** Ends all its connections. */
  close(): void;
}

/** `done` is called later, once; the error names the port. */
export function openDtlsPort(
  dependencies: DtlsPortDependencies,
  done: (outcome: Outcome<DtlsPort>) => void,
): void {
  const { clock, dtls } = dependencies;
  const answered = dependencies.trace.counter('stun_bindings_answered_total');
  const dropped = dependencies.trace.counter('udp_datagrams_dropped_total', { reason: 'strange' });
  /** Bounded by the sessions that the DTLS host permits. */
  const connections = new Map<string, DtlsConnecting>();
  let socket: DatagramSocket | undefined;
  let listener: DtlsListener | undefined;

  function received(bytes: Uint8Array, from: TransportAddress): void {
    switch (datagramKind(bytes)) {
      case 'dtls': {
        const known = connections.get(keyOf(from));
        if (known === undefined) listener?.receive(bytes, from);
        else known.receive(bytes);
        return;
      }
      case 'stun': {
        const answer = dependencies.answersStun ? bindingAnswer(bytes, from) : undefined;
        if (answer === undefined) dropped.add();
        else {
          answered.add();
          socket?.send(answer, from);
        }
        return;
      }
      default:
        dropped.add();
    }
  }

  function listenOn(bound: DatagramSocket): DtlsListener {
    return dtls.listen({
      reply: (datagram, to) => bound.send(datagram, to),
      accepted(from, session) {
        const key = keyOf(from);
        const made = createDtlsConnection({
          clock,
          role: 'server',
          path: {
            local: bound.local,
            remote: from,
            send: (datagram) => bound.send(datagram, from),
            close: () => connections.delete(key),
          },
          done(outcome) {
            if (outcome.ok) dependencies.accepted(outcome.value);
          },
        });
        made.begin(session);
        connections.set(key, made.connecting);
        return made.handler;
      },
    });
  }

  dependencies.sockets.open(dependencies.at, { received }, (opened) => {
    if (!opened.ok) {
      done(opened);
      return;
    }
    socket = opened.value;
    listener = listenOn(opened.value);
    done(
      success({
        local: opened.value.local,
        close() {
          listener?.close();
          for (const connecting of [...connections.values()]) connecting.lost('port closed');
          socket?.close();
        },
      }),
    );
  });
}

function keyOf({ address, port }: TransportAddress): string {
  return `${address} ${port}`;
}
