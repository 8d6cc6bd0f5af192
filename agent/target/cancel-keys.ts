// Process ids in cancel keys, where engines look for them; the computation is in wire, because proxies need it too.
export { cancelProcessId } from '#wire/target/cancel-keys.ts';
