// Password hashes against the reference implementation, what a new password must be, and the bounds on hashing.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fuzz } from './phc.fuzz.ts';
import { formatPasswordHash, parsePasswordHash } from './phc.ts';
import { Passwords, requireGoodPassword, type Derive } from './password.ts';

const CHEAP = { memory: 64, passes: 1, parallelism: 1 };

describe('password hashes', () => {
  test('ok: a hash of the reference implementation of argon2id', async () => {
    const stored = '$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc';
    const passwords = new Passwords();
    expect(await passwords.verify('password', stored)).toMatchObject({ isRight: true });
    expect(await passwords.verify('passwore', stored)).toMatchObject({ isRight: false });
  });

  test('ok: new hashes are argon2id at more than the cost OWASP asks for, and differ each time', async () => {
    const passwords = new Passwords();
    const [one, other] = [
      await passwords.hash('correct horse battery'),
      await passwords.hash('correct horse battery'),
    ];
    expect(one).toMatch(/^\$argon2id\$v=19\$m=47104,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
    expect(other).not.toBe(one);
    expect(await passwords.verify('correct horse battery', one)).toEqual({ isRight: true, isWeak: false });
  });

  test.each([
    [
      'ok: composed and decomposed accents are one password',
      'Zürich und Genève',
      'Zu\u0308rich und Gene\u0300ve',
      true,
    ],
    ['refuses: another case', 'correct horse battery', 'Correct horse battery', false],
    ['refuses: the beginning of the password', 'correct horse battery', 'correct horse', false],
    ['refuses: the password and more', 'correct horse', 'correct horse\u0000', false],
  ])('%s', async (_title, password, tried, isRight) => {
    const passwords = new Passwords({ cost: CHEAP });
    expect((await passwords.verify(tried, await passwords.hash(password))).isRight).toBe(isRight);
  });

  test('ok: a hash of lower cost, or with a short salt, is known as weak', async () => {
    const old = await new Passwords({ cost: CHEAP }).hash('correct horse battery');
    const now = new Passwords({ cost: { ...CHEAP, passes: 2 } });
    expect(await now.verify('correct horse battery', old)).toEqual({ isRight: true, isWeak: true });
  });

  test('S9 without a stored hash the same work is done, and nothing is right', async () => {
    const seen: unknown[] = [];
    const derive: Derive = async (_password, { salt, ...cost }, length) => {
      seen.push({ ...cost, length, salt: salt.length });
      return Buffer.alloc(length);
    };
    const passwords = new Passwords({ derive });
    const stored = await passwords.hash('correct horse battery');
    expect((await passwords.verify('x', undefined)).isRight).toBe(false);
    expect((await passwords.verify('x', stored)).isRight).toBe(true);
    expect(seen[1]).toEqual(seen[2]);
  });
});

describe('PHC strings', () => {
  const SALT = 'c29tZXNhbHQ';
  const TAG = 'CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc';

  test.each([
    ['nothing', ''],
    ['another algorithm', `$argon2i$v=19$m=65536,t=2,p=1$${SALT}$${TAG}`],
    ['another version', `$argon2id$v=16$m=65536,t=2,p=1$${SALT}$${TAG}`],
    ['a terabyte of memory', `$argon2id$v=19$m=999999999,t=2,p=1$${SALT}$${TAG}`],
    ['no memory', `$argon2id$v=19$m=7,t=2,p=1$${SALT}$${TAG}`],
    ['no passes', `$argon2id$v=19$m=65536,t=0,p=1$${SALT}$${TAG}`],
    ['endless passes', `$argon2id$v=19$m=65536,t=1000000,p=1$${SALT}$${TAG}`],
    ['no lanes', `$argon2id$v=19$m=65536,t=1,p=0$${SALT}$${TAG}`],
    ['base64 with bits that say nothing', `$argon2id$v=19$m=65536,t=1,p=1$c29tZXNhbHR$${TAG}`],
    ['a tag that is too short', `$argon2id$v=19$m=65536,t=1,p=1$${SALT}$AAAA`],
    ['text behind it', `$argon2id$v=19$m=65536,t=2,p=1$${SALT}$${TAG}\n`],
    ['a megabyte', `$argon2id$v=19$m=65536,t=2,p=1$${SALT}$${'A'.repeat(1 << 20)}`],
  ])('refuses: %s', (_title, text) => {
    expect(() => parsePasswordHash(text)).toThrow(expect.objectContaining({ code: 'CORRUPT' }));
  });

  test('ok: what is written is read back', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 9, maxLength: 64 }),
        fc.uint8Array({ minLength: 16, maxLength: 128 }),
        fc.record({
          memory: fc.integer({ min: 64, max: 262_144 }),
          passes: fc.integer({ min: 1, max: 16 }),
          parallelism: fc.integer({ min: 1, max: 8 }),
        }),
        (salt, tag, cost) => {
          const hash = { ...cost, salt: Buffer.from(salt), tag: Buffer.from(tag) };
          expect(parsePasswordHash(formatPasswordHash(hash))).toEqual(hash);
        },
      ),
    );
  });

  test('ok: the first seed of the fuzz target is read', () => {
    expect(() => fuzz.run(fuzz.seeds[0]!)).not.toThrow();
  });
});

describe('new passwords', () => {
  test.each([
    ['twelve characters', 'abcdefghijkl'],
    ['words', 'correct horse battery staple'],
    ['any script', 'пароль из слов'],
    ['1,024 bytes', `abcde${'x'.repeat(1019)}`],
  ])('ok: %s', (_title, password) => {
    expect(() => requireGoodPassword(password, 'joe')).not.toThrow();
  });

  test.each([
    ['eleven characters', 'abcdefghijk'],
    ['twelve bytes in six characters', 'ééééёё'],
    ['over 1,024 bytes', `abcde${'x'.repeat(1020)}`],
    ['one character again and again', 'aaaaaaaaaaaaaaaa'],
    ['four different characters', 'abcdabcdabcdabcd'],
    ['the name of the user, twice', 'josephine josephine'],
    ['half a surrogate pair', 'abcdefghijklmn\ud800'],
  ])('refuses: %s', (_title, password) => {
    const error = expect.objectContaining({ code: 'BAD_REQUEST', details: { field: 'password' } });
    expect(() => requireGoodPassword(password, 'josephine')).toThrow(error);
    expect(() => requireGoodPassword(password, 'josephine')).not.toThrow(password);
  });
});

describe('S33 hashing is bounded', () => {
  test('ok: two hashes at once, the rest waits in line in order', async () => {
    let running = 0;
    let most = 0;
    const order: string[] = [];
    const release: (() => void)[] = [];
    const derive: Derive = async (password, _hash, length) => {
      order.push(password.toString());
      most = Math.max(most, ++running);
      await new Promise<void>((resolve) => release.push(resolve));
      running -= 1;
      return Buffer.alloc(length);
    };
    const passwords = new Passwords({ derive });
    const all = Promise.all(['a', 'b', 'c', 'd', 'e'].map((password) => passwords.hash(password)));
    while (order.length < 5 || release.length > 0) {
      release.shift()?.();
      await new Promise((resolve) => setImmediate(resolve));
    }
    await all;
    expect([most, order]).toEqual([2, ['a', 'b', 'c', 'd', 'e']]);
  });

  test('refuses: more works than are admitted, before they begin; a failed one makes room', async () => {
    const passwords = new Passwords({ maxAdmitted: 2 });
    let end: (() => void) | undefined;
    const busy = [1, 2].map(() =>
      passwords.admit(() => new Promise<void>((_resolve, reject) => (end = () => reject(new Error('end'))))),
    );
    let begun = false;
    await expect(passwords.admit(async () => (begun = true))).rejects.toMatchObject({
      code: 'LIMIT_EXCEEDED',
    });
    expect(begun).toBe(false);
    end?.();
    await expect(busy[1]).rejects.toThrow('end');
    expect(await passwords.admit(async () => 'in')).toBe('in');
    void busy[0];
  });
});
