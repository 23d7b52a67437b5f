import assert from 'node:assert/strict';
import { test } from 'node:test';
import { config, document, parse, refusal } from './support.ts';

function refused(content: string, pattern: RegExp, attributes = ''): void {
  const outcome = refusal(content, attributes);
  assert.ok(outcome.ok, `${content} must be refused`);
  assert.match(outcome.value, pattern);
}

const block = (inside: string): string =>
  `<required-kinds><kind-block>${inside}</kind-block></required-kinds>`;
const values = [
  '<max-count>1</max-count><max-size>9</max-size>',
  '<data-model>SINGLE</data-model><access-control>USER-MATCH</access-control>',
].join('');
const kind = `<kind id="4026531841">${values}</kind>`;
const signature = '<kind-signature algorithm="x">AAAA</kind-signature>';

test('[R6940-14.16-03] names of our namespaces that the grammar does not know are refused', () => {
  refused('<multicast-bootstrap/>', /<configuration>: must not contain <multicast-bootstrap>/);
  refused('<chord:chord-fingers>3</chord:chord-fingers>', /must not contain <chord-fingers>/);
  refused('<chord:no-ice>true</chord:no-ice>', /must not contain <no-ice>/);
  refused('<chord-reactive>true</chord-reactive>', /must not contain <chord-reactive>/);
  refused('', /<configuration>: has the unknown attribute colour/, 'colour="red"');
  refused('<no-ice kind="x">true</no-ice>', /<no-ice>: has the unknown attribute kind/);
  refused('<no-ice><no-ice/>true</no-ice>', /<no-ice>: must not contain <no-ice>/);
  refused('<bootstrap-node xmlns="" address="192.0.2.1"/>', /must not contain <bootstrap-node>/);
  refused('words', /<configuration>: must not contain text/);
  refused(block(kind + signature + signature), /<kind-signature>: must not appear more than once/);
  refused(block(`${kind}${signature}<kind-signer>1</kind-signer>`), /<kind-block>: must not/);
  refused(block(`${kind}x${signature}`), /<kind-block>: must not contain text/);
  refused(
    block(kind.replace('<max-count>', '<min-count/><max-count>') + signature),
    /<kind>: must/,
  );
  refused('<required-kinds><kind/></required-kinds>', /<required-kinds>: must not contain <kind>/);
  const besides = (element: string) =>
    parse(document('').replace('</overlay>', `${element}</overlay>`));
  assert.match(errorOf(besides('<node/>')), /<overlay>: must not contain <node>/);
  assert.match(errorOf(besides('<signature key="1">AAAA</signature>')), /<signature>: has the unk/);
  assert.equal(besides('<signature algorithm="rsa-sha1">AAAA</signature>').ok, true);
});

test('[R6940-11.1.1-03] names of foreign namespaces may stand everywhere', () => {
  const foreign = '<ext:a ext:b="c" d="e">text<root-cert/><ext:f/></ext:a>';
  const inKind = kind.replace('</kind>', `${foreign}</kind>`);
  const parsed = config(
    `${foreign}<no-ice ext:a="b">true</no-ice>${block(foreign + inKind + signature)}`,
    'ext:a="b" xml:lang="en"',
  );
  assert.equal(parsed.noIce, true);
  assert.equal(parsed.requiredKinds.length, 1);
});

test('[R6940-14.3-01][R6940-14.4-01][R6940-14.7-01][R6940-14.11-01] names for experiments and unknown policies and models are refused', () => {
  refused('<topology-plugin> EXP-OVERLAY </topology-plugin>', /EXP-OVERLAY is for experiments/);
  refused('<overlay-link-protocol>EXP-PROTOCOL</overlay-link-protocol>', /EXP-PROTOCOL is for exp/);
  for (const name of ['EXP-MATCH', 'ANYBODY', 'user-match']) {
    refused(block(kind.replace('USER-MATCH', name) + signature), /<access-control>: .*not supp/);
  }
  for (const name of ['EXP-DATA', 'INVALID', 'RESERVED', 'LIST']) {
    refused(block(kind.replace('SINGLE', name) + signature), /<data-model>: .*not supported/);
  }
});

test('[R6940-14.6-01] a Kind-ID outside the private range that nobody registered is reported', () => {
  const warnings = (id: number): readonly string[] => {
    const parsed = parse(document(block(kind.replace('4026531841', String(id)) + signature)));
    assert.ok(parsed.ok);
    return parsed.value.warnings;
  };
  for (const id of [2000, 0x7fff_fffe, 0x8000_0000, 0xf000_0000]) {
    assert.match(warnings(id)[0] ?? '', new RegExp(`Kind ${id} is neither registered nor private`));
  }
  for (const id of [1, 0xf000_0001, 0xffff_fffd]) assert.deepEqual(warnings(id), []);
});

function errorOf(outcome: ReturnType<typeof parse>): string {
  return outcome.ok ? '' : outcome.error;
}
