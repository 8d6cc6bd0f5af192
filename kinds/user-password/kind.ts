// The password hash of a local user, named as the user. Apart from `user`, so that reading users never reads hashes.
import { defineKind } from '#core/kind.ts';
import * as s from '#core/schema/schema.ts';

const phc: s.Format = {
  says: 'an argon2id hash in PHC form',
  accepts: (text) =>
    /^\$argon2id\$v=\d+\$[a-z0-9=,]{1,64}\$[A-Za-z0-9+/]{8,128}\$[A-Za-z0-9+/]{16,256}$/.test(text),
};

const spec = s.object({
  hash: s.string({ maxLength: 512, format: phc, secret: true, description: 'argon2id, PHC form.' }),
  changed: s.timestamp(),
});

export type UserPasswordSpec = s.Infer<typeof spec>;

export const userPasswordKind = defineKind<UserPasswordSpec>({
  name: 'user_password',
  audience: 'internal',
  description: 'The password hash of the user of the same name.',
  versions: ['v1'],
  spec,
  columns: [
    { title: 'User', value: (record) => record.metadata.name },
    { title: 'Changed', value: (record) => record.spec.changed },
  ],
});
