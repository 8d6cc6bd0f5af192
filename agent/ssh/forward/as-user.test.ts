// What the helper processes of forwards hold, and how many there are. Their rights are in as-user.slow.test.ts.
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { systemClock } from '#core/clock.ts';
import { until } from '#test/kit/until.ts';
import { Terminals } from '../process/terminals.ts';
import { asUser } from './as-user.ts';
import { Turns } from './turns.ts';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'gatehouse-helpers-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const { username: name, uid, gid } = userInfo();

/** The files of each helper that runs now. */
function helpers(): readonly (readonly string[])[] {
  const own = readdirSync('/proc/self/task').flatMap((task) =>
    readFileSync(`/proc/self/task/${task}/children`, 'utf8').split(' ').filter(Boolean),
  );
  return own.flatMap((pid) => {
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      const files = readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
      return command.includes('as-user-main.ts') ? [files] : [];
    } catch {
      // It has ended meanwhile.
      return [];
    }
  });
}

it('S28 refuses: the terminals of others to helpers, of which four run at a time', async () => {
  const path = join(folder, 'x.sock');
  const server = createServer((socket) => void socket.on('error', () => {}).end());
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const terminals = new Terminals();
  const open = [1, 2].map(() => terminals.open({ columns: 80, rows: 24 }));
  const as = asUser({ name, uid, gid }, systemClock, new Turns(4));
  let left = 10;
  const most = { helpers: 0 };
  const seen = new Set<string>();
  const all = Array.from({ length: left }, async () => {
    const socket = await as.connect(path);
    socket.on('error', () => {}).destroy();
    left--;
  });
  await until('all to be connected', () => {
    const now = helpers();
    most.helpers = Math.max(most.helpers, now.length);
    for (const file of now.flat()) seen.add(file);
    return left === 0;
  });
  await Promise.all(all);
  for (const terminal of open) terminal.close();
  terminals.close();
  server.close();
  expect(most.helpers).toBeGreaterThan(0);
  // One that has answered may still be on its way out.
  expect(most.helpers).toBeLessThanOrEqual(8);
  expect([...seen].filter((file) => file.includes('ptmx'))).toEqual([]);
});
