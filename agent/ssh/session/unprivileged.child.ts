// A session host that runs as whoever started it, for the test of agents without root: prints what a client needs, and
// ends with its input.
import { startSessionHost } from '#test/kit/session-host.ts';

const [, , folder = '', ...logins] = process.argv;
const host = await startSessionHost({ folder, logins });
process.stdout.write(
  `${JSON.stringify({ port: host.port, options: host.files.clientOptions(host.port) })}\n`,
);
process.stdin.resume();
process.stdin.once('end', () => void host.close());
