// Its own process for the benchmark of AWS: the person's local proxy and the agent's engine, joined by TCP. Tells the
// variables for programs in one line of JSON; ends with its standard input.
import { startAwsHouse } from '../../kit/aws-house.ts';

const front = JSON.parse(process.argv[2] ?? '{}') as { port: number; authority: string };
const house = await startAwsHouse({ front });
console.log(JSON.stringify(house.variables));
process.stdin.resume().once('end', () => process.exit(0));
