// What stands around the pods and belongs to no revision: accounts, services, disruption budgets, the certificate.
import { parseIp } from '#core/certs/ip-address.ts';
import type { KubeObject, ObjectMeta } from '../../kube/kube.ts';
import {
  AUTH_PORT,
  certificateName,
  certificateSecretName,
  delegatorName,
  headlessName,
  labelsOf,
  ownerOf,
  selectorOf,
  stepName,
  WEB_PORT,
} from '../names.ts';
import type { ClusterPlan } from '../plan.ts';
import { STEPS, type Step } from '../upgrade.ts';

/** In the order in which they are applied. */
export function surroundings(plan: ClusterPlan): readonly KubeObject[] {
  return [
    ...STEPS.map((step) => serviceAccount(plan, step)),
    delegator(plan),
    ...STEPS.map((step) => headlessService(plan, step)),
    authService(plan),
    proxyService(plan),
    ...STEPS.map((step) => disruptionBudget(plan, step)),
    ...certificate(plan),
  ];
}

function metadata({ key, object }: ClusterPlan, step: Step, name: string, annotations?: object): ObjectMeta {
  return {
    name,
    namespace: key.namespace,
    labels: labelsOf(key.name, step),
    ...(annotations === undefined || Object.keys(annotations).length === 0
      ? {}
      : { annotations: annotations as Record<string, string> }),
    ownerReferences: [ownerOf(object)],
  };
}

function serviceAccount(plan: ClusterPlan, step: Step): KubeObject {
  const { annotations } = plan.spec[step].serviceAccount ?? {};
  return {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: metadata(plan, step, stepName(plan.key.name, step), annotations),
    automountServiceAccountToken: false,
  };
}

/** Lets auth have the tokens of those who join reviewed. Of no namespace, so it has no owner and is removed by hand. */
function delegator({ key }: ClusterPlan): KubeObject {
  return {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name: delegatorName(key), labels: labelsOf(key.name, 'auth') },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'system:auth-delegator' },
    subjects: [{ kind: 'ServiceAccount', name: stepName(key.name, 'auth'), namespace: key.namespace }],
  };
}

const portOf = (step: Step): { name: string; port: number } =>
  step === 'auth' ? { name: 'auth', port: AUTH_PORT } : { name: 'web', port: WEB_PORT };

function headlessService(plan: ClusterPlan, step: Step): KubeObject {
  const { name, port } = portOf(step);
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: metadata(plan, step, headlessName(plan.key.name, step)),
    spec: {
      type: 'ClusterIP',
      clusterIP: 'None',
      selector: selectorOf(plan.key.name, step),
      ports: [{ name, port, targetPort: name, protocol: 'TCP' }],
    },
  };
}

function authService(plan: ClusterPlan): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: metadata(plan, 'auth', stepName(plan.key.name, 'auth')),
    spec: {
      type: 'ClusterIP',
      selector: selectorOf(plan.key.name, 'auth'),
      ports: [{ name: 'auth', port: AUTH_PORT, targetPort: 'auth', protocol: 'TCP' }],
    },
  };
}

function proxyService(plan: ClusterPlan): KubeObject {
  const { type, annotations, port, nodePort } = plan.spec.proxy.service;
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: metadata(plan, 'proxy', stepName(plan.key.name, 'proxy'), annotations),
    spec: {
      type,
      selector: selectorOf(plan.key.name, 'proxy'),
      ports: [
        {
          name: 'web',
          port,
          targetPort: 'web',
          protocol: 'TCP',
          ...(nodePort === undefined || type === 'ClusterIP' ? {} : { nodePort }),
        },
      ],
    },
  };
}

/** One at a time; not `minAvailable`, which would keep a node with the only pod from ever being drained. */
function disruptionBudget(plan: ClusterPlan, step: Step): KubeObject {
  return {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: metadata(plan, step, stepName(plan.key.name, step)),
    spec: { maxUnavailable: 1, selector: { matchLabels: selectorOf(plan.key.name, step) } },
  };
}

function certificate(plan: ClusterPlan): readonly KubeObject[] {
  const { certManager } = plan.spec.proxy.tls ?? {};
  if (certManager === undefined) return [];
  const host = hostOf(plan.publicAddress);
  return [
    {
      apiVersion: 'cert-manager.io/v1',
      kind: 'Certificate',
      metadata: metadata(plan, 'proxy', certificateName(plan.key.name)),
      spec: {
        secretName: certificateSecretName(plan.key.name),
        issuerRef: certManager.issuerRef,
        ...(parseIp(host) === undefined ? { dnsNames: [host] } : { ipAddresses: [host] }),
        privateKey: { rotationPolicy: 'Always' },
        usages: ['digital signature', 'key encipherment', 'server auth'],
      },
    },
  ];
}

/** Of `host:port`, without the brackets of an IPv6 address. */
export function hostOf(address: string): string {
  return address.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
}
