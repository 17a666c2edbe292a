import { beforeEach } from 'vitest';
import { conformance } from './conformance.ts';

const reasons = new Map(conformance.flatMap(({ not = {} }) => Object.entries(not)));

beforeEach(({ skip, task }) => {
  const why = reasons.get(task.name);
  if (why !== undefined) skip(why);
});
