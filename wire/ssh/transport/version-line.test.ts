import { expect, test } from 'vitest';
import { isCode } from '#core/errors/error.ts';
import { prefersGcm, VersionReader } from './version-line.ts';

function read(role: 'server' | 'client', ...chunks: readonly string[]): string {
  const reader = new VersionReader(role);
  try {
    for (const chunk of chunks) {
      const found = reader.push(Buffer.from(chunk, 'latin1'));
      if (found !== undefined) return `${found.version}|${found.rest.toString('latin1')}`;
    }
    return 'waiting';
  } catch (error) {
    return isCode(error) ? `${error.code}: ${error.message}` : 'another exception';
  }
}

const LONGEST = `SSH-2.0-${'x'.repeat(255 - 8 - 2)}`;

test.each([
  [
    'a line and what follows',
    'server',
    ['SSH-2.0-OpenSSH_9.2p1 Debian\r\nrest'],
    'SSH-2.0-OpenSSH_9.2p1 Debian|rest',
  ],
  ['a line that ends in LF only', 'server', ['SSH-2.0-x\n'], 'SSH-2.0-x|'],
  ['one byte at a time', 'server', [...'SSH-2.0-x\r\n'], 'SSH-2.0-x|'],
  ['the longest line', 'server', [`${LONGEST}\r\n`], `${LONGEST}|`],
  ['lines before it, to a client', 'client', ['Welcome.\r\nNo entry.\r\nSSH-2.0-x\r\n'], 'SSH-2.0-x|'],
  ['50 lines before it, to a client', 'client', [`${'hello\n'.repeat(50)}SSH-2.0-x\r\n`], 'SSH-2.0-x|'],
  ['1.99, to a client', 'client', ['SSH-1.99-x\r\n'], 'SSH-1.99-x|'],
  ['a line that has not ended', 'server', ['SSH-2.0'], 'waiting'],
] as const)('ok: %s', (_, role, chunks, wanted) => {
  expect(read(role, ...chunks)).toBe(wanted);
});

test.each([
  ['another protocol, at its first bytes', 'server', ['GE'], 'the client does not speak SSH'],
  ['a TLS client', 'server', ['\x16\x03\x01'], 'the client does not speak SSH'],
  ['an empty line, to a server', 'server', ['\r\nSSH-2.0-x\r\n'], 'the client does not speak SSH'],
  ['text before it, to a server', 'server', ['hello\r\nSSH-2.0-x\r\n'], 'the client does not speak SSH'],
  ['a line that is too long', 'server', [`${LONGEST}x\r\n`], 'the version line is too long'],
  ['a line that never ends', 'server', ['SSH-2.0-', 'x'.repeat(248)], 'the version line is too long'],
  [
    'a line in pieces that never ends',
    'client',
    ['SSH-2.0-', ...Array.from({ length: 500 }, () => 'x')],
    'the version line is too long',
  ],
  ['a NUL in it', 'server', ['SSH-2.0-x\0y\r\n'], 'the version line has characters that are not allowed'],
  ['a CR inside', 'client', ['SSH-2.0-x\ry\r\n'], 'the version line has characters that are not allowed'],
  [
    'other than ASCII',
    'server',
    ['SSH-2.0-\xe9\r\n'],
    'the version line has characters that are not allowed',
  ],
  ['51 lines before it', 'client', ['a\n'.repeat(51)], 'too many lines before the version line'],
  ['one long line before it', 'client', ['a'.repeat(9000)], 'too much text before the version line'],
  [
    'long lines before it, in pieces',
    'client',
    Array.from({ length: 9000 }, () => 'a'),
    'too much text before the version line',
  ],
] as const)('S33 refuses: %s', (_, role, chunks, wanted) => {
  expect(read(role, ...chunks)).toBe(`BAD_REQUEST: ${wanted}`);
});

test.each([
  ['version 1', 'server', 'SSH-1.5-x\r\n'],
  ['version 1.99, to a server', 'server', 'SSH-1.99-x\r\n'],
  ['no software name', 'client', 'SSH-2.0\r\n'],
] as const)('refuses: %s', (_, role, line) => {
  expect(read(role, line)).toBe('NOT_SUPPORTED: only version 2.0 of SSH is spoken here');
});

test.each([
  ['SSH-2.0-Gatehouse', true],
  ['SSH-2.0-Go', true],
  ['SSH-2.0-OpenSSH_10.2', true],
  ['SSH-2.0-OpenSSH_9.9', false],
  ['SSH-2.0-OpenSSH_8.9p1 Ubuntu-3', false],
  ['SSH-2.0-paramiko_3.4.0', false],
  ['SSH-2.0-PuTTY_Release_0.81', false],
])('ok: %s chooses GCM from the full list: %s', (version, wanted) => {
  expect(prefersGcm(version)).toBe(wanted);
});
