/** Stand-ins for the parts around one component of a peer: they take notes, and the test answers. */
import type { NodeId } from '../../../../src/base/ids.ts';
import { failure, success, type Outcome } from '../../../../src/base/outcome.ts';
import type { Certificate } from '../../../../src/ports/certificates.ts';
import type {
  ConnectionHandler,
  Dialer,
  DialTarget,
  SecureConnection,
} from '../../../../src/ports/connection.ts';
import type { Random } from '../../../../src/ports/random.ts';
import type { IceConnection, IceConnector, IceSide } from '../../../../src/link/ice-connector.ts';
import type { IceParameters, IcePath } from '../../../../src/link/ice/types.ts';
import type { IncomingRequest } from '../../../../src/overlay/incoming.ts';
import type { LinkEntry } from '../../../../src/overlay/link-table.ts';
import {
  localError,
  type OutgoingRequest,
  type RequestOutcome,
  type Transactions,
} from '../../../../src/overlay/transactions.ts';
import { emptyBytes } from '../../../../src/base/bytes.ts';
import { ipAddressPortOf } from '../../../../src/wire/reload/ip-address-port.ts';

/** 32 times the digit. */
export const idOf = (digit: string): NodeId => digit.repeat(32) as NodeId;

/** One of many, all different. */
export const numbered = (number: number): NodeId =>
  `c${number.toString(16).padStart(31, '0')}` as NodeId;

export const evenRandom: Random = {
  bytes: (length) => new Uint8Array(length).fill(7),
  u32: () => 0x8000_0000,
};

export interface NotedRequest {
  readonly request: OutgoingRequest;
  cancelled: boolean;
  /** The answer of that node. */
  answer(by: NodeId, body?: Uint8Array): void;
  /** An error response, from nobody when no node is given. */
  fail(code: number, by?: NodeId, text?: string, info?: Uint8Array): void;
}

export interface NotedTransactions extends Pick<Transactions, 'request'> {
  readonly notes: NotedRequest[];
}

export function notedTransactions(): NotedTransactions {
  const notes: NotedRequest[] = [];
  return {
    notes,
    request(request, done) {
      const note: NotedRequest = {
        request,
        cancelled: false,
        answer(by, body = emptyBytes) {
          if (note.cancelled) return;
          const signer = { nodeId: by, certificate: {} as Certificate };
          done(success({ signer, body, extensions: [], certificates: [], roundTripMs: 5 }));
        },
        fail(code, by, text = 'refused', info = emptyBytes) {
          if (note.cancelled) return;
          const outcome: RequestOutcome =
            by === undefined
              ? failure(localError('timeout', text))
              : failure({ code, reason: 'error-response', text, info, signer: by });
          done(outcome);
        },
      };
      notes.push(note);
      return () => {
        note.cancelled = true;
      };
    },
  };
}

export interface TestConnection extends SecureConnection {
  handler: ConnectionHandler | undefined;
  readonly closedFor: string[];
  readonly sent: Uint8Array[];
}

export function connectionOf(
  nodeIds: readonly NodeId[],
  more: Partial<SecureConnection> = {},
): TestConnection {
  const connection: TestConnection = {
    role: 'server',
    local: { address: '10.0.0.1', port: 6084 },
    remote: { address: '10.0.0.2', port: 40_000 },
    peerChain: [{ nodeIds } as Certificate],
    bufferedBytes: 0,
    handler: undefined,
    closedFor: [],
    sent: [],
    setHandler(handler) {
      connection.handler = handler;
    },
    send: (bytes) => void connection.sent.push(bytes),
    close: (reason) => void connection.closedFor.push(reason),
    ...more,
  };
  return connection;
}

export interface NotedDial {
  readonly target: DialTarget;
  readonly timeoutMs: number;
  abandoned: boolean;
  readonly done: (outcome: Outcome<SecureConnection>) => void;
}

export function notedDialer(): Dialer & { readonly dials: NotedDial[] } {
  const dials: NotedDial[] = [];
  return {
    dials,
    dial(target, timeoutMs, done) {
      const dial: NotedDial = { target, timeoutMs, done, abandoned: false };
      dials.push(dial);
      return () => {
        dial.abandoned = true;
      };
    },
  };
}

/** A link as far as others look at it. */
export function linkEntry(nodeId: NodeId, link: Partial<LinkEntry['link']> = {}): LinkEntry {
  const connection = connectionOf([nodeId]);
  return {
    nodeId,
    ambiguous: false,
    attached: false,
    connectedAtMs: 0,
    usedAtMs: 0,
    messagesIn: 0,
    messagesOut: 0,
    bytesIn: 0,
    bytesOut: 0,
    link: { suspect: false, closed: false, connection, ...link } as LinkEntry['link'],
  };
}

export interface NotedIncoming extends IncomingRequest {
  readonly answers: Uint8Array[];
  readonly refusals: { readonly code: number; readonly info: string | Uint8Array }[];
}

export function incomingFrom(
  signer: NodeId,
  body: Uint8Array,
  more: Partial<IncomingRequest> = {},
): NotedIncoming {
  const answers: Uint8Array[] = [];
  const refusals: NotedIncoming['refusals'] = [];
  return {
    messageCode: 0,
    body,
    extensions: [],
    signer: { nodeId: signer, certificate: {} as Certificate },
    certificates: [],
    transactionId: 1n,
    destination: undefined,
    direct: true,
    local: false,
    answers,
    refusals,
    answer: (answer) => void answers.push(answer),
    refuse: (code, info) => void refusals.push({ code, info }),
    ...more,
  };
}

export interface NotedPath {
  readonly side: IceSide;
  /** The preparing was given up. */
  cancelled: boolean;
  abandoned: number;
  /** What the far end has offered, once that is known. */
  remote: IceParameters | undefined;
  prepared(error?: string): void;
  connected(outcome: Outcome<SecureConnection>): void;
}

export const icePath: IcePath = {
  local: { address: '10.0.0.5', port: 7 },
  remote: { address: '10.0.0.8', port: 8 },
  relayed: false,
  reflexive: undefined,
  rttMs: 20,
};

/** One host candidate for links by ICE. */
export function iceParameters(address: string): IceParameters {
  const candidate = {
    type: 'host',
    addrPort: ipAddressPortOf(address, 9),
    overlayLink: 'DTLS-UDP-SR',
    foundation: '1',
    priority: 1,
    extensions: [],
  } as const;
  return { ufrag: 'ufrag', password: 'password', candidates: [candidate] };
}

export function notedIce(): IceConnector & { readonly paths: NotedPath[] } {
  const paths: NotedPath[] = [];
  return {
    paths,
    prepare(side, done) {
      let connected: (outcome: Outcome<IceConnection>) => void = () => undefined;
      const path: NotedPath = {
        side,
        cancelled: false,
        abandoned: 0,
        remote: undefined,
        prepared(error) {
          if (path.cancelled) return;
          if (error !== undefined) {
            done(failure(error));
            return;
          }
          done(
            success({
              parameters: iceParameters('10.0.0.5'),
              connect(remote, made) {
                path.remote = remote;
                connected = made;
              },
              abandon() {
                path.abandoned++;
              },
            }),
          );
        },
        connected: (outcome) =>
          connected(outcome.ok ? success({ connection: outcome.value, path: icePath }) : outcome),
      };
      paths.push(path);
      return () => {
        path.cancelled = true;
      };
    },
  };
}
