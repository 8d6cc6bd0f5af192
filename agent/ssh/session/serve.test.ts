// Sessions over a real connection in one process, with real programs of the account that runs the tests.
import { readlinkSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openLiveSessions, type LiveSession, type LiveSessions } from '#client/member/live-sessions.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { SessionRecorder } from '#recordings/recorder.ts';
import {
  envRequest,
  execRequest,
  ptyRequest,
  signalRequest,
  subsystemRequest,
  windowChange,
} from '#wire/ssh/payloads.ts';
import { until } from '#test/kit/until.ts';
import type { Guest } from '../join/people.ts';
import type { LaunchOptions } from '../process/launcher.ts';
import type { RecordRequest } from './parts.ts';
import { type SessionRuntime } from './runtime.ts';

import { home, house, LOGIN, runtime } from '#test/kit/session-house.ts';

const NOTHING = new Uint8Array();
const PTY = ptyRequest.encode({
  term: 'xterm',
  columns: 100,
  rows: 30,
  widthPixels: 0,
  heightPixels: 0,
  modes: Uint8Array.of(0),
});
const exec = (command: string): Uint8Array => execRequest.encode({ command });

describe('commands', () => {
  it('ok: output, errors, exit code, and what is put on record', async () => {
    const { open, events } = await house();
    const session = await open();
    expect(await session.request('exec', exec('echo out; echo err >&2; exit 7'))).toBe(true);
    expect(await session.ended()).toMatchObject({ out: 'out\n', err: 'err\n', code: 7 });
    expect(events.map(({ event }) => event)).toEqual(['exec', 'session.data']);
    expect(events[0]).toMatchObject({
      user: 'joe',
      login: LOGIN,
      server_id: 'node-id',
      'addr.remote': '203.0.113.9:4711',
      'addr.local': '10.0.0.7:3022',
      command: 'echo out; echo err >&2; exit 7',
      success: false,
      exitCode: 7,
      exitError: '',
      server_labels: { env: 'test' },
    });
    expect(events[1]).toMatchObject({ tx: 8, rx: 0, sid: events[0]?.['sid'] });
  });

  it('ok: input that comes before and after the program is there, and its end', async () => {
    const { open } = await house();
    const session = await open();
    session.channel.write(Buffer.from('early '));
    await session.request('exec', exec('cat; echo end'));
    session.channel.write(Buffer.from('late '));
    session.channel.end();
    expect(await session.ended()).toMatchObject({ out: 'early late end\n', code: 0 });
  });

  it('ok: input beyond what anybody reads', async () => {
    const { open } = await house();
    const session = await open();
    await session.request('exec', exec('head -c 3; exec 0<&-; sleep 0.1'));
    for (let i = 0; i < 40; i++) session.channel.write(Buffer.alloc(32_768, 'x'));
    expect(await session.ended()).toMatchObject({ out: 'xxx', code: 0 });
  });

  it('ok: the end by a signal', async () => {
    const { open, eventsOf } = await house();
    const session = await open();
    await session.request('exec', exec('echo ready; exec sleep 600'));
    await until('the program', () => session.shown.out !== '');
    expect(await session.request('signal', signalRequest.encode({ signal: 'TERM' }))).toBe(true);
    expect(await session.ended()).toMatchObject({ signal: 'TERM' });
    expect(eventsOf('exec')[0]).toMatchObject({ success: false, exitError: 'ended by SIGTERM' });
  });

  it('ok: what runs in the background holds the channel, but not the exit status', async () => {
    const { open } = await house();
    const session = await open();
    await session.request('exec', exec('exec 3<&0; (read -r x <&3; echo later) & exit 3'));
    await until('the exit status', () => session.shown.code === 3);
    expect(session.shown.closed).toBe(false);
    session.channel.write(Buffer.from('\n'));
    expect(await session.ended()).toMatchObject({ out: 'later\n' });
  });

  it('ok: a client that goes takes its command along', async () => {
    const { open, eventsOf } = await house();
    const session = await open();
    await session.request('exec', exec('echo $$; exec sleep 600'));
    const pid = await until('the program', () => Number(session.shown.out) || undefined);
    session.channel.close();
    await until('the end of the program', () => {
      try {
        process.kill(pid, 0);
        return false;
      } catch {
        return true;
      }
    });
    expect(eventsOf('exec')[0]).toMatchObject({ success: false });
    expect(eventsOf('exec')[0]).not.toHaveProperty('exitCode');
  });

  it('S16 ok: copying files ends with the permission for it, other commands do not', async () => {
    const { open, access, review } = await house();
    const [copies, other] = [await open(), await open()];
    await copies.request('subsystem', subsystemRequest.encode({ name: 'sftp' }));
    await other.request('exec', exec('cat'));
    // INIT of version 3; the answer says that the program is there.
    copies.channel.write(Buffer.from([0, 0, 0, 5, 1, 0, 0, 0, 3]));
    await until('the SFTP server', () => copies.shown.out !== '');
    access.options = { ...access.options, fileCopy: false };
    review();
    expect((await copies.ended()).err).toContain('ssh_file_copy');
    expect(other.shown.closed).toBe(false);
    other.channel.end();
    expect(await other.ended()).toMatchObject({ code: 0 });
  });

  it.each([
    ['no file can have', 'x'.repeat(300)],
    ['is a link to itself', './loop'],
  ])('S33 ok: scp to a name that %s, with bytes that come before the program', async (_, path) => {
    rmSync(join(home, 'loop'), { force: true });
    symlinkSync('loop', join(home, 'loop'));
    const { open, eventsOf } = await house();
    const session = await open();
    session.channel.write(Buffer.from('C0644 1 file\nx\0'));
    session.channel.end();
    await session.request('exec', exec(`scp -t ${path}`));
    await session.ended();
    expect(eventsOf('exec')).toHaveLength(1);
  });
});

describe('terminals', () => {
  it('ok: a command in a terminal, its size, and the events', async () => {
    const { open, events, eventsOf } = await house();
    const session = await open();
    expect(await session.request('pty-req', PTY)).toBe(true);
    await session.request('exec', exec('stty size; echo $TERM; read -r x; stty size'));
    await until('the program', () => session.shown.out.includes('xterm'));
    const size = { columns: 132, rows: 43, widthPixels: 0, heightPixels: 0 };
    expect(await session.request('window-change', windowChange.encode(size))).toBe(true);
    session.channel.write(Buffer.from('\n'));
    expect((await session.ended()).out).toBe('30 100\r\nxterm\r\n\r\n43 132\r\n');
    expect(events.map(({ event }) => event)).toEqual([
      'session.start',
      'resize',
      'exec',
      'session.end',
      'session.data',
    ]);
    expect(eventsOf('session.start')[0]).toMatchObject({ size: '100:30' });
    expect(eventsOf('resize')[0]).toMatchObject({ size: '132:43' });
    expect(eventsOf('session.end')[0]).toMatchObject({
      interactive: true,
      participants: ['joe'],
      exitCode: 0,
    });
  });

  it('ok: ends with its program, whatever is left in the background', async () => {
    const { open } = await house();
    const session = await open();
    await session.request('pty-req', PTY);
    await session.request('exec', exec('sleep 600 & echo started; exit 4'));
    expect(await session.ended()).toMatchObject({
      code: 4,
      out: expect.stringContaining('started') as string,
    });
    expect(runtime.terminals.count).toBe(0);
  });

  it('ok: a long output arrives whole', async () => {
    const { open } = await house();
    const session = await open();
    await session.request('pty-req', PTY);
    await session.request('exec', exec('seq 1 60000'));
    const { out } = await session.ended();
    expect(out).toBe(Array.from({ length: 60_000 }, (_, index) => `${index + 1}\r\n`).join(''));
  });

  it('ok: what is typed faster than it is read arrives whole', async () => {
    const { open } = await house();
    const session = await open();
    await session.request('pty-req', PTY);
    await session.request('exec', exec('stty raw -echo; echo ready; head -c 300000 | cksum'));
    await until('the program', () => session.shown.out.includes('ready'));
    for (let i = 0; i < 10; i++) session.channel.write(Buffer.alloc(30_000, 'abc'));
    expect((await session.ended()).out).toMatch(/ 300000/);
  });

  it('ok: is announced while it goes on, and others can join it', async () => {
    const announced = openLiveSessions();
    const told: LiveSession[] = [];
    const listening: LiveSessions = {
      ...announced,
      get hasNews() {
        return announced.hasNews;
      },
      set: (_, session) => void told.push(session),
      end: () => void told.push({ ...told.at(-1)!, state: 'pending' }),
    };
    const { open, eventsOf } = await house({ parts: { announced: listening } });
    const session = await open();
    await session.request('pty-req', PTY);
    await session.request('exec', exec('echo ready; read -r x; echo "got $x"'));
    await until('the program', () => session.shown.out.includes('ready'));
    const [live] = runtime.live.all();
    expect(live).toMatchObject({ size: { columns: 100, rows: 30 }, guests: [], everyone: ['joe'] });
    let [seen, isOver] = ['', false];
    const guest = (name: string, mode: 'observer' | 'peer'): Guest => ({
      access: { ...live!.owner, identity: { ...live!.owner.identity, name } },
      mode,
      joinedAt: 0,
      size: undefined,
      isBehind: false,
      output: (data) => void (seen += Buffer.from(data).toString()),
      tell: () => {},
      resized: () => {},
      ended: () => void (isOver = true),
    });
    const [eve, ann] = [guest('eve', 'observer'), guest('ann', 'peer')];
    live!.join(eve);
    live!.type(eve, Buffer.from('nothing\n'));
    live!.join(ann);
    live!.type(ann, Buffer.from('hello\n'));
    const { out } = await session.ended();
    expect(out).toContain('got hello');
    expect(out).not.toContain('nothing');
    expect(seen).toContain('got hello');
    expect(isOver).toBe(true);
    expect(told[0]).toMatchObject({ user: 'joe', initial_command: ['echo ready; read -r x; echo "got $x"'] });
    expect(told.at(-2)?.participants.map(({ user }) => user)).toEqual(['joe', 'eve', 'ann']);
    expect(eventsOf('session.end')[0]).toMatchObject({ participants: ['joe', 'eve', 'ann'] });
    expect(runtime.live.all()).toEqual([]);
  });
});

describe('a client that goes while its terminal is prepared', () => {
  it('S28 refuses: starting a program with the files of others in the place of the terminal', async () => {
    const launched = Promise.withResolvers<void>();
    const going = Promise.withResolvers<void>();
    let isOpen: boolean | undefined;
    const launcher = Object.assign(Object.create(runtime.launcher) as SessionRuntime['launcher'], {
      prefixOf: (account: Parameters<SessionRuntime['launcher']['prefixOf']>[0]) =>
        runtime.launcher.prefixOf(account),
      launch: async ({ stdio }: LaunchOptions): Promise<never> => {
        launched.resolve();
        await going.promise;
        isOpen = readlinkSync(`/proc/self/fd/${stdio[0]}`).startsWith('/dev/pts/');
        throw new GatehouseError('UNAVAILABLE', 'enough was seen');
      },
    });
    const { open } = await house({ parts: { runtime: { ...runtime, launcher } } });
    const session = await open();
    await session.request('pty-req', PTY);
    await session.request('shell');
    await launched.promise;
    session.channel.close();
    await until('the channel to close', () => session.shown.closed);
    going.resolve();
    await until('the launch', () => isOpen !== undefined);
    expect(isOpen).toBe(true);
    await until('the terminal to close', () => runtime.terminals.count === 0);
  });
});

describe('requests', () => {
  it('S10 refuses: a terminal that the certificate does not permit; the command goes without', async () => {
    const { open } = await house({ grant: { permitPty: false } });
    const session = await open();
    expect(await session.request('pty-req', PTY)).toBe(false);
    await session.request('exec', exec('test -t 1 || echo none'));
    expect((await session.ended()).out).toBe('none\n');
  });

  it.each([
    ['sftp', 'subsystem', subsystemRequest.encode({ name: 'sftp' })],
    ['scp', 'exec', exec('scp -t /tmp')],
  ])(
    'S10 refuses: %s where roles do not let files be copied, and that is on record',
    async (_, name, payload) => {
      const { open, eventsOf } = await house({ options: { fileCopy: false } });
      const session = await open();
      expect(await session.request(name, payload)).toBe(false);
      expect(eventsOf('session.rejected')[0]).toMatchObject({
        user: 'joe',
        reason: expect.stringContaining('ssh_file_copy') as string,
      });
      expect(await session.request('exec', exec('echo fine'))).toBe(true);
      expect((await session.ended()).out).toBe('fine\n');
    },
  );

  it('S10 ok: only the command of the certificate', async () => {
    const { open, eventsOf } = await house({
      grant: { forceCommand: 'echo "forced: $SSH_ORIGINAL_COMMAND"; cat' },
    });
    const session = await open();
    await session.request('exec', exec('id; $(reboot)'));
    expect(await session.request('signal', signalRequest.encode({ signal: 'KILL' }))).toBe(false);
    session.channel.end();
    expect((await session.ended()).out).toBe('forced: id; $(reboot)\n');
    expect(eventsOf('exec')[0]).toMatchObject({ command: 'echo "forced: $SSH_ORIGINAL_COMMAND"; cat' });
  });

  it('S10 refuses: a second program, and whatever comes too late', async () => {
    const { open } = await house();
    const session = await open();
    await session.request('exec', exec('cat'));
    for (const [name, payload] of [
      ['exec', exec('id')],
      ['shell', NOTHING],
      ['subsystem', subsystemRequest.encode({ name: 'sftp' })],
      ['pty-req', PTY],
      ['env', envRequest.encode({ name: 'LANG', value: 'C' })],
      ['auth-agent-req@openssh.com', NOTHING],
    ] as const) {
      expect(await session.request(name, payload), name).toBe(false);
    }
    session.channel.end();
    expect((await session.ended()).out).toBe('');
  });

  it.each(['break', 'xon-xoff', 'x@example.com', ''])(
    'S10 refuses: %j, which nobody serves',
    async (name) => {
      const { open } = await house();
      expect(await (await open()).request(name)).toBe(false);
    },
  );

  it('S22 refuses: variables that are not the language', async () => {
    const { open } = await house();
    const session = await open();
    const set = (name: string, value: string): Promise<boolean> =>
      session.request('env', envRequest.encode({ name, value }));
    expect(await set('LANG', 'C')).toBe(true);
    expect(await set('LD_PRELOAD', '/tmp/evil.so')).toBe(false);
    expect(await set('BASH_ENV', '/tmp/evil')).toBe(false);
    await session.request('exec', exec('echo "$LANG,$LD_PRELOAD,$BASH_ENV,$GATEHOUSE_USER"'));
    expect((await session.ended()).out).toBe('C,,,joe\n');
  });

  it('S34 refuses: requests that are cut short, and the session goes on', async () => {
    const { open } = await house();
    const session = await open();
    for (const name of ['env', 'pty-req', 'exec', 'subsystem', 'window-change', 'signal', 'x11-req']) {
      expect(await session.request(name, Uint8Array.of(0, 0, 0)), name).toBe(false);
    }
    await session.request('exec', exec('echo fine'));
    expect((await session.ended()).out).toBe('fine\n');
  });

  it('refuses: an account that is not there, and says so', async () => {
    const missing: SessionRuntime = {
      ...runtime,
      accounts: {
        isRoot: true,
        find: () =>
          Promise.reject(new GatehouseError('NOT_FOUND', 'there is no account "joe" on this server')),
        terminalGroup: () => Promise.resolve(undefined),
      },
    };
    const { open, eventsOf } = await house({ parts: { runtime: missing } });
    const session = await open();
    expect(await session.request('pty-req', PTY)).toBe(false);
    await session.request('shell');
    expect(await session.ended()).toMatchObject({
      code: 254,
      err: expect.stringContaining('no account') as string,
    });
    expect(eventsOf('session.rejected')).toHaveLength(1);
  });
});

describe('floods', () => {
  it('S33 ok: a client that takes nothing stops the program, and nobody else', async () => {
    const { open } = await house();
    const [stuck, terminal, other] = [
      await open({ consumes: false }),
      await open({ consumes: false }),
      await open(),
    ];
    await stuck.request('exec', exec('yes'));
    await terminal.request('pty-req', PTY);
    await terminal.request('exec', exec('yes'));
    await until('the flood to stop', () => stuck.shown.out.length >= 2 * 1024 ** 2);
    const before = process.memoryUsage.rss();
    for (let i = 0; i < 5; i++) {
      await other.request('env', envRequest.encode({ name: 'LANG', value: 'C' }));
    }
    await other.request('exec', exec('seq 1 100000 | tail -1'));
    expect((await other.ended()).out).toBe('100000\n');
    expect(stuck.shown.out.length).toBeLessThanOrEqual(2 * 1024 ** 2);
    expect(terminal.shown.out.length).toBeLessThanOrEqual(2 * 1024 ** 2);
    expect(process.memoryUsage.rss() - before).toBeLessThan(64 * 1024 ** 2);
  });
});

describe('recordings', () => {
  function recorder(about: Partial<SessionRecorder> = {}) {
    const state = { output: '', stderr: '', ended: 0 };
    const made: SessionRecorder = {
      started: Promise.resolve(),
      output: (data) => {
        state.output += Buffer.from(data).toString();
        return true;
      },
      stderr: (data) => {
        state.stderr += Buffer.from(data).toString();
        return true;
      },
      resize: () => {},
      event: () => true,
      drained: () => Promise.resolve(),
      flush: () => Promise.resolve(),
      end: () => {
        state.ended++;
        return Promise.resolve();
      },
      failed: new Promise<never>(() => {}),
      ...about,
    };
    return { made, state };
  }

  it('ok: output and errors, with what the recording is of', async () => {
    const { made, state } = recorder();
    const asked: RecordRequest[] = [];
    const record = (request: RecordRequest): SessionRecorder => {
      asked.push(request);
      return made;
    };
    const { open } = await house({ parts: { record } });
    const session = await open();
    await session.request('exec', exec('echo out; echo err >&2'));
    await session.ended();
    expect(state).toEqual({ output: 'out\n', stderr: 'err\n', ended: 1 });
    expect(asked[0]).toMatchObject({
      kind: 'exec',
      mode: 'best_effort',
      facts: { user: 'joe', login: LOGIN },
    });
    const shell = await open();
    await shell.request('shell');
    shell.channel.end();
    await shell.ended();
    expect(asked[1]).toMatchObject({ kind: 'interactive' });
  });

  it('ok: not asked for when the roles say off', async () => {
    let count = 0;
    const record = (): undefined => void count++;
    const { open } = await house({ options: { recordSsh: 'off' }, parts: { record } });
    const session = await open();
    await session.request('exec', exec('true'));
    await session.ended();
    expect(count).toBe(0);
  });

  it('refuses: a strict session that cannot be recorded from the start', async () => {
    const full = Promise.reject(new GatehouseError('STORAGE_FULL', 'the spool is full'));
    full.catch(() => {});
    const { made } = recorder({ started: full });
    const { open } = await house({ options: { recordSsh: 'strict' }, parts: { record: () => made } });
    const session = await open();
    await session.request('exec', exec('echo must not run'));
    expect(await session.ended()).toMatchObject({ out: '', err: 'the spool is full\r\n', code: 254 });
  });

  it('refuses: to go on when recording fails', async () => {
    let fail: (error: Error) => void = () => {};
    const { made } = recorder({ failed: new Promise<never>((_, reject) => (fail = reject)) });
    const { open } = await house({ options: { recordSsh: 'strict' }, parts: { record: () => made } });
    const session = await open();
    await session.request('pty-req', PTY);
    await session.request('exec', exec('echo ready; sleep 600'));
    await until('the program', () => session.shown.out.includes('ready'));
    fail(new GatehouseError('STORAGE_FULL', 'the spool is full'));
    expect((await session.ended()).err).toContain('must be recorded');
    expect(runtime.terminals.count).toBe(0);
  });

  it('ok: one that cannot follow slows the program, not the memory', async () => {
    let [seen, isOpen, go] = [0, true, () => {}];
    const { made } = recorder({
      output: (data) => {
        seen += data.length;
        isOpen = seen < 100_000;
        return isOpen;
      },
      drained: () => new Promise<void>((resolve) => (go = resolve)),
    });
    const { open } = await house({ parts: { record: () => made } });
    const session = await open();
    await session.request('exec', exec('head -c 1000000 /dev/zero'));
    await until('the recording to be full', () => !isOpen);
    const before = seen;
    await session.request('window-change', NOTHING);
    expect(seen).toBe(before);
    for (let rounds = 0; rounds < 1000; rounds++) {
      if (seen === 1_000_000) break;
      const last = seen;
      go();
      await until('more', () => seen > last);
    }
    go();
    expect((await session.ended()).out).toHaveLength(1_000_000);
  });
});
