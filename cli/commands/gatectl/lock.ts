// `gatectl lock`: shuts out what it names, at once. Locks are listed and lifted like any resource.
import { randomUUID } from 'node:crypto';
import { apply } from '#core/api/resources.ts';
import * as flag from '../../arguments.ts';
import { command } from '../../arguments.ts';
import { oneLine } from '../../format/text.ts';
import type { Api } from '#client/api.ts';
import { nodeKind } from '#kinds/node/kind.ts';
import type { Gatectl } from './context.ts';

/** Flag → field of the target. */
const TARGETS = {
  user: ['user', 'A user, by name.'],
  role: ['role', 'Everybody who holds the role.'],
  login: ['login', 'An account on servers.'],
  node: ['server_id', 'A node, by its name or id.'],
  'server-id': ['server_id', 'Any machine, by its id.'],
  'mfa-device': ['mfa_device', 'Whoever proves themselves with the device, by its id.'],
  'join-token': ['join_token', 'Whoever joined with the token.'],
} as const;

const targetFlags = Object.fromEntries(
  Object.entries(TARGETS).map(([name, [, says]]) => [name, flag.text({ says, value: 'NAME' })]),
);

export const lock = command({
  about:
    'Sessions and certificates of what is locked stop working within a second. List locks with `gatectl get locks`, lift one\nwith `gatectl rm lock/ID`.',
  flags: {
    ...targetFlags,
    ttl: flag.duration({ says: 'How long; for ever without it.' }),
    expires: flag.text({ says: 'Until when, such as 2030-01-31T12:00:00Z.', value: 'TIME' }),
    message: flag.text({ says: 'Shown to those who are locked out.' }),
  },
  examples: [
    'gatectl lock --user=joe --message="laptop lost" --ttl=24h',
    'gatectl lock --login=root',
    'gatectl lock --node=turing --ttl=8h',
  ],
  async run(context: Gatectl, { flags }) {
    const given = flags as Readonly<Record<string, unknown>>;
    const target = Object.fromEntries(
      Object.entries(TARGETS).flatMap(([name, [field]]) =>
        given[name] === undefined ? [] : [[field, given[name]]],
      ),
    );
    if (Object.keys(target).length === 0) {
      throw flag.usage('what is to be locked? give --user, --role, --login or --node');
    }
    const expires = expiryOf(
      context.now(),
      flags.ttl as number | undefined,
      flags.expires as string | undefined,
    );
    const document = {
      kind: 'lock',
      version: 'v2',
      metadata: { name: randomUUID(), ...(expires === undefined ? {} : { expires }) },
      spec: { target, ...(flags.message === undefined ? {} : { message: flags.message }) },
    };
    const api = await context.api();
    if (given['node'] !== undefined) target['server_id'] = await hostIdOf(api, String(given['node']));
    const request = { mode: 'create', dry_run: false, documents: [document], remove: [] } as const;
    const { results } = await api.call(apply, request);
    await context.out.show(results[0]?.after, () =>
      context.out.line(oneLine(`Created a lock with name "${document.metadata.name}".`)),
    );
  },
});

/** A lock is on the id of a machine; people know its name. USAGE when several machines have the name. */
async function hostIdOf(api: Api, word: string): Promise<string> {
  const nodes = (await api.list(nodeKind)).filter(({ metadata, spec }) =>
    [metadata.name, spec.hostname].includes(word),
  );
  const exact = nodes.find(({ metadata }) => metadata.name === word) ?? nodes[0];
  if (nodes.length > 1 && exact?.metadata.name !== word) {
    throw flag.usage(
      `several nodes have the name "${word.slice(0, 64)}"; give the id, see \`gatectl nodes ls\``,
    );
  }
  return exact?.metadata.name ?? word;
}

function expiryOf(now: number, ttl: number | undefined, expires: string | undefined): string | undefined {
  if (ttl !== undefined && expires !== undefined) throw flag.usage('give --ttl or --expires, not both');
  if (ttl !== undefined) return new Date(now + ttl).toISOString();
  if (expires === undefined) return undefined;
  const time = Date.parse(expires);
  if (Number.isNaN(time) || time <= now)
    throw flag.usage('--expires: must be a time to come, such as 2030-01-31T12:00:00Z');
  return new Date(time).toISOString();
}
