// `gatectl nodes add`: the documented text, ready to be pasted on the new machine.
import * as flag from '../../arguments.ts';
import { command } from '../../arguments.ts';
import type { Gatectl } from './context.ts';
import { makeToken, printGuide, tokenFlags } from './new-token.ts';

export const nodesAdd = command({
  flags: {
    roles: flag.list({ says: 'What the machine may join as. (node)', value: 'ROLES' }),
    token: flag.text({ says: 'The token; a random one is made without it.', value: 'TOKEN' }),
    ...tokenFlags,
  },
  examples: [
    'gatectl nodes add',
    'gatectl nodes add --ttl=5m --roles=node,proxy',
    'gatectl nodes add --ttl=5m --roles=node,proxy --token=secret-value',
  ],
  async run(context: Gatectl, { flags }) {
    const roles = flags.roles ?? ['node'];
    const made = await makeToken(context, {
      roles,
      rolesFlag: 'roles',
      ttlMs: flags.ttl,
      value: flags.token,
      labels: flags.labels,
    });
    await printGuide(context, made, 'short');
  },
});
