// `gatectl tokens add`: a join token. `--format=text` prints the token alone, for scripts.
import { command } from '../../arguments.ts';
import { oneLine } from '../../format/text.ts';
import type { Gatectl } from './context.ts';
import { makeToken, printGuide, tokenFlags } from './new-token.ts';
import * as flag from '../../arguments.ts';

export const tokensAdd = command({
  about:
    'A token is good for any number of machines until it expires. Whoever has it can join, so hand it on like a password.',
  flags: {
    type: flag.list({
      says: 'What machines may join as: node, app, db, proxy, auth …',
      short: 't',
      value: 'ROLES',
    }),
    ...tokenFlags,
    value: flag.text({ says: 'The token; a random one is made without it.', value: 'TOKEN' }),
  },
  examples: [
    'gatectl tokens add --type=node',
    'gatectl tokens add --type=app --ttl=1h --format=text',
    'gatectl tokens add --type=node,app,db --ttl=15m',
  ],
  async run(context: Gatectl, { flags }) {
    if (flags.type === undefined)
      throw flag.usage('--type is missing: what may machines join as, such as --type=node');
    const made = await makeToken(context, {
      roles: flags.type,
      rolesFlag: 'type',
      ttlMs: flags.ttl,
      value: flags.value,
      labels: flags.labels,
    });
    if (context.out.format === 'text') context.out.line(oneLine(made.token));
    else await printGuide(context, made, 'long');
  },
});
