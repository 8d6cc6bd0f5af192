// The SFTP server of machines that have none: a process of the person, started by the login shell (choose-program.ts).
// It blocks on its pipes on purpose: it serves one client, in order, and keeps nothing but one packet.
import { readSync, writeSync } from 'node:fs';
import { PacketBuffer } from './packet-buffer.ts';
import { SftpServer } from './server.ts';

const STDIN = 0;
const STDOUT = 1;
const READ_BYTES = 64 * 1024;

function writeAll(data: Buffer): void {
  for (let at = 0; at < data.length;) at += writeSync(STDOUT, data, at);
}

const home = process.env['HOME'] ?? '/';
const server = new SftpServer({ home, send: writeAll });
const packets = new PacketBuffer();
const chunk = Buffer.allocUnsafe(READ_BYTES);
try {
  for (let open = true; open;) {
    const bytes = readSync(STDIN, chunk);
    open = bytes > 0;
    packets.add(chunk.subarray(0, bytes));
    for (let next = packets.next(); next !== undefined; next = packets.next()) server.handle(next);
  }
} catch (error) {
  // The client is gone, or it does not speak SFTP.
  process.stderr.write(`sftp: ${(error as Error).message}\n`);
  process.exitCode = 1;
} finally {
  server.close();
}
