// Completion scripts, made from the table of a program: at each place of the command line, the words that may follow.
import { isGroup, type Entry, type Flags, type Program } from './arguments.ts';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

interface Place {
  /** `users add`; empty for the program itself. */
  readonly path: string;
  readonly words: readonly string[];
}

export async function completionScript<C, G extends Flags>(
  program: Program<C, G>,
  target: Shell,
): Promise<string> {
  const places = await placesOf(program);
  if (target === 'fish') return fishScript(program.name, places);
  return target === 'bash' ? bashScript(program.name, places) : zshScript(program.name, places);
}

async function placesOf<C, G extends Flags>(program: Program<C, G>): Promise<Place[]> {
  const globals = flagWords(program.flags);
  const walk = async (path: readonly string[], entries: readonly Entry<C>[]): Promise<Place[]> => {
    const words = entries.flatMap(({ name, aliases = [] }) => [name, ...aliases]);
    const places: Place[] = [
      { path: path.join(' '), words: [...words, ...(path.length === 0 ? globals : []), '--help'] },
    ];
    for (const entry of entries) {
      for (const name of [entry.name, ...(entry.aliases ?? [])]) {
        if (isGroup(entry)) places.push(...(await walk([...path, name], entry.verbs)));
        else {
          const { flags, positionals } = await entry.load();
          const own = positionals.flatMap((positional) => positional.words ?? []);
          places.push({
            path: [...path, name].join(' '),
            words: [...own, ...flagWords(flags), ...globals, '--help'],
          });
        }
      }
    }
    return places;
  };
  return walk([], program.verbs);
}

/** A flag with few values is completed with them. */
function flagWords(flags: Flags): string[] {
  return Object.entries(flags).flatMap(([name, { value, words }]) =>
    value === undefined ? [`--${name}`] : (words ?? ['']).map((word) => `--${name}=${word}`),
  );
}

/** Words are names of ours; the quotes are for the shell's sake. */
const quoted = (words: readonly string[]): string => `'${[...new Set(words)].join(' ')}'`;

function caseLines(places: readonly Place[]): string {
  return places.map(({ path, words }) => `    '${path}') words=${quoted(words)} ;;`).join('\n');
}

/** Follows the words down as far as they are commands; flags in between do not count. */
const FOLLOW = (knownPaths: string): string => `    case "$path\${path:+ }$word" in
${knownPaths}) path="$path\${path:+ }$word" ;;
    esac`;

function knownPaths(places: readonly Place[]): string {
  return `      ${places
    .filter(({ path }) => path !== '')
    .map(({ path }) => `'${path}'`)
    .join('|')}`;
}

function bashScript(name: string, places: readonly Place[]): string {
  return `# Completion of ${name} for bash. Made by \`${name} completion bash\`.
_${name}() {
  local word path='' words='' cur="\${COMP_LINE:0:COMP_POINT}"
  cur="\${cur##*[[:space:]]}"
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
${FOLLOW(knownPaths(places))}
  done
  case "$path" in
${caseLines(places)}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
  # "=" begins a new word for bash: what stands before it is there already.
  if [[ $cur == *=* && $COMP_WORDBREAKS == *=* ]]; then
    COMPREPLY=("\${COMPREPLY[@]#"\${cur%%=*}="}")
  fi
  [[ \${COMPREPLY[0]:-} == *= ]] && compopt -o nospace 2>/dev/null
  return 0
}
complete -o default -F _${name} ${name}
`;
}

function zshScript(name: string, places: readonly Place[]): string {
  return `#compdef ${name}
# Completion of ${name} for zsh. Made by \`${name} completion zsh\`.
_${name}() {
  local word path='' choices=''
  for word in "\${(@)words[2,CURRENT-1]}"; do
${FOLLOW(knownPaths(places))}
  done
  case "$path" in
${caseLines(places).replaceAll(') words=', ') choices=')}
  esac
  compadd -S '' -- \${(M)\${=choices}:#*=}
  compadd -- \${\${=choices}:#*=}
  _files
}
if [ "$funcstack[1]" = _${name} ]; then
  _${name} "$@"
else
  compdef _${name} ${name}
fi
`.replaceAll('path', 'at');
}

function fishScript(name: string, places: readonly Place[]): string {
  const lines = places.flatMap(({ path, words }) =>
    [...new Set(words)].map((word) => `complete -c ${name} -n "__${name}_at '${path}'" -a '${word}'`),
  );
  return `# Completion of ${name} for fish. Made by \`${name} completion fish\`.
function __${name}_at
  set -l at ''
  for word in (commandline -opc)[2..-1]
    switch (string trim -- "$at $word")
      case ${places
        .filter(({ path }) => path !== '')
        .map(({ path }) => `'${path}'`)
        .join(' ')}
        set at (string trim -- "$at $word")
    end
  end
  test "$at" = "$argv[1]"
end
${lines.join('\n')}
`;
}
