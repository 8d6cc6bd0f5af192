// Fuzz target: output of recorded sessions. Whatever it is, nothing that a terminal answers or obeys beyond its screen
// may be left of it.
import { ScreenFilter } from './screen-filter.ts';

const seeds = [
  '\u001b[31mred\u001b[0m\u001b[2J\u001b[6n\u001b[c\u001b[>q text',
  '\u001b]52;c;aGk=\u0007\u001b]0;title\u001b\\after\u001bPq#0\u001b\\end\u001b[?1003h',
  '\u001b(0lqk\u001b(B\u009b5n\u001b[5i\u001b[8;1;1t\u001b[=0c',
];

/** What must never come through, in the two forms that it has. */
const BANNED =
  // oxlint-disable-next-line no-control-regex -- control sequences are what is looked for
  /[\u0005\u0080-\u009f]|\u001b[\]PX^_k\u000e\u000f]|\u001b\[[0-?]*[ -/]*[cntxiwyz{|]|\u001b\[[>=<][0-?]*[a-z]|\u001b\[\?(?:1000|1003|2004)h/;

export const fuzz = {
  name: 'screen filter',
  seeds: seeds.map((text) => new Uint8Array(Buffer.from(text))),
  run(input: Uint8Array): void {
    const filter = new ScreenFilter();
    const middle = input.length >> 1;
    const shown = filter.push(input.subarray(0, middle)) + filter.push(input.subarray(middle));
    const found = BANNED.exec(shown);
    if (found !== null) throw new Error(`came through: ${JSON.stringify(found[0])}`);
  },
};
