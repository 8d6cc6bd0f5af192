// For tests of what stands behind the routes of auth: a context on a store in memory that remembers its audit events,
// and key pairs as clients send them.
import type { AuthContext } from '#auth/context.ts';
import type { Caller } from '#auth/guard/caller.ts';
import { openAuthorities, type OpenAuthorities } from '#auth/authority/open.ts';
import { publicKeyLine } from '#core/certs/ssh/lines.ts';
import { publicKeyFromKeyObject } from '#core/certs/ssh/public-key.ts';
import { generateKeyPair, publicKeyPem } from '#core/certs/x509/keys.ts';
import type { Identity } from '#core/identity.ts';
import { silentLog } from '#core/log.ts';
import type { EventInput } from '#events/catalogue.ts';
import type { AuditLog } from '#events/audit-log.ts';
import { startTestState, type TestState } from './state.ts';

export interface TestAuth extends TestState {
  readonly context: AuthContext;
  readonly authorities: OpenAuthorities;
  /** Everything that was emitted, in order. */
  readonly events: EventInput[];
}

export const CLUSTER = 'test.example.com';
export const ADDRESS = '192.0.2.7';

/** The caller closes it. */
export async function startTestAuth(options: { readonly auditFails?: Error } = {}): Promise<TestAuth> {
  const test = await startTestState();
  const { state, clock } = test;
  const authorities = await openAuthorities({ state, clock, clusterName: CLUSTER, log: silentLog });
  const events: EventInput[] = [];
  const audit: AuditLog = {
    emit: (event) => void events.push(event),
    async emitDurably(event) {
      if (options.auditFails !== undefined) throw options.auditFails;
      events.push(event);
    },
    flush: async () => {},
    search: () => Promise.reject(new Error('not in this test')),
    status: () => ({ healthy: true, durable: true, pending: 0, journalBytes: 0, lost: 0, sinks: [] }),
    close: async () => {},
  };
  const context: AuthContext = {
    clock,
    log: silentLog,
    state,
    authorities,
    audit,
    clusterName: CLUSTER,
    hostId: '00000000-0000-4000-8000-000000000001',
    serverVersion: '0.0.0',
    publicAddress: 'test.example.com:443',
    names: ['auth-1', 'auth.internal.example.com', 'localhost', '127.0.0.1', '192.0.2.1'],
  };
  return { ...test, context, authorities, events };
}

export function makeKeyTexts(): { ssh_public_key: string; tls_public_key: string } {
  return {
    ssh_public_key: publicKeyLine(publicKeyFromKeyObject(generateKeyPair('ed25519').publicKey), 'joe@laptop'),
    tls_public_key: publicKeyPem(generateKeyPair('ecdsa-p256').publicKey),
  };
}

export function callerOf(identity?: Identity, address = ADDRESS): Caller {
  return { requestId: 'request-1', address, ...(identity === undefined ? {} : { identity }) } as Caller;
}
