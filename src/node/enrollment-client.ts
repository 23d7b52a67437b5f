/** A box's side of joining and enrollment: configuration document, join token, certificates. RFC 6940 §11.2, §11.3. */
import { randomBytes } from 'node:crypto';
import { bytesEqual, concatBytes } from '../base/bytes.ts';
import { failure, success } from '../base/outcome.ts';
import type { Outcome } from '../base/outcome.ts';
import { base64Decode, utf8Decode, utf8Encode } from '../base/text.ts';
import type { Certificate, Verifier } from '../ports/certificates.ts';
import { parseJoinToken } from '../ports/join-token.ts';
import { connectAuthority, fetchPinnedRoot } from './enrollment-request.ts';
import type { AuthorityConnection } from './enrollment-request.ts';
import { saslPrep } from './saslprep.ts';

/** What a join token gives. Name and password are secrets of this box. */
export interface Joined {
  /** Base URL of the authority. */
  readonly url: string;
  readonly overlayName: string;
  readonly account: string;
  readonly password: string;
  /** The configuration document. */
  readonly document: Uint8Array;
  /** DER of the root that the token names. */
  readonly rootCertificate: Uint8Array;
}

export interface EnrollRequest {
  /** An enrollment-server URL of the configuration. */
  readonly url: string;
  /** Both are sent as SASLprep makes them (RFC 4013). */
  readonly username: string;
  readonly password: string;
  /** DER of the PKCS#10 request. */
  readonly csr: Uint8Array;
  /** DER of the SubjectPublicKeyInfo in `csr`; the certificate must be for it. */
  readonly publicKey: Uint8Array;
  /** Default 1. */
  readonly nodeIds?: number;
}

export interface EnrollError {
  readonly reason:
    | 'failed_authentication'
    | 'username_not_available'
    | 'Node-IDs_not_available'
    | 'bad_CSR'
    /** A refusal that this program does not know (RFC 6940 §11.3). */
    | 'unknown'
    | 'unreachable'
    /** The answer is no certificate that may be used. */
    | 'bad_certificate';
  readonly text: string;
}

/** Fetches the configuration document over HTTPS; the caller judges it. RFC 6940 §11.2. */
export async function fetchConfig(
  url: string,
  connection: AuthorityConnection,
): Promise<Outcome<Uint8Array>> {
  if (!URL.canParse(url)) return failure(`${url} is not a URL`);
  const target = `${new URL(url).origin}/.well-known/reload-config`;
  const answer = await connection.send({ method: 'GET', url: target });
  if (!answer.ok) return answer;
  if (answer.value.status !== 200) return failure(`${target} answers ${answer.value.status}`);
  return success(answer.value.body);
}

/** Turns a join token into an account of this box. The token's secret goes only to a server proven by its root. */
export async function joinWithToken(text: string): Promise<Outcome<Joined>> {
  const token = parseJoinToken(text);
  if (!token.ok) return token;
  const { url, rootFingerprint, secret } = token.value;
  const root = await fetchPinnedRoot(url, rootFingerprint);
  if (!root.ok) return root;
  const connection = connectAuthority({ rootCertificates: [root.value] });
  try {
    const answer = await connection.send({
      method: 'POST',
      url: `${url}/join`,
      headers: { 'Content-Type': 'application/json' },
      body: utf8Encode(JSON.stringify({ secret })),
    });
    if (!answer.ok) return answer;
    const { status, body } = answer.value;
    const answerText = utf8Decode(body) ?? '';
    if (status !== 200) return failure(`${url} refuses: ${answerText.slice(0, 200)}`);
    const fields = jsonFields(answerText);
    const { overlayName, account, password, config } = fields ?? {};
    const document = typeof config === 'string' ? base64Decode(config) : undefined;
    const complete =
      typeof overlayName === 'string' &&
      typeof account === 'string' &&
      typeof password === 'string' &&
      document !== undefined;
    if (!complete) return failure(`${url} gives an answer that cannot be understood`);
    const rootCertificate = root.value;
    return success({ url, overlayName, account, password, document, rootCertificate });
  } finally {
    connection.close();
  }
}

/**
 * Asks for a certificate (RFC 6940 §11.3) and checks that it leads to a root and is for our key.
 * Node-IDs are read from the result.
 */
export async function enroll(
  request: EnrollRequest,
  context: {
    readonly connection: AuthorityConnection;
    readonly verifier: Verifier;
    readonly roots: readonly Certificate[];
  },
): Promise<Outcome<Certificate, EnrollError>> {
  if (!/^https:\/\//i.test(request.url)) {
    return refusal('unreachable', 'enrollment goes over https only');
  }
  const username = saslPrep(request.username);
  const password = saslPrep(request.password);
  if (!username.ok) return refusal('failed_authentication', `the name ${username.error}`);
  if (!password.ok) return refusal('failed_authentication', `the password ${password.error}`);
  const prepared = { ...request, username: username.value, password: password.value };
  const form = multipartForm(prepared);
  const answer = await context.connection.send({
    method: 'POST',
    url: request.url,
    headers: { 'Content-Type': form.contentType, Accept: 'application/pkix-cert' },
    body: form.body,
  });
  if (!answer.ok) return refusal('unreachable', answer.error);
  const { status, contentType, body } = answer.value;
  if (status !== 200) return refusalOf(status, utf8Decode(body.subarray(0, 200)) ?? '');
  if (contentType !== 'application/pkix-cert') {
    return refusal('bad_certificate', `the answer has the type ${contentType}`);
  }
  return checkIssued(body, request.publicKey, context);
}

function checkIssued(
  der: Uint8Array,
  publicKey: Uint8Array,
  { verifier, roots }: { readonly verifier: Verifier; readonly roots: readonly Certificate[] },
): Outcome<Certificate, EnrollError> {
  const parsed = verifier.parseCertificate(der);
  if (!parsed.ok) return refusal('bad_certificate', parsed.error);
  const certificate = parsed.value;
  if (!roots.some((root) => root.isCa && verifier.isIssuedBy(certificate, root))) {
    return refusal('bad_certificate', 'the certificate does not lead to a root of the overlay');
  }
  if (certificate.isCa || certificate.nodeIds.length === 0 || certificate.userName === undefined) {
    return refusal('bad_certificate', 'the certificate has no Node-ID or no user name');
  }
  if (!bytesEqual(certificate.publicKey, publicKey)) {
    return refusal('bad_certificate', 'the certificate is for another key');
  }
  return success(certificate);
}

const knownRefusals = [
  'failed_authentication',
  'username_not_available',
  'Node-IDs_not_available',
  'bad_CSR',
] as const;

function refusalOf(status: number, text: string): Outcome<never, EnrollError> {
  const known = knownRefusals.find((token) => token === text.trim());
  if (status === 403 && known !== undefined) return refusal(known, known);
  if (status === 429 || status >= 500)
    return refusal('unreachable', `the server answers ${status}`);
  return refusal('unknown', `the server answers ${status} ${printable(text)}`);
}

function refusal(reason: EnrollError['reason'], text: string): Outcome<never, EnrollError> {
  return failure({ reason, text });
}

function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]+/g, ' ').slice(0, 80);
}

function multipartForm(request: EnrollRequest): { contentType: string; body: Uint8Array } {
  const boundary = `chordial-${randomBytes(18).toString('hex')}`;
  const head = (name: string, further = ''): string =>
    `--${boundary}\r\nContent-Disposition: form-data; name="${name}"${further}\r\n\r\n`;
  const field = (name: string, value: string): Uint8Array =>
    utf8Encode(`${head(name)}${value}\r\n`);
  const body = concatBytes([
    field('username', request.username),
    field('password', request.password),
    ...((request.nodeIds ?? 1) > 1 ? [field('nodeids', String(request.nodeIds))] : []),
    utf8Encode(head('csr', '; filename="request.p10"\r\nContent-Type: application/pkcs10')),
    request.csr,
    utf8Encode(`\r\n--${boundary}--\r\n`),
  ]);
  return { contentType: `multipart/form-data; boundary=${boundary}`, body };
}

function jsonFields(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null
      ? (value as Readonly<Record<string, unknown>>)
      : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
