import { ProblemError, problem } from '../../problems.ts';

/** The same for a device that is not there and for one of a tenant that the operator may not see. */
export const unknownDevice = (): ProblemError =>
  new ProblemError(problem('device-unknown', 'The tenant has no such device.'));
