// `gatehouse status`: known from the documents as a command for the inside of a session.
import { GatehouseError } from '#core/errors/error.ts';
import { command } from '../../arguments.ts';

export const status = command({
  flags: {},
  examples: ['gatehouse status'],
  async run(): Promise<never> {
    throw new GatehouseError(
      'NOT_SUPPORTED',
      'this command tells about the SSH session it is run in, and this is none: sessions are not part of this release',
      {
        details: {
          remedy: 'For the cluster use `gatectl status`; for this daemon /readyz of --diag-addr.',
        },
      },
    );
  },
});
