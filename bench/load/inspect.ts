/** The memory of a running Node process, by its inspector. */
import { readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';

export interface MemoryFigures {
  /** What V8 uses after a full collection, array buffers included. */
  readonly heapBytes: number;
  /** Pages of the process, shared ones in part. */
  readonly pssBytes: number;
}

/** Collects all garbage of the process first. Its inspector is opened on the usual port. */
export async function memoryOf(pid: number): Promise<MemoryFigures> {
  process.kill(pid, 'SIGUSR1');
  const inspector = await connect('http://127.0.0.1:9229/json');
  await inspector.call('HeapProfiler.enable');
  await inspector.call('HeapProfiler.collectGarbage');
  await inspector.call('HeapProfiler.collectGarbage');
  const usage = await inspector.call('Runtime.getHeapUsage');
  inspector.close();
  const heapBytes = (usage['usedSize'] ?? 0) + (usage['backingStorageSize'] ?? 0);
  return { heapBytes, pssBytes: pssOf(pid) };
}

function pssOf(pid: number): number {
  const text = readFileSync(`/proc/${String(pid)}/smaps_rollup`, 'latin1');
  return Number(/^Pss:\s+(\d+) kB$/m.exec(text)?.[1] ?? 0) * 1024;
}

interface Inspector {
  call(method: string): Promise<Record<string, number>>;
  close(): void;
}

async function connect(list: string): Promise<Inspector> {
  for (let attempt = 0; ; attempt++) {
    try {
      const [target] = (await (await fetch(list)).json()) as { webSocketDebuggerUrl: string }[];
      return await open(target?.webSocketDebuggerUrl ?? '');
    } catch (error) {
      if (attempt === 50) throw error;
      await setTimeout(100);
    }
  }
}

async function open(url: string): Promise<Inspector> {
  const socket = new WebSocket(url);
  await once(socket, 'open');
  let serial = 0;
  return {
    async call(method) {
      const id = ++serial;
      socket.send(JSON.stringify({ id, method }));
      for (;;) {
        const { data } = (await once(socket, 'message')) as Event & { data: string };
        const answer = JSON.parse(data) as { id?: number; result?: Record<string, number> };
        if (answer.id === id) return answer.result ?? {};
      }
    },
    close: () => {
      socket.close();
    },
  };
}

async function once(socket: WebSocket, type: 'open' | 'message'): Promise<Event> {
  return await new Promise((resolve, reject) => {
    socket.addEventListener(type, resolve, { once: true });
    socket.addEventListener(
      'error',
      () => {
        reject(new Error('the inspector does not answer'));
      },
      { once: true },
    );
  });
}
