// The rows of `gate` in the matrix: ssh, scp and sftp of its own, to a node that is dialed, one behind NAT and a plain sshd.
// Needs root, for the account that is logged in to, and sshd.
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { must, NODE } from '#test/kit/cluster.ts';
import { startPlainSshd, type PlainSshd } from '#test/kit/plain-sshd.ts';
import { until } from '#test/kit/until.ts';
import { BEHIND_NAT, openSshHouse, type SshHouse } from './house.ts';

const PLAIN = 'legacy-1';
let house: SshHouse;
let plain: PlainSshd;

beforeAll(async () => {
  house = await openSshHouse();
  plain = await startPlainSshd(house.cluster, { names: [PLAIN], at: (file) => house.path(file) });
}, 120_000);
afterAll(async () => {
  plain?.stop();
  await house?.stop();
});

const at = (host: string): string => `${house.account.name}@${host}`;

describe.each([NODE, BEHIND_NAT, PLAIN])('gate, its own certificate, to %s', (host) => {
  it('ok: ssh runs a command, with both outputs and its exit code', async () => {
    await until('the server is up', async () => (await house.alice.gate('ssh', at(host), 'true')).code === 0);
    const ran = await house.alice.gate('ssh', at(host), 'id -un; echo no >&2; exit 3');
    expect(ran).toEqual({ code: 3, stdout: `${house.account.name}\n`, stderr: 'no\n' });
  });

  it('ok: scp and sftp, there and back', async () => {
    const data = Buffer.alloc(2_000_000, `${host} 0123456789 `);
    const [there, back] = [house.path(`there-${host}`), house.path(`back-${host}`)];
    writeFileSync(there, data);
    must(await house.alice.gate('scp', there, `${at(host)}:sent`));
    must(await house.alice.gate('scp', `${at(host)}:sent`, back));
    expect(readFileSync(back).equals(data)).toBe(true);
    const batch = house.path(`batch-${host}`);
    writeFileSync(batch, `rename sent renamed\nget renamed ${back}.2\nrm renamed\n`);
    must(await house.alice.gate('sftp', '-b', batch, at(host)));
    expect(readFileSync(`${back}.2`).equals(data)).toBe(true);
  });
});
