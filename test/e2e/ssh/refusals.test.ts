// Who must not get in does not, on a direct and on a hidden node: expired, wrong login, unknown node, no role, locked. What
// a refused person reads is an id and no reason; with it an admin learns why. With OpenSSH. Needs root, for the account.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { must, NODE } from '#test/kit/cluster.ts';
import type { Ran } from '#test/kit/daemon.ts';
import { until } from '#test/kit/until.ts';
import { BEHIND_NAT, openSshHouse, ROLE, type SshHouse } from './house.ts';

const HOSTS = [`direct.${NODE}`, `jump.${BEHIND_NAT}`];
let house: SshHouse;

beforeAll(async () => {
  house = await openSshHouse();
}, 120_000);
afterAll(() => house.stop());

/** What an admin reads about the denial that a person was shown. */
async function explained({ stderr }: Ran): Promise<string> {
  const id = /access denied \(denial ([0-9a-f-]{36})\)/.exec(stderr)?.[1];
  if (id === undefined) throw new Error(`no denial in ${stderr}`);
  // Events of nodes travel in batches.
  return until('the denial is known', async () => {
    const { code, stdout } = await house.cluster.gatectl('explain', id);
    return code === 0 && stdout;
  });
}

describe.each(HOSTS)('%s', (host) => {
  it('S13 refuses: a login that the certificate does not have, with a denial that an admin can look up', async () => {
    const ran = await house.ssh('-o', 'LogLevel=INFO', '-l', 'daemon', host, 'echo in');
    expect(ran).toMatchObject({ code: 255, stdout: '' });
    expect(await explained(ran)).toMatch(/User +alice/);
  });

  it('refuses: people whose roles do not allow this node', async () => {
    await house.cluster.apply(ROLE.replace('engineer', 'elsewhere').replace("'*': '*'", "env: 'elsewhere'"));
    const bob = await personWith('elsewhere', host);
    const ran = await house.run('ssh', [...bob, host, 'echo in']);
    expect(ran).toMatchObject({ code: 255, stdout: '' });
    expect(ran.stderr).not.toContain('elsewhere');
    // `ssh -J` keeps to itself why the proxy opened no channel.
    if (host.startsWith('direct')) expect(await explained(ran)).toMatch(/elsewhere/);
  });

  it('S10 refuses: forwards that the roles do not permit', async () => {
    await house.cluster.apply(
      ROLE.replace('engineer', 'stay').replace('port_forwarding: true', 'port_forwarding: false'),
    );
    const carol = await personWith('stay', host);
    expect(must(await house.run('ssh', [...carol, host, 'echo in']))).toBe('in\n');
    expect(await house.run('ssh', [...carol, '-W', '127.0.0.1:22', host])).toMatchObject({
      code: 255,
      stdout: '',
    });
  });
});

/** `-F` and the configuration of a person with this role. */
async function personWith(role: string, host: string): Promise<string[]> {
  const name = `${role}-${host.replace('.', '-')}`;
  const { key } = await house.cluster.person(name, [role], [house.account.name]);
  return ['-F', house.configWith(key)];
}

it('refuses: a node that is not there', async () => {
  const ran = await house.ssh(
    '-o',
    'LogLevel=INFO',
    '-o',
    'ProxyJump=door',
    '-p',
    '3022',
    'nowhere',
    'echo in',
  );
  expect(ran).toMatchObject({ code: 255, stdout: '' });
});

it('refuses: a locked person, at once, in running sessions and new ones (S14)', async () => {
  const running = HOSTS.map((host) => house.ssh('-o', 'LogLevel=INFO', host, 'echo up; sleep 300'));
  await until('both sessions run', async () =>
    (await house.run('pgrep', ['-c', '-u', house.account.name, 'sleep'])).stdout.startsWith('2'),
  );
  must(await house.cluster.gatectl('lock', '--user=alice', '--ttl=1h', '--message=call the on-call'));
  for (const ran of await Promise.all(running)) {
    expect(ran).toMatchObject({ code: 255, stdout: 'up\n' });
    expect(ran.stderr).toContain('call the on-call');
  }
  for (const host of HOSTS) {
    expect(await house.ssh(host, 'echo in')).toMatchObject({ code: 255, stdout: '' });
  }
});
