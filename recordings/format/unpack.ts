// Unpacks blocks, which come from outside: never to more than the block says, and that is bounded.
import { constants, crc32, zstdDecompressSync } from 'node:zlib';
import { GatehouseError } from '#core/errors/error.ts';
import type { BlockHeader } from './segment.ts';

/** A frame of zstd may ask for no more memory than this to be unpacked: 1 MiB. */
const MAX_WINDOW_LOG = 20;
/** Room beyond the block: where output fills its buffer to the last byte, another one is made. */
const SPARE_BYTES = 1024;

/** What was packed. CORRUPT when the bytes are not what the header says. */
export function unpackBlock(stored: Buffer, header: BlockHeader): Buffer {
  if (crc32(stored) !== header.checksum) throw new GatehouseError('CORRUPT', 'block: it fails its checksum');
  const raw = header.encoding === 'stored' ? stored : unpack(stored, header.rawLength);
  if (raw.length === header.rawLength) return raw;
  throw new GatehouseError('CORRUPT', 'block: it does not unpack to the length it names');
}

function unpack(stored: Buffer, rawLength: number): Buffer {
  try {
    return zstdDecompressSync(stored, {
      maxOutputLength: rawLength,
      chunkSize: rawLength + SPARE_BYTES,
      params: { [constants.ZSTD_d_windowLogMax]: MAX_WINDOW_LOG },
    });
  } catch (cause) {
    throw new GatehouseError('CORRUPT', 'block: it cannot be unpacked', { cause });
  }
}
