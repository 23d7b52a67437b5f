import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import type { IncomingHttpHeaders } from 'node:http';
import { createServer, request as httpsRequest } from 'node:https';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { promisify } from 'node:util';
import { createServerCertificate } from '../../src/node/authority-certificate.ts';
import { createCsr } from '../../src/node/csr.ts';
import { enroll, fetchConfig, joinWithToken } from '../../src/node/enrollment-client.ts';
import { connectAuthority } from '../../src/node/enrollment-request.ts';
import { generatePrivateKey } from '../../src/node/keys.ts';
import { createRoot, issueCertificate, publicKeyDer } from '../../src/node/x509.ts';
import type { Issuer } from '../../src/node/x509.ts';
import { nodeIdFromBytes } from '../../src/base/ids.ts';
import { createXml } from '../../src/node/xml.ts';
import { parseOverlayDocument } from '../../src/overlay-config/parse.ts';
import { verifyConfiguration } from '../../src/overlay-config/sign.ts';
import { formatJoinToken, parseJoinToken } from '../../src/ports/join-token.ts';
import {
  enrollAs,
  joinLab,
  overlayName,
  random,
  startLab,
  valueOf,
  verifier,
} from './authority-support.ts';
import type { Lab } from './authority-support.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const run = promisify(execFile);

async function hasTool(name: string): Promise<boolean> {
  return run('sh', ['-c', `command -v ${name}`]).then(
    () => true,
    () => false,
  );
}

async function curlAndOpenssl(t: TestContext): Promise<string | undefined> {
  if (!(await hasTool('curl')) || !(await hasTool('openssl'))) {
    assert.notEqual(process.env['CI'], 'true', 'curl and openssl are needed');
    t.skip('apt-get install curl openssl');
    return undefined;
  }
  const directory = temporaryFolder('chordial-enroll');
  t.after(() => rm(directory, { recursive: true }));
  return directory;
}

for (const keyType of ['ecdsa-p256', 'rsa'] as const) {
  test(`[R6940-11.3-13][R6940-11.3-14][R6940-11.3-24][R6940-11.3-25] curl and openssl enroll a user (${keyType})`, async (t) => {
    const directory = await curlAndOpenssl(t);
    if (directory === undefined) return;
    const lab = await startLab(t, {}, keyType);
    valueOf(await lab.authority.addUser('alice', 'pässwörd'));
    const path = (name: string): string => join(directory, name);
    await writeFile(
      path('root.pem'),
      new X509Certificate(lab.authority.rootCertificate.der).toString(),
    );
    const newKey = keyType === 'rsa' ? ['rsa:2048'] : ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'];
    await run('openssl', [
      ...['req', '-new', '-newkey', ...newKey, '-nodes', '-keyout', path('key.pem')],
      ...['-subj', '/', '-addext', 'subjectAltName=email:alice@lab.example'],
      ...['-outform', 'DER', '-out', path('csr.der')],
    ]);
    await run('openssl', ['pkey', '-in', path('key.pem'), '-pubout', '-out', path('pub.pem')]);
    const { stdout } = await run('curl', [
      ...['--silent', '--show-error', '--cacert', path('root.pem')],
      ...['--resolve', `${overlayName}:${lab.port}:127.0.0.1`],
      ...['--form', 'username=alice', '--form', 'password=pässwörd'],
      ...['--form', `csr=@${path('csr.der')};type=application/pkcs10`],
      ...['--header', 'Accept: application/pkix-cert'],
      ...['--output', path('certificate.der'), '--write-out', '%{http_code} %{content_type}'],
      `https://${overlayName}:${lab.port}/enroll`,
    ]);
    assert.equal(stdout, '200 application/pkix-cert');
    const issued = new X509Certificate(await readFile(path('certificate.der')));
    assert.ok(issued.verify(new X509Certificate(lab.authority.rootCertificate.der).publicKey));
    assert.equal(
      issued.publicKey.export({ type: 'spki', format: 'pem' }),
      await readFile(path('pub.pem'), 'utf8'),
    );
    assert.match(
      issued.subjectAltName ?? '',
      /^URI:reload:\/\/0110[0-9a-f]{32}@lab\.example\/, email:alice@lab\.example$/,
    );
    const text = await run('openssl', [
      ...['x509', '-inform', 'DER', '-in', path('certificate.der'), '-noout', '-subject'],
    ]);
    assert.match(text.stdout, /^subject= ?\n$/);
  });
}

test('openssl verifies the chain of an issued certificate', async (t) => {
  const directory = await curlAndOpenssl(t);
  if (directory === undefined) return;
  const lab = await startLab(t);
  valueOf(await lab.authority.addUser('alice', 'pw'));
  const certificate = valueOf(await enrollAs(lab, 'alice', 'pw', 'alice@lab.example'));
  const path = (name: string): string => join(directory, name);
  await writeFile(
    path('root.pem'),
    new X509Certificate(lab.authority.rootCertificate.der).toString(),
  );
  await writeFile(path('leaf.pem'), new X509Certificate(certificate.der).toString());
  const { stdout } = await run('openssl', [
    'verify',
    '-CAfile',
    path('root.pem'),
    path('leaf.pem'),
  ]);
  assert.match(stdout, /leaf\.pem: OK/);
});

test('[R6940-11.3-12][R6940-11.3-26] the four refusals', async (t) => {
  const lab = await startLab(t);
  valueOf(await lab.authority.addUser('alice', 'pw'));
  valueOf(await lab.authority.addUser('bob', 'pw'));
  const refusal = async (...args: Parameters<typeof enrollAs>): Promise<string> => {
    const outcome = await enrollAs(...args);
    return outcome.ok ? 'issued' : outcome.error.reason;
  };
  const alice = 'alice@lab.example';
  assert.equal(await refusal(lab, 'alice', 'wrong', alice), 'failed_authentication');
  assert.equal(await refusal(lab, 'nobody', 'pw', alice), 'failed_authentication');
  assert.equal(await refusal(lab, 'alice', 'pw', 'bob@lab.example'), 'username_not_available');
  assert.equal(await refusal(lab, 'alice', 'pw', 'ALICE@lab.example'), 'username_not_available');
  assert.equal(await refusal(lab, 'alice', 'pw', alice, { nodeIds: 9 }), 'Node-IDs_not_available');
  assert.equal(await refusal(lab, 'alice', 'pw', alice, { keyType: 'ed25519' }), 'bad_CSR');
  assert.equal(await refusal(lab, 'alice', 'pw', alice), 'issued');
});

/** A request that our own client would not send. */
async function post(
  lab: Lab,
  headers: Record<string, string>,
  body: string | Uint8Array,
  path = '/enroll',
): Promise<{ status: number; type: string; text: string }> {
  return new Promise((resolve, reject) => {
    const outgoing = httpsRequest(
      `${lab.url}${path}`,
      { method: 'POST', headers, rejectUnauthorized: false, agent: false },
      (response) => {
        const chunks: Uint8Array[] = [];
        response.on('data', (chunk: Uint8Array) => chunks.push(chunk));
        response.on('end', () => {
          resolve({
            status: response.statusCode ?? 0,
            type: response.headers['content-type'] ?? '',
            text: Buffer.concat(chunks).toString(),
          });
        });
      },
    );
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

function form(parts: Record<string, string>): { headers: Record<string, string>; body: string } {
  const fields = Object.entries(parts).map(
    ([name, value]) => `--xx\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
  );
  return {
    headers: { 'Content-Type': 'multipart/form-data; boundary=xx' },
    body: `${fields.join('')}--xx--\r\n`,
  };
}

test('[R6940-11.3-17][R6940-11.3-26] refusals are 403 with text/plain and nothing but the token; bad forms are 400', async (t) => {
  const lab = await startLab(t);
  valueOf(await lab.authority.addUser('alice', 'pw'));
  const login = { username: 'alice', password: 'pw' };
  const noCsr = form(login);
  const refused = { status: 403, type: 'text/plain', text: 'bad_CSR' };
  assert.deepEqual(await post(lab, noCsr.headers, noCsr.body), refused);
  const badCsr = form({ ...login, csr: 'not a request' });
  assert.deepEqual(await post(lab, badCsr.headers, badCsr.body), refused);
  const nobody = form({ csr: 'not a request' });
  assert.equal((await post(lab, nobody.headers, nobody.body)).text, 'failed_authentication');

  const large = form({ ...login, csr: 'x'.repeat(40_000) });
  assert.equal((await post(lab, large.headers, large.body)).status, 400);
  assert.equal((await post(lab, { 'Content-Type': 'text/plain' }, 'hello')).status, 400);
  assert.equal((await post(lab, noCsr.headers, '--xx\r\n')).status, 400);
  const parts = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`field${i}`, 'x']));
  const many = form(parts);
  assert.equal((await post(lab, many.headers, many.body)).status, 400);
  const picky = { ...noCsr.headers, Accept: 'text/html' };
  assert.equal((await post(lab, picky, noCsr.body)).status, 406);
  assert.equal((await post(lab, {}, '', '/feed')).status, 405);
  assert.equal((await post(lab, {}, '', '/nothing')).status, 404);
  assert.equal((await post(lab, {}, '[', '/join')).status, 400);
});

test('a source that keeps guessing has to wait, before its password is looked at', async (t) => {
  const lab = await startLab(t);
  valueOf(await lab.authority.addUser('alice', 'pw'));
  const wrong = form({ username: 'alice', password: 'no', csr: '' });
  const answers: number[] = [];
  for (let i = 0; i < 12; i++) answers.push((await post(lab, wrong.headers, wrong.body)).status);
  assert.equal(answers[0], 403);
  assert.equal(answers.at(-1), 429);
  const right = form({ username: 'alice', password: 'pw', csr: '' });
  assert.equal((await post(lab, right.headers, right.body)).status, 429);
});

test('[R6940-11.3-09][R6940-11.3-19][R6940-11.3-20][R6940-11.3-23] several Node-IDs, the same again, one user name', async (t) => {
  const lab = await startLab(t);
  valueOf(await lab.authority.addUser('alice', 'pw'));
  const enrollAlice = async (nodeIds: number) =>
    valueOf(await enrollAs(lab, 'alice', 'pw', 'alice@lab.example', { nodeIds }));
  const three = await enrollAlice(3);
  const one = await enrollAlice(1);
  assert.equal(new Set(three.nodeIds).size, 3);
  assert.deepEqual(one.nodeIds, three.nodeIds.slice(0, 1));
  assert.equal(three.userName, 'alice@lab.example');
  const names = new X509Certificate(three.der).subjectAltName?.split(', ') ?? [];
  assert.equal(names.filter((name) => name.startsWith('URI:reload://')).length, 3);
  assert.equal(names.length, 4);
});

test('an adapter enrolls its node and users, but nobody outside its scope and no other node', async (t) => {
  const lab = await startLab(t);
  valueOf(await lab.authority.addUser('alice', 'pw'));
  valueOf(await lab.authority.addUser('bob', 'pw'));
  const box = await joinLab(lab, ['alice@lab.example']);
  const other = await joinLab(lab);
  const reason = async (name: string): Promise<string> => {
    const outcome = await enrollAs(lab, box.account, box.password, name);
    return outcome.ok ? (outcome.value.userName ?? '') : outcome.error.reason;
  };
  assert.equal(await reason(box.account), box.account);
  assert.equal(await reason('alice@lab.example'), 'alice@lab.example');
  assert.equal(await reason('bob@lab.example'), 'username_not_available');
  assert.equal(await reason('nobody@lab.example'), 'username_not_available');
  assert.equal(await reason(other.account), 'username_not_available');
  valueOf(await lab.authority.disableUser('alice'));
  assert.equal(await reason('alice@lab.example'), 'username_not_available');
  valueOf(await lab.authority.revokeAdapter(box.account));
  assert.equal(await reason(box.account), 'failed_authentication');
});

test('[R6940-11.1-01] the document is served as it is, with its type, and verifies', async (t) => {
  const lab = await startLab(t);
  const root = lab.authority.rootCertificate;
  const connection = connectAuthority({ rootCertificates: [root.der], overlayName });
  t.after(() => {
    connection.close();
  });
  const document = valueOf(await fetchConfig(lab.url, connection));
  assert.deepEqual(Buffer.from(document), Buffer.from(lab.authority.configDocument()));
  const answer = valueOf(
    await connection.send({ method: 'GET', url: `${lab.url}/.well-known/reload-config` }),
  );
  assert.equal(answer.contentType, 'application/p2p-overlay+xml');

  const parsed = valueOf(parseOverlayDocument(document, createXml(), verifier, overlayName));
  const { config } = parsed;
  assert.deepEqual(config.enrollmentServers, [`${lab.url}/enroll`]);
  assert.equal(config.rootCertificates[0]?.fingerprint, root.fingerprint);
  assert.equal(config.maxMessageSize, 65_536);
  const checked = await new Promise((resolve) => {
    const context = { verifier, authority: config, nowMs: Date.now() };
    const started = verifyConfiguration(parsed, context, resolve);
    if (!started.ok) resolve(started);
  });
  assert.equal((checked as { ok: boolean }).ok, true);
});

test('a join token has its uses, its time, and can be revoked', async (t) => {
  const lab = await startLab(t);
  const create = async (options: Parameters<typeof lab.authority.createToken>[0]) =>
    valueOf(await lab.authority.createToken(options));
  const single = await create({});
  assert.match(single.token, /^chordial1\.[A-Za-z0-9_-]+$/);
  const joined = valueOf(await joinWithToken(single.token));
  assert.equal(joined.overlayName, overlayName);
  assert.deepEqual(
    Buffer.from(joined.rootCertificate),
    Buffer.from(lab.authority.rootCertificate.der),
  );
  assert.equal((await joinWithToken(single.token)).ok, false);

  const twice = await create({ uses: 2 });
  const [one, two] = [await joinWithToken(twice.token), await joinWithToken(twice.token)];
  assert.notEqual(valueOf(one).account, valueOf(two).account);
  assert.equal((await joinWithToken(twice.token)).ok, false);

  const short = await create({ lifetimeMs: 1 });
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal((await joinWithToken(short.token)).ok, false);

  const revoked = await create({});
  assert.equal(lab.authority.listTokens().length, 1);
  valueOf(await lab.authority.revokeToken(revoked.id));
  assert.equal((await joinWithToken(revoked.token)).ok, false);
  assert.equal(lab.authority.listTokens().length, 0);
});

test('the secret of a token goes to no server with another root', async (t) => {
  const lab = await startLab(t);
  const { token } = valueOf(await lab.authority.createToken());
  const fields = valueOf(parseJoinToken(token));
  const wrong = formatJoinToken({ ...fields, rootFingerprint: '0'.repeat(64) });
  const refused = await joinWithToken(wrong);
  assert.equal(refused.ok, false);
  assert.match(refused.error, /another root certificate/);
  assert.equal(lab.authority.listTokens()[0]?.usesLeft, 1);
});

interface SeenRequest {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** An HTTPS server with our kind of certificates that answers everything alike. */
async function impostor(
  t: TestContext,
  hosts: readonly string[],
  status: number,
  body: string | Uint8Array,
): Promise<{ url: string; rootDer: Uint8Array; requests: SeenRequest[] }> {
  const requests: SeenRequest[] = [];
  const [rootKey, serverKey] = [
    await generatePrivateKey('ecdsa-p256'),
    await generatePrivateKey('ecdsa-p256'),
  ];
  const validity = { notBeforeMs: Date.now() - 60_000, notAfterMs: Date.now() + 3_600_000 };
  const rootDer = createRoot({ name: 'impostor', privateKey: rootKey, ...validity });
  const issuer = { certificateDer: rootDer, privateKey: rootKey };
  const der = createServerCertificate({ privateKey: serverKey, hosts, issuer, ...validity });
  const server = createServer(
    {
      key: serverKey.export({ type: 'pkcs8', format: 'pem' }),
      cert: new X509Certificate(der).toString() + new X509Certificate(rootDer).toString(),
    },
    (incoming, response) => {
      const chunks: Uint8Array[] = [];
      incoming.on('data', (chunk: Uint8Array) => chunks.push(chunk));
      incoming.on('end', () => {
        const { method, url, headers } = incoming;
        requests.push({ method, url, headers, body: Buffer.concat(chunks).toString('latin1') });
        response.writeHead(status, { 'Content-Type': 'application/pkix-cert' });
        response.end(body);
      });
    },
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  return { url: `https://127.0.0.1:${address.port}`, rootDer, requests };
}

async function enrollAt(
  url: string,
  rootDer: Uint8Array,
  name?: string,
  given?: KeyObject,
  roots = [valueOf(verifier.parseCertificate(rootDer))],
): Promise<string> {
  const key = given ?? (await generatePrivateKey('ecdsa-p256'));
  const connection = connectAuthority({
    rootCertificates: [rootDer],
    ...(name === undefined ? {} : { overlayName: name }),
  });
  const outcome = await enroll(
    {
      url: `${url}/enroll`,
      username: 'alice',
      password: 'pw',
      csr: createCsr(key, 'alice@lab.example'),
      publicKey: publicKeyDer(key),
    },
    { connection, verifier, roots },
  );
  connection.close();
  return outcome.ok ? 'issued' : outcome.error.reason;
}

test('[R6940-11.3-03] enrollment over http is refused by the client', async () => {
  const root = createRoot({
    name: 'r',
    privateKey: await generatePrivateKey('ecdsa-p256'),
    notBeforeMs: Date.now(),
    notAfterMs: Date.now() + 1000,
  });
  assert.equal(await enrollAt('http://127.0.0.1:1', root), 'unreachable');
  assert.equal(await enrollAt('https://127.0.0.1:99999', root), 'unreachable');
});

test('[R6940-11.3-04] a server certificate without the overlay name is refused', async (t) => {
  const { url, rootDer } = await impostor(t, ['127.0.0.1', 'other.example'], 403, 'bad_CSR');
  assert.equal(await enrollAt(url, rootDer, overlayName), 'unreachable');
  assert.equal(await enrollAt(url, rootDer, 'other.example'), 'bad_CSR');
});

test('[R6940-11.2-06] a server certificate without the host of the given URL is refused', async (t) => {
  const { url, rootDer } = await impostor(t, [overlayName], 403, 'bad_CSR');
  assert.equal(await enrollAt(url, rootDer), 'unreachable');
});

test('[R6940-11.3-27] an unknown token of refusal is an unknown failure', async (t) => {
  const { url, rootDer } = await impostor(t, [overlayName], 403, 'foo');
  assert.equal(await enrollAt(url, rootDer, overlayName), 'unknown');
});

test('[R6940-11.3-28] a certificate of a foreign or non-CA issuer is refused by the client', async (t) => {
  const [rootKey, middleKey, key] = await Promise.all([
    generatePrivateKey('ecdsa-p256'),
    generatePrivateKey('ecdsa-p256'),
    generatePrivateKey('ecdsa-p256'),
  ]);
  const validity = { notBeforeMs: Date.now() - 60_000, notAfterMs: Date.now() + 3_600_000 };
  const root = {
    certificateDer: createRoot({ name: 'root', privateKey: rootKey, ...validity }),
    privateKey: rootKey,
  };
  const issue = (issuer: Issuer, forKey: KeyObject): Uint8Array =>
    issueCertificate({
      publicKey: publicKeyDer(forKey),
      nodeIds: [nodeIdFromBytes(random.bytes(16))],
      overlayName,
      userName: 'alice@lab.example',
      issuer,
      ...validity,
    });
  const middle = { certificateDer: issue(root, middleKey), privateKey: middleKey };
  const roots = [valueOf(verifier.parseCertificate(root.certificateDer))];
  const outcomeFor = async (der: Uint8Array | string): Promise<string> => {
    const { url, rootDer } = await impostor(t, [overlayName], 200, der);
    return enrollAt(url, rootDer, overlayName, key, roots);
  };
  assert.equal(await outcomeFor(issue(root, key)), 'issued');
  const foreignKey = await generatePrivateKey('ecdsa-p256');
  const foreign = createRoot({ name: 'root', privateKey: foreignKey, ...validity });
  const byForeign = issue({ certificateDer: foreign, privateKey: foreignKey }, key);
  assert.equal(await outcomeFor(byForeign), 'bad_certificate');
  assert.equal(await outcomeFor(issue(middle, key)), 'bad_certificate');
  assert.equal(await outcomeFor(issue(root, middleKey)), 'bad_certificate', 'another key');
  assert.equal(await outcomeFor('garbage'), 'bad_certificate');
});

test('[R6940-11.3-05][R6940-11.3-06][R6940-11.3-10][R6940-11.3-11] what our client sends', async (t) => {
  const { url, rootDer, requests } = await impostor(t, [overlayName], 403, 'bad_CSR');
  await enrollAt(url, rootDer, overlayName);
  const [seen] = requests;
  assert.ok(seen !== undefined);
  assert.equal(seen.method, 'POST');
  assert.match(seen.headers['content-type'] ?? '', /^multipart\/form-data; boundary=/);
  assert.equal(seen.headers.accept, 'application/pkix-cert');
  assert.match(seen.body, /name="username"\r\n\r\nalice\r\n/);
  assert.match(seen.body, /name="password"\r\n\r\npw\r\n/);
  assert.match(seen.body, /name="csr"[^\r]*\r\nContent-Type: application\/pkcs10\r\n\r\n0/);
  assert.doesNotMatch(seen.body, /name="nodeids"/);
  assert.doesNotMatch(seen.url ?? '', /pw|alice/);
});

test('[R6940-11.3-08] names and passwords are prepared before they are sent and kept', async (t) => {
  const lab = await startLab(t);
  valueOf(await lab.authority.addUser('alice', 'pa\u0308ss wo\u0308rd'));
  const alice = 'alice@lab.example';
  valueOf(await enrollAs(lab, 'ali\u00adce', 'p\u00e4ss\u00a0w\u00f6rd', alice));
  const unseen = await enrollAs(lab, 'alice', 'p\u202ew', alice);
  assert.match(unseen.ok ? '' : unseen.error.text, /the password holds a character/);
  assert.equal((await lab.authority.setPassword('alice', 'p\u202ew')).ok, false);
});

test('[R6940-11.3-29][R6940-13.3-02] Node-IDs come from the certificate that was issued', async (t) => {
  const lab = await startLab(t);
  valueOf(await lab.authority.addUser('alice', 'pw'));
  const certificate = valueOf(
    await enrollAs(lab, 'alice', 'pw', 'alice@lab.example', { nodeIds: 3 }),
  );
  const { subjectAltName = '' } = new X509Certificate(certificate.der);
  const named = [...subjectAltName.matchAll(/URI:reload:\/\/0110([0-9a-f]{32})@/g)].map(
    ([, id]) => id,
  );
  assert.deepEqual(certificate.nodeIds, named);
  assert.equal(new Set(named).size, 3);
});

test('[R6940-4.1-01][R6940-13.3-01][R6940-13.6.2-01] every name and every Node-ID is given once; Node-IDs are random', async (t) => {
  const lab = await startLab(t);
  const seen = new Set<string>();
  for (const name of ['alice', 'bob', 'carol', 'dave']) {
    valueOf(await lab.authority.addUser(name, 'pw'));
    const aor = `${name}@lab.example`;
    const { nodeIds, userName } = valueOf(await enrollAs(lab, name, 'pw', aor, { nodeIds: 2 }));
    assert.equal(userName, aor);
    for (const id of nodeIds) seen.add(id);
  }
  assert.equal(seen.size, 8);
  // Sixteen bytes each: by chance about half of all bits are set.
  const bits = [...seen].join('').replace(/./g, (digit) => parseInt(digit, 16).toString(2));
  const set = bits.replaceAll('0', '').length;
  assert.ok(set > 400 && set < 624, `${set} of 1024`);
  assert.equal((await lab.authority.addUser('alice', 'other')).ok, false, 'the name is taken');
  const stolen = await enrollAs(lab, 'bob', 'pw', 'alice@lab.example');
  assert.equal(stolen.ok ? 'issued' : stolen.error.reason, 'username_not_available');
});

test('[R6940-13.3-04] the life of certificates can be set; renewal keeps the Node-ID', async (t) => {
  const dayMs = 86_400_000;
  const lab = await startLab(t, { userCertificateMs: 2 * dayMs, nodeCertificateMs: 5 * dayMs });
  valueOf(await lab.authority.addUser('alice', 'pw'));
  const lifeMs = (certificate: { readonly notAfterMs: number }): number =>
    Math.round((certificate.notAfterMs - Date.now()) / dayMs);
  const first = valueOf(await enrollAs(lab, 'alice', 'pw', 'alice@lab.example'));
  const again = valueOf(await enrollAs(lab, 'alice', 'pw', 'alice@lab.example'));
  assert.equal(lifeMs(first), 2);
  assert.deepEqual(again.nodeIds, first.nodeIds);
  assert.notEqual(again.serialNumber, first.serialNumber);
  const { account, password } = await joinLab(lab);
  assert.equal(lifeMs(valueOf(await enrollAs(lab, account, password, account))), 5);
});
