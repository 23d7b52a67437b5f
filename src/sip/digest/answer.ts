/** The answer of a client to a challenge. RFC 7616 §3.4, RFC 8760 §2.4. */
import { hexEncode, latin1Decode, utf8Encode } from '../../base/text.ts';
import type { Random } from '../../ports/random.ts';
import type { SipRequest, SipResponse } from '../message/message.ts';
import { computeHa1, computeResponse, formatCredentials, parseChallenge } from './digest.ts';
import type { DigestChallenge } from './types.ts';

export interface Login {
  readonly user: string;
  readonly password: string;
}

/** The request with credentials for the first challenge that can be answered; `undefined` when none can. */
export function withCredentials(
  request: SipRequest,
  response: SipResponse,
  login: Login,
  random: Random,
): SipRequest | undefined {
  const proxy = response.status === 407;
  const challenge = firstUsable(response.rows(proxy ? 'Proxy-Authenticate' : 'WWW-Authenticate'));
  if (challenge === undefined) return undefined;
  const { algorithm, nonce, opaque, realm } = challenge;
  const username = latin1Decode(utf8Encode(login.user));
  const ha1 = computeHa1(algorithm, username, realm, latin1Decode(utf8Encode(login.password)));
  const qop = challenge.qop.includes('auth') ? 'auth' : undefined;
  const common = {
    algorithm,
    nonce,
    uri: request.uri,
    qop,
    cnonce: qop === undefined ? undefined : hexEncode(random.bytes(8)),
    nc: qop === undefined ? undefined : '00000001',
  };
  const proof = computeResponse({ ...common, ha1, method: request.method });
  const value = formatCredentials({ ...common, username, realm, opaque, response: proof });
  return request
    .edit()
    .append(proxy ? 'Proxy-Authorization' : 'Authorization', value)
    .build();
}

/** The topmost one that is known (RFC 8760 §2.4); one that wants auth-int alone is not. */
function firstUsable(rows: readonly string[]): DigestChallenge | undefined {
  for (const row of rows) {
    const challenge = parseChallenge(row);
    if (!challenge.ok) continue;
    const { qop } = challenge.value;
    if (qop.length === 0 || qop.includes('auth')) return challenge.value;
  }
  return undefined;
}
