// Its own process for the benchmark of AWS: a person's local proxy. Tells the variables for programs in one line of JSON;
// ends with its standard input.
import { startLocalAwsProxy } from '../../kit/aws-house.ts';

const { door } = JSON.parse(process.argv[2] ?? '{}') as { door: number };
const { variables } = await startLocalAwsProxy(door);
console.log(JSON.stringify(variables));
process.stdin.resume().once('end', () => process.exit(0));
