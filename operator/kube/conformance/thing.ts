// The custom resource of the conformance suite: free spec, conditions merged by type, a status of its own.
import type { KubeObject, ObjectType } from '../kube.ts';

export const THINGS: ObjectType = {
  group: 'conformance.gatehouse.dev',
  version: 'v1',
  kind: 'Thing',
  plural: 'things',
  isNamespaced: true,
};

const FREE = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } as const;

export const THING_CRD: KubeObject = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'things.conformance.gatehouse.dev' },
  spec: {
    group: THINGS.group,
    scope: 'Namespaced',
    names: { kind: 'Thing', listKind: 'ThingList', plural: 'things', singular: 'thing' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: {
              spec: FREE,
              status: {
                ...FREE,
                properties: {
                  conditions: {
                    type: 'array',
                    'x-kubernetes-list-type': 'map',
                    'x-kubernetes-list-map-keys': ['type'],
                    items: { ...FREE, properties: { type: { type: 'string' } }, required: ['type'] },
                  },
                },
              },
            },
          },
        },
      },
    ],
  },
};

export function thing(namespace: string, name: string, spec: object, metadata: object = {}): KubeObject {
  return {
    apiVersion: 'conformance.gatehouse.dev/v1',
    kind: 'Thing',
    metadata: { name, namespace, ...metadata },
    spec,
  };
}
