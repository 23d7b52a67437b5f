/** Runs the test files given as arguments in this process; leaves with 1 at the first failure. */
import { run } from 'node:test';

const stream = run({ files: process.argv.slice(2), isolation: 'none', concurrency: 1 });
stream.on('test:fail', ({ name, file, details }) => {
  const { message, cause } = details.error;
  const reason = cause instanceof Error ? cause.message : message;
  process.stdout.write(`not ok: ${file ?? ''}: ${name}: ${reason}\n`);
  process.exit(1);
});
stream.on('test:summary', ({ success }) => process.exit(success ? 0 : 1));
stream.resume();
