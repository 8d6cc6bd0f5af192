// Fuzz target: the version line of a server, and of a client; in two chunks must be the same as in one.
import { isCode } from '#core/errors/error.ts';
import { VersionReader } from './version-line.ts';

function read(role: 'server' | 'client', chunks: readonly Buffer[]): string {
  const reader = new VersionReader(role);
  try {
    for (const chunk of chunks) {
      const found = reader.push(chunk);
      if (found !== undefined) return `found ${found.version}`;
    }
    return 'waiting';
  } catch (error) {
    if (isCode(error)) return `refused ${error.code}`;
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
      if (whole !== halves) throw new Error(`${role}: ${whole} in one chunk, ${halves} in two`);
    }
  },
};
