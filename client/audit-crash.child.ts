// A process that emits events as fast as they are kept, and prints each number once its event is safe: for the test
// that kills it at any point.
import { writeSync } from 'node:fs';
import { systemClock } from '#core/clock.ts';
import { silentLog } from '#core/log.ts';
import { openApi } from './api.ts';
import { startAuditSender } from './audit-sender.ts';

const [dir = '', address = '', identity = '{}', first = '0'] = process.argv.slice(2);
const { authority, certificate, privateKey, hostId } = JSON.parse(identity) as Record<string, string>;
const api = openApi({
  addresses: [address],
  authorities: [authority ?? ''],
  identity: { certificate: certificate ?? '', privateKey: privateKey ?? '' },
});
const sender = startAuditSender({
  dir,
  membership: { joined: Promise.resolve(), api: () => api },
  clock: systemClock,
  log: silentLog,
});
for (let n = Number(first); ; n++) {
  sender.emit({ event: 'session.start', user: 'joe', login: 'root', sid: `s${n}`, server_id: hostId });
  if (n % 7 !== 0) continue;
  await sender.flush();
  writeSync(1, `${n}\n`);
}
