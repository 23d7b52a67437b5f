/** HTTPS requests to the authority of an overlay, bounded, with the overlay's root as the only trust anchor. */
import { Agent, request as httpsRequest } from 'node:https';
import { checkServerIdentity, connect } from 'node:tls';
import type { PeerCertificate, TLSSocket } from 'node:tls';
import { isIP } from 'node:net';
import { sha256 } from '../base/hash.ts';
import { limits } from '../base/limits.ts';
import { pemCertificate } from './pem.ts';
import { failure, success } from '../base/outcome.ts';
import type { Outcome } from '../base/outcome.ts';
import { hexEncode } from '../base/text.ts';

/** How the authority proves who it is. */
export interface AuthorityTrust {
  /** DER; a chain must end in one of them. By default those that the system trusts. */
  readonly rootCertificates?: readonly Uint8Array[];
  /** The name that the server certificate must carry (RFC 6940 §11.3); without it the host of the URL. */
  readonly overlayName?: string;
}

/** Shown to the authority where it asks for a certificate. */
export interface ClientCredentials {
  readonly certificateDer: Uint8Array;
  /** PKCS#8 PEM. */
  readonly privateKeyPem: string;
}

export interface AuthorityAnswer {
  readonly status: number;
  /** Lower case, without parameters. */
  readonly contentType: string;
  readonly body: Uint8Array;
}

export interface AuthorityRequest {
  readonly method: 'GET' | 'POST';
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** Requests over kept-alive connections. */
export interface AuthorityConnection {
  /** The error is one line for an operator; it never holds what was sent. */
  send(request: AuthorityRequest): Promise<Outcome<AuthorityAnswer>>;
  close(): void;
}

export function connectAuthority(
  trust: AuthorityTrust,
  credentials?: ClientCredentials,
): AuthorityConnection {
  const agent = new Agent({
    keepAlive: true,
    maxSockets: limits.enrollmentClient.concurrentEnrollments + 1,
    ...(trust.rootCertificates && { ca: trust.rootCertificates.map(pemCertificate) }),
    minVersion: 'TLSv1.2',
    checkServerIdentity: (host: string, certificate: PeerCertificate) =>
      checkServerIdentity(trust.overlayName ?? host, certificate),
    ...(credentials && {
      cert: pemCertificate(credentials.certificateDer),
      key: credentials.privateKeyPem,
    }),
  });
  return {
    send: (request) => send(agent, request),
    close() {
      agent.destroy();
    },
  };
}

/**
 * The root certificate in which the server's chain ends, when its SHA-256 is the expected one.
 * Nothing is sent; the connection that is used later checks the chain with this root.
 */
export function fetchPinnedRoot(url: string, fingerprint: string): Promise<Outcome<Uint8Array>> {
  if (!URL.canParse(url)) return Promise.resolve(failure(`${url} is not a URL`));
  const { hostname, port } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, '');
  return new Promise((resolve) => {
    const socket = connect({
      host,
      port: port === '' ? 443 : Number(port),
      minVersion: 'TLSv1.2',
      // The chain is checked below against the fingerprint, and again on the connection that is used.
      rejectUnauthorized: false,
      ...(isIP(host) === 0 && { servername: host }),
    });
    const finish = (outcome: Outcome<Uint8Array>): void => {
      socket.destroy();
      resolve(outcome);
    };
    socket.setTimeout(limits.enrollmentClient.requestTimeoutMs, () => {
      finish(failure(`${url} does not answer`));
    });
    socket.once('error', (error: Error) => {
      finish(failure(`cannot reach ${url}: ${error.message}`));
    });
    socket.once('secureConnect', () => {
      const root = lastOfChain(socket);
      const matches = root !== undefined && hexEncode(sha256(root)) === fingerprint;
      finish(
        matches
          ? success(root)
          : failure(`${url} shows another root certificate than the token names`),
      );
    });
  });
}

function lastOfChain(socket: TLSSocket): Uint8Array | undefined {
  let current = socket.getPeerX509Certificate();
  for (let depth = 0; current?.issuerCertificate !== undefined; depth++) {
    if (depth > limits.node.peerChainCertificates) return undefined;
    if (current.issuerCertificate.fingerprint256 === current.fingerprint256) break;
    current = current.issuerCertificate;
  }
  return current && new Uint8Array(current.raw);
}

function send(agent: Agent, request: AuthorityRequest): Promise<Outcome<AuthorityAnswer>> {
  const { method, url, headers, body, signal } = request;
  if (!URL.canParse(url) || !url.toLowerCase().startsWith('https:')) {
    return Promise.resolve(failure(`${url} is not an https URL`));
  }
  const timeoutMs = request.timeoutMs ?? limits.enrollmentClient.requestTimeoutMs;
  return new Promise((resolve) => {
    const outgoing = httpsRequest(url, {
      agent,
      method,
      headers: { ...headers, 'Content-Length': body?.length ?? 0 },
      ...(signal && { signal }),
    });
    const deadline = setTimeout(() => {
      outgoing.destroy(new Error('no answer in time'));
    }, timeoutMs);
    const finish = (outcome: Outcome<AuthorityAnswer>): void => {
      clearTimeout(deadline);
      resolve(outcome);
    };
    const failed = (error: Error): void => {
      finish(failure(`${new URL(url).origin}: ${error.message}`));
    };
    outgoing.on('error', failed);
    outgoing.on('response', (response) => {
      const chunks: Uint8Array[] = [];
      let length = 0;
      response.on('error', failed);
      response.on('data', (chunk: Uint8Array) => {
        length += chunk.length;
        if (length <= limits.enrollmentClient.answerBytes) chunks.push(chunk);
        else outgoing.destroy(new Error('the answer is too large'));
      });
      response.on('end', () => {
        finish(
          success({
            status: response.statusCode ?? 0,
            contentType: (response.headers['content-type'] ?? '').split(';')[0]?.trim() ?? '',
            body: Buffer.concat(chunks),
          }),
        );
      });
    });
    outgoing.end(body);
  });
}
