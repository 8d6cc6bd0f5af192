// The pods of auth and proxy: as few rights as they can do with, and ended so that nobody notices.
import {
  AUTH_PORT,
  DIAG_PORT,
  labelsOf,
  REVISION_LABEL,
  selectorOf,
  stepName,
  USER_ID,
  WEB_PORT,
} from '../names.ts';
import type { ClusterPlan } from '../plan.ts';
import type { Step } from '../upgrade.ts';
import { CONFIG_FILE, CONFIG_FOLDER, RESOURCES_FILE, TLS_FOLDER } from './files.ts';

type Json = Readonly<Record<string, unknown>>;

export const CONTAINER = 'gatehouse';
export const DATA_VOLUME = 'data';
/** Its ConfigMap is that of the revision. */
export const CONFIG_VOLUME = 'config';
/**
 * The volume is mounted above the data directory, because that one has to belong to the process, and the root of a volume
 * belongs to root.
 */
const DATA_MOUNT = '/var/lib';
const TOKEN_FOLDER = '/var/run/secrets/tokens';
const TOKEN_FILE = 'join-sa-token';
/** The shortest that Kubernetes gives. A proxy reads it at each attempt to join. */
const TOKEN_SECONDS = 600;
/** Endpoints and balancers take a moment to learn that a pod goes; it serves until they have. */
const LEAVE_SECONDS: Readonly<Record<Step, number>> = { auth: 3, proxy: 10 };
/** To take leave, and to hand over what auth does not have yet. Then Kubernetes ends it outright. */
const END_SECONDS = 45;

/** What Kubernetes calls `restricted`; nothing a person sets weakens it. */
export const HARDENED_POD: Json = {
  runAsNonRoot: true,
  runAsUser: USER_ID,
  runAsGroup: USER_ID,
  fsGroup: USER_ID,
  fsGroupChangePolicy: 'OnRootMismatch',
  seccompProfile: { type: 'RuntimeDefault' },
};
export const HARDENED_CONTAINER: Json = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ['ALL'] },
};

/** The template for revision `revision`, whose files are in the ConfigMap `configMap`. */
export function podTemplate(plan: ClusterPlan, step: Step, revision: string, configMap: string): Json {
  const { key, spec } = plan;
  const knobs = spec[step];
  return {
    metadata: {
      labels: {
        ...knobs.podLabels,
        ...labelsOf(key.name, step),
        'app.kubernetes.io/version': labelValue(plan.version),
        [REVISION_LABEL]: revision,
      },
      ...(isEmpty(knobs.podAnnotations) ? {} : { annotations: knobs.podAnnotations }),
    },
    spec: {
      serviceAccountName: stepName(key.name, step),
      // Auth has the tokens of those who join reviewed by the API server; nobody else speaks to it.
      automountServiceAccountToken: step === 'auth',
      enableServiceLinks: false,
      terminationGracePeriodSeconds: END_SECONDS + (step === 'proxy' ? spec.proxy.drainSeconds : 0),
      securityContext: HARDENED_POD,
      ...pullSecrets(plan),
      ...placement(plan, step),
      containers: [container(plan, step)],
      volumes: volumes(plan, step, configMap),
    },
  };
}

function container({ spec, image, tlsSecret }: ClusterPlan, step: Step): Json {
  const knobs = spec[step];
  return {
    name: CONTAINER,
    image,
    imagePullPolicy: spec.image.pullPolicy,
    // Not the image's, which is the data directory: the runtime would make it on the volume, as root.
    workingDir: '/',
    args: [
      'start',
      `--roles=${step}`,
      `--config=${CONFIG_FOLDER}/${CONFIG_FILE}`,
      ...(step === 'auth' ? [`--apply-on-startup=${CONFIG_FOLDER}/${RESOURCES_FILE}`] : []),
    ],
    ...(knobs.env === undefined || knobs.env.length === 0 ? {} : { env: knobs.env }),
    ports: [step === 'auth' ? port('auth', AUTH_PORT) : port('web', WEB_PORT), port('diag', DIAG_PORT)],
    resources: knobs.resources ?? { requests: { cpu: '100m', memory: '256Mi' } },
    securityContext: HARDENED_CONTAINER,
    startupProbe: probe('/healthz', { periodSeconds: 2, failureThreshold: 150 }),
    livenessProbe: probe('/healthz', { periodSeconds: 10, failureThreshold: 6 }),
    readinessProbe: probe('/readyz', { periodSeconds: 5, failureThreshold: 3 }),
    lifecycle: { preStop: { sleep: { seconds: LEAVE_SECONDS[step] } } },
    terminationMessagePolicy: 'FallbackToLogsOnError',
    volumeMounts: [
      { name: CONFIG_VOLUME, mountPath: CONFIG_FOLDER, readOnly: true },
      { name: DATA_VOLUME, mountPath: DATA_MOUNT },
      { name: 'tmp', mountPath: '/tmp' },
      ...(step === 'proxy' ? [{ name: 'join-token', mountPath: TOKEN_FOLDER, readOnly: true }] : []),
      ...(step === 'proxy' && tlsSecret !== undefined
        ? [{ name: 'tls', mountPath: TLS_FOLDER, readOnly: true }]
        : []),
      ...(knobs.extraVolumeMounts ?? []),
    ],
  };
}

const port = (name: string, containerPort: number): Json => ({ name, containerPort, protocol: 'TCP' });

const probe = (path: string, times: { periodSeconds: number; failureThreshold: number }): Json => ({
  httpGet: { path, port: 'diag' },
  timeoutSeconds: 5,
  ...times,
});

function volumes({ spec, tlsSecret }: ClusterPlan, step: Step, configMap: string): readonly Json[] {
  return [
    { name: CONFIG_VOLUME, configMap: { name: configMap } },
    { name: 'tmp', emptyDir: {} },
    // Auth's is a volume claim, see stateful-set.ts. A proxy keeps its identity as long as its pod, and joins anew after it.
    ...(step === 'proxy'
      ? [
          { name: DATA_VOLUME, emptyDir: {} },
          {
            name: 'join-token',
            projected: {
              sources: [
                {
                  serviceAccountToken: {
                    audience: spec.clusterName,
                    expirationSeconds: TOKEN_SECONDS,
                    path: TOKEN_FILE,
                  },
                },
              ],
            },
          },
        ]
      : []),
    ...(step === 'proxy' && tlsSecret !== undefined
      ? [{ name: 'tls', secret: { secretName: tlsSecret } }]
      : []),
    ...(spec[step].extraVolumes ?? []),
  ];
}

function placement({ key, spec }: ClusterPlan, step: Step): Json {
  const { nodeSelector, tolerations, affinity, topologySpreadConstraints, priorityClassName } = spec[step];
  return {
    ...(isEmpty(nodeSelector) ? {} : { nodeSelector }),
    ...(tolerations === undefined || tolerations.length === 0 ? {} : { tolerations }),
    ...(isEmpty(affinity) ? {} : { affinity }),
    ...(priorityClassName === undefined || priorityClassName === '' ? {} : { priorityClassName }),
    topologySpreadConstraints: topologySpreadConstraints ?? [
      {
        maxSkew: 1,
        topologyKey: 'kubernetes.io/hostname',
        whenUnsatisfiable: 'ScheduleAnyway',
        labelSelector: { matchLabels: selectorOf(key.name, step) },
      },
    ],
  };
}

function pullSecrets({ spec }: ClusterPlan): Json {
  const { pullSecrets: secrets } = spec.image;
  return secrets.length === 0 ? {} : { imagePullSecrets: secrets.map(({ name }) => ({ name })) };
}

const isEmpty = (map: object | undefined): boolean => map === undefined || Object.keys(map).length === 0;

/** What Kubernetes takes as the value of a label. */
const labelValue = (text: string): string =>
  text
    .replaceAll(/[^-._A-Za-z0-9]/g, '-')
    .slice(0, 63)
    .replace(/[^A-Za-z0-9]+$/, '');
