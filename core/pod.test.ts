import { expect, it } from 'vitest';
import { apiServerOf, requireAuthority } from './pod.ts';

it('ok: the address that the kubelet told, and none outside of a pod', () => {
  const host = { KUBERNETES_SERVICE_HOST: '10.0.0.1' };
  expect(apiServerOf({ ...host, KUBERNETES_SERVICE_PORT: '6443' })).toEqual({ host: '10.0.0.1', port: 6443 });
  expect(apiServerOf(host)).toEqual({ host: '10.0.0.1', port: 443 });
  expect(apiServerOf({ KUBERNETES_SERVICE_HOST: '' })).toBeUndefined();
  expect(apiServerOf({})).toBeUndefined();
});

it.each(['0', 'http', '65536', '1.5', 'tcp://10.0.0.1:443'])('refuses: a port that is none: %s', (port) => {
  const environment = { KUBERNETES_SERVICE_HOST: '10.0.0.1', KUBERNETES_SERVICE_PORT: port };
  expect(() => apiServerOf(environment)).toThrow('KUBERNETES_SERVICE_PORT');
});

it('S37 refuses: an authority that is empty, with which any public one would do', () => {
  expect(requireAuthority('-----BEGIN')).toBe('-----BEGIN');
  for (const empty of ['', '\n', ' \r\n']) expect(() => requireAuthority(empty)).toThrow('ca.crt');
});
