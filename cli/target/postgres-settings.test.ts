import { describe, expect, it } from 'vitest';
import {
  libpqVariables,
  postgresUri,
  psqlCommand,
  serviceSection,
  type PostgresSettings,
} from './postgres-settings.ts';

const tls = { key: '/home/j d/k.pem', certificate: '/c.pem', authorities: '/a.pem' };
const settings: PostgresSettings = {
  host: 'proxy.example.com',
  port: 443,
  user: "o'neil",
  database: 'a b',
  tls,
};

describe('S22 whatever names hold', () => {
  it('ok: a command line of psql is one word of a shell, and its values are quoted for libpq', () => {
    expect(psqlCommand(settings)).toBe(
      `psql 'host=proxy.example.com port=443 user='\\''o\\'\\''neil'\\'' dbname='\\''a b'\\'' sslmode=verify-full sslrootcert=/a.pem sslcert=/c.pem sslkey='\\''/home/j d/k.pem'\\'' gssencmode=disable'`,
    );
  });

  it('ok: a URI', () => {
    expect(postgresUri(settings)).toBe(
      'postgres://o%27neil@proxy.example.com:443/a%20b?sslmode=verify-full&sslrootcert=%2Fa.pem&sslcert=%2Fc.pem&sslkey=%2Fhome%2Fj%20d%2Fk.pem&gssencmode=disable'.replace(
        '%27',
        "'",
      ),
    );
    expect(postgresUri({ host: '::1', port: 5432 })).toBe(
      'postgres://[::1]:5432/?sslmode=disable&gssencmode=disable',
    );
  });

  it('ok: variables and a section of a service file', () => {
    expect(libpqVariables({ host: 'h', port: 1, user: 'u' })).toEqual({
      PGHOST: 'h',
      PGPORT: '1',
      PGUSER: 'u',
      PGSSLMODE: 'disable',
      PGGSSENCMODE: 'disable',
    });
    expect(serviceSection('orders', { host: 'h', hostAddress: '127.0.0.1', port: 1 })).toBe(
      '[orders]\nhost=h\nhostaddr=127.0.0.1\nport=1\nsslmode=disable\ngssencmode=disable\n',
    );
  });
});
