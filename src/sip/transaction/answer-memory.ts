import { limits } from '../../base/limits.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Trace } from '../../ports/trace.ts';
import { mixText } from './hash.ts';
import type { ReplySender } from './reply-path.ts';

/** What the server said to a request, for the case that the request comes again. */
export interface RememberedAnswer {
  readonly toTag: string;
  /** A copy. */
  readonly response: Uint8Array;
  readonly sender: ReplySender;
}

/**
 * State Completed of all non-INVITE server transactions (RFC 3261 §17.2.2): nothing is left of each
 * but its key and the final response, for the time of Timer J; and state Confirmed of all INVITEs
 * (§17.2.1), for the time of Timer I, when the response is of no use either. A busy registrar holds tens of
 * thousands for 32 s each. As objects they would be copied and marked by the garbage collector again
 * and again; as bytes in large chunks they cost it nothing, and a chunk ends as a whole.
 */
export interface AnswerMemory {
  remember(key: string, toTag: string, response: Uint8Array, sender: ReplySender): void;
  /** The latest answer under that key whose time is not over. */
  find(key: string): RememberedAnswer | undefined;
  /** Those whose chunk has not ended: up to an eighth of the lifetime longer than they can be found. */
  readonly size: number;
}

/**
 * Answers in the order of their making, each a record:
 * next position in the bucket (8), due time (8), hash (4), key length (4), tag length (4), response
 * length (4), index of the sender (4), key, tag, response.
 */
interface Chunk {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** One for each run of records with the same sender. */
  readonly senders: ReplySender[];
  used: number;
  count: number;
  firstMs: number;
  lastDueMs: number;
}

const hashAt = 16;
const keyLengthAt = 20;
const tagLengthAt = 24;
const responseLengthAt = 28;
const senderAt = 32;
const headerBytes = 36;

/** Records begin within this many bytes of a chunk; only a record that is larger has a larger chunk, alone. */
const chunkBytes = 1 << 16;
/** No sender of requests can make a search longer than this, whatever keys it chooses. */
const longestSearch = 64;
const chunksPerLifetime = 8;

/**
 * `seed` is a secret 32-bit number: without it nobody can aim at a bucket. `bucketCount`, a power of two, is
 * best twice the usual number of answers: most searches end at once then.
 */
export function createAnswerMemory(deps: {
  readonly clock: Clock;
  readonly trace: Trace;
  readonly seed: number;
  readonly lifetimeMs: number;
  readonly bucketCount: number;
}): AnswerMemory {
  const { bucketCount, clock, lifetimeMs, seed } = deps;
  const forgotten = deps.trace.counter('sip_answers_forgotten_total');
  /** Position of the latest record of each bucket. Those below the first chunk's start are over. */
  const buckets = new Float64Array(bucketCount);
  const chunks: Chunk[] = [];
  const spare: Chunk[] = [];
  /** A position is `number of the chunk * chunkBytes + offset`; the first chunk has number 1. */
  let firstNumber = 1;
  let size = 0;
  let bytesHeld = 0;
  let armed = false;

  function remember(key: string, toTag: string, response: Uint8Array, sender: ReplySender): void {
    const nowMs = clock.monotonicMs();
    const length = headerBytes + key.length + toTag.length + response.length;
    const chunk = chunkFor(length, nowMs);
    const { bytes, view, senders, used: at } = chunk;
    if (senders.at(-1) !== sender) senders.push(sender);
    const tagStart = at + headerBytes + key.length;
    writeText(key, bytes, at + headerBytes);
    writeText(toTag, bytes, tagStart);
    bytes.set(response, tagStart + toTag.length);
    const hash = mixText(seed, key) >>> 0;
    const bucket = hash & (bucketCount - 1);
    chunk.lastDueMs = nowMs + lifetimeMs;
    view.setFloat64(at, buckets[bucket] ?? 0);
    view.setFloat64(at + 8, chunk.lastDueMs);
    view.setUint32(at + hashAt, hash);
    view.setUint32(at + keyLengthAt, key.length);
    view.setUint32(at + tagLengthAt, toTag.length);
    view.setUint32(at + responseLengthAt, response.length);
    view.setUint32(at + senderAt, senders.length - 1);
    buckets[bucket] = (firstNumber + chunks.length - 1) * chunkBytes + at;
    chunk.used += length;
    chunk.count++;
    size++;
    if (!armed) arm(lifetimeMs);
  }

  /** The last chunk, or a new one when that is full or has been open long enough. */
  function chunkFor(length: number, nowMs: number): Chunk {
    const last = chunks.at(-1);
    const isOpen = last !== undefined && nowMs - last.firstMs < lifetimeMs / chunksPerLifetime;
    if (isOpen && last.used + length <= chunkBytes) return last;
    while (bytesHeld + length > limits.sipTransaction.answerBytes && chunks.length > 0) {
      forgotten.add(chunks[0]?.count);
      dropFirst();
    }
    const chunk = (length <= chunkBytes ? spare.pop() : undefined) ?? newChunk(length);
    chunk.firstMs = nowMs;
    chunks.push(chunk);
    bytesHeld += chunk.bytes.length;
    return chunk;
  }

  function dropFirst(): void {
    const chunk = chunks.shift();
    if (chunk === undefined) return;
    firstNumber++;
    size -= chunk.count;
    bytesHeld -= chunk.bytes.length;
    if (chunk.bytes.length > chunkBytes || spare.length >= chunksPerLifetime) return;
    chunk.used = 0;
    chunk.count = 0;
    chunk.senders.length = 0;
    spare.push(chunk);
  }

  function arm(delayMs: number): void {
    armed = true;
    clock.after('sip-answers', delayMs, () => {
      armed = false;
      const nowMs = clock.monotonicMs();
      while ((chunks[0]?.lastDueMs ?? Infinity) <= nowMs) dropFirst();
      if (chunks[0] !== undefined) arm(chunks[0].lastDueMs - nowMs);
    });
  }

  function find(key: string): RememberedAnswer | undefined {
    const hash = mixText(seed, key) >>> 0;
    let position = buckets[hash & (bucketCount - 1)] ?? 0;
    for (let step = 0; step < longestSearch; step++) {
      const number = Math.floor(position / chunkBytes);
      const chunk = chunks[number - firstNumber];
      if (chunk === undefined) return undefined;
      const at = position - number * chunkBytes;
      if (chunk.view.getUint32(at + hashAt) === hash && holdsKey(chunk, at, key)) {
        return chunk.view.getFloat64(at + 8) > clock.monotonicMs() ? read(chunk, at) : undefined;
      }
      position = chunk.view.getFloat64(at);
    }
    return undefined;
  }

  return {
    remember,
    find,
    get size() {
      return size;
    },
  };
}

function newChunk(length: number): Chunk {
  const bytes = new Uint8Array(Math.max(length, chunkBytes));
  const view = new DataView(bytes.buffer);
  return { bytes, view, senders: [], used: 0, count: 0, firstMs: 0, lastDueMs: 0 };
}

/** Keys and tags are latin1. */
function writeText(text: string, bytes: Uint8Array, at: number): void {
  for (let i = 0; i < text.length; i++) bytes[at + i] = text.charCodeAt(i);
}

function holdsKey({ bytes, view }: Chunk, at: number, key: string): boolean {
  if (view.getUint32(at + keyLengthAt) !== key.length) return false;
  const start = at + headerBytes;
  for (let i = 0; i < key.length; i++) if (bytes[start + i] !== key.charCodeAt(i)) return false;
  return true;
}

function read({ bytes, view, senders }: Chunk, at: number): RememberedAnswer | undefined {
  const sender = senders[view.getUint32(at + senderAt)];
  if (sender === undefined) return undefined;
  const tagStart = at + headerBytes + view.getUint32(at + keyLengthAt);
  const start = tagStart + view.getUint32(at + tagLengthAt);
  let toTag = '';
  for (let i = tagStart; i < start; i++) toTag += String.fromCharCode(bytes[i] ?? 0);
  const response = bytes.slice(start, start + view.getUint32(at + responseLengthAt));
  return { toTag, response, sender };
}
