// Fuzz target: places of databases and applications. What is taken must never be a place that nothing may dial, however it
// is written.
import { addressClass } from './address-class.ts';
import { parseAppUri, parseDatabaseUri } from './target-address.ts';

const SEEDS = [
  'db.example.com:5432',
  '[2001:db8::5]:5432',
  '127.0.0.1:5432',
  '2852039166:80',
  '[::ffff:a9fe:a9fe]:80',
  'http://localhost:3000/a?b',
  'https://console.aws.amazon.com/ec2/v2/home',
  'http://0xa9.0xfe.0xa9.0xfe/',
  'http://[fe80::1]/',
  'http://user:password@host/',
];

export const fuzz = {
  name: 'places of targets',
  seeds: SEEDS.map((text) => new Uint8Array(Buffer.from(text))),
  run(input: Uint8Array): void {
    const text = Buffer.from(input).toString('utf8');
    const database = parseDatabaseUri(text);
    if (typeof database !== 'string') requireAllowed(database.host);
    const app = parseAppUri(text);
    if (typeof app !== 'string') requireAllowed(app.hostname.replace(/^\[|\]$/g, ''));
  },
};

function requireAllowed(host: string): void {
  if (host === '' || addressClass(host) === 'never') throw new Error(`taken: ${JSON.stringify(host)}`);
}
