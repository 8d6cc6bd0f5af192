// What agents ask of auth on the way to a self-hosted database.
import * as s from '../schema/schema.ts';
import { endpoint } from './endpoint.ts';

export const databaseClientCertificate = endpoint({
  method: 'POST',
  path: '/v1/certificates/db/client',
  says: 'A client certificate for one account of a database that the calling agent serves, for a person whose certificate it shows.',
  request: s.object({
    /** Name of the database. */
    service: s.string({ minLength: 1, maxLength: 253 }),
    /** Base64 of the DER of the person's certificate for the database. */
    certificate: s.string({ minLength: 1, maxLength: 64 * 1024 }),
    account: s.string({ minLength: 1, maxLength: 63 }),
    database: s.string({ minLength: 1, maxLength: 253 }),
    /** The account is the one that makes accounts (admin_user) of this database. */
    admin: s.withDefault(s.boolean(), false),
    tls_public_key: s.string({ minLength: 1, maxLength: 8192 }),
  }),
  reply: s.object({ tls_certificate: s.string(), expires: s.timestamp() }),
});
export type DatabaseClientRequest = s.Infer<typeof databaseClientCertificate.request>;
export type DatabaseClientReply = s.Infer<typeof databaseClientCertificate.reply>;
