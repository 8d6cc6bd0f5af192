// `gate proxy app`: a port on this machine that is an application of the cluster.
import { APP_PROTOCOL } from '#wire/target/protocols.ts';
import * as flag from '../../arguments.ts';
import { command } from '../../arguments.ts';
import { oneLine } from '../../format/text.ts';
import { appLogin, appUrl } from '../../target/app-login.ts';
import { openAppProxy } from '../../target/app-proxy.ts';
import { keepTarget, wishOf } from '../../target/certificate.ts';
import { openTarget } from '../../target/road.ts';
import { untilStopped } from '../../target/until-stopped.ts';
import type { Gate } from './context.ts';

export const proxyApp = command({
  about:
    'Runs until it is interrupted. Every user of this machine can use the port as you; web pages of others cannot.',
  flags: {
    port: flag.integer(0, {
      says: 'The port on 127.0.0.1; 0: any that is free.',
      short: 'p',
      min: 0,
      max: 65_535,
    }),
  },
  positionals: [{ name: 'APP', says: 'the application, as in `gate apps ls`' }],
  examples: ['gate proxy app --port=8888 grafana', 'gate proxy app grafana'],
  async run(gate: Gate, { flags, words: [name = ''] }) {
    const { io, out, wanted } = gate;
    const found = await appLogin(gate, name);
    const kept = keepTarget(io, wanted, wishOf('app', found.login));
    const proxy = await openAppProxy({
      port: flags.port,
      host: new URL(appUrl(found)).host,
      async open() {
        const { profile, login } = await kept.current();
        return openTarget({ profile, login, protocol: APP_PROTOCOL, clock: io.clock, environment: io.env });
      },
      failed: (error) => out.note(`a request failed: ${oneLine((error as Error).message)}`),
    });
    try {
      const address = `127.0.0.1:${proxy.port}`;
      await out.show({ app: name, uri: `http://${address}` }, () => {
        out.line(`Proxying connections to ${oneLine(name)} on ${address}`);
        out.line();
        out.line(`  curl http://${address}`);
      });
      await untilStopped();
    } finally {
      proxy.close();
    }
  },
});
