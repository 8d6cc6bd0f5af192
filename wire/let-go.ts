// Memory that is given back at once instead of when the garbage collector comes by. Ciphers of node:crypto and reads of
// TLS make a new buffer each time; every 64 MiB of them V8 marks its whole heap, which in a process with a heap of some
// size costs five times what a cipher does.

/** Smaller ones may be parts of a pool, and are not worth it. */
const LEAST_BYTES = 16 * 1024;

/** What ciphers put around the bytes of a packet: head, padding, and the end of the last block. */
const AROUND_BYTES = 512;

/**
 * Nobody may use the bytes from now on: they have a length of 0, and so has what else is in their memory, such as the head
 * of the packet they came in. Does nothing when they are part of something larger.
 */
export function letGo(bytes: Uint8Array): void {
  const { buffer } = bytes;
  if (bytes.length < LEAST_BYTES || buffer.byteLength - bytes.length > AROUND_BYTES) return;
  if (buffer instanceof ArrayBuffer) buffer.transfer(0);
}
