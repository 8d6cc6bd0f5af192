// S28: paths of people are touched with the rights of their account and no others, also when the agent is root. Makes two
// accounts for the test, so it needs root.
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { systemClock } from '#core/clock.ts';
import { programsOf } from '#test/kit/account.ts';
import { until } from '#test/kit/until.ts';
import { asUser, type UserIds } from './as-user.ts';
import { PrivateDirs } from './private-dir.ts';
import { Turns } from './turns.ts';

const NAME = `ghfwd${process.pid % 10_000}`;
const GROUP = `${NAME}g`;
const turns = new Turns(4);
let user: UserIds;
let folder: string;
let groupId: number;
const servers: Server[] = [];
const idOf = (flag: string): number => Number(execFileSync('id', [flag, NAME], { encoding: 'utf8' }).trim());

beforeAll(() => {
  execFileSync('groupadd', [GROUP]);
  execFileSync('useradd', ['--no-create-home', '--groups', GROUP, NAME]);
  user = { name: NAME, uid: idOf('-u'), gid: idOf('-g') };
  groupId = Number(execFileSync('getent', ['group', GROUP], { encoding: 'utf8' }).split(':')[2]);
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-asuser-'));
  chmodSync(folder, 0o755);
  mkdirSync(join(folder, 'own'), { mode: 0o700 });
  chownSync(join(folder, 'own'), user.uid, user.gid);
});
afterAll(async () => {
  for (const server of servers.splice(0)) server.close();
  await until('the helpers to be gone', () => programsOf(NAME).length === 0);
  execFileSync('userdel', ['--force', NAME], { stdio: 'ignore' });
  execFileSync('groupdel', [GROUP]);
  rmSync(folder, { recursive: true, force: true });
});

function socketAt(path: string, mode: number, uid: number, gid: number): Promise<void> {
  const server = createServer((socket) => socket.end('hello'));
  servers.push(server);
  return new Promise((resolve) => {
    server.listen(path, () => {
      chmodSync(path, mode);
      chownSync(path, uid, gid);
      resolve();
    });
  });
}
const heard = async (path: string): Promise<string> => {
  const socket = await asUser(user, systemClock, turns).connect(path);
  let said = '';
  for await (const part of socket) said += String(part);
  return said;
};

it('ok: connects to sockets of the account, and to those of its further groups', async () => {
  await socketAt(join(folder, 'mine.sock'), 0o600, user.uid, user.gid);
  expect(await heard(join(folder, 'mine.sock'))).toBe('hello');
  await socketAt(join(folder, 'group.sock'), 0o660, 0, groupId);
  expect(await heard(join(folder, 'group.sock'))).toBe('hello');
});

it('S28 refuses: sockets of root, directly and by a link of the person', async () => {
  await socketAt(join(folder, 'root.sock'), 0o600, 0, 0);
  await expect(heard(join(folder, 'root.sock'))).rejects.toMatchObject({ message: 'EACCES' });
  symlinkSync(join(folder, 'root.sock'), join(folder, 'own', 'link.sock'));
  await expect(heard(join(folder, 'own', 'link.sock'))).rejects.toMatchObject({ message: 'EACCES' });
});

it('S28 ok: what is bound belongs to the account; refuses: folders it may not write to, and what is there', async () => {
  const as = asUser(user, systemClock, turns);
  const path = join(folder, 'own', 'bound.sock');
  const server = await as.listen(path);
  servers.push(server);
  const { uid, mode } = statSync(path);
  expect([uid, mode & 0o777]).toEqual([user.uid, 0o600]);
  const came = new Promise<boolean>((resolve) =>
    server.once('connection', (socket) => resolve(socket.isPaused())),
  );
  const client = connect(path);
  expect(await came).toBe(true);
  client.destroy();
  await expect(as.listen(path)).rejects.toMatchObject({ message: 'EADDRINUSE' });
  await expect(as.listen(join(folder, 'not-mine.sock'))).rejects.toMatchObject({ message: 'EACCES' });
  server.close();
  await as.remove(path);
  expect(existsSync(path)).toBe(false);
});

it('S28 ok: removing follows no link and takes nothing that the account could not', async () => {
  const as = asUser(user, systemClock, turns);
  await socketAt(join(folder, 'kept.sock'), 0o777, 0, 0);
  symlinkSync(join(folder, 'kept.sock'), join(folder, 'own', 'to-kept'));
  await as.remove(join(folder, 'own', 'to-kept'));
  await as.remove(join(folder, 'kept.sock'));
  expect(existsSync(join(folder, 'kept.sock'))).toBe(true);
  expect(existsSync(join(folder, 'own', 'to-kept'))).toBe(false);
});

it('S28 ok: the socket of a key agent is the account’s, in a folder that nobody can swap', async () => {
  const dirs = new PrivateDirs();
  const socket = await dirs.listen(user, 'agent.sock');
  const place = join(socket.path, '..');
  expect([statSync(place).uid, statSync(place).mode & 0o777]).toEqual([user.uid, 0o700]);
  expect([statSync(join(place, '..')).uid, statSync(join(place, '..')).mode & 0o777]).toEqual([0, 0o711]);
  expect([statSync(socket.path).uid, statSync(socket.path).mode & 0o777]).toEqual([user.uid, 0o600]);
  // The person can put what they like in the folder: it is neither followed nor removed.
  await socketAt(join(folder, 'precious.sock'), 0o600, 0, 0);
  rmSync(socket.path);
  symlinkSync(join(folder, 'precious.sock'), socket.path);
  socket.close();
  dirs.close();
  expect(existsSync(join(folder, 'precious.sock'))).toBe(true);
  expect(existsSync(place)).toBe(false);
});

it('ok: fifty at a time end, and leave no process behind', async () => {
  const path = join(folder, 'mine.sock');
  const said = await Promise.all(Array.from({ length: 50 }, () => heard(path)));
  expect(new Set(said)).toEqual(new Set(['hello']));
});
