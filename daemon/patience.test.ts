import { expect, it } from 'vitest';
import { patienceOf } from './patience.ts';

it('ok: in a pod the end may take a while, well within the thirty seconds that Kubernetes gives', () => {
  const patienceMs = patienceOf({ KUBERNETES_SERVICE_HOST: '10.0.0.1' });
  expect(patienceMs).toBeGreaterThan(5000);
  expect(patienceMs).toBeLessThan(25_000);
});

it('ok: on a machine nobody waits for a process that ends', () => {
  expect(patienceOf({})).toBe(0);
});
