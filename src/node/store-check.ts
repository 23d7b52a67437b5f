/**
 * Looks for damage that LevelDB itself passes over in silence: it starts empty when the file CURRENT
 * is gone, and leaves out damaged records of its write-ahead log.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { failure, success } from '../base/outcome.ts';
import type { Outcome } from '../base/outcome.ts';

/** The error names the file. A directory that does not exist or is empty passes. */
export function checkStoreFiles(directory: string): Outcome<void> {
  let names: string[];
  try {
    names = readdirSync(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return success(undefined);
    return failure((error as Error).message);
  }
  const data = names.filter((name) => /^(?:MANIFEST-\d+|\d+\.(?:ldb|sst|log))$/.test(name));
  if (data.length > 0 && !names.includes('CURRENT')) {
    return failure(`${join(directory, 'CURRENT')} is missing`);
  }
  for (const name of data) {
    if (!name.endsWith('.log')) continue;
    const path = join(directory, name);
    const damagedAt = findLogDamage(readFileSync(path));
    if (damagedAt !== undefined) {
      return failure(`${path} is damaged at byte ${String(damagedAt)}`);
    }
  }
  return success(undefined);
}

const blockBytes = 32_768;
const headerBytes = 7;

/**
 * Offset of the first damaged record that is not the torn end of the file. Records: checksum (4),
 * length (2), type (1), data; none crosses a block of 32 KiB; a block's last bytes may be zero.
 */
export function findLogDamage(log: Uint8Array): number | undefined {
  const view = new DataView(log.buffer, log.byteOffset, log.byteLength);
  let offset = 0;
  while (offset + headerBytes <= log.length) {
    const blockEnd = (Math.floor(offset / blockBytes) + 1) * blockBytes;
    if (offset + headerBytes > blockEnd) {
      offset = blockEnd;
      continue;
    }
    const type = log[offset + 6] ?? 0;
    const dataEnd = offset + headerBytes + view.getUint16(offset + 4, true);
    if (dataEnd > log.length && blockEnd >= log.length) return undefined;
    if (dataEnd > blockEnd) return offset;
    if (view.getUint32(offset, true) !== maskedCrc(log.subarray(offset + 6, dataEnd))) {
      return dataEnd === log.length || isZero(log, offset) ? undefined : offset;
    }
    if (type < 1 || type > 4) return offset;
    offset = dataEnd;
  }
  return undefined;
}

/** A file system may leave zeros behind the last whole record after a power cut. */
function isZero(log: Uint8Array, offset: number): boolean {
  return log.subarray(offset).every((byte) => byte === 0);
}

const castagnoli = makeTable();

function makeTable(): Uint32Array {
  const table = new Uint32Array(256);
  for (let i = 0; i < 256; i++) {
    let crc = i;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
    table[i] = crc;
  }
  return table;
}

/** CRC-32C, rotated and offset as LevelDB stores it. */
function maskedCrc(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (castagnoli[(crc ^ byte) & 0xff] ?? 0) ^ (crc >>> 8);
  crc = ~crc >>> 0;
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}
