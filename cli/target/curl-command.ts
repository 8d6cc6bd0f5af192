// The command line of curl for an application, in lines as a person reads them.
import { shellWord } from '../format/text.ts';
import { appUrl, type AppLogin } from './app-login.ts';

export function curlCommand(found: AppLogin): readonly string[] {
  const { certificate, key } = found.login.paths;
  return [
    'curl \\',
    `  --cert ${shellWord(certificate)} \\`,
    `  --key ${shellWord(key)} \\`,
    `  ${shellWord(appUrl(found))}`,
  ];
}
