// Several documents at once: all or none, with dry runs, differences and access for each.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestAuth, type TestAuth, type TestClient } from '#test/kit/auth-server.ts';

let house: TestAuth;
let editor: TestClient;
beforeAll(async () => {
  house = await startTestAuth();
  editor = await house.issueUser('ed', ['editor']);
});
afterAll(() => house.close());

interface Result {
  readonly kind: string;
  readonly name: string;
  readonly action: string;
  readonly before?: unknown;
  readonly after?: unknown;
}

const role = (name: string, allow: object = {}) => ({ kind: 'role', metadata: { name }, spec: { allow } });
const user = (name: string, roles: readonly string[]) => ({
  kind: 'user',
  metadata: { name },
  spec: { roles },
});

async function apply(client: TestClient, request: object) {
  const answer = await house.call(client, 'POST', '/v1/apply', {
    mode: 'replace',
    documents: [],
    ...request,
  });
  return { ...answer, results: (answer.body?.['results'] ?? []) as Result[] };
}
const actions = (results: readonly Result[]) => results.map(({ name, action }) => `${name} ${action}`);
const has = (kind: string, name: string) => house.auth.state.get(kind, name) !== undefined;

describe('apply', () => {
  test('ok: a user and the role it needs, in one go and in any order', async () => {
    const { results } = await apply(editor, { documents: [user('amy', ['ops']), role('ops')] });
    expect(actions(results)).toEqual(['amy created', 'ops created']);
    const again = await apply(editor, { documents: [user('amy', ['ops']), role('ops', { logins: ['x'] })] });
    expect(actions(again.results)).toEqual(['amy unchanged', 'ops updated']);
    expect(again.results[1]).toMatchObject({
      before: { spec: {} },
      after: { spec: { allow: { logins: ['x'] } } },
    });
    expect(again.results[1]?.before).not.toEqual(again.results[1]?.after);
  });

  test('refuses: everything when one document is wrong, and names every wrong one', async () => {
    const documents = [
      role('fine'),
      { ...role('bad1'), spec: { allowed: {} } },
      { ...role('bad2'), spec: 5 },
    ];
    const answer = await apply(editor, { documents });
    expect(answer.body?.['code']).toBe('INVALID_RESOURCE');
    expect(answer.text).toMatch(/bad1.*bad2/s);
    expect(has('role', 'fine')).toBe(false);
  });

  test('refuses: everything when a rule across kinds fails', async () => {
    const answer = await apply(editor, { documents: [role('left'), user('zoe', ['nowhere'])] });
    expect(answer.body?.['code']).toBe('INVALID_RESOURCE');
    expect(has('role', 'left')).toBe(false);
  });

  test('ok: a dry run says the same and changes nothing, rules included', async () => {
    const request = { documents: [role('dry'), user('drew', ['dry'])] };
    const dry = await apply(editor, { ...request, dry_run: true });
    expect(actions(dry.results)).toEqual(['dry created', 'drew created']);
    expect(has('role', 'dry')).toBe(false);
    const bad = await apply(editor, { documents: [user('drew', ['dry'])], dry_run: true });
    expect(bad.body?.['code']).toBe('INVALID_RESOURCE');
    const events = await house.events();
    expect(events.filter((event) => 'name' in event && event.name === 'dry')).toEqual([]);
  });

  test('ok: create, change and remove together', async () => {
    await apply(editor, { documents: [role('r-old'), role('r-same')] });
    const { results } = await apply(editor, {
      documents: [role('r-new'), role('r-same', { logins: ['y'] })],
      remove: [{ kind: 'role', name: 'r-old' }],
    });
    expect(actions(results)).toEqual(['r-new created', 'r-same updated', 'r-old deleted']);
    expect(has('role', 'r-old')).toBe(false);
  });

  test('refuses: mode create on what exists; the same resource twice; no kind; too many', async () => {
    await apply(editor, { documents: [role('once')] });
    const cases: [object, string][] = [
      [{ mode: 'create', documents: [role('once')] }, 'ALREADY_EXISTS'],
      [{ documents: [role('dup'), role('dup')] }, 'BAD_REQUEST'],
      [{ documents: [{ metadata: { name: 'x' } }] }, 'BAD_REQUEST'],
      [{ documents: [{ ...role('x'), kind: 'rolle' }] }, 'BAD_REQUEST'],
      [{ documents: Array.from({ length: 1001 }, () => role('x')) }, 'BAD_REQUEST'],
      [{ remove: [{ kind: 'role', name: 'never-was' }] }, 'NOT_FOUND'],
      [{ documents: [{ ...role('once'), metadata: { name: 'once', revision: '1' } }] }, 'CONDITION_FAILED'],
      [{ documents: [{ ...role('gone'), metadata: { name: 'gone', revision: '1' } }] }, 'CONDITION_FAILED'],
    ];
    for (const [request, code] of cases) expect((await apply(editor, request)).body?.['code']).toBe(code);
  });

  test('S17 access is asked for each document, before and after it', async () => {
    await house.put('role', 'team-admin', {
      allow: {
        rules: [
          {
            resources: ['role'],
            verbs: ['create', 'update', 'delete'],
            where: 'equals(resource.metadata.labels["team"], "a")',
          },
        ],
      },
    });
    const member = await house.issueUser('tim', ['team-admin']);
    const labelled = (name: string, team: string, allow: object = {}) => ({
      ...role(name, allow),
      metadata: { name, labels: { team } },
    });
    const mine = await apply(member, { documents: [labelled('mine', 'a')] });
    expect(actions(mine.results)).toEqual(['mine created']);
    await apply(editor, { documents: [labelled('theirs', 'b')] });
    const refusals: object[] = [
      { documents: [labelled('other', 'b')] },
      { documents: [role('none')] },
      // Taking over: the label of the new text is right, that of the stored one is not.
      { documents: [labelled('theirs', 'a')] },
      // Giving away.
      { documents: [labelled('mine', 'b')] },
      { documents: [labelled('mine', 'a', { logins: ['z'] }), labelled('theirs', 'b')] },
      { remove: [{ kind: 'role', name: 'theirs' }] },
      { documents: [user('tom', [])] },
    ];
    for (const request of refusals) {
      const answer = await apply(member, request);
      expect([JSON.stringify(request), answer.body?.['code']]).toEqual([
        JSON.stringify(request),
        'ACCESS_DENIED',
      ]);
    }
    expect(house.auth.state.get('role', 'mine')?.spec).not.toMatchObject({ allow: { logins: ['z'] } });
    const changed = await apply(member, { documents: [labelled('mine', 'a', { logins: ['w'] })] });
    // No verb read: what was there is not shown.
    expect(changed.results[0]).not.toHaveProperty('before');
    expect((await apply(member, { remove: [{ kind: 'role', name: 'mine' }] })).status).toBe(200);
  });

  test('ok: writers at once on one role end with one of the texts, each with its event', async () => {
    const texts = Array.from({ length: 12 }, (_, index) => role('busy', { logins: [`user-${index}`] }));
    const answers = await Promise.all(texts.map((text) => apply(editor, { documents: [text] })));
    for (const answer of answers) expect([200, 409]).toContain(answer.status);
    expect(answers.some(({ status }) => status === 200)).toBe(true);
    const created = answers.filter(({ results }) => results[0]?.action === 'created');
    expect(created.length).toBe(1);
  });
});
