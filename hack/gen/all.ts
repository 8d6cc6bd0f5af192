// The list of generated pages. A new page is one file here and one line in the list.
import { apiPage } from './api.ts';
import { cliPage } from './cli.ts';
import { configPage } from './config.ts';
import { crdPages } from './crds.ts';
import { customResourcesPage } from './custom-resources.ts';
import { errorsPage } from './errors.ts';
import { eventsPage } from './events.ts';
import { kindsPage } from './kinds.ts';
import type { Page } from './page.ts';
import { rbacPage } from './rbac.ts';

export const pages: readonly Page[] = [
  apiPage,
  cliPage,
  configPage,
  errorsPage,
  eventsPage,
  kindsPage,
  customResourcesPage,
  ...crdPages,
  rbacPage,
];
