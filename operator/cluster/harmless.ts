// Whether a template of pods that was remembered is one this operator could have made. It lies in a ConfigMap, and whoever
// may write ConfigMaps but no pods must not get pods of their own making through the operator.
import { covers } from './apply.ts';
import { CONTAINER, DATA_VOLUME, HARDENED_CONTAINER, HARDENED_POD } from './resources/pod.ts';
import { sourceProblems } from './volumes.ts';

type Json = Readonly<Record<string, unknown>>;

const POD_FIELDS = new Set([
  'serviceAccountName',
  'automountServiceAccountToken',
  'enableServiceLinks',
  'terminationGracePeriodSeconds',
  'securityContext',
  'imagePullSecrets',
  'nodeSelector',
  'tolerations',
  'affinity',
  'priorityClassName',
  'topologySpreadConstraints',
  'containers',
  'volumes',
]);
const CONTAINER_FIELDS = new Set([
  'name',
  'image',
  'imagePullPolicy',
  'workingDir',
  'args',
  'env',
  'ports',
  'resources',
  'securityContext',
  'startupProbe',
  'livenessProbe',
  'readinessProbe',
  'lifecycle',
  'terminationMessagePolicy',
  'volumeMounts',
]);
const DRAIN_ONLY = ['preStop'];

/** `account`: the ServiceAccount that the pods must have. */
export function isHarmless(template: Json, account: string): boolean {
  const { spec, ...rest } = template;
  if (!isMap(spec) || Object.keys(rest).some((key) => key !== 'metadata')) return false;
  const { containers, volumes, serviceAccountName, securityContext } = spec;
  if (serviceAccountName !== account || !hasOnly(spec, POD_FIELDS)) return false;
  if (!isSame(securityContext, HARDENED_POD)) return false;
  if (!Array.isArray(containers) || containers.length !== 1 || !isOurContainer(containers[0])) return false;
  return Array.isArray(volumes) && volumes.every(isHarmlessVolume);
}

function isOurContainer(container: unknown): boolean {
  if (!isMap(container) || container['name'] !== CONTAINER || !hasOnly(container, CONTAINER_FIELDS))
    return false;
  const { lifecycle, securityContext } = container;
  const drains = isMap(lifecycle) && hasOnly(lifecycle, new Set(DRAIN_ONLY));
  return drains && isSame(securityContext, HARDENED_CONTAINER);
}

/** Our own volumes are of allowed sources too, so only the name of a volume is not looked at. */
function isHarmlessVolume(volume: unknown): boolean {
  return isMap(volume) && sourceProblems('', { ...volume, name: `not-${DATA_VOLUME}` }).length === 0;
}

const isMap = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const hasOnly = (value: Json, fields: ReadonlySet<string>): boolean =>
  Object.keys(value).every((key) => fields.has(key));
const isSame = (value: unknown, wanted: Json): boolean => covers(value, wanted) && covers(wanted, value);
