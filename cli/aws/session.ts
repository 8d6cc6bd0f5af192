// A local AWS proxy for an application that the person is signed in to, with what programs need to use it.
import { parseRoleArn } from '#core/aws/arn.ts';
import type { Partition } from '#core/aws/partitions.ts';
import type { SigningCredentials } from '#core/aws/sigv4.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { APP_PROTOCOL } from '#wire/target/protocols.ts';
import type { Gate } from '../commands/gate/context.ts';
import { oneLine } from '../format/text.ts';
import type { TargetLogin } from '../profile/target-files.ts';
import { requireAwsLogin } from '../target/app-login.ts';
import { keepTarget, wishOf, type KeptTarget } from '../target/certificate.ts';
import { openTarget } from '../target/road.ts';
import { authorityPaths, openLocalAuthority } from './authority.ts';
import { makeLocalKeys } from './local-keys.ts';
import { openAwsProxy } from './local-proxy.ts';

export interface AwsSession {
  readonly app: string;
  readonly port: number;
  readonly keys: SigningCredentials;
  /** The file that AWS_CA_BUNDLE names. */
  readonly bundle: string;
  close(): void;
}

export interface AwsSessionOptions {
  /** Left out: the only one signed in to. */
  readonly app: string | undefined;
  /** 0: any. */
  readonly port: number;
}

/** UNAUTHENTICATED without `gate apps login`. The caller closes it. */
export async function openAwsSession(gate: Gate, { app, port }: AwsSessionOptions): Promise<AwsSession> {
  const { io, out, wanted } = gate;
  const { profile, login } = await requireAwsLogin(gate, app, { mayAsk: true });
  const kept = keepTarget(io, wanted, wishOf('app', login));
  const keys = makeLocalKeys();
  // Made before anything is told of it.
  await openLocalAuthority(io, profile, login.name);
  const told = new Set<string>();
  const proxy = await openAwsProxy({
    port,
    clock: io.clock,
    partition: partitionOf(login),
    keys,
    authority: async () => openLocalAuthority(io, (await kept.current()).profile, login.name),
    open: () => openRoad(gate, kept),
    failed(error) {
      const text = oneLine((error as Error).message);
      // A program that tries the same again and again is told once.
      if (told.size < 64 && !told.has(text)) out.note(`a request failed: ${text}`);
      told.add(text);
    },
  });
  const bundle = authorityPaths(io, profile.cluster, login.name).certificate;
  return { app: login.name, port: proxy.port, keys, bundle, close: () => proxy.close() };
}

export async function openRoad({ io }: Gate, kept: KeptTarget): ReturnType<typeof openTarget> {
  const { profile, login } = await kept.current();
  return openTarget({ profile, login, protocol: APP_PROTOCOL, clock: io.clock, environment: io.env });
}

function partitionOf({ name, identity }: TargetLogin): Partition {
  const role = parseRoleArn(identity.route_to_app?.aws_role_arn ?? '');
  if (role !== undefined) return role.partition;
  throw new GatehouseError('CERTIFICATE_INVALID', `the certificate for ${name} names no role of AWS`, {
    details: { remedy: `Run \`gate apps login ${name}\` again.` },
  });
}
