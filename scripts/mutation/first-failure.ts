/** A reporter of node:test that names the first failure and ends the process with 1. */
import type { TestEvent } from 'node:test/reporters';

async function* firstFailure(events: AsyncIterable<TestEvent>) {
  for await (const { type, data } of events) {
    if (type !== 'test:fail') continue;
    const { message, cause } = data.details.error;
    const reason = cause instanceof Error ? cause.message : message;
    process.stdout.write(`not ok: ${data.file ?? ''}: ${data.name}: ${reason}\n`);
    process.exit(1);
  }
  yield '';
}

export { firstFailure as default };
