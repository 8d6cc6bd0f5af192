// Fuzz targets: the config file, and the short forms of the command line that are parsed in this room.
import { parseAddress, formatAddress } from './address.ts';
import { parseLabelsFlag } from './labels.ts';
import { readConfig } from './read.ts';
import { sampleConfig } from './sample.ts';
import { parseStaticToken } from './tokens.ts';

const SEEDS = [
  sampleConfig({ nodename: 'turing' }),
  'teleport:\n  auth_token: "x:y"\n  ca_pin: sha256:00\n  auth_servers: ["[::1]:3025", "tcp://a"]\nauth_service: {enabled: off}\n',
  'uptime=[1m:"uptime -p"],kernel=[1h:"uname -r"],env=prod',
  '[::1]:3025',
  'proxy,node:xxxx-token-xxxx',
  'auth_service:\n  tokens: "auth:/path"\n  authentication: {type: false, second_factor: off}\n',
];

export const fuzz = {
  name: 'config/read',
  seeds: SEEDS.map((seed) => new TextEncoder().encode(seed)),
  run(input: Uint8Array): void {
    const text = new TextDecoder().decode(input);
    const parsers = [
      () => readConfig(text, { source: 'fuzz', hostname: 'localhost' }),
      () => parseLabelsFlag(text),
      () => parseAddress(formatAddress(parseAddress(text, 1)), 2),
      () => parseStaticToken(text),
    ];
    // The last refusal is passed on; whether it is one of ours is for the runner to say.
    const refusals: unknown[] = [];
    for (const parse of parsers) {
      try {
        parse();
      } catch (error) {
        if (!(error instanceof Error && error.name === 'GatehouseError')) throw error;
        refusals.push(error);
      }
    }
    if (refusals.length === parsers.length) throw refusals[0];
  },
};
