/** `npm test`: everything. The last line is `N passed, N failed, N skipped`. */
import { runCheck, staticChecks } from './checks.ts';
import { runTestFiles, saveResults, testFiles, type TestRecord } from './run-tests.ts';
import { ensureTools } from './test-tools.ts';

const startedMs = Date.now();
const missing = ensureTools();
if (missing.length > 0 && process.env['CI'] === 'true') {
  console.log(`In CI every tool must be there; missing: ${missing.join(', ')}`);
}

const records: TestRecord[] = [];
for (const check of staticChecks) {
  const { passed, output } = await runCheck(check);
  console.log(`${passed ? 'ok' : 'not ok'}: ${check.name}`);
  if (!passed) console.log(output);
  records.push({
    name: check.name,
    file: 'scripts/checks.ts',
    status: passed ? 'passed' : 'failed',
    message: undefined,
  });
}

const stages = [
  {
    title: 'unit, vectors, requirements',
    folders: ['test/unit', 'test/vectors', 'test/conformance'],
    concurrency: 2,
  },
  {
    title: 'simulation, integration, fuzz corpus',
    folders: ['test/sim', 'test/integration', 'test/fuzz'],
    concurrency: 2,
  },
  { title: 'interop: real phones and tools', folders: ['test/interop'], concurrency: 1 },
];
for (const stage of stages) {
  const files = stage.folders.flatMap(testFiles);
  console.log(`${stage.title}: ${files.length} files …`);
  const stageRecords = await runTestFiles(files, {
    concurrency: stage.concurrency,
    timeoutMs: 600_000,
  });
  records.push(...stageRecords);
  console.log(`  ${stageRecords.filter((r) => r.status === 'passed').length} passed`);
}
saveResults(records, startedMs);

const count = (status: TestRecord['status']): number =>
  records.filter((record) => record.status === status).length;
const forbiddenSkips = process.env['CI'] === 'true' ? count('skipped') : 0;
if (forbiddenSkips > 0) console.log('In CI a skipped test is a failure.');
const failed = count('failed') + forbiddenSkips;
console.log(`${count('passed')} passed, ${failed} failed, ${count('skipped')} skipped`);
process.exitCode = failed === 0 ? 0 : 1;
