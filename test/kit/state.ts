// For tests of auth: a state on a store in memory, and resources in few words.
import { parseResource } from '#core/kind.ts';
import { silentLog } from '#core/log.ts';
import type { Resource } from '#core/resource.ts';
import { KINDS, kindOf } from '#kinds/all.ts';
import { openMemory } from '#storage/memory/open.ts';
import type { Backend } from '#storage/backend.ts';
import { openState } from '#auth/state/open.ts';
import type { ClusterState } from '#auth/state/state.ts';
import { FakeClock } from './clock.ts';

export interface TestState {
  readonly clock: FakeClock;
  readonly backend: Backend;
  readonly state: ClusterState;
  close(): Promise<void>;
}

/** Ready to be written to; the caller closes it. */
export async function startTestState(options: { readonly maxEvents?: number } = {}): Promise<TestState> {
  const clock = new FakeClock();
  const backend = openMemory({ clock });
  const state = openState({ backend, kinds: KINDS, clock, log: silentLog, ...options });
  await state.ready;
  return {
    clock,
    backend,
    state,
    async close() {
      await state.close();
      await backend.close();
    },
  };
}

/** A parsed resource: `makeResource('role', 'dev', { allow: { logins: ['root'] } })`. */
export function makeResource(kind: string, name: string, spec: object, metadata: object = {}): Resource {
  return parseResource(kindOf(kind), { kind, metadata: { name, ...metadata }, spec });
}

export function makeRole(
  name: string,
  allow: object = {},
  options: object = {},
  deny: object = {},
): Resource {
  return makeResource('role', name, { allow, deny, options });
}

export function makeUser(name: string, roles: readonly string[], traits: object = {}): Resource {
  return makeResource('user', name, { roles, traits });
}
