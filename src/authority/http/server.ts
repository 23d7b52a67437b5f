/**
 * The HTTPS server of the authority: configuration document, enrollment, joining, account feed.
 * RFC 6940 §11.2, §11.3. Client certificates are optional and looked at by the feed only.
 */
import { createServer } from 'node:https';
import type { Server } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { TLSSocket } from 'node:tls';
import { limits } from '../../base/limits.ts';
import { pemCertificate } from '../../node/pem.ts';
import { listenError } from '../../node/tls.ts';
import { failure, success } from '../../base/outcome.ts';
import type { Outcome } from '../../base/outcome.ts';
import type { FeedPage } from '../../ports/accounts.ts';
import type { Clock } from '../../ports/clock.ts';
import type { TransportAddress } from '../../ports/connection.ts';
import type { Trace } from '../../ports/trace.ts';
import { overlayDocumentMediaType } from '../../overlay-config/names.ts';
import type { EnrollmentRefusal } from '../core/enrollment.ts';
import { createFailureLimiter } from '../core/failure-limiter.ts';
import { readEnrollmentForm } from './enrollment-form.ts';
import type { EnrollmentForm } from './enrollment-form.ts';
import type { FeedWaiters } from './feed-waiters.ts';
import type { ServerCredentials } from './keys.ts';
import { readJson, sourceOf } from './request.ts';

/** What the server asks of the authority. */
export interface AuthorityService {
  document(): Uint8Array;
  /** Whether who shows this certificate (DER) may see the document (RFC 6940 §14.16). */
  mayReadDocument(certificateDer: Uint8Array | undefined): boolean;
  /** The DER of the issued certificate. */
  enroll(form: EnrollmentForm): Promise<Outcome<Uint8Array, EnrollmentRefusal>>;
  join(secret: string): Promise<Outcome<JoinAnswer>>;
  /** The page for the adapter that shows this certificate (DER). */
  feed(certificateDer: Uint8Array, since: number, epoch: string): Outcome<FeedPage>;
  readonly waiters: FeedWaiters;
}

/** The answer to a join token. `config` is the document in base64. */
export interface JoinAnswer {
  readonly overlayName: string;
  readonly account: string;
  readonly password: string;
  readonly config: string;
}

export interface AuthorityServer {
  listen(at: TransportAddress): Promise<Outcome<TransportAddress>>;
  renew(credentials: ServerCredentials): void;
  close(): Promise<void>;
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: URL;
  readonly source: string;
}

/** Creates the server; nothing listens yet. */
export function createAuthorityServer(deps: {
  readonly service: AuthorityService;
  readonly credentials: ServerCredentials;
  readonly rootDer: Uint8Array;
  readonly clock: Clock;
  readonly trace: Trace;
}): AuthorityServer {
  const { service, clock, trace } = deps;
  const limiter = createFailureLimiter();
  const bounds = limits.authorityHttp;
  const refused = trace.counter('authority_refused_requests');
  const failedLogins = trace.counter('authority_failed_authentications');

  const routes: Readonly<Record<string, (exchange: Exchange) => Promise<void> | void>> = {
    'GET /.well-known/reload-config': ({ request, response }) => {
      if (!service.mayReadDocument(shownCertificate(request))) {
        refuse(response, 403, 'a certificate of the overlay is needed');
        return;
      }
      response.writeHead(200, { 'Content-Type': overlayDocumentMediaType });
      response.end(service.document());
    },
    'POST /enroll': enroll,
    'POST /join': join,
    'GET /feed': feed,
  };

  const server = createServer(
    {
      ...tlsCredentials(deps.credentials, deps.rootDer),
      ca: pemCertificate(deps.rootDer),
      requestCert: true,
      rejectUnauthorized: false,
      minVersion: 'TLSv1.2',
      handshakeTimeout: bounds.headersTimeoutMs,
      headersTimeout: bounds.headersTimeoutMs,
      requestTimeout: bounds.requestTimeoutMs,
      keepAliveTimeout: bounds.keepAliveTimeoutMs,
      maxHeaderSize: 16_384,
    },
    (request, response) => {
      void handle(request, response);
    },
  );
  server.maxConnections = bounds.connections;
  server.on('tlsClientError', (error) => {
    trace.log('debug', 'authority-tls-error', { error: error.message });
  });

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const source = sourceOf(request.socket.remoteAddress);
    try {
      const url = new URL(request.url ?? '/', 'https://authority.invalid');
      const path = url.pathname;
      const route = routes[`${request.method ?? ''} ${path}`];
      if (route !== undefined) {
        await route({ request, response, url, source });
      } else if (Object.keys(routes).some((name) => name.endsWith(` ${path}`))) {
        refuse(response, 405, 'method not allowed');
      } else {
        refuse(response, 404, 'not found');
      }
    } catch (error) {
      trace.log('error', 'authority-request-failed', { error: String(error), source });
      if (response.headersSent) response.destroy();
      else refuse(response, 500, 'internal error');
    }
  }

  function refuse(response: ServerResponse, status: number, text: string): void {
    refused.add();
    response.writeHead(status, { 'Content-Type': 'text/plain', Connection: 'close' });
    response.end(text);
  }

  /** Answers a source that guesses without looking at its request. */
  function mustWait({ response, source }: Exchange): boolean {
    if (!limiter.isBlocked(source, clock.monotonicMs())) return false;
    response.setHeader('Retry-After', Math.ceil(limits.authority.failureRefillMs / 1000));
    refuse(response, 429, 'too many failed attempts');
    return true;
  }

  function countFailure(source: string): void {
    failedLogins.add();
    limiter.failed(source, clock.monotonicMs());
  }

  async function enroll(exchange: Exchange): Promise<void> {
    const { request, response, source } = exchange;
    if (mustWait(exchange)) return;
    const accept = request.headers.accept ?? '*/*';
    if (!/application\/(?:pkix-cert|\*)|\*\/\*/i.test(accept)) {
      refuse(response, 406, 'Accept must contain application/pkix-cert');
      return;
    }
    const form = await readEnrollmentForm(request);
    if (!form.ok) {
      refuse(response, 400, form.error);
      return;
    }
    const issued = await service.enroll(form.value);
    if (!issued.ok) {
      if (issued.error === 'failed_authentication') countFailure(source);
      trace.log('info', 'enrollment-refused', { reason: issued.error, source });
      refuse(response, 403, issued.error);
      return;
    }
    response.writeHead(200, { 'Content-Type': 'application/pkix-cert' });
    response.end(issued.value);
  }

  async function join(exchange: Exchange): Promise<void> {
    const { request, response, source } = exchange;
    if (mustWait(exchange)) return;
    const body = await readJson(request, bounds.jsonBytes);
    if (!body.ok) {
      refuse(response, 400, body.error);
      return;
    }
    const { secret } = body.value;
    if (typeof secret !== 'string') {
      refuse(response, 400, 'the body must hold a secret');
      return;
    }
    const joined = await service.join(secret);
    if (!joined.ok) {
      countFailure(source);
      trace.log('warn', 'join-refused', { reason: joined.error, source });
      refuse(response, 403, joined.error);
      return;
    }
    trace.log('info', 'adapter-joined', { account: joined.value.account, source });
    sendJson(response, joined.value);
  }

  function feed({ request, response, url }: Exchange): void {
    const der = shownCertificate(request);
    const since = Number(url.searchParams.get('since') ?? '0');
    const epoch = url.searchParams.get('epoch') ?? '';
    const waitS = Number(url.searchParams.get('wait') ?? '0');
    if (der === undefined) {
      refuse(response, 403, 'an adapter certificate is needed');
      return;
    }
    if (!Number.isSafeInteger(since) || !(waitS >= 0)) {
      refuse(response, 400, 'since and wait must be numbers');
      return;
    }
    const page = service.feed(der, since, epoch);
    if (!page.ok) {
      refuse(response, 403, page.error);
      return;
    }
    const { version, reset, configSequence } = page.value;
    const known = url.searchParams.get('config') ?? String(configSequence);
    const isNews = version !== since || reset || known !== String(configSequence);
    if (isNews || waitS === 0) {
      sendJson(response, page.value);
      return;
    }
    const giveUp = service.waiters.wait(Math.min(waitS * 1000, bounds.feedWaitMs), () => {
      const later = service.feed(der, since, epoch);
      if (later.ok) sendJson(response, later.value);
      else refuse(response, 403, later.error);
    });
    if (giveUp === undefined) refuse(response, 503, 'too many followers');
    else response.on('close', giveUp);
  }

  return {
    listen: (at) => listen(server, at),
    renew(credentials) {
      server.setSecureContext({
        ...tlsCredentials(credentials, deps.rootDer),
        ca: pemCertificate(deps.rootDer),
        minVersion: 'TLSv1.2',
      });
    },
    close() {
      return new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      });
    },
  };
}

function shownCertificate({ socket }: IncomingMessage): Uint8Array | undefined {
  const certificate = socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined;
  return certificate && new Uint8Array(certificate.raw);
}

function sendJson(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' });
  response.end(JSON.stringify(value));
}

function listen(server: Server, at: TransportAddress): Promise<Outcome<TransportAddress>> {
  return new Promise((resolve) => {
    const onError = (error: NodeJS.ErrnoException): void => {
      resolve(failure(listenError(at, error)));
    };
    server.once('error', onError);
    server.listen(at.port, at.address, () => {
      server.off('error', onError);
      const { address, port } = server.address() as AddressInfo;
      resolve(success({ address, port }));
    });
  });
}

/** The root goes along so that a box that knows only its fingerprint can check the chain. */
function tlsCredentials(
  { key, certificateDer }: ServerCredentials,
  rootDer: Uint8Array,
): { key: string | Buffer; cert: string } {
  return {
    key: key.export({ type: 'pkcs8', format: 'pem' }),
    cert: pemCertificate(certificateDer) + pemCertificate(rootDer),
  };
}
