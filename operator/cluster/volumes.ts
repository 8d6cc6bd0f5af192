// Which volumes a person may add to the pods. The operator makes pods with its own rights, so whoever may write a
// GatehouseCluster and nothing else must not reach the files of a node, or what the pods rely on, through it.

type Volume = Readonly<Record<string, unknown>>;

/** All of the pod's own namespace, or of nobody. */
const ALLOWED_SOURCES = new Set([
  'configMap',
  'secret',
  'emptyDir',
  'projected',
  'downwardAPI',
  'persistentVolumeClaim',
  'csi',
  'ephemeral',
]);
const OUR_VOLUMES = new Set(['config', 'data', 'tmp', 'join-token', 'tls']);
const OUR_FOLDERS = ['/etc/gatehouse', '/etc/gatehouse-tls', '/var/run/secrets', '/var/lib', '/tmp', '/proc'];

/** `path`: `spec.auth` or `spec.proxy`. */
export function volumeProblems(
  path: string,
  volumes: readonly Volume[],
  mounts: readonly Volume[],
): readonly string[] {
  return [
    ...volumes.flatMap((volume, index) => sourceProblems(`${path}.extraVolumes[${index}]`, volume)),
    ...mounts.flatMap((mount, index) => mountProblems(`${path}.extraVolumeMounts[${index}]`, mount)),
  ];
}

/** What is wrong with where a volume comes from, or with its name. */
export function sourceProblems(at: string, volume: Volume): string[] {
  const { name, ...sources } = volume;
  const refused = Object.keys(sources).filter((source) => !ALLOWED_SOURCES.has(source));
  return [
    ...refused.map(
      (source) => `${at}.${source}: is not allowed; allowed are ${[...ALLOWED_SOURCES].join(', ')}`,
    ),
    ...(typeof name === 'string' && OUR_VOLUMES.has(name)
      ? [`${at}.name: "${name}" is a volume of Gatehouse's own; choose another name`]
      : []),
  ];
}

/** Below one of ours is fine where nothing of ours is, as in /tmp/cache; above would hide it. */
function mountProblems(at: string, { mountPath, name }: Volume): string[] {
  if (typeof name === 'string' && OUR_VOLUMES.has(name)) {
    return [`${at}.name: "${name}" is a volume of Gatehouse's own`];
  }
  if (typeof mountPath !== 'string' || !mountPath.startsWith('/')) {
    return [`${at}.mountPath: must be an absolute path`];
  }
  const parts = mountPath.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) return [`${at}.mountPath: must not have ".." in it`];
  const clean = `/${parts.join('/')}`;
  const hidden = OUR_FOLDERS.find(
    (folder) =>
      clean === '/' || clean === folder || folder.startsWith(`${clean}/`) || isDeepOurs(clean, folder),
  );
  return hidden === undefined ? [] : [`${at}.mountPath: ${clean} would hide ${hidden}, which Gatehouse uses`];
}

const isDeepOurs = (clean: string, folder: string): boolean =>
  folder !== '/tmp' && clean.startsWith(`${folder}/`);
