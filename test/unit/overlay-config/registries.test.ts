/** The registries of RFC 6940 §14 as far as configuration documents name their entries. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { overlayDocumentExtension } from '../../../src/overlay-config/names.ts';
import { config, refusal } from './support.ts';

interface Parts {
  readonly dataModel?: string;
  readonly accessControl?: string;
  readonly multiple?: string;
}

function kind({ dataModel, accessControl, multiple }: Parts): string {
  const model = dataModel === undefined ? '' : `<data-model>${dataModel}</data-model>`;
  const access =
    accessControl === undefined ? '' : `<access-control>${accessControl}</access-control>`;
  const bounds = '<max-count>3</max-count><max-size>100</max-size>';
  const times = multiple === undefined ? '' : `<max-node-multiple>${multiple}</max-node-multiple>`;
  return `<required-kinds><kind-block><kind id="4026531842">${model}${access}${bounds}${times}</kind><kind-signature>AAAA</kind-signature></kind-block></required-kinds>`;
}

function isRefused(content: string): boolean {
  return refusal(content).ok;
}

test('[R6940-7.3-01] [R6940-7.4.5-02] a Kind has a data model and an access control policy', () => {
  const whole = { dataModel: 'SINGLE', accessControl: 'USER-MATCH' };
  const [read] = config(kind(whole)).requiredKinds;
  assert.equal(read?.kind, 0xf000_0002);
  assert.equal(read.dataModel, 'SINGLE');
  assert.equal(read.accessControl, 'USER-MATCH');
  assert.equal(isRefused(kind({ accessControl: 'USER-MATCH' })), true);
  assert.equal(isRefused(kind({ dataModel: 'SINGLE' })), true);
});

test('[R6940-14.4-02] the access control policies', () => {
  for (const accessControl of ['USER-MATCH', 'NODE-MATCH', 'USER-NODE-MATCH']) {
    const [read] = config(kind({ dataModel: 'DICTIONARY', accessControl })).requiredKinds;
    assert.equal(read?.accessControl, accessControl);
  }
  const multiple = { dataModel: 'SINGLE', accessControl: 'NODE-MULTIPLE', multiple: '7' };
  const [read] = config(kind(multiple)).requiredKinds;
  assert.deepEqual([read?.accessControl, read?.maxNodeMultiple], ['NODE-MULTIPLE', 7]);
  for (const accessControl of ['EXP-MATCH', 'user-match', 'ANYBODY', '']) {
    assert.equal(isRefused(kind({ dataModel: 'SINGLE', accessControl })), true, accessControl);
  }
});

test('[R6940-14.7-02] the data models', () => {
  for (const dataModel of ['SINGLE', 'ARRAY', 'DICTIONARY']) {
    const [read] = config(kind({ dataModel, accessControl: 'USER-MATCH' })).requiredKinds;
    assert.equal(read?.dataModel, dataModel);
  }
  for (const dataModel of ['INVALID', 'EXP-DATA', 'RESERVED', 'single', '']) {
    assert.equal(isRefused(kind({ dataModel, accessControl: 'USER-MATCH' })), true, dataModel);
  }
});

test('[R6940-14.3-02] [R6940-10-01] the overlay algorithms', () => {
  assert.equal(config('').topologyPlugin, 'CHORD-RELOAD');
  const named = '<topology-plugin>CHORD-RELOAD</topology-plugin>';
  assert.equal(config(named).topologyPlugin, 'CHORD-RELOAD');
  assert.equal(isRefused('<topology-plugin>EXP-OVERLAY</topology-plugin>'), true);
});

test('[R6940-14.16-04] files with a configuration document are named *.relo', () => {
  assert.equal(overlayDocumentExtension, 'relo');
});
