import { describe, expect, it } from 'vitest';
import { compileAccess, type AccessSet } from '#core/access/compile.ts';
import { decideSsh, decideTarget } from '#core/access/decide.ts';
import { decideResource, type Verb } from '#core/access/rules.ts';
import { parseResource } from '#core/kind.ts';
import { formatDocuments, parseDocuments } from '#kinds/documents.ts';
import { accessRoleOf, roleKind, type Role } from './kind.ts';
import { PRESET_LABEL, presetDigest, presetRoles, upgradePreset, type PresetName } from './presets.ts';

const preset = (name: PresetName): Role => presetRoles().find((role) => role.metadata.name === name)!;
const holder = (...names: PresetName[]): AccessSet =>
  compileAccess(
    names.map((name) => accessRoleOf(preset(name))),
    {
      name: 'joe',
      roles: names,
      traits: { logins: ['joe'], db_users: ['*'], db_names: ['*'] },
    },
  );
const may = (set: AccessSet, kind: string, verb: Verb, participants?: string[]): boolean =>
  decideResource(set, { kind, verb, ...(participants === undefined ? {} : { session: { participants } }) })
    .allowed;
const ssh = (set: AccessSet, login: string): boolean =>
  decideSsh(set, { node: { name: 'n', labels: {} }, login }).allowed;

describe('preset roles', () => {
  it('ok: auditor reads sessions, events and reports, and changes nothing', () => {
    const set = holder('auditor');
    for (const [kind, verb] of [
      ['session', 'read'],
      ['event', 'list'],
      ['security_report', 'use'],
      ['audit_query', 'use'],
    ] as const) {
      expect(may(set, kind, verb)).toBe(true);
    }
    for (const [kind, verb] of [
      ['session', 'delete'],
      ['role', 'read'],
      ['user', 'list'],
      ['token', 'create'],
    ] as const) {
      expect(may(set, kind, verb)).toBe(false);
    }
    expect(ssh(set, 'joe')).toBe(false);
  });

  it('ok: access reaches targets and its own sessions', () => {
    const set = holder('access');
    expect([ssh(set, 'joe'), ssh(set, 'root')]).toEqual([true, false]);
    expect(
      decideTarget(set, { kind: 'db', target: { name: 'd', labels: {} }, user: 'alice', database: 'x' })
        .allowed,
    ).toBe(true);
    expect([
      may(set, 'session', 'read', ['joe']),
      may(set, 'session', 'read', ['ann']),
      may(set, 'role', 'read'),
    ]).toEqual([true, false, false]);
  });

  it('ok: editor edits the cluster and reaches no target', () => {
    const set = holder('editor');
    expect([may(set, 'role', 'update'), may(set, 'token', 'create'), may(set, 'github', 'read')]).toEqual([
      true,
      true,
      true,
    ]);
    expect([
      may(set, 'session', 'read'),
      may(set, 'event', 'read'),
      may(set, 'cert_authority', 'read'),
      ssh(set, 'joe'),
    ]).toEqual([false, false, false, false]);
  });

  it('ok: admin may do everything, with the accounts of the traits', () => {
    const set = holder('admin');
    expect([
      may(set, 'role', 'delete'),
      may(set, 'session', 'read'),
      ssh(set, 'joe'),
      ssh(set, 'root'),
    ]).toEqual([true, true, true, false]);
  });

  it('ok: requester and reviewer work with requests only', () => {
    expect([
      may(holder('requester'), 'access_request', 'create'),
      may(holder('requester'), 'access_request', 'update'),
    ]).toEqual([true, false]);
    expect([may(holder('reviewer'), 'access_request', 'update'), ssh(holder('reviewer'), 'joe')]).toEqual([
      true,
      false,
    ]);
  });
});

describe('upgrading presets', () => {
  const shipped = preset('auditor');
  /** As a release before this one would have stored it. */
  const older = ((): Role => {
    const role: Role = {
      ...shipped,
      spec: { ...shipped.spec, allow: { rules: [{ resources: ['event'], verbs: ['list'] }] } },
    };
    return { ...role, metadata: { ...role.metadata, labels: { [PRESET_LABEL]: presetDigest(role) } } };
  })();
  const changed = (role: Role, change: Partial<Role>): Role => ({ ...role, ...change });

  it.each<[string, Role | undefined, 'create' | 'replace' | 'keep']>([
    ['missing', undefined, 'create'],
    ['the same', shipped, 'keep'],
    ['older and untouched', older, 'replace'],
    [
      'older, with another rule',
      changed(older, { spec: { ...older.spec, deny: { logins: ['root'] } } }),
      'keep',
    ],
    [
      'older, with a label',
      changed(older, { metadata: { ...older.metadata, labels: { ...older.metadata.labels, team: 'sec' } } }),
      'keep',
    ],
    [
      'older, with another description',
      changed(older, { metadata: { ...older.metadata, description: 'ours' } }),
      'keep',
    ],
    ['older, in another version', changed(older, { version: 'v5' }), 'keep'],
    ['without our label', changed(older, { metadata: { name: 'auditor' } }), 'keep'],
    ['the same, changed', changed(shipped, { spec: older.spec }), 'keep'],
  ])('ok: a preset that is %s', (_name, stored, action) => {
    expect(upgradePreset(shipped, stored)).toBe(action);
  });

  it('ok: the digest survives storing, printing and reading back', () => {
    for (const role of presetRoles()) {
      const text = formatDocuments([role], 'yaml');
      const [back] = parseDocuments(text, { kinds: [roleKind], source: 'x' }) as Role[];
      expect(presetDigest(back!)).toBe(role.metadata.labels?.[PRESET_LABEL]);
      const stored = parseResource(roleKind, JSON.parse(JSON.stringify(role)));
      expect(upgradePreset(role, { ...stored, metadata: { ...stored.metadata, revision: '7' } })).toBe(
        'keep',
      );
      expect(presetDigest(stored)).toBe(presetDigest(role));
    }
  });
});
