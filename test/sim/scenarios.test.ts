import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createXml } from '../../src/node/xml.ts';
import { createRealAuthority } from '../../scripts/sim-real-keys.ts';
import { runScenario, scenarioNames, type RunReport } from '../../src/sim/scenario.ts';

function assertChecked(report: RunReport): void {
  const failed = Object.entries(report.checkers).filter(([, verdict]) => verdict !== 'ok');
  assert.deepEqual(failed, [], `seed ${report.seed}`);
}

function assertShortWays(report: RunReport): void {
  const limit = 0.5 * Math.log2(report.peers) + 0.3;
  assert.ok(report.hops.mean <= limit, `mean ${report.hops.mean} hops, limit ${limit}`);
}

test('12 peers: ring, replicas and lookups are right, and the same seed gives the same trace', () => {
  const options = { peers: 12, seed: 'twelve', lookups: 300, scenario: 'steady' };
  const report = runScenario(options);
  assertChecked(report);
  assertShortWays(report);
  assert.equal(report.success, 1);
  assert.equal(report.firstTry, 1);
  assert.ok(report.details.formedMs <= 5000);
  assert.equal(runScenario(options).traceHash, report.traceHash);
  assert.notEqual(runScenario({ ...options, seed: 'other' }).traceHash, report.traceHash);
});

test('40 peers: right, sparsely linked, short ways', () => {
  const report = runScenario({ peers: 40, seed: 'forty', lookups: 400, scenario: 'steady' });
  assertChecked(report);
  assertShortWays(report);
  assert.equal(report.success, 1);
  assert.equal(report.details.fullyLinked, 0);
});

test('two adjacent peers die at once: every acknowledged value is found', () => {
  assert.ok(scenarioNames.includes('crash'));
  const report = runScenario({ peers: 12, seed: 'pair', lookups: 200, scenario: 'crash' });
  assertChecked(report);
  assert.equal(report.success, 1);
});

test('the same after a power cut that nobody is told of', () => {
  const report = runScenario({ peers: 12, seed: 'cut', lookups: 200, scenario: 'crash-silent' });
  assertChecked(report);
  assert.ok(report.success >= 0.99, `${report.success} found`);
});

test('silent crashes and returns with the same Node-ID: no message goes in circles', () => {
  const options = { peers: 25, seed: '12', lookups: 400, scenario: 'churn', minutes: 1 };
  const report = runScenario(options);
  assertChecked(report);
  assert.ok(report.hops.max <= 10, `${report.hops.max} hops`);
});

test('one peer in twenty cheats: values are found by other ways and from replicas', () => {
  const report = runScenario({ peers: 40, seed: 'bad', lookups: 100, scenario: 'bad-peers' });
  assertChecked(report);
});

test('everything that can go wrong at once, and all is right in the end; the same again', () => {
  const options = { peers: 12, seed: 'all', lookups: 60, scenario: 'all-faults', minutes: 1 };
  const report = runScenario(options);
  assertChecked(report);
  assert.equal(runScenario(options).traceHash, report.traceHash);
});

test('two halves merge, a cold start brings everything back', () => {
  for (const scenario of ['partition', 'cold-restart']) {
    assertChecked(runScenario({ peers: 12, seed: scenario, lookups: 60, scenario }));
  }
});

test('the same code with real keys and signed configuration documents', () => {
  for (const scenario of ['steady', 'all-faults']) {
    const options = { peers: 8, seed: 'real', lookups: 20, scenario, minutes: 1 };
    const real = { authority: createRealAuthority, xml: createXml() };
    assertChecked(runScenario({ ...options, ...real }));
  }
});
