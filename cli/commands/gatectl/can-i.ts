// `gatectl can-i`: a dry run of a decision. Exit code 0 for yes, 1 for no.
import { checkAccess } from '#core/api/audit.ts';
import * as flag from '../../arguments.ts';
import { command } from '../../arguments.ts';
import type { Gatectl } from './context.ts';
import { reasonLines } from './reasons.ts';

export const canI = command({
  about:
    'VERB is ssh, with a node as TARGET, or one of list, read, create, update, delete and use, with a kind or kind/name.',
  flags: {
    user: flag.text({ says: 'Who; needed.', value: 'USER' }),
    login: flag.text({ says: 'The account on the node, with ssh.', value: 'LOGIN' }),
  },
  positionals: [
    { name: 'VERB', says: 'what', words: ['ssh', 'list', 'read', 'create', 'update', 'delete', 'use'] },
    { name: 'TARGET', says: 'on what' },
  ],
  examples: ['gatectl can-i --user=joe --login=root ssh turing', 'gatectl can-i --user=joe create role'],
  async run(context: Gatectl, { flags, words: [verb = '', target = ''] }) {
    const { user, login } = flags;
    if (user === undefined) throw flag.usage('--user is missing: whose access is asked about');
    if (verb === 'ssh' && login === undefined)
      throw flag.usage('--login is missing: the account on the node');
    const api = await context.api();
    const answer = await api.call(checkAccess, {
      user,
      verb,
      target,
      ...(login === undefined ? {} : { login }),
    });
    await context.out.show(answer, () => {
      context.out.painted(answer.allowed ? 'yes' : 'no', answer.allowed ? 'green' : 'red');
      for (const line of reasonLines(answer.reasons)) context.out.line(line);
    });
    return answer.allowed ? 0 : 1;
  },
});
