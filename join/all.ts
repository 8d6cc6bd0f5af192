// The join methods of this release, by name.
import { kubernetesMethod } from './kubernetes/verify.ts';
import type { JoinMethod } from './method.ts';
import { tokenMethod } from './token/verify.ts';

export const JOIN_METHODS: readonly JoinMethod[] = [tokenMethod, kubernetesMethod];
