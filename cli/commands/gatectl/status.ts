// `gatectl status`: the lines of the manual, with the version.
import { status as statusCall } from '#core/api/cluster.ts';
import type { Infer } from '#core/schema/schema.ts';
import { command } from '../../arguments.ts';
import { oneLine } from '../../format/text.ts';
import type { Gatectl } from './context.ts';

const TITLES: Readonly<Record<string, string>> = {
  user: 'User CA',
  host: 'Host CA',
  db: 'DB CA',
  jwt: 'JWT CA',
};
const ORDER = Object.keys(TITLES);

type Status = Infer<typeof statusCall.reply>;

export const status = command({
  flags: {},
  examples: ['gatectl status', 'gatectl status --format=json'],
  async run(context: Gatectl) {
    const api = await context.api();
    const found = await api.call(statusCall, {});
    await context.out.show(found, () => {
      for (const [title, value] of linesOf(found)) context.out.line(`${title.padEnd(8)} ${oneLine(value)}`);
    });
  },
});

function linesOf({
  cluster_name,
  server_version,
  authorities,
  ca_pins,
}: Status): (readonly [string, string])[] {
  const known = [...authorities].sort((one, other) => ORDER.indexOf(one.type) - ORDER.indexOf(other.type));
  return [
    ['Cluster', cluster_name],
    ['Version', server_version],
    ...known.map(
      (authority) => [TITLES[authority.type] ?? `${authority.type} CA`, rotationText(authority)] as const,
    ),
    ...ca_pins.map((pin) => ['CA pin', pin] as const),
  ];
}

function rotationText({ rotation, last_rotated }: Status['authorities'][number]): string {
  if (rotation !== 'standby') return `rotation in progress: ${rotation}`;
  return last_rotated === undefined ? 'never updated' : `rotated ${last_rotated}`;
}
