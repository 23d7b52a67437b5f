/** The operator's own certificates on the secure listeners, renewed under the running box. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import tls from 'node:tls';
import { makeCertificate } from '../support/certificates.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { startLab, type Lab } from './support/lab.ts';
import { until } from './support/wait.ts';

describe('certificates from files', () => {
  const folder = temporaryFolder('certificates');
  const files = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') };
  let lab: Lab;

  function install(commonName: string): void {
    const { cert, key } = makeCertificate({ dns: ['phones.example'], commonName });
    writeFileSync(files.key, key);
    writeFileSync(files.cert, cert);
  }

  before(async () => {
    install('first');
    const config = join(folder, 'lab.json');
    writeFileSync(config, JSON.stringify({ sip: { certificates: [files], wssPort: 5067 } }));
    lab = await startLab({ adapters: 1, config });
  });
  after(async () => await lab.stop());

  async function shown(port: number, servername = 'phones.example'): Promise<string> {
    const socket = tls.connect({
      ...{ host: '127.0.0.11', port, servername, rejectUnauthorized: false },
    });
    await once(socket, 'secureConnect');
    const { subject, subjectaltname } = socket.getPeerCertificate();
    socket.destroy();
    return `${String(subject.CN)} ${String(subjectaltname)}`;
  }

  test('are shown on TLS and WSS; the certificate of the box serves its own names', async () => {
    assert.match(await shown(5061), /^first /);
    assert.match(await shown(5067), /^first /);
    assert.match(await shown(5061, lab.domain), /lab\.example/);
  });

  /** The answer to a REGISTER from a phone on TLS without a certificate. */
  async function answerTo(lines: readonly string[]): Promise<string> {
    const socket = tls.connect({
      ...{ host: '127.0.0.11', port: 5061, servername: 'phones.example' },
      rejectUnauthorized: false,
    });
    await once(socket, 'secureConnect');
    socket.write([...lines, 'Content-Length: 0', '', ''].join('\r\n'));
    const [bytes] = (await once(socket, 'data')) as [Buffer];
    socket.destroy();
    return bytes.toString('latin1');
  }

  const register = [
    'REGISTER sip:lab.example SIP/2.0',
    'Via: SIP/2.0/TLS 127.0.0.1:5999;branch=z9hG4bK1',
    'From: <sip:alice@lab.example>;tag=1',
    'To: <sip:alice@lab.example>',
    'Call-ID: certificates',
    'CSeq: 1 REGISTER',
    'Contact: <sip:alice@127.0.0.1:5999;transport=tls>',
    'Max-Forwards: 70',
  ];

  test('[S5922-7.4-01] TLS alone authenticates no phone', async () => {
    assert.match(await answerTo(register), /^SIP\/2\.0 401 /);
  });

  test('are replaced while the box serves; what does not fit is refused and told', async () => {
    install('second');
    await until(
      'the new one on TLS',
      async () => (await shown(5061)).startsWith('second '),
      15_000,
    );
    assert.match(await shown(5067), /^second /);
    writeFileSync(files.cert, 'nonsense');
    await until(
      'a refusal in the log',
      () => lab.log(1).includes('sip-certificates-refused'),
      15_000,
    );
    assert.match(await shown(5061), /^second /);
  });
});
