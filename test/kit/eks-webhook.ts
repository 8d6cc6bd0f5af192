// What EKS adds to every cluster: a mutating webhook that gives the pods of annotated ServiceAccounts their web identity. It
// runs on this machine; names of volume, folder and variables, and what it leaves alone, are those of EKS.
import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { generateKeyPair, privateKeyPem } from '#core/certs/x509/keys.ts';
import { certificateToPem } from '#core/certs/x509/pem.ts';
import { selfSignedServer } from '#core/certs/x509/self-signed.ts';
import type { KubeCluster } from './kube-cluster.ts';

const NAME = 'pod-identity-webhook';
const VOLUME = 'aws-iam-token';
const FOLDER = '/var/run/secrets/eks.amazonaws.com/serviceaccount';

export interface EksWebhook {
  /** Names of the pods that it changed, as far as they had one, else what they are generated from. */
  readonly changed: readonly string[];
  close(): Promise<void>;
}

interface Named {
  readonly name: string;
}
interface Container extends Named {
  readonly env?: readonly Named[];
  readonly volumeMounts?: readonly Named[];
}
interface Pod {
  readonly metadata: { readonly name?: string; readonly generateName?: string; readonly namespace?: string };
  readonly spec: {
    readonly serviceAccountName?: string;
    readonly volumes?: readonly Named[];
    readonly containers: readonly Container[];
  };
}
interface Operation {
  readonly op: 'add';
  readonly path: string;
  readonly value: unknown;
}

/** Of the namespace alone; the caller closes it, which removes it. Not on a cluster that is somebody's. */
export async function startEksWebhook(
  cluster: KubeCluster,
  namespace: string,
  region: string,
): Promise<EksWebhook> {
  const { hostAddress } = cluster;
  if (hostAddress === undefined) throw new Error('this machine cannot be a webhook of that cluster');
  const { privateKey } = generateKeyPair('ecdsa-p256');
  const now = Date.now();
  const cert = certificateToPem(
    selfSignedServer({
      privateKey,
      commonName: NAME,
      dnsNames: [NAME],
      ipAddresses: [hostAddress],
      notBefore: now - 60_000,
      notAfter: now + 86_400_000,
    }),
  );
  const changed: string[] = [];
  const server = createServer({ cert, key: privateKeyPem(privateKey).reveal() }, (request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      void answer(cluster, Buffer.concat(parts).toString(), region, changed).then(
        (text) => response.setHeader('content-type', 'application/json').end(text),
        () => response.writeHead(500).end(),
      );
    });
  });
  server.listen(0, hostAddress);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const url = `https://${hostAddress}:${port}/mutate`;
  const caBundle = Buffer.from(cert).toString('base64');
  await cluster.kubectl(['apply', '-f', '-'], JSON.stringify(configuration(namespace, { url, caBundle })));
  return {
    changed,
    async close() {
      await cluster.kubectl(['delete', 'mutatingwebhookconfiguration', configurationName(namespace)]);
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

const configurationName = (namespace: string): string => `${NAME}-${namespace}`;

const configuration = (namespace: string, clientConfig: object): object => ({
  apiVersion: 'admissionregistration.k8s.io/v1',
  kind: 'MutatingWebhookConfiguration',
  metadata: { name: configurationName(namespace) },
  webhooks: [
    {
      name: 'iam-for-pods.amazonaws.com',
      admissionReviewVersions: ['v1'],
      sideEffects: 'None',
      failurePolicy: 'Fail',
      clientConfig,
      namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
      rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] }],
    },
  ],
});

async function answer(
  cluster: KubeCluster,
  text: string,
  region: string,
  changed: string[],
): Promise<string> {
  const { request } = JSON.parse(text) as {
    request: { uid: string; namespace: string; object: Pod };
  };
  const { metadata, spec } = request.object;
  const account = JSON.parse(
    await cluster.kubectl([
      '-n',
      request.namespace,
      'get',
      `serviceaccount/${spec.serviceAccountName ?? 'default'}`,
      '-o=json',
    ]),
  ) as { metadata: { annotations?: Readonly<Record<string, string>> } };
  const role = account.metadata.annotations?.['eks.amazonaws.com/role-arn'];
  const patch = role === undefined ? [] : patchOf(request.object, role, region);
  if (patch.length > 0) changed.push(metadata.name ?? metadata.generateName ?? '');
  return JSON.stringify({
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    response: {
      uid: request.uid,
      allowed: true,
      ...(patch.length === 0
        ? {}
        : { patchType: 'JSONPatch', patch: Buffer.from(JSON.stringify(patch)).toString('base64') }),
    },
  });
}

const has = (list: readonly Named[] | undefined, ...names: readonly string[]): boolean =>
  (list ?? []).some(({ name }) => names.includes(name));

/** What is there by name stays as it is. */
function patchOf({ spec }: Pod, role: string, region: string): readonly Operation[] {
  const patch: Operation[] = [];
  const append = (path: string, list: readonly unknown[] | undefined, value: unknown): void =>
    void patch.push(
      list === undefined ? { op: 'add', path, value: [value] } : { op: 'add', path: `${path}/-`, value },
    );
  if (!has(spec.volumes, VOLUME)) {
    const token = { audience: 'sts.amazonaws.com', expirationSeconds: 86_400, path: 'token' };
    const volume = { name: VOLUME, projected: { sources: [{ serviceAccountToken: token }] } };
    append('/spec/volumes', spec.volumes, volume);
  }
  spec.containers.forEach(({ env, volumeMounts }, index) => {
    const path = `/spec/containers/${index}`;
    const wanted = [
      ...(has(env, 'AWS_ROLE_ARN', 'AWS_WEB_IDENTITY_TOKEN_FILE')
        ? []
        : [
            { name: 'AWS_ROLE_ARN', value: role },
            { name: 'AWS_WEB_IDENTITY_TOKEN_FILE', value: `${FOLDER}/token` },
          ]),
      ...(has(env, 'AWS_REGION', 'AWS_DEFAULT_REGION')
        ? []
        : [
            { name: 'AWS_DEFAULT_REGION', value: region },
            { name: 'AWS_REGION', value: region },
          ]),
      ...(has(env, 'AWS_STS_REGIONAL_ENDPOINTS')
        ? []
        : [{ name: 'AWS_STS_REGIONAL_ENDPOINTS', value: 'regional' }]),
    ];
    wanted.forEach((one, at) => append(`${path}/env`, env ?? (at === 0 ? undefined : []), one));
    if (!has(volumeMounts, VOLUME)) {
      append(`${path}/volumeMounts`, volumeMounts, { name: VOLUME, mountPath: FOLDER, readOnly: true });
    }
  });
  return patch;
}
