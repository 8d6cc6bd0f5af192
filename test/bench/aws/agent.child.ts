// Its own process for the benchmark of AWS: the agent's engine at the end of the road. Tells its door in one line of JSON;
// ends with its standard input.
import { startAwsHouse } from '../../kit/aws-house.ts';

const front = JSON.parse(process.argv[2] ?? '{}') as { port: number; authority: string };
const house = await startAwsHouse({ front });
console.log(JSON.stringify({ door: house.door }));
process.stdin.resume().once('end', () => process.exit(0));
