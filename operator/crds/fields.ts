// Shapes that several of our custom resources have: references to other objects, and what people may set on pods.
// Values of Kubernetes' own types are kept as they are: the API server checks them where they are used.
import * as s from '#core/schema/schema.ts';
import type { ObjectType } from '../kube/kube.ts';

export const GROUP = 'gatehouse.dev';
export const VERSION = 'v1';

/** The type of one of our own resources: `GatehouseRole`, `gatehouseroles`. */
export const ownType = (kind: string, plural: string): ObjectType => ({
  group: GROUP,
  version: VERSION,
  kind,
  plural,
  isNamespaced: true,
});

const DNS_NAME = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

/** The name of an object of Kubernetes. */
export const objectName: s.Format = {
  says: 'the name of an object: lower case letters, digits, "-" and "."',
  accepts: (text) => text.length <= 253 && DNS_NAME.test(text),
};

const SECRET_KEY = /^[-._a-zA-Z0-9]+$/;

/** A key of a Secret or ConfigMap. */
export const dataKey: s.Format = {
  says: 'a key of a Secret: letters, digits, "-", "_" and "."',
  accepts: (text) => text.length <= 253 && SECRET_KEY.test(text),
};

const name = (description: string): s.Schema<string> =>
  s.string({ minLength: 1, maxLength: 253, format: objectName, description });

/** `{name}` of an object in the same namespace. */
export const nameRef = (description: string) =>
  s.object({ name: name('Name of the object, in the same namespace.') }, { description });

/** `{secretKeyRef: {name, key}}`: a value that is kept in a Secret of the same namespace. */
export const secretValue = (description: string) =>
  s.object(
    {
      secretKeyRef: s.object(
        {
          name: name('Name of the Secret, in the same namespace.'),
          key: s.string({
            minLength: 1,
            maxLength: 253,
            format: dataKey,
            description: 'Which of its keys holds the value.',
          }),
        },
        { description: 'Where the value is kept.' },
      ),
    },
    { description },
  );

/** Any object, as Kubernetes documents it. */
const free = (description = '') => s.map(s.json(), { max: 256, description });
const freeList = (description: string) => s.optional(s.list(free(), { max: 256, description }));
const texts = (description: string) =>
  s.optional(s.map(s.string({ maxLength: 262_144 }), { max: 256, description }));

export const annotations = texts;

/** What people may set on the pods of auth and proxy alike. */
export const podKnobs = {
  config: s.optional(
    free(
      'Laid over the generated config file, as gatehouse.yaml has it: maps are merged, lists and values replaced.',
    ),
  ),
  serviceAccount: s.optional(
    s.object(
      { annotations: texts('Such as eks.amazonaws.com/role-arn.') },
      { description: 'The ServiceAccount of the pods.' },
    ),
  ),
  resources: s.optional(free('Requests and limits of the container.')),
  nodeSelector: texts('Labels that nodes must have.'),
  tolerations: freeList('Taints that the pods tolerate.'),
  affinity: s.optional(free('Affinity of the pods.')),
  topologySpreadConstraints: freeList('How the pods are spread; in place of the default over host names.'),
  priorityClassName: s.optional(s.string({ maxLength: 253, description: 'Priority class of the pods.' })),
  podAnnotations: texts('Annotations of the pods.'),
  podLabels: texts('Labels of the pods, beside ours.'),
  env: freeList('Environment variables of the container, beside ours.'),
  extraVolumes: freeList('Volumes of the pods, beside ours.'),
  extraVolumeMounts: freeList('Mounts of the container, beside ours.'),
};
