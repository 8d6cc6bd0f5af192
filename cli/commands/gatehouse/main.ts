// The entry of bin/gatehouse. The table is in program.ts.
import { main } from '../../run.ts';
import { gatehouse } from './program.ts';

await main(gatehouse);
