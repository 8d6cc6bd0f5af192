// The model of secret-world.ts behind HTTPS on loopback, as an API server speaks it, and the folder of a ServiceAccount
// that knows it. Failures happen to the bytes: connections that break before and after a call took effect, silence,
// other answers.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isCode } from '#core/errors/error.ts';
import { formatSecret, parseSecret, type KubeSecret } from '../kube-secret-object.ts';
import { selfSigned } from './sample.ts';
import { NAMESPACE, OWNER, SecretWorld } from './secret-world.ts';

export type Trouble =
  | 'none'
  | 'cut before'
  | 'cut after'
  | 'silent'
  | 'silent after'
  | { readonly status: number; readonly body?: string; readonly location?: string };

export interface SecretServer {
  readonly host: string;
  readonly port: number;
  readonly world: SecretWorld;
  /** With `token` and `ca.crt`. */
  readonly accountDir: string;
  /** `GET secrets/web-0-state` each, with the token. */
  readonly seen: { readonly call: string; readonly token: string | undefined }[];
  /** What becomes of calls from now on. */
  trouble: (call: string) => Trouble;
  close(): Promise<void>;
}

export const POD = { podName: 'web-0', podUid: 'pod-1' };

/** A token as the kubelet gives it to a pod; nobody checks its signature here. */
export function tokenOf({ podName, podUid }: typeof POD): string {
  const claims = { 'kubernetes.io': { pod: { name: podName, uid: podUid } } };
  return `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.c2ln`;
}

const STATUS: Readonly<Record<string, number>> = {
  ALREADY_EXISTS: 409,
  CONDITION_FAILED: 409,
  NOT_FOUND: 404,
};

export async function startSecretServer(): Promise<SecretServer> {
  const { certificate, privateKey } = selfSigned('kubernetes');
  const accountDir = mkdtempSync(join(tmpdir(), 'gatehouse-account-'));
  writeFileSync(join(accountDir, 'ca.crt'), certificate);
  writeFileSync(join(accountDir, 'token'), `${tokenOf(POD)}\n`);
  const world = new SecretWorld();
  const server = createServer({ cert: certificate, key: privateKey }, (request, response) => {
    void answer(served, request, response);
  });
  const served: SecretServer = {
    host: '127.0.0.1',
    get port() {
      return (server.address() as AddressInfo).port;
    },
    world,
    accountDir,
    seen: [],
    trouble: () => 'none',
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      rmSync(accountDir, { recursive: true, force: true });
    },
  };
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return served;
}

async function answer(
  served: SecretServer,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const parts: Buffer[] = [];
  for await (const part of request as AsyncIterable<Buffer>) parts.push(part);
  const path = (request.url ?? '').replace(`/api/v1/namespaces/${NAMESPACE}/`, '');
  const call = `${request.method ?? ''} ${path}`;
  served.seen.push({ call, token: request.headers.authorization });
  const trouble = served.trouble(call);
  if (trouble === 'cut before') return void response.destroy();
  if (trouble === 'silent') return;
  if (typeof trouble === 'object') {
    response.writeHead(trouble.status, trouble.location === undefined ? {} : { location: trouble.location });
    return void response.end(trouble.body ?? '');
  }
  const { status, body } = effect(served.world, call, Buffer.concat(parts).toString('utf8'));
  if (trouble === 'cut after') return void response.destroy();
  if (trouble === 'silent after') return;
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

function effect(world: SecretWorld, call: string, text: string): { status: number; body: object } {
  const [method = '', path = ''] = call.split(' ');
  if (method === 'GET' && path === `pods/${POD.podName}`) {
    const ownerReferences = [{ ...OWNER, controller: true, blockOwnerDeletion: true }];
    return { status: 200, body: { kind: 'Pod', metadata: { uid: POD.podUid, ownerReferences } } };
  }
  try {
    if (method === 'GET') return found(world.get(path.replace('secrets/', '')));
    const sent = JSON.parse(text) as { metadata: { resourceVersion?: string } };
    sent.metadata.resourceVersion ??= 'none yet';
    const secret = parseSecret(sent) ?? unreadable(text);
    return method === 'POST' ? { ...found(world.create(secret)), status: 201 } : found(world.replace(secret));
  } catch (error) {
    if (!isCode(error)) throw error;
    return { status: STATUS[error.code] ?? 500, body: { kind: 'Status', message: error.message } };
  }
}

function found(secret: KubeSecret | undefined): { status: number; body: object } {
  if (secret === undefined) return { status: 404, body: { kind: 'Status', message: 'secrets not found' } };
  return { status: 200, body: formatSecret(secret, NAMESPACE) };
}

function unreadable(text: string): never {
  throw new Error(`no Secret was sent: ${text}`);
}
