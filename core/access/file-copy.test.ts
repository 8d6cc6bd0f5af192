// Commands come from clients, up to 256 KiB of whatever they like, and are looked at where everybody's sessions run.
import { expect, it } from 'vitest';
import { copiesFiles, parseScp } from './file-copy.ts';

const SIZE = 256 * 1024;
const HOSTILE: readonly (readonly [string, string])[] = [
  ['spaces inside a path', `scp -t x${' '.repeat(SIZE)}y`],
  ['spaces at the end', `scp -t x${' '.repeat(SIZE)}`],
  ['many words scp', 'scp '.repeat(SIZE / 4)],
  ['many words scp, then dashes', 'scp '.repeat(SIZE / 8) + '-a '.repeat(SIZE / 6)],
  ['many words scp, then one long option', `${'scp '.repeat(SIZE / 8)} -${'a'.repeat(SIZE / 2)}`],
  ['many options', `scp${' -a'.repeat(SIZE / 3)} -!`],
  ['slashes', '/'.repeat(SIZE)],
  ['spaces at the start', `${' '.repeat(SIZE)}x`],
  ['many words rsync', 'rsync    '.repeat(SIZE / 9)],
];

it.each(HOSTILE)('S33 ok: %s are looked at in no time', (_, command) => {
  const before = process.cpuUsage();
  parseScp(command);
  copiesFiles(command);
  const { user, system } = process.cpuUsage(before);
  expect((user + system) / 1000).toBeLessThan(1000);
});

it.each([
  ['scp -t /tmp  ', { action: 'write', path: '/tmp' }],
  [' /usr/bin/scp -r -p -f -- a b ', { action: 'read', path: 'a b' }],
  ['scp -pf -- two\nlines', { action: 'read', path: 'two\nlines' }],
  ['scp -t', { action: 'write', path: '' }],
  ['scp -v x', undefined],
  ['xscp -t x', undefined],
])('ok: %j', (command, scp) => expect(parseScp(command)).toEqual(scp));

it.each([
  ['scp x y; scp -t z', true],
  ['scp\t-vt z', true],
  ['echo `scp -f z`', true],
  ['escp -t z', false],
  ['scp x-t', false],
  ['echo scp', false],
  ['ls -ft', false],
])('ok: whether %j copies files', (command, copies) => expect(copiesFiles(command)).toBe(copies));
