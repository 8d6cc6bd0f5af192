// Four projects: unit tests beside their code, the laws of the house, end-to-end stories, and those that need programs of
// Kubernetes. The first two run first; the stories start servers and measure time, so they follow when the machine is free.
// Those of Kubernetes are last, because its programs are built meanwhile (hack/test.sh).
import { defineConfig } from 'vitest/config';

const FAST_FIRST = { groupOrder: 0 };
/** One more than by default on two cores, which leaves one idle. */
const ALL_CORES = '100%';
const THEN_SLOW = { groupOrder: 1 };
const LAST = { groupOrder: 2 };
const PATIENT = { testTimeout: 600_000, hookTimeout: 120_000 };
const NOT_OURS = ['node_modules/**', '.cache/**'];
const KUBERNETES = [
  'test/e2e/{kubernetes,charts}/**/*.test.ts',
  '{hack,operator}/**/*.slow.test.ts',
  'auth/joining/kubernetes/**/*.slow.test.ts',
  'client/credentials-secret.slow.test.ts',
  'test/kit/kube-api.slow.test.ts',
];

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: [
            '{core,kinds,config,storage,events,join,auth,client,wire,recordings,agent,proxy,cli,daemon,operator}/**/*.test.ts',
            'test/kit/**/*.test.ts',
          ],
          exclude: [...NOT_OURS, '**/*.slow.test.ts'],
          // Far above what any takes; a busy machine is no failure.
          testTimeout: 30_000,
          maxWorkers: ALL_CORES,
          sequence: FAST_FIRST,
        },
      },
      {
        test: {
          name: 'rooms',
          include: ['test/rooms/**/*.test.ts'],
          testTimeout: 30_000,
          exclude: NOT_OURS,
          maxWorkers: ALL_CORES,
          sequence: FAST_FIRST,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts', 'test/fuzz/**/*.test.ts', '**/*.slow.test.ts'],
          exclude: [...NOT_OURS, ...KUBERNETES],
          ...PATIENT,
          sequence: THEN_SLOW,
        },
      },
      {
        test: {
          name: 'kubernetes',
          include: KUBERNETES,
          exclude: NOT_OURS,
          ...PATIENT,
          sequence: LAST,
        },
      },
    ],
  },
});
