// The CustomResourceDefinition around a schema: names, columns, conditions. Apart from openapi.ts, which knows schemas only.
import * as s from '#core/schema/schema.ts';
import type { ObjectType } from '../kube/kube.ts';
import { openApiOf, type OpenApi, type Rule } from './openapi.ts';

/** A column of `kubectl get`. */
export interface PrinterColumn {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'boolean' | 'date';
  readonly jsonPath: string;
  /** Above 0: shown by `-o wide` only. */
  readonly priority?: number;
}

export interface CustomResource {
  readonly type: ObjectType;
  readonly description: string;
  readonly shortNames: readonly string[];
  readonly spec: OpenApi;
  /** Fields beside `spec`. */
  readonly beside: Readonly<Record<string, OpenApi>>;
  /** Fields of `status` beside the conditions. */
  readonly status: s.Fields;
  /** Shown between the name and Ready. */
  readonly columns: readonly PrinterColumn[];
  /** Rules on the whole object. */
  readonly rules: readonly Rule[];
}

/** A manifest of apiextensions.k8s.io/v1, in the order in which it is printed. */
export interface CrdManifest {
  readonly apiVersion: 'apiextensions.k8s.io/v1';
  readonly kind: 'CustomResourceDefinition';
  readonly metadata: { readonly name: string; readonly annotations?: Readonly<Record<string, string>> };
  readonly spec: {
    readonly group: string;
    readonly names: {
      readonly kind: string;
      readonly listKind: string;
      readonly plural: string;
      readonly singular: string;
      readonly shortNames: readonly string[];
      readonly categories: readonly string[];
    };
    readonly scope: 'Namespaced';
    readonly versions: readonly CrdVersion[];
  };
}

interface CrdVersion {
  readonly name: string;
  readonly served: boolean;
  readonly storage: boolean;
  readonly subresources: { readonly status: Readonly<Record<string, never>> };
  readonly additionalPrinterColumns: readonly PrinterColumn[];
  readonly schema: { readonly openAPIV3Schema: OpenApi };
}

const condition = s.object({
  type: s.string({ minLength: 1, maxLength: 316, description: 'Such as Ready.' }),
  status: s.string({ maxLength: 16, description: 'True, False or Unknown.' }),
  observedGeneration: s.optional(s.integer({ description: 'The generation that it speaks of.' })),
  lastTransitionTime: s.optional(s.timestamp({ description: 'When the status changed last.' })),
  reason: s.string({ maxLength: 1024, description: 'One word for programs.' }),
  message: s.string({ maxLength: 32_768, description: 'What is wrong and what to do, for people.' }),
});

const conditions: OpenApi = {
  ...openApiOf(s.list(condition, { max: 32, description: 'Ready, Progressing, Conflict, Stalled.' }), {
    defaults: false,
  }),
  'x-kubernetes-list-type': 'map',
  'x-kubernetes-list-map-keys': ['type'],
};

const READY = '.status.conditions[?(@.type=="Ready")]';
const COLUMNS_OF_ALL: readonly PrinterColumn[] = [
  { name: 'Ready', type: 'string', jsonPath: `${READY}.status` },
  { name: 'Reason', type: 'string', jsonPath: `${READY}.reason` },
  { name: 'Message', type: 'string', jsonPath: `${READY}.message`, priority: 1 },
  { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
];

/** Of an object that no operator has looked at: kstatus takes one without a status for finished. */
const NOT_SEEN = { observedGeneration: 0 };

/** The CustomResourceDefinition of a resource; the same input gives the same manifest. */
export function crdOf(resource: CustomResource): CrdManifest {
  const { group, kind, plural, version } = resource.type;
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      names: {
        kind,
        listKind: `${kind}List`,
        plural,
        singular: kind.toLowerCase(),
        shortNames: resource.shortNames,
        categories: ['gatehouse'],
      },
      scope: 'Namespaced',
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          subresources: { status: {} },
          additionalPrinterColumns: [...resource.columns, ...COLUMNS_OF_ALL],
          schema: { openAPIV3Schema: rootSchema(resource) },
        },
      ],
    },
  };
}

function rootSchema({ description, spec, beside, status, rules }: CustomResource): OpenApi {
  const statusFields = s.object(
    {
      observedGeneration: s.optional(s.integer({ description: 'The generation that was seen.' })),
      ...status,
    },
    { description: 'What the operator found and did; written by it alone.' },
  );
  const made = openApiOf(statusFields, { defaults: false });
  return {
    description,
    type: 'object',
    required: ['spec'],
    properties: {
      apiVersion: { type: 'string' },
      kind: { type: 'string' },
      metadata: { type: 'object' },
      ...beside,
      spec,
      status: { ...made, properties: { ...made.properties, conditions }, default: NOT_SEEN },
    },
    ...(rules.length === 0 ? {} : { 'x-kubernetes-validations': rules }),
  };
}
