import assert from 'node:assert/strict';
import { test } from 'node:test';
import { limits } from '../../../../src/base/limits.ts';
import { createPrng } from '../../../../src/base/prng.ts';
import { failure, success } from '../../../../src/base/outcome.ts';
import type { SipTransportName } from '../../../../src/ports/flow.ts';
import type { NaptrRecord, Resolver, SrvRecord } from '../../../../src/ports/resolver.ts';
import { createLocator } from '../../../../src/sip/dns/locator.ts';
import { orderSrv } from '../../../../src/sip/dns/srv-order.ts';
import { parseUri } from '../../../../src/sip/message/uri.ts';

interface Zone {
  readonly naptr?: Record<string, readonly NaptrRecord[]>;
  readonly srv?: Record<string, readonly SrvRecord[]>;
  readonly a?: Record<string, readonly string[]>;
  readonly aaaa?: Record<string, readonly string[]>;
}

function resolverOf(zone: Zone): Resolver & { readonly asked: string[] } {
  const asked: string[] = [];
  const answer = <T>(found: readonly T[] | undefined) =>
    found === undefined ? failure('not-found' as const) : success(found);
  return {
    asked,
    naptr(name, done) {
      asked.push(`NAPTR ${name}`);
      done(answer(zone.naptr?.[name]));
    },
    srv(name, done) {
      asked.push(`SRV ${name}`);
      done(answer(zone.srv?.[name]));
    },
    addresses(name, family, done) {
      asked.push(`${family === 4 ? 'A' : 'AAAA'} ${name}`);
      done(answer((family === 4 ? zone.a : zone.aaaa)?.[name]));
    },
  };
}

const prng = createPrng('dns');
const random = { bytes: (n: number) => prng.bytes(n), u32: () => prng.u32() };
const all: readonly SipTransportName[] = ['udp', 'tcp', 'tls'];

/** Every place a URI leads to, as `transport address:port`. */
function places(
  zone: Zone,
  text: string,
  options: { secure?: boolean; transports?: readonly SipTransportName[]; asked?: string[] } = {},
): string[] {
  const resolver = resolverOf(zone);
  const { transports = all, secure = false } = options;
  const uri = parseUri(text);
  assert.ok(uri.ok, text);
  const location = createLocator({ resolver, random, transports }).locate(uri.value, secure);
  const found: string[] = [];
  for (let more = location !== undefined; more;) {
    location?.next((place) => {
      more = place !== undefined;
      if (place !== undefined) {
        found.push(`${place.transport} ${place.address}:${String(place.port)}`);
      }
    });
  }
  options.asked?.push(...resolver.asked);
  return found;
}

const srv = (target: string, priority = 1, weight = 1, port = 5060): SrvRecord => ({
  target,
  priority,
  weight,
  port,
});
const naptr = (service: string, replacement: string, order: number): NaptrRecord => ({
  service,
  replacement,
  order,
  preference: 1,
  flags: 's',
  regexp: '',
});

const full: Zone = {
  naptr: {
    'full.example': [
      naptr('SIP+D2U', '_sip._udp.full.example', 30),
      naptr('SIPS+D2T', '_sips._tcp.full.example', 10),
      naptr('SIP+D2T', '_sip._tcp.full.example', 20),
      naptr('SIP+D2S', '_sip._sctp.full.example', 5),
      naptr('E2U+sip', 'enum.example', 1),
    ],
  },
  srv: {
    '_sip._udp.full.example': [srv('u.full.example')],
    '_sip._tcp.full.example': [srv('t2.full.example', 2), srv('t1.full.example', 1, 1, 5070)],
    '_sips._tcp.full.example': [srv('s.full.example', 1, 1, 5061)],
  },
  a: {
    'u.full.example': ['192.0.2.1'],
    't1.full.example': ['192.0.2.2', '192.0.2.3'],
    't2.full.example': ['192.0.2.4'],
    's.full.example': ['192.0.2.5'],
  },
  aaaa: { 't1.full.example': ['2001:db8::2'] },
};

test('[S3263-4.1-02] [S3263-4.2-01] NAPTR by order, SRV by priority, every address of a target in turn', () => {
  const asked: string[] = [];
  assert.deepEqual(places(full, 'sip:bob@full.example', { asked }), [
    'tls 192.0.2.5:5061',
    'tcp 192.0.2.2:5070',
    'tcp 192.0.2.3:5070',
    'tcp 2001:db8::2:5070',
    'tcp 192.0.2.4:5060',
    'udp 192.0.2.1:5060',
  ]);
  assert.equal(asked[0], 'NAPTR full.example');
});

test('[S3263-4.1-03] for sips all services without SIPS are dropped', () => {
  assert.deepEqual(places(full, 'sips:bob@full.example'), ['tls 192.0.2.5:5061']);
  assert.deepEqual(places(full, 'sip:bob@full.example', { secure: true }), ['tls 192.0.2.5:5061']);
  const plain: Zone = {
    naptr: { 'plain.example': [naptr('SIP+D2U', '_sip._udp.plain.example', 1)] },
    srv: { '_sip._udp.plain.example': [srv('h.plain.example')] },
    a: { 'h.plain.example': ['192.0.2.9'] },
  };
  assert.deepEqual(places(plain, 'sips:bob@plain.example'), []);
});

test('services of transports that this server has not are passed over', () => {
  assert.deepEqual(places(full, 'sip:bob@full.example', { transports: ['udp'] }), [
    'udp 192.0.2.1:5060',
  ]);
});

test('[S3263-4.1-04] without NAPTR the SRV records of each transport are asked for', () => {
  const zone: Zone = {
    srv: { '_sip._tcp.srv.example': [srv('h.srv.example', 1, 1, 5080)] },
    a: { 'h.srv.example': ['192.0.2.20'], 'srv.example': ['192.0.2.99'] },
  };
  const asked: string[] = [];
  assert.deepEqual(places(zone, 'sip:bob@srv.example', { asked }), ['tcp 192.0.2.20:5080']);
  assert.deepEqual(
    asked.filter((question) => question.startsWith('SRV')),
    ['SRV _sip._udp.srv.example', 'SRV _sip._tcp.srv.example', 'SRV _sips._tcp.srv.example'],
  );
});

test('[S3263-4.1-05] without SRV the addresses of the name on the default port: UDP for sip, TLS for sips', () => {
  const zone: Zone = {
    a: { 'a.example': ['192.0.2.30'] },
    aaaa: { 'a.example': ['2001:db8::30'] },
  };
  assert.deepEqual(places(zone, 'sip:bob@a.example'), [
    'udp 192.0.2.30:5060',
    'udp 2001:db8::30:5060',
  ]);
  assert.deepEqual(places(zone, 'sips:bob@a.example.'), [
    'tls 192.0.2.30:5061',
    'tls 2001:db8::30:5061',
  ]);
});

test('[S3263-4.1-01] address, port, transport and maddr of the URI decide before the DNS', () => {
  const zone: Zone = {
    srv: { '_sip._tcp.t.example': [srv('h.t.example', 1, 1, 5099)] },
    a: { 't.example': ['192.0.2.40'], 'h.t.example': ['192.0.2.41'] },
  };
  const asked: string[] = [];
  assert.deepEqual(places(zone, 'sip:192.0.2.7', { asked }), ['udp 192.0.2.7:5060']);
  assert.deepEqual(places(zone, 'sip:[2001:db8::7]:5070;transport=tcp', { asked }), [
    'tcp 2001:db8::7:5070',
  ]);
  assert.deepEqual(places(zone, 'sip:x@t.example;maddr=192.0.2.8', { asked }), [
    'udp 192.0.2.8:5060',
  ]);
  assert.deepEqual(asked, []);
  assert.deepEqual(places(zone, 'sip:x@t.example:5065', { asked }), ['udp 192.0.2.40:5065']);
  assert.deepEqual(asked, ['A t.example', 'AAAA t.example']);
  assert.deepEqual(places(zone, 'sip:x@t.example;transport=tcp'), ['tcp 192.0.2.41:5099']);
  assert.deepEqual(places(zone, 'sip:x@t.example;transport=tls'), ['tls 192.0.2.40:5061']);
  assert.deepEqual(places(zone, 'sips:x@t.example;transport=tcp'), ['tls 192.0.2.40:5061']);
  assert.deepEqual(places(zone, 'sips:x@t.example;transport=udp'), []);
  assert.deepEqual(places(zone, 'sip:x@t.example;transport=sctp'), []);
  assert.deepEqual(places(zone, 'tel:+4930123'), []);
});

test('a name that says "no service" by a lone dot leads nowhere', () => {
  const zone: Zone = {
    srv: { '_sip._udp.no.example': [srv('.')] },
    a: { 'no.example': ['192.0.2.50'] },
  };
  assert.deepEqual(places(zone, 'sip:bob@no.example', { transports: ['udp'] }), []);
});

test('places and lookups of one search are bounded, whatever the zone says', () => {
  const names = Array.from({ length: 64 }, (_, i) => `h${String(i)}.big.example`);
  const zone: Zone = {
    srv: { '_sip._udp.big.example': names.map((name) => srv(name)) },
    a: Object.fromEntries(names.map((name, i) => [name, [`192.0.2.${String(i)}`]])),
  };
  const asked: string[] = [];
  const found = places(zone, 'sip:bob@big.example', { transports: ['udp'], asked });
  assert.ok(found.length <= 16 && found.length > 4, String(found.length));
  assert.ok(asked.length <= 24);
});

test('[S3263-4.2-01] SRV records of one priority are drawn by weight', () => {
  const records = [
    srv('heavy', 1, 90),
    srv('light', 1, 10),
    srv('zero', 1, 0),
    srv('later', 2, 99),
  ];
  let heavyFirst = 0;
  for (let i = 0; i < 1000; i++) {
    const order = orderSrv(records, random).map(({ target }) => target);
    assert.equal(order.length, 4);
    assert.equal(order[3], 'later');
    if (order[0] === 'heavy') heavyFirst++;
  }
  assert.ok(heavyFirst > 840 && heavyFirst < 940, String(heavyFirst));
});

test('[S7118-5.2-01] hosts under .invalid are never looked up', () => {
  const zone: Zone = { a: { 'x.invalid': ['192.0.2.9'], 'invalid.example': ['192.0.2.8'] } };
  const asked: string[] = [];
  for (const uri of ['sip:bob@x.invalid', 'sip:x.INVALID.', 'sip:x.invalid:5070', 'sips:invalid']) {
    assert.deepEqual(places(zone, uri, { asked }), [], uri);
  }
  assert.deepEqual(places(zone, 'sip:bob@lab.example;maddr=x.invalid', { asked }), []);
  assert.deepEqual(asked, []);
  assert.deepEqual(places(zone, 'sip:bob@invalid.example:5070'), ['udp 192.0.2.8:5070']);
});

test('NAPTR records that name no service of SIP by SRV are passed over; the order decides, then the preference', () => {
  const record = (more: Partial<NaptrRecord>): NaptrRecord => ({
    ...naptr('SIP+D2U', '_sip._udp.n.example', 5),
    ...more,
  });
  const names = (records: readonly NaptrRecord[]): readonly string[] => {
    const asked: string[] = [];
    places({ naptr: { 'n.example': records } }, 'sip:bob@n.example', { asked });
    return asked.filter((question) => question.startsWith('SRV')).map((text) => text.slice(4));
  };
  const usual = ['_sip._udp.n.example', '_sip._tcp.n.example', '_sips._tcp.n.example'];
  assert.deepEqual(names([]), usual);
  for (const unfit of [
    record({ flags: 'u' }),
    record({ flags: '' }),
    record({ replacement: '' }),
    record({ replacement: '.' }),
    record({ service: 'SIP+D2W' }),
  ]) {
    assert.deepEqual(names([unfit]), usual, JSON.stringify(unfit));
  }
  assert.deepEqual(
    names([
      record({ order: 2, preference: 1, replacement: 'c' }),
      record({ order: 1, preference: 9, replacement: 'b', flags: 'S', service: 'sip+d2t' }),
      record({ order: 1, preference: 2, replacement: 'a', service: 'SIPS+D2T' }),
    ]),
    ['a', 'b', 'c'],
  );
});

test('transports of WebSockets have no SRV records; their ports are those of SIP', () => {
  const zone: Zone = { a: { 'w.example': ['192.0.2.1'] } };
  const transports: readonly SipTransportName[] = ['ws', 'wss'];
  const asked: string[] = [];
  assert.deepEqual(places(zone, 'sip:w.example', { transports, asked }), ['ws 192.0.2.1:5060']);
  assert.deepEqual(
    asked.filter((question) => question.startsWith('SRV')),
    [],
  );
  assert.deepEqual(places(zone, 'sip:192.0.2.7;transport=wss', { transports }), [
    'wss 192.0.2.7:5061',
  ]);
  assert.deepEqual(places(zone, 'sips:192.0.2.7;transport=ws', { transports }), [
    'wss 192.0.2.7:5061',
  ]);
  assert.deepEqual(places(zone, 'sip:192.0.2.7;transport=ws', { transports }), [
    'ws 192.0.2.7:5060',
  ]);
  assert.deepEqual(places(zone, 'sips:192.0.2.7', { transports: ['udp', 'tcp'] }), []);
  assert.deepEqual(places(zone, 'sip:192.0.2.7', { transports: ['tcp'] }), ['tcp 192.0.2.7:5060']);
  assert.deepEqual(places(zone, 'sip:192.0.2.7', { transports: [] }), []);
  assert.deepEqual(places(zone, 'sip:192.0.2.7;transport=tls', { transports: ['udp'] }), []);
});

test('a place is named once, with the domain that TLS has to prove', () => {
  const zone: Zone = {
    srv: {
      '_sips._tcp.d.example': [srv('a.d.example', 1, 1, 5061), srv('b.d.example', 2, 1, 5061)],
    },
    a: { 'a.d.example': ['192.0.2.1', '192.0.2.1'], 'b.d.example': ['192.0.2.1', '192.0.2.2'] },
  };
  assert.deepEqual(places(zone, 'sips:d.example'), ['tls 192.0.2.1:5061', 'tls 192.0.2.2:5061']);
  const uri = parseUri('sips:d.example.');
  assert.ok(uri.ok);
  const locator = createLocator({ resolver: resolverOf(zone), random, transports: all });
  const hosts: (string | undefined)[] = [];
  locator.locate(uri.value, false)?.next((place) => hosts.push(place?.host));
  assert.deepEqual(hosts, ['d.example']);
});

test('records, places and lookups of one search have their bounds', () => {
  const { lookups, places: most, records } = limits.sipDns;
  const addresses = Array.from({ length: records + 5 }, (_, i) => `192.0.2.${String(i)}`);
  const one = places({ a: { 'x.example': addresses } }, 'sip:x.example:5060');
  assert.equal(one.length, Math.min(records, most));
  const names = Array.from({ length: 100 }, (_, i) => srv(`h${String(i)}`, i));
  const asked: string[] = [];
  places({ srv: { '_sip._udp.x.example': names } }, 'sip:x.example;transport=udp', { asked });
  assert.equal(asked.length, Math.min(lookups, 1 + 2 * records));
});

test('equal weights are drawn evenly, zero weights rarely, and order among priorities is fixed', () => {
  const records = [srv('c', 3, 0), srv('a', 1, 0), srv('b', 1, 0), srv('z', 2, 1), srv('y', 2, 0)];
  const first = new Map<string, number>();
  let zeroFirst = 0;
  for (let i = 0; i < 1000; i++) {
    const order = orderSrv(records, random).map(({ target }) => target);
    assert.equal(order.length, 5);
    assert.deepEqual([...order.slice(0, 2)].sort(), ['a', 'b']);
    assert.deepEqual([...order.slice(2, 4)].sort(), ['y', 'z']);
    assert.equal(order[4], 'c');
    first.set(order[0] ?? '', (first.get(order[0] ?? '') ?? 0) + 1);
    if (order[2] === 'y') zeroFirst++;
  }
  assert.ok(zeroFirst > 400 && zeroFirst < 600, String(zeroFirst));
  assert.equal(orderSrv([], random).length, 0);
});

test('records of equal weight come in every order', () => {
  const orders = new Set<string>();
  const records = ['a', 'b', 'c'].map((name) => srv(name, 1, 10));
  for (let i = 0; i < 200; i++) {
    orders.add(
      orderSrv(records, random)
        .map(({ target }) => target)
        .join(''),
    );
  }
  assert.equal(orders.size, 6);
});
