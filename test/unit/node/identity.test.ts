import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRenewableIdentity } from '../../../src/node/identity.ts';
import type { Identity } from '../../../src/ports/certificates.ts';

function identity(mark: number): Identity {
  return {
    certificate: { fingerprint: String(mark) } as Identity['certificate'],
    chain: [],
    scheme: { hash: 4, signature: mark },
    sign(_input, done) {
      done(Uint8Array.of(mark));
    },
  };
}

test('a replaced identity shows and signs as the new one everywhere at once', () => {
  const renewable = createRenewableIdentity(identity(1));
  const seen: number[] = [];
  const look = (): void => {
    seen.push(Number(renewable.certificate.fingerprint), renewable.scheme.signature);
    renewable.sign(new Uint8Array(), (signature) => seen.push(signature[0] ?? 0));
  };
  look();
  renewable.replace(identity(3));
  look();
  assert.deepEqual(seen, [1, 1, 1, 3, 3, 3]);
});
