import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createDnsResolver } from '../../src/node/dns-resolver.ts';
import { silentTrace } from '../../src/ports/trace.ts';
import { startDnsServer } from './dns-server.ts';

test('NAPTR, SRV, A and AAAA come from the server named, and absence is told from failure', async () => {
  const naptr = {
    order: 10,
    preference: 5,
    flags: 's',
    service: 'SIP+D2T',
    regexp: '',
    replacement: '_sip._tcp.zone.example',
  };
  const srv = { priority: 1, weight: 2, port: 5070, target: 'h.zone.example' };
  const server = await startDnsServer({
    naptr: { 'zone.example': [naptr] },
    srv: { '_sip._tcp.zone.example': [srv] },
    a: { 'h.zone.example': ['192.0.2.1', '192.0.2.2'] },
    aaaa: { 'h.zone.example': ['2001:db8::1'] },
  });
  try {
    const resolver = createDnsResolver([server.address], silentTrace);
    const ask = <T>(question: (done: (value: T) => void) => void): Promise<T> =>
      new Promise(question);
    assert.deepEqual(await ask((done) => resolver.naptr('zone.example', done)), {
      ok: true,
      value: [naptr],
    });
    assert.deepEqual(await ask((done) => resolver.srv('_sip._tcp.zone.example', done)), {
      ok: true,
      value: [srv],
    });
    const four = await ask<unknown>((done) => resolver.addresses('h.zone.example', 4, done));
    assert.deepEqual(four, { ok: true, value: ['192.0.2.1', '192.0.2.2'] });
    const six = await ask<unknown>((done) => resolver.addresses('h.zone.example', 6, done));
    assert.deepEqual(six, { ok: true, value: ['2001:db8::1'] });
    const none = await ask<unknown>((done) => resolver.srv('_sip._udp.zone.example', done));
    assert.deepEqual(none, { ok: false, error: 'not-found' });
    assert.ok(server.questions.includes('NAPTR zone.example'));
  } finally {
    await server.close();
  }
});
