import { spawnSync } from 'node:child_process';
import { closeSync, readdirSync, readlinkSync, readSync, writeSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { until } from '#test/kit/until.ts';
import { Pipes, type Pipe } from './pipes.ts';

let pipes: Pipes;
beforeEach(() => (pipes = new Pipes()));
afterEach(() => pipes.close());

const release = ({ readEnd, writeEnd }: Pipe): void => {
  closeSync(readEnd);
  closeSync(writeEnd);
};

it('ok: what goes in comes out, and nothing was in it before', async () => {
  const [pipe] = await pipes.take(1);
  writeSync(pipe!.writeEnd, 'hello');
  const buffer = Buffer.alloc(16);
  expect(buffer.toString('utf8', 0, readSync(pipe!.readEnd, buffer))).toBe('hello');
  closeSync(pipe!.writeEnd);
  expect(readSync(pipe!.readEnd, buffer)).toBe(0);
  closeSync(pipe!.readEnd);
});

it('ok: programs can open them by name, also after the end of the input', async () => {
  const [input, output] = await pipes.take(2);
  writeSync(input!.writeEnd, 'echo from the input');
  closeSync(input!.writeEnd);
  const run = (script: string, stdin: number | 'ignore') =>
    spawnSync('/bin/bash', ['-c', script], { stdio: [stdin, output!.writeEnd, 'pipe'] });
  const { status, stderr } = run('sleep 0.05; bash /dev/stdin > /dev/stdout', input!.readEnd);
  expect([status, stderr.toString()]).toEqual([0, '']);
  const buffer = Buffer.alloc(64);
  expect(buffer.toString('utf8', 0, readSync(output!.readEnd, buffer))).toBe('from the input\n');
  closeSync(input!.readEnd);
  release(output!);
});

it('ok: many at once, each its own', async () => {
  const taken = await Promise.all(Array.from({ length: 20 }, () => pipes.take(3)));
  const all = taken.flat();
  const names = all.map(({ readEnd }) => readlinkSync(`/proc/self/fd/${readEnd}`));
  expect(new Set(names).size).toBe(60);
  expect(names.every((name) => name.startsWith('pipe:'))).toBe(true);
  all.forEach(release);
});

it('refuses: after it was closed, and leaves nothing open', async () => {
  await pipes.prepare();
  const making = pipes.prepare();
  pipes.close();
  await expect(making).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  await expect(pipes.take(1)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  const before = readdirSync('/proc/self/fd').length;
  const other = new Pipes();
  (await other.take(3)).forEach(release);
  await until('those made ahead', () => other.prepare().then(() => true));
  other.close();
  await until('all to be closed', () => readdirSync('/proc/self/fd').length <= before);
});
