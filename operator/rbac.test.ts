import { expect, it } from 'vitest';
import { RIGHTS } from './rbac.ts';

const rightsTo = (resource: string) => RIGHTS.filter(({ resources }) => resources.includes(resource));

it('S37 ok: no right is by wildcard, and none lets it act as others or widen its own', () => {
  for (const { apiGroups, resources, verbs } of RIGHTS) {
    expect([...apiGroups, ...resources, ...verbs].filter((word) => word.includes('*'))).toEqual([]);
    expect(verbs).not.toContain('impersonate');
    expect(verbs).not.toContain('escalate');
    expect(verbs).not.toContain('deletecollection');
    for (const way of [
      'pods/exec',
      'pods/attach',
      'pods/portforward',
      'pods/ephemeralcontainers',
      'nodes/proxy',
    ]) {
      expect(resources).not.toContain(way);
    }
  }
});

it('S37 ok: it binds one role, asks for tokens of one account, writes no Secret, and reads one namespace object', () => {
  const bind = RIGHTS.filter(({ verbs }) => verbs.includes('bind'));
  expect(bind.map(({ resourceNames }) => resourceNames)).toEqual([['system:auth-delegator']]);
  expect(rightsTo('serviceaccounts/token')).toMatchObject([
    { where: 'own', verbs: ['create'], resourceNames: ['OWN_SERVICE_ACCOUNT'] },
  ]);
  expect(rightsTo('secrets').flatMap(({ verbs }) => verbs)).toEqual(['get', 'list', 'watch']);
  expect(rightsTo('namespaces')).toMatchObject([{ verbs: ['get'], resourceNames: ['kube-system'] }]);
  expect(rightsTo('roles')).toEqual([]);
  expect(rightsTo('pods').flatMap(({ verbs }) => verbs)).toEqual(['list', 'watch', 'delete']);
});

it('ok: every right says why', () => {
  for (const { why } of RIGHTS) expect(why).toMatch(/^[a-z].{8,}$/);
});
