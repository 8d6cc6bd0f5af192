// One custom resource per kind that people write: GatehouseRole, GatehouseUser and so on. All of it follows from the kind;
// the tables here hold what a kind does not know of itself.
import type { Kind } from '#core/kind.ts';
import { resourceName } from '#core/resource.ts';
import * as s from '#core/schema/schema.ts';
import { KINDS } from '#kinds/all.ts';
import type { ObjectType } from '../kube/kube.ts';
import { crdOf, type CrdManifest, type PrinterColumn } from './crd.ts';
import { nameRef, ownType, secretValue } from './fields.ts';
import { type Conversion, openApiOf, type Rule } from './openapi.ts';

/** A kind and the custom resource that stands for it. */
export interface Mirror {
  readonly kind: Kind;
  readonly type: ObjectType;
  readonly crd: CrdManifest;
}

/** Kinds of people that have no mirror, and why. */
export const NOT_MIRRORED: Readonly<Record<string, string>> = {
  cert_authority:
    'only the auth service writes authorities; an operator must not be able to bring in one of its own',
  cluster_name: 'it is set once, by GatehouseCluster, and can neither be changed nor removed',
};

/** Kinds whose name may be a secret: it comes from `nameFrom.secretKeyRef`. */
const SECRET_NAMES: ReadonlySet<string> = new Set(['token']);

/** Of kinds whose name is short for something: what the custom resource is called. */
const FULL_NAMES: Readonly<Record<string, { readonly name: string; readonly plural: string }>> = {
  db: { name: 'database', plural: 'databases' },
};

const COLUMNS: Readonly<Record<string, readonly PrinterColumn[]>> = {
  role: [{ name: 'Logins', type: 'string', jsonPath: '.spec.allow.logins' }],
  user: [{ name: 'Roles', type: 'string', jsonPath: '.spec.roles' }],
  token: [
    { name: 'Method', type: 'string', jsonPath: '.spec.join_method' },
    { name: 'Roles', type: 'string', jsonPath: '.spec.roles' },
  ],
  db: [
    { name: 'Protocol', type: 'string', jsonPath: '.spec.protocol' },
    { name: 'URI', type: 'string', jsonPath: '.spec.uri' },
  ],
  app: [
    { name: 'URI', type: 'string', jsonPath: '.spec.uri' },
    { name: 'Public Address', type: 'string', jsonPath: '.spec.public_addr' },
  ],
  lock: [{ name: 'Target', type: 'string', jsonPath: '.spec.target' }],
  cluster_auth_preference: [
    { name: 'Second Factor', type: 'string', jsonPath: '.spec.second_factor' },
    { name: 'Locking Mode', type: 'string', jsonPath: '.spec.locking_mode' },
  ],
  session_recording_config: [{ name: 'Mode', type: 'string', jsonPath: '.spec.mode' }],
};

const RULES: Readonly<Record<string, readonly Rule[]>> = {
  token: [
    {
      rule: "(has(self.spec.join_method) && self.spec.join_method != 'token') || has(self.nameFrom)",
      message:
        'the name of a token of join method token is its secret: keep it in a Secret and point there with nameFrom.secretKeyRef {name, key}',
      fieldPath: '.nameFrom',
    },
  ],
};

/** What a kind's schema cannot say, by kind and path. */
const MORE: Readonly<Record<string, Conversion['more']>> = {
  lock: {
    'target.join_token': {
      'x-kubernetes-validations': [
        {
          rule: "self.matches('^(sha256:[0-9a-f]{64})?$')",
          message:
            'must be a digest, "sha256:" and 64 hex digits of the SHA-256 of the token: a token is a secret and must not stand here',
        },
      ],
    },
  },
};

const CLUSTER_STAYS: Rule = {
  rule: '!has(oldSelf.clusterRef) || (has(self.clusterRef) && self.clusterRef.name == oldSelf.clusterRef.name)',
  message: 'cannot be changed: delete the object and make it anew for the other cluster',
  fieldPath: '.clusterRef',
};
const NAME_STAYS: Rule = {
  rule: 'has(self.resourceName) == has(oldSelf.resourceName) && (!has(self.resourceName) || self.resourceName == oldSelf.resourceName)',
  message: 'cannot be changed: delete the object and make it anew under the other name',
  fieldPath: '.resourceName',
};
const ONE_NAME: Rule = {
  rule: '!has(self.nameFrom) || !has(self.resourceName)',
  message: 'give resourceName or nameFrom, not both',
  fieldPath: '.resourceName',
};

/** The `status` of a mirror beside `conditions` and `observedGeneration`, as the operator writes it. */
export const mirrorStatus = {
  cluster: s.optional(s.string({ maxLength: 253, description: 'The GatehouseCluster that has it.' })),
  revision: s.optional(s.string({ maxLength: 64, description: 'Revision of the resource there.' })),
};

/** The mirrors of all kinds, in the order of `kinds/all.ts`. */
export const MIRRORS: readonly Mirror[] = KINDS.filter(
  ({ audience, name }) => audience === 'admin' && !Object.hasOwn(NOT_MIRRORED, name),
).map(mirrorOf);

/** The mirror of one kind. */
export function mirrorOf(kind: Kind): Mirror {
  const { name, plural } = FULL_NAMES[kind.name] ?? kind;
  const pascal = name
    .split('_')
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('');
  const type = ownType(`Gatehouse${pascal}`, `gatehouse${plural.replaceAll('_', '')}`);
  const words = [kind.name, ...kind.aliases.filter((alias) => !alias.includes('_'))];
  const crd = crdOf({
    type,
    description: kind.description,
    shortNames: words.map((word) => `gh${word.replaceAll('_', '')}`),
    spec: {
      ...openApiOf(kind.spec, { defaults: false, more: MORE[kind.name] }),
      description: `As in the resource ${kind.name} of gatectl.`,
    },
    beside: Object.fromEntries(
      Object.entries(mirrorFields(kind)).map(([name, field]) => [
        name,
        openApiOf(field, { defaults: false }),
      ]),
    ),
    status: mirrorStatus,
    columns: COLUMNS[kind.name] ?? [],
    rules: rulesOf(kind),
  });
  return { kind, type, crd };
}

/** The fields of a mirror beside `spec`; all may be left out. */
export function mirrorFields(kind: Kind): s.Fields {
  const fields: Record<string, s.Schema<unknown>> = {
    clusterRef: nameRef('The GatehouseCluster to write to. Default: the only one of the namespace.'),
    ...(kind.singleton === undefined ? { resourceName: nameField() } : {}),
    ...(SECRET_NAMES.has(kind.name)
      ? { nameFrom: secretValue('The name of the resource, where it is a secret.') }
      : {}),
    version: s.enumOf(kind.versions, {
      description: `Version of the resource's format. Default: ${kind.defaultVersion}.`,
    }),
    ...(kind.subKinds.length === 0 ? {} : { subKind: s.enumOf(kind.subKinds) }),
    ...(kind.singleton === undefined
      ? { expires: s.timestamp({ description: 'The resource is removed at this time.' }) }
      : {}),
    deletionPolicy: s.enumOf(['Delete', 'Retain'], {
      description: 'Whether the resource goes with the object (Delete, the default) or stays.',
    }),
  };
  return Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, s.optional(field)]));
}

function nameField(): s.Schema<string> {
  return s.string({
    minLength: 1,
    maxLength: 253,
    format: resourceName,
    description: 'Name of the resource, where metadata.name cannot be it, such as joe@example.com.',
  });
}

function rulesOf(kind: Kind): Rule[] {
  return [
    CLUSTER_STAYS,
    ...(kind.singleton === undefined ? [NAME_STAYS] : []),
    ...(SECRET_NAMES.has(kind.name) ? [ONE_NAME] : []),
    ...(RULES[kind.name] ?? []),
  ];
}
