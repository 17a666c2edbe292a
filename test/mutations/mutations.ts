import { double } from './kinds/double.ts';
import { lose } from './kinds/lose.ts';
import { reorder } from './kinds/reorder.ts';
import { secret } from './kinds/secret.ts';
import { skip } from './kinds/skip.ts';
import { tenant } from './kinds/tenant.ts';
import { unleased } from './kinds/unleased.ts';
import type { Mutation } from './mutation.ts';

/** All that `npm run test:mutations` tries. */
export const mutations: readonly Mutation[] = [
  ...lose,
  ...reorder,
  ...double,
  ...skip,
  ...unleased,
  ...tenant,
  ...secret,
];
