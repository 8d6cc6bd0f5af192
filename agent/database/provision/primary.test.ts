// Where accounts are made when the database is a replica, and what an admin needs from version 16 on; with answers as the
// documentation of Aurora and PostgreSQL has them, because neither is here.
import { describe, expect, test } from 'vitest';
import { parseResource } from '#core/kind.ts';
import type { Resource } from '#core/resource.ts';
import { dbKind, type DbSpec } from '#kinds/db/kind.ts';
import type { AdminConnection, Row } from './admin-connection.ts';
import { auroraWriter, isReplica, writerOf } from './primary.ts';
import { probe } from './probe.ts';

const db = (host: string): Resource<DbSpec> =>
  parseResource(dbKind, {
    kind: 'db',
    version: 'v3',
    metadata: { name: 'orders' },
    spec: { protocol: 'postgres', uri: `${host}:5432` },
  }) as Resource<DbSpec>;

const answering = (
  answer: (text: string, values: readonly unknown[]) => readonly Row[],
): AdminConnection => ({
  rows: async (text, values = []) => answer(text, values),
  transaction: (work) => work(),
  user: 'maker',
  database: 'shop',
  close: async () => {},
});

describe('the primary of Aurora', () => {
  test('ok: of a reader endpoint by its name', () => {
    expect(writerOf(db('a.cluster-ro-abcdefghijkl.eu-west-1.rds.amazonaws.com'))?.spec.uri).toBe(
      'a.cluster-abcdefghijkl.eu-west-1.rds.amazonaws.com:5432',
    );
    expect(writerOf(db('a.cluster-abcdefghijkl.eu-west-1.rds.amazonaws.com'))).toBeUndefined();
    expect(writerOf(db('db.example.com'))).toBeUndefined();
  });

  test('ok: of an instance by what Aurora says', async () => {
    const reader = db('a-2.abcdefghijkl.eu-west-1.rds.amazonaws.com');
    const admin = answering((text) =>
      text.includes('aurora_replica_status') ? [{ server_id: 'a-1' }] : [{ replica: true }],
    );
    expect(await isReplica(admin)).toBe(true);
    expect((await auroraWriter(admin, reader))?.spec.uri).toBe(
      'a-1.abcdefghijkl.eu-west-1.rds.amazonaws.com:5432',
    );
  });

  test('refuses: S25 answers that would lead elsewhere, and databases that are no Aurora', async () => {
    const reader = db('a-2.abcdefghijkl.eu-west-1.rds.amazonaws.com');
    for (const id of ['evil.example.com/', 'x.y', '', '169.254.169.254', "a'b"])
      expect(
        await auroraWriter(
          answering(() => [{ server_id: id }]),
          reader,
        ),
        id,
      ).toBeUndefined();
    const none = answering(() => {
      throw new Error('function aurora_replica_status() does not exist');
    });
    expect(await auroraWriter(none, reader)).toBeUndefined();
    expect(
      await auroraWriter(
        answering(() => [{ server_id: 'a-1' }]),
        db('db.example.com'),
      ),
    ).toBeUndefined();
  });
});

describe('what an admin needs', () => {
  const server = (version: number, admin: boolean): AdminConnection =>
    answering((text) => {
      if (text.includes('server_version_num'))
        return [{ version, rolsuper: false, rolcreaterole: true, replica: false }];
      if (text.includes('ADMIN OPTION')) return [{ name: 'reader', super: false, admin }];
      return text.includes('pg_database') ? [{ one: 1 }] : [];
    });
  const missing = async (admin: AdminConnection): Promise<(string | undefined)[]> =>
    (await probe(admin, { user: 'ann', roles: ['reader'], database: 'shop' }))
      .filter(({ ok }) => !ok)
      .map(({ remedy }) => remedy);

  test('ok: from version 16 on each role has to be given to it with ADMIN OPTION', async () => {
    expect(await missing(server(150_000, false))).toEqual([]);
    expect(await missing(server(160_000, false))).toEqual(['GRANT "reader" TO "maker" WITH ADMIN OPTION;']);
    expect(await missing(server(170_000, true))).toEqual([]);
    expect(await missing(server(110_000, true))).toEqual(['upgrade the server']);
  });
});
