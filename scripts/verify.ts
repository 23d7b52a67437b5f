/** `npm run verify`: everything that needs no outside program, in under three minutes. */
import { runCheck, staticChecks } from './checks.ts';
import { runTestFiles, testFiles } from './run-tests.ts';

const started = performance.now();
let passed = 0;
let failed = 0;
const checks = Promise.all(
  staticChecks.map(async (check) => {
    const { passed: ok, output } = await runCheck(check);
    console.log(`${ok ? 'ok' : 'not ok'}: ${check.name}`);
    if (!ok) console.log(output);
    if (ok) passed++;
    else failed++;
  }),
);
await checks;
const records = await runTestFiles(
  ['test/unit', 'test/vectors', 'test/conformance', 'test/sim'].flatMap(testFiles),
  { concurrency: 2, timeoutMs: 120_000 },
);
passed += records.filter((r) => r.status === 'passed').length;
failed += records.filter((r) => r.status === 'failed').length;
console.log(`verified in ${((performance.now() - started) / 1000).toFixed(0)} s`);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
