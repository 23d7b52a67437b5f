/** A phone on npm `sip`, an independent stack: registers, calls, answers, hangs up. */
import { createRequire } from 'node:module';

type Params = Record<string, string | null>;

interface Address {
  name?: string | undefined;
  uri: string;
  params: Params;
}

export interface NpmMessage {
  version?: string;
  method?: string;
  uri?: string;
  status?: number;
  reason?: string;
  content?: string;
  headers: {
    to: Address;
    from: Address;
    'call-id': string;
    cseq: { seq: number; method: string };
    contact?: Address[];
    route?: Address[];
    'record-route'?: Address[];
    via?: unknown[];
    expires?: string;
    [name: string]: unknown;
  };
}

interface Stack {
  send(message: NpmMessage, callback?: (response: NpmMessage) => void): void;
  destroy(): void;
}

const require = createRequire(import.meta.url);
const sip = require('sip') as {
  create(options: object, onRequest: (request: NpmMessage) => void): Stack;
  makeResponse(request: NpmMessage, status: number, reason: string): NpmMessage;
};
const digest = require('sip/digest') as {
  signRequest(
    context: object,
    request: NpmMessage,
    challenge: NpmMessage,
    credentials: object,
  ): void;
};

export interface NpmSipPhone {
  /** Final status of a REGISTER; `expires` in seconds, 0 removes the binding. */
  register(expires: number): Promise<number>;
  /** Final status of an INVITE; after a 2xx the ACK is sent. */
  call(aor: string): Promise<number>;
  /** Final status of a BYE in the call made or answered last. */
  hangUp(): Promise<number>;
  /** Methods of the requests that came, in order. */
  readonly requests: readonly string[];
  /** From of the INVITE that came last. */
  callerSeen(): string | undefined;
  close(): void;
}

export function startNpmSipPhone(options: {
  readonly user: string;
  readonly password: string;
  readonly domain: string;
  readonly address: string;
  readonly port: number;
  readonly box: string;
  readonly transport: 'udp' | 'tcp';
}): NpmSipPhone {
  const { user, password, domain, address, port, box, transport } = options;
  const requests: string[] = [];
  const contact = `sip:${user}@${address}:${port};transport=${transport}`;
  const ownTag = `${user}tag`;
  let serial = 0;
  let caller: string | undefined;
  let dialog: (() => NpmMessage) | undefined;

  const stack = sip.create(
    { address, publicAddress: address, port, udp: true, tcp: true, tls: false },
    (request) => {
      requests.push(request.method ?? '');
      if (request.method === 'ACK') return;
      const response = sip.makeResponse(request, 200, 'OK');
      if (request.method === 'INVITE') {
        caller = request.headers.from.uri;
        request.headers.to.params['tag'] = ownTag;
        response.headers.to = request.headers.to;
        response.headers.contact = [{ uri: contact, params: {} }];
        response.headers['record-route'] = request.headers['record-route'] ?? [];
        dialog = () => ({
          method: 'BYE',
          uri: request.headers.contact?.[0]?.uri ?? '',
          headers: {
            to: request.headers.from,
            from: request.headers.to,
            'call-id': request.headers['call-id'],
            cseq: { seq: 1, method: 'BYE' },
            route: [...(request.headers['record-route'] ?? [])],
          },
        });
      }
      stack.send(response);
    },
  );

  function make(method: string, to: string, callId: string): NpmMessage {
    return {
      method,
      uri: method === 'REGISTER' ? `sip:${domain}` : to,
      headers: {
        to: { uri: to, params: {} },
        from: { uri: `sip:${user}@${domain}`, params: { tag: ownTag } },
        'call-id': callId,
        cseq: { seq: ++serial, method },
        contact: [{ uri: contact, params: {} }],
        'max-forwards': 70,
        route: [{ uri: `sip:${box}:5060;transport=${transport};lr`, params: {} }],
      },
    };
  }

  /** Sends a fresh copy each time, with credentials from the second time on. */
  async function transact(build: () => NpmMessage): Promise<NpmMessage> {
    const first = await final(build());
    if (first.status !== 401 && first.status !== 407) return first;
    const again = build();
    digest.signRequest({}, again, first, { user, password, realm: domain });
    return await final(again);
  }

  async function final(request: NpmMessage): Promise<NpmMessage> {
    return await new Promise((resolve) => {
      stack.send(request, (response) => {
        if ((response.status ?? 0) >= 200) resolve(response);
      });
    });
  }

  return {
    requests,
    callerSeen: () => caller,
    async register(expires) {
      const callId = `register-${user}-${port}`;
      const done = await transact(() => {
        const request = make('REGISTER', `sip:${user}@${domain}`, callId);
        request.headers.expires = String(expires);
        return request;
      });
      return done.status ?? 0;
    },
    async call(aor) {
      const callId = `call-${user}-${port}-${serial}`;
      const answer = await transact(() => make('INVITE', `sip:${aor}`, callId));
      if (answer.status !== 200) return answer.status ?? 0;
      const inDialog = (method: string, seq: number): NpmMessage => ({
        method,
        uri: answer.headers.contact?.[0]?.uri ?? '',
        headers: {
          to: answer.headers.to,
          from: answer.headers.from,
          'call-id': callId,
          cseq: { seq, method },
          'max-forwards': 70,
          route: [...(answer.headers['record-route'] ?? [])].reverse(),
        },
      });
      stack.send(inDialog('ACK', answer.headers.cseq.seq));
      dialog = () => inDialog('BYE', ++serial);
      return 200;
    },
    async hangUp() {
      if (dialog === undefined) throw new Error('no call');
      const build = dialog;
      dialog = undefined;
      return (await transact(build)).status ?? 0;
    },
    close: () => stack.destroy(),
  };
}
