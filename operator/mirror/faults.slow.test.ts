// Calls to the API server that fail, or whose answers are lost, an operator that ends in the middle, and an auth service that
// loses what was made: in the end everything is as the objects say, and nothing is left over.
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { GatehouseError } from '#core/errors/error.ts';
import { ownerOf } from '#core/owner-mark.ts';
import {
  addressOfAuth,
  clusterObject,
  conditionsOf,
  fakeKube,
  mirrorObject,
  mirrorType,
  NAMESPACE,
  startAuthForOperators,
  startOperatorUnderTest,
} from '#test/kit/operator-house.ts';
import { until } from '#test/kit/until.ts';

const READY = 'Ready=True Applied';
const ROLES = mirrorType('role');
const FAULTS = ['UNAVAILABLE', 'CONDITION_FAILED', 'LIMIT_EXCEEDED', 'NOT_FOUND'] as const;

test('ok: property: faults at any call, and an operator that starts again, leave what the objects say and no more', async () => {
  const auth = await startAuthForOperators();
  const owned = () => Array.from(auth.auth.state.list('role')).filter((role) => ownerOf(role) !== undefined);
  const fault = fc.record({ at: fc.nat(40), code: fc.constantFrom(...FAULTS), isLost: fc.boolean() });
  try {
    await fc.assert(
      fc.asyncProperty(fc.array(fault, { maxLength: 12 }), fc.nat(30), async (faults, restartAt) => {
        const kube = fakeKube();
        kube.seed(clusterObject('main'));
        const start = () => startOperatorUnderTest({ kube, addressOf: () => addressOfAuth(auth) });
        let operator = await start();
        let count = 0;
        const heal = kube.inject(({ verb }) => {
          if (verb !== 'patch' && verb !== 'applyStatus') return undefined;
          const found = faults.find(({ at }) => at === count);
          count++;
          if (found === undefined) return undefined;
          const error = new GatehouseError(found.code, 'injected');
          return found.isLost ? { after: error } : { before: error };
        });
        const names = Array.from({ length: 6 }, (_, n) => `fault-${n}`);
        for (const name of names)
          kube.seed(mirrorObject('role', name, { spec: { allow: { logins: ['a'] } } }));
        await until('some calls', () => count >= Math.min(restartAt, 6));
        await operator.close();
        operator = await start();
        const all = () => kube.all(ROLES, NAMESPACE);
        await until('all are ready', () => all().every((object) => conditionsOf(object) === READY));
        expect(
          owned()
            .map(({ metadata }) => metadata.name)
            .sort(),
        ).toEqual(names);
        for (const { metadata } of all()) expect(metadata.finalizers).toEqual(['gatehouse.dev/mirror']);
        for (const name of names) void kube.delete(ROLES, { namespace: NAMESPACE, name });
        await until('all are gone', () => all().length === 0);
        expect(owned()).toEqual([]);
        heal();
        await operator.close();
      }),
      { numRuns: 12, endOnFailure: true },
    );
  } finally {
    await auth.close();
  }
}, 120_000);
