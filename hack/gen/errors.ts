// docs/reference/errors.md: every error code, for people who meet one and for programs that match on them.
import { CODES, type CodeInfo } from '#core/errors/codes.ts';
import { generatedFrom, type Page, table } from './page.ts';

export const errorsPage: Page = {
  path: 'docs/reference/errors.md',
  render: () => {
    const codes: [string, CodeInfo][] = Object.entries(CODES);
    const rows = codes
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([code, info]) => [
        `\`${code}\``,
        String(info.status),
        info.retryable ? 'yes' : 'no',
        info.meaning,
        info.remedy,
      ]);
    return `${generatedFrom('core/errors/codes.ts')}

# Error codes

Every failure carries one of these codes: in the body of an API answer (\`code\`), in the JSON output of the commands
and in the log. The code is the contract; the text beside it may change. "Retry" says whether the same call may succeed
later without a change.

${table(['Code', 'HTTP status', 'Retry', 'Meaning', 'What to do'], rows)}
`;
  },
};
