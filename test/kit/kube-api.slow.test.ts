import { afterAll, beforeAll, expect, test } from 'vitest';
import { type KubeApi, startKubeApi } from './kube-api.ts';
import { KUBE_START_MS } from './kube-programs.ts';

let api: KubeApi;
beforeAll(async () => {
  api = await startKubeApi();
}, KUBE_START_MS);
afterAll(() => api.close());

test('ok: what is stored survives a restart of the API server', async () => {
  await api.kubectl(['create', 'configmap', 'kept', '--from-literal=a=b']);
  await api.restart();
  expect(await api.kubectl(['get', 'configmap', 'kept', '-o=jsonpath={.data.a}'])).toBe('b');
});

test('ok: service account tokens are made for an audience, and reviewed', async () => {
  await api.kubectl(['create', 'serviceaccount', 'agent']);
  const token = await api.kubectl(['create', 'token', 'agent', '--audience=gate.example.com']);
  const review = {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenReview',
    spec: { token: token.trim(), audiences: ['gate.example.com'] },
  };
  const answer = await api.kubectl(['create', '-f', '-', '-o', 'json'], JSON.stringify(review));
  expect(JSON.parse(answer)).toMatchObject({
    status: { authenticated: true, user: { username: 'system:serviceaccount:default:agent' } },
  });
});

test('refuses: a service account without rights', async () => {
  await api.kubectl(['create', 'serviceaccount', 'nobody']);
  const token = await api.kubectl(['create', 'token', 'nobody']);
  const asNobody = ['get', 'secrets', '--kubeconfig=/dev/null', `--server=${api.url}`];
  const trusting = [`--certificate-authority=${api.caPath}`, `--token=${token.trim()}`];
  await expect(api.kubectl([...asNobody, ...trusting])).rejects.toThrow('cannot list resource "secrets"');
});

test('refuses: nothing goes on after close', async () => {
  const other = await startKubeApi();
  await other.close();
  await expect(other.kubectl(['version'])).rejects.toThrow();
  await other.close();
});
