// The list of generated pages. A new page is one file here and one line in the list.
import { errorsPage } from './errors.ts';
import type { Page } from './page.ts';

export const pages: readonly Page[] = [errorsPage];
