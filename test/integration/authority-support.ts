/** One authority on a loopback port, and boxes that join it. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { createAuthority } from '../../src/authority/http/authority.ts';
import type { Authority, AuthorityOptions } from '../../src/authority/http/authority.ts';
import { createClock } from '../../src/node/clock.ts';
import { createCsr } from '../../src/node/csr.ts';
import { enroll, joinWithToken } from '../../src/node/enrollment-client.ts';
import type { EnrollError, Joined } from '../../src/node/enrollment-client.ts';
import { enrollNode } from '../../src/node/enrollment-node.ts';
import { connectAuthority } from '../../src/node/enrollment-request.ts';
import { createFeedFollower } from '../../src/node/feed-follower.ts';
import type { FeedFollower } from '../../src/node/feed-follower.ts';
import { generatePrivateKey } from '../../src/node/keys.ts';
import { createRandom } from '../../src/node/random.ts';
import { createSignatureQueue } from '../../src/node/signature-queue.ts';
import { createVerifier } from '../../src/node/verifier.ts';
import { publicKeyDer } from '../../src/node/x509.ts';
import type { Outcome } from '../../src/base/outcome.ts';
import type { Certificate, KeyType } from '../../src/ports/certificates.ts';
import { silentTrace } from '../../src/ports/trace.ts';
import type { Store } from '../../src/ports/store.ts';
import { createMemoryStore } from '../unit/authority/memory-store.ts';

export const signatures = createSignatureQueue();
export const verifier = createVerifier(signatures);
export const random = createRandom();
export const overlayName = 'lab.example';

export function valueOf<T, E>(outcome: Outcome<T, E>): T {
  assert.ok(outcome.ok, outcome.ok ? '' : JSON.stringify(outcome.error));
  return outcome.value;
}

export interface Lab {
  readonly authority: Authority;
  readonly store: Store;
  readonly url: string;
  readonly port: number;
  readonly options: AuthorityOptions;
}

/** A new overlay whose authority listens on 127.0.0.1; stopped when the test ends. */
export async function startLab(
  t: TestContext,
  further: Partial<AuthorityOptions> = {},
  keyType: KeyType = 'ecdsa-p256',
): Promise<Lab> {
  const clock = createClock();
  const store = createMemoryStore();
  const options: AuthorityOptions = {
    store,
    clock,
    random,
    verifier,
    signatures,
    trace: silentTrace,
    overlayName,
    hosts: ['127.0.0.1'],
    create: { keyType },
    ...further,
  };
  const authority = await createAuthority(options);
  const { url, port } = valueOf(await authority.start({ address: '127.0.0.1', port: 0 }));
  t.after(async () => {
    await authority.stop();
    clock.close();
  });
  return { authority, store, url, port, options };
}

export async function joinLab({ authority }: Lab, scope?: readonly string[]): Promise<Joined> {
  const { token } = valueOf(await authority.createToken(scope === undefined ? {} : { scope }));
  return valueOf(await joinWithToken(token));
}

/** One enrollment with the given account. */
export async function enrollAs(
  lab: Pick<Lab, 'url' | 'authority'>,
  username: string,
  password: string,
  name: string,
  further: { readonly nodeIds?: number; readonly keyType?: KeyType } = {},
): Promise<Outcome<Certificate, EnrollError>> {
  const root = lab.authority.rootCertificate;
  const connection = connectAuthority({ rootCertificates: [root.der], overlayName });
  const key = await generatePrivateKey(further.keyType ?? 'ecdsa-p256');
  try {
    return await enroll(
      {
        url: `${lab.url}/enroll`,
        username,
        password,
        csr: createCsr(key, name),
        publicKey: publicKeyDer(key),
        ...(further.nodeIds === undefined ? {} : { nodeIds: further.nodeIds }),
      },
      { connection, verifier, roots: [root] },
    );
  } finally {
    connection.close();
  }
}

export interface Box {
  readonly joined: Joined;
  readonly store: Store;
  /** A follower on the box's store; stopped when the test ends. */
  follow(): FeedFollower;
}

/** Joins with a fresh token and enrolls the node. */
export async function startBox(
  t: TestContext,
  lab: Lab,
  scope?: readonly string[],
): Promise<Box & { readonly certificate: Certificate }> {
  const joined = await joinLab(lab, scope);
  const { rootCertificate: root } = lab.authority;
  const { privateKey: nodeKey, certificate } = valueOf(
    await enrollNode({
      enrollmentUrl: `${lab.url}/enroll`,
      overlayName,
      account: joined.account,
      password: joined.password,
      keyType: 'ecdsa-p256',
      verifier,
      rootCertificates: [root],
    }),
  );
  const store = createMemoryStore();
  return {
    joined,
    store,
    certificate,
    follow() {
      const clock = createClock();
      const follower = valueOf(
        createFeedFollower({
          store,
          clock,
          random,
          verifier,
          signatures,
          trace: silentTrace,
          overlayName,
          url: lab.url,
          rootCertificates: [root],
          account: joined.account,
          password: joined.password,
          nodeCertificate: certificate,
          nodeKey,
          keyType: 'ecdsa-p256',
        }),
      );
      t.after(async () => {
        await follower.stop();
        clock.close();
      });
      return follower;
    },
  };
}

/** Waits until the condition holds; fails after `withinMs`. */
export async function until(what: string, withinMs: number, holds: () => boolean): Promise<void> {
  const endMs = performance.now() + withinMs;
  while (!holds()) {
    assert.ok(performance.now() < endMs, `${what} within ${withinMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
