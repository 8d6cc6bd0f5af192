import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { recordOf, selfSigned } from '#client/conformance/sample.ts';
import { SecretWorld } from '#client/conformance/secret-world.ts';
import { IDENTITY_FILE, openCredentialDir } from '#client/credentials-dir.ts';
import { openCredentialSecret } from '#client/credentials-secret.ts';
import type { CredentialStore } from '#client/credentials.ts';
import type { GatehouseError } from '#core/errors/error.ts';
import type { Log } from '#core/log.ts';
import { MOVED_FILE, openIdentityStore, withMove } from './identity-store.ts';

const authority = selfSigned('the authority').certificate;
const first = recordOf('a0f0f0d8-0000-4000-8000-000000000000', authority);
const pod = {
  KUBERNETES_SERVICE_HOST: '10.0.0.1',
  KUBERNETES_SERVICE_PORT: '443',
  GATEHOUSE_REPLICA_NAME: 'web-0',
  KUBE_NAMESPACE: 'agents',
};

let dataDir: string;
let world: SecretWorld;
let lines: string[];
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'gatehouse-identity-'));
  world = new SecretWorld();
  lines = [];
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

const write = (fields: object, message: string): void =>
  void lines.push(`${message} ${JSON.stringify(fields)}`);
const log: Log = { debug: write, info: write, warn: write, error: write, child: () => log };
const secretOf = (holder = 'pod-1'): CredentialStore =>
  openCredentialSecret({ secrets: world.open(holder), name: 'web-0-state', log });
const open = (secret = secretOf()): CredentialStore =>
  withMove(secret, { dir: openCredentialDir(dataDir), dataDir, log });
const placeOf = (environment: Record<string, string>): string =>
  openIdentityStore({ environment, dataDir, log }).place;

it('ok: in a pod with a name of its own the Secret is the place, else the data directory; the log says which', () => {
  expect(placeOf(pod)).toBe('Secret agents/web-0-state');
  const { GATEHOUSE_REPLICA_NAME: name, ...rest } = pod;
  expect(placeOf({ ...rest, TELEPORT_REPLICA_NAME: name })).toBe('Secret agents/web-0-state');
  expect(lines.join('\n')).toContain('kept in a Secret {"place":"Secret agents/web-0-state"}');
  for (const missing of Object.keys(pod).filter((key) => key !== 'KUBERNETES_SERVICE_PORT')) {
    expect(placeOf({ ...pod, [missing]: '' })).toBe(join(dataDir, IDENTITY_FILE));
  }
  expect(lines.at(-1)).toContain('kept in its data directory');
});

it('S37 refuses: names that are no names', () => {
  for (const [key, value] of [
    ['GATEHOUSE_REPLICA_NAME', '../secrets/theirs'],
    ['GATEHOUSE_REPLICA_NAME', 'Web-0'],
    ['GATEHOUSE_REPLICA_NAME', 'w'.repeat(300)],
    ['KUBE_NAMESPACE', 'a/../kube-system'],
    ['KUBERNETES_SERVICE_PORT', '443@evil'],
  ] as const) {
    try {
      placeOf({ ...pod, [key]: value });
      expect.unreachable(value);
    } catch (error) {
      expect((error as GatehouseError).code).toBe('INVALID_CONFIG');
      expect((error as GatehouseError).message).toContain(key);
    }
  }
});

it('R11 ok: an identity of a volume moves into the Secret once, and is used from there', async () => {
  await openCredentialDir(dataDir).create(first);
  expect(await open().claim?.()).toEqual(first);
  expect(await secretOf().load()).toEqual(first);
  expect(existsSync(join(dataDir, IDENTITY_FILE))).toBe(false);
  expect(readFileSync(join(dataDir, MOVED_FILE), 'utf8')).toContain('checksum');
  await open().replace({ ...first, generation: 2 });
  world.remove('web-0-state');
  expect(await open().claim?.()).toBeUndefined();
});

it('R1 ok: killed after the Secret was made and before the file was moved, it goes on', async () => {
  await openCredentialDir(dataDir).create(first);
  await secretOf().create(first);
  await secretOf().replace({ ...first, generation: 2 });
  expect(await open(secretOf('pod-2')).claim?.()).toEqual({ ...first, generation: 2 });
  expect(existsSync(join(dataDir, IDENTITY_FILE))).toBe(false);
});

it('R1 refuses: to put the identity of a file over another one in the Secret', async () => {
  const other = recordOf('b', authority);
  await secretOf().create(other);
  await openCredentialDir(dataDir).create(first);
  expect(await open().claim?.()).toEqual(other);
  expect(existsSync(join(dataDir, IDENTITY_FILE))).toBe(true);
  expect(lines.join('\n')).toContain('has another identity, which is not used');
});

it('ok: without an identity anywhere there is none, and one is created in the Secret', async () => {
  expect(await open().claim?.()).toBeUndefined();
  await open().create(first);
  expect(await open().load()).toEqual(first);
  expect(await open().check?.(first.certificates.host_id)).toBe('held');
  expect(existsSync(join(dataDir, IDENTITY_FILE))).toBe(false);
});
