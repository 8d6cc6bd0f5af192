// The entry of bin/gatectl. The table is in program.ts.
import { main } from '../../run.ts';
import { gatectl } from './program.ts';

await main(gatectl);
