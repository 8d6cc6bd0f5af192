// Fuzz target: the version line of a server, and of a client; in two chunks must be the same as in one.
import { GatehouseError, isCode } from '#core/errors/error.ts';
import { VersionReader } from './version-line.ts';

/** What is read, or the refusal. */
function read(role: 'server' | 'client', chunks: readonly Buffer[]): string | GatehouseError {
  const reader = new VersionReader(role);
  try {
    for (const chunk of chunks) {
      const found = reader.push(chunk);
      if (found !== undefined) return `found ${found.version}`;
    }
    return 'waiting';
  } catch (error) {
    if (isCode(error)) return error;
    throw error;
  }
}

export const fuzz = {
  name: 'ssh version line',
  seeds: [
    Buffer.from('SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n'),
    Buffer.from('Welcome\r\nSSH-2.0-x\r\nrest'),
    Buffer.from(`SSH-2.0-${'x'.repeat(300)}`),
  ],
  run(input: Uint8Array): void {
    const bytes = Buffer.from(input);
    const middle = bytes.length >> 1;
    for (const role of ['server', 'client'] as const) {
      const whole = read(role, [bytes]);
      const halves = read(role, [bytes.subarray(0, middle), bytes.subarray(middle)]);
      if (String(whole) !== String(halves)) {
        throw new Error(`${role}: ${String(whole)} in one chunk, ${String(halves)} in two`);
      }
      if (role === 'client' && whole instanceof GatehouseError) throw whole;
    }
  },
};
