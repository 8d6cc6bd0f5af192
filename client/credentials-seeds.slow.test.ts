// R1: a thousand orders of failures of each kind of story, and no split identity.
import { neverSplit } from './conformance/seeds.ts';

neverSplit(1000);
