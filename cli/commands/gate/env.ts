// `gate env`: variables that make other shells and scripts mean the same login, or forget it.
import * as flag from '../../arguments.ts';
import { command } from '../../arguments.ts';
import { shellWord } from '../../format/text.ts';
import { requireLogin } from '../../profile/choose.ts';
import { ENVIRONMENT, type Gate } from './context.ts';

export const env = command({
  flags: { unset: flag.toggle({ says: 'Print what takes them away again.' }) },
  examples: ['eval "$(gate env)"', 'eval "$(gate env --unset)"', 'gate env -f json'],
  async run({ io, out, wanted }: Gate, { flags }) {
    if (flags.unset) {
      for (const name of Object.values(ENVIRONMENT)) out.line(`unset ${name}`);
      return;
    }
    const { cluster, user, proxy } = await requireLogin(io, wanted);
    const values = {
      ...(proxy === undefined ? {} : { [ENVIRONMENT.proxy]: proxy.web }),
      [ENVIRONMENT.cluster]: cluster,
      [ENVIRONMENT.user]: user,
    };
    await out.show(values, () => {
      for (const [name, value] of Object.entries(values)) out.line(`export ${name}=${shellWord(value)}`);
    });
  },
});
