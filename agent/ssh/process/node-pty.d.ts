// What native-pty.ts takes of @lydell/node-pty, whose own types know nothing of this file.
declare module '@lydell/node-pty/requireBinary.js' {
  /** Throws when there is no build for the platform. */
  export function requireBinary(file: 'pty.node'): {
    open(
      columns: number,
      rows: number,
    ): { readonly master: number; readonly slave: number; readonly pty: string };
    resize(master: number, columns: number, rows: number): void;
  };
}
