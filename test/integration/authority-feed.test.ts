import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { request } from 'node:https';
import { digestVerifiers } from '../../src/authority/core/users.ts';
import { createAuthority } from '../../src/authority/http/authority.ts';
import type { AuthorityOptions } from '../../src/authority/http/authority.ts';
import { createClock } from '../../src/node/clock.ts';
import { openStore } from '../../src/node/store.ts';
import { createXml } from '../../src/node/xml.ts';
import { parseOverlayDocument } from '../../src/overlay-config/parse.ts';
import { createMemoryStore } from '../unit/authority/memory-store.ts';
import { overlayName, startBox, startLab, until, valueOf, verifier } from './authority-support.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

test('a new user, a changed password and a disabled user reach every adapter within 2 s', async (t) => {
  const lab = await startLab(t);
  const boxes = await Promise.all([startBox(t, lab), startBox(t, lab)]);
  const followers = boxes.map((box) => box.follow());
  for (const follower of followers) follower.start(0);
  await until('connected', 2000, () => followers.every((f) => f.state().connected));

  valueOf(await lab.authority.addUser('alice', 'first'));
  await until('the new user', 2000, () =>
    followers.every((f) => f.accounts.lookup('alice')?.enabled === true),
  );
  valueOf(await lab.authority.setPassword('alice', 'second'));
  const { ha1Md5, ha1Sha256 } = digestVerifiers('alice', overlayName, 'second');
  const long = digestVerifiers('alice@lab.example', overlayName, 'second');
  await until('the new password', 2000, () =>
    followers.every(
      ({ accounts }) =>
        accounts.lookup('alice')?.ha1Md5 === ha1Md5 &&
        accounts.lookup('alice@lab.example')?.ha1Sha256 === ha1Sha256 &&
        accounts.lookup('alice')?.ha1Md5AtDomain === long.ha1Md5 &&
        accounts.lookup('alice')?.ha1Sha256AtDomain === long.ha1Sha256,
    ),
  );
  await until('identities', 2000, () =>
    followers.every((f) => f.identityFor('alice@lab.example') !== undefined),
  );
  valueOf(await lab.authority.disableUser('alice@lab.example'));
  await until('disabled', 2000, () =>
    followers.every(
      (f) =>
        f.accounts.lookup('alice')?.enabled === false &&
        f.identityFor('alice@lab.example') === undefined,
    ),
  );
  valueOf(await lab.authority.removeUser('alice'));
  await until('removed', 2000, () =>
    followers.every((f) => f.accounts.lookup('alice') === undefined),
  );
});

test('[R6940-11.3-19] two adapters hold different Node-IDs for one user, the same one after renewal', async (t) => {
  const lab = await startLab(t);
  valueOf(await lab.authority.addUser('alice', 'pw'));
  const [a, b] = await Promise.all([startBox(t, lab), startBox(t, lab)]);
  const [atA, atB] = [a.follow(), b.follow()];
  for (const follower of [atA, atB]) follower.start(0);
  const aor = 'alice@lab.example';
  await until('identities', 3000, () =>
    [atA, atB].every((follower) => follower.identityFor(aor) !== undefined),
  );
  const first = atA.identityFor(aor)!.certificate;
  assert.equal(first.userName, aor);
  assert.notDeepEqual(first.nodeIds, atB.identityFor(aor)!.certificate.nodeIds);
  assert.notDeepEqual(first.nodeIds, a.certificate.nodeIds);

  await atA.stop();
  (a.store as unknown as { data: Map<string, Uint8Array> }).data.delete(`identities/${aor}`);
  const again = a.follow();
  again.start(0);
  await until('a new certificate', 3000, () => again.identityFor(aor) !== undefined);
  const second = again.identityFor(aor)!.certificate;
  assert.notEqual(second.fingerprint, first.fingerprint);
  assert.deepEqual(second.nodeIds, first.nodeIds);
});

test('an adapter works on without the authority, across its own restart, and catches up later', async (t) => {
  const lab = await startLab(t);
  valueOf(await lab.authority.addUser('alice', 'pw'));
  const box = await startBox(t, lab);
  const before = box.follow();
  before.start(0);
  const aor = 'alice@lab.example';
  await until('identity', 3000, () => before.identityFor(aor) !== undefined);
  await lab.authority.stop();
  await before.stop();

  const after = box.follow();
  after.start(0);
  assert.equal(after.accounts.lookup('alice')?.aor, aor);
  const identity = after.identityFor(aor)!;
  const signed = await new Promise<Uint8Array>((resolve) => {
    identity.sign(Uint8Array.of(1, 2, 3), resolve);
  });
  const valid = await new Promise<boolean>((resolve) => {
    verifier.verify(identity.certificate, identity.scheme, Uint8Array.of(1, 2, 3), signed, resolve);
  });
  assert.ok(valid);
  assert.equal(after.state().connected, false);

  const authority = await createAuthority(lab.options);
  valueOf(await authority.addUser('bob', 'pw'));
  valueOf(await authority.start({ address: '127.0.0.1', port: lab.port }));
  t.after(() => authority.stop());
  await until('bob', 4000, () => after.accounts.lookup('bob') !== undefined);
  assert.equal(authority.rootCertificate.fingerprint, lab.authority.rootCertificate.fingerprint);
});

test('a follower with nothing to learn waits for the answer instead of asking again', async (t) => {
  let requests = 0;
  const lab = await startLab(t);
  const box = await startBox(t, lab);
  const verify = verifier.parseCertificate.bind(verifier);
  t.mock.method(verifier, 'parseCertificate', (der: Uint8Array) => {
    if (Buffer.from(der).equals(box.certificate.der)) requests++;
    return verify(der);
  });
  const follower = box.follow();
  follower.start(1);
  await until('connected', 2000, () => follower.state().connected);
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.ok(requests >= 1 && requests <= 4, `${requests} requests`);
});

test('an adapter sees and enrolls only the users of its served scope', async (t) => {
  const lab = await startLab(t);
  const box = await startBox(t, lab, ['north-*@lab.example']);
  const follower = box.follow();
  follower.start(0);
  valueOf(await lab.authority.addUser('south-1', 'pw'));
  valueOf(await lab.authority.addUser('north-1', 'pw'));
  await until('north-1', 2000, () => follower.identityFor('north-1@lab.example') !== undefined);
  assert.equal(follower.accounts.lookup('south-1'), undefined);
});

test('the feed refuses a client without certificate, of a user, and of a revoked adapter', async (t) => {
  const lab = await startLab(t);
  const status = await new Promise<number | undefined>((resolve, reject) => {
    request(`${lab.url}/feed?since=0`, { rejectUnauthorized: false }, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .on('error', reject)
      .end();
  });
  assert.equal(status, 403);

  const box = await startBox(t, lab);
  const follower = box.follow();
  follower.start(0);
  await until('connected', 2000, () => follower.state().connected);
  valueOf(await lab.authority.revokeAdapter(box.joined.account));
  await until('refused', 2000, () => !follower.state().connected);
  valueOf(await lab.authority.addUser('carol', 'pw'));
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(follower.accounts.lookup('carol'), undefined);

  const document = lab.authority.configDocument();
  const { config } = valueOf(parseOverlayDocument(document, createXml(), verifier));
  assert.deepEqual(config.badNodes, box.certificate.nodeIds);
});

test('a changed configuration document reaches the followers', async (t) => {
  const lab = await startLab(t);
  const box = await startBox(t, lab);
  const follower = box.follow();
  const documents: Uint8Array[] = [];
  follower.onConfig((document) => documents.push(document));
  const { config } = valueOf(parseOverlayDocument(box.joined.document, createXml(), verifier));
  follower.start(config.sequence);
  await until('connected', 2000, () => follower.state().connected);
  await lab.authority.addBootstrapNode({ address: '127.0.0.9', port: 6084 });
  await until('the document', 2000, () => documents.length > 0);
  const renewed = valueOf(parseOverlayDocument(documents[0]!, createXml(), verifier)).config;
  assert.equal(renewed.sequence, config.sequence + 1);
  assert.deepEqual(renewed.bootstrapNodes, [{ address: '127.0.0.9', port: 6084 }]);
});

test('an empty or damaged store is not taken for a new overlay', async (t) => {
  const lab = await startLab(t);
  const base = { ...lab.options, clock: createClock() };
  t.after(() => {
    base.clock.close();
  });
  const withoutCreate = Object.fromEntries(
    Object.entries({ ...base, store: createMemoryStore() }).filter(([name]) => name !== 'create'),
  ) as unknown as AuthorityOptions;
  await assert.rejects(createAuthority(withoutCreate), /holds no overlay/);
  const renamed = { ...base, overlayName: 'other.example' };
  await assert.rejects(createAuthority(renamed), /belongs to the overlay lab\.example/);
  valueOf(await lab.authority.addUser('alice', 'pw'));
  const damaged = createMemoryStore();
  for (const [key, value] of lab.store.entries('')) damaged.data.set(key, value);
  damaged.data.set('authority/user/alice@lab.example', Uint8Array.of(0x7b));
  await assert.rejects(createAuthority({ ...base, store: damaged }), /alice@lab\.example.*damaged/);
});

test('accounts, tokens and document are back after a restart on disk', async (t) => {
  const directory = temporaryFolder('chordial-authority');
  t.after(() => rm(directory, { recursive: true }));
  const open = async () => valueOf(await openStore(join(directory, 'store')));
  const first = await open();
  const lab = await startLab(t, { store: first });
  valueOf(await lab.authority.addUser('alice', 'pw'));
  valueOf(await lab.authority.addUser('bob', 'pw'));
  valueOf(await lab.authority.removeUser('bob'));
  const { id } = valueOf(await lab.authority.createToken({ uses: 3 }));
  await lab.authority.stop();
  await first.close();
  const second = await open();
  const again = await createAuthority({ ...lab.options, store: second });
  assert.deepEqual(again.listUsers(), lab.authority.listUsers());
  assert.equal(again.listTokens()[0]?.id, id);
  assert.ok(Buffer.from(again.configDocument()).equals(lab.authority.configDocument()));
  assert.equal(again.rootCertificate.fingerprint, lab.authority.rootCertificate.fingerprint);
  await second.close();
});
