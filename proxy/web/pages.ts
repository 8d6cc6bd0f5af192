// The pages and their assets, read once at the start. They load nothing from elsewhere and have no script or style of
// their own inside, so that their policy can forbid both.
import { readFile } from 'node:fs/promises';

export interface Page {
  readonly type: string;
  readonly body: Buffer;
}

export interface Pages {
  readonly signUp: Page;
  readonly landing: Page;
  readonly login: Page;
  readonly apps: Page;
  /** By file name. */
  readonly assets: ReadonlyMap<string, Page>;
}

export const PAGE_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const TYPES: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
};
const ASSETS = ['style.css', 'sign-up.js', 'login.js', 'apps.js', 'icon.svg'];

export async function readPages(): Promise<Pages> {
  const read = async (name: string): Promise<Page> => ({
    type: TYPES[name.split('.').at(-1) ?? ''] ?? 'application/octet-stream',
    body: await readFile(new URL(`./pages/${name}`, import.meta.url)),
  });
  const assets = await Promise.all(ASSETS.map(async (name) => [name, await read(name)] as const));
  return {
    signUp: await read('sign-up.html'),
    landing: await read('landing.html'),
    login: await read('login.html'),
    apps: await read('apps.html'),
    assets: new Map(assets),
  };
}

/** Puts values in place of `{{name}}`, as text. */
export function fillPage(page: Page, values: Readonly<Record<string, string>>): Buffer {
  const text = page.body
    .toString('utf8')
    .replaceAll(/\{\{(\w+)\}\}/g, (_, name: string) => escapeHtml(values[name] ?? ''));
  return Buffer.from(text);
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? '');
}
