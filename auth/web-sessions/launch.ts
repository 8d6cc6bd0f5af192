// From the session of the web to that of one application. The browser carries a code from the one origin to the other: good
// once, for a minute, and only for the browser that began, which holds something the code was made for. So nobody can be
// logged in at an application as somebody else.
import { randomBytes } from 'node:crypto';
import { X509Certificate } from 'node:crypto';
import { generateKeyPair } from '#core/certs/x509/keys.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import { parseResource } from '#core/kind.ts';
import { timestampOf } from '#core/timestamp.ts';
import { webSessionKind, type WebSessionSpec } from '#kinds/web-session/kind.ts';
import type { IssueContext } from '../issue/context.ts';
import { issueTarget, type AppWish } from '../issue/target.ts';
import { isSecret, launchName, type Halves } from './halves.ts';
import { makeSession, openSession, requireRoom, requireSession, type Opening } from './sessions.ts';
import { requireHolder } from '../issue/holder.ts';
import { identityOfCertificate } from '#core/certs/x509/identity.ts';
import { parseX509 } from '#core/certs/x509/parse.ts';
import { parseIdentity } from '#core/identity.ts';

const CODE_BYTES = 32;
const LAUNCH_MS = 60_000;

export interface LaunchRequest extends Opening {
  readonly app: string;
  readonly awsRole?: string | undefined;
  /** SHA-256 of what the browser holds, base64url. */
  readonly state: string;
}

/** A code for the session. As openSession; whether the person may use the application is asked when it is used. */
export async function startLaunch(context: IssueContext, request: LaunchRequest): Promise<{ code: string }> {
  const { session, identity } = await openSession(context, request);
  requireRoom(context, identity.name);
  const code = randomBytes(CODE_BYTES).toString('base64url');
  const { app, awsRole, state, address } = request;
  const now = context.clock.now();
  await context.state.write([
    {
      do: 'create',
      resource: parseResource(webSessionKind, {
        kind: webSessionKind.name,
        metadata: { name: launchName(code), expires: timestampOf(now + LAUNCH_MS) },
        spec: {
          type: 'launch',
          user: identity.name,
          created: timestampOf(now),
          address,
          app,
          ...(awsRole === undefined ? {} : { aws_role: awsRole }),
          parent: session.metadata.name,
          secret_hash: state,
          identity: session.spec.identity,
        },
      }),
    },
  ]);
  return { code };
}

export interface ExchangeRequest {
  readonly code: string;
  readonly nonce: string;
  readonly app: string;
  readonly address: string;
}

/**
 * The session of an application for a code. UNAUTHENTICATED when the code is used up, old, for another application, or came
 * with another browser; refusals of issueTarget.
 */
export async function finishLaunch(
  context: IssueContext,
  { code, nonce, app, address }: ExchangeRequest,
): Promise<Halves & { readonly expires: string }> {
  const { state, clock } = context;
  const launch = await state.read(webSessionKind, launchName(code));
  if (launch === undefined || launch.spec.type !== 'launch') throw usedUp();
  // Whatever it is for: it was shown, so it is over.
  const { revision } = launch.metadata;
  try {
    await state.write([
      {
        do: 'delete',
        kind: webSessionKind.name,
        name: launch.metadata.name,
        ...(revision === undefined ? {} : { revision }),
      },
    ]);
  } catch (error) {
    if (isCode(error, 'CONDITION_FAILED', 'NOT_FOUND')) throw usedUp();
    throw error;
  }
  const isGood =
    isSecret(nonce, launch.spec.secret_hash) &&
    launch.spec.app === app &&
    Date.parse(launch.metadata.expires ?? '') > clock.now();
  if (!isGood) throw usedUp();
  return makeAppSession(context, launch.spec, address);
}

async function makeAppSession(
  context: IssueContext,
  { app = '', aws_role: role, parent, identity: text }: WebSessionSpec,
  address: string,
): Promise<Halves & { readonly expires: string }> {
  const session = parent === undefined ? undefined : await context.state.read(webSessionKind, parent);
  if (session === undefined || text === undefined || session.spec.identity !== text) throw usedUp();
  const identity = parseIdentity(JSON.parse(text));
  if (identity.kind !== 'user') throw usedUp();
  const wish: AppWish = { name: app, ...(role === undefined ? {} : { aws_role: role }) };
  const { tls_certificate: pem, expires } = await issueTarget(context, identity, {
    wish: { app: wish },
    // The proxy stands for the browser: nobody needs the key, and it is forgotten here.
    tlsPublicKey: String(generateKeyPair('ecdsa-p256').publicKey.export({ type: 'spki', format: 'pem' })),
    address,
    method: 'web',
  });
  const { halves, resource } = makeSession(context, {
    type: 'app',
    user: identity.name,
    address,
    expires: Date.parse(expires),
    more: {
      app,
      ...(role === undefined ? {} : { aws_role: role }),
      ...(parent === undefined ? {} : { parent }),
      certificate: new X509Certificate(pem).raw.toString('base64'),
    },
  });
  await context.state.write([{ do: 'create', resource }]);
  return { ...halves, expires };
}

/** The certificate of an application's session. As requireSession; UNAUTHENTICATED for another application. */
export async function openApp(
  context: IssueContext,
  { app, address, ...halves }: Opening & { readonly app: string },
): Promise<{ readonly certificate: string; readonly expires: string }> {
  const { spec, metadata } = await requireSession(context, 'app', halves);
  const { certificate = '' } = spec;
  if (spec.app !== app) throw new GatehouseError('UNAUTHENTICATED', 'the session is of another application');
  const identity = parseIdentity(identityOfCertificate(parseX509(Buffer.from(certificate, 'base64'))));
  if (identity.kind !== 'user')
    throw new GatehouseError('CORRUPT', 'an application’s session is not of a user');
  if (identity.pinned_ip !== undefined && identity.pinned_ip !== address) {
    throw new GatehouseError('UNAUTHENTICATED', 'the session is pinned to another address; log in again');
  }
  requireHolder(context, identity);
  return { certificate, expires: metadata.expires ?? '' };
}

const usedUp = (): GatehouseError =>
  new GatehouseError('UNAUTHENTICATED', 'the way to the application was used or took too long; try again');
