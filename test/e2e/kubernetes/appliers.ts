// Applies manifests as Argo CD and Flux do: Argo by client-side apply, and it compares by a three-way merge; Flux by
// server-side apply under its own name, and it compares by a dry run. Both remove what their set no longer has.
import { isDeepStrictEqual } from 'node:util';
import type { KubeHouse } from './house.ts';
import type { CustomObject } from './kstatus.ts';

export type Manifest = {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly [field: string]: unknown;
};

export interface Applier {
  /** Brings the cluster to what the set says; what it printed, a line per object. */
  sync(set: readonly Manifest[]): Promise<readonly string[]>;
  /** Objects of the set that are not as it says, each with what differs. */
  outOfSync(set: readonly Manifest[]): Promise<readonly string[]>;
}

const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';
/** What an application may prune; kubectl's own list has no custom resources. */
const PRUNED = ['Role', 'User', 'Token', 'Lock', 'Cluster', 'Storage'].map(
  (kind) => `--prune-allowlist=gatehouse.dev/v1/Gatehouse${kind}`,
);

/** As an Application of this name. */
export function argo(house: KubeHouse, name: string): Applier {
  const label = { 'app.kubernetes.io/instance': name };
  return {
    async sync(set) {
      const words = ['apply', '-f', '-', '--prune', `-l=app.kubernetes.io/instance=${name}`, ...PRUNED];
      return lines(await withInput(house, words, listOf(set, label)));
    },
    async outOfSync(set) {
      const live = await liveOf(house, set);
      return set.flatMap((manifest, index) => {
        const found = live[index] as unknown as Json;
        const last = JSON.parse(annotationOf(found, LAST_APPLIED) ?? '{}') as Json;
        const wanted = labelled(manifest, label) as unknown as Json;
        const predicted = threeWay(last, wanted, found);
        return isDeepStrictEqual(compared(predicted), compared(found))
          ? []
          : [`${manifest.kind}/${manifest.metadata.name}: ${JSON.stringify(compared(predicted))}`];
      });
    },
  };
}

/** As a Kustomization of this name. */
export function flux(house: KubeHouse, name: string): Applier {
  const label = {
    'kustomize.toolkit.fluxcd.io/name': name,
    'kustomize.toolkit.fluxcd.io/namespace': 'flux-system',
  };
  const serverSide = ['apply', '--server-side', '--field-manager=kustomize-controller', '--force-conflicts'];
  let inventory = new Map<string, string>();
  return {
    async sync(set) {
      const printed = lines(await withInput(house, [...serverSide, '-f', '-'], listOf(set, label)));
      const next = new Map(set.map((manifest) => [pathOf(manifest), pathOf(manifest)]));
      for (const path of inventory.keys()) {
        if (!next.has(path)) await house.kubectl('delete', path, '--wait=false', '--ignore-not-found');
      }
      inventory = next;
      return printed;
    },
    async outOfSync(set) {
      const words = [...serverSide, '--dry-run=server', '-o=json', '-f', '-'];
      const dry = await withInput(house, words, listOf(set, label));
      const planned = (JSON.parse(dry) as { items: readonly Json[] }).items;
      const live = await liveOf(house, set);
      return planned.flatMap((item, index) =>
        isDeepStrictEqual(compared(item), compared(live[index] as unknown as Json))
          ? []
          : [`${pathOf(set[index]!)}: ${JSON.stringify(compared(item))}`],
      );
    },
  };
}

type Json = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** What a JSON merge patch makes of `live`, when it says what changed from `last` to `wanted`. */
function threeWay(last: Json, wanted: Json, live: Json): Json {
  const merged: Record<string, unknown> = { ...live };
  for (const key of Object.keys(last)) if (!Object.hasOwn(wanted, key)) delete merged[key];
  for (const [key, value] of Object.entries(wanted)) {
    const [before, now] = [last[key], live[key]];
    merged[key] =
      isObject(value) && isObject(now) ? threeWay(isObject(before) ? before : {}, value, now) : value;
  }
  return merged;
}

/** Without what neither of them compares. */
function compared(object: Json): Json {
  const { status: _status, metadata, ...rest } = object;
  const { labels = {}, annotations = {} } = metadata as { labels?: Json; annotations?: Json };
  const { [LAST_APPLIED]: _last, ...others } = annotations;
  return { ...rest, labels, annotations: others };
}

const annotationOf = (object: Json, name: string): string | undefined =>
  (object['metadata'] as { annotations?: Readonly<Record<string, string>> }).annotations?.[name];

const labelled = (manifest: Manifest, label: Readonly<Record<string, string>>): Manifest => ({
  ...manifest,
  metadata: { ...manifest.metadata, labels: { ...manifest.metadata.labels, ...label } },
});

const listOf = (set: readonly Manifest[], label: Readonly<Record<string, string>>): string =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'List',
    items: set.map((manifest) => labelled(manifest, label)),
  });

export const pathOf = ({ kind, metadata }: Pick<Manifest, 'kind' | 'metadata'>): string =>
  `${kind.toLowerCase()}/${metadata.name}`;

/** In the order of the set. */
export async function liveOf(
  house: KubeHouse,
  set: readonly Pick<Manifest, 'kind' | 'metadata'>[],
): Promise<readonly CustomObject[]> {
  const found = await house.kubectl('get', ...set.map(pathOf), '-o=json');
  const parsed = JSON.parse(found) as { items?: readonly CustomObject[] };
  return parsed.items ?? [parsed as unknown as CustomObject];
}

const withInput = (house: KubeHouse, words: readonly string[], input: string): Promise<string> =>
  house.cluster.kubectl(['-n', house.namespace, ...words], input);

const lines = (text: string): readonly string[] => text.split('\n').filter((line) => line !== '');
