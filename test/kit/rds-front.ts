// What RDS puts in front of PostgreSQL: TLS, a cleartext password that is a request to sign in, signed with AWS credentials,
// and the check of that signature as AWS makes it, by the SDK's own signer. Behind it is the real server.
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import { createSecureContext, TLSSocket } from 'node:tls';
import { createHash, createHmac } from 'node:crypto';
import { SignatureV4 } from '@smithy/signature-v4';
import { generateKeyPair, privateKeyPem } from '#core/certs/x509/keys.ts';
import { certificateToPem } from '#core/certs/x509/pem.ts';
import { selfSignedServer } from '#core/certs/x509/self-signed.ts';
import type { StsKeys } from './aws-sts.ts';
import type { TestPostgres } from './postgres.ts';

export interface RdsFront {
  readonly port: number;
  /** PEM. */
  readonly authority: string;
  /** Every token that came, oldest first. */
  readonly tokens: string[];
  /** Why others were refused. */
  readonly refused: string[];
  close(): Promise<void>;
}

export interface RdsFrontOptions {
  readonly server: Pick<TestPostgres, 'port' | 'socketDir'>;
  readonly region: string;
  readonly keys: ReadonlyMap<string, StsKeys>;
  /** Where it listens, for pods; default: loopback. */
  readonly address?: string;
  /** What it is called besides localhost. */
  readonly name?: string;
  /** Milliseconds that its clock is ahead. */
  readonly skewMs?: () => number;
}

const SSL_REQUEST = 80_877_103;
const MAX_BYTES = 64 * 1024;

/** The caller closes it. */
export async function startRdsFront(options: RdsFrontOptions): Promise<RdsFront> {
  const { privateKey } = generateKeyPair('ecdsa-p256');
  const authority = certificateToPem(
    selfSignedServer({
      privateKey,
      commonName: 'rds',
      dnsNames: ['localhost', ...(options.name === undefined ? [] : [options.name])],
      ipAddresses: ['127.0.0.1'],
      notBefore: Date.now() - 60_000,
      notAfter: Date.now() + 3_600_000,
    }),
  );
  const secureContext = createSecureContext({ cert: authority, key: privateKeyPem(privateKey).reveal() });
  const tokens: string[] = [];
  const refused: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => sockets.delete(socket));
    serve(socket).catch(() => socket.destroy());
  });

  async function serve(socket: Socket): Promise<void> {
    const first = await take(socket, 8);
    if (first.readUInt32BE(4) !== SSL_REQUEST) throw new Error('no SSLRequest');
    socket.write('S');
    const secure = new TLSSocket(socket, { isServer: true, secureContext });
    secure.on('error', () => {});
    const length = (await take(secure, 4)).readUInt32BE(0);
    const startup = await take(secure, length - 4);
    const user = startupUser(startup);
    secure.write(Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 3]));
    const head = await take(secure, 5);
    const password = await take(secure, head.readUInt32BE(1) - 4);
    const token = password.subarray(0, -1).toString('utf8');
    tokens.push(token);
    const problem = await tokenProblem(token, user);
    if (problem !== undefined) {
      refused.push(problem);
      secure.end(errorMessage(`PAM authentication failed for user "${user}"`));
      return;
    }
    const behind = connect(join(options.server.socketDir, `.s.PGSQL.${options.server.port}`));
    behind.on('error', () => secure.destroy());
    behind.once('close', () => secure.destroy());
    secure.once('close', () => behind.destroy());
    const again = Buffer.alloc(4);
    again.writeUInt32BE(length);
    behind.write(Buffer.concat([again, startup]));
    secure.pipe(behind).pipe(secure);
  }

  async function tokenProblem(token: string, user: string): Promise<string | undefined> {
    const url = URL.parse(`https://${token}`);
    if (url === null) return 'no token';
    const at = (name: string): string => url.searchParams.get(name) ?? '';
    const [accessKeyId = '', , region = ''] = at('X-Amz-Credential').split('/');
    const keys = options.keys.get(accessKeyId);
    if (keys === undefined) return 'unknown key';
    const signed = timeOf(at('X-Amz-Date'));
    const age = Date.now() + (options.skewMs?.() ?? 0) - signed.getTime();
    const life = Math.min(Number(at('X-Amz-Expires')), 900) * 1000;
    const checks: readonly (readonly [isGood: boolean, problem: string])[] = [
      [at('Action') === 'connect', 'another action'],
      [at('DBUser') === user, `for the user ${at('DBUser')}`],
      [Number(url.port) === front.port, `for the port ${url.port}`],
      [region === options.region, `for the region ${region}`],
      [(keys.sessionToken ?? '') === at('X-Amz-Security-Token'), 'wrong session token'],
      [age > -300_000 && age < life, 'expired'],
      [(await signatureOf(url, keys, region, signed)) === at('X-Amz-Signature'), 'wrong signature'],
    ];
    return checks.find(([isGood]) => !isGood)?.[1];
  }

  server.listen(0, options.address ?? '127.0.0.1');
  await once(server, 'listening');
  const front: RdsFront = {
    port: (server.address() as AddressInfo).port,
    authority,
    tokens,
    refused,
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
  return front;
}

function timeOf(amzDate: string): Date {
  const [, y, mo, d, h, mi, s] = /^(....)(..)(..)T(..)(..)(..)Z$/.exec(amzDate) ?? [];
  return new Date(`${y}-${mo}-${d}T${h}:${mi}:${s}Z`);
}

/** By the signer of the SDK, not by ours. */
async function signatureOf(url: URL, keys: StsKeys, region: string, signingDate: Date): Promise<string> {
  const signer = new SignatureV4({
    service: 'rds-db',
    region,
    sha256: Sha256,
    credentials: {
      accessKeyId: keys.accessKeyId,
      secretAccessKey: keys.secretAccessKey,
      ...(keys.sessionToken === undefined ? {} : { sessionToken: keys.sessionToken }),
    },
  });
  const presigned = await signer.presign(
    {
      method: 'GET',
      protocol: 'https:',
      hostname: url.hostname,
      port: Number(url.port),
      path: '/',
      query: { Action: 'connect', DBUser: url.searchParams.get('DBUser') ?? '' },
      headers: { host: url.host },
    },
    { expiresIn: Number(url.searchParams.get('X-Amz-Expires')), signingDate },
  );
  return String(presigned.query?.['X-Amz-Signature']);
}

class Sha256 {
  readonly #hash;
  constructor(secret?: unknown) {
    this.#hash =
      secret === undefined ? createHash('sha256') : createHmac('sha256', Buffer.from(secret as Uint8Array));
  }
  update(data: string | ArrayBuffer | ArrayBufferView): void {
    this.#hash.update(typeof data === 'string' ? data : Buffer.from(data as Uint8Array));
  }
  async digest(): Promise<Uint8Array> {
    return new Uint8Array(this.#hash.digest());
  }
  reset(): void {}
}

async function take(stream: Socket, length: number): Promise<Buffer> {
  if (length < 0 || length > MAX_BYTES) throw new Error('too long');
  for (;;) {
    const piece = stream.read(length) as Buffer | null;
    if (piece !== null && piece.length === length) return piece;
    if (piece !== null || stream.readableEnded || stream.destroyed) throw new Error('ended');
    await once(stream, 'readable');
  }
}

function startupUser(startup: Buffer): string {
  const words = startup.subarray(4).toString('utf8').split('\0');
  return words[words.indexOf('user') + 1] ?? '';
}

function errorMessage(text: string): Buffer {
  const fields = Buffer.from(`SFATAL\0C28000\0M${text}\0\0`);
  const head = Buffer.alloc(5);
  head[0] = 0x45;
  head.writeUInt32BE(fields.length + 4, 1);
  return Buffer.concat([head, fields]);
}
