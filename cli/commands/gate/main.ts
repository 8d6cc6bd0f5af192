// The entry of bin/gate. The table is in program.ts.
import { main } from '../../run.ts';
import { gate } from './program.ts';

await main(gate);
