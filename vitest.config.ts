// Three projects: unit tests beside their code, the laws of the house, and end-to-end stories.
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['{core,kinds,config,storage,events,join,wire,auth,client,agent,cli,daemon}/**/*.test.ts'],
          exclude: ['**/*.slow.test.ts'],
        },
      },
      { test: { name: 'rooms', include: ['test/rooms/**/*.test.ts'] } },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts', 'test/fuzz/**/*.test.ts', '**/*.slow.test.ts'],
          exclude: ['node_modules/**'],
          testTimeout: 600_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
